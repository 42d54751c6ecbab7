"""Clients that write all the time, keep what was acknowledged, and say where the twin does not stand by it.

An answer with success is an acknowledgement. A request whose connection was lost, or that was told "not now" (429, 502,
503, 504), may have been carried out or not, also some time later. Every other answer is a finding.
"""

from __future__ import annotations

import random
import threading
import time
import traceback
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import httpx

from tests.twin.kills.store import Stored
from twin.client import JobFailedError, TwinApiError, TwinClient, TwinUnreachableError
from twin.settings import AUTH_PREFIX

T = TypeVar("T")
ANSWER_DEADLINE_S = 90.0
"""What is asked again and again is answered within this, once nothing is killed any more."""
LATEST_S = 60.0
"""A request that was lost has been carried out by then, or never will be: a server ends it after half of that."""
NOT_NOW = (429, 502, 503, 504)
ELSEWHERE = ("lives on replica", "was taken over by another replica", "took session")
PAUSE_S = 0.05
KEPT_LINES = 60
MAX_OPEN_JOBS = 6
PAIR = {"stim": "H 0\nCX 0 1\nM 0 1"}
JOB_BACKEND, SESSION_BACKEND = "ibm_jakarta_like", "surface17_like"
SURFACE: dict[str, Any] = {"code_family": "surface", "code_distance": 3, "rounds": 6}
NUM_ROUNDS, NUM_STABILIZERS = 6, 8
CUT_OFF = "it was tried 3 times"


class UnansweredError(Exception):
    """Carried out or not: nobody was told. is_refused: the twin cannot write."""

    def __init__(self, error: Exception, *, is_refused: bool = False) -> None:
        super().__init__(str(error))
        self.is_refused = is_refused


def ask(call: Callable[[], T]) -> T:
    """The answer; raises UnansweredError, and whatever else the twin should not have said."""
    try:
        return call()
    except TwinUnreachableError as error:
        raise UnansweredError(error) from error
    except TwinApiError as error:
        if error.status in NOT_NOW or (error.status == 409 and any(words in str(error) for words in ELSEWHERE)):
            raise UnansweredError(error, is_refused=error.status == 503) from error
        raise


@dataclass
class World:
    """What all writers share."""

    url: str
    token: str
    is_shared: bool
    seed: int
    findings: list[str] = field(default_factory=list)
    acknowledged: Counter[str] = field(default_factory=Counter)
    is_last_look: bool = False
    num_refused: int = 0
    """Requests that were told that the database is away, or its disk full."""
    begun_s: float = field(default_factory=time.monotonic)
    killed_s: float = field(default_factory=time.monotonic)
    """When something was killed last. A worker that starts has to load Qiskit before it answers."""
    ends: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, kind: str) -> None:
        with self.lock:
            self.acknowledged[kind] += 1

    def client(self) -> TwinClient:
        return TwinClient(self.url, access_token=self.token, retry_s=0.0, timeout_s=30.0)


class Writer(ABC, threading.Thread):
    """One client. `calm` is held in each of its steps: who holds it finds nothing under way."""

    pause_s = PAUSE_S

    def __init__(self, world: World, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.world = world
        self.calm = threading.Lock()
        self.random = random.Random(f"{world.seed} {name}")
        self.client = world.client()
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)

    @abstractmethod
    def step(self) -> None:
        """Write something once, and look at it."""

    @abstractmethod
    def settle(self) -> None:
        """Wait for what goes on without its client, and look at it through the twin; all servers run."""

    def judge(self, stored: Stored) -> None:
        """Compare what was acknowledged with what is stored; nothing else is under way."""

    def run(self) -> None:
        while not self.world.ends.is_set():
            with self.calm:
                self.tried(self.step)
            self.world.ends.wait(self.pause_s)

    def close(self) -> None:
        self.join(ANSWER_DEADLINE_S)
        self.client.close()

    def tried(self, action: Callable[[], None]) -> None:
        try:
            action()
        except UnansweredError as error:
            self.unanswered("unanswered", error)
        except Exception:
            self.finding(traceback.format_exc(limit=6))

    def note(self, line: str) -> None:
        self._lines.append(f"{time.monotonic() - self.world.begun_s:8.3f} {line}")

    def unanswered(self, what: str, error: UnansweredError) -> None:
        self.note(f"{what}: {error}")
        if error.is_refused:
            with self.world.lock:
                self.world.num_refused += 1

    def finding(self, text: str) -> None:
        """Something that is not as it was acknowledged, with what this client did before."""
        history = "\n    ".join(self._lines)
        head = f"{self.name} (seed {self.world.seed}) at {time.monotonic() - self.world.begun_s:.3f} s: {text}"
        with self.world.lock:
            self.world.findings.append(f"{head}\n  its last requests:\n    {history}")

    def expect(self, holds: bool, text: str) -> None:
        if not holds:
            self.finding(text)

    def surely(self, what: str, call: Callable[[], T]) -> T:
        """The answer to something that may be asked again."""
        asked_s = time.monotonic()
        while True:
            try:
                answer = ask(call)
            except UnansweredError as error:
                self.unanswered(f"{what}: unanswered", error)
                if time.monotonic() > max(asked_s, self.world.killed_s) + ANSWER_DEADLINE_S:
                    raise TimeoutError(f"stuck: no answer to {what} within {ANSWER_DEADLINE_S:g} s: {error}") from error
                time.sleep(PAUSE_S)
            else:
                self.note(f"{what}: {_short(answer)}")
                return answer


