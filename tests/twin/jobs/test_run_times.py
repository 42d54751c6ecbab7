"""A job that its time limit would stop is refused when it is submitted."""

from __future__ import annotations

from typing import Any

import pytest

from twin.errors import InvalidError
from twin.jobs.checking import CircuitChecker
from twin.jobs.model import CheckOutcome, CheckTask, RunTime
from twin.settings import Limits


class _Timed:
    """An executor whose circuits take what they say, and that counts its checks."""

    num_checked = 0

    async def check(self, task: CheckTask) -> CheckOutcome:
        self.num_checked += len(task.circuits)
        return CheckOutcome(
            (), tuple(RunTime(fixed_s=1.0, shot_s=float(circuit.strip(b'"'))) for circuit in task.circuits)
        )


def _checker(executor: Any) -> CircuitChecker:
    return CircuitChecker(executor, Limits(job_time_limit_s=100.0))


async def test_circuits_of_a_job_add_up() -> None:
    executor = _Timed()
    checker = _checker(executor)
    await checker.check(b"device", ["0.25", "0.75"], shots=98)  # 2 s and 98 times 1 s
    with pytest.raises(InvalidError, match=r"99 shots .* 101 s \(1 s a shot\).* 100 s: ask for at most 98 shots"):
        await checker.check(b"device", ["0.25", "0.75"], shots=99)
    assert executor.num_checked == 2
    with pytest.raises(InvalidError, match="at most 49 shots"):
        await checker.check(b"device", ["1.0", "1.0"], shots=60)  # the same text twice counts twice


async def test_what_takes_too_long_with_any_shots_says_so() -> None:
    with pytest.raises(InvalidError, match="use fewer qubits or gates"):
        await _checker(_Timed()).check(b"device", ["200"], shots=1)
