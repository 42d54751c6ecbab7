"""Classical conditions of Qiskit circuits as what OpenQASM 2.0 has: one register compared with one number."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qiskit.circuit import ClassicalRegister, Clbit
from qiskit.circuit.classical import expr, types

from twin.qiskit_provider.errors import TwinProviderError

MAX_BITS = 12
"""Bits that one condition may ask for, other than whole registers: every value of them is looked at."""
MAX_CASES = 256
"""Statements that one conditioned operation may become."""

Places = Mapping[Clbit, int]

_BINARY: dict[Any, Callable[[int, int], Any]] = {
    expr.Binary.Op.BIT_AND: operator.and_,
    expr.Binary.Op.BIT_OR: operator.or_,
    expr.Binary.Op.BIT_XOR: operator.xor,
    expr.Binary.Op.LOGIC_AND: lambda left, right: left and right,
    expr.Binary.Op.LOGIC_OR: lambda left, right: left or right,
    expr.Binary.Op.EQUAL: operator.eq,
    expr.Binary.Op.NOT_EQUAL: operator.ne,
    expr.Binary.Op.LESS: operator.lt,
    expr.Binary.Op.LESS_EQUAL: operator.le,
    expr.Binary.Op.GREATER: operator.gt,
    expr.Binary.Op.GREATER_EQUAL: operator.ge,
    expr.Binary.Op.SHIFT_LEFT: operator.lshift,
    expr.Binary.Op.SHIFT_RIGHT: operator.rshift,
}


@dataclass(frozen=True)
class Case:
    """What must hold: classical bit (its index in the circuit) to value."""

    bits: tuple[int, ...]
    values: tuple[int, ...]


def cases(condition: Any, places: Places, wanted: bool) -> list[Case]:
    """The values of a condition's bits under which it is `wanted`; they exclude one another.

    Args:
        condition: of an `IfElseOp`: (bit or register, number), or an expression over bits and registers.
        places: index of every bit.
        wanted: False for the else branch.

    Raises:
        TwinProviderError: a condition on something else, or on too many bits.
    """
    target = _compared(condition)
    if target is not None:
        bits, number = target
        indices = tuple(places[bit] for bit in bits)
        if wanted:
            fits = 0 <= number < 2 ** len(bits)
            return [Case(indices, tuple((number >> place) & 1 for place in range(len(bits))))] if fits else []
    found = sorted({places[bit] for bit in _bits_of(condition)})
    if len(found) > MAX_BITS:
        raise TwinProviderError(f"a condition on {len(found)} bits; at most {MAX_BITS} can be told to the twin")
    return [
        Case(tuple(found), values)
        for values in itertools.product((0, 1), repeat=len(found))
        if _holds(condition, dict(zip(found, values, strict=True)), places) == wanted
    ]


def both(first: Case, second: Case) -> Case | None:
    """What must hold for two cases at once; None where they contradict."""
    known = dict(zip(first.bits, first.values, strict=True))
    for bit, value in zip(second.bits, second.values, strict=True):
        if known.setdefault(bit, value) != value:
            return None
    return Case(tuple(known), tuple(known.values()))


def numbers(case: Case, bits: Sequence[int]) -> Iterator[int]:
    """Every number of a register of `bits`, least significant first, for which a case holds."""
    known = dict(zip(case.bits, case.values, strict=True))
    free = [place for place, bit in enumerate(bits) if bit not in known]
    fixed = sum(known[bit] << place for place, bit in enumerate(bits) if bit in known)
    for values in itertools.product((0, 1), repeat=len(free)):
        yield fixed + sum(value << place for value, place in zip(values, free, strict=True))


def _compared(condition: Any) -> tuple[list[Clbit], int] | None:
    """(bits, number) of a condition that is one comparison with a number; None for any other."""
    if isinstance(condition, tuple):
        target, number = condition
        return ([target] if isinstance(target, Clbit) else list(target)), int(number)
    if isinstance(condition, expr.Binary) and condition.op == expr.Binary.Op.EQUAL:
        for one, other in ((condition.left, condition.right), (condition.right, condition.left)):
            is_register = isinstance(one, expr.Var) and isinstance(one.var, ClassicalRegister)
            if is_register and isinstance(other, expr.Value):
                return list(one.var), int(other.value)
    return None


def _bits_of(condition: Any) -> list[Clbit]:
    if isinstance(condition, tuple):
        return [condition[0]] if isinstance(condition[0], Clbit) else list(condition[0])
    bits: list[Clbit] = []
    for variable in expr.iter_vars(condition):
        if isinstance(variable.var, Clbit):
            bits.append(variable.var)
        elif isinstance(variable.var, ClassicalRegister):
            bits += list(variable.var)
        else:
            raise TwinProviderError(f"a condition on the variable {variable.name!r}; the twin has bits and registers")
    return bits


def _holds(condition: Any, values: Mapping[int, int], places: Places) -> bool:
    if isinstance(condition, tuple):
        bits = _bits_of(condition)
        return sum(values[places[bit]] << place for place, bit in enumerate(bits)) == int(condition[1])
    return bool(_value(condition, values, places))


def _value(node: Any, values: Mapping[int, int], places: Places) -> int:
    """An expression's value, cut to its type's width (qiskit.circuit.classical.expr has none that is signed)."""
    if isinstance(node, expr.Value):
        return int(node.value)
    if isinstance(node, expr.Var):
        bits = [node.var] if isinstance(node.var, Clbit) else list(node.var)
        return sum(values[places[bit]] << place for place, bit in enumerate(bits))
    if isinstance(node, expr.Cast):
        return _cut(_value(node.operand, values, places), node.type)
    if isinstance(node, expr.Unary):
        inside = _value(node.operand, values, places)
        return int(not inside) if node.op == expr.Unary.Op.LOGIC_NOT else _cut(~inside, node.type, is_bitwise=True)
    if isinstance(node, expr.Index):
        return (_value(node.target, values, places) >> _value(node.index, values, places)) & 1
    if isinstance(node, expr.Binary) and node.op in _BINARY:
        left, right = _value(node.left, values, places), _value(node.right, values, places)
        return _cut(int(_BINARY[node.op](left, right)), node.type)
    raise TwinProviderError(f"a condition with {node} cannot be told to the twin")


def _cut(value: int, kind: Any, *, is_bitwise: bool = False) -> int:
    if isinstance(kind, types.Bool):
        return value & 1 if is_bitwise else int(value != 0)
    if isinstance(kind, types.Uint):
        return int(value & (2**kind.width - 1))
    raise TwinProviderError(f"a condition of the type {kind} cannot be told to the twin; it has bits and integers")
