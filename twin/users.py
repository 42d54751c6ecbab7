"""Users, for the command line: add, list and change them, and the first admin."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from argon2.exceptions import VerificationError

from twin.gateway.accounts import UserDirectory, normalized
from twin.settings import Settings
from twin.store import users as statements
from twin.store.database import Database
from twin.store.users import User

__all__ = ["FirstAdmin", "User", "UserDirectory", "ensure_admin", "open_users", "prepare_admin"]


@dataclass(frozen=True, slots=True)
class FirstAdmin:
    """The admin that was just made. `password` is there only when it was generated: show it now or never."""

    email: str
    password: str | None


@contextmanager
def open_users(settings: Settings) -> Iterator[UserDirectory]:
    """The accounts of a data directory (or database); also while a twin runs on it."""
    database = Database.open(settings.resolved_database_url)
    try:
        yield UserDirectory(database)
    finally:
        database.close()


def prepare_admin(settings: Settings) -> FirstAdmin | None:
    """`ensure_admin` before anything is served, to be able to show a generated password."""
    with open_users(settings) as directory:
        return ensure_admin(settings, directory.database)


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
