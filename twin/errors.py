"""The twin's error tree: what went wrong, never how HTTP says it (api/problems.py maps it).

TwinError
├── InvalidError        the request does not fit; carries field-level faults
├── NotFoundError       an unknown backend, job, session, file, ...
├── ConflictError       an illegal change of state
├── GoneError           it was there, and is over (a cancelled job, an ended session)
├── TooLargeError       more than a limit allows
├── BusyError           a full queue or too many attempts; says when to try again
├── DeniedError         known who asks, but the role does not suffice
├── UnauthenticatedError  not known who asks
├── ReadOnlyError       this deployment cannot do it
├── UnavailableError    what the twin itself needs is not there: its database, room on its disk
└── DeadlineError       something did not answer in time
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One field-level fault: where (path of keys and indices into the body) and what."""

    loc: tuple[str | int, ...]
    message: str

    def to_dict(self) -> dict[str, object]:
        return {"loc": list(self.loc), "message": self.message}


class TwinError(Exception):
    """Base of every error that the twin raises on purpose; `str(error)` is fit for a user."""


class InvalidError(TwinError):
    """The request does not fit. `faults` says which fields, and why."""

    def __init__(self, message: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(message)
        self.faults = tuple(faults)


class NotFoundError(TwinError):
    """A name that is not known here."""


class ConflictError(TwinError):
    """An illegal change of state, or a version that is no longer the current one."""


class GoneError(TwinError):
    """It existed, and is over: a cancelled job's result, an ended session's rounds."""


class TooLargeError(TwinError):
    """More than a limit allows in one request."""


class BusyError(TwinError):
    """A full queue or too many attempts; try again after `retry_after_s` seconds."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class DeniedError(TwinError):
    """The caller is known, but the caller's role does not allow this."""


class UnauthenticatedError(TwinError):
    """The caller is not known: no token or key, or not a valid one."""


class ReadOnlyError(TwinError):
    """This deployment cannot change that (a read-only config directory)."""


class UnavailableError(TwinError):
    """The twin's own database does not answer, or its disk is full; nothing was changed.

    public: what clients are told, who need not know where the database is; the message itself where it is not given.
    """

    def __init__(self, message: str, public: str | None = None) -> None:
        super().__init__(message)
        self.public = message if public is None else public


class DeadlineError(TwinError):
    """Something did not answer within its deadline."""
