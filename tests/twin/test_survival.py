"""`kill -9` loses nothing that was acknowledged, and the next start goes on where the last one was cut off."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.twin.conftest import BELL, ServedTwin, TwinProcess, settings_of
from twin.client import TwinClient
from twin.errors import ConflictError
from twin.serve import run

BACKEND = "ibm_jakarta_like"
SURFACE = {"code_family": "surface", "code_distance": 3, "seed": 11}
UNIFORM = {"uniform_prob": 0.02}
SLOW = [BELL.replace("h q[0];", f"h q[0]; rz({index}) q[0];") for index in range(10)]


def session_of(client: TwinClient, **changes: object) -> str:
    return client.create_session("surface17_like", **SURFACE, **changes)["session_id"]  # type: ignore[arg-type]


def test_kill_loses_nothing_that_was_acknowledged(twin_process: Callable[..., TwinProcess]) -> None:
    process = twin_process()
    with process.start().client() as client:
        done = client.submit_job(BACKEND, [BELL], shots=100, seed=1)["job_id"]
        result = client.wait_for_job(done)
        cancelled_free = client.submit_job(BACKEND, SLOW, shots=100_000, seed=2)["job_id"]
        queued = [client.submit_job(BACKEND, [BELL], shots=100, seed=seed)["job_id"] for seed in range(20)]
        client.command(BACKEND, "set_qubit_noise", {"qubit": 3, "t1_us": 80.0})
        client.attach_metadata(done, {"qec_metrics": {"logical_error_rate": 0.25}})
        point = client.telemetry_qec(BACKEND, done)
        events = client.telemetry_events(cursor="0", limit=10_000)["events"]
        rounds, batch, pulled, ended = (session_of(client, **each) for each in SESSIONS)
        first = [client.syndrome(rounds, 0), client.syndrome(rounds, 1)]
        client.correct(rounds, 1, [1] * 8)
        client.syndrome(batch, 0)
        with client.open_stream(pulled) as stream:
            head = stream.next_shots(1500)
        verdict = client.end_session(ended)
        process.kill()
    with process.start().client() as client:
        assert client.job_result(done) == result
        assert client.job(done)["metadata"] == {"qec_metrics": {"logical_error_rate": 0.25}}
        assert client.telemetry_qubits(BACKEND)["qubits"][3]["t1_us"] == 80.0
        assert client.telemetry_qec_history(BACKEND, done)["points"] == [point]
        assert client.telemetry_events(cursor="0", limit=10_000)["events"][: len(events)] == events
        assert client.syndrome(rounds, 1) == first[1]
        continued = [client.syndrome(rounds, index)["syndrome_bits"] for index in (2, 3)]
        assert client.session_status(batch)["current_round"] == 1
        with client.open_stream(pulled) as stream:
            tail = stream.next_shots(1500)
        assert client.end_session(ended) == verdict
        for job_id in [cancelled_free, *queued]:
            client.wait_for_job(job_id, 60)
        # The same without a kill gives the same record.
        again, _, pulled_again, _ = (session_of(client, **each) for each in SESSIONS)
        assert [client.syndrome(again, index)["syndrome_bits"] for index in (0, 1)] == [
            each["syndrome_bits"] for each in first
        ]
        client.correct(again, 1, [1] * 8)
        assert [client.syndrome(again, index)["syndrome_bits"] for index in (2, 3)] == continued
        with client.open_stream(pulled_again) as stream:
            assert (stream.next_shots(3000) == np.concatenate([head, tail])).all()


SESSIONS: list[dict[str, object]] = [
    {"noise": UNIFORM, "rounds": 6},
    {"noise": UNIFORM, "shots": 50},
    {"noise": UNIFORM, "rounds": 3, "shots": 3000},
    {"noise": UNIFORM, "rounds": 3, "shots": 10},
]


def test_a_second_twin_on_the_same_data_is_refused(served: ServedTwin) -> None:
    with pytest.raises(ConflictError, match="another process is using"):
        run(settings_of(served.data_dir), port=0)


def test_a_port_in_use_is_told(served: ServedTwin, tmp_path: Path) -> None:
    with pytest.raises(ConflictError, match="cannot listen"):
        run(settings_of(tmp_path), port=int(served.url.rpartition(":")[2]))


def test_a_stop_is_quick_and_tokens_outlive_it(twin_process: Callable[..., TwinProcess]) -> None:
    process = twin_process()
    served = process.start()
    token = served.token()
    with served.client() as client, served.http(token) as http:
        client.submit_job(BACKEND, SLOW, shots=100_000)
        with http.stream("GET", "/telemetry/events/stream") as events:
            assert events.status_code == 200
            begun = time.monotonic()
            process.stop()
            assert time.monotonic() - begun < 8
    with process.start().http(token) as http:
        assert http.get("/health").status_code == 200
