"""The qds1 decoder stream: 32-bit words that carry syndromes to a decoder and corrections back."""

from qds1.bits import pack_bits, unpack_bits, words_for_bits
from qds1.messages import (
    CORRECTION_TRAILER_WORDS,
    FaultCode,
    Kind,
    Message,
    Qds1Error,
    Status,
    encode,
    header,
    parse,
    split_header,
)
from qds1.shots import (
    Corrections,
    Frames,
    correction_words,
    decode_corrections,
    encode_corrections,
    encode_event_shots,
    encode_shots,
    encode_windows,
    shot_words,
    split_frames,
)

__all__ = [
    "CORRECTION_TRAILER_WORDS",
    "Corrections",
    "FaultCode",
    "Frames",
    "Kind",
    "Message",
    "Qds1Error",
    "Status",
    "correction_words",
    "decode_corrections",
    "encode",
    "encode_corrections",
    "encode_event_shots",
    "encode_shots",
    "encode_windows",
    "header",
    "pack_bits",
    "parse",
    "shot_words",
    "split_frames",
    "split_header",
    "unpack_bits",
    "words_for_bits",
]
