"""`qtwin user add|list|disable|enable|password`: who may log in, and as what."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from qtwin.commands.parsing import PlainCommand
from qtwin.commands.serve_command import DatabaseUrl, DataDir
from qtwin.terminal import Console

if TYPE_CHECKING:
    from twin.users import UserDirectory

app = typer.Typer(help="Users of a gateway, in its data folder or database.", no_args_is_help=True)
Email = Annotated[str, typer.Argument(help="The account's email address.")]
NewPassword = Annotated[
    str | None, typer.Option(envvar="QTWIN_NEW_PASSWORD", help="Asked for if not given.", show_default=False)
]
Create = Annotated[
    bool, typer.Option("--create", help="Make the database where there is none yet, before the first `qtwin serve`.")
]


@app.command("add", cls=PlainCommand)
def add(
    email: Email,
    password: NewPassword = None,
    role: Annotated[str, typer.Option(help="viewer, operator (commands, config) or admin (users).")] = "viewer",
    data_dir: DataDir = Path("data"),
    database_url: DatabaseUrl = None,
    create: Create = False,
) -> None:
    """Add a user."""
    with _directory(data_dir, database_url, create) as directory:
        user = directory.add(email, password or _asked(), role)
    Console().print(f"{user.email} may log in as {user.role}", highlight=False)


@app.command("list", cls=PlainCommand)
def list_users(data_dir: DataDir = Path("data"), database_url: DatabaseUrl = None) -> None:
    """List users."""
    table = Table("email", "role", "state")
    with _directory(data_dir, database_url) as directory:
        for user in directory.everyone():
            table.add_row(user.email, user.role, "disabled" if user.disabled else "active")
    Console().print(table)


@app.command("disable", cls=PlainCommand)
def disable(email: Email, data_dir: DataDir = Path("data"), database_url: DatabaseUrl = None) -> None:
    """Refuse a user from now on."""
    with _directory(data_dir, database_url) as directory:
        directory.change(email, disabled=True)
    Console().print(f"{email} is disabled", highlight=False)


@app.command("enable", cls=PlainCommand)
def enable(email: Email, data_dir: DataDir = Path("data"), database_url: DatabaseUrl = None) -> None:
    """Let a disabled user in again."""
    with _directory(data_dir, database_url) as directory:
        directory.change(email, disabled=False)
    Console().print(f"{email} may log in again", highlight=False)


@app.command("password", cls=PlainCommand)
def set_password(
    email: Email,
    password: NewPassword = None,
    data_dir: DataDir = Path("data"),
    database_url: DatabaseUrl = None,
) -> None:
    """Set a user's password."""
    with _directory(data_dir, database_url) as directory:
        directory.change(email, password=password or _asked())
    Console().print(f"{email} has a new password", highlight=False)


def _asked() -> str:
    """A password from the terminal, typed twice; only once it is sure that there is a place to keep it."""
    if not sys.stdin.isatty():
        raise typer.BadParameter("there is no terminal to ask for a password at: set QTWIN_NEW_PASSWORD")
    answer: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return answer


@contextmanager
def _directory(data_dir: Path, database_url: str | None, create: bool = False) -> Iterator["UserDirectory"]:
    """The users; an error is said with what to do, and ends the command."""
    from qtwin.console import print_error
    from twin.errors import TwinError
    from twin.settings import Settings
    from twin.users import NoUsersError, open_users

    errors = Console(stderr=True)
    try:
        with open_users(Settings.from_env(data_dir=data_dir, database_url=database_url), create=create) as directory:
            yield directory
    except NoUsersError as error:
        print_error(
            errors,
            f"{error}; give the --data-dir (or --database-url) of your `qtwin serve`, whose first start makes it; "
            "to make it now: `qtwin user add --create`",
        )
        raise typer.Exit(1) from error
    except (TwinError, OSError) as error:
        print_error(errors, error)
        raise typer.Exit(1) from error
