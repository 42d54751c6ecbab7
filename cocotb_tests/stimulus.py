"""Random input for decoders: good shots, and streams with everything that can be wrong with them."""

from collections.abc import Iterable
from itertools import chain
from random import Random

import numpy as np
from numpy.typing import NDArray

from cocotb_tests.decoders import TestDecoder
from hdl.registers.map import CONTROL_INPUT_MODE, Address
from qds1 import Kind, encode_event_shots, encode_shots, header


def random_shots(
    decoder: TestDecoder, random: Random, count: int, first_shot: int = 0, rounds: int | None = None
) -> NDArray[np.uint32]:
    """Raw shots: uint32, shape (shots, words)."""
    shape, generator = decoder.constants.shape, np.random.default_rng(random.getrandbits(32))
    rounds = decoder.constants.max_rounds if rounds is None else rounds
    syndromes = generator.integers(0, 2, (count, rounds, shape.num_stabilizers), dtype=np.uint8)
    data = generator.integers(0, 2, (count, shape.num_data_qubits), dtype=np.uint8)
    return encode_shots(syndromes, data, first_shot)


def random_event_shots(
    decoder: TestDecoder, random: Random, count: int, first_shot: int = 0, rounds: int | None = None
) -> NDArray[np.uint32]:
    """Shots of detection events: uint32, shape (shots, words)."""
    generator = np.random.default_rng(random.getrandbits(32))
    layers = (decoder.constants.max_rounds if rounds is None else rounds) + 1
    events = generator.integers(0, 2, (count, layers, decoder.constants.shape.num_stabilizers), dtype=np.uint8)
    return encode_event_shots(events, first_shot)


def disturbed_stream(decoder: TestDecoder, random: Random, num_shots: int) -> list[int]:
    """Words of shots, about half of them disturbed: truncated, lost, doubled and foreign messages, wrong headers,
    register accesses in between, changes of the input mode, shots while the decoder is disabled."""
    words: list[int] = []
    events_mode = False
    set_rounds = 0  # register ROUNDS of an open-ended decoder; 0 = any number
    for number in range(num_shots):
        tag = number if random.random() < 0.9 else number - 1
        rounds = (set_rounds or random.randrange(1, 6)) if decoder.constants.window else None
        make = random_event_shots if events_mode else random_shots
        messages = split_messages(make(decoder, random, 1, tag, rounds)[0].tolist())
        place = random.randrange(len(messages))
        match random.randrange(12):
            case 0:  # truncated: the next tag abandons it
                messages = messages[:place]
            case 1:
                messages[place : place + 1] = [messages[place]] * random.choice([0, 2])
            case 2:
                messages[place] = foreign_message(
                    random, [0, 1, 2, 3, 4, 0x81, 0xFF], tag + random.choice([0, 0, 1, 7])
                )
            case 3:
                messages.insert(place, foreign_message(random, [0, 5, 0x12, 0x82], tag))
            case 4 | 5:
                messages.insert(place, register_access(random, tag))
            case 6 if random.random() < 0.3:
                events_mode = not events_mode
                messages.append(write_register(Address.CONTROL, 1 | events_mode << CONTROL_INPUT_MODE.low, tag))
            case 7:
                value = events_mode << CONTROL_INPUT_MODE.low
                messages.insert(random.choice([0, place]), write_register(Address.CONTROL, value))
                messages.append(write_register(Address.CONTROL, value | 1))
            case 8 if decoder.constants.window:
                set_rounds = random.randrange(5)
                messages.append(write_register(Address.ROUNDS, set_rounds, tag))
            case _:
                pass
        words += joined(messages)
    return words


def foreign_message(random: Random, kinds: list[int], tag: int) -> list[int]:
    """A message of one of these kinds, of any length."""
    length = random.randrange(6)
    return [(tag & 0xFFFF) << 16 | length << 8 | random.choice(kinds), *(random.getrandbits(32) for _ in range(length))]


def register_access(random: Random, tag: int) -> list[int]:
    """A WRITE or READ that leaves the decoder as it is; sometimes to a wrong address or of a wrong length."""
    address = random.choice([Address.SCRATCH, Address.ID, 0x7F4, 0x44 + 2, 1 << 16, 0xFFC])
    if random.random() < 0.1:
        length = random.choice([0, 3])
        return [header(random.choice([Kind.WRITE, Kind.READ]), length, tag), *[address] * length]
    if address == 0xFFC or random.random() < 0.5:
        return read_register(address, tag)
    return write_register(address, random.getrandbits(32), tag)


def write_register(address: int, value: int, tag: int = 0) -> list[int]:
    """Words of a WRITE message."""
    return [header(Kind.WRITE, 2, tag), address, value]


def read_register(address: int, tag: int = 0) -> list[int]:
    """Words of a READ message."""
    return [header(Kind.READ, 1, tag), address]


def joined(messages: Iterable[list[int]]) -> list[int]:
    """The words of all messages."""
    return list(chain.from_iterable(messages))


def split_messages(words: list[int]) -> list[list[int]]:
    """Cut whole messages apart."""
    messages: list[list[int]] = []
    start = 0
    while start < len(words):
        end = start + 1 + (words[start] >> 8 & 0xFF)
        messages.append(words[start:end])
        start = end
    return messages
