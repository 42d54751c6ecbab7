"""What one client feels while another asks for all that it may: 99th percentiles, idle and beside that load."""

import http.client
import json
import multiprocessing
import os
import queue
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.synchronize import Barrier, Event
from typing import Any
from urllib.parse import urlsplit

import httpx

from benchmarks.measure import Measurement
from benchmarks.service import BELL, EMAIL, Caller, served_twin
from twin.client import TwinApiError, TwinClient

BACKEND = "surface17_like"
NUM_QUBITS = 17
NEIGHBOUR, GREEDY = "neighbour@example.org", "greedy@example.org"
PASSWORD = "a user's password"
TIMES, PAUSE_S = 300, 0.01
"""Requests of each kind, and the time between two."""
NUM_THREADS, LOGINS_AT_ONCE, LOGIN_PAUSE_S = 4, 100, 1.0
KINDS = ("circuits", "sessions", "logins")
FIRST_GATES = 500
LARGEST_DISTANCE, MOST_SHOTS = 25, 10_000_000
WARM_UP_S, JOIN_S, LOGIN_TIMEOUT_S = 15.0, 60.0, 120.0


def run() -> list[Measurement]:
    """Pairs of rows, idle and beside the load: /health, a Bell submission, a schedule's readout, a session round."""
    rows = []
    with served_twin(num_workers=2) as admin:
        for email in (NEIGHBOUR, GREEDY):
            admin_post(admin, "/api/v1/auth/users", {"email": email, "password": PASSWORD, "role": "operator"})
        gates, session = largest_circuit(admin.base_url), largest_session(admin.base_url)
        print(f"heaviest accepted: a circuit of {gates} gates, a session of {session}", flush=True)
        with TwinClient(admin.base_url, NEIGHBOUR, PASSWORD) as client:
            requests = neighbours_requests(client)
            idle = {name: p99_ms(request) for name, request in requests.items()}
            with greedy(admin.base_url, KINDS, gates, session) as done:
                time.sleep(WARM_UP_S)
                busy = {name: p99_ms(request) for name, request in requests.items()}
        print(f"beside it: {', '.join(f'{count} {what}' for what, count in sorted(done.items()))}", flush=True)
        for name in requests:
            rows += [Measurement(f"{name}, idle", "ms", (idle[name],))]
            rows += [Measurement(f"{name}, beside another", "ms", (busy[name],))]
            print(f"{name}: {idle[name]:.1f} ms idle, {busy[name]:.1f} ms, {busy[name] / idle[name]:.1f} times")
    return rows


def neighbours_requests(client: TwinClient) -> dict[str, Callable[[], None]]:
    """What is timed. Each raises ValueError when it is refused."""
    caller = Caller(client.base_url, client.login()["access_token"])
    schedule = expect(
        caller, "POST", f"/controller_api/v1/{BACKEND}/pulse_schedule",
        {"actions": [{"gate": "h", "qubits": [0]}, {"gate": "cx", "qubits": [0, 1]}], "n_qubits": 2},
    )["schedule_id"]  # fmt: skip
    session = expect(
        caller, "POST", "/qec_session/v1/", {"backend_id": BACKEND, "code_family": "surface", "code_distance": 3}
    )["session_id"]
    position = {"readout": 0, "round": 0}

    def health() -> None:
        expect(caller, "GET", "/health")

    def submission() -> None:
        expect(caller, "POST", "/jobs", {"backend_id": "ibm_jakarta_like", "circuits": [BELL], "shots": 16})

    def readout() -> None:
        query = f"schedule_id={schedule}&round_index={position['readout']}"
        expect(caller, "GET", f"/controller_api/v1/{BACKEND}/readout?{query}")
        position["readout"] += 1

    def session_round() -> None:
        path = f"/qec_session/v1/{session}/round/{position['round']}"
        bits = expect(caller, "GET", f"{path}/syndrome")["syndrome_bits"]
        expect(caller, "POST", f"{path}/correction", {"correction_bits": [0] * len(bits)})
        position["round"] += 1

    return {"/health": health, "Bell submission": submission, "readout": readout, "session round": session_round}


def p99_ms(request: Callable[[], None]) -> float:
    """Of TIMES requests."""
    times_s = []
    for _ in range(TIMES):
        started = time.perf_counter()
        request()
        times_s.append(time.perf_counter() - started)
        time.sleep(PAUSE_S)
    return sorted(times_s)[int(0.99 * TIMES)] * 1e3


# -- the load


@contextmanager
def greedy(base_url: str, kinds: Sequence[str], num_gates: int, session: dict[str, Any]) -> Iterator[Counter[str]]:
    """Another user's processes at work; what they asked for is counted, by kind and status, once they have ended.

    They give way to the service, as they would on a machine of their own.
    """
    context = multiprocessing.get_context("spawn")
    stop, told, ready = context.Event(), context.Queue(), context.Barrier(len(kinds))
    work = {"circuits": (submit, num_gates), "sessions": (pull_rounds, session), "logins": (log_in_wrongly, None)}
    processes = [context.Process(target=greedily, args=(*work[kind], base_url, ready, stop, told)) for kind in kinds]
    done: Counter[str] = Counter()
    for process in processes:
        process.start()
    try:
        yield done
    finally:
        stop.set()
        for _ in processes:
            with suppress(queue.Empty):
                done.update(told.get(timeout=JOIN_S))
        for process in processes:
            process.join(JOIN_S)
            process.kill()


