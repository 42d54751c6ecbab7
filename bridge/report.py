"""Writes what a run found: result.json, the shots that went wrong, and a picture."""

import json
import textwrap
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from bridge.adaptive.picture import draw_adaptation
from bridge.files import write_whole
from bridge.heading import ALPHA, Duel, date_in_words, host_in_words, verdicts
from bridge.links.base import LinkInfo
from bridge.run import LoopRun, Setup, metadata

RESULT_FILE = "result.json"
WRONG_SHOTS_FILE = "wrong_shots.jsonl"
PICTURE_FILE = "report.png"
ADAPTIVE_PICTURE_FILE = "adaptive.png"
OURS, THEIRS = "#1f6f8b", "#99a8b2"
MOST_BARS = 120
LINE_LETTERS = 140
"""So many go into a line below the picture."""


def result(run: LoopRun) -> dict[str, Any]:
    """The machine-readable result: decoder_metrics, qec_metrics, reference, session, and what cut the run short."""
    setup = run.setup
    session = {**setup.session, "job_id": setup.job_id} if setup else {}
    return {
        **metadata(run),
        "reference": setup.tally.reference_metrics() if setup else None,
        "session": {**session, "requested_shots": run.settings.shots},
        "adaptive": run.adaptive,
        "digests": setup.tally.digests() if setup else None,
        "telemetry": run.telemetry,
        "trace": str(run.trace_file) if run.trace_file else None,
        "error": {"type": type(run.error).__name__, "message": str(run.error)} if run.error else None,
    }


def write_report(run: LoopRun, folder: Path) -> None:
    """Write the report folder; each file appears whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / RESULT_FILE, result(run))
    if run.setup is None:
        return
    lines = [json.dumps(asdict(shot), separators=(",", ":")) for shot in run.setup.tally.wrong_shots]
    write_whole(folder / WRONG_SHOTS_FILE, "".join(f"{line}\n" for line in lines).encode())
    if run.setup.tally.num_shots and run.link is not None:
        draw(run, run.setup, run.link, folder / PICTURE_FILE)
    if run.adaptive is not None:
        draw_adaptation(run.adaptive, run.setup.decoder.name, folder / ADAPTIVE_PICTURE_FILE)


def write_json(file: Path, content: Mapping[str, Any]) -> None:
    """Write JSON; the file appears whole or not at all."""
    write_whole(file, (json.dumps(content, indent=2, sort_keys=False) + "\n").encode())


def write_text(file: Path, text: str) -> None:
    """Write text; the file appears whole or not at all."""
    write_whole(file, text.encode())


def draw(run: LoopRun, setup: Setup, link: LinkInfo, file: Path) -> None:
    """Picture of a run: logical error rates with 95% intervals, and the latency histogram."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 4.8), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    rates, latency = figure.subplots(1, 2)
    _draw_rates(rates, setup)
    _draw_latency(latency, setup, link)
    title, *rest = heading(run, setup, time.time())
    figure.suptitle(title, fontsize=12)
    figure.supxlabel("\n".join(textwrap.fill(line, LINE_LETTERS) for line in rest), fontsize=8.5)
    figure.savefig(file)


def heading(run: LoopRun, setup: Setup, now_s: float) -> list[str]:
    """What stands at the top of the picture, and below it: what was run and when, what came out, how and where."""
    session, tally = setup.session, setup.tally
    memory = f"{session['code_family']} d={session['code_distance']}, {session['rounds']} rounds"
    differing = tally.num_shots - tally.agreements
    found = [f"{setup.decoder.name} on {memory}, {date_in_words(now_s).partition(',')[0]}"]
    if setup.problem.graph.num_observables == 1:  # then of two answers that differ one is right
        only_ours = (differing + tally.logical_errors - tally.reference_errors) // 2
        duel = Duel(
            setup.decoder.name,
            memory,
            tally.num_shots,
            tally.logical_errors,
            tally.reference_errors,
            only_ours,
            differing - only_ours,
        )
        found += verdicts([duel])
    settings = run.settings
    asked = f"memory {session['basis']}, noise {settings.noise} on {session['backend_id']}, seed {settings.seed}"
    return [*found, f"significant: exact McNemar test at {ALPHA:.0%}; {asked}; {host_in_words()}"]


def _draw_rates(axes: Any, setup: Setup) -> None:
    ours, theirs = setup.tally.qec_metrics(), setup.tally.reference_metrics()
    for place, (metrics, colour) in enumerate([(ours, OURS), (theirs, THEIRS)]):
        rate = metrics["logical_error_rate"]
        low, high = metrics["logical_error_rate_95"]
        axes.errorbar(
            [place], [rate], yerr=[[rate - low], [high - rate]], fmt="o", color=colour, capsize=6, markersize=8
        )
        axes.annotate(f"{rate:.3e}", (place, rate), textcoords="offset points", xytext=(12, -4), fontsize=9)
    axes.set_xticks([0, 1], [setup.decoder.name, "pymatching"], fontsize=9)
    axes.set_xlim(-0.6, 1.8)
    lowest = min(ours["logical_error_rate_95"][0], theirs["logical_error_rate_95"][0])
    highest = max(ours["logical_error_rate_95"][1], theirs["logical_error_rate_95"][1])
    margin = 0.3 * (highest - lowest)
    axes.set_ylim(max(0.0, lowest - margin), highest + margin)
    axes.set_ylabel("logical errors per shot (95% interval)")
    axes.set_title(f"on the same shots, {ours['agreement']:.2%} of them decoded alike", fontsize=10)
    axes.grid(axis="y", alpha=0.3)


def _draw_latency(axes: Any, setup: Setup, link: LinkInfo) -> None:
    axes.set_title("latency, last word in to correction out", fontsize=10)
    if not link.clocked or not setup.tally.latency_cycles:
        axes.text(0.5, 0.5, "a software decoder has no clock", ha="center", va="center", transform=axes.transAxes)
        axes.set_axis_off()
        return
    cycles = np.concatenate(setup.tally.latency_cycles)
    values, counts = np.unique(cycles, return_counts=True)
    if int(values.max()) < MOST_BARS:
        axes.bar(values, counts / cycles.size, width=0.8, color=OURS)
    else:  # gaps between so many bars would be stripes
        share = np.bincount(cycles.astype(np.int64)) / cycles.size
        axes.stairs(share, np.arange(share.size + 1) - 0.5, fill=True, color=OURS)
    axes.set_xlabel(f"clock cycles (at {setup.decoder.clock_mhz:g} MHz)")
    axes.set_ylabel("share of shots")
    axes.set_xlim(0, int(values.max()) + 2)
    axes.set_axisbelow(True)
    axes.grid(axis="y", alpha=0.3)
