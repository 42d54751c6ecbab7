"""The look-up-table core: the most likely observable flips for every syndrome of the component, exactly."""

import numpy as np
from numpy.typing import NDArray

from hdl.compile.graph import MAX_TABLE_DETECTORS, DecodingGraph
from hdl.errors import ErrorModelError

MAX_STATE_BITS = 24


def joint_distribution(graph: DecodingGraph) -> NDArray[np.float64]:
    """Probability of every (observable flips, syndrome) pair.

    The mechanisms are independent, so each one mixes the distribution with itself shifted by its symptom. Every term
    is positive: nothing cancels, and even the rarest syndrome keeps full relative precision.

    Returns:
        float64, shape (2**observables, 2**vertices); bit v of the second index is vertex v.
    """
    state_bits = graph.num_vertices + graph.num_observables
    if graph.num_vertices > MAX_TABLE_DETECTORS or state_bits > MAX_STATE_BITS:
        raise ErrorModelError(
            f"a table over {graph.num_vertices} detectors and {graph.num_observables} observables is too large "
            f"(at most {MAX_TABLE_DETECTORS} detectors, {MAX_STATE_BITS} bits together); use fewer rounds, a smaller "
            "distance, or the union-find core"
        )
    distribution = np.zeros(1 << state_bits)
    distribution[0] = 1.0
    states = np.arange(1 << state_bits)
    for fault in graph.faults:
        shifted = distribution[states ^ (fault.observables << graph.num_vertices | fault.symptom)]
        distribution = (1 - fault.probability) * distribution + fault.probability * shifted
    return distribution.reshape(1 << graph.num_observables, 1 << graph.num_vertices)


def maximum_likelihood_table(graph: DecodingGraph) -> NDArray[np.uint32]:
    """Most likely observable flips per syndrome.

    Returns:
        uint32, shape (2**vertices,): entry s is the flip mask for syndrome s (bit v of s = vertex v). Of equally likely
        flips, and for a syndrome that cannot happen, the smallest mask.

    Raises:
        ErrorModelError: more than 20 detectors in the component.
    """
    most_likely: NDArray[np.intp] = joint_distribution(graph).argmax(axis=0)
    return most_likely.astype(np.uint32)


def decode_with_table(table: NDArray[np.uint32], defects: NDArray[np.uint8], num_observables: int) -> NDArray[np.uint8]:
    """Look shots up.

    Args:
        table: from `maximum_likelihood_table`.
        defects: 0/1, shape (shots, vertices).
        num_observables: bits of an entry.

    Returns:
        uint8 of 0/1, shape (shots, observables).
    """
    place_value = np.uint32(1) << np.arange(defects.shape[1], dtype=np.uint32)
    flips = table[defects.astype(np.uint32) @ place_value]
    return (flips[:, None] >> np.arange(num_observables, dtype=np.uint32) & np.uint32(1)).astype(np.uint8)
