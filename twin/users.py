"""Users, for the command line: add, list and change them, and the first admin."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from argon2.exceptions import VerificationError

from twin.errors import NotFoundError
from twin.gateway.accounts import UserDirectory, normalized
from twin.settings import Settings
from twin.store import users as statements
from twin.store.database import Database
from twin.store.engine import has_tables, without_password
from twin.store.users import User

__all__ = ["FirstAdmin", "NoUsersError", "User", "UserDirectory", "ensure_admin", "open_users"]


@dataclass(frozen=True, slots=True)
class FirstAdmin:
    """The admin that was just made. `password` is there only when it was generated: show it now or never."""

    email: str
    password: str | None


class NoUsersError(NotFoundError):
    """No twin has ever kept anything there."""


@contextmanager
def open_users(settings: Settings, *, create: bool = False) -> Iterator[UserDirectory]:
    """The accounts of a data directory (or database); also while a twin runs on it. Raises NoUsersError."""
    with open_kept(settings, "users", create=create) as database:
        yield UserDirectory(database)


@contextmanager
def open_kept(settings: Settings, what: str = "data", *, create: bool = False) -> Iterator[Database]:
    """What a twin keeps there, which may be running.

    Raises NoUsersError where no twin has ever kept anything, unless `create`: a path or URL that is mistyped must not
    make a database of its own, whose users no twin lets in.
    """
    if not create and not has_tables(settings.resolved_database_url):
        raise NoUsersError(f"no twin keeps its {what} in {_place(settings)}")
    database = Database.open(settings.resolved_database_url)
    try:
        yield database
    finally:
        database.close()


def _place(settings: Settings) -> str:
    """Where the database is."""
    return without_password(settings.database_url) if settings.database_url else f"the data folder {settings.data_dir}"


def ensure_admin(settings: Settings, database: Database) -> FirstAdmin | None:
    """Make the admin of the settings if it does not exist; a password that is given is put in force.

    Returns the admin if it was made now.
    """
    directory = UserDirectory(database)
    given = settings.admin_password.get_secret_value() if settings.admin_password is not None else None
    email = normalized(settings.admin_email)
    known = database.read_now(partial(statements.by_email, email=email))
    if known is None:
        if given is None and any(user.role == "admin" for user in directory.everyone()):
            return None
        password = given or secrets.token_urlsafe(12)
        directory.add(email, password, "admin")
        return FirstAdmin(email, None if given else password)
    if given is not None and not _matches(directory, known, given):
        directory.change(email, password=given, role="admin", disabled=False)
    return None


def _matches(directory: UserDirectory, user: User, password: str) -> bool:
    try:
        return directory.hasher.verify(user.password_hash, password)
    except VerificationError:
        return False
