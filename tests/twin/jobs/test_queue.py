"""The queue over a store that fails, and over one that another replica works on as well: each job ends, and once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import orjson
import pytest

from twin.device.device import SchedulerSettings
from twin.errors import ConflictError, GoneError, UnavailableError
from twin.jobs.executor import WorkerLostError
from twin.jobs.model import AnalysisOutcome, AnalysisTask, CheckOutcome, CheckTask, JobRequest, RunOutcome, RunTask
from twin.jobs.queue import JobQueue
from twin.store import events, jobs
from twin.store.database import Connection, Database
from twin.store.jobs import JobRow
from twin.telemetry.event_log import EventLog

T = TypeVar("T")
REQUEST = JobRequest("backend", ("circuit",), 10, 1, False)
DEADLINE_S = 20.0


class FailingDatabase(Database):
    """A database that is away, or whose answers are lost, for the next calls."""

    away = 0
    lost_answers = 0
    broken = 0
    after_write: Callable[[], Awaitable[None]] | None = None
    """Called once, before the next writer is answered."""

    async def read(self, function: Callable[[Connection], T]) -> T:
        self._fail()
        return await super().read(function)

    async def write(self, function: Callable[[Connection], T]) -> T:
        self._fail()
        value = await super().write(function)
        if self.after_write is not None:
            call, self.after_write = self.after_write, None
            await call()
        elif self.lost_answers:
            self.lost_answers -= 1
            raise UnavailableError("the connection was lost after the commit")
        return value

    def _fail(self) -> None:
        if self.away:
            self.away -= 1
            raise UnavailableError("no server answers")
        if self.broken:
            self.broken -= 1
            raise RuntimeError("something unforeseen")


class Device:
    """Source and executor: runs a task when it may, with what it is told to answer."""

    num_slots = 1

    def __init__(self, result: bytes = b'{"from": "device"}') -> None:
        self.result = result
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.began = asyncio.Event()
        self.num_runs = 0
        self.num_stopped = 0
        self.num_deaths = 0
        self.before_task: Callable[[], None] = lambda: None

    async def run_task(self, job_id: str, request: JobRequest) -> RunTask:
        self.before_task()
        return RunTask(job_id, b"", b"", (), request.shots, request.seed, request.memory)

    def scheduler(self, _backend_id: str) -> SchedulerSettings:
        return SchedulerSettings()

    def wait_s(self, _request: JobRequest, _outcome: RunOutcome) -> float:
        return 0.0

    async def run(self, _task: RunTask) -> RunOutcome:
        self.num_runs += 1
        self.began.set()
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.num_stopped += 1
            raise
        if self.num_deaths:
            self.num_deaths -= 1
            raise WorkerLostError("the worker died")
        return RunOutcome(document=self.result)

    async def has_begun(self) -> None:
        await asyncio.wait_for(self.began.wait(), DEADLINE_S)

    async def run_short(self, task: RunTask, _user: str) -> RunOutcome:
        return await self.run(task)

    async def check(self, task: CheckTask, _user: str) -> CheckOutcome:
        raise NotImplementedError(task)

    async def analyse(self, task: AnalysisTask, _user: str) -> AnalysisOutcome:
        raise NotImplementedError(task)

    async def close(self) -> None:
        return


@pytest.fixture
def database(tmp_path: Path) -> Iterator[FailingDatabase]:
    opened = FailingDatabase.open(f"sqlite:///{tmp_path / 'store.sqlite'}")
    assert isinstance(opened, FailingDatabase)
    yield opened
    opened.close()


class Replica:
    """A queue with its device, and the ends that it told."""

    def __init__(self, database: Database, name: str, **result: bytes) -> None:
        self.device = Device(**result)
        self.ends: list[JobRow] = []
        self.queue = JobQueue(
            database,
            EventLog(database),
            self.device,
            self.device,
            replica=name,
            max_attempts=3,
            on_end=self.ends.append,
        )

    async def submit(self, key: str | None = None) -> str:
        row = await self.queue.submit(REQUEST, user_id="u", metadata={}, request_hash="h", key=key)
        return row.job_id


@asynccontextmanager
async def replica(database: Database, name: str = "a", **result: bytes) -> AsyncIterator[Replica]:
    made = Replica(database, name, **result)
    try:
        yield made
    finally:
        await made.queue.close()


async def ended(database: Database, job_id: str) -> JobRow:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            row = database.read_now(partial(jobs.get, job_id=job_id))
            assert row is not None
            if row.status not in jobs.OPEN_STATES:
                return row
            await asyncio.sleep(0.01)


def told(database: Database, job_id: str) -> list[tuple[str, Any]]:
    found = database.read_now(partial(events.page, job_id=job_id, limit=100))
    return [(event.type.removeprefix("job."), event.payload.get("attempt")) for event in found]


def put(database: Database, job_id: str, **changes: Any) -> None:
    """A job that an earlier run has left behind."""
    values: dict[str, Any] = {
        "backend_id": "backend",
        "owner": "a",
        "user_id": "u",
        "status": "RUNNING",
        "shots": 10,
        "num_circuits": 1,
        "metadata": {},
        "idempotency_key": None,
        "request_hash": "h",
        "created_at": 1.0,
    }
    row = JobRow(job_id=job_id, **values | changes)
    database.write_now(partial(jobs.add, job=row, request=REQUEST.to_json()))


ONCE = [("queued", None), ("started", 1), ("completed", None)]


@pytest.mark.parametrize("num_calls", [1, 3])
@pytest.mark.parametrize("fault", ["away", "lost_answers"])
@pytest.mark.parametrize("when", ["start", "noise", "end"])
async def test_a_job_waits_for_its_database(database: FailingDatabase, when: str, fault: str, num_calls: int) -> None:
    async with replica(database) as one:
        device = one.device

        async def fail() -> None:
            setattr(database, fault, num_calls)

        def no_noise() -> None:
            device.before_task = lambda: None
            raise UnavailableError("no server answers")

        if when == "noise":
            device.before_task = no_noise
        device.may_end.clear()
        if when == "start":
            database.after_write = fail  # the write of the submission
        job_id = await one.submit()
        await device.has_begun()
        if when == "end":
            await fail()
        device.may_end.set()
        row = await ended(database, job_id)
        await asyncio.sleep(0)
        async with asyncio.timeout(DEADLINE_S):
            while not one.ends:
                await asyncio.sleep(0.01)
    assert (row.status, row.attempts, row.error) == ("COMPLETED", 1, None)
    assert told(database, job_id) == ONCE
    assert [each.job_id for each in one.ends] == [job_id]
    assert device.num_runs == 1


async def test_jobs_that_wait_meanwhile_keep_their_places(database: FailingDatabase) -> None:
    async with replica(database) as one:
        one.device.may_end.clear()
        ids = [await one.submit() for _ in range(4)]
        await one.device.has_begun()
        database.away = 5
        one.device.may_end.set()
        assert [one.queue.queue_position(await one.queue.get(job_id)) for job_id in ids] == [None, 1, 2, 3]
        rows = [await ended(database, job_id) for job_id in ids]
    assert [row.status for row in rows] == ["COMPLETED"] * 4
    times = [row.ended_at or 0.0 for row in rows]
    assert times == sorted(times)


async def test_a_submission_whose_answer_was_lost_runs(database: FailingDatabase) -> None:
    async with replica(database) as one:
        database.lost_answers = 1
        with pytest.raises(UnavailableError):
            await one.submit("key")
        job_id = await one.submit("key")
        assert await one.queue.recover() == 1
        assert (await ended(database, job_id)).status == "COMPLETED"
        assert await one.queue.recover() == 0
    assert told(database, job_id) == ONCE
    assert database.read_now(jobs.counts_by_status) == {("backend", "COMPLETED"): 1}


async def test_a_submission_that_is_not_answered_yet_is_not_taken_up(database: FailingDatabase) -> None:
    """Its row is open, and this replica's, before the queue holds the job."""
    taken: list[int] = []
    async with replica(database) as one:

        async def recover() -> None:
            taken.append(await one.queue.recover())

        database.after_write = recover  # after the commit of the submission, before its answer
        job_id = await one.submit()
        await ended(database, job_id)
        await one.queue.recover()
    assert taken == [0]
    assert one.device.num_runs == 1
    assert told(database, job_id) == [("queued", None), ("started", 1), ("completed", None)]


