"""`qtwin decoder`: a folder to start a decoder from, and a doctor for any decoder."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from qtwin.commands.loop_command import Basis, Code, Distance, Rounds
from qtwin.commands.parsing import PlainCommand, decoder_name, number
from qtwin.terminal import Console

MAX_CHECKED_SHOTS = 1_000_000
"""The doctor holds all of them, and their answers, in memory."""
app = typer.Typer(help="Bring your own decoder: start one, check one.", no_args_is_help=True)


@app.command("new", cls=PlainCommand)
def new(
    path: Annotated[Path, typer.Argument(help="Folder to create.")],
    code: Code = "surface",
    distance: Distance = 3,
    rounds: Rounds = None,
    basis: Basis = "Z",
    noise: Annotated[str, typer.Option(help="What its weights are for: device, or uniform:P.")] = "device",
    style: Annotated[
        str,
        typer.Option(
            help="core: events in, flips out. adapter: a decoder with ports of its own. stream: with a stream of bytes."
        ),
    ] = "core",
    stream: Annotated[bool, typer.Option("--stream", help="The same as --style stream.")] = False,
    rtl: Annotated[
        list[str] | None,
        typer.Option(
            help="With --stream: RTL that is there already, in place of an example; only decoder.yaml is written. "
            "May be repeated; the last file holds the top module."
        ),
    ] = None,
    top: Annotated[str | None, typer.Option(help="With --rtl: the top module; default: the last file's name.")] = None,
    name: Annotated[str | None, typer.Option(help="The decoder's name; default: from the folder's.")] = None,
    clock_mhz: Annotated[float, typer.Option(help="Clock that its latency in ns is computed with.")] = 100.0,
) -> None:
    """Write a decoder that works, with one small module to edit, tests that run, and a README."""
    from hdl.compile.skeleton import STYLES
    from qtwin.options import (
        Session,
        choice_faults,
        clock_faults,
        folder_faults,
        judge,
        name_faults,
        session_faults,
        stream_faults,
    )

    judge(
        session_faults(Session(code, distance, rounds, basis, noise), None),
        choice_faults(style, STYLES, "--style"),
        stream_faults(style, stream, rtl or [], top),
        clock_faults(clock_mhz),
        name_faults(name),
        folder_faults(path, "PATH"),
    )
    from bridge.errors import BridgeError
    from hdl.compile.skeleton import new_decoder, new_manifest
    from hdl.errors import HdlError
    from qtwin.console import print_error
    from qtwin.problems import MemoryChoice, pose

    errors = Console(stderr=True)
    choice = MemoryChoice(code, distance, distance if rounds is None else rounds, basis, noise=noise)
    try:
        session, problem = pose(choice)
        if rtl:
            folder = new_manifest(session, problem.graph, path, rtl, top=top, name=name, clock_mhz=clock_mhz)
        else:
            style = "stream" if stream else style
            folder = new_decoder(
                session, str(problem.error_model), problem.graph, path, name=name, style=style, clock_mhz=clock_mhz
            )
    except (HdlError, BridgeError, OSError) as error:
        print_error(errors, error)
        raise typer.Exit(1) from error
    place, file = (shlex.quote(str(each)) for each in (path, path / ("decoder.yaml" if rtl else "decode.sv")))
    memory = f"--code {code} --distance {distance} --rounds {choice.rounds}" + (
        "" if basis == "Z" else f" --basis {basis}"
    )
    Console().print(
        f"{folder.manifest.name}: {code} d={distance}, {choice.rounds} rounds, in {path}/\n"
        f"  edit    {file}\n"
        + ("" if rtl else f"  test    pytest {place}\n")
        + f"  check   qtwin decoder check {place}\n"
        f"  run     qtwin loop --decoder {place} {memory}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


@app.command("check", cls=PlainCommand)
def check(
    path: Annotated[
        str,
        typer.Argument(
            help="A decoder's folder or decoder.yaml; or table, union-find, union-find:3.", parser=decoder_name
        ),
    ],
    code: Annotated[str | None, typer.Option(help="Its code; default: what its manifest says, else surface.")] = None,
    distance: Annotated[int | None, number("Its distance; default likewise, else 3.")] = None,
    rounds: Annotated[int | None, number("Its rounds; default likewise, else the distance.")] = None,
    basis: Annotated[str | None, typer.Option(help="Z or X; default likewise.")] = None,
    noise: Annotated[
        str, typer.Option(help="Noise of the shots it is tried on: device, or uniform:P.")
    ] = "uniform:0.005",
    shots: Annotated[int, number("Shots of the long run.", least=500, most=MAX_CHECKED_SHOTS)] = 8192,
    seed: Annotated[int, number("The same seed gives the same shots.", least=0)] = 1,
    deadline_ns: Annotated[
        float | None, typer.Option(help="For one answer; default: what the device takes for a shot.", min=1)
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the findings to this file, too.")] = None,
    lint: Annotated[
        bool, typer.Option("--lint", help="Only show, in full, Verilator's warnings that may mean a wrong number.")
    ] = False,
) -> None:
    """Examine a decoder's RTL: says what is wrong with it, by what evidence, and where to look."""
    from qtwin.options import decoder_faults, examined_faults, file_faults, judge, rtl_only_faults

    choice = {"code": code, "distance": distance, "rounds": rounds, "basis": basis}
    judge(
        decoder_faults(path, named=lambda _: "PATH"),
        rtl_only_faults(path, "PATH"),
        examined_faults(path, choice, noise, seed),
        file_faults(json_file),
    )
    from rich.markup import escape

    from bridge.doctor import Examination
    from bridge.errors import BridgeError
    from bridge.report import write_json
    from hdl.errors import HdlError
    from qtwin.checks import check_decoder, lint_decoder, print_diagnosis, print_warnings
    from qtwin.console import print_error

    settings = Examination(shots=shots, seed=seed, deadline_ns=deadline_ns)
    try:
        if lint:
            warnings = lint_decoder(path, choice, noise)
            print_warnings(Console(), warnings)
            raise typer.Exit(1 if warnings else 0)
        with Console(stderr=True).status("") as status:  # shown on a terminal alone
            diagnosis = check_decoder(path, choice, noise, settings, lambda what: status.update(escape(what)))
        if json_file is not None:
            write_json(json_file, diagnosis.to_dict())
    except (HdlError, BridgeError, OSError) as error:
        print_error(Console(stderr=True), error)
        raise typer.Exit(1) from error
    print_diagnosis(Console(), diagnosis)
    if not diagnosis.healthy:
        raise typer.Exit(1)
