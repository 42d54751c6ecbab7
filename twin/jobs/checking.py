"""Checks circuits when they are submitted: in a worker, behind limits, and each text once."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence

import orjson

from twin.engines.limits import DEFAULT_LIMITS
from twin.errors import BusyError, Fault, InvalidError, TooLargeError
from twin.jobs.executor import Executor, ExecutorError, TimeLimitError, WorkerLostError
from twin.jobs.model import CheckOutcome, CheckTask, Circuit, CircuitFault, RunTime
from twin.settings import Limits

MAX_REMEMBERED = 4096


class CircuitChecker:
    """Remembers which circuits were found good for which device."""

    def __init__(self, executor: Executor, limits: Limits) -> None:
        self._executor = executor
        self._limits = limits
        self._good: OrderedDict[bytes, RunTime] = OrderedDict()

    async def check(
        self, device: bytes, circuits: Sequence[Circuit], shots: int, user: str, *, memory: bool = False
    ) -> None:
        """Raises InvalidError whose faults name circuit, line and column; BusyError when a check was cut off.

        A job that is estimated to take longer than its time limit is invalid, too; TooLargeError for one whose result
        may be over its limit.
        """
        texts = [orjson.dumps(circuit) for circuit in circuits]
        self._check_sizes(texts)
        prefix = hashlib.blake2b(device, digest_size=16).digest()
        keys = [hashlib.blake2b(prefix + text, digest_size=16).digest() for text in texts]
        unknown = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._good}
        times = {key: self._good[key] for key in keys if key in self._good}
        if unknown:
            outcome = await self._run(CheckTask(device, tuple(unknown.values())), user)
            if outcome.faults:
                first_index = {key: index for index, key in reversed(list(enumerate(keys)))}
                indices = [first_index[key] for key in unknown]
                raise _invalid(outcome.faults, indices)
            new = dict(zip(unknown, outcome.times, strict=True))
            times |= new
            self._good |= new
        found = [times[key] for key in keys]
        self._check_time(found, shots)
        self._check_result(found, shots, memory)
        while len(self._good) > MAX_REMEMBERED:
            self._good.popitem(last=False)

    def _check_time(self, times: Sequence[RunTime], shots: int) -> None:
        """Refuse what its time limit would stop."""
        limit_s, fixed_s = self._limits.job_time_limit_s, sum(each.fixed_s for each in times)
        shot_s = sum(each.shot_s for each in times)
        if fixed_s + shots * shot_s <= limit_s:
            return
        fitting = int((limit_s - fixed_s) / shot_s) if shot_s > 0 else 0
        message = (
            f"{shots} shots are estimated to take {fixed_s + shots * shot_s:.0f} s ({shot_s:.3g} s a shot); "
            f"a job may take {limit_s:g} s: "
        )
        message += f"ask for at most {fitting} shots" if fitting > 0 else "use fewer qubits or gates"
        raise InvalidError(message, [Fault(("circuits",), message)])

    def _check_result(self, times: Sequence[RunTime], shots: int, memory: bool) -> None:
        limit = self._limits.max_result_bytes
        most = max((each.recorded_bits for each in times), default=0)
        if most * shots > DEFAULT_LIMITS.max_result_bits:
            raise TooLargeError(
                f"{shots} shots of {most} measurements are more than {DEFAULT_LIMITS.max_result_bits} bits; "
                f"ask for at most {DEFAULT_LIMITS.max_result_bits // most} shots"
            )
        num_bytes = sum(each.result_bytes(shots, memory) for each in times)
        if num_bytes > limit:
            bits = sum(each.key_chars for each in times)
            what = f"{shots} shots of {bits} classical bits{' with memory' if memory else ''}"
            raise TooLargeError(
                f"the result of {what} may take {num_bytes} bytes; a job's may take {limit}: ask for at most "
                f"{max(1, shots * limit // num_bytes)} shots, {'leave memory out, ' if memory else ''}or split the job"
            )

    async def _run(self, task: CheckTask, user: str) -> CheckOutcome:
        try:
            return await self._executor.check(task, user)
        except TimeLimitError as error:
            message = f"parsing and transpiling took longer than {self._limits.check_time_limit_s:g} s"
            raise InvalidError(message, [Fault(("circuits",), message)]) from error
        except (WorkerLostError, ExecutorError) as error:
            raise BusyError(f"the circuit could not be checked: {error}", 1.0) from error

    def _check_sizes(self, texts: Sequence[bytes]) -> None:
        limit = self._limits.max_source_bytes
        faults = [
            Fault(("circuits", index), f"{len(text)} bytes, the limit is {limit}")
            for index, text in enumerate(texts)
            if len(text) > limit
        ]
        if faults:
            raise InvalidError(f"a circuit is over the limit of {limit} bytes", faults)


def _invalid(found: Sequence[CircuitFault], indices: Sequence[int]) -> InvalidError:
    faults = []
    for fault in found:
        faults.append(Fault(("circuits", indices[fault.circuit_index]), fault.message))
    first = faults[0]
    return InvalidError(f"circuit {first.loc[1]}: {first.message}", faults)
