"""The one interface between the queue and whatever runs jobs: local processes, or a Dask cluster."""

from __future__ import annotations

from typing import Protocol

from twin.errors import TwinError
from twin.jobs.model import AnalysisOutcome, AnalysisTask, CheckOutcome, CheckTask, RunOutcome, RunTask


class ExecutorError(TwinError):
    """Nothing can be run now: the cluster does not answer."""


class WorkerLostError(TwinError):
    """The worker died in mid-job (killed, out of memory); the job may be run again."""


class TimeLimitError(TwinError):
    """The task took longer than its limit, and was stopped."""


class Executor(Protocol):
    """Runs tasks somewhere else. Every call ends: with a value, WorkerLostError or TimeLimitError.

    What somebody waits for, a check, a readout or an analysis, waits for no job, and for no other user's: users take
    turns, and none has all the places. BusyError where too many wait. A call that is cancelled stops what it started.
    """

    @property
    def num_slots(self) -> int:
        """How many jobs it runs at the same time."""
        ...

    async def check(self, task: CheckTask, user: str) -> CheckOutcome:
        """Faults of the circuits that do not fit, and how long the others would take."""
        ...

    async def run(self, task: RunTask) -> RunOutcome: ...

    async def run_short(self, task: RunTask, user: str) -> RunOutcome:
        """Run what somebody waits for, a readout of one shot."""
        ...

    async def analyse(self, task: AnalysisTask, user: str) -> AnalysisOutcome:
        """A session's circuit or error model as text."""
        ...

    async def close(self) -> None:
        """Stop at once; tasks in progress are lost (their jobs run again after the next start)."""
        ...
