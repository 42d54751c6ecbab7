"""How the command line is read: numbers, paths, names of decoders; a wrong one is told in one line."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from qtwin.terminal import Console

MAX_DIGITS = 30
"""More than any number here has; 1e999999999 would take all memory to write out."""
MAX_WORKERS = 1024
MAX_PATIENCE_S = 1e6
"""Twelve days; the system's own timers overflow at a hundred years."""


def whole_number(text: str | int) -> int:
    """A whole number as people write large ones: 1000000, 1_000_000 or 1e6; raises typer.BadParameter."""
    try:
        number = Decimal(str(text).replace("_", ""))
        if number.is_finite() and number.adjusted() < MAX_DIGITS and number == int(number):
            return int(number)
    except (InvalidOperation, ValueError):
        pass
    raise typer.BadParameter(f"expected a whole number such as 1000000, 1_000_000 or 1e6, got {text!r}")


def number(words: str, *names: str, least: int | None = None, most: int | None = None) -> Any:
    """An option that is a whole number, from a least one to the most; None: judged elsewhere. words: its help."""

    def whole(text: str | int) -> int:
        value = whole_number(text)
        if least is not None and value < least:
            raise typer.BadParameter(f"expected at least {least}, got {text}")
        if most is not None and value > most:
            raise typer.BadParameter(f"expected at most {most:,}, got {text}")
        return value

    return typer.Option(*names, help=words, parser=whole, metavar="<int>")


LEFT_OUT = ("statistics",)
"""What a decoder can be built without."""
Without = Annotated[
    str | None,
    typer.Option(
        help="Leave out, for a small FPGA: statistics, the decoder's counters, latencies and histogram.", metavar="WHAT"
    ),
]


def decoder_name(text: str) -> str:
    """A decoder's name, or its path with `~` expanded; raises typer.BadParameter."""
    return str(_user_path(Path(text))) if text.startswith("~") else text


def _user_path(path: Path, parameter: Any = None) -> Path:
    """With `~` as the shell has it where it is not quoted, as in --json=~/x."""
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise typer.BadParameter(f"{path}: there is no such user here", param=parameter) from error


def _refused(message: str, parameter: Any) -> typer.BadParameter:
    return typer.BadParameter(message, param=parameter)


class PlainCommand(TyperCommand):
    """A command whose paths may begin with `~`, that says a wrong option in one line.

    No option or argument is empty, which would be taken for one that was not given, or for this folder, and no number
    is infinite.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As typer's."""
        with _one_line():
            written, _, _ = self.make_parser(ctx).parse_args(list(args))  # a Path("") is one of "." once it is parsed
            for parameter in self.params:
                value = written.get(parameter.name or "")
                if value == "" or (isinstance(value, list | tuple) and "" in value):
                    raise _refused("expected something, got an empty text", parameter)
            rest = super().parse_args(ctx, args)
            for parameter in self.params:
                value = ctx.params.get(parameter.name or "")
                if isinstance(value, Path):
                    ctx.params[parameter.name] = _user_path(value, parameter)
                elif isinstance(value, float) and not math.isfinite(value):
                    raise _refused(f"expected a finite number, got {value}", parameter)
            return rest

    def invoke(self, ctx: Any) -> Any:
        """As typer's."""
        with _one_line():
            return super().invoke(ctx)


@contextmanager
def _one_line() -> Iterator[None]:
    from qtwin.console import print_error

    try:
        yield
    except typer.BadParameter as error:
        print_error(Console(stderr=True), _fault(error))
        raise typer.Exit(error.exit_code) from error


def _fault(error: typer.BadParameter) -> str:
    """With the option's name in front, where it is one's."""
    if error.param is None:
        return error.message
    option = next((name for name in error.param.opts if name.startswith("--")), None)
    if not (option and error.message):
        return error.format_message()
    return f"{option}: {error.message.replace('Input should be', 'expected', 1)}"
