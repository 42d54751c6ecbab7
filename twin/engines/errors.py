"""Errors of circuit execution.

InvalidError (twin.errors)
└── CircuitError        a circuit is not valid, or more than this device or engine can run
"""

from __future__ import annotations

from twin.errors import Fault, InvalidError


class CircuitError(InvalidError):
    """A circuit that is not valid or cannot be run here; `line` and `column` (from 1) where the source is at fault."""

    def __init__(self, message: str, line: int | None = None, column: int | None = None) -> None:
        where = "" if line is None else f"line {line}, column {column}: "
        super().__init__(where + message, [Fault(("circuit",), where + message)])
        self.line = line
        self.column = column
