"""The board's memory: contiguous buffers at physical addresses, as from Linux's contiguous allocator."""

from bisect import insort

import numpy as np
from numpy.typing import NDArray

from hdl.boards.vivado.board import VivadoBoard

POOL_BYTES = 128 << 20
POOL_BELOW_END = 160 << 20
"""Where the pool begins: Linux reserves it near the end of the memory."""
PAGE_BYTES = 4096


class BufferAccessError(Exception):
    """An access to memory that is not the host's; the message says which."""


class Memory:
    """Buffers by name. Only the pool exists; the rest of the memory belongs to the board's own system.

    Attributes:
        pool_base: address of the first buffer.
    """

    def __init__(self, board: VivadoBoard) -> None:
        self._start, self._end = board.system.memory_base, board.memory_mb << 20
        self.pool_base = self._end - POOL_BELOW_END
        self._bytes = np.zeros(POOL_BYTES, dtype=np.uint8)  # pages that are never touched take no room
        self._free = [(self.pool_base, POOL_BYTES)]
        self._buffers: dict[str, tuple[int, int]] = {}
        self._num_made = 0

    def allocate(self, num_bytes: int) -> str:
        """Name of a new buffer; raises BufferAccessError when there is no room."""
        size = max(1, -(-num_bytes // PAGE_BYTES)) * PAGE_BYTES
        for index, (address, room) in enumerate(self._free):
            if room >= size:
                self._free[index : index + 1] = [(address + size, room - size)] if room > size else []
                self._num_made += 1
                name = f"buffer{self._num_made}"
                self._buffers[name] = (address, num_bytes)
                return name
        raise BufferAccessError(
            f"no room for {num_bytes} contiguous bytes in {POOL_BYTES >> 20} MB; free buffers first"
        )

    def release(self, name: str) -> None:
        """Give a buffer back; raises BufferAccessError when there is none of that name."""
        address, num_bytes = self.place(name)
        del self._buffers[name]
        insort(self._free, (address, max(1, -(-num_bytes // PAGE_BYTES)) * PAGE_BYTES))
        joined: list[tuple[int, int]] = []
        for start, room in self._free:
            if joined and sum(joined[-1]) == start:
                joined[-1] = (joined[-1][0], joined[-1][1] + room)
            else:
                joined.append((start, room))
        self._free = joined

    def place(self, name: str) -> tuple[int, int]:
        """Physical address and length in bytes of a buffer."""
        if name not in self._buffers:
            raise BufferAccessError(f"there is no buffer {name!r}: it was freed, or the board was started anew")
        return self._buffers[name]

    def write(self, name: str, offset: int, data: bytes) -> None:
        """Write into a buffer; raises BufferAccessError past its end."""
        address, num_bytes = self.place(name)
        if offset + len(data) > num_bytes:
            raise BufferAccessError(f"a write of {len(data)} bytes at {offset} goes past the end of {num_bytes} bytes")
        self.at(address + offset, len(data))[:] = np.frombuffer(data, dtype=np.uint8)

    def read(self, name: str) -> bytes:
        """The whole buffer."""
        return self.at(*self.place(name)).tobytes()

    def is_reached(self, address: int, num_bytes: int) -> bool:
        """Whether a range lies within what the processing system's port to memory reaches."""
        return self._start <= address and address + num_bytes <= self._end

    def is_allocated(self, address: int, num_bytes: int) -> bool:
        """Whether a range lies within one buffer."""
        return any(start <= address and address + num_bytes <= start + size for start, size in self._buffers.values())

    def at(self, address: int, num_bytes: int) -> NDArray[np.uint8]:
        """The bytes of a range of the pool, as a view."""
        start = address - self.pool_base
        return self._bytes[start : start + num_bytes]
