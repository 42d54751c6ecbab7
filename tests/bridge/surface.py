"""Surface d=3 memories as streams of detection events, with weights that decide many shots."""

from functools import cache

import numpy as np
import stim

from bridge.links.base import Link
from bridge.problem import DecodingProblem
from hdl.compile.graph import decoding_graph
from hdl.compile.layout import events_layout
from hdl.registers.map import CONTROL_ENABLE, CONTROL_INPUT_MODE, Address
from qds1 import encode_event_shots
from qds1.shots import Words


def circuit(rounds: int, gate: float, measure: float) -> stim.Circuit:
    """Rotated surface code, memory Z."""
    return stim.Circuit.generated(
        "surface_code:rotated_memory_z",
        distance=3,
        rounds=rounds,
        after_clifford_depolarization=gate,
        before_round_data_depolarization=gate,
        before_measure_flip_probability=measure,
        after_reset_flip_probability=gate,
    )


@cache
def surface_problem(rounds: int, gate: float = 0.004, measure: float = 0.004) -> DecodingProblem:
    """What a decoder has to solve."""
    model = circuit(rounds, gate, measure).detector_error_model(decompose_errors=True)
    layout = events_layout(model)
    return DecodingProblem(model, layout, decoding_graph(model, layout), {"family": "surface", "distance": 3})


def event_words(rounds: int, num_shots: int, *, seed: int, first_shot: int = 0) -> Words:
    """Noisy shots, uint32 of shape (shots, words)."""
    events = circuit(rounds, 0.02, 0.02).compile_detector_sampler(seed=seed).sample(num_shots)
    return encode_event_shots(surface_problem(rounds).layout.events_by_layer(events), first_shot)


def take_events(link: Link) -> Link:
    """The link, with its decoder expecting detection events."""
    link.write_register(Address.CONTROL, CONTROL_INPUT_MODE.set(CONTROL_ENABLE.set(0, 1), 1))
    return link


def without_latency(words: Words) -> Words:
    """Answers of one observable (CORRECTION, FRAME, DATA and FAULT all are of four words, or of three) without their
    latencies, so that decoders with and without a clock can be compared."""
    answers = words.reshape(-1, 4).copy()
    frame = (answers[:, 0] & 0xFF) == 0x82
    answers[frame, 3] = 0
    answers[~frame, 2] = 0
    return answers


def statuses_without_stalls(words: Words) -> Words:
    """Answers whose CORRECTIONs do not say that layers had to wait, which only a clocked decoder knows."""
    answers = without_latency(words)
    correction = (answers[:, 0] & 0xFF) == 0x81
    answers[correction, 3] &= np.uint32(3)
    return answers
