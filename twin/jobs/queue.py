"""The job queue: takes jobs, keeps them in the store, runs them in fair order, and finds them again after a crash."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import orjson
import structlog

from twin import clock
from twin.device.device import SchedulerSettings
from twin.errors import ConflictError, GoneError, NotFoundError, TooLargeError, TwinError
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
from twin.patience import uninterrupted, until_available
from twin.store import events, jobs
from twin.store.database import Connection, Database, IntegrityError
from twin.store.events import Event
from twin.store.jobs import JobRow
from twin.telemetry.event_log import EventLog

log = structlog.get_logger(__name__)

MAX_REMEMBERED_JOBS = 4096
REMEMBERED_S = 60.0
"""So long after its end a job is answered from memory; then the store is asked, where it may have been pruned."""
MAX_REMEMBERED_RESULT_BYTES = 64 * 2**10
MAX_RECOVERED = 1000  # at a time: their ids are parameters of one statement
GIVE_BACK_DEADLINE_S = 5.0
CANCEL_AGAIN_S = 0.5


class TaskSource(Protocol):
    """What the queue asks a backend for when a job's turn comes."""

    async def run_task(self, job_id: str, request: JobRequest) -> RunTask: ...

    def scheduler(self, backend_id: str) -> SchedulerSettings: ...

    def wait_s(self, request: JobRequest, outcome: RunOutcome) -> float:
        """How much longer the device would have taken than the simulation did, when that is to be waited for."""
        ...


