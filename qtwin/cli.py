"""The `qtwin` command: a thin layer over the twin and the bridge."""

import shutil
from typing import Annotated

import typer

from hdl.places import use_writable_homes
from qtwin.commands import (
    bench_command,
    bitstream_command,
    board_command,
    compile_command,
    decoder_command,
    loop_command,
    prune_command,
    selftest_command,
    serve_command,
    user_command,
)
from qtwin.commands.parsing import PlainCommand
from qtwin.interrupts import tidying_up

NARROW = 100
"""Columns of a terminal in which the boxes of --help would cut names off."""

app = typer.Typer(
    name="qtwin",
    help="A digital-twin QPU, and a bridge that closes the loop around a decoder in RTL.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("serve", cls=PlainCommand)(serve_command.serve)
app.command("twin", cls=PlainCommand)(serve_command.serve_twin)
app.command("gateway", cls=PlainCommand)(serve_command.serve_gateway)
app.add_typer(user_command.app, name="user")
app.command("prune", cls=PlainCommand)(prune_command.prune)
app.add_typer(decoder_command.app, name="decoder")
app.command("loop", cls=PlainCommand)(loop_command.loop)
app.command("demo", cls=PlainCommand)(loop_command.demo)
app.command("bench", cls=PlainCommand)(bench_command.bench)
app.command("compare", cls=PlainCommand)(bench_command.compare)
app.command("replay", cls=PlainCommand)(bench_command.replay)
app.command("board", cls=PlainCommand)(board_command.board)
app.command("bitstream", cls=PlainCommand)(bitstream_command.bitstream)
app.command("selftest", cls=PlainCommand)(selftest_command.selftest)
app.command("compile", cls=PlainCommand)(compile_command.compile_decoder_command)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        typer.echo(f"qtwin {version('qtwin')}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    version: Annotated[
        bool,
        # in a callback of its own: that of the group comes after "which command?"
        typer.Option("--version", help="Print the version and stop.", is_eager=True, callback=_print_version),
    ] = False,
) -> None:
    del version
    context.with_resource(tidying_up())
    use_writable_homes()  # before a command imports matplotlib


def main() -> None:
    """Run the command; `qtwin.start` is the entry point."""
    if shutil.get_terminal_size().columns < NARROW:
        app.rich_markup_mode = None
    app()