async def test_a_cancelled_submission_that_was_stored_runs(database: FailingDatabase) -> None:
    async with replica(database) as one:
        task = asyncio.create_task(one.submit())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        (job_id,) = database.read_now(partial(jobs.open_ids, owner="a")) or {row.job_id for row in one.ends}
        assert (await ended(database, job_id)).status == "COMPLETED"


async def test_a_task_that_fails_leaves_its_job_to_be_taken_up(database: FailingDatabase) -> None:
    async with replica(database) as one:
        one.device.may_end.clear()
        first, second = await one.submit(), await one.submit()
        await one.device.has_begun()
        database.broken = 2  # the end of the first, and the word that it cannot be stored
        one.device.may_end.set()
        assert (await ended(database, second)).status == "COMPLETED"
        assert await one.queue.recover() == 1
        row = await ended(database, first)
    assert (row.status, row.attempts) == ("COMPLETED", 2)
    assert told(database, first) == [("queued", None), ("started", 1), ("started", 2), ("completed", None)]


async def test_a_result_that_the_store_refuses_fails_the_job(database: FailingDatabase) -> None:
    async with replica(database) as one:
        one.device.may_end.clear()
        job_id = await one.submit()
        await one.device.has_begun()
        database.broken = 1
        one.device.may_end.set()
        row = await ended(database, job_id)
    assert (row.status, row.error) == ("FAILED", "its result cannot be stored: something unforeseen")


