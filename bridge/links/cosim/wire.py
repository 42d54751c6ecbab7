"""The frames between the host and the simulation process: a fixed head, then 32-bit words."""

import socket
import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag

import numpy as np
from numpy.typing import NDArray

HEAD = struct.Struct("<IIIII")
"""Operation or result, three arguments, words that follow."""


class Operation(IntEnum):
    """What the host asks for; `first`, `second` and `third` are the arguments."""

    EXCHANGE = 1
    """Send the words; first = answers to wait for, second = idle clock cycles allowed."""
    READ = 2
    """Read the register at byte address `first`."""
    WRITE = 3
    """Write `second` to the register at byte address `first`."""
    RESET = 4
    FINISH = 5
    TRANSFER = 6
    """Drive the streams as a DMA does; first = room for words, second = idle cycles allowed, third = most cycles."""


class Result(IntEnum):
    """How it went."""

    DONE = 0
    """EXCHANGE: the words are the answers. READ: first = value. TRANSFER: first = words taken, second: `Ended`."""
    SILENT = 1
    """EXCHANGE: first = answers that came, second = words that were taken."""
    REFUSED = 2
    """A register access: first = AXI response, or NO_RESPONSE."""
    UNKNOWN = 3
    """A port was neither 0 nor 1: first = which of `PORTS`, as bits; second = clock cycle."""


PORTS = ("s_axis_tready", "m_axis_tvalid", "m_axis_tdata", "m_axis_tlast")
"""Outputs of a decoder's streams."""


class Ended(IntFlag):
    """How a TRANSFER ended."""

    PACKET = 1
    IDLE = 2


NO_RESPONSE = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame in either direction."""

    code: int
    first: int
    second: int
    third: int
    words: NDArray[np.uint32]


def send(
    connection: socket.socket, code: int, first: int = 0, second: int = 0, words: object = (), third: int = 0
) -> None:
    """Write one frame; raises OSError when the other end is gone."""
    payload = np.asarray(words, dtype="<u4")
    connection.sendall(HEAD.pack(code, first, second, third, payload.size) + payload.tobytes())


def receive(connection: socket.socket) -> Frame:
    """Read one frame.

    Raises:
        EOFError: the other end closed the connection.
        TimeoutError: the socket's own timeout passed.
    """
    code, first, second, third, num_words = HEAD.unpack(_exactly(connection, HEAD.size))
    return Frame(code, first, second, third, np.frombuffer(_exactly(connection, 4 * num_words), dtype="<u4"))


def _exactly(connection: socket.socket, num_bytes: int) -> bytes:
    parts = bytearray()
    while len(parts) < num_bytes:
        part = connection.recv(min(num_bytes - len(parts), 1 << 20))
        if not part:
            raise EOFError("the other end closed the connection")
        parts += part
    return bytes(parts)
