"""sinter decoders that do what they should not: too few predictions, or the end of their process."""

import os

import numpy as np
import sinter
import stim


class _Short(sinter.CompiledDecoder):  # type: ignore[misc]  # sinter has no types
    def decode_shots_bit_packed(self, *, bit_packed_detection_event_data: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        return np.zeros((len(bit_packed_detection_event_data) - 1, 1), dtype=np.uint8)


class ShortDecoder(sinter.Decoder):  # type: ignore[misc]
    """One row too few."""

    def compile_decoder_for_dem(self, *, dem: stim.DetectorErrorModel) -> sinter.CompiledDecoder:
        """See `sinter.Decoder`."""
        del dem
        return _Short()


class _Fatal(sinter.CompiledDecoder):  # type: ignore[misc]
    def decode_shots_bit_packed(self, *, bit_packed_detection_event_data: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        del bit_packed_detection_event_data
        os.abort()


class FatalDecoder(sinter.Decoder):  # type: ignore[misc]
    """Brings its process down, as a library with a fault does."""

    def compile_decoder_for_dem(self, *, dem: stim.DetectorErrorModel) -> sinter.CompiledDecoder:
        """See `sinter.Decoder`."""
        del dem
        return _Fatal()


def decoders() -> dict[str, sinter.Decoder]:
    """By name."""
    return {"short": ShortDecoder(), "fatal": FatalDecoder()}
