"""`qtwin loop` and `qtwin demo`: their options. What they do is imported when they run: --help answers at once."""

from pathlib import Path
from typing import Annotated

import typer

from qtwin.commands.parsing import MAX_PATIENCE_S, decoder_name, number

DEMO_SHOTS = 100_000
MAX_SHOTS = 10_000_000
"""Of one session, as the twin's `Limits` have it."""

Url = Annotated[
    str | None, typer.Option(envvar="QTWIN_URL", help="A running twin's gateway; without it a twin is started.")
]
Email = Annotated[str, typer.Option(envvar="QTWIN_EMAIL", help="Login at a running twin.")]
Password = Annotated[
    str | None, typer.Option(envvar="QTWIN_PASSWORD", help="Its password; better in QTWIN_PASSWORD than here.")
]

Code = Annotated[str, typer.Option(help="surface (rotated) or repetition.")]
Distance = Annotated[int, number("Code distance.")]
Rounds = Annotated[int | None, number("Rounds of a memory; default: the distance.")]
Basis = Annotated[str, typer.Option(help="Z or X.")]
Noise = Annotated[str, typer.Option(help="device, or uniform:P for circuit noise of probability P.")]
Backend = Annotated[str | None, typer.Option(help="Backend; default: one that fits the code.")]


def loop(
    decoder: Annotated[
        str,
        typer.Option(
            help="table, union-find, pymatching, sinter:NAME, or the path of a decoder.yaml (or of its folder). With "
            "choices: union-find:3 (weight bits), union-find:window=10,commit=5,loadable (also bits, budget, fifo).",
            parser=decoder_name,
            metavar="<str>",
        ),
    ] = "table",
    link: Annotated[
        str | None,
        typer.Option(
            help="software, verilated, cocotb:verilator (icarus, ghdl, nvc), uart:PORT, pynq:ADDRESS, pynq:simulated, "
            "faulty:FAULTS/LINK; default: verilated for RTL."
        ),
    ] = None,
    code: Code = "surface",
    distance: Distance = 3,
    rounds: Rounds = None,
    basis: Basis = "Z",
    shots: Annotated[int, number("Memories to run.")] = 10_000,
    seed: Annotated[int, number("The same seed gives the same shots.")] = 1,
    noise: Noise = "device",
    backend: Backend = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the result alone to this file, too.")] = None,
    trace: Annotated[int | None, number("Record the waveform of this shot (from 0).")] = None,
    adaptive: Annotated[
        bool,
        typer.Option(
            "--adaptive", help="Renew the decoder's weights from the syndromes (--decoder union-find:loadable)."
        ),
    ] = False,
    renew_every: Annotated[
        int, number("With --adaptive: shots between two renewals.", least=100, most=MAX_SHOTS)
    ] = 10_000,
    half_life: Annotated[float, typer.Option(help="With --adaptive: age in shots that counts half.", min=1)] = 50_000,
    compare_fresh: Annotated[
        bool,
        typer.Option(
            "--compare-fresh",
            help="With --adaptive: recalibrate the device at the end, and judge its new error model on the same shots.",
        ),
    ] = False,
    chunk: Annotated[int, number("Shots a transfer.", least=1, most=100_000)] = 8192,
    timeout: Annotated[
        float, typer.Option(help="Seconds that one transfer may take.", min=0.1, max=MAX_PATIENCE_S)
    ] = 120.0,
    reconnect: Annotated[
        float,
        typer.Option(
            help="Seconds in which a lost link, or a lost twin at --url, must come back.", min=0, max=MAX_PATIENCE_S
        ),
    ] = 60.0,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with the stopped run of this report folder; of the rest, --link counts.")
    ] = None,
    runs_dir: Annotated[Path, typer.Option(help="Where report folders go.")] = Path("runs"),
    url: Url = None,
    email: Email = "admin@qcraft.local",
    password: Password = None,
) -> None:
    """Run the closed loop once: twin, link, decoder and back; compare with PyMatching on the same shots."""
    from qtwin.options import (
        Session,
        decoder_faults,
        file_faults,
        folder_faults,
        judge,
        link_faults,
        resume_faults,
        rtl_faults,
        session_faults,
        url_faults,
    )

    if resume is not None:
        judge(resume_faults(resume, link), file_faults(json_file), url_faults(url))
    else:
        session = Session(code, distance, rounds, basis, noise, backend, seed, shots)
        judge(
            session_faults(session, url),
            decoder_faults(decoder, session),
            link_faults(link, decoder),
            rtl_faults(decoder, trace, shots, adaptive),
            file_faults(json_file),
            folder_faults(runs_dir),
            url_faults(url),
        )
    # what takes a second to import comes after what may be told at once
    from bridge.adaptive.estimator import EstimatorSettings
    from bridge.adaptive.policy import AdaptiveSettings
    from bridge.links.base import Deadlines
    from bridge.loop import LoopSettings
    from qtwin.loops import TwinChoice, loop_once, resume_run

    twin_choice = TwinChoice(url, email, password)
    if resume is not None:
        if not resume_run(resume, link, twin_choice, json_file):
            raise typer.Exit(1)
        return
    settings = LoopSettings(
        decoder=decoder,
        link=link,
        code=code,
        distance=distance,
        rounds=distance if rounds is None else rounds,
        basis=basis,
        shots=shots,
        seed=seed,
        noise=noise,
        chunk_shots=chunk,
        trace_shot=trace,
        adaptive=AdaptiveSettings(renew_every, compare_fresh, EstimatorSettings(half_life)) if adaptive else None,
        deadlines=Deadlines(exchange_s=timeout, reconnect_s=reconnect),
    )
    if not loop_once(settings, backend, twin_choice, runs_dir, json_file):
        raise typer.Exit(1)


def demo(
    shots: Annotated[int, number("Memories of each code.", least=1, most=MAX_SHOTS)] = DEMO_SHOTS,
    runs_dir: Annotated[Path, typer.Option(help="Where report folders go.")] = Path("runs"),
) -> None:
    """Close the loop twice, repetition d=3 and surface d=3, both through RTL in Verilator."""
    from qtwin.options import folder_faults, judge

    judge(folder_faults(runs_dir))
    from qtwin.loops import demo_runs

    if not demo_runs(shots, runs_dir):
        raise typer.Exit(1)
