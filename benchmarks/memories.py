"""Surface-code memories for the benchmarks: the problem, and the words of as many shots as asked for."""

import numpy as np

from bridge.problem import DecodingProblem
from hdl.compile.graph import decoding_graph
from hdl.compile.layout import events_layout
from hdl.synth.measure import memory
from qds1 import encode_event_shots
from qds1.shots import Words


def surface_memory(
    distance: int, prob: float, num_shots: int, *, weights_at: float, seed: int
) -> tuple[DecodingProblem, Words]:
    """Rotated surface code, memory Z, rounds = distance, uniform circuit noise.

    Args:
        prob: of the shots' noise.
        weights_at: probability that the problem's error model is computed at.

    Returns:
        the problem; uint32, shape (shots, words): EVENTS messages up to EVENTS_LAST of each shot.
    """
    model = memory(distance, distance, weights_at).detector_error_model(decompose_errors=True)
    layout = events_layout(model)
    problem = DecodingProblem(model, layout, decoding_graph(model, layout), {"family": "surface", "distance": distance})
    events = memory(distance, distance, prob).compile_detector_sampler(seed=seed).sample(num_shots)
    return problem, np.ascontiguousarray(encode_event_shots(layout.events_by_layer(events)))
