"""PYNQ.remote's services: files, registers and buffers. A class each; its methods are named as the RPCs are.

One lock for all of them: whoever holds it owns the clock and the memory.
"""

import itertools
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import grpc

from bridge.boards.pynq.logic import BusError, Logic, is_within
from bridge.boards.pynq.memory import BufferAccessError, Memory
from bridge.boards.pynq.registers import SystemRegisters
from bridge.boards.pynq.rpc import RefusedError, definition, handlers, is_signed
from bridge.boards.pynq.system import DownloadError, Files
from bridge.errors import LinkError

CHUNK_BYTES = 2 << 20
"""Of a streamed reply; gRPC refuses messages of more than 4 MB."""
WORD_BYTES = 4


def board_services(
    files: Files, logic: Logic, memory: Memory, registers: SystemRegisters, server: str
) -> list[grpc.GenericRpcHandler]:
    """Handlers of everything that the board answers; raises LinkOpenError without pynq's definitions."""
    lock = threading.Lock()
    remote, mmio, buffer = (definition(name, server) for name in ("remote_device", "mmio", "buffer"))
    return [
        *handlers(remote, FileService(remote, files, lock)),
        *handlers(mmio, RegisterService(mmio, logic, registers, lock)),
        *handlers(buffer, BufferService(buffer, memory, lock)),
    ]


class FileService:
    """RemoteDevice."""

    def __init__(self, messages: Any, files: Files, lock: threading.Lock) -> None:
        self._messages, self._files, self._lock = messages, files, lock

    def existsfile(self, request: Any) -> Any:
        """Whether there is such a file."""
        return self._messages.ExistsFileResponse(exists=self._files.exists(request.file_path))

    def readfile(self, request: Any) -> Iterator[Any]:
        """Contents of a file."""
        data = self._files.read(request.file_path)
        if data is None:
            raise RefusedError(grpc.StatusCode.NOT_FOUND, f"there is no file {request.file_path}")
        return iter([self._messages.ReadFileResponse(data=data)])

    def writefile(self, requests: Iterator[Any]) -> Any:
        """Write a file; the firmware's name to the FPGA manager programs the logic."""
        parts = list(requests)
        if parts:
            data = b"".join(part.data for part in parts)
            try:
                with self._lock:
                    self._files.write(parts[0].file_path, data)
            except (DownloadError, LinkError) as error:
                raise RefusedError(grpc.StatusCode.FAILED_PRECONDITION, str(error)) from error
        return self._messages.WriteFileResponse()

    def set_bitstream_attrs(self, request: Any) -> Any:
        """Said before a download."""
        if request.partial:
            raise RefusedError(grpc.StatusCode.UNIMPLEMENTED, "this board takes no partial bitstreams")
        return self._messages.SetBitstreamAttrsResponse(status=True)


