"""The union-find core as a fast model: the same answers, flags and cycle counts as the RTL, at Monte Carlo speed."""

import ctypes
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hdl.build import cached_build
from hdl.compile.graph import DecodingGraph
from hdl.compile.unionfind_fabric import Fabric, UnionFindOptions, build_fabric, cycle_budget
from hdl.errors import BuildError
from hdl.toolchain import require

SOURCE = Path(__file__).parent / "fast" / "unionfind.cpp"
COMPILER = ("g++", "-std=c++17", "-O3", "-shared", "-fPIC")
COMPILE_TIMEOUT_S = 300.0
NUM_SIZES = 16


class _Shape(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int32) for name in ("num_vertices", "num_edges", "num_classes", "start", "cycle_budget")),
        *((name, ctypes.c_int32) for name in ("commit_vertices", "num_twisted")),
        *((name, ctypes.c_void_p) for name in ("end_u", "end_v", "weight", "boundary_class", "component")),
        *((name, ctypes.c_void_p) for name in ("twist", "class_flips", "potential")),
    )


class _Coverage(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_uint64) for name in ("events", "floods", "growth_steps")),
        ("cluster_sizes", ctypes.c_uint64 * NUM_SIZES),
    )


@dataclass(frozen=True)
class Decoded:
    """What the core answers.

    Attributes:
        flips: uint8 of 0/1, shape (shots, observables).
        status: uint32, shape (shots,): bit 0 cycle budget exceeded, bit 1 ambiguous.
        cycles: int32, shape (shots,): from the handshake of the shot's last layer to its result, the core being idle.
        coverage: how often the run did what: events, floods, growth_steps, and clusters settled by size in defects
            ("size_1" .. "size_15", the last one 15 or more).
    """

    flips: NDArray[np.uint8]
    status: NDArray[np.uint32]
    cycles: NDArray[np.int32]
    coverage: Mapping[str, int]


@dataclass(frozen=True)
class Streamed:
    """What a windowed core answers: one entry for each window, the shot's end last.

    Attributes:
        flips: uint8 of 0/1, shape (shots, windows, observables): observable flips so far.
        status: uint32, shape (shots, windows): flags so far.
        cycles: int32, shape (shots, windows): cycles spent on decoding each window.
    """

    flips: NDArray[np.uint8]
    status: NDArray[np.uint32]
    cycles: NDArray[np.int32]


