"""A first look at OpenQASM 2.0 text, before a parser sees it: size, includes, registers, nesting."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from twin.engines.errors import CircuitError
from twin.engines.limits import CircuitLimits

_COMMENT = re.compile(r"//[^\n]*")
_INCLUDE = re.compile(r'\binclude\b\s*("[^"\n]*"|\'[^\'\n]*\'|[^;\n]{0,80})')
_REGISTER = re.compile(r"\b(qreg|creg)\s+[A-Za-z_]\w*\s*\[\s*(\d{1,18})\s*\]")
_VERSION_3 = re.compile(r"\bOPENQASM\s+3\b|\binclude\s*[\"']stdgates\.inc[\"']")
_DECLARATION = re.compile(r"\b(gate|opaque)\s+([A-Za-z_]\w*)\s*(?:\(([^();{]*)\))?([^;{]*)")
_BYTE_ORDER_MARK = "\ufeff"
_NEGATIONS = re.compile(r"[-+^\s]{16,}")


@dataclass(frozen=True, slots=True)
class Declaration:
    """A gate that the source defines (`gate`), or only declares (`opaque`)."""

    name: str
    num_params: int
    num_qubits: int
    is_opaque: bool


def declarations(bare: str) -> Iterator[Declaration]:
    """Every gate that a source without comments declares itself, in order."""
    for match in _DECLARATION.finditer(bare):
        kind, name, params, qubits = match.groups()
        num_params, num_qubits = (
            len([each for each in (part or "").split(",") if each.strip()]) for part in (params, qubits)
        )
        yield Declaration(name, num_params, num_qubits, kind == "opaque")


def check_source(source: str, n_qubits: int, limits: CircuitLimits) -> str:
    """Refuse a source that no parser should be given; returns it without comments (positions unchanged).

    Args:
        source: OpenQASM 2.0.
        n_qubits: of the device.
        limits: what is allowed.

    Raises:
        CircuitError: with line and column.
    """
    size = len(source.encode("utf-8", "replace"))
    if size > limits.max_source_bytes:
        raise CircuitError(f"the source has {size} bytes; at most {limits.max_source_bytes} are taken")
    # Some editors begin a file with a mark that is no part of its text.
    marked = source.replace(_BYTE_ORDER_MARK, " ", 1) if source.startswith(_BYTE_ORDER_MARK) else source
    bare = _COMMENT.sub(lambda match: " " * len(match.group()), marked)
    if match := _VERSION_3.search(bare):
        raise _at(bare, match.start(), "OpenQASM 3 is not taken; write the program as OpenQASM 2.0")
    for match in _INCLUDE.finditer(bare):
        if match.group(1).strip("\"' ") != "qelib1.inc":
            raise _at(bare, match.start(), 'only include "qelib1.inc" is allowed; write other gates into the source')
    totals = {"qreg": 0, "creg": 0}
    most = {"qreg": n_qubits, "creg": limits.max_clbits}
    for match in _REGISTER.finditer(bare):
        kind = match.group(1)
        totals[kind] += int(match.group(2))
        if totals[kind] > most[kind]:
            bits = "qubits; the device has" if kind == "qreg" else "classical bits; at most are"
            raise _at(bare, match.start(), f"the circuit asks for {totals[kind]} {bits} {most[kind]}")
    _check_expressions(bare, limits)
    return bare


def _check_expressions(bare: str, limits: CircuitLimits) -> None:
    """Bound what a recursive-descent parser would recurse on."""
    depth = 0
    opened = 0
    for match in re.finditer(r"[()]", bare):
        depth += 1 if match.group() == "(" else -1
        if depth == 1 and match.group() == "(":
            opened = match.start()
        if depth > limits.max_expression_depth:
            raise _at(bare, match.start(), f"parentheses are nested deeper than {limits.max_expression_depth}")
        if depth == 0 and match.start() - opened > limits.max_expression_chars:
            raise _at(bare, opened, f"an expression is longer than {limits.max_expression_chars} characters")
        depth = max(depth, 0)
    if depth > 0 and len(bare) - opened > limits.max_expression_chars:
        raise _at(bare, opened, "a parenthesis is never closed")
    chain = next((m for m in _NEGATIONS.finditer(bare) if len(m.group().split()) and m.group().strip()), None)
    if chain and sum(each in "-+^" for each in chain.group()) > limits.max_expression_depth:
        raise _at(bare, chain.start(), "a chain of signs is too long")


def _at(text: str, offset: int, message: str) -> CircuitError:
    line = text.count("\n", 0, offset) + 1
    column = offset - (text.rfind("\n", 0, offset) + 1) + 1
    return CircuitError(message, line, column)
