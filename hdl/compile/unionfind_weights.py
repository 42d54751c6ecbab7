"""Small integer edge weights for the union-find core."""

import numpy as np
from numpy.typing import NDArray

SCALE_STEPS = 400
LEAST_SCALE = 0.7


def quantise_weights(
    weight: NDArray[np.float64], probability: NDArray[np.float64], weight_bits: int
) -> NDArray[np.int64]:
    """Round log-likelihood weights to 1 .. 2**weight_bits - 1, at the scale that distorts them least.

    A decoder only compares sums of weights, so their common scale is free. The one taken makes the root mean square of
    the relative rounding error least, an edge counting by how often it errs.

    Args:
        weight: float, shape (edges,): log((1 - p) / p); an edge with p >= 1/2 counts as weight 0.
        probability: float, shape (edges,).
        weight_bits: width of the result, 1 or more.

    Returns:
        int64, shape (edges,), at least 1.
    """
    top = (1 << weight_bits) - 1
    largest = float(weight.max(initial=0.0))
    if largest <= 0 or weight_bits == 1:
        return np.ones(len(weight), dtype=np.int64)
    relative = np.clip(weight, 0, None) / largest
    scales = np.linspace(LEAST_SCALE * top, top + 0.49, SCALE_STEPS)
    scaled = np.outer(scales, relative)
    rounded = np.clip(np.rint(scaled), 1, top)
    error = ((rounded - scaled) ** 2 @ probability) / scales**2
    return np.asarray(rounded[int(np.argmin(error))], dtype=np.int64)
