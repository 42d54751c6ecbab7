"""Statements on accounts and refresh tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from twin import clock
from twin.store.schema import refresh_tokens, users


@dataclass(frozen=True, slots=True)
class User:
    user_id: str
    email: str
    password_hash: str
    role: str
    disabled: bool
    created_at: float


@dataclass(frozen=True, slots=True)
class RefreshToken:
    token_id: str
    family_id: str
    user_id: str
    expires_at: float
    used_at: float | None = None
    revoked_at: float | None = None


def add(connection: Connection, user: User) -> None:
    connection.execute(
        insert(users).values(
            user_id=user.user_id,
            email=user.email,
            password_hash=user.password_hash,
            role=user.role,
            disabled=user.disabled,
            created_at=user.created_at,
        )
    )


def by_email(connection: Connection, email: str) -> User | None:
    return _user(connection.execute(select(users).where(users.c.email == email)).first())


def by_id(connection: Connection, user_id: str) -> User | None:
    return _user(connection.execute(select(users).where(users.c.user_id == user_id)).first())


def of_login(connection: Connection, user_id: str, family_id: str) -> tuple[User | None, bool]:
    """The user, and whether that login of the user's was revoked."""
    revoked = select(refresh_tokens.c.token_id).where(
        refresh_tokens.c.family_id == family_id, refresh_tokens.c.revoked_at.is_not(None)
    )
    return by_id(connection, user_id), bool(family_id) and connection.execute(revoked.limit(1)).first() is not None


def everyone(connection: Connection) -> list[User]:
    rows = connection.execute(select(users).order_by(users.c.created_at, users.c.email))
    return [User(*row) for row in rows]


def change(
    connection: Connection,
    user_id: str,
    *,
    password_hash: str | None = None,
    role: str | None = None,
    disabled: bool | None = None,
) -> None:
    """Set what is given. A new password or a disabled account also ends every refresh token of the user."""
    given = {"password_hash": password_hash, "role": role, "disabled": disabled}
    values = {name: value for name, value in given.items() if value is not None}
    if values:
        connection.execute(update(users).where(users.c.user_id == user_id).values(**values))
    of_user = refresh_tokens.c.user_id == user_id
    if password_hash is not None:  # access tokens know the password that they were given for
        connection.execute(delete(refresh_tokens).where(of_user))
    elif disabled:  # kept: they tell that the logins' access tokens are over, also once the user is enabled again
        connection.execute(update(refresh_tokens).where(of_user).values(revoked_at=clock.now()))


def add_token(connection: Connection, token: RefreshToken) -> None:
    """Store a token, and drop the user's expired ones."""
    connection.execute(
        insert(refresh_tokens).values(
            token_id=token.token_id,
            family_id=token.family_id,
            user_id=token.user_id,
            expires_at=token.expires_at,
        )
    )


def drop_expired_tokens(connection: Connection, user_id: str, now: float) -> None:
    connection.execute(
        delete(refresh_tokens).where(refresh_tokens.c.user_id == user_id, refresh_tokens.c.expires_at < now)
    )


def token(connection: Connection, token_id: str) -> RefreshToken | None:
    row = connection.execute(select(refresh_tokens).where(refresh_tokens.c.token_id == token_id)).first()
    return None if row is None else RefreshToken(*row)


def use_token(connection: Connection, token_id: str, now: float) -> bool:
    """Mark a token as used; False when it already was, or is revoked (one caller at most gets True)."""
    statement = (
        update(refresh_tokens)
        .where(
            refresh_tokens.c.token_id == token_id,
            refresh_tokens.c.used_at.is_(None),
            refresh_tokens.c.revoked_at.is_(None),
        )
        .values(used_at=now)
    )
    return connection.execute(statement).rowcount == 1


def revoke_family(connection: Connection, family_id: str, now: float) -> None:
    connection.execute(update(refresh_tokens).where(refresh_tokens.c.family_id == family_id).values(revoked_at=now))


def _user(row: Row[Any] | None) -> User | None:
    return None if row is None else User(*tuple(row))
