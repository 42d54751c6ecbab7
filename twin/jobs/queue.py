"""The job queue: takes jobs, keeps them in the store, runs them in fair order, and finds them again after a crash."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import structlog

from twin import clock
from twin.device.device import SchedulerSettings
from twin.errors import ConflictError, GoneError, NotFoundError, TwinError
from twin.jobs import transitions
from twin.jobs.executor import Executor, TimeLimitError, WorkerLostError
from twin.jobs.lines import Lines
from twin.jobs.model import (
    CANCELLED,
    COMPLETED,
    FAILED,
    FINAL_STATES,
    QUEUED,
    RUNNING,
    JobRequest,
    RunOutcome,
    RunTask,
)
from twin.store import events, jobs
from twin.store.database import Connection, Database, IntegrityError
from twin.store.events import Event
from twin.store.jobs import JobRow
from twin.telemetry.event_log import EventLog

log = structlog.get_logger(__name__)

MAX_REMEMBERED_JOBS = 4096
MAX_REMEMBERED_RESULT_BYTES = 64 * 2**10


class TaskSource(Protocol):
    """What the queue asks a backend for when a job's turn comes."""

    async def run_task(self, job_id: str, request: JobRequest) -> RunTask: ...

    def scheduler(self, backend_id: str) -> SchedulerSettings: ...

    def wait_s(self, request: JobRequest, outcome: RunOutcome) -> float:
        """How much longer the device would have taken than the simulation did, when that is to be waited for."""
        ...


@dataclass(slots=True)
class Job:
    """A job in memory: its row, its request while it has not ended, its result when it is small."""

    row: JobRow
    request: JobRequest | None = None
    result: bytes | None = None


