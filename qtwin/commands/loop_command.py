"""`qtwin loop` and `qtwin demo`: their options. What they do is imported when they run: --help answers at once."""

from pathlib import Path
from typing import Annotated

import typer

DEMO_SHOTS = 100_000

Url = Annotated[
    str | None, typer.Option(envvar="QTWIN_URL", help="A running twin's gateway; without it a twin is started.")
]
Email = Annotated[str, typer.Option(envvar="QTWIN_EMAIL", help="Login at a running twin.")]
Password = Annotated[
    str | None, typer.Option(envvar="QTWIN_PASSWORD", help="Its password; better in QTWIN_PASSWORD than here.")
]


def loop(
    decoder: Annotated[
        str,
        typer.Option(
            help="table, union-find, pymatching, sinter:NAME, or the path of a decoder.yaml (or of its folder). With "
            "choices: union-find:3 (weight bits), union-find:window=10,commit=5,loadable (also bits, budget, fifo)."
        ),
    ] = "table",
    link: Annotated[
        str | None,
        typer.Option(
            help="software, verilated, cocotb, cocotb:icarus, uart:PORT, pynq:ADDRESS, pynq:simulated, "
            "faulty:FAULTS/LINK; default: verilated for RTL."
        ),
    ] = None,
    code: Annotated[str, typer.Option(help="surface (rotated) or repetition.")] = "surface",
    distance: Annotated[int, typer.Option(help="Code distance.")] = 3,
    rounds: Annotated[int | None, typer.Option(help="Rounds of a memory; default: the distance.")] = None,
    basis: Annotated[str, typer.Option(help="Z or X.")] = "Z",
    shots: Annotated[int, typer.Option(help="Memories to run.")] = 10_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same shots.")] = 1,
    noise: Annotated[str, typer.Option(help="device, or uniform:P for circuit noise of probability P.")] = "device",
    backend: Annotated[str | None, typer.Option(help="Backend; default: one that fits the code.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the result alone to this file, too.")] = None,
    trace: Annotated[int | None, typer.Option(help="Record the waveform of this shot (from 0).")] = None,
    adaptive: Annotated[
        bool,
        typer.Option(
            "--adaptive", help="Renew the decoder's weights from the syndromes (--decoder union-find:loadable)."
        ),
    ] = False,
    renew_every: Annotated[int, typer.Option(help="With --adaptive: shots between two renewals.", min=100)] = 10_000,
    half_life: Annotated[float, typer.Option(help="With --adaptive: age in shots that counts half.", min=1)] = 50_000,
    compare_fresh: Annotated[
        bool,
        typer.Option(
            "--compare-fresh",
            help="With --adaptive: recalibrate the device at the end, and judge its new error model on the same shots.",
        ),
    ] = False,
    chunk: Annotated[int, typer.Option(help="Shots a transfer.", min=1)] = 8192,
    timeout: Annotated[float, typer.Option(help="Seconds that one transfer may take.", min=0.1)] = 120.0,
    reconnect: Annotated[float, typer.Option(help="Seconds in which a lost link must come back.", min=0)] = 60.0,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with the stopped run of this report folder; of the rest, --link counts.")
    ] = None,
    runs_dir: Annotated[Path, typer.Option(help="Where report folders go.")] = Path("runs"),
    url: Url = None,
    email: Email = "admin@qcraft.local",
    password: Password = None,
) -> None:
    """Run the closed loop once: twin, link, decoder and back; compare with PyMatching on the same shots."""
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
    shots: Annotated[int, typer.Option(help="Memories of each code.", min=1)] = DEMO_SHOTS,
    runs_dir: Annotated[Path, typer.Option(help="Where report folders go.")] = Path("runs"),
) -> None:
    """Close the loop twice, repetition d=3 and surface d=3, both through RTL in Verilator."""
    from qtwin.loops import demo_runs

    if not demo_runs(shots, runs_dir):
        raise typer.Exit(1)
