"""Small integer edge weights for the union-find core."""

import numpy as np
from numpy.typing import NDArray

SCALE_STEPS = 400
LEAST_SCALE = 0.7
LARGEST_CUT_SCALE = 2.5
CUT_GAIN = 0.5
"""Heaviest weights are cut to the largest number only where that at least halves the squared error."""


def quantise_weights(
    weight: NDArray[np.float64], probability: NDArray[np.float64], weight_bits: int
) -> NDArray[np.int64]:
    """Round log-likelihood weights to 1 .. 2**weight_bits - 1, at the scale that distorts them least.

    A decoder only compares sums of weights, so their common scale is free. The one taken makes the root mean square of
    the relative rounding error least, an edge counting by how often it errs. The heaviest edge gets the largest number
    or less, unless a few edges that hardly ever err would take the numbers away from all others: then those are cut.

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
    whole, whole_error = _best(relative, probability, np.linspace(LEAST_SCALE * top, top + 0.49, SCALE_STEPS), top)
    cut, cut_error = _best(relative, probability, np.linspace(top, LARGEST_CUT_SCALE * top, SCALE_STEPS), top)
    return cut if cut_error < CUT_GAIN * whole_error else whole


def _best(
    relative: NDArray[np.float64], probability: NDArray[np.float64], scales: NDArray[np.float64], top: int
) -> tuple[NDArray[np.int64], float]:
    """The rounding at the best of some scales, and its weighted squared error."""
    scaled = np.outer(scales, relative)
    rounded = np.clip(np.rint(scaled), 1, top)
    error = ((rounded - scaled) ** 2 @ probability) / scales**2
    best = int(np.argmin(error))
    return rounded[best].astype(np.int64), float(error[best])
