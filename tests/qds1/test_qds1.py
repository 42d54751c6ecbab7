"""The qds1 words against hand-written words and the header's definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import qds1
from qds1 import Kind, Message, Qds1Error


def test_header_places_kind_length_and_tag() -> None:
    assert qds1.header(Kind.SYNDROME, 1, 0x1234) == 0x1234_0101
    assert qds1.header(Kind.FAULT, 2, 65536 + 7) == 0x0007_02EE
    assert qds1.split_header(0x0007_02EE) == (0xEE, 2, 7)


def test_header_refuses_a_payload_that_does_not_fit() -> None:
    with pytest.raises(Qds1Error, match="255"):
        qds1.header(Kind.EVENTS, 256, 0)


def test_pack_bits_is_little_endian() -> None:
    # The readout example of the API reference: qubits 0 and 2 are 1.
    assert qds1.pack_bits([1, 0, 1, 0]).tolist() == [5]
    bits = np.zeros(40, dtype=np.uint8)
    bits[[0, 31, 32, 39]] = 1
    assert qds1.pack_bits(bits).tolist() == [0x8000_0001, 0x81]


@given(st.lists(st.integers(0, 1), min_size=1, max_size=100))
def test_pack_bits_equals_python_integer(bits: list[int]) -> None:
    as_integer = sum(bit << i for i, bit in enumerate(bits))
    words = qds1.pack_bits(bits)
    assert sum(int(word) << (32 * i) for i, word in enumerate(words)) == as_integer
    assert qds1.unpack_bits(words, len(bits)).tolist() == bits


def test_unpack_bits_refuses_too_few_words() -> None:
    with pytest.raises(ValueError, match="33"):
        qds1.unpack_bits(np.zeros(1, dtype=np.uint32), 33)


def test_encode_shots_gives_the_words_of_the_specification() -> None:
    syndromes = np.array([[[1, 0], [0, 1]]], dtype=np.uint8)
    data = np.array([[1, 1, 0]], dtype=np.uint8)
    words = qds1.encode_shots(syndromes, data, first_shot=65536 + 2)
    assert [f"{int(w):08x}" for w in words[0]] == [
        "00020101",
        "00000001",
        "00020101",
        "00000002",
        "00020103",
        "00000003",
    ]
    assert words.shape[1] == qds1.shot_words(2, 3, 2)


def test_encode_event_shots_ends_with_events_last() -> None:
    events = np.zeros((2, 3, 33), dtype=np.uint8)
    events[1, 2, 32] = 1
    messages = qds1.parse(qds1.encode_event_shots(events, first_shot=5).ravel())
    assert [m.kind for m in messages] == [Kind.EVENTS, Kind.EVENTS, Kind.EVENTS_LAST] * 2
    assert [m.tag for m in messages] == [5, 5, 5, 6, 6, 6]
    assert messages[-1].payload == (0, 1)


def test_corrections_are_header_flips_latency_status() -> None:
    words = qds1.encode_corrections(
        np.array([[1, 0], [0, 1]], dtype=np.uint8), first_shot=9, latency_cycles=4, status=1
    )
    assert [f"{int(w):08x}" for w in words[1]] == ["000a0381", "00000002", "00000004", "00000001"]
    decoded = qds1.decode_corrections(words.ravel(), 2)
    assert decoded.tags.tolist() == [9, 10]
    assert decoded.flips.tolist() == [[1, 0], [0, 1]]
    assert decoded.latency_cycles.tolist() == [4, 4]
    assert decoded.status.tolist() == [1, 1]


def test_decode_corrections_names_the_word_that_is_no_correction() -> None:
    words = qds1.encode_corrections(np.zeros((3, 1), dtype=np.uint8)).ravel()
    words[4] = qds1.header(Kind.FAULT, 2, 1)
    with pytest.raises(Qds1Error, match=r"word 4 is 0x000102ee"):
        qds1.decode_corrections(words, 1)
    with pytest.raises(Qds1Error, match="whole number"):
        qds1.decode_corrections(words[:-1], 1)


def test_parse_refuses_unknown_and_truncated_messages() -> None:
    message = Message(Kind.WRITE, 0, (0x10, 0xDEADBEEF))
    words = qds1.encode([message])
    assert qds1.parse(words) == [message]
    with pytest.raises(Qds1Error, match="only 1 follow"):
        qds1.parse(words[:-1])
    with pytest.raises(Qds1Error, match="kind 0x55 is unknown"):
        qds1.parse([0x55])