async def test_metadata_that_comes_while_a_job_starts_stays(database: FailingDatabase) -> None:
    async with replica(database) as one:
        one.device.may_end.clear()
        job_id = await one.submit()

        async def merge() -> None:
            await one.queue.merge_metadata(job_id, {"a": 1})

        database.after_write = merge  # the write of the start
        await one.device.has_begun()
        assert (await one.queue.get(job_id)).metadata == {"a": 1}
        await one.queue.merge_metadata(job_id, {"b": 2})
        assert (await one.queue.get(job_id)).metadata == {"a": 1, "b": 2}
        one.device.may_end.set()
        await ended(database, job_id)
        async with asyncio.timeout(DEADLINE_S):
            while not one.ends:
                await asyncio.sleep(0.01)
        assert (await one.queue.get(job_id)).metadata == {"a": 1, "b": 2}


@pytest.mark.parametrize("wakes", ["while the other runs", "after the other has ended"])
async def test_the_attempt_that_was_taken_over_changes_nothing(
    database: FailingDatabase, monkeypatch: pytest.MonkeyPatch, wakes: str
) -> None:
    monkeypatch.setattr(database, "is_shared", True)
    async with replica(database, "a", result=b'{"from":"a"}') as a, replica(database, "b", result=b'{"from":"b"}') as b:
        a.device.may_end.clear()
        b.device.may_end.clear()
        job_id = await a.submit()
        await a.device.has_begun()
        assert await b.queue.adopt(["a"]) == 1
        await b.device.has_begun()
        if wakes == "while the other runs":
            a.device.may_end.set()
            await asyncio.sleep(0.2)
            assert [(await each.queue.get(job_id)).status for each in (a, b)] == ["RUNNING"] * 2
            assert await a.queue.result(job_id) is None
        b.device.may_end.set()
        row = await ended(database, job_id)
        assert (await a.queue.get(job_id)).status == "COMPLETED"
        a.device.may_end.set()
        await asyncio.sleep(0.2)
        results = [await each.queue.result(job_id) for each in (a, b)]
    assert results == [b'{"from":"b"}'] * 2
    assert (row.owner, row.attempts) == ("b", 2)
    assert (len(a.ends), len(b.ends)) == (0, 1)
    assert told(database, job_id) == [("queued", None), ("started", 1), ("started", 2), ("completed", None)]


async def test_waiting_jobs_that_were_taken_over_run_once(
    database: FailingDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "is_shared", True)
    async with replica(database, "a") as a, replica(database, "b") as b:
        a.device.may_end.clear()
        ids = [await a.submit() for _ in range(3)]
        await a.device.has_begun()
        assert await b.queue.adopt(["a"]) == 3
        for job_id in ids:
            await ended(database, job_id)
        a.device.may_end.set()
        await asyncio.sleep(0.2)
        assert await a.queue.recover() == 0
        assert (a.device.num_runs, b.device.num_runs) == (1, 3)
    assert all(told(database, job_id)[-1] == ("completed", None) for job_id in ids)


@pytest.mark.parametrize("owner", ["a", "gone"])
async def test_attempts_count_over_restarts(database: FailingDatabase, owner: str) -> None:
    put(database, "last", attempts=2, owner=owner)
    put(database, "over", attempts=3, owner=owner)
    put(database, "waiting", attempts=0, owner=owner, status="QUEUED")
    async with replica(database) as one:
        assert await one.queue.adopt([owner]) == 2
        rows = {job_id: await ended(database, job_id) for job_id in ("last", "over", "waiting")}
    assert {job_id: (row.status, row.attempts) for job_id, row in rows.items()} == {
        "last": ("COMPLETED", 3),
        "over": ("FAILED", 3),
        "waiting": ("COMPLETED", 1),
    }
    assert rows["over"].error == "the twin ended while the job ran; it was tried 3 times"
    assert told(database, "over") == [("failed", None)]
    assert one.device.num_runs == 2


