"""The union-find cores under test, for the runner and for the simulator side."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import stim
from numpy.typing import NDArray

from hdl.compile.decoder import RTL_FOLDER, package_source
from hdl.compile.graph import DecodingGraph, decoding_graph
from hdl.compile.layout import events_layout
from hdl.compile.unionfind import emit_core
from hdl.compile.unionfind_fabric import UnionFindOptions


@dataclass(frozen=True)
class Core:
    """A core by its rounds, options and distance."""

    rounds: int
    options: UnionFindOptions
    distance: int = 3

    @property
    def graph(self) -> DecodingGraph:
        """Rotated surface code, memory Z, uniform circuit noise."""
        error_model = self.circuit(0.004).detector_error_model(decompose_errors=True)
        return decoding_graph(error_model, events_layout(error_model))

    def circuit(self, prob: float) -> stim.Circuit:
        """The memory with all four arguments of Stim's circuit noise at `prob`."""
        return stim.Circuit.generated(
            "surface_code:rotated_memory_z",
            distance=self.distance,
            rounds=self.rounds,
            after_clifford_depolarization=prob,
            before_round_data_depolarization=prob,
            before_measure_flip_probability=prob,
            after_reset_flip_probability=prob,
        )

    def sample(self, shots: int, prob: float, seed: int) -> NDArray[np.uint8]:
        """Defects of noisy shots, (shots, vertices)."""
        events = self.circuit(prob).compile_detector_sampler(seed=seed).sample(shots)
        return self.graph.defects(events.astype(np.uint8))

    def layers(self, defects: NDArray[np.uint8]) -> list[list[int]]:
        """Each shot's layers as integers, bit i = bit i of the layer."""
        graph = self.graph
        flat = np.zeros((len(defects), graph.layout.num_layers * len(graph.layer_select)), dtype=np.int64)
        flat[:, graph.vertex_position] = defects
        bits = flat.reshape(len(defects), graph.layout.num_layers, -1)
        words: list[list[int]] = (bits << np.arange(bits.shape[2])).sum(axis=2).tolist()
        return words

    def write(self, folder: Path) -> list[Path]:
        """Generate the core into a folder; its sources in compile order."""
        graph = self.graph
        core = emit_core(graph, self.options)
        (folder / "decoder_pkg.sv").write_text(package_source(graph, core, 100.0))
        source = core.files["decoder_core.sv"]
        (folder / "decoder_core.sv").write_text(source if isinstance(source, str) else source.decode())
        rtl = [RTL_FOLDER / name for name in core.rtl]
        if self.options.window:
            rtl.append(RTL_FOLDER / "sync_fifo.sv")
        return [folder / "decoder_pkg.sv", *rtl, folder / "decoder_core.sv"]


CORES = {
    "whole": Core(3, UnionFindOptions(4)),
    "small_budget": Core(3, UnionFindOptions(4, cycle_budget=18)),
    "loadable": Core(3, UnionFindOptions(3, loadable=True)),
    "d5": Core(5, UnionFindOptions(4), distance=5),
    "d7": Core(7, UnionFindOptions(3), distance=7),
    "windowed": Core(16, UnionFindOptions(3, window=6, commit=3, fifo_layers=4)),
}
