"""Limits of failed logins: exact also for attempts that come at once, and not a way to lock others out.

Logins from one address are tried one after another, so each sees the failures of all before it. Addresses wait for
nobody but themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable

from limits import RateLimitItem, RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from twin import clock
from twin.errors import BusyError

ADDRESS_FACTOR = 10
MAX_WAITING_PER_ADDRESS = 32
MAX_WAITING = 512
MAX_FAMILIAR = 10_000
IPV6_SITE_BITS = 64
"""One site has at least a /64 of its own (RFC 6177, section 2): its addresses are one client's."""


async def nobody_has_left() -> bool:
    return False


class Attempts:
    """Who may try a password now, and who has to wait.

    A minute may see so many failures of one email from one address, and `ADDRESS_FACTOR` times as many from one
    address. Over the latter, an email that has not failed from there still gets a try, one a second in all; and one
    that has logged in from there is not held up by what others do.

    Args:
        failures_per_minute: of one email from one address.
    """

    def __init__(self, failures_per_minute: int) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._per_email = RateLimitItemPerMinute(failures_per_minute)
        self._per_address = RateLimitItemPerMinute(failures_per_minute * ADDRESS_FACTOR)
        self._trickle = RateLimitItemPerSecond(1)
        self._familiar: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._lines: dict[str, _Line] = {}

    @contextlib.asynccontextmanager
    async def line(self, address: str, email: str = "") -> AsyncIterator[None]:
        """Wait until no other login from this address is being looked at. Raises BusyError when too many wait.

        Before a login's body is read: a burst of logins costs a refusal each, and other requests come in between.
        """
        site = site_of(address)
        if (site, email) in self._familiar:
            site = f"{site} {email}"  # who has logged in from there is not held up by what others do
        line = self._lines.setdefault(site, _Line())
        if line.num_waiting >= MAX_WAITING_PER_ADDRESS or self._num_waiting >= MAX_WAITING:
            raise BusyError("too many logins at once; wait before the next", 1.0)
        line.num_waiting += 1
        try:
            async with line.lock:
                yield
        finally:
            line.num_waiting -= 1
            if not line.num_waiting:
                self._lines.pop(site, None)

    async def begin(
        self, email: str, address: str, has_left: Callable[[], Awaitable[bool]] = nobody_has_left
    ) -> Attempt:
        """An attempt, to be told how it went; for whoever has the address's `line`.

        Raises BusyError after too many failures, or when the client has left meanwhile.
        """
        site = site_of(address)
        if await has_left():
            raise BusyError("the client has left", 1.0)
        self._check(site, email)
        self._take_trickle(site, email)
        return Attempt(self, site, email)

    def note_failure(self, site: str, email: str) -> None:
        self._limiter.hit(self._per_email, site, email)
        self._limiter.hit(self._per_address, site)

    def note_success(self, site: str, email: str) -> None:
        self._familiar[site, email] = None
        self._familiar.move_to_end((site, email))
        if len(self._familiar) > MAX_FAMILIAR:
            self._familiar.popitem(last=False)

    @property
    def _num_waiting(self) -> int:
        return sum(line.num_waiting for line in self._lines.values())

    def _check(self, site: str, email: str) -> None:
        if not self._limiter.test(self._per_email, site, email):
            raise self._refusal(self._per_email, site, email)
        if self._is_over(site, email) and not self._is_clean(site, email):
            raise self._refusal(self._per_address, site)

    def _take_trickle(self, site: str, email: str) -> None:
        if self._is_over(site, email) and not self._limiter.hit(self._trickle, site):
            raise self._refusal(self._trickle, site)

    def _is_over(self, site: str, email: str) -> bool:
        return (site, email) not in self._familiar and not self._limiter.test(self._per_address, site)

    def _is_clean(self, site: str, email: str) -> bool:
        _, remaining = self._limiter.get_window_stats(self._per_email, site, email)
        return remaining == self._per_email.amount

    def _refusal(self, item: RateLimitItem, *key: str) -> BusyError:
        reset_at, _ = self._limiter.get_window_stats(item, *key)
        return BusyError("too many failed logins; wait before the next", max(1.0, reset_at - clock.now()))


class Attempt:
    """A password that is being tried."""

    def __init__(self, attempts: Attempts, site: str, email: str) -> None:
        self._attempts, self._site, self._email = attempts, site, email

    def fail(self) -> None:
        self._attempts.note_failure(self._site, self._email)

    def succeed(self) -> None:
        self._attempts.note_success(self._site, self._email)


class _Line:
    """The logins from one address: one is tried, the others wait."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.num_waiting = 0


def site_of(address: str) -> str:
    """What counts as one client: an IPv4 address, an IPv6 network of a site, or any other text as it is."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, IPV6_SITE_BITS), strict=False))