def _short(answer: object) -> str:
    text = repr(answer)
    return text if len(text) < 160 else f"{text[:160]}..."


@dataclass
class Value:
    """What may be read where one client alone writes, larger values each time.

    That is the value acknowledged last, or one whose answer was lost, which may be carried out later.
    """

    acknowledged: float | None = None
    open: dict[float, float] = field(default_factory=dict)
    """Value sent -> when; without those that were acknowledged."""

    def allowed(self) -> set[float | None]:
        recent = time.monotonic() - LATEST_S
        return {self.acknowledged, *(value for value, sent_s in self.open.items() if sent_s > recent)}

    def floor(self) -> float:
        return min((value for value in self.allowed() if value is not None), default=0.0)

    def write(self, value: float, send: Callable[[], object]) -> None:
        self.open[value] = time.monotonic()
        ask(send)
        self.acknowledged = value
        del self.open[value]


class RegisterWriter(Writer):
    """A setting: read, written, read again.

    Args:
        kind: what is counted.
        write: sets a value. values: the number-th value to be written.
        reads: where it is to be seen at once. later: where another replica may show it a moment later.
    """

    def __init__(
        self,
        world: World,
        kind: str,
        values: Callable[[int], float],
        write: Callable[[TwinClient, float], object],
        reads: Mapping[str, Callable[[TwinClient], float | None]],
        later: Mapping[str, Callable[[TwinClient], float | None]] | None = None,
    ) -> None:
        super().__init__(world, kind)
        self.value = Value()
        self._values, self._write, self._reads, self._later = values, write, reads, later or {}
        self._number = 0

    def step(self) -> None:
        self._look()
        self._number += 1
        value = self._values(self._number)
        self.note(f"writes {value}")
        self.value.write(value, partial(self._write, self.client, value))
        self.world.count(self.name)
        self._look()

    def settle(self) -> None:
        self._look()

    def _look(self) -> None:
        if self.value.acknowledged is None:
            return
        for where, read in self._reads.items():
            seen = self.surely(f"reads {where}", partial(read, self.client))
            allowed = self.value.allowed()
            self.expect(seen in allowed, f"not in force: {where} shows {seen}, allowed are {allowed}")
        for where, read in self._later.items():
            deadline = time.monotonic() + ANSWER_DEADLINE_S
            while (seen := self.surely(f"reads {where}", partial(read, self.client))) not in self.value.allowed():
                if time.monotonic() > deadline:
                    self.finding(f"never in force: {where} shows {seen}, allowed are {self.value.allowed()}")
                    return
                time.sleep(PAUSE_S)


@dataclass
class Submitted:
    key: str
    seed: int
    floor: float
    job_id: str = ""
    is_cancelled: bool = False
    may_be_cancelled: bool = False
    metadata: Value = field(default_factory=Value)
    result: Mapping[str, Any] | None = None


