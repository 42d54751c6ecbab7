"""Errors of QEC sessions.

InvalidError   └── SessionSpecError     a session that cannot be made; a correction of the wrong length
ConflictError  └── RoundOrderError      a round or correction out of order, or not possible in this session
GoneError      └── SessionEndedError    the session is over
TooLargeError  └── SessionTooLargeError
"""

from __future__ import annotations

from twin.errors import ConflictError, Fault, GoneError, InvalidError, TooLargeError


class SessionSpecError(InvalidError):
    """The request does not fit; `faults` names the fields."""

    @classmethod
    def at(cls, field: str, message: str) -> SessionSpecError:
        return cls(f"{field}: {message}", [Fault((field,), message)])


class RoundOrderError(ConflictError):
    """Not now: rounds go one after the other, and corrections belong to the last one."""


class SessionEndedError(GoneError):
    """The session has ended; its rounds are gone."""


class SessionTooLargeError(TooLargeError):
    """More than one answer, or one session, may hold."""