class RegisterService:
    """Mmio. What a real board answers by a bus error comes as the reply's `msg`, which the client raises."""

    def __init__(self, messages: Any, logic: Logic, registers: SystemRegisters, lock: threading.Lock) -> None:
        self._messages, self._logic, self._registers, self._lock = messages, logic, registers, lock
        self._signed = is_signed(messages, "ReadResponse", "data")
        self._windows: dict[str, tuple[int, int]] = {}
        self._numbers = itertools.count(1)

    def get_mmio(self, request: Any) -> Any:
        """A window onto registers."""
        base, length = request.base_addr, request.length
        if not any(is_within(base, *block) and is_within(base + length - 1, *block) for block in self._blocks()):
            message = f"nothing is mapped at 0x{base:08x} to 0x{base + length - 1:08x}"
            return self._messages.GetMmioResponse(status=False, msg=message)
        name = f"mmio{next(self._numbers)}"
        self._windows[name] = base, length
        return self._messages.GetMmioResponse(status=True, mmio_id=name)

    def read(self, request: Any) -> Any:
        """One word, or fewer bytes. The reply has room for no more: the upper half of an 8-byte read is lost."""
        try:
            with self._lock:
                value = self._read_word(self._address(request.mmio_id, request.offset, WORD_BYTES))
        except (BusError, LinkError) as error:
            return self._messages.ReadResponse(status=False, msg=str(error))
        value &= (1 << 8 * min(request.length, WORD_BYTES)) - 1
        if self._signed and value >> 31:  # what C++ makes of a word that it puts into such a field
            value -= 1 << 32
        return self._messages.ReadResponse(status=True, data=value)

    def write(self, request: Any) -> Any:
        """Words, one after the other."""
        data = request.data
        try:
            with self._lock:
                address = self._address(request.mmio_id, request.offset, len(data))
                for start in range(0, len(data), WORD_BYTES):
                    self._write_word(address + start, int.from_bytes(data[start : start + WORD_BYTES], "little"))
        except (BusError, LinkError) as error:
            return self._messages.WriteResponse(status=False, msg=str(error))
        return self._messages.WriteResponse(status=True)

    def _address(self, name: str, offset: int, num_bytes: int) -> int:
        if name not in self._windows:
            raise BusError(f"there is no register window {name!r}: the board was started anew, open the overlay again")
        base, length = self._windows[name]
        if offset % WORD_BYTES or offset + num_bytes > length:
            raise BusError(f"offset 0x{offset:x} is not a word within the {length} bytes at 0x{base:08x}")
        return base + offset

    def _blocks(self) -> Sequence[tuple[int, int]]:
        return (*self._registers.blocks, *self._logic.blocks)

    def _is_system_s(self, address: int) -> bool:
        return any(is_within(address, *block) for block in self._registers.blocks)

    def _read_word(self, address: int) -> int:
        return self._registers.read(address) if self._is_system_s(address) else self._logic.read(address)

    def _write_word(self, address: int, value: int) -> None:
        if self._is_system_s(address):
            self._registers.write(address, value)
        else:
            self._logic.write(address, value)


class BufferService:
    """RemoteBuffer. There is no cache in front of this memory: nothing to write back or to drop."""

    def __init__(self, messages: Any, memory: Memory, lock: threading.Lock) -> None:
        self._messages, self._memory, self._lock = messages, memory, lock

    def allocate(self, request: Any) -> Any:
        """A new buffer."""
        try:
            with self._lock:
                return self._messages.AllocateResponse(buffer_id=self._memory.allocate(request.size))
        except BufferAccessError as error:  # the client does not look at this reply's msg
            raise RefusedError(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error)) from error

    def write(self, requests: Iterator[Any]) -> Any:
        """Into a buffer, from where the first part says, which pynq leaves at 0."""
        parts = list(requests)
        try:
            with self._lock:
                if parts:
                    self._memory.write(parts[0].buffer_id, parts[0].start, b"".join(part.data for part in parts))
        except BufferAccessError as error:
            return self._messages.BufferWriteResponse(msg=str(error))
        return self._messages.BufferWriteResponse()

    def read(self, request: Any) -> Iterator[Any]:
        """A whole buffer, in parts."""
        try:
            with self._lock:
                data = self._memory.read(request.buffer_id)
        except BufferAccessError as error:
            raise RefusedError(grpc.StatusCode.NOT_FOUND, str(error)) from error
        starts = range(0, len(data), CHUNK_BYTES)
        return (self._messages.BufferReadResponse(data=data[start : start + CHUNK_BYTES]) for start in starts)

    def freebuffer(self, request: Any) -> Any:
        """Give a buffer back."""
        try:
            with self._lock:
                self._memory.release(request.buffer_id)
        except BufferAccessError as error:
            return self._messages.FreeBufferResponse(msg=str(error))
        return self._messages.FreeBufferResponse()

    def physical_address(self, request: Any) -> Any:
        """Where the DMA finds a buffer."""
        try:
            with self._lock:
                return self._messages.AddressResponse(address=self._memory.place(request.buffer_id)[0])
        except BufferAccessError as error:
            return self._messages.AddressResponse(msg=str(error))

    def flush(self, _: Any) -> Any:
        """Nothing to write back."""
        return self._messages.FlushResponse()

    def invalidate(self, _: Any) -> Any:
        """Nothing to drop."""
        return self._messages.InvalidateResponse()
