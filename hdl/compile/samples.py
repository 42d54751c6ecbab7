"""Small decoders of every kind, for checks that have to see all of the RTL: lint, formal proofs."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import stim

from hdl.compile.decoder import compile_decoder
from hdl.compile.layout import StreamLayout, events_layout
from hdl.compile.manifest import DecoderFolder
from hdl.compile.unionfind_fabric import UnionFindOptions

PROB = 0.005
WIDE_DISTANCE = 35
"""A repetition code whose rounds take two words."""


def sample_decoders(folder: Path) -> dict[str, Callable[[], DecoderFolder]]:
    """What compiles each sample into a folder of its own in `folder`, by name."""

    def union_find(name: str, distance: int, rounds: int, options: UnionFindOptions) -> DecoderFolder:
        model = _surface(distance, rounds)
        return compile_decoder(model, events_layout(model), folder / name, core="union-find", options=options)

    def wide() -> DecoderFolder:
        model = _repetition(WIDE_DISTANCE, 1)
        return compile_decoder(model, repetition_layout(model, WIDE_DISTANCE, 1), folder / "wide", core="union-find")

    return {
        "table": lambda: compile_decoder(
            _repetition(3, 3), repetition_layout(_repetition(3, 3), 3, 3), folder / "table", core="table"
        ),
        "union-find": lambda: union_find("whole", 3, 3, UnionFindOptions()),
        "union-find, weights loadable": lambda: union_find("loadable", 3, 3, UnionFindOptions(loadable=True)),
        "union-find, windowed": lambda: union_find("windowed", 3, 6, UnionFindOptions(window=6, commit=3)),
        "union-find, rounds of two words": wide,
    }


def repetition_layout(model: stim.DetectorErrorModel, distance: int, rounds: int) -> StreamLayout:
    """Layout of Stim's repetition code: raw outcomes, stabilizer i between the data qubits i and i + 1."""
    places = model.get_detector_coordinates()
    coordinates = np.array([places[detector] for detector in range(model.num_detectors)])
    qubits = np.arange(distance)
    return StreamLayout(
        num_stabilizers=distance - 1,
        num_data_qubits=distance,
        rounds=rounds,
        detector_layer=coordinates[:, -1].astype(np.int64),
        detector_bit=coordinates[:, 0].astype(np.int64) // 2,
        data_parity=((qubits == qubits[:-1, None]) | (qubits == qubits[1:, None])).astype(np.uint8),
        observable_data=(qubits == distance - 1).astype(np.uint8)[None],
    )


def _repetition(distance: int, rounds: int) -> stim.DetectorErrorModel:
    return _model("repetition_code:memory", distance, rounds)


def _surface(distance: int, rounds: int) -> stim.DetectorErrorModel:
    return _model("surface_code:rotated_memory_z", distance, rounds)


def _model(task: str, distance: int, rounds: int) -> stim.DetectorErrorModel:
    circuit = stim.Circuit.generated(
        task,
        distance=distance,
        rounds=rounds,
        after_clifford_depolarization=PROB,
        before_round_data_depolarization=PROB,
        before_measure_flip_probability=PROB,
        after_reset_flip_probability=PROB,
    )
    return circuit.detector_error_model(decompose_errors=True)