class JobQueue:
    """Owns every unfinished job of this replica. All methods run on the event loop."""

    def __init__(
        self,
        database: Database,
        event_log: EventLog,
        executor: Executor,
        source: TaskSource,
        *,
        replica: str,
        max_attempts: int,
        on_end: Callable[[JobRow], None] = lambda _row: None,
    ) -> None:
        self._database = database
        self._event_log = event_log
        self._executor = executor
        self._source = source
        self._replica = replica
        self._max_attempts = max_attempts
        self._on_end = on_end
        self._lines = Lines(source.scheduler)
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    # -- taking and showing jobs

    async def submit(
        self, request: JobRequest, *, user_id: str, metadata: dict[str, Any], request_hash: str, key: str | None
    ) -> JobRow:
        """Store and queue a job. The same idempotency key and body give the same job.

        Raises BusyError when the backend's queue is full, ConflictError for a key that was used with another body.
        """
        if key is not None and (known := await self._find(partial(jobs.by_idempotency_key, user_id=user_id, key=key))):
            return _same_request(known, request_hash)
        row = JobRow(
            job_id=secrets.token_hex(12),
            backend_id=request.backend_id,
            owner=self._replica,
            user_id=user_id,
            status=QUEUED,
            shots=request.shots,
            num_circuits=len(request.circuits),
            metadata=metadata,
            idempotency_key=key,
            request_hash=request_hash,
            created_at=clock.now(),
        )
        self._lines.join(row.backend_id, user_id, row.job_id, limited=True)  # first: the limit holds for all at once
        try:
            await self._database.write(partial(transitions.add, row=row, request=request))
        except IntegrityError:
            self._lines.leave(row.backend_id, row.job_id)
            known = await self._find(partial(jobs.by_idempotency_key, user_id=user_id, key=key or ""))
            if known is None:
                raise
            return _same_request(known, request_hash)
        except BaseException:
            self._lines.leave(row.backend_id, row.job_id)
            raise
        self._event_log.notify()
        self._take(row, request)
        return row

    async def get(self, job_id: str) -> JobRow:
        """Raises NotFoundError for a job that does not exist."""
        if (job := self._jobs.get(job_id)) is not None:
            return job.row
        row = await self._find(partial(jobs.get, job_id=job_id))
        if row is None:
            raise NotFoundError(f"there is no job {job_id!r}")
        return row

    async def get_of(self, backend_id: str, job_id: str) -> JobRow:
        """Raises NotFoundError for a job that this backend does not have."""
        row = await self.get(job_id)
        if row.backend_id != backend_id:
            raise NotFoundError(f"backend {backend_id!r} has no job {job_id!r}; it is one of {row.backend_id!r}")
        return row

    async def result(self, job_id: str) -> bytes | None:
        """The result as JSON; None while the job is not over.

        Raises GoneError for a cancelled job, ConflictError with the reason for a failed one.
        """
        row = await self.get(job_id)
        if row.status == CANCELLED:
            raise GoneError(f"job {job_id} was cancelled; it has no result")
        if row.status == FAILED:
            raise ConflictError(f"job {job_id} failed: {row.error}")
        if row.status != COMPLETED:
            return None
        job = self._jobs.get(job_id)
        if job is not None and job.result is not None:
            return job.result
        return await self._database.read(partial(jobs.result, job_id=job_id))

    def queue_position(self, row: JobRow) -> int | None:
        """1 for the backend's next job; None for one that does not wait."""
        return self._lines.position(row.backend_id, row.job_id) if row.status == QUEUED else None

    async def cancel(self, job_id: str) -> JobRow:
        """Cancel a queued job. Raises ConflictError for one that runs or is over."""
        row = await self.get(job_id)
        ended_at = clock.now()
        if row.status != QUEUED or not await self._database.write(
            partial(transitions.cancel, row=row, ended_at=ended_at)
        ):
            row = await self.get(job_id)
            raise ConflictError(f"job {job_id} is {row.status}; only a queued job can be cancelled")
        self._event_log.notify()
        self._lines.leave(row.backend_id, job_id)
        row = replace(row, status=CANCELLED, ended_at=ended_at)
        self._settle(row, None)
        return row

    async def merge_metadata(self, job_id: str, added: dict[str, Any]) -> dict[str, Any]:
        """Add keys to a job's metadata; the merged whole."""
        event = Event(clock.now(), "job.metadata", None, job_id, payload={"keys": sorted(added)})
        row = await self.get(job_id)

        def write(connection: Connection) -> dict[str, Any] | None:
            merged = jobs.merge_metadata(connection, job_id, added)
            if merged is not None:
                events.append(connection, [replace(event, backend_id=row.backend_id)])
            return merged

        merged = await self._database.write(write)
        if merged is None:
            raise NotFoundError(f"there is no job {job_id!r}")
        if (job := self._jobs.get(job_id)) is not None:
            job.row = replace(job.row, metadata=merged)
        self._event_log.notify()
        return merged

    def num_waiting(self, backend_id: str) -> int:
        return self._lines.num_waiting(backend_id)

    def num_running(self, backend_id: str) -> int:
        return self._lines.num_running(backend_id)

    # -- after a start, and at the end

    async def adopt(self, dead_owners: list[str]) -> int:
        """Take over the unfinished jobs of replicas that are gone; queued and running ones are run (again)."""
        taken = await self._database.write(partial(jobs.claim_open, new_owner=self._replica, dead_owners=dead_owners))
        for stored, body in taken:
            row = replace(stored, owner=self._replica, status=QUEUED)
            self._lines.join(row.backend_id, row.user_id, row.job_id, limited=False)
            self._take(row, JobRequest.from_json(body))
        return len(taken)

    async def close(self) -> None:
        """Stop running jobs; those that are not over run again after the next start."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- running

    def _take(self, row: JobRow, request: JobRequest) -> None:
        self._jobs[row.job_id] = Job(row, request)
        self._lines.ready(row.backend_id, row.job_id, row.created_at)
        self._dispatch()

    def _dispatch(self) -> None:
        """Start jobs while there are free slots; backends take turns too."""
        while not self._closed and len(self._tasks) < self._executor.num_slots:
            job_id = self._lines.take(clock.now())
            if job_id is None:
                self._wake_when_due()
                return
            job = self._jobs[job_id]
            task = asyncio.create_task(self._run(job), name=f"job-{job_id}")
            self._tasks.add(task)
            task.add_done_callback(partial(self._release, job.row.backend_id, job_id))

    def _wake_when_due(self) -> None:
        due_at = self._lines.next_due_at()
        if due_at is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        wait_s = max(0.0, due_at - clock.now())
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._dispatch)

    def _release(self, backend_id: str, job_id: str, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._lines.ended(backend_id, job_id)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a job's task failed", job_id=job_id, error=repr(error))
        self._dispatch()

    async def _run(self, job: Job) -> None:
        started_at = clock.now()
        attempts = job.row.attempts + 1
        running = replace(job.row, status=RUNNING, started_at=started_at, attempts=attempts)
        if not await self._database.write(partial(transitions.start, row=running, replica=self._replica)):
            self._jobs.pop(job.row.job_id, None)  # cancelled, or taken over, by another replica
            return
        job.row = running
        self._event_log.notify()
        outcome = await self._outcome(job)
        if outcome is None:
            return
        ended = replace(
            job.row,
            status=FAILED if outcome.document is None else COMPLETED,
            ended_at=clock.now(),
            error=outcome.error,
        )
        await self._database.write(partial(transitions.finish, row=ended, result=outcome.document))
        self._event_log.notify()
        self._settle(ended, outcome.document)

    async def _outcome(self, job: Job) -> RunOutcome | None:
        """Run until there is a result or a reason; None when it is no longer this replica's."""
        request = job.request
        if request is None:
            raise TwinError(f"job {job.row.job_id} has ended, and cannot run")
        try:
            task = await self._source.run_task(job.row.job_id, request)
            outcome = await self._executor.run(task)
        except TimeLimitError as error:
            return RunOutcome(error=str(error))
        except WorkerLostError as error:
            if job.row.attempts < self._max_attempts:
                log.warning("job runs again", job_id=job.row.job_id, reason=str(error))
                return await self._again(job)
            return RunOutcome(error=f"{error}; it was tried {job.row.attempts} times")
        except TwinError as error:
            return RunOutcome(error=str(error))
        except Exception as error:
            log.error("job failed inside", job_id=job.row.job_id, error=repr(error), exc_info=True)
            return RunOutcome(error="internal error; the twin's log has the details")
        await asyncio.sleep(self._source.wait_s(request, outcome))
        return outcome

    async def _again(self, job: Job) -> RunOutcome | None:
        job.row = replace(job.row, attempts=job.row.attempts + 1)
        if not await self._database.write(partial(transitions.start, row=job.row, replica=self._replica)):
            return None
        return await self._outcome(job)

    def _settle(self, row: JobRow, result: bytes | None) -> None:
        """Remember how a job ended; in a shared database another replica may change it, so forget it."""
        self._on_end(row)
        if self._database.is_shared:
            self._jobs.pop(row.job_id, None)
            return
        kept = result if result is not None and len(result) <= MAX_REMEMBERED_RESULT_BYTES else None
        known = self._jobs.get(row.job_id)
        metadata = known.row.metadata if known is not None else row.metadata
        self._jobs[row.job_id] = Job(replace(row, metadata=metadata), result=kept)
        while len(self._jobs) > MAX_REMEMBERED_JOBS:
            oldest = next((key for key, job in self._jobs.items() if job.row.status in FINAL_STATES), None)
            if oldest is None:
                return
            del self._jobs[oldest]

    async def _find(self, function: Callable[[Connection], JobRow | None]) -> JobRow | None:
        return await self._database.read(function)


def _same_request(known: JobRow, request_hash: str) -> JobRow:
    if known.request_hash != request_hash:
        raise ConflictError("this Idempotency-Key was used with another body; use a new key for a new job")
    return known
