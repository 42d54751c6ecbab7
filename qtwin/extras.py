"""Which parts of the distribution are optional, and what to install for a command that needs one."""

from importlib.util import find_spec

import typer

MODULES = {"bench": ("jinja2", "pyarrow", "sinter")}
"""What an extra of pyproject.toml brings. The links, the fabric tools and the stores name theirs where they open."""


def require(extra: str, command: str) -> None:
    """Stop a command whose extra is not installed, with one message; before it imports what would fail."""
    missing = [name for name in MODULES[extra] if find_spec(name) is None]
    if missing:
        typer.echo(
            f"qtwin: {command} needs {', '.join(missing)}, of the extra {extra!r}: pip install 'qtwin[{extra}]' "
            "(in a checkout: make setup)",
            err=True,
        )
        raise typer.Exit(2)
