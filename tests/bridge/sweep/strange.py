"""A sinter decoder that returns an array of another shape than it promised."""

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


def decoders() -> dict[str, sinter.Decoder]:
    """By name."""
    return {"short": ShortDecoder()}
