"""A repetition d=3 memory: the problem as a twin's session poses it, and shots with answers from Stim."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import stim

from bridge.decoders import Decoder, find_decoder
from bridge.problem import DecodingProblem, decoding_problem
from qds1 import encode_shots
from qds1.shots import Bits, Words

ROUNDS = 3


@dataclass(frozen=True)
class Memory:
    """Shots of a memory experiment with the answers from outside: Stim's events and observables."""

    problem: DecodingProblem
    decoder: Decoder
    words: Words
    events: Bits
    observables: Bits


def repetition_session(rounds: int) -> dict[str, Any]:
    """A d=3 repetition session as the twin describes it, written by hand."""
    return {
        "code_family": "repetition",
        "code_distance": 3,
        "basis": "Z",
        "rounds": rounds,
        "num_data_qubits": 3,
        "stabilizers": [
            {"index": 0, "type": "Z", "coordinates": [1, 0], "data_qubits": [0, 1]},
            {"index": 1, "type": "Z", "coordinates": [3, 0], "data_qubits": [1, 2]},
        ],
        "observables": [{"index": 0, "data_qubits": [2]}],
    }


def sampled_memory(num_shots: int, seed: int) -> Memory:
    """Compile the table decoder for the memory and sample shots."""
    circuit = stim.Circuit.generated(
        "repetition_code:memory",
        distance=3,
        rounds=ROUNDS,
        after_clifford_depolarization=0.03,
        before_round_data_depolarization=0.03,
        before_measure_flip_probability=0.03,
        after_reset_flip_probability=0.03,
    )
    problem = decoding_problem(repetition_session(ROUNDS), str(circuit.detector_error_model(decompose_errors=True)))
    outcomes = circuit.compile_sampler(seed=seed).sample(num_shots)
    events, observables = circuit.compile_m2d_converter().convert(measurements=outcomes, separate_observables=True)
    bits = outcomes.astype(np.uint8)
    return Memory(
        problem=problem,
        decoder=find_decoder("table", problem),
        words=encode_shots(bits[:, : 2 * ROUNDS].reshape(-1, ROUNDS, 2), bits[:, 2 * ROUNDS :]),
        events=events.astype(np.uint8),
        observables=observables.astype(np.uint8),
    )