async def test_deaths_of_workers_and_of_twins_count_together(database: FailingDatabase) -> None:
    put(database, "1", attempts=1)
    async with replica(database) as one:
        one.device.num_deaths = 9
        await one.queue.adopt(["a"])
        row = await ended(database, "1")
    assert (row.status, row.attempts, one.device.num_runs) == ("FAILED", 3, 2)
    assert row.error == "the worker died; it was tried 3 times"


async def test_an_orderly_stop_is_no_attempt(database: FailingDatabase) -> None:
    job_id = ""
    for _ in range(5):
        async with replica(database) as one:
            one.device.may_end.clear()
            if not job_id:
                job_id = await one.submit()
            else:
                await one.queue.adopt(["a"])
            await one.device.has_begun()
        row = database.read_now(partial(jobs.get, job_id=job_id))
        assert row is not None
        assert (row.status, row.attempts) == ("QUEUED", 0)
    async with replica(database) as one:
        await one.queue.adopt(["a"])
        assert (await ended(database, job_id)).attempts == 1
    document = database.read_now(partial(jobs.result, job_id=job_id))
    assert orjson.loads(document or b"") == {"from": "device"}


async def test_a_stop_without_a_database_ends(database: FailingDatabase) -> None:
    async with replica(database) as one:
        one.device.may_end.clear()
        job_id = await one.submit()
        await one.device.has_begun()
        database.away = 10**6
    database.away = 0
    row = database.read_now(partial(jobs.get, job_id=job_id))
    assert row is not None
    assert (row.status, row.attempts) == ("RUNNING", 1)


async def test_a_running_job_is_cancelled_and_its_slot_is_free(database: FailingDatabase) -> None:
    async with replica(database) as one:
        one.device.may_end.clear()
        job_id, following = await one.submit(), await one.submit()
        await one.device.has_begun()
        row = await one.queue.cancel(job_id)
        assert (row.status, row.attempts) == ("CANCELLED", 1)
        one.device.may_end.set()
        assert (await ended(database, following)).status == "COMPLETED"
        assert (one.device.num_stopped, one.device.num_runs) == (1, 2)
        assert (await one.queue.get(job_id)).status == "CANCELLED"
        with pytest.raises(GoneError):
            await one.queue.result(job_id)
        with pytest.raises(ConflictError, match="is CANCELLED"):
            await one.queue.cancel(job_id)
        assert [end.job_id for end in one.ends] == [job_id, following]
    assert told(database, job_id) == [("queued", None), ("started", 1), ("cancelled", None)]


@pytest.mark.parametrize("num_steps", range(12))
async def test_a_cancel_that_meets_the_jobs_end_is_one_end(database: FailingDatabase, num_steps: int) -> None:
    """The end is released, and the cancel comes so many steps of the event loop (or milliseconds) later."""
    async with replica(database) as one:
        one.device.may_end.clear()
        job_id = await one.submit()
        await one.device.has_begun()
        one.device.may_end.set()
        for _ in range(num_steps):
            await asyncio.sleep(0 if num_steps < 8 else 0.001)
        try:
            status = (await one.queue.cancel(job_id)).status
        except ConflictError:
            status = "COMPLETED"
        assert (await ended(database, job_id)).status == status
        await asyncio.sleep(0.05)
        assert (await one.queue.get(job_id)).status == status
        assert [end.status for end in one.ends] == [status]
    assert [type_ for type_, _ in told(database, job_id)] == ["queued", "started", status.lower()]


async def test_a_job_of_another_replica_is_cancelled_and_that_one_stops_it(
    database: FailingDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "is_shared", True)
    async with replica(database, "a") as a, replica(database, "b") as b:
        a.device.may_end.clear()
        running, waiting, kept = [await a.submit() for _ in range(3)]
        await a.device.has_begun()
        for job_id in (running, waiting):
            assert (await b.queue.cancel(job_id)).status == "CANCELLED"
        assert await a.queue.recover() == 0
        a.device.may_end.set()
        assert (await ended(database, kept)).status == "COMPLETED"
        assert (a.device.num_stopped, a.device.num_runs) == (1, 2)
        assert [end.job_id for end in a.ends] == [kept]
        assert [end.job_id for end in b.ends] == [running, waiting]
    assert [told(database, job_id)[-1] for job_id in (running, waiting)] == [("cancelled", None)] * 2
