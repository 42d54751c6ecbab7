"""Errors of the device layer.

InvalidError (twin.errors)
├── ConfigError     a configuration file does not fit; names file and field
└── CommandError    a controller command does not fit; nothing was changed
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError

from twin.errors import Fault, InvalidError

MAX_FAULTS = 20


class ConfigError(InvalidError):
    """A configuration file is missing, is not YAML, or does not fit its schema."""


class CommandError(InvalidError):
    """A command's payload does not fit the command or the device. Nothing was changed."""


def faults_of(error: ValidationError, prefix: Sequence[str | int] = ()) -> tuple[Fault, ...]:
    """pydantic's findings as field-level faults, below `prefix`; the first ones where there are many."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    faults = [Fault((*prefix, *item["loc"]), item["msg"].removeprefix("Value error, ")) for item in found[:MAX_FAULTS]]
    if len(found) > MAX_FAULTS:
        faults.append(Fault((*prefix,), f"and {len(found) - MAX_FAULTS} more"))
    return tuple(faults)


def described(faults: Sequence[Fault]) -> str:
    """The faults in one line: `noise.qubits.3.t1_us: Input should be greater than 0; ...`."""
    return "; ".join(": ".join(filter(None, (".".join(map(str, each.loc)), each.message))) for each in faults)
