"""Where a code lies on a device: on coupled qubits (native), or on a patch that repeats its calibrations (virtual)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from twin.device.device import Device
from twin.engines.clifford_noise import Placement
from twin.qec.codes import Code

Layout = Literal["native", "virtual"]

_MAX_PATH_STEPS = 50_000
# (x, y) -> (a x + b y, c x + d y): the eight symmetries of the square.
_SYMMETRIES = (
    (1, 0, 0, 1),
    (0, 1, 1, 0),
    (-1, 0, 0, 1),
    (1, 0, 0, -1),
    (-1, 0, 0, -1),
    (0, -1, 1, 0),
    (0, 1, -1, 0),
    (0, -1, -1, 0),
)


def native_placement(code: Code, device: Device) -> Placement | None:
    """The code on coupled qubits of the device; None where it does not fit.

    A repetition code needs a path, a surface code a piece of the lattice (shifted, turned or mirrored).
    """
    if len(code.coordinates) > device.n_qubits:
        return None
    if code.family == "repetition":
        path = _path(device, len(code.coordinates))
        return None if path is None else Placement(dict(zip(sorted(code.coordinates), path, strict=True)), {})
    return _on_lattice(code, device)


def virtual_placement(code: Code, device: Device) -> Placement:
    """The code on a patch over which the device's calibrations repeat."""
    edges = sorted(device.edges)
    qubits = {qubit: index % device.n_qubits for index, qubit in enumerate(sorted(code.coordinates))}
    pairs = {}
    for index, (a, b) in enumerate(sorted(code.pairs())):
        low, high = edges[index % len(edges)]
        pairs[a, b], pairs[b, a] = (low, high), (high, low)
    return Placement(qubits, pairs)


def _on_lattice(code: Code, device: Device) -> Placement | None:
    site = {position: index for index, position in enumerate(device.qubit_positions)}
    circuit_qubits = sorted(code.coordinates)
    pairs = code.pairs()
    for a, b, c, d in _SYMMETRIES:
        turned = {q: (a * x + b * y, c * x + d * y) for q, (x, y) in code.coordinates.items()}
        anchor = turned[circuit_qubits[0]]
        for origin in device.qubit_positions:
            shift = (origin[0] - anchor[0], origin[1] - anchor[1])
            placed = {q: site.get((x + shift[0], y + shift[1])) for q, (x, y) in turned.items()}
            found = {q: index for q, index in placed.items() if index is not None}
            if len(found) == len(placed) and all((found[p], found[q]) in device.edges for p, q in pairs):
                return Placement(found, {})
    return None


def _path(device: Device, length: int) -> Sequence[int] | None:
    """A simple path of `length` qubits: depth first, nearly enclosed neighbours first, with a bound on the search."""
    steps_left = _MAX_PATH_STEPS
    for start in sorted(range(device.n_qubits), key=lambda qubit: len(device.neighbours[qubit])):
        stack = [[start]]
        while stack and steps_left > 0:
            path = stack.pop()
            steps_left -= 1
            if len(path) == length:
                return path
            used = set(path)
            options = [qubit for qubit in device.neighbours[path[-1]] if qubit not in used]
            # The last pushed is tried first: the one with fewest free neighbours.
            options.sort(key=lambda qubit: -sum(each not in used for each in device.neighbours[qubit]))
            stack.extend([*path, qubit] for qubit in options)
    return None