class JobWriter(Writer):
    """Jobs, each with a key of its own: some sent twice, some cancelled, some with metadata."""

    def __init__(self, world: World, name: str, noise: Value) -> None:
        super().__init__(world, name)
        self._noise = noise
        self._jobs: list[Submitted] = []
        self._open: deque[Submitted] = deque()
        self._num_judged = 0

    def step(self) -> None:
        number = len(self._jobs)
        job = Submitted(f"{self.name}-{number}", number, self._noise.floor())
        job.job_id = self.surely(f"submits {job.key}", partial(self._submit, job))
        self._jobs.append(job)
        self._open.append(job)
        self.world.count("jobs")
        if self.random.random() < 0.2:
            again = self.surely(f"submits {job.key} again", partial(self._submit, job))
            self.expect(again == job.job_id, f"doubled: key {job.key} gave {job.job_id}, then {again}")
        if self.random.random() < 0.15:
            self._cancel(job)
        if self.random.random() < 0.5:
            self._attach(self.random.choice(self._jobs[-20:]))
        while len(self._open) > MAX_OPEN_JOBS:
            self._finish(self._open.popleft())

    def _submit(self, job: Submitted) -> str:
        return self.client.submit_job(JOB_BACKEND, [PAIR], shots=50, seed=job.seed, idempotency_key=job.key)["job_id"]

    def _cancel(self, job: Submitted) -> None:
        job.may_be_cancelled = True
        try:
            ask(lambda: self.client.cancel_job(job.job_id))
        except TwinApiError as error:
            if error.status != 409:  # it runs, or is over
                raise
            job_ended = self.surely(f"state of {job.job_id}", lambda: self.client.job(job.job_id))
            self.expect(job_ended["status"] != "QUEUED", f"job {job.job_id} waits, and could not be cancelled: {error}")
        else:
            job.is_cancelled = True
            self.world.count("cancellations")

    def _attach(self, job: Submitted) -> None:
        number = float(len(self._jobs))
        if number == job.metadata.acknowledged or number in job.metadata.open:
            return
        attach = partial(self.client.attach_metadata, job.job_id, {"number": number})
        job.metadata.write(number, attach)
        self.world.count("metadata")
        self._look_at_metadata(job)

    def _look_at_metadata(self, job: Submitted) -> None:
        if job.metadata.acknowledged is not None:
            seen = self.surely(f"metadata of {job.job_id}", lambda: self.client.job(job.job_id)["metadata"])
            allowed = job.metadata.allowed()
            self.expect(seen.get("number") in allowed, f"metadata lost: {job.job_id} has {seen}, allowed {allowed}")

    def _finish(self, job: Submitted) -> None:
        try:
            job.result = self.surely(f"result of {job.key}", partial(self.client.wait_for_job, job.job_id, 60.0))
        except JobFailedError as error:
            self.note(f"{job.key}: {error}")
            if CUT_OFF in str(error):
                self.world.count("(jobs cut off in all three attempts)")

    def settle(self) -> None:
        while self._open:
            self._finish(self._open.popleft())

    def judge(self, stored: Stored) -> None:
        for job in self._jobs if self.world.is_last_look else self._jobs[self._num_judged :]:
            self.tried(partial(self._judge, job, stored))
        self._num_judged = len(self._jobs)

    def _judge(self, job: Submitted, stored: Stored) -> None:
        status = self.surely(f"state of {job.key}", lambda: self.client.job(job.job_id))
        told = stored.job_events(job.job_id)
        name = f"job {job.job_id} ({job.key}), told {told}, "
        ends = [type_ for type_, _ in told if type_ in ("job.completed", "job.failed", "job.cancelled")]
        self.expect(len(ends) == 1, f"{name}ended {len(ends)} times")
        self.expect(told[:1] == [("job.queued", None)], f"{name}was not told as queued first, once")
        attempts = [attempt for type_, attempt in told if type_ == "job.started"]
        self.expect(attempts == list(range(1, len(attempts) + 1)), f"{name}started other than once an attempt")
        self.expect(ends == [f"job.{status['status'].lower()}"], f"{name}is {status['status']}")
        again = self.surely(f"submits {job.key} at the end", partial(self._submit, job))
        self.expect(again == job.job_id, f"doubled: key {job.key} gave {job.job_id}, at the end {again}")
        self._look_at_metadata(job)
        if job.is_cancelled:
            self.expect(status["status"] == "CANCELLED", f"{name}was cancelled, and is {status['status']}")
        if status["status"] == "COMPLETED":
            self._judge_result(job, stored)
        elif status["status"] == "FAILED":
            self.expect(len(attempts) == 3 and CUT_OFF in str(status["error"]), f"{name}failed: {status['error']}")
        else:
            self.expect(job.may_be_cancelled, f"{name}was cancelled by nobody")

    def _judge_result(self, job: Submitted, stored: Stored) -> None:
        result = self.surely(f"result of {job.key}", lambda: self.client.job_result(job.job_id))
        counts = result["results"][0]["counts"]
        self.expect(sum(counts.values()) == 50, f"job {job.job_id} has counts {counts}")
        self.expect(job.result in (None, result), f"two results of {job.job_id}: {job.result}, then {result}")
        seen = stored.t1_us(result["snapshot_id"])
        self.expect(
            seen is not None and seen >= job.floor,
            f"not in force: job {job.job_id} ran with a T1 of {seen} us, at least {job.floor} us was set before it",
        )


