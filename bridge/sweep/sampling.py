"""Samples a memory's circuit: words for the decoder, detection events for the reference, observables for the judge."""

from dataclasses import dataclass

import numpy as np
import stim

from bridge.errors import LoopError
from bridge.problem import DecodingProblem
from hdl.errors import ShapeError
from qds1 import encode_event_shots, encode_shots
from qds1.shots import Bits, Words

CHECKED_SHOTS = 256


@dataclass(frozen=True, slots=True)
class Shots:
    """Whole shots of a memory.

    words: uint32, shape (shots, words of a shot). events: uint8, shape (shots, ceil(detectors / 8)), bit-packed
    little-endian in the error model's numbering. observables: 0/1, shape (shots, observables).
    """

    words: Words
    events: Bits
    observables: Bits


class ShotSampler:
    """Shots of one memory; the same seed and number of shots give the same shots.

    Detection events and observables are Stim's own, from the circuit's annotations; the words carry raw outcomes, from
    which the decoder has to find the events itself.
    """

    def __init__(self, circuit: stim.Circuit, problem: DecodingProblem) -> None:
        """Raises LoopError where the circuit's measurements are not those of the problem's stream."""
        self._circuit = circuit
        self._problem = problem
        self._converter = circuit.compile_m2d_converter()
        self._check_fit()
        if problem.layout.takes_raw_outcomes:
            self._check_detectors()

    def sample(self, seed: int, num_shots: int) -> Shots:
        """Sample; seed: 0 <= seed < 2**64."""
        layout = self._problem.layout
        if not layout.takes_raw_outcomes:
            sampler = self._circuit.compile_detector_sampler(seed=seed)
            events, observables = sampler.sample(num_shots, separate_observables=True, bit_packed=True)
            words = event_words(self._problem, events)
        else:
            outcomes = self._circuit.compile_sampler(seed=seed).sample_bit_packed(num_shots)
            events, observables = self._converter.convert(
                measurements=outcomes, separate_observables=True, bit_packed=True
            )
            words = encode_shots(*self._split(outcomes))
        num_observables = self._circuit.num_observables
        return Shots(words, events, np.unpackbits(observables, axis=1, count=num_observables, bitorder="little"))

    def _split(self, outcomes: Bits) -> tuple[Bits, Bits]:
        """Packed outcomes -> syndromes (shots, rounds, stabilizers), data (shots, data qubits)."""
        layout = self._problem.layout
        bits = np.unpackbits(outcomes, axis=1, count=self._circuit.num_measurements, bitorder="little")
        num_ancilla = layout.rounds * layout.num_stabilizers
        return bits[:, :num_ancilla].reshape(len(bits), layout.rounds, layout.num_stabilizers), bits[:, num_ancilla:]

    def _check_fit(self) -> None:
        layout, model = self._problem.layout, self._problem.error_model
        facts = {
            "detectors": (self._circuit.num_detectors, model.num_detectors),
            "observables": (self._circuit.num_observables, model.num_observables),
        }
        if layout.takes_raw_outcomes:
            expected = layout.rounds * layout.num_stabilizers + layout.num_data_qubits
            facts["measurements"] = (self._circuit.num_measurements, expected)
        wrong = [f"{got} {name}, expected {asked}" for name, (got, asked) in facts.items() if got != asked]
        if wrong:
            raise LoopError(f"the circuit does not fit its error model: {'; '.join(wrong)}")

    def _check_detectors(self) -> None:
        """The decoder's way from outcomes to events must be the circuit's own."""
        outcomes = self._circuit.compile_sampler(seed=0).sample_bit_packed(CHECKED_SHOTS)
        events, _ = self._converter.convert(measurements=outcomes, separate_observables=True, bit_packed=True)
        ours = self._problem.layout.detection_events(*self._split(outcomes))
        if (np.packbits(ours, axis=1, bitorder="little") != events).any():
            raise LoopError(
                "the session's stabilizers and detector coordinates do not give the detection events of its circuit"
            )


def event_words(problem: DecodingProblem, events: Bits) -> Words:
    """EVENTS messages of whole shots from bit-packed detection events, see `unpacked_events`."""
    return encode_event_shots(
        problem.layout.events_by_layer(unpacked_events(problem.error_model.num_detectors, events).astype(bool))
    )


def unpacked_events(num_detectors: int, events: Bits) -> Bits:
    """Detection events, one to a byte.

    Args:
        num_detectors: of the error model.
        events: uint8, shape (shots, ceil(num_detectors / 8)), little-endian.

    Returns:
        0/1, shape (shots, detectors).

    Raises:
        ShapeError: another width or type, or bits beyond the last detector: the data is of another circuit.
    """
    num_bytes = -(-num_detectors // 8)
    if events.ndim != 2 or events.shape[1] != num_bytes or events.dtype != np.uint8:
        raise ShapeError(
            f"packed detection events have shape {events.shape} and type {events.dtype}; expected (shots, {num_bytes}) "
            f"of uint8, for {num_detectors} detectors"
        )
    if num_detectors % 8 and (events[:, -1] >> num_detectors % 8).any():
        raise ShapeError(
            f"bits beyond the last of {num_detectors} detectors are set; the data is of a circuit with more detectors"
        )
    return np.unpackbits(events, axis=1, count=num_detectors, bitorder="little")
