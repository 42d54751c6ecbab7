"""`qtwin user add|list|disable|enable|password`: who may log in, and as what."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from qtwin.commands.serve_command import DatabaseUrl, DataDir

if TYPE_CHECKING:
    from twin.users import UserDirectory

app = typer.Typer(help="Users of a gateway, in its data folder or database.", no_args_is_help=True)
Email = Annotated[str, typer.Argument(help="The account's email address.")]
NewPassword = Annotated[
    str,
    typer.Option(
        envvar="QTWIN_NEW_PASSWORD",
        prompt=True,
        confirmation_prompt=True,
        hide_input=True,
        help="Asked for if not given.",
    ),
]


@app.command("add")
def add(
    email: Email,
    password: NewPassword,
    role: Annotated[str, typer.Option(help="viewer, operator (commands, config) or admin (users).")] = "viewer",
    data_dir: DataDir = Path("data"),
    database_url: DatabaseUrl = None,
) -> None:
    """Add a user."""
    with _directory(data_dir, database_url) as directory:
        user = directory.add(email, password, role)
    Console().print(f"{user.email} may log in as {user.role}", highlight=False)


@app.command("list")
def list_users(data_dir: DataDir = Path("data"), database_url: DatabaseUrl = None) -> None:
    """List users."""
    table = Table("email", "role", "state")
    with _directory(data_dir, database_url) as directory:
        for user in directory.everyone():
            table.add_row(user.email, user.role, "disabled" if user.disabled else "active")
    Console().print(table)


@app.command("disable")
def disable(email: Email, data_dir: DataDir = Path("data"), database_url: DatabaseUrl = None) -> None:
    """Refuse a user from now on."""
    with _directory(data_dir, database_url) as directory:
        directory.change(email, disabled=True)
    Console().print(f"{email} is disabled", highlight=False)


@app.command("enable")
def enable(email: Email, data_dir: DataDir = Path("data"), database_url: DatabaseUrl = None) -> None:
    """Let a disabled user in again."""
    with _directory(data_dir, database_url) as directory:
        directory.change(email, disabled=False)
    Console().print(f"{email} may log in again", highlight=False)


@app.command("password")
def set_password(
    email: Email, password: NewPassword, data_dir: DataDir = Path("data"), database_url: DatabaseUrl = None
) -> None:
    """Set a user's password."""
    with _directory(data_dir, database_url) as directory:
        directory.change(email, password=password)
    Console().print(f"{email} has a new password", highlight=False)


@contextmanager
def _directory(data_dir: Path, database_url: str | None) -> Iterator["UserDirectory"]:
    from qtwin.console import print_error
    from twin.errors import TwinError
    from twin.settings import Settings
    from twin.users import open_users

    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with open_users(Settings.from_env(data_dir=data_dir, database_url=database_url)) as directory:
            yield directory
    except (TwinError, OSError, ValueError) as error:
        print_error(Console(stderr=True), str(error))
        raise typer.Exit(1) from error