class UnionFindModel:
    """Decodes as the core that `hdl.compile.unionfind.emit_core` makes for the same graph and options.

    Args:
        graph: from `hdl.compile.graph.decoding_graph`.
        options: of the core.
        weight: int, shape (edges,): weights loaded at run time; None for those of the graph.
    """

    def __init__(
        self, graph: DecodingGraph, options: UnionFindOptions, weight: NDArray[np.int64] | None = None
    ) -> None:
        self.fabric = build_fabric(graph, options)
        self.options = options
        self._library = _library()
        self.load(self.fabric.weight if weight is None else weight)

    def load(self, weight: NDArray[np.int64], start: int | None = None) -> None:
        """Change the weights, as through the registers of a loadable core.

        Args:
            weight: int, shape (edges,).
            start: growth that decoding starts at; None for the one that fits the weights.
        """
        self.fabric = self.fabric.with_weights(weight)
        self._arrays = _shape_arrays(self.fabric)
        self._shape = _shape(self.fabric, self.options, self._arrays)
        if start is not None:
            self._shape.start = start

    def decode(self, defects: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint32]]:
        """Decode whole shots.

        Args:
            defects: 0/1, shape (shots, vertices), the vertices of the graph.

        Returns:
            flips uint8 of 0/1 (shots, observables), status uint32 (shots,), see `Decoded.status`.
        """
        decoded = self.decode_timed(defects)
        return decoded.flips, decoded.status

    def decode_timed(self, defects: NDArray[np.uint8]) -> Decoded:
        """Decode whole shots, with cycle counts and coverage; a windowed model counts all its windows' cycles."""
        if self.options.window:
            raise ValueError("this model decodes in windows; use decode_stream")
        if defects.ndim != 2 or defects.shape[1] != self.fabric.num_vertices:
            raise ValueError(f"defects have shape {defects.shape}; expected (shots, {self.fabric.num_vertices})")
        shots = np.ascontiguousarray(defects, dtype=np.uint8)
        flips, status, cycles = _outputs(len(shots))
        coverage = _Coverage()
        self._library.unionfind_decode(
            ctypes.byref(self._shape),
            ctypes.c_int64(len(shots)),
            *(_pointer(array) for array in (shots, flips, status, cycles)),
            ctypes.byref(coverage),
        )
        return Decoded(self._unpack(flips), status, cycles, _coverage_counts(coverage))

    def decode_stream(self, layers: NDArray[np.uint8]) -> Streamed:
        """Decode memories of any length in windows.

        Args:
            layers: 0/1, shape (shots, layers, bits of a layer), as the core is given them.
        """
        window, commit = self.options.window, self.options.commit_layers
        if not window:
            raise ValueError("this model decodes whole shots; use decode")
        present = self.fabric.bit[self.fabric.layer == 0]
        used = np.ascontiguousarray(layers[:, :, present], dtype=np.uint8)
        num_shots, num_layers, _ = used.shape
        num_windows = 1 + max(0, -(-(num_layers - window) // commit))
        flips, status, cycles = _outputs(num_shots * num_windows)
        self._library.unionfind_stream(
            ctypes.byref(self._shape),
            *(ctypes.c_int64(value) for value in (num_shots, num_layers)),
            *(ctypes.c_int(value) for value in (window, commit)),
            _pointer(used),
            ctypes.c_int64(num_windows),
            *(_pointer(array) for array in (flips, status, cycles)),
            None,
        )
        shape = (num_shots, num_windows)
        return Streamed(self._unpack(flips).reshape(*shape, -1), status.reshape(shape), cycles.reshape(shape))

    def stream(self) -> "WindowStream":
        """One memory, layer by layer."""
        if not self.options.window:
            raise ValueError("this model decodes whole shots; use decode")
        return WindowStream(self)

    def decode_window(self, defects: NDArray[np.uint8], *, last: bool) -> tuple[int, int]:
        """Decode one window; mask of flips and status.

        Args:
            defects: uint8 of 0/1, shape (vertices,), contiguous; those that the window deals with are cleared.
            last: whether the window ends the shot.
        """
        flips, status = ctypes.c_uint64(), ctypes.c_uint32()
        self._library.unionfind_window(
            ctypes.byref(self._shape), ctypes.c_int(last), _pointer(defects), ctypes.byref(flips), ctypes.byref(status)
        )
        return flips.value, status.value

    def _unpack(self, masks: NDArray[np.uint64]) -> NDArray[np.uint8]:
        observables = np.arange(self.fabric.num_observables, dtype=np.uint64)
        return (masks[:, None] >> observables & np.uint64(1)).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class WindowAnswer:
    """What a window came to.

    Attributes:
        flips: mask of the observable flips so far.
        status: flags so far.
        committed: layers committed so far; None for the shot's last window, which commits all.
    """

    flips: int
    status: int
    committed: int | None


class WindowStream:
    """The windowed core for one memory of any length: layers in, an answer after each window."""

    def __init__(self, model: UnionFindModel) -> None:
        self._model = model
        self._present = model.fabric.bit[model.fabric.layer == 0]
        self._held = np.zeros(model.fabric.num_vertices, dtype=np.uint8)
        self._wanted = model.options.window
        self._frame = self._flags = self._committed = 0

    def push(self, layer: NDArray[np.uint8], *, last: bool) -> WindowAnswer | None:
        """Take a layer (0/1, shape (bits of a layer,)); the answer, where it completes a window or the shot."""
        width = len(self._present)
        self._held = np.concatenate([self._held[width:], layer[self._present].astype(np.uint8)])
        self._wanted -= 1
        if self._wanted and not last:
            return None
        flips, status = self._model.decode_window(self._held, last=last)
        self._frame ^= flips
        self._flags |= status
        self._wanted = self._model.options.commit_layers
        self._committed += self._wanted
        return WindowAnswer(self._frame, self._flags, None if last else self._committed)


def _shape_arrays(fabric: Fabric) -> dict[str, NDArray[np.generic]]:
    numbers = {
        "end_u": fabric.end_u,
        "end_v": fabric.end_v,
        "weight": fabric.weight,
        "boundary_class": fabric.boundary_class,
        "component": fabric.component,
    }
    masks = {"twist": fabric.twist, "class_flips": fabric.classes, "potential": fabric.potential}
    return {
        **{name: np.ascontiguousarray(column, dtype=np.int32) for name, column in numbers.items()},
        **{name: np.ascontiguousarray(column, dtype=np.int64) for name, column in masks.items()},
    }


def _shape(fabric: Fabric, options: UnionFindOptions, arrays: Mapping[str, NDArray[np.generic]]) -> _Shape:
    return _Shape(
        num_vertices=fabric.num_vertices,
        num_edges=fabric.num_edges,
        num_classes=fabric.classes.shape[1],
        start=fabric.start,
        cycle_budget=cycle_budget(fabric, options),
        commit_vertices=int((fabric.layer < options.commit_layers).sum()) if options.window else fabric.num_vertices,
        num_twisted=len(fabric.twisted),
        **{name: array.ctypes.data for name, array in arrays.items()},
    )


def _outputs(size: int) -> tuple[NDArray[np.uint64], NDArray[np.uint32], NDArray[np.int32]]:
    return np.zeros(size, np.uint64), np.zeros(size, np.uint32), np.zeros(size, np.int32)


def _pointer(array: NDArray[np.generic]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def _coverage_counts(coverage: _Coverage) -> dict[str, int]:
    counts = {name: int(getattr(coverage, name)) for name in ("events", "floods", "growth_steps")}
    return counts | {f"size_{size}": int(coverage.cluster_sizes[size]) for size in range(1, NUM_SIZES)}


@cache
def _library() -> ctypes.CDLL:
    folder = cached_build({"source": SOURCE, "compiler": COMPILER}, _compile)
    return ctypes.CDLL(str(folder / "unionfind.so"))


def _compile(folder: Path) -> None:
    command = [*COMPILER, str(SOURCE), "-o", str(folder / "unionfind.so")]
    require("g++")
    done = subprocess.run(
        command, capture_output=True, text=True, errors="replace", check=False, timeout=COMPILE_TIMEOUT_S
    )
    if done.returncode:
        raise BuildError(f"g++ refused {SOURCE}: {done.stderr[:2000]}")
