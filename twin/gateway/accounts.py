"""Accounts: who may log in, with which role, and which refresh tokens are still good."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import structlog
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from twin import clock
from twin.errors import ConflictError, Fault, InvalidError, NotFoundError, UnauthenticatedError, UnavailableError
from twin.gateway.attempts import Attempts, nobody_has_left
from twin.gateway.tokens import Claims, TokenSigner
from twin.store import users
from twin.store.database import Connection, Database, IntegrityError
from twin.store.users import RefreshToken, User

log = structlog.get_logger(__name__)

ROLES = ("viewer", "operator", "admin")
EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,189}")
MIN_PASSWORD_CHARS, MAX_PASSWORD_CHARS = 8, 1024
STATUS_TTL_S = 5.0
STREAM_STATUS_TTL_S = 1.0
NUM_PARALLEL_HASHES = 2
MAX_KNOWN = 10_000
WRONG = "email or password is wrong"


@dataclass(frozen=True, slots=True)
class Admission:
    """Who asks, how long what was shown for it is good, and from which login it comes (empty: it does not say)."""

    user: User
    expires_at: float
    family_id: str = ""


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
        ticket_ttl_s: float = 30.0,
        now: Callable[[], float] = clock.now,
    ) -> None:
        self.directory = UserDirectory(database)
        self._database = database
        self._signer = signer
        self._now = now
        self.attempts = Attempts(attempts_per_minute)
        self._hashing = asyncio.Semaphore(NUM_PARALLEL_HASHES)
        self._nobody = self.directory.hasher.hash(secrets.token_hex(16))
        self._ticket_ttl_s = ticket_ttl_s
        self._known: dict[tuple[str, str], tuple[float, User, bool]] = {}
        self._changed = asyncio.Event()

    async def login(
        self, email: str, password: str, address: str, has_left: Callable[[], Awaitable[bool]] = nobody_has_left
    ) -> TokenPair:
        """For whoever has the `line` of that address.

        Raises UnauthenticatedError, or BusyError after too many failures from there or for that email.

        has_left: whether the client has gone; nothing is tried for one that has.
        """
        email = normalized(email)
        attempt = await self.attempts.begin(email, address, has_left)
        user = await self._database.read(partial(users.by_email, email=email))
        async with self._hashing:  # argon2 takes 64 MiB and both cores
            right = await asyncio.to_thread(self._matches, user, password)
        if user is None or not right or user.disabled:
            attempt.fail()
            raise UnauthenticatedError(WRONG)
        attempt.succeed()
        return await self._new_pair(user, secrets.token_hex(16))

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
        if user is None:
            self.forget()  # the login's access tokens end with it
        if user is None or user.disabled:
            raise UnauthenticatedError("the refresh token was used or revoked; log in again")
        return await self._new_pair(user, claims.family_id)

    async def logout(self, token: str) -> None:
        """Revoke the login that a refresh token belongs to, with its access tokens, tickets and streams.

        An unknown or expired token's is as good as revoked.
        """
        try:
            claims = self._signer.verify_refresh(token)
        except UnauthenticatedError:
            return
        await self._database.write(partial(users.revoke_family, family_id=claims.family_id, now=self._now()))
        self.forget()

    async def admit(self, token: str, *, max_age_s: float = STATUS_TTL_S) -> Admission:
        """Whose access token this is, as the account was at most `max_age_s` ago.

        Raises UnauthenticatedError, also for a login that is over, and an account that is disabled, or has another
        password, since.
        """
        claims = self._signer.verify_access(token)
        user = await self._user(claims.user_id, claims.family_id, max_age_s)
        if claims.password_mark and claims.password_mark != password_mark(user):
            raise UnauthenticatedError("the password has changed; log in again")
        return Admission(user, claims.expires_at, claims.family_id)

    async def ticket(self, admission: Admission) -> tuple[str, float]:
        """A ticket that opens one stream, once, in place of the access token; and the seconds that it lives."""
        ttl_s = min(self._ticket_ttl_s, admission.expires_at - self._now())
        text, claims = self._signer.ticket(admission.user.user_id, admission.family_id, ttl_s, admission.expires_at)
        await self._database.write(partial(_store, claims=claims, now=self._now()))
        return text, ttl_s

    async def redeem(self, ticket: str) -> Admission:
        """What the ticket's access token would have admitted. Raises UnauthenticatedError, also the second time."""
        claims = self._signer.verify_ticket(ticket)
        if not await self._database.write(partial(users.use_token, token_id=claims.token_id, now=self._now())):
            raise UnauthenticatedError("the ticket was used or revoked; get another one for each stream")
        return Admission(await self._user(claims.user_id, claims.family_id, 0.0), claims.until, claims.family_id)

    async def until_over(self, admission: Admission, grace_s: float) -> str:
        """Wait until an admission holds no more; why. What another process changes is seen within a second."""
        while True:
            left_s = admission.expires_at + grace_s - self._now()
            if left_s <= 0:
                return "the access token has expired"
            changed = self._changed
            try:
                user = await self._user(admission.user.user_id, admission.family_id, STREAM_STATUS_TTL_S)
            except UnauthenticatedError as error:
                return str(error)
            except UnavailableError as error:  # a database that is away ends no stream; the token's end does
                log.warning("cannot look whether an account still holds", error=str(error))
            else:
                if password_mark(user) != password_mark(admission.user):
                    return "the password has changed"
                if user.role != admission.user.role:
                    return f"the role has changed to {user.role}"
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), min(left_s, STREAM_STATUS_TTL_S))

    def forget(self) -> None:
        """Let a change of accounts be seen at once, also by open streams."""
        self._known.clear()
        self._changed.set()
        self._changed = asyncio.Event()

    async def _user(self, user_id: str, family_id: str, max_age_s: float) -> User:
        """Raises UnauthenticatedError for an account that is disabled or gone, and a login that was ended."""
        key = (user_id, family_id)
        known = self._known.get(key)
        if known is None or known[0] + max_age_s < self._now():
            changed, read = self._changed, partial(users.of_login, user_id=user_id, family_id=family_id)
            user, is_over = await self._database.read(read)
            if user is None:
                raise UnauthenticatedError("this account does not exist any more")
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            known = (self._now(), user, is_over)
            if changed is self._changed:  # else it may have been read before a change that was made meanwhile
                self._known[key] = known
        _, user, is_over = known
        if user.disabled:
            raise UnauthenticatedError("this account is disabled")
        if is_over:
            raise UnauthenticatedError("this login has ended; log in again")
        return user

    def _matches(self, user: User | None, password: str) -> bool:
        """Takes as long for an unknown email as for a known one."""
        try:
            self.directory.hasher.verify(self._nobody if user is None else user.password_hash, password)
        except (Argon2Error, InvalidHashError):
            return False
        return user is not None

    async def _new_pair(self, user: User, family_id: str) -> TokenPair:
        refresh_token, claims = self._signer.refresh_token(user.user_id, family_id)
        await self._database.write(partial(_store, claims=claims, now=self._now()))
        access_token = self._signer.access_token(user.user_id, password_mark(user), family_id)
        return TokenPair(access_token, refresh_token, self._signer.access_ttl_s)


def password_mark(user: User) -> str:
    """Changes with the password, and says nothing about it: a digest of its salted hash."""
    return hashlib.sha256(user.password_hash.encode()).hexdigest()[:16]


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
