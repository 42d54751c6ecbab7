"""Formulas in {d} and {rounds}, so that one manifest serves memories of several sizes."""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hdl.errors import ManifestError

NAME = re.compile(r"\{([A-Za-z_]\w*)\}")
ARITHMETIC = re.compile(r"[\d\s+\-*/%()]*\d[\d\s+\-*/%()]*")
LARGEST = 1 << 64
OPERATIONS: Mapping[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


@dataclass(frozen=True, slots=True)
class Memory:
    """What the names in a formula stand for: d, the code's distance, and rounds."""

    distance: int
    rounds: int

    def value(self, name: str) -> int | None:
        """Value of a name; None for one that is not known."""
        return {"d": self.distance, "rounds": self.rounds}.get(name)


def memory_of(code: Mapping[str, Any]) -> Memory | None:
    """The memory that a manifest's or a problem's `code` tells; None where it tells no distance or rounds."""
    distance, rounds = code.get("distance"), code.get("rounds", code.get("distance"))
    if isinstance(distance, int) and isinstance(rounds, int):
        return Memory(distance, rounds)
    return None


def has_formulas(content: object) -> bool:
    """Whether {d} or {rounds} stands anywhere in a manifest."""
    if isinstance(content, Mapping):
        return any(map(has_formulas, content.values()))
    if isinstance(content, list):
        return any(map(has_formulas, content))
    return isinstance(content, str) and NAME.search(content) is not None


def with_memory(content: Any, memory: Memory) -> Any:
    """A manifest's content with every name replaced; a text that is arithmetic then becomes its value.

    Raises:
        ManifestError: a name other than d and rounds, or arithmetic that has no whole value.
    """
    if isinstance(content, Mapping):
        return {key: with_memory(value, memory) for key, value in content.items()}
    if isinstance(content, list):
        return [with_memory(value, memory) for value in content]
    if not isinstance(content, str) or not NAME.search(content):
        return content

    def replaced(match: re.Match[str]) -> str:
        value = memory.value(match[1])
        if value is None:
            raise ManifestError(f"{content!r}: {{{match[1]}}} is not known; a formula has {{d}} and {{rounds}}")
        return str(value)

    text = NAME.sub(replaced, content)
    return _value(text, content) if ARITHMETIC.fullmatch(text) else text


def _value(text: str, formula: str) -> int:
    try:
        return _evaluate(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError) as error:
        raise ManifestError(
            f"{formula!r} has no value ({text}): whole numbers with + - * // % and brackets, such as ({{d}}*{{d}}+7)//8"
        ) from error


def _evaluate(node: ast.expr) -> int:
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_evaluate(node.operand)
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATIONS:
        value = OPERATIONS[type(node.op)](_evaluate(node.left), _evaluate(node.right))
        if abs(value) < LARGEST:
            return value
    raise ValueError("no whole number")