def greedily(work: Callable[..., None], of: Any, base_url: str, ready: Barrier, stop: Event, told: Any) -> None:
    """In a process of its own: `work` in NUM_THREADS threads, from when all are logged in until it is told to stop."""
    os.nice(10)
    done: Counter[str] = Counter()
    with TwinClient(base_url, GREEDY, PASSWORD) as client:
        client.login()
        ready.wait(JOIN_S)
        threads = [threading.Thread(target=work, args=(of, index, client, stop, done)) for index in range(NUM_THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    told.put(done)


def submit(num_gates: int, number: int, client: TwinClient, stop: Event, done: Counter[str]) -> None:
    """Heavy circuits, each another one."""
    generator = random.Random(number)
    while not stop.is_set():
        try:
            client.submit_job(BACKEND, [circuit(num_gates, generator)], shots=1000)
            done["heavy circuits (202)"] += 1
        except TwinApiError as error:
            done[f"heavy circuits ({error.status})"] += 1


def pull_rounds(session: dict[str, Any], _number: int, client: TwinClient, stop: Event, done: Counter[str]) -> None:
    """Rounds of a large session, one after the other."""
    opened = client.create_session(**session)["session_id"]
    done["largest sessions"] += 1
    with client.open_stream(opened) as stream:
        while not stop.is_set():
            stream.next_round()
            done["their rounds"] += 1


def log_in_wrongly(_of: None, number: int, client: TwinClient, stop: Event, done: Counter[str]) -> None:
    """A quarter of the logins at once, all of them answered before the next."""
    address = urlsplit(client.base_url)

    def attempt(index: int) -> None:
        connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=LOGIN_TIMEOUT_S)
        body = json.dumps({"email": GREEDY if index % 2 else EMAIL, "password": f"wrong {number} {index}"})
        connection.request("POST", "/api/v1/auth/login", body, {"Content-Type": "application/json"})
        done[f"wrong logins ({connection.getresponse().status})"] += 1
        connection.close()

    while not stop.is_set():
        threads = [threading.Thread(target=attempt, args=(index,)) for index in range(LOGINS_AT_ONCE // NUM_THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        stop.wait(LOGIN_PAUSE_S)


def greedy_caller(base_url: str) -> Caller:
    with TwinClient(base_url, GREEDY, PASSWORD) as client:
        return Caller(base_url, client.login()["access_token"])


def largest_circuit(base_url: str) -> int:
    """Gates of the largest of a growing row of random circuits that a submission accepts."""
    generator, gates = random.Random(0), FIRST_GATES
    caller = greedy_caller(base_url)
    while True:
        body = {"backend_id": BACKEND, "circuits": [circuit(2 * gates, generator)], "shots": 1}
        if caller.call("POST", "/jobs", body)[0] >= 400:
            return gates
        gates *= 2


def circuit(num_gates: int, generator: random.Random) -> str:
    """Random Clifford gates on all of the device's qubits, at any distance, measured."""
    lines = [f'OPENQASM 2.0; include "qelib1.inc"; qreg q[{NUM_QUBITS}]; creg c[{NUM_QUBITS}];']
    for _ in range(num_gates):
        one, other = generator.sample(range(NUM_QUBITS), 2)
        lines.append(generator.choice([f"h q[{one}];", f"s q[{one}];", f"cx q[{one}],q[{other}];"]))
    return "\n".join([*lines, "measure q -> c;"])


def largest_session(base_url: str) -> dict[str, Any]:
    """The session of the largest distance, with as many shots as it may have."""
    caller, shots = greedy_caller(base_url), MOST_SHOTS
    while True:
        body = {
            "backend_id": "willow_like", "layout": "virtual", "noise": {"uniform_prob": 0.005},
            "code_family": "surface", "code_distance": LARGEST_DISTANCE, "shots": shots,
        }  # fmt: skip
        status, answer = caller.call("POST", "/qec_session/v1/", body)
        if status < 400:
            caller.call("POST", f"/qec_session/v1/{answer['session_id']}/end")
            return body
        shots //= 2


def expect(caller: Caller, method: str, path: str, body: object = None) -> Any:
    """The answer. Raises ValueError for a refusal."""
    status, answer = caller.call(method, path, body)
    if status >= 400:
        raise ValueError(f"{method} {path} was refused: {status} {answer}")
    return answer


def admin_post(admin: TwinClient, path: str, body: dict[str, str]) -> None:
    """A route beside the twin's own. Raises ValueError for a refusal."""
    answer = httpx.post(
        f"{admin.base_url}{path}", json=body, headers={"Authorization": f"Bearer {admin.login()['access_token']}"}
    )
    if answer.status_code >= 400:
        raise ValueError(f"POST {path} was refused: {answer.status_code} {answer.text}")
