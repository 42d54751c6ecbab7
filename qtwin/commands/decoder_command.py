"""`qtwin decoder`: a folder to start a decoder from, and a doctor for any decoder."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer(help="Bring your own decoder: start one, check one.", no_args_is_help=True)


@app.command("new")
def new(
    name: Annotated[Path, typer.Argument(help="Folder to create; its name is the decoder's.")],
    code: Annotated[str, typer.Option(help="surface (rotated) or repetition.")] = "surface",
    distance: Annotated[int, typer.Option(help="Code distance.")] = 3,
    rounds: Annotated[int | None, typer.Option(help="Rounds of a memory; default: the distance.")] = None,
    basis: Annotated[str, typer.Option(help="Z or X.")] = "Z",
    noise: Annotated[str, typer.Option(help="What its weights are for: device, or uniform:P.")] = "device",
    style: Annotated[
        str, typer.Option(help="core: events in, flips out. adapter: a decoder with ports of its own.")
    ] = "core",
    clock_mhz: Annotated[float, typer.Option(help="Clock that its latency in ns is computed with.")] = 100.0,
) -> None:
    """Write a decoder that works, with one small module to edit, tests that run, and a README."""
    from bridge.errors import BridgeError
    from hdl.compile.skeleton import new_decoder
    from hdl.errors import HdlError
    from qtwin.console import print_error
    from qtwin.problems import MemoryChoice, pose

    errors = Console(stderr=True)
    choice = MemoryChoice(code, distance, distance if rounds is None else rounds, basis, noise=noise)
    try:
        session, problem = pose(choice)
        folder = new_decoder(session, str(problem.error_model), problem.graph, name, style=style, clock_mhz=clock_mhz)
    except (HdlError, BridgeError, OSError) as error:
        print_error(errors, error)
        raise typer.Exit(1) from error
    Console().print(
        f"{folder.manifest.name}: {code} d={distance}, {choice.rounds} rounds, in {name}/\n"
        f"  edit    {name}/decode.sv\n"
        f"  test    pytest {name}\n"
        f"  check   qtwin decoder check {name}\n"
        f"  run     qtwin loop --decoder {name} --code {code} --distance {distance} --rounds {choice.rounds}",
        highlight=False,
        soft_wrap=True,
    )


@app.command("check")
def check(
    path: Annotated[
        str, typer.Argument(help="A decoder's folder or decoder.yaml; or table, union-find, union-find:3.")
    ],
    code: Annotated[str | None, typer.Option(help="Its code; default: what its manifest says, else surface.")] = None,
    distance: Annotated[int | None, typer.Option(help="Its distance; default likewise, else 3.")] = None,
    rounds: Annotated[int | None, typer.Option(help="Its rounds; default likewise, else the distance.")] = None,
    basis: Annotated[str | None, typer.Option(help="Z or X; default likewise.")] = None,
    noise: Annotated[
        str, typer.Option(help="Noise of the shots it is tried on: device, or uniform:P.")
    ] = "uniform:0.005",
    shots: Annotated[int, typer.Option(help="Shots of the long run.", min=500)] = 8192,
    seed: Annotated[int, typer.Option(help="The same seed gives the same shots.")] = 1,
    deadline_ns: Annotated[
        float | None, typer.Option(help="For one answer; default: what the device takes for a shot.", min=1)
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the findings to this file, too.")] = None,
) -> None:
    """Examine a decoder's RTL: says what is wrong with it, by what evidence, and where to look."""
    from bridge.doctor import Examination
    from bridge.errors import BridgeError
    from bridge.files import check_can_write
    from bridge.report import write_json
    from hdl.errors import HdlError
    from qtwin.checks import check_decoder, print_diagnosis
    from qtwin.console import print_error

    choice = {"code": code, "distance": distance, "rounds": rounds, "basis": basis}
    settings = Examination(shots=shots, seed=seed, deadline_ns=deadline_ns)
    try:
        if json_file is not None:
            check_can_write(json_file)
        diagnosis = check_decoder(path, choice, noise, settings)
        if json_file is not None:
            write_json(json_file, diagnosis.to_dict())
    except (HdlError, BridgeError, OSError) as error:
        print_error(Console(stderr=True), error)
        raise typer.Exit(1) from error
    print_diagnosis(Console(), diagnosis)
    if not diagnosis.healthy:
        raise typer.Exit(1)
