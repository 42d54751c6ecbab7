"""Where each detector sits in the stream: its layer (the message) and its bit (in that message's payload)."""

import itertools
import shlex
from codecs import BOM_UTF8
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import stim
from numpy.typing import NDArray

from hdl.errors import ErrorModelError, ShapeError

COORDINATE_TOLERANCE = 1e-6
MAX_MESSAGE_BITS = 255 * 32
"""Payload of a qds1 message."""
ABOUT_LAYERS = (
    "A layer is what shares the last coordinate of `detector(x, y, t) D0`: give the detectors coordinates whose last "
    "one is the time, and number them without gaps"
)
MAX_DETECTORS, MAX_ERRORS = 1_000_000, 10_000_000
"""Of a file; far more than any decoder holds, and few enough to be read."""


def read_error_model(file: Path) -> stim.DetectorErrorModel:
    """A detector error model in Stim's format; raises ErrorModelError for a file that is none, or far too large."""
    try:
        text = file.read_text(encoding="utf-8-sig")  # an editor's byte-order mark is no part of the model
    except OSError as error:
        raise ErrorModelError(f"cannot read the error model {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ErrorModelError(
            f"{file} is not text; expected a detector error model in Stim's format, in UTF-8"
        ) from error
    try:
        model = stim.DetectorErrorModel(text)
    except (ValueError, IndexError) as error:  # Stim raises the latter for an instruction that it does not know
        raise ErrorModelError(_not_a_model(file, text, error)) from error
    if model.num_detectors > MAX_DETECTORS or model.num_errors > MAX_ERRORS:
        raise ErrorModelError(
            f"{file} has {model.num_detectors:,} detectors and {model.num_errors:,} errors; at most {MAX_DETECTORS:,} "
            f"and {MAX_ERRORS:,} can be compiled. For a long memory give a shorter one and a window"
        )
    return model


def _not_a_model(file: Path, text: str, error: Exception) -> str:
    """Says what the file is instead, where that can be told."""
    try:
        circuit = stim.Circuit(text)
    except (ValueError, IndexError):
        return f"{file} is not a detector error model in Stim's format: {str(error).strip()}"
    if not circuit.num_detectors:
        return (
            f"{file} is a circuit without detectors, not a detector error model.\nAnnotate it with DETECTOR and "
            "OBSERVABLE_INCLUDE, then make its model with stim analyze_errors"
        )
    source, model = shlex.quote(str(file)), shlex.quote(str(_free_name(file)))
    marked = file.read_bytes().startswith(BOM_UTF8)  # which Stim does not take
    return (
        f"{file} is a circuit, not a detector error model.\n"
        f"{'Save it without its byte-order mark, then make' if marked else 'Make'} its model with: "
        f"stim analyze_errors --decompose_errors --in {source} --out {model}"
    )


def _free_name(circuit: Path) -> Path:
    """A name for the circuit's model beside it, of no file that is there."""
    stem = circuit.name.removesuffix(".stim").removesuffix(".dem")
    names = (circuit.with_name(f"{stem}{number or ''}.dem") for number in itertools.count())
    return next(name for name in names if not name.exists())


def check_width(events: NDArray[Any], num_detectors: int) -> None:
    """Raises ShapeError unless the events are of so many detectors, one to a column."""
    if events.ndim != 2 or events.shape[1] != num_detectors:
        raise ShapeError(
            f"detection events have shape {events.shape}; expected (shots, {num_detectors}), one detector a column"
        )