@dataclass
class Played:
    """A session that has ended: what was sent, what came."""

    seed: int
    corrections: list[list[int]]
    rounds: list[list[int]]
    logical_errors: int


class SessionWriter(Writer):
    """Sessions, each played to its end: a round and its correction in turn, each asked twice now and then.

    Every other one has noise of its own: the same seed and corrections give the same again, without any kill.
    """

    def __init__(self, world: World, name: str, noise: Value) -> None:
        super().__init__(world, name)
        self._noise = noise
        self._played: list[Played] = []
        self._seen: list[tuple[str, float]] = []  # a round's snapshot, and the T1 that was set before it
        self._ended: list[tuple[str, Mapping[str, Any]]] = []
        self._number = 0

    def step(self) -> None:
        self._number += 1
        is_uniform = self._number % 2 == 0
        session_id = self._open(self._number, is_uniform)
        self.world.count("sessions")
        self.note(f"session {session_id}")
        played = Played(self._number, self._corrections(self._number), [], 0)
        for index, bits in enumerate(played.corrections):
            floor = self._noise.floor()
            answer = self._round(session_id, index)
            played.rounds.append(answer["syndrome_bits"])
            self._seen.append((answer["snapshot_id"], floor))
            self.world.count("rounds")
            if self.random.random() < 0.3:
                again = self._round(session_id, index)
                self.expect(again == answer, f"round {index} of {session_id} was {answer}, is {again}")
            self.surely(f"corrects {index}", partial(self.client.correct, session_id, index, bits))
            self.world.count("corrections")
            if self.random.random() < 0.2:
                status = self.surely("status", partial(self.client.session_status, session_id))
                self.expect(status["current_round"] == index + 1, f"{session_id} is at {status} after round {index}")
        end = self.surely("ends", partial(self.client.end_session, session_id))
        self.world.count("session ends")
        self._ended.append((session_id, end))
        played.logical_errors = end["logical_errors"]
        if is_uniform:
            self._played.append(played)

    def _open(self, seed: int, is_uniform: bool) -> str:
        noise = {"uniform_prob": 0.02} if is_uniform else None
        create = partial(self.client.create_session, SESSION_BACKEND, **SURFACE, seed=seed, noise=noise)
        return self.surely(f"opens {seed}", create)["session_id"]

    def _corrections(self, seed: int) -> list[list[int]]:
        choose = random.Random(seed)
        return [[choose.getrandbits(1) for _ in range(NUM_STABILIZERS)] for _ in range(NUM_ROUNDS)]

    def _round(self, session_id: str, index: int) -> Any:
        answer = self.surely(f"round {index}", partial(self.client.syndrome, session_id, index))
        self.expect(answer["round_index"] == index, f"asked {session_id} for round {index}, got {answer}")
        return answer

    def settle(self) -> None:
        for session_id, end in self._ended:
            again = self.surely("ends again", partial(self.client.end_session, session_id))
            self.expect(again == end, f"session {session_id} ended with {end}, now with {again}")
        while self._played:  # once is enough: it has ended
            self._play_again(self._played.pop())

    def judge(self, stored: Stored) -> None:
        for session_id, _ in self._ended:
            self.expect(stored.num_session_ends(session_id) == 1, f"session {session_id} ended more than once")
        for snapshot_id, floor in self._seen:
            seen = stored.t1_us(snapshot_id)
            self.expect(
                seen is not None and seen >= floor,
                f"not in force: a round with a T1 of {seen} us, at least {floor} us was set before it",
            )

    def _play_again(self, played: Played) -> None:
        session_id = self._open(played.seed, is_uniform=True)
        rounds = []
        for index, bits in enumerate(played.corrections):
            rounds.append(self._round(session_id, index)["syndrome_bits"])
            self.surely(f"corrects {index}", partial(self.client.correct, session_id, index, bits))
        end = self.surely("ends", partial(self.client.end_session, session_id))
        self.expect(
            (rounds, end["logical_errors"]) == (played.rounds, played.logical_errors),
            f"with kills seed {played.seed} gave {played}, without {rounds}, {end['logical_errors']} logical errors",
        )


