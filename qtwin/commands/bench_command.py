"""`qtwin bench`: its options."""

from pathlib import Path
from typing import Annotated, Any

import typer

from qtwin.commands.loop_command import Email, Password, Url
from qtwin.commands.parsing import MAX_PATIENCE_S, MAX_WORKERS, decoder_name, number, whole_number
from qtwin.extras import require


def bench(
    sweep: Annotated[Path | None, typer.Argument(help="A sweep's YAML file; the options below go before it.")] = None,
    decoder: Annotated[
        list[str] | None,
        typer.Option(
            help="As in qtwin loop; may be given several times, like all lists here.",
            parser=decoder_name,
            metavar="<str>",
        ),
    ] = None,
    link: Annotated[list[str] | None, typer.Option(help="Link of decoders in RTL; default: verilated.")] = None,
    code: Annotated[list[str] | None, typer.Option(help="surface or repetition; default: surface.")] = None,
    distance: Annotated[list[int] | None, number("Code distance; default: 3.")] = None,
    rounds: Annotated[list[str] | None, typer.Option(help="A number, d, or a multiple such as 3d; default: d.")] = None,
    noise: Annotated[
        list[str] | None,
        typer.Option(help="device, uniform:P, or drifted:X (a device X times as noisy as the decoder was told)."),
    ] = None,
    basis: Annotated[str | None, typer.Option(help="Z or X.")] = None,
    backend: Annotated[str | None, typer.Option(help="Backend; default: one that fits the code.")] = None,
    seed: Annotated[int | None, number("The same seed gives the same counts.")] = None,
    max_shots: Annotated[int | None, number("Shots of a point, in whole batches; default: 1,000,000.")] = None,
    max_errors: Annotated[
        int | None, number("Errors that are enough for a point, 0: any number; default: 1,000.", least=0)
    ] = None,
    shots_over: Annotated[
        list[str] | None, typer.Option(help="max_shots over one link, such as cocotb=20000.", metavar="LINK=SHOTS")
    ] = None,
    batch: Annotated[int | None, number("Shots of a batch; default: 20,000.")] = None,
    deadline_ns: Annotated[float | None, typer.Option(help="Default: the device's round time.")] = None,
    run: Annotated[
        Path | None, typer.Option(help="Folder of the run; one that exists goes on where it was stopped.")
    ] = None,
    workers: Annotated[
        int | None, number("Processes; default: one a CPU. 1: in this one.", least=1, most=MAX_WORKERS)
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Run on a Dask cluster: tcp://HOST:PORT of its scheduler.")
    ] = None,
    synth: Annotated[bool, typer.Option("--synth", help="Count the LUTs of each decoder, with Yosys.")] = False,
    timeout: Annotated[
        float, typer.Option(help="Seconds that one transfer may take.", min=0.1, max=MAX_PATIENCE_S)
    ] = 120.0,
    runs_dir: Annotated[Path, typer.Option(help="Where report folders go.")] = Path("runs"),
    url: Url = None,
    email: Email = "admin@qcraft.local",
    password: Password = None,
) -> None:
    """Sweep decoders over codes, distances and noise; compare with PyMatching on the same shots; write a report."""
    require("bench", "qtwin bench")
    from qtwin.options import folder_faults, judge, scheduler_faults, url_faults
    from qtwin.plans import PlanSource, judged_plan

    lists = {"decoders": decoder, "links": link, "codes": code, "distances": distance, "rounds": rounds, "noise": noise}
    single = {"basis": basis, "backend": backend, "seed": seed, "max_shots": max_shots, "batch_shots": batch}
    changes: dict[str, Any] = {name: value for name, value in lists.items() if value}
    changes |= {name: value for name, value in single.items() if value is not None}
    if max_errors is not None:
        changes["max_errors"] = max_errors or None
    if deadline_ns is not None:
        changes["deadline_ns"] = deadline_ns
    if shots_over:
        changes["shots_over"] = dict(_link_and_shots(text) for text in shots_over)
    folder = folder_faults(runs_dir) if run is None else folder_faults(run, "--run")
    judge(folder, scheduler_faults(scheduler), url_faults(url))
    plan = judged_plan(PlanSource(sweep, run, changes), url, is_here=scheduler is None)
    # what takes a second to import comes after what may be told at once
    from bridge.links.base import Deadlines
    from qtwin.benches import BenchOptions, bench_once
    from qtwin.loops import TwinChoice

    options = BenchOptions(
        plan=plan,
        run=run,
        runs_dir=runs_dir,
        num_workers=workers,
        scheduler=scheduler,
        with_area=synth,
        deadlines=Deadlines(exchange_s=timeout),
    )
    if not bench_once(options, TwinChoice(url, email, password)):
        raise typer.Exit(1)


def _link_and_shots(text: str) -> tuple[str, int]:
    link, _, shots = text.partition("=")
    try:
        return link, whole_number(shots)
    except typer.BadParameter as error:
        raise typer.BadParameter(
            f"--shots-over {text!r}: expected a link and a number of shots, such as cocotb=20000"
        ) from error


def compare(
    first: Annotated[Path, typer.Argument(help="Folder of the run that is compared with: the baseline.")],
    second: Annotated[Path, typer.Argument(help="Folder of the run that is judged.")],
    alpha: Annotated[
        float, typer.Option(help="Chance of a false alarm, all points together.", min=0.0, max=1.0)
    ] = 0.01,
    latency_tolerance: Annotated[
        float | None,
        typer.Option(help="Also a regression: p99 latency in cycles grows by more than this share.", min=0.0),
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the comparison to this file, too.")] = None,
) -> None:
    """Say whether the second run's decoders differ from the first's on the same shots.

    Exit code 0: no regression; 1: a regression; 2: nothing to compare.
    """
    require("bench", "qtwin compare")
    from qtwin.options import file_faults, judge

    judge(file_faults(json_file))
    from qtwin.benches import compare_once

    raise typer.Exit(compare_once(first, second, alpha, latency_tolerance, json_file))


def replay(
    run: Annotated[Path, typer.Argument(help="Folder of a run of qtwin bench.")],
    shot: Annotated[
        int, typer.Argument(help="Number of the shot within its point, as in failing_shots.jsonl.", min=0, max=10**12)
    ],
    point: Annotated[
        str | None,
        typer.Option(help="Its point: a point_id or the beginning of one; needed where there are several."),
    ] = None,
    link: Annotated[str | None, typer.Option(help="Link to send it over; default: the one of the run.")] = None,
    trace: Annotated[
        bool, typer.Option("--trace", help="Record the waveform: of the same RTL in Verilator, whatever the link.")
    ] = False,
    output: Annotated[Path, typer.Option(help="Folder of the waveform.")] = Path(),
) -> None:
    """Send one shot of a run through a decoder again, and show what went in and what came back."""
    require("bench", "qtwin replay")
    from qtwin.options import judge, link_faults

    judge(link_faults(link, None))
    from qtwin.benches import replay_once

    if not replay_once(run, shot, point, link, output if trace else None):
        raise typer.Exit(1)
