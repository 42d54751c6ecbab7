"""Whose turn it is: every backend's line of waiting jobs, and what of it may run now."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from twin.device.device import SchedulerSettings
from twin.errors import BusyError
from twin.jobs.order import FairOrder

RETRY_AFTER_S = 1.0


@dataclass(slots=True)
class Line:
    """One backend's waiting and running jobs."""

    order: FairOrder = field(default_factory=FairOrder)
    running: set[str] = field(default_factory=set)


class Lines:
    """The lines of all backends, which take turns too. A job waits from `join` to `take`, `leave` or the end.

    Args:
        scheduler: a backend's settings as they are now.
    """

    def __init__(self, scheduler: Callable[[str], SchedulerSettings]) -> None:
        self._scheduler = scheduler
        self._lines: OrderedDict[str, Line] = OrderedDict()
        self._due_at: dict[str, float] = {}

    def join(self, backend_id: str, user_id: str, job_id: str, *, limited: bool) -> None:
        """Put a job at its user's end; it runs once it is `ready`. Raises BusyError when the line is full."""
        line = self._lines.setdefault(backend_id, Line())
        scheduler = self._scheduler(backend_id)
        limit = scheduler.max_queued_jobs
        if limited and len(line.order) >= limit:
            raise BusyError(f"the queue of {backend_id!r} is full ({limit} jobs wait)", RETRY_AFTER_S)
        line.order.add(user_id if scheduler.order == "fair" else "", job_id)

    def ready(self, backend_id: str, job_id: str, created_at: float) -> None:
        """The job is stored: it may run after the backend's queue delay."""
        self._due_at[job_id] = created_at + self._scheduler(backend_id).queue_delay_s

    def leave(self, backend_id: str, job_id: str) -> None:
        """The job will not run."""
        self._due_at.pop(job_id, None)
        if (line := self._lines.get(backend_id)) is not None:
            line.order.remove(job_id)

    def take(self, now: float) -> str | None:
        """The next job that may run, which runs from now on; None when there is none."""
        for backend_id, line in self._lines.items():
            job_id = self._head(backend_id, line)
            if job_id is not None and self._due_at[job_id] <= now:
                line.order.pop()
                line.running.add(job_id)
                del self._due_at[job_id]
                self._lines.move_to_end(backend_id)
                return job_id
        return None

    def next_due_at(self) -> float | None:
        """When a job's queue delay is over, of those whose turn it is."""
        heads = (self._head(backend_id, line) for backend_id, line in self._lines.items())
        return min((self._due_at[job_id] for job_id in heads if job_id is not None), default=None)

    def ended(self, backend_id: str, job_id: str) -> None:
        """The job no longer runs."""
        self._lines[backend_id].running.discard(job_id)

    def position(self, backend_id: str, job_id: str) -> int | None:
        """1 for the backend's next job; None for one that does not wait."""
        line = self._lines.get(backend_id)
        return line.order.position(job_id) if line is not None else None

    def num_waiting(self, backend_id: str) -> int:
        line = self._lines.get(backend_id)
        return len(line.order) if line else 0

    def num_running(self, backend_id: str) -> int:
        line = self._lines.get(backend_id)
        return len(line.running) if line else 0

    def _head(self, backend_id: str, line: Line) -> str | None:
        """The backend's next job, when it is stored and there is a free slot."""
        job_id = line.order.peek()
        is_full = len(line.running) >= self._scheduler(backend_id).max_running_jobs
        return None if is_full or job_id not in self._due_at else job_id