class UserWriter(Writer):
    """Accounts: added, every other one disabled."""

    pause_s = 2.0  # a password costs a fifth of a second

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        headers = {"Authorization": f"Bearer {world.token}"}
        self._http = httpx.Client(base_url=world.url + AUTH_PREFIX, headers=headers, timeout=30, trust_env=False)
        self._users: dict[str, bool] = {}
        self._number = 0

    def step(self) -> None:
        self._number += 1
        email = f"user{self._number}@example.org"
        body = {"email": email, "password": "a password that is long", "role": "viewer"}
        added = self.surely(f"adds {email}", partial(self._send, "POST", "/users", body, (201, 409)))
        self.note(f"added {added}")  # 409: an earlier attempt was carried out
        self._users[email] = False
        self.world.count("users")
        self._look()
        if self._number % 2 == 0:
            self.surely(f"disables {email}", partial(self._send, "PATCH", f"/users/{email}", {"disabled": True}))
            self._users[email] = True
            self.world.count("disabled users")
            self._look()

    def close(self) -> None:
        super().close()
        self._http.close()

    def settle(self) -> None:
        self._look()

    def _look(self) -> None:
        listed = self.surely("users", partial(self._send, "GET", "/users"))["users"]
        found = {each["email"]: each["disabled"] for each in listed}
        for email, is_disabled in self._users.items():
            seen = found.get(email)
            self.expect(seen == is_disabled, f"user {email}: disabled is {seen}, was {is_disabled}")

    def _send(self, method: str, path: str, body: Any = None, good: tuple[int, ...] = (200,)) -> Any:
        try:
            response = self._http.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise TwinUnreachableError(f"{method} {path}: {error!r}") from error
        if response.status_code not in good:
            raise TwinApiError(response.status_code, {"title": method, "detail": response.text[:300]})
        return response.json()


def writers_of(world: World) -> list[Writer]:
    """Every kind of thing that is acknowledged."""
    override = partial(_override_writer, world)
    of_jobs, of_sessions = override(JOB_BACKEND), override(SESSION_BACKEND)
    return [
        of_jobs,
        of_sessions,
        RegisterWriter(
            world,
            "cryo settings",
            lambda number: 800.0 + number / 64,
            lambda client, value: client.set_cryo("willow_like", {"still_mk": value}),
            {"cryo": lambda client: _number(client.cryo("willow_like")["still_mk"])},
        ),
        RegisterWriter(
            world,
            "readout settings",
            lambda number: 500.0 + number,
            lambda client, value: client.set_readout_config("repetition29_like", {"integration_time_ns": value}),
            {"controller state": _integration_time_ns},
        ),
        _config_writer(world),
        JobWriter(world, "jobs", of_jobs.value),
        SessionWriter(world, "sessions", of_sessions.value),
        UserWriter(world, "users"),
    ]


def _override_writer(world: World, backend_id: str) -> RegisterWriter:
    def of_state(client: TwinClient) -> float | None:
        return _number(client.controller_state(backend_id)["overrides"]["qubits"]["0"]["t1_us"])

    def of_telemetry(client: TwinClient) -> float | None:
        return _number(client.telemetry_qubits(backend_id)["qubits"][0]["t1_us"])

    return RegisterWriter(
        world,
        f"overrides of {backend_id}",
        lambda number: 50.0 + number / 64,  # as binary fractions, to be compared as they are
        lambda client, value: client.command(backend_id, "set_qubit_noise", {"qubit": 0, "t1_us": value}),
        {"controller state": of_state, "telemetry": of_telemetry},
    )


def _config_writer(world: World) -> RegisterWriter:
    """Qubit 4's T1 in the files of the backend whose qubit 0 is overridden meanwhile."""
    path = f"noise/{JOB_BACKEND}.yaml"
    with world.client() as client:
        shipped = client.config_content(path)["content"]
    head, shipped_t1, tail = shipped.partition("t1_us: 117.514")
    assert shipped_t1, "qubit 4 of the shipped file has another T1"

    def of_file(client: TwinClient) -> float | None:
        content: str = client.config_content(path)["content"]
        return float(content[len(head) :].removeprefix("t1_us: ").partition(",")[0])

    def of_telemetry(client: TwinClient) -> float | None:
        return _number(client.telemetry_qubits(JOB_BACKEND)["qubits"][4]["t1_us"])

    reads: dict[str, Callable[[TwinClient], float | None]] = {"file": of_file}
    later: dict[str, Callable[[TwinClient], float | None]] = {}
    (later if world.is_shared else reads)["telemetry"] = of_telemetry  # other replicas look now and then
    return RegisterWriter(
        world,
        "configuration",
        lambda number: 100.0 + number / 64,
        lambda client, value: client.update_config(path, f"{head}t1_us: {value}{tail}"),
        reads,
        later,
    )


def _integration_time_ns(client: TwinClient) -> float | None:
    return _number(client.controller_state("repetition29_like")["overrides"]["readout_config"]["integration_time_ns"])


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
