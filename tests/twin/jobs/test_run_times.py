"""A job that its time limit would stop is refused when it is submitted."""

from __future__ import annotations

import pickle
from typing import Any, cast

import orjson
import pytest

from tests.twin.conftest import BELL
from twin.device.catalog import DeviceCatalog
from twin.device.controller import ControllerState
from twin.device.snapshot import compose
from twin.errors import InvalidError, TooLargeError
from twin.jobs import worker
from twin.jobs.checking import CircuitChecker
from twin.jobs.model import CheckOutcome, CheckTask, RunTask, RunTime
from twin.settings import Limits, default_config_dir

CATALOG = DeviceCatalog.load(default_config_dir())
DEVICE = pickle.dumps(CATALOG.devices["ibm_jakarta_like"])
SNAPSHOT = pickle.dumps(compose(CATALOG.devices["ibm_jakarta_like"], CATALOG.scenarios, ControllerState()))


class _Timed:
    """An executor whose circuits take what they say, and that counts its checks."""

    num_checked = 0

    async def check(self, task: CheckTask, _user: str) -> CheckOutcome:
        self.num_checked += len(task.circuits)
        return CheckOutcome(
            (), tuple(RunTime(fixed_s=1.0, shot_s=float(circuit.strip(b'"'))) for circuit in task.circuits)
        )


def _checker(executor: Any) -> CircuitChecker:
    return CircuitChecker(executor, Limits(job_time_limit_s=100.0))


async def test_circuits_of_a_job_add_up() -> None:
    executor = _Timed()
    checker = _checker(executor)
    await checker.check(b"device", ["0.25", "0.75"], shots=98, user="a")  # 2 s and 98 times 1 s
    with pytest.raises(InvalidError, match=r"99 shots .* 101 s \(1 s a shot\).* 100 s: ask for at most 98 shots"):
        await checker.check(b"device", ["0.25", "0.75"], shots=99, user="a")
    assert executor.num_checked == 2
    with pytest.raises(InvalidError, match="at most 49 shots"):
        await checker.check(b"device", ["1.0", "1.0"], shots=60, user="a")  # the same text twice counts twice


async def test_what_takes_too_long_with_any_shots_says_so() -> None:
    with pytest.raises(InvalidError, match="use fewer qubits or gates"):
        await _checker(_Timed()).check(b"device", ["200"], shots=1, user="a")


GATES = 'OPENQASM 2.0; include "qelib1.inc"; qreg q[2]; creg c[{}]; h q[0]; measure q[0] -> c[0];'
MEMORY = {"qec_memory": {"code_family": "repetition", "code_distance": 3, "rounds": 1000}}
STIM = {"stim": "M 0\nREPEAT 4000 {\nDETECTOR rec[-1]\n}\n"}


@pytest.mark.parametrize(
    ("circuits", "memory", "fits"),
    [
        ([GATES.format(600)], False, True),  # 1,000 keys of 600 characters and as many counts
        ([GATES.format(600)] * 2, False, False),
        ([GATES.format(400)], True, True),  # and each shot's key again
        ([GATES.format(600)], True, False),
        ([GATES.format(5)] * 60, False, True),  # 32 counts each
        ([GATES.format(5)] * 100, True, True),  # and 1,000 short keys each
        ([GATES.format(12)] * 120, True, False),
        ([MEMORY], False, True),  # 1,000 times 4,000 bits
        ([MEMORY] * 2, False, False),
        ([STIM], False, True),
        ([STIM] * 2, False, False),
    ],
)
async def test_what_a_result_may_hold_is_bounded_at_submission(circuits: list[Any], memory: bool, fits: bool) -> None:
    """The worker's own word of each circuit, for 1,000 shots, against a limit of 10^6 bytes."""
    checker = CircuitChecker(cast("Any", _Here()), Limits(max_result_bytes=10**6))
    if fits:
        await checker.check(DEVICE, circuits, 1000, "a", memory=memory)
        return
    with pytest.raises(TooLargeError, match=r"may take \d+ bytes; a job's may take 1000000: ask for") as refused:
        await checker.check(DEVICE, circuits, 1000, "a", memory=memory)
    fitting = int(str(refused.value).partition("at most ")[2].split()[0])
    await checker.check(DEVICE, circuits, fitting, "a", memory=memory)


async def test_a_memory_experiment_is_run_in_one_piece_and_fits() -> None:
    """8 stabilizers and 9 data qubits: 3,209 measurements a shot, of at most 2^28."""
    long = {"qec_memory": {"code_family": "surface", "code_distance": 3, "rounds": 400}}
    checker = CircuitChecker(cast("Any", _Here()), Limits(max_result_bytes=2**40, job_time_limit_s=1e9))
    with pytest.raises(TooLargeError, match=f"of 3209 measurements .* at most {2**28 // 3209} shots"):
        await checker.check(DEVICE, [long], 100_000, "a", memory=False)
    await checker.check(DEVICE, [long], 2**28 // 3209, "a", memory=False)


class _Here:
    """An executor that checks in this process."""

    async def check(self, task: CheckTask, _user: str) -> CheckOutcome:
        return worker.check(task)


@pytest.mark.parametrize(
    ("circuit", "memory"),
    [(GATES.format(70).replace("h q[0]", "h q[0]; h q[1]"), True), (MEMORY, True), (STIM, False), (BELL, True)],
)
def test_a_result_is_no_larger_than_was_said(circuit: Any, memory: bool) -> None:
    text = orjson.dumps(circuit)
    (time,) = worker.check(CheckTask(DEVICE, (text,))).times
    outcome = worker.run(RunTask("job", DEVICE, SNAPSHOT, (text,), 500, 1, memory))
    assert outcome.document is not None
    said = time.result_bytes(500, memory)
    assert said / 4 < len(outcome.document) < said + 2000  # what a result says once: depth, layout, engine, ...


def test_the_stabilizer_engine_is_estimated_too() -> None:
    """300 such circuits with 100,000 shots took 700 s and more."""
    ghz = "".join(f"h q[{index}]; cx q[{index}],q[{index + 1}];" for index in range(16))
    text = f'OPENQASM 2.0; include "qelib1.inc"; qreg q[17]; creg c[17]; {ghz * 10} measure q -> c;'
    device = pickle.dumps(CATALOG.devices["surface17_like"])
    plain, decided = worker.check(
        CheckTask(device, (orjson.dumps(text), orjson.dumps(text.replace("measure q", "if(c==0) x q[0]; measure q"))))
    ).times
    assert 1e-6 < plain.shot_s < 1e-5
    assert decided.shot_s > 3 * plain.shot_s
