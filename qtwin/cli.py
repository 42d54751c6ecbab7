"""The `qtwin` command: a thin layer over the twin and the bridge."""

from typing import Annotated

import typer

from qtwin.commands import (
    bench_command,
    bitstream_command,
    board_command,
    compile_command,
    decoder_command,
    loop_command,
    selftest_command,
    serve_command,
    user_command,
)

app = typer.Typer(
    name="qtwin",
    help="A digital-twin QPU, and a bridge that closes the loop around a decoder in RTL.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("serve")(serve_command.serve)
app.command("twin")(serve_command.serve_twin)
app.command("gateway")(serve_command.serve_gateway)
app.add_typer(user_command.app, name="user")
app.add_typer(decoder_command.app, name="decoder")
app.command("loop")(loop_command.loop)
app.command("demo")(loop_command.demo)
app.command("bench")(bench_command.bench)
app.command("compare")(bench_command.compare)
app.command("replay")(bench_command.replay)
app.command("board")(board_command.board)
app.command("bitstream")(bitstream_command.bitstream)
app.command("selftest")(selftest_command.selftest)
app.command("compile")(compile_command.compile_decoder_command)


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.", is_eager=True)] = False,
) -> None:
    if version:
        from importlib.metadata import version as distribution_version

        typer.echo(f"qtwin {distribution_version('qtwin')}")
        raise typer.Exit


def main() -> None:
    """Entry point."""
    app()
