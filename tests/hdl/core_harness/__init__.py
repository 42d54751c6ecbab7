"""A Verilated decoder_core behind ctypes: many shots per call, straight at the core's ports."""

import ctypes
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hdl.build import cached_build, verilator_environment
from hdl.compile.core_files import CoreFiles
from hdl.compile.decoder import COMMON_RTL, RTL_FOLDER, package_source
from hdl.compile.graph import DecodingGraph
from hdl.places import plain_path

DRIVER = Path(__file__).parent / "driver.cpp"
BUILD_TIMEOUT_S = 900.0
FLAGS = ("-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert")


@dataclass(frozen=True)
class Results:
    """One entry a result, in order: uint32 flips mask, status, latency in cycles; frame 0/1; round."""

    flips: NDArray[np.uint32]
    status: NDArray[np.uint32]
    latency: NDArray[np.uint32]
    frame: NDArray[np.uint8]
    round: NDArray[np.uint32]


class VerilatedCore:
    """A core, built once per content; its state lasts from call to call."""

    def __init__(self, graph: DecodingGraph, core: CoreFiles, *, optimise: str = "-O1") -> None:
        sources = {"decoder_pkg.sv": package_source(graph, core, 100.0), **core.files}
        rtl = [RTL_FOLDER / name for name in core.rtl]
        if core.window:
            rtl.append(RTL_FOLDER / "sync_fifo.sv")
        texts = {name: text for name, text in sources.items() if isinstance(text, str)}
        key = {"texts": texts, "rtl": rtl, "driver": DRIVER, "flags": FLAGS, "optimise": optimise}
        folder = cached_build(key, lambda path: _build(path, texts, rtl, optimise))
        self._library = ctypes.CDLL(str(folder / "core.so"))
        self._library.core_new.restype = ctypes.c_void_p
        self._library.core_run.restype = ctypes.c_int64
        self._library.core_cycles.restype = ctypes.c_uint64
        self._library.core_read.restype = ctypes.c_uint32
        self._core = ctypes.c_void_p(self._library.core_new())

    def close(self) -> None:
        """Free the simulation."""
        self._library.core_delete(self._core)

    @property
    def cycles(self) -> int:
        """Clock cycles so far."""
        return int(self._library.core_cycles(self._core))

    def write(self, address: int, value: int) -> None:
        """One write to the cfg port."""
        self._library.core_write(self._core, ctypes.c_uint32(address), ctypes.c_uint32(value))

    def read(self, address: int) -> int:
        """One read from the cfg port."""
        return int(self._library.core_read(self._core, ctypes.c_uint32(address)))

    def run(
        self, layers: NDArray[np.uint8], *, gap: int = 0, stall: int = 0, serial: bool = False, seed: int = 1
    ) -> Results:
        """Decode shots.

        Args:
            layers: 0/1, shape (shots, layers, bits of a layer).
            gap, stall: percent of cycles in which no layer is offered, no result taken.
            serial: offer a shot only after the answer to the one before.
        """
        shots = np.ascontiguousarray(layers, dtype=np.uint8)
        room = shots.shape[0] * (shots.shape[1] + 1)
        words = [np.zeros(room, np.uint32) for _ in range(4)]
        frame = np.zeros(room, np.uint8)
        flips, status, latency, rounds = words
        num_results = self._library.core_run(
            self._core,
            ctypes.c_int64(shots.shape[0]),
            ctypes.c_int64(shots.shape[1]),
            ctypes.c_int(shots.shape[2]),
            _pointer(shots),
            *(ctypes.c_int(value) for value in (gap, stall, serial)),
            ctypes.c_uint32(seed),
            ctypes.c_int64(room),
            *(_pointer(array) for array in (flips, status, latency, frame, rounds)),
        )
        if num_results < 0:
            raise TimeoutError("the core stopped answering")
        kept = slice(num_results)
        return Results(flips[kept], status[kept], latency[kept], frame[kept], rounds[kept])


def _pointer(array: NDArray[np.generic]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def _build(folder: Path, texts: dict[str, str], rtl: list[Path], optimise: str) -> None:
    for name, text in texts.items():
        (folder / name).write_text(text)
    files = [folder / "decoder_pkg.sv", *rtl, folder / "decoder_core.sv", DRIVER]
    sources = [str(plain_path(file)) for file in files]
    command = ["verilator", "--cc", "--build", "--exe", "-o", "core.so", "--top-module", "decoder_core", *FLAGS]
    command += ["-Wno-fatal", "--Mdir", str(folder / "obj"), "-CFLAGS", f"-fPIC {optimise}", "-LDFLAGS", "-shared"]
    done = subprocess.run(
        [*command, *sources],
        env=dict(verilator_environment()),
        capture_output=True,
        text=True,
        check=False,
        timeout=BUILD_TIMEOUT_S,
    )
    if done.returncode:
        raise RuntimeError(f"verilator refused the core:\n{done.stderr[-4000:]}")
    (folder / "obj" / "core.so").rename(folder / "core.so")


__all__ = ["COMMON_RTL", "Results", "VerilatedCore"]
