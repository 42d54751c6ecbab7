"""The provider's errors: Qiskit's own kinds, and the twin's at the same time.

QiskitError
├── TwinProviderError    what a backend cannot do, a circuit that the twin cannot be told (also InvalidError)
├── TwinRefusedError     the twin refused (also TwinApiError: status, problem)
├── TwinConnectionError  no answer from the twin (also TwinUnreachableError)
└── JobError
    ├── TwinJobError      the job failed or was cancelled (also JobFailedError)
    └── TwinTimeoutError  no result yet: JobTimeoutError (also DeadlineError and TimeoutError)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from qiskit.exceptions import QiskitError
from qiskit.providers import JobError
from qiskit.providers.exceptions import JobTimeoutError

from twin.client import JobFailedError, TwinApiError, TwinUnreachableError
from twin.errors import DeadlineError, InvalidError, TwinError


class TwinProviderError(InvalidError, QiskitError):  # type: ignore[misc]  # Qiskit has no types
    """An option that a backend does not have, a circuit that OpenQASM 2.0 cannot say, a job of another backend."""


class TwinRefusedError(TwinApiError, QiskitError):  # type: ignore[misc]
    """The twin refused. `status` and `problem` (RFC 9457) say what; `retry_after_s` when it makes sense to wait."""


class TwinConnectionError(TwinUnreachableError, QiskitError):  # type: ignore[misc]
    """The twin does not answer: not started, gone, or too slow."""


class TwinJobError(JobFailedError, JobError):  # type: ignore[misc]
    """The job failed or was cancelled; the message has the reason."""


class TwinTimeoutError(DeadlineError, JobTimeoutError, TimeoutError):  # type: ignore[misc]
    """There is no result yet. The job goes on: ask for its result again."""


@contextmanager
def as_qiskit_errors() -> Iterator[None]:
    """The one place where the client's errors become Qiskit's; also a decorator."""
    try:
        yield
    except QiskitError:
        raise
    except TwinApiError as error:
        raise TwinRefusedError(error.status, error.problem, error.retry_after_s) from error
    except TwinUnreachableError as error:
        raise TwinConnectionError(str(error)) from error
    except JobFailedError as error:
        raise TwinJobError(str(error)) from error
    except DeadlineError as error:
        raise TwinTimeoutError(str(error)) from error
    except TwinError as error:
        raise TwinProviderError(str(error)) from error