@dataclass(slots=True)
class Job:
    """A job in memory: its row, its request while it has not ended, its result when it is small.

    `is_ending`: its run is over, and how it ended is being stored.
    """

    row: JobRow
    request: JobRequest | None = None
    result: bytes | None = None
    is_ending: bool = False


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
        max_metadata_bytes: int = 2**20,
        on_end: Callable[[JobRow], None] = lambda _row: None,
    ) -> None:
        self._database = database
        self._event_log = event_log
        self._executor = executor
        self._source = source
        self._replica = replica
        self._max_attempts = max_attempts
        self._max_metadata_bytes = max_metadata_bytes
        self._on_end = on_end
        self._lines = Lines(source.scheduler)
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._submitted: set[str] = set()  # being stored, not yet in `_jobs`
        self._tasks: dict[str, asyncio.Task[None]] = {}
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
        check_metadata(metadata, self._max_metadata_bytes)
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
        return await uninterrupted(self._store_new(row, request))

    async def _store_new(self, row: JobRow, request: JobRequest) -> JobRow:
        self._submitted.add(row.job_id)
        try:
            await self._database.write(partial(transitions.add, row=row, request=request))
        except BaseException as error:
            self._lines.leave(row.backend_id, row.job_id)
            key = row.idempotency_key
            if not isinstance(error, IntegrityError) or key is None:
                raise
            known = await self._find(partial(jobs.by_idempotency_key, user_id=row.user_id, key=key))
            if known is None:
                raise
            return _same_request(known, row.request_hash)
        finally:
            self._submitted.discard(row.job_id)
        self._event_log.notify()
        self._take(row, request)
        return row

    async def get(self, job_id: str) -> JobRow:
        """Raises NotFoundError for a job that does not exist."""
        job = self._remembered(job_id)
        if job is not None and not self._database.is_shared:  # else another replica may have taken it over
            return job.row
        row = await self._find(partial(jobs.get, job_id=job_id))
        if row is None:
            raise NotFoundError(f"there is no job {job_id!r}")
        return row

    def _remembered(self, job_id: str) -> Job | None:
        """What is held of a job; what has ended a while ago is forgotten, since `prune` may have deleted it."""
        job = self._jobs.get(job_id)
        if job is None or job.row.status not in FINAL_STATES:
            return job
        if clock.now() - (job.row.ended_at or 0.0) <= REMEMBERED_S:
            return job
        del self._jobs[job_id]
        return None

    async def get_of(self, backend_id: str, job_id: str) -> JobRow:
        """Raises NotFoundError for a job that this backend does not have."""
        row = await self.get(job_id)
        if row.backend_id != backend_id:
            raise NotFoundError(f"backend {backend_id!r} has no job {job_id!r}; it is one of {row.backend_id!r}")
        return row

    async def result(self, job_id: str) -> bytes | None:
        """The result as it is stored (`twin.jobs.results`); None while the job is not over.

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
        document = await self._database.read(partial(jobs.result, job_id=job_id))
        if document is None:
            self._jobs.pop(job_id, None)
            raise NotFoundError(f"the result of job {job_id} is no longer kept")
        return document

    def queue_position(self, row: JobRow) -> int | None:
        """1 for the backend's next job; None for one that does not wait."""
        is_waiting_here = row.status == QUEUED and row.owner == self._replica
        return self._lines.position(row.backend_id, row.job_id) if is_waiting_here else None

    async def cancel(self, job_id: str) -> JobRow:
        """End a job that waits or runs; its worker is stopped. Raises ConflictError for one that is over.

        One that another replica runs has ended, too; that replica stops its worker when it next looks (`recover`).
        """
        return await uninterrupted(self._cancel(job_id))

    async def _cancel(self, job_id: str) -> JobRow:
        row = await self._database.write(partial(transitions.cancel, job_id=job_id, ended_at=clock.now()))
        if row is None:
            row = await self.get(job_id)
            raise ConflictError(f"job {job_id} is {row.status}; only a job that is not over can be cancelled")
        self._event_log.notify()
        self._stop(row.backend_id, job_id)
        self._settle(row, None)
        return row

    def _stop(self, backend_id: str, job_id: str) -> None:
        """A job that has ended elsewhere waits and runs here no more."""
        self._lines.leave(backend_id, job_id)
        if (task := self._tasks.get(job_id)) is not None:
            task.cancel()

    async def merge_metadata(self, job_id: str, added: dict[str, Any]) -> dict[str, Any]:
        """Add keys to a job's metadata; the merged whole.

        Raises TooLargeError where the whole would be over `max_metadata_bytes`; nothing is added then.
        """
        event = Event(clock.now(), "job.metadata", None, job_id, payload={"keys": sorted(added)})
        row = await self.get(job_id)

        def write(connection: Connection) -> dict[str, Any] | None:
            merged = jobs.merge_metadata(connection, job_id, added)
            if merged is not None:
                check_metadata(merged, self._max_metadata_bytes)
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
        return await self._claim(dead_owners, None)

    async def recover(self) -> int:
        """Take up this replica's unfinished jobs that it does not hold, such as one whose task failed.

        The commit of a submission may go through though its caller was told that the database is away. What it holds
        and another replica has cancelled or taken over, it stops.
        """
        held = [job_id for job_id, job in self._jobs.items() if job.row.status not in FINAL_STATES]
        stored = await self._database.read(partial(jobs.open_ids, owner=self._replica))
        for job_id in held:
            job = self._jobs.get(job_id)
            if job_id not in stored and job is not None and not job.is_ending and job.row.status not in FINAL_STATES:
                log.warning("a job was cancelled or taken over elsewhere; it is stopped", job_id=job_id)
                del self._jobs[job_id]
                self._stop(job.row.backend_id, job_id)
        left = sorted(stored - self._jobs.keys() - self._submitted)[:MAX_RECOVERED]
        return await self._claim([self._replica], left) if left else 0

    async def _claim(self, dead_owners: list[str], among: list[str] | None) -> int:
        claim = partial(
            transitions.claim,
            replica=self._replica,
            dead_owners=dead_owners,
            max_attempts=self._max_attempts,
            among=among,
        )
        taken = await self._database.write(claim)
        for row, body in taken.to_run:
            self._lines.join(row.backend_id, row.user_id, row.job_id, limited=False)
            self._take(row, JobRequest.from_json(body))
        for row in taken.failed:
            self._settle(row, None)
        if taken.to_run or taken.failed:
            self._event_log.notify()
        return len(taken.to_run)

    async def close(self) -> None:
        """Stop running jobs; those that are not over run again after the next start."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        running = set(self._tasks.values())
        while running:
            for task in running:
                task.cancel()
            _, running = await asyncio.wait(running, timeout=CANCEL_AGAIN_S)  # some wait for a new worker process
        stopped = [job.row for job in self._jobs.values() if job.row.status == RUNNING]
        if stopped:
            try:
                write = self._database.write(partial(transitions.give_back, rows=stopped))
                await asyncio.wait_for(write, GIVE_BACK_DEADLINE_S)
            except (TimeoutError, TwinError) as error:  # then these attempts count
                log.warning("stopped jobs stay marked as running", num_jobs=len(stopped), reason=repr(error))

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
            self._tasks[job_id] = task
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
        self._tasks.pop(job_id, None)
        self._lines.ended(backend_id, job_id)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a job's task failed", job_id=job_id, error=repr(error), exc_info=error)
            self._jobs.pop(job_id, None)  # its row is open: `recover` takes it up, as often as attempts allow
        self._dispatch()

    async def _run(self, job: Job) -> None:
        """A job's turn, until it ends: with a result, a reason, or in the hands of another replica."""
        outcome = None
        while outcome is None:
            attempt = replace(job.row, status=RUNNING, started_at=clock.now(), attempts=job.row.attempts + 1)
            if not await self._write_surely(partial(transitions.start, row=attempt), "start of a job"):
                if self._jobs.get(job.row.job_id) is job:  # cancelled, or taken over, by another replica
                    del self._jobs[job.row.job_id]
                return
            job.row = replace(attempt, metadata=job.row.metadata)  # which may have grown meanwhile
            self._event_log.notify()
            outcome = await self._attempt(job)
        job.is_ending = True
        await self._end(job, outcome)

    async def _attempt(self, job: Job) -> RunOutcome | None:
        """Run once; None when the job is to be tried again."""
        request = job.request
        if request is None:
            raise TwinError(f"job {job.row.job_id} has ended, and cannot run")
        try:
            task = await until_available(partial(self._source.run_task, job.row.job_id, request), "noise of a job")
            outcome = await self._executor.run(task)
        except TimeLimitError as error:
            return RunOutcome(error=str(error))
        except WorkerLostError as error:
            if job.row.attempts < self._max_attempts:
                log.warning("job runs again", job_id=job.row.job_id, reason=str(error))
                return None
            return RunOutcome(error=f"{error}; it was tried {job.row.attempts} times")
        except TwinError as error:
            return RunOutcome(error=str(error))
        except Exception as error:
            log.error("job failed inside", job_id=job.row.job_id, error=repr(error), exc_info=True)
            return RunOutcome(error="internal error; the twin's log has the details")
        await asyncio.sleep(self._source.wait_s(request, outcome))
        return outcome

    async def _end(self, job: Job, outcome: RunOutcome) -> None:
        document = outcome.document
        status = FAILED if document is None else COMPLETED
        row = replace(job.row, status=status, ended_at=clock.now(), error=outcome.error)
        try:
            is_ours = await self._write_surely(partial(transitions.finish, row=row, result=document), "end of a job")
        except Exception as error:  # what the store will not hold at any time, such as a result beyond its limits
            log.error("a job's result cannot be stored", job_id=row.job_id, error=repr(error))
            row, document = replace(row, status=FAILED, error=f"its result cannot be stored: {error}"), None
            is_ours = await self._write_surely(partial(transitions.finish, row=row, result=None), "end of a job")
        if not is_ours:
            log.warning(
                "this job was cancelled meanwhile, or another replica has it; this result is dropped", job_id=row.job_id
            )
            if self._jobs.get(row.job_id) is job:  # else it is remembered as cancelled
                del self._jobs[row.job_id]
            return
        self._event_log.notify()
        self._settle(row, document)

    async def _write_surely(self, write: Callable[[Connection], bool], purpose: str) -> bool:
        return await until_available(partial(self._database.write, write), purpose)

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


def check_metadata(metadata: Mapping[str, Any], max_bytes: int) -> None:
    """It is read with its job, over and over. Raises TooLargeError."""
    num_bytes = len(orjson.dumps(metadata))
    if num_bytes > max_bytes:
        raise TooLargeError(f"metadata of {num_bytes} bytes, over a job's limit of {max_bytes} bytes; attach less")


def _same_request(known: JobRow, request_hash: str) -> JobRow:
    if known.request_hash != request_hash:
        raise ConflictError("this Idempotency-Key was used with another body; use a new key for a new job")
    return known
