"""Checks circuits when they are submitted: in a worker, behind limits, and each text once."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence

import orjson

from twin.errors import BusyError, Fault, InvalidError
from twin.jobs.executor import Executor, ExecutorError, TimeLimitError, WorkerLostError
from twin.jobs.model import CheckTask, Circuit, CircuitFault
from twin.settings import Limits

MAX_REMEMBERED = 4096


class CircuitChecker:
    """Remembers which circuits were found good for which device."""

    def __init__(self, executor: Executor, limits: Limits) -> None:
        self._executor = executor
        self._limits = limits
        self._good: OrderedDict[bytes, None] = OrderedDict()

    async def check(self, device: bytes, circuits: Sequence[Circuit]) -> None:
        """Raises InvalidError whose faults name circuit, line and column; BusyError when a check was cut off."""
        texts = [orjson.dumps(circuit) for circuit in circuits]
        self._check_sizes(texts)
        keys = [hashlib.blake2b(device + text, digest_size=16).digest() for text in texts]
        unknown = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._good}
        if not unknown:
            return
        found = await self._run(CheckTask(device, tuple(unknown.values())))
        if found:
            first_index = {key: index for index, key in reversed(list(enumerate(keys)))}
            indices = [first_index[key] for key in unknown]
            raise _invalid(found, indices)
        for key in unknown:
            self._good[key] = None
        while len(self._good) > MAX_REMEMBERED:
            self._good.popitem(last=False)

    async def _run(self, task: CheckTask) -> list[CircuitFault]:
        try:
            return await self._executor.check(task)
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
