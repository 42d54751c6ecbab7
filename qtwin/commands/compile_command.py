"""`qtwin compile`: from a detector error model to decoder RTL with a manifest."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def compile_decoder_command(
    error_model: Annotated[Path, typer.Argument(help="A detector error model in Stim's format (.dem).")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.")],
    core: Annotated[str, typer.Option(help="table (exact, small codes) or union-find.")] = "table",
    name: Annotated[str | None, typer.Option(help="The decoder's name.")] = None,
    clock_mhz: Annotated[float, typer.Option(help="Clock that its latency in ns is computed with.")] = 100.0,
) -> None:
    """Compile a detector error model into a synthesizable decoder with a manifest."""
    import stim

    from hdl.compile.decoder import compile_decoder
    from hdl.compile.layout import events_layout
    from hdl.errors import HdlError
    from qtwin.console import print_error

    errors = Console(stderr=True)
    try:
        model = stim.DetectorErrorModel(error_model.read_text(encoding="utf-8"))
        decoder = compile_decoder(model, events_layout(model), output, core=core, name=name, clock_mhz=clock_mhz)
    except (HdlError, OSError, ValueError) as error:
        print_error(errors, f"{error_model}: {error}")
        raise typer.Exit(1) from error
    manifest = decoder.manifest
    Console().print(
        f"{manifest.name}: {manifest.num_observables} observable(s), {manifest.rounds + 1} layer(s), "
        f"graph 0x{manifest.graph_hash or 0:08x}, in {output}/",
        highlight=False,
    )