@dataclass(frozen=True, slots=True)
class StreamLayout:
    """How a shot's messages become detection events.

    Layers 0 .. rounds-1 are the rounds of stabilizer outcomes, layer `rounds` is rebuilt from the data readout.

    Attributes:
        num_stabilizers: bits of a SYNDROME payload.
        num_data_qubits: bits of the MEAS_DATA payload; 0 where only detection events are streamed.
        rounds: SYNDROME (or EVENTS) messages before the last message of a shot.
        detector_layer, detector_bit: int, shape (detectors,): layer and stabilizer index of each detector.
        data_parity: 0/1, shape (stabilizers, data qubits): the data qubits whose parity rebuilds each stabilizer
            from the final readout; a row of zeros for a stabilizer that the readout's basis does not determine.
        observable_data: 0/1, shape (observables, data qubits): the data qubits whose parity is each observable.

    Raises:
        ErrorModelError: a round or the readout does not fit into a message.
    """

    num_stabilizers: int
    num_data_qubits: int
    rounds: int
    detector_layer: NDArray[np.int64]
    detector_bit: NDArray[np.int64]
    data_parity: NDArray[np.uint8]
    observable_data: NDArray[np.uint8]

    def __post_init__(self) -> None:
        if max(self.num_stabilizers, self.num_data_qubits) > MAX_MESSAGE_BITS:
            raise ErrorModelError(
                f"a layer of {self.num_stabilizers} detectors and a readout of {self.num_data_qubits} qubits do not "
                f"fit into messages, which hold {MAX_MESSAGE_BITS} bits.\n{ABOUT_LAYERS}"
            )

    @property
    def num_layers(self) -> int:
        """Layers of detection events in a shot."""
        return self.rounds + 1

    @property
    def takes_raw_outcomes(self) -> bool:
        """Whether SYNDROME and MEAS_DATA messages can be turned into detection events."""
        return self.num_data_qubits > 0

    def events_by_layer(self, detection_events: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Spread detector samples over layers.

        Args:
            detection_events: shape (shots, detectors), the detector numbering of the error model.

        Returns:
            uint8 of 0/1, shape (shots, layers, stabilizers); bits without a detector are 0.
        """
        check_width(detection_events, len(self.detector_layer))
        layers = np.zeros((len(detection_events), self.num_layers, self.num_stabilizers), dtype=np.uint8)
        layers[:, self.detector_layer, self.detector_bit] = detection_events
        return layers

    def detection_events(self, syndromes: NDArray[np.uint8], data: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Detection events of raw outcomes, in the detector numbering of the error model.

        Args:
            syndromes: 0/1, shape (shots, rounds, stabilizers).
            data: 0/1, shape (shots, data qubits).

        Returns:
            uint8 of 0/1, shape (shots, detectors).
        """
        final = (data @ self.data_parity.T & 1)[:, None, :]
        outcomes = np.concatenate([np.zeros_like(final), syndromes, final], axis=1)
        changes = outcomes[:, 1:] ^ outcomes[:, :-1]
        return np.ascontiguousarray(changes[:, self.detector_layer, self.detector_bit], dtype=np.uint8)

    def observables(self, data: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Measured logical observables: data (shots, data qubits) -> uint8 of 0/1 (shots, observables)."""
        return (data @ self.observable_data.T & 1).astype(np.uint8)


def session_layout(session: Mapping[str, Any], error_model: stim.DetectorErrorModel) -> StreamLayout:
    """Layout of a QEC session of the twin.

    Args:
        session: the answer to the session's creation; uses `rounds`, `basis`, `num_data_qubits`,
            `stabilizers` ([{index, type, coordinates, data_qubits}]) and `observables` ([{index, data_qubits}]).
        error_model: the session's detector error model; detector coordinates are (x, y, layer).

    Raises:
        ErrorModelError: a detector lies on no stabilizer or in no layer of the session.
    """
    stabilizers = sorted(session["stabilizers"], key=lambda stabilizer: int(stabilizer["index"]))
    rounds = int(session["rounds"])
    index_at = {_grid(stabilizer["coordinates"]): int(stabilizer["index"]) for stabilizer in stabilizers}
    coordinates = error_model.get_detector_coordinates()
    layer, bit = [], []
    for detector in range(error_model.num_detectors):
        *place, time = coordinates[detector]
        if _grid(place) not in index_at or not 0 <= round(time) <= rounds:
            raise ErrorModelError(
                f"detector D{detector} at {coordinates[detector]} is on no stabilizer of this session with "
                f"{len(stabilizers)} stabilizers and {rounds} rounds; expected coordinates (x, y, layer)"
            )
        layer.append(round(time))
        bit.append(index_at[_grid(place)])
    num_data_qubits = int(session["num_data_qubits"])
    parity = np.zeros((len(stabilizers), num_data_qubits), dtype=np.uint8)
    for stabilizer in stabilizers:
        if stabilizer["type"] == session["basis"]:
            parity[int(stabilizer["index"]), stabilizer["data_qubits"]] = 1
    logical = np.zeros((len(session["observables"]), num_data_qubits), dtype=np.uint8)
    for observable in session["observables"]:
        logical[int(observable["index"]), observable["data_qubits"]] = 1
    return StreamLayout(
        num_stabilizers=len(stabilizers),
        num_data_qubits=num_data_qubits,
        rounds=rounds,
        detector_layer=np.array(layer, dtype=np.int64),
        detector_bit=np.array(bit, dtype=np.int64),
        data_parity=parity,
        observable_data=logical,
    )


def events_layout(error_model: stim.DetectorErrorModel) -> StreamLayout:
    """Layout of a bare detector error model: EVENTS messages, one layer for each value of the last coordinate.

    Detectors of one layer that share a place with a detector of another layer share its bit, so that a bit is a place.
    Without coordinates every detector is in one layer and its bit is its number.
    """
    coordinates = error_model.get_detector_coordinates()
    num_detectors = error_model.num_detectors
    num_placed = sum(bool(place) for place in coordinates.values())
    if num_detectors - num_placed > MAX_MESSAGE_BITS:  # they share one layer: refused before it is built
        raise ErrorModelError(
            f"the model numbers {num_detectors:,} detectors, and those without coordinates are one layer: "
            f"{num_detectors - num_placed} detectors of it do not fit into messages, which hold {MAX_MESSAGE_BITS} "
            f"bits.\n{ABOUT_LAYERS}"
        )
    time_of = {d: _on_grid(coordinates[d][-1]) for d in range(num_detectors) if coordinates.get(d)}
    times = sorted(set(time_of.values()))
    layer_of = {time: layer for layer, time in enumerate(times)}
    place_bit: dict[tuple[float, ...], int] = {}
    taken: defaultdict[int, set[int]] = defaultdict(set)
    layer, bit = np.zeros(num_detectors, dtype=np.int64), np.zeros(num_detectors, dtype=np.int64)
    for detector in range(num_detectors):
        place = _grid(coordinates[detector][:-1]) if coordinates.get(detector) else (float(detector), 0.5)
        layer[detector] = layer_of[time_of[detector]] if detector in time_of else 0
        wanted = place_bit.setdefault(place, len(place_bit))
        if wanted in taken[int(layer[detector])]:
            wanted = place_bit.setdefault((*place, float(detector)), len(place_bit))
        taken[int(layer[detector])].add(wanted)
        bit[detector] = wanted
    return StreamLayout(
        num_stabilizers=max(1, len(place_bit)),
        num_data_qubits=0,
        rounds=max(0, len(times) - 1),
        detector_layer=layer,
        detector_bit=bit,
        data_parity=np.zeros((max(1, len(place_bit)), 0), dtype=np.uint8),
        observable_data=np.zeros((error_model.num_observables, 0), dtype=np.uint8),
    )


def _grid(place: Sequence[float]) -> tuple[float, ...]:
    """A place as a key: on a grid against rounding, and in at least two dimensions (a line lies at y = 0)."""
    padded = [*place, 0.0] if len(place) == 1 else place
    return tuple(_on_grid(value) for value in padded)


def _on_grid(value: float) -> float:
    """A coordinate without what rounding adds to it: 3 * 0.1 is 0.3."""
    return round(value / COORDINATE_TOLERANCE) * COORDINATE_TOLERANCE
