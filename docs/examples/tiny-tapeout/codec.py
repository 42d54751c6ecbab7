"""The final syndrome in, the flipped data qubit out."""

import numpy as np


class Codec:
    """See "What a codec is made with" in docs/own-rtl.md."""

    def __init__(self, problem):
        self.layout = problem.layout

    def encode(self, detection_events):
        """Events, 0/1 (shots, detectors) -> the final syndrome, uint32 (shots, 1)."""
        layers = self.layout.events_by_layer(detection_events.astype(bool))  # (shots, layers, stabilizers)
        syndrome = layers.sum(axis=1) & 1
        return (syndrome @ np.array([1, 2])).astype(np.uint32)[:, None]

    def decode(self, answers):
        """Flipped data qubits, uint32 (shots, 1) -> flips of the observable, 0/1 (shots, 1)."""
        qubits = answers >> np.arange(3, dtype=np.uint32) & 1  # (shots, data qubits)
        return self.layout.observables(qubits.astype(np.uint8))
