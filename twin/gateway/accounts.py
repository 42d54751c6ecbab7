"""Accounts: who may log in, with which role, and which refresh tokens are still good."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from twin import clock
from twin.errors import BusyError, ConflictError, Fault, InvalidError, NotFoundError, UnauthenticatedError
from twin.gateway.tokens import Claims, TokenSigner
from twin.store import users
from twin.store.database import Connection, Database, IntegrityError
from twin.store.users import RefreshToken, User

ROLES = ("viewer", "operator", "admin")
EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,189}")
MIN_PASSWORD_CHARS, MAX_PASSWORD_CHARS = 8, 1024
STATUS_TTL_S = 5.0
NUM_PARALLEL_HASHES = 2
ADDRESS_FACTOR = 10
WRONG = "email or password is wrong"


@dataclass(frozen=True, slots=True)
class TokenPair:
    access_token: str
    refresh_token: str
    expires_in_s: float


class UserDirectory:
    """Adds, lists and changes accounts. Plain calls, also for the command line."""

    def __init__(self, database: Database, hasher: PasswordHasher | None = None) -> None:
        self.database = database
        self.hasher = hasher or PasswordHasher()

    def add(self, email: str, password: str, role: str) -> User:
        """Raises InvalidError for a bad email, password or role, ConflictError for an email that has an account."""
        email = normalized(email)
        _check(email, password, role)
        user = User(secrets.token_hex(8), email, self.hasher.hash(password), role, False, clock.now())
        try:
            self.database.write_now(partial(users.add, user=user))
        except IntegrityError as error:
            raise ConflictError(f"{email} has an account already") from error
        return user

    def everyone(self) -> list[User]:
        return self.database.read_now(users.everyone)

    def change(
        self,
        email: str,
        *,
        password: str | None = None,
        role: str | None = None,
        disabled: bool | None = None,
    ) -> User:
        """Raises NotFoundError, InvalidError, and ConflictError when nobody could manage users any more."""
        user = self.database.read_now(partial(users.by_email, email=normalized(email)))
        if user is None:
            raise NotFoundError(f"{email} has no account")
        _check(user.email, password or "x" * MIN_PASSWORD_CHARS, role or user.role)
        loses_admin = user.role == "admin" and not user.disabled and (disabled or role not in (None, "admin"))
        others = [each for each in self.everyone() if each.role == "admin" and not each.disabled]
        if loses_admin and len(others) == 1:
            raise ConflictError(f"{email} is the only admin; make another one first")
        hashed = None if password is None else self.hasher.hash(password)
        write = partial(users.change, user_id=user.user_id, password_hash=hashed, role=role, disabled=disabled)
        self.database.write_now(write)
        changed = self.database.read_now(partial(users.by_id, user_id=user.user_id))
        return changed or user


class Accounts:
    """Logins of one gateway: passwords against argon2 hashes, rotating refresh tokens, limited attempts."""

    def __init__(
        self,
        database: Database,
        signer: TokenSigner,
        *,
        attempts_per_minute: int,
        now: Callable[[], float] = clock.now,
    ) -> None:
        self.directory = UserDirectory(database)
        self._database = database
        self._signer = signer
        self._now = now
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._per_account = RateLimitItemPerMinute(attempts_per_minute)
        self._per_address = RateLimitItemPerMinute(attempts_per_minute * ADDRESS_FACTOR)
        self._hashing = asyncio.Semaphore(NUM_PARALLEL_HASHES)
        self._nobody = self.directory.hasher.hash(secrets.token_hex(16))
        self._known: dict[str, tuple[float, User]] = {}

    async def login(self, email: str, password: str, address: str) -> TokenPair:
        """Raises UnauthenticatedError, or BusyError after too many failures from there or for that email."""
        email = normalized(email)
        self._check_attempts(email, address)
        user = await self._database.read(partial(users.by_email, email=email))
        async with self._hashing:  # argon2 takes 64 MiB and both cores
            right = await asyncio.to_thread(self._matches, user, password)
        if user is None or not right or user.disabled:
            self._limiter.hit(self._per_account, address, email)
            self._limiter.hit(self._per_address, address)
            raise UnauthenticatedError(WRONG)
        return await self._new_pair(user.user_id, secrets.token_hex(16))

    async def refresh(self, token: str) -> TokenPair:
        """A new pair for a refresh token, once. A second use means a stolen token: the whole login is revoked."""
        claims = self._signer.verify_refresh(token)
        now = self._now()

        def use(connection: Connection) -> User | None:
            known = users.token(connection, claims.token_id)
            if known is None:
                return None
            if not users.use_token(connection, claims.token_id, now):
                users.revoke_family(connection, known.family_id, now)
                return None
            return users.by_id(connection, known.user_id)

        user = await self._database.write(use)
        if user is None or user.disabled:
            raise UnauthenticatedError("the refresh token was used or revoked; log in again")
        return await self._new_pair(user.user_id, claims.family_id)

    async def logout(self, token: str) -> None:
        """Revoke the login that a refresh token belongs to; an unknown or expired one is as good as revoked."""
        try:
            claims = self._signer.verify_refresh(token)
        except UnauthenticatedError:
            return
        await self._database.write(partial(users.revoke_family, family_id=claims.family_id, now=self._now()))

    async def identify(self, token: str) -> User:
        """Whose access token this is. Raises UnauthenticatedError, also for an account disabled since."""
        claims = self._signer.verify_access(token)
        known = self._known.get(claims.user_id)
        if known is None or known[0] + STATUS_TTL_S < self._now():
            user = await self._database.read(partial(users.by_id, user_id=claims.user_id))
            if user is None:
                raise UnauthenticatedError("this account does not exist any more")
            known = self._known[claims.user_id] = (self._now(), user)
        if known[1].disabled:
            raise UnauthenticatedError("this account is disabled")
        return known[1]

    def forget(self) -> None:
        """Let a change of accounts be seen at once."""
        self._known.clear()

    def _matches(self, user: User | None, password: str) -> bool:
        """Takes as long for an unknown email as for a known one."""
        try:
            self.directory.hasher.verify(self._nobody if user is None else user.password_hash, password)
        except (Argon2Error, InvalidHashError):
            return False
        return user is not None

    def _check_attempts(self, email: str, address: str) -> None:
        for item, key in ((self._per_account, (address, email)), (self._per_address, (address,))):
            if not self._limiter.test(item, *key):
                reset_at, _ = self._limiter.get_window_stats(item, *key)
                wait_s = max(1.0, reset_at - clock.now())
                raise BusyError("too many failed logins; wait before the next", wait_s)

    async def _new_pair(self, user_id: str, family_id: str) -> TokenPair:
        refresh_token, claims = self._signer.refresh_token(user_id, family_id)
        await self._database.write(partial(_store, claims=claims, now=self._now()))
        return TokenPair(self._signer.access_token(user_id), refresh_token, self._signer.access_ttl_s)


def normalized(email: str) -> str:
    return email.strip().lower()


def _store(connection: Connection, claims: Claims, now: float) -> None:
    users.drop_expired_tokens(connection, claims.user_id, now)
    users.add_token(connection, RefreshToken(claims.token_id, claims.family_id, claims.user_id, claims.expires_at))


def _check(email: str, password: str, role: str) -> None:
    faults = []
    if not EMAIL.fullmatch(email):
        faults.append(Fault(("email",), "is not an email address"))
    if not MIN_PASSWORD_CHARS <= len(password) <= MAX_PASSWORD_CHARS:
        faults.append(Fault(("password",), f"needs {MIN_PASSWORD_CHARS} to {MAX_PASSWORD_CHARS} characters"))
    if role not in ROLES:
        faults.append(Fault(("role",), f"is one of {', '.join(ROLES)}"))
    if faults:
        raise InvalidError("; ".join(f"{fault.loc[0]} {fault.message}" for fault in faults), faults)
