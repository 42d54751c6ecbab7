"""`qtwin compile`: from a detector error model to decoder RTL with a manifest."""

from pathlib import Path
from typing import Annotated

import typer

from qtwin.commands.parsing import LEFT_OUT, Without, number
from qtwin.terminal import Console


def compile_decoder_command(
    error_model: Annotated[Path, typer.Argument(help="A detector error model in Stim's format (.dem).")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.")],
    core: Annotated[
        str, typer.Option(help="table (exact, small codes) or union-find, with choices as in --decoder.")
    ] = "table",
    weight_bits: Annotated[int | None, number("Union-find: bits of an edge weight (default 4).")] = None,
    loadable: Annotated[bool, typer.Option("--loadable", help="Union-find: weights change at run time.")] = False,
    window: Annotated[
        int | None, number("Union-find: layers decoded together, for memories of any length.", least=0)
    ] = None,
    commit: Annotated[int | None, number("Layers that each window commits (default: half of it).", least=0)] = None,
    cycle_budget: Annotated[
        int | None, number("Union-find: cycles after which a shot or window is answered as it is.")
    ] = None,
    fifo_layers: Annotated[
        int | None, number("Layers that wait while a window is decoded: a power of two.", least=0)
    ] = None,
    without: Without = None,
    name: Annotated[str | None, typer.Option(help="The decoder's name.")] = None,
    clock_mhz: Annotated[float, typer.Option(help="Clock that its latency in ns is computed with.")] = 100.0,
    force: Annotated[bool, typer.Option("--force", help="Replace another decoder that the folder holds.")] = False,
) -> None:
    """Compile a detector error model into a synthesizable decoder with a manifest."""
    from bridge.decoder_names import core_and_choices
    from bridge.errors import LinkOpenError
    from hdl.compile.decoder import compile_decoder
    from hdl.compile.graph import decoding_graph
    from hdl.compile.layout import events_layout, read_error_model
    from hdl.compile.unionfind_fabric import UnionFindOptions
    from hdl.errors import HdlError
    from qtwin.console import print_error, print_warning
    from qtwin.options import choice_faults, clock_faults, core_faults, folder_faults, judge, name_faults

    errors = Console(stderr=True)
    options_given: dict[str, int | bool | None] = {
        "weight_bits": weight_bits,
        "loadable": loadable or None,
        "window": window,
        "commit": commit,
        "cycle_budget": cycle_budget,
        "fifo_layers": fifo_layers,
    }
    asked = {option: value for option, value in options_given.items() if value is not None}
    judge(
        core_faults(core, asked),
        clock_faults(clock_mhz),
        [] if without is None else choice_faults(without, LEFT_OUT, "--without"),
        name_faults(name),
        folder_faults(output, "--output"),
    )
    try:
        core, chosen = core_and_choices(core)
        chosen |= asked
        options = UnionFindOptions(**chosen) if chosen else None  # type: ignore[arg-type]
        model = read_error_model(error_model)
        layout = events_layout(model)
        decoder = compile_decoder(
            model,
            layout,
            output,
            core=core,
            options=options,
            name=name,
            clock_mhz=clock_mhz,
            statistics=without is None,
            replace=force,
        )
    except (LinkOpenError, HdlError, OSError) as error:
        print_error(errors, error)
        raise typer.Exit(1) from error
    manifest = decoder.manifest
    if manifest.core != "table":
        for warning in decoding_graph(model, layout).warnings:
            print_warning(errors, warning)
    layers = f"windows of {options.window} layers" if options and options.window else f"{manifest.rounds + 1} layer(s)"
    Console().print(
        f"{manifest.name}: {manifest.num_observables} observable(s), {layers}, "
        f"graph 0x{manifest.graph_hash or 0:08x}, in {output}/",
        highlight=False,
    )
