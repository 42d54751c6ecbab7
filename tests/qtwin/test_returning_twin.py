"""A twin that is killed in mid-run and started again: the run waits for it, and ends as if nothing had happened."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bridge.adaptive.estimator import EstimatorSettings
from bridge.adaptive.policy import AdaptiveSettings
from bridge.links.base import Deadlines
from bridge.loop import LoopRun, LoopSettings, run_loop
from bridge.report import result
from bridge.returning_twin import ReturningStream
from qds1.shots import Words, encode_corrections
from tests.qtwin.conftest import Qtwin
from tests.qtwin.test_recovery import AtShot, wait_for_progress
from tests.twin.conftest import EMAIL, PASSWORD, TwinProcess
from tests.twin.kills.servers import free_port
from twin.client import TwinApiError, TwinClient, TwinUnreachableError

SHOTS, CHUNK = 3_000, 100
COMMON: dict[str, Any] = {"code": "surface", "backend_id": "surface17_like", "noise": "uniform:0.01", "seed": 4}
SURFACE: dict[str, Any] = {"code_family": "surface", "code_distance": 3, "rounds": 3, "noise": {"uniform_prob": 0.02}}
ADAPTIVE = AdaptiveSettings(500, estimator=EstimatorSettings(2_000))
WORDS_PER_SHOT = 8
"""Three rounds of 8 stabilizers and a readout of 9 qubits: a header and a word each."""
WAIT_S = 120.0


@pytest.fixture(scope="module")
def killed_often(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwinProcess]:
    """A twin at a port that stays the same."""
    process = TwinProcess(tmp_path_factory.mktemp("twin"), f"port={free_port()}", "num_workers=1")
    yield process
    process.kill()


@pytest.fixture
def served(killed_often: TwinProcess) -> TwinProcess:
    """The same, running."""
    if not killed_often.runs:
        killed_often.start()
    return killed_often


@pytest.fixture
def client(served: TwinProcess) -> Iterator[TwinClient]:
    with served.served.client() as client:
        yield client


def restarted(served: TwinProcess) -> Callable[[], object]:
    """Kills the twin at once, and starts it while others go on."""

    def restart() -> None:
        served.kill()
        threading.Thread(target=served.start, daemon=True).start()

    return restart


class Watcher(AtShot):
    """Keeps what it is told."""

    def __init__(self, shot: int, action: Callable[[], object]) -> None:
        super().__init__(shot, action)
        self.lines: list[str] = []

    def stage(self, text: str) -> None:
        self.lines.append(text)


def run(client: TwinClient, folder: Path, watcher: AtShot, reconnect_s: float = 60.0, **changes: Any) -> LoopRun:
    settings = LoopSettings(
        shots=SHOTS, chunk_shots=CHUNK, deadlines=Deadlines(reconnect_s=reconnect_s), **COMMON, **changes
    )
    folder.mkdir(exist_ok=True)
    return run_loop(settings, client, watcher, folder)


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({"decoder": "table", "link": "software"}, id="table"),
        pytest.param(
            {"decoder": "union-find:loadable", "link": "verilated", "adaptive": ADAPTIVE},
            id="adaptive",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_run_outlives_its_twin(served: TwinProcess, client: TwinClient, tmp_path: Path, how: dict[str, Any]) -> None:
    expected = result(run(client, tmp_path / "whole", AtShot(SHOTS + 1, int), **how))
    watcher = Watcher(1_000, restarted(served))
    found = run(client, tmp_path / "killed", watcher, **how)
    assert found.error is None
    ours = result(found)
    for part in ("digests", "qec_metrics", "adaptive"):
        assert ours.get(part) == expected.get(part)
    told = [line for line in watcher.lines if "the twin was lost" in line]
    assert len(told) == 1
    assert told[0].endswith("going on at shot 1,000")
    assert "\n" not in told[0]


def test_a_twin_that_does_not_come_back_ends_the_run(
    served: TwinProcess, client: TwinClient, tmp_path: Path, qtwin: Qtwin
) -> None:
    found = run(client, tmp_path / "run", AtShot(1_000, served.kill), reconnect_s=1.0, link="software")
    assert found.error is not None
    assert "did not come back within 1 s (--reconnect)" in str(found.error)
    served.start()
    outcome = qtwin.loop("--resume", str(tmp_path / "run"), **variables(served))
    assert outcome.code == 0, outcome.errors
    assert outcome.result is not None
    expected = result(run(client, tmp_path / "whole", AtShot(SHOTS + 1, int), link="software"))
    assert outcome.result["digests"] == expected["digests"]
    assert outcome.result["qec_metrics"] == expected["qec_metrics"]


def variables(served: TwinProcess) -> dict[str, str]:
    return {"QTWIN_URL": served.served.url, "QTWIN_EMAIL": EMAIL, "QTWIN_PASSWORD": PASSWORD}


def test_the_command_waits_for_its_twin(served: TwinProcess, qtwin: Qtwin, tmp_path: Path) -> None:
    options = ["--code", "surface", "--noise", "uniform:0.01", "--seed", "4", "--shots", "20000", "--chunk", "100"]
    process = subprocess.Popen(
        [sys.executable, "-m", "qtwin", "loop", *options, "--link", "software", "--json", "killed.json"],
        cwd=tmp_path,
        env=qtwin.environment(**variables(served)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        wait_for_progress(tmp_path / "runs", process)
        served.kill()
        served.start()
        errors = process.communicate(timeout=WAIT_S)[1].decode()
    finally:
        process.kill()
    assert process.returncode == 0, errors
    assert [line for line in errors.splitlines() if "the twin was lost, and is back after" in line]
    outcome = qtwin.loop(*options, "--link", "software", **variables(served))
    assert outcome.result is not None
    ours = (tmp_path / "killed.json").read_text()
    for name, digest in outcome.result["digests"].items():
        assert str(digest) in ours, name


@pytest.mark.parametrize("num_flushed", [pytest.param(0, marks=pytest.mark.slow), 2])
def test_what_was_not_acknowledged_is_sent_again(served: TwinProcess, client: TwinClient, num_flushed: int) -> None:
    """Five chunks, the twin killed after the fourth; how much it had kept by then is its own affair."""
    ended = []
    for is_killed in (False, True):
        session_id = client.create_session("surface17_like", **SURFACE, shots=500, seed=9)["session_id"]
        told: list[str] = []
        with ReturningStream(
            client, session_id, acknowledged_shots=0, words_per_shot=WORDS_PER_SHOT, wait_s=60.0, tell=told.append
        ) as stream:
            for chunk in range(5):
                if is_killed and chunk == 4:
                    restarted(served)()
                shots = stream.next_shots(100, 100 * chunk)
                assert shots.size == 100 * WORDS_PER_SHOT
                stream.send_corrections(corrections(chunk), 100)
                if chunk < num_flushed:
                    stream.flush()
            stream.flush()
        assert len(told) == is_killed
        ended.append(client.end_session(session_id))
    assert ended[1]["logical_errors"] == ended[0]["logical_errors"] > 0
    assert ended[1]["meas_data_words"] == ended[0]["meas_data_words"]


def corrections(chunk: int) -> Words:
    """One CORRECTION a shot; which flip the observable depends on the shot alone."""
    flips = (np.arange(100 * chunk, 100 * chunk + 100) % 3 == 0).astype(np.uint8)[:, None]
    return encode_corrections(flips, 100 * chunk)


def test_a_refusal_is_not_waited_for(client: TwinClient) -> None:
    stream = ReturningStream(
        client, "twin-nobody", acknowledged_shots=0, words_per_shot=WORDS_PER_SHOT, wait_s=60.0, tell=pytest.fail
    )
    with pytest.raises(TwinApiError, match="no session"), stream:
        pass


def test_a_twin_of_ones_own_is_not_waited_for(served: TwinProcess, client: TwinClient) -> None:
    session_id = client.create_session("surface17_like", **SURFACE, shots=500, seed=9)["session_id"]
    stream = ReturningStream(
        client, session_id, acknowledged_shots=0, words_per_shot=WORDS_PER_SHOT, wait_s=0.0, tell=pytest.fail
    )
    with stream:
        stream.next_shots(100, 0)
        served.kill()
        with pytest.raises(TwinUnreachableError, match="closed the stream"):
            stream.next_shots(100, 100)
