"""The client's errors, and the one place that turns an answer or a transport fault into one.

TwinError
├── TwinApiError          the twin answered with a problem
├── JobFailedError        the job that was waited for has no result
└── TwinUnreachableError  no answer, or none in time
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from twin.errors import TwinError


class TwinApiError(TwinError):
    """The twin refused. `status` and `problem` (RFC 9457) say what; `retry_after_s` when it makes sense to wait."""

    def __init__(self, status: int, problem: Mapping[str, Any], retry_after_s: float | None = None) -> None:
        self.status = status
        self.problem = dict(problem)
        self.retry_after_s = retry_after_s
        detail, title = self.problem.get("detail", "no details"), self.problem.get("title", "error")
        super().__init__(f"{detail} ({status} {title})")


class JobFailedError(TwinError):
    """The job failed or was cancelled; the message has the twin's reason."""


class TwinUnreachableError(TwinError):
    """The twin does not answer: not started, gone, or too slow."""


def error_of(status: int, body: bytes, retry_after: str | None = None) -> TwinApiError:
    """The error that an answer is, whether or not its body is problem+json."""
    try:
        problem = json.loads(body)
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {"title": "unexpected answer", "detail": body[:200].decode(errors="replace")}
    wait_s = float(retry_after) if retry_after is not None and retry_after.isdigit() else None
    return TwinApiError(status, problem, wait_s)
