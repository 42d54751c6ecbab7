"""Opens the overlay of a decoder on a board, and turns what goes wrong there into the bridge's own errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from bridge.boards.pynq import SIMULATED_SUFFIX
from bridge.errors import DecoderMismatchError, LinkError, LinkLostError, LinkOpenError, RegisterError
from bridge.links.base import Deadlines, LinkInfo, Words
from bridge.links.pynq.child import ChildBoard
from bridge.links.pynq.choice import parse_choice
from bridge.links.pynq.library import (
    active,
    forget_last_board,
    import_pynq,
    local_device,
    remote_address,
    remote_device,
    renew_firmware,
    require_pynq,
    without_known_warnings,
)
from hdl.boards.vivado import design
from hdl.boards.vivado.board import find_board, overlay_folder
from hdl.boards.vivado.systems import SYSTEMS
from hdl.compile.manifest import DecoderFolder
from hdl.errors import HdlError
from hdl.places import cache_folder
from hdl.registers.map import (
    FEATURES_NO_STATISTICS,
    FIELDS,
    HISTOGRAM_WORDS,
    ID_VALUE,
    TABLE_WORDS,
    VERSION_MAJOR,
    VERSION_MAJOR_VALUE,
    Address,
)

if TYPE_CHECKING:
    from bridge.links.pynq.driver import DecoderBoard

BOARD_FILE = Path("/proc/device-tree/chosen/pynq_board")
SIMULATOR_FILE = "/etc/qtwin-simulator"
USER_CORE = "user"
WORD_BYTES = 4
STREAM_REGISTERS = (Address.ID, Address.VERSION, Address.GRAPH_HASH, Address.CLOCK_HZ, Address.RESPONSES_PER_PACKET)
"""All that there is around a decoder with a stream of its own."""


class PynqLink:
    """A decoder on a PYNQ board: the same code on the board, from a host, and against a simulated board.

    Attributes:
        board: the driver; None while the link is not open.
        child: the simulated board that the link has started, if any.
    """

    def __init__(self, decoder: DecoderFolder, argument: str, deadlines: Deadlines) -> None:
        """Nothing is reached or started before `open`. argument: see `parse_choice`."""
        self._decoder = decoder
        self._choice = parse_choice(argument)
        self._deadlines = deadlines
        self.child: ChildBoard | None = None
        self._device: Any = None
        self._lacks_statistics = False
        self.board: DecoderBoard | None = None

    def open(self) -> LinkInfo:
        """Reach the board, download the overlay and check what is in it; see `Link.open`.

        Raises:
            DecoderMismatchError: the bitstream has another decoder than the manifest.
        """
        try:
            return self._open()
        except BaseException:
            self.abort()
            raise

    def exchange(self, words: Words, num_answers: int) -> Words:
        """See `Link.exchange`."""
        board = self._opened()
        with self._board_errors("exchanging words"):
            return board.exchange(words, num_answers, self._deadlines.exchange_s)

    def read_register(self, address: int) -> int:
        """See `Link.read_register`."""
        board = self._opened()
        self._check_address(address, writing=False)
        with self._register_errors(address):
            return board.read_register(address)

    def write_register(self, address: int, value: int) -> None:
        """See `Link.write_register`."""
        board = self._opened()
        self._check_address(address, writing=True)
        with self._register_errors(address):
            board.write_register(address, value)

    def reset(self) -> None:
        """See `Link.reset`: the overlay is downloaded again."""
        board = self._opened()
        with self._board_errors("resetting"), self._pynq_state():
            board.reset()

    def close(self) -> None:
        """See `Link.close`."""
        if self.board is not None:
            board, self.board = self.board, None
            with self._board_errors("freeing the buffers"):
                board.free()
        self._disconnect()
        if self.child is not None:
            self.child.stop()
            self.child = None

    def abort(self) -> None:
        """See `Link.abort`."""
        self.board = None
        if self.child is not None:
            self.child.kill()
            self.child = None
        self._disconnect()

    # ---- opening

    def _open(self) -> LinkInfo:
        choice, deadlines = self._choice, self._deadlines
        address, overlay = choice.address or remote_address(), choice.overlay
        if choice.simulator is not None:
            self.child = ChildBoard(
                self._project(choice.board),
                ["--simulator", choice.simulator, "--board", choice.board, "--server", choice.server],
                idle_cycles=deadlines.idle_cycles,
                deadline_s=deadlines.open_s,
            )
            address, overlay = self.child.address, self.child.bitstream
        pynq = import_pynq(address)
        with self._opening(address):
            self._device = self._find_device(pynq, address)
            name = self._board_name(address)
            overlay = overlay or self._decoder.path / overlay_folder(name) / f"{design.OVERLAY}.bit"
            _check_overlay(overlay, name, getattr(self._device, "arch", None))
            self.board = self._load(pynq, overlay)
        self._check_identity(overlay)
        if self._decoder.manifest.core != USER_CORE:
            self._lacks_statistics = bool(FEATURES_NO_STATISTICS.get(self.read_register(Address.FEATURES)))
        return LinkInfo(link="pynq", simulator=self._simulator(name), clocked=True)

    def _project(self, board_name: str) -> Path:
        """Manifest of the decoder under the board's top; its own may have formulas, whose values are known here."""
        require_pynq()
        from bridge.boards.pynq.board import board_project

        try:
            board = find_board(board_name)
            board.clock_divisors(self._decoder.manifest.clock_mhz)
            return board_project(self._decoder, board).manifest_file
        except HdlError as error:
            raise LinkOpenError(str(error)) from error

    def _find_device(self, pynq: Any, address: str | None) -> Any:
        if address is None:
            return local_device(pynq)
        return remote_device(address, self._deadlines.exchange_s)

    def _board_name(self, address: str | None) -> str:
        if address is None and BOARD_FILE.exists():
            return BOARD_FILE.read_text().strip("\0\n ")
        return str(self._device.name)

    def _load(self, pynq: Any, overlay: Path) -> "DecoderBoard":
        from bridge.links.pynq.driver import DecoderBoard

        remote = hasattr(self._device, "disconnect")
        with self._pynq_state():
            forget_last_board(remote=remote)
            if remote:
                renew_firmware(self._device, overlay)
            return DecoderBoard(pynq.Overlay(str(overlay.resolve()), device=self._device))

    def _check_identity(self, overlay: Path) -> None:
        manifest = self._decoder.manifest
        identity, version = self.read_register(Address.ID), self.read_register(Address.VERSION)
        rebuild = "build the overlay of this decoder again (docs/pynq.md)"
        if identity != ID_VALUE:
            raise DecoderMismatchError(
                f"{overlay} is no qds1 decoder: its ID register reads 0x{identity:08x}, not 0x{ID_VALUE:08x}; {rebuild}"
            )
        if VERSION_MAJOR.get(version) != VERSION_MAJOR_VALUE:
            raise DecoderMismatchError(
                f"{overlay} speaks version {VERSION_MAJOR.get(version)} of the protocol, "
                f"this qtwin speaks version {VERSION_MAJOR_VALUE}; {rebuild}"
            )
        graph_hash = self.read_register(Address.GRAPH_HASH)
        if manifest.graph_hash not in (None, graph_hash):
            raise DecoderMismatchError(
                f"{overlay} was built for graph 0x{graph_hash:08x}, "
                f"the decoder {manifest.name} for 0x{manifest.graph_hash:08x}; {rebuild}"
            )

    def _simulator(self, board_name: str) -> str | None:
        if not board_name.endswith(SIMULATED_SUFFIX):
            return None
        with self._board_errors("asking for its simulator"):
            return str(self._device.read_file(SIMULATOR_FILE).decode())

    # ---- what can go wrong

    def _opened(self) -> "DecoderBoard":
        if self.board is None:
            raise LinkError("the link is not open; call open() first")
        return self.board

    def _disconnect(self) -> None:
        device, self._device = self._device, None
        if hasattr(device, "disconnect"):
            device.disconnect()

    def _check_address(self, address: int, *, writing: bool) -> None:
        """Refuse what no decoder has: on a real board such an access is a bus error, which ends the process."""
        if self._decoder.manifest.stream is not None and address not in STREAM_REGISTERS:
            raise RegisterError(
                f"register 0x{address:03x}: a decoder with a stream of its own has none at this address"
            )
        if self._decoder.manifest.core == USER_CORE:
            return
        if self._lacks_statistics and _is_statistics(address):
            raise RegisterError(f"register 0x{address:03x}: there is none, the decoder is built without statistics")
        windows = (
            (Address.HISTOGRAM, HISTOGRAM_WORDS, False),
            (Address.TABLE, TABLE_WORDS, True),
        )
        if any(
            start <= address < start + WORD_BYTES * num_words and (writable or not writing)
            for start, num_words, writable in windows
        ):
            return
        fields = {int(known): facts for known, facts in FIELDS.items()}.get(address)
        if fields is None:
            raise RegisterError(f"register 0x{address:03x}: there is none at this address")
        if writing and all(field.access == "read-only" for field in fields):
            raise RegisterError(f"register 0x{address:03x}: it can only be read")

    @contextmanager
    def _pynq_state(self) -> Iterator[None]:
        """While pynq reads or writes what it keeps of the last overlay, in files that all its processes share.

        In this process it keeps one board and its clocks; with several, they have to be this link's meanwhile.
        """
        lock = cache_folder() / "pynq.lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(lock, timeout=self._deadlines.open_s), without_known_warnings(), active(self._device):
                yield
        except Timeout as error:
            raise LinkOpenError(f"another process has been opening an overlay for too long ({lock}); end it") from error

    @contextmanager
    def _opening(self, address: str | None) -> Iterator[None]:
        import grpc

        place = "this machine" if address is None else address
        try:
            yield
        except grpc.RpcError as error:
            raise LinkOpenError(f"the board at {place} refused: {_details(error)}") from error
        except (RuntimeError, OSError, ValueError, TypeError) as error:
            raise LinkOpenError(_cannot_open(place, error)) from error

    @contextmanager
    def _board_errors(self, doing: str) -> Iterator[None]:
        import grpc

        try:
            yield
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED:
                raise LinkError(f"{_details(error)}; exchange fewer shots at a time") from error
            raise LinkLostError(f"the board went away while {doing}: {_details(error)}") from error
        except RuntimeError as error:  # it forgot windows and buffers: it was started anew
            raise LinkLostError(f"the board lost its state while {doing}: {error}") from error

    @contextmanager
    def _register_errors(self, address: int) -> Iterator[None]:
        import grpc

        try:
            yield
        except grpc.RpcError as error:
            raise LinkLostError(f"the board went away at register 0x{address:03x}: {_details(error)}") from error
        except RuntimeError as error:
            raise RegisterError(f"register 0x{address:03x}: {error}") from error


def _is_statistics(address: int) -> bool:
    """Whether a register, or a word of a window, is there only with statistics."""
    if Address.HISTOGRAM <= address < Address.HISTOGRAM + WORD_BYTES * HISTOGRAM_WORDS:
        return True
    return Address.COUNT_SHOTS <= address <= Address.LATENCY_SUM_HIGH or address == Address.HISTOGRAM_SHIFT


def _check_overlay(bitstream: Path, board_name: str, arch: str | None) -> None:
    """Raises LinkOpenError where a file is not there, or is for a chip with another processing system."""
    missing = [str(file) for file in (bitstream, bitstream.with_suffix(".hwh")) if not file.is_file()]
    if not missing:
        text = bitstream.with_suffix(".hwh").read_text(encoding="utf-8", errors="replace")
        kinds = [system for system in SYSTEMS.values() if f'MODTYPE="{system.kind}"' in text]
        if arch is not None and kinds and arch not in [system.arch for system in kinds]:
            raise LinkOpenError(
                f"the board is a {board_name} with a processor of {arch}, but {bitstream} is for one of "
                f"{kinds[0].arch} ({kinds[0].kind}); name an overlay that was built for this board"
            )
        return
    remedy = (
        "start that board with this decoder: qtwin board --pynq --decoder FOLDER"
        if board_name.endswith(SIMULATED_SUFFIX)
        else f"build the overlay (docs/pynq.md): vivado -mode batch -source {overlay_folder(board_name)}/build.tcl"
    )
    raise LinkOpenError(
        f"the board is a {board_name}, but there is no {' and no '.join(missing)}; {remedy}, "
        "or name an overlay: --link pynq:ADDRESS,FILE.bit"
    )


def _details(error: Any) -> str:
    return f"{error.details()} ({error.code().name})"


def _cannot_open(place: str, error: Exception) -> str:
    text = str(error)
    if "Failed to connect" in text:
        return (
            f"no board answers at {place}; check its power, its network and that it runs PYNQ.remote, "
            "or start a simulated one: qtwin board --pynq"
        )
    if "No Devices Found" in text:
        return (
            "pynq finds no board here: on a board run this in its own environment (as root), "
            "from a host name the board: --link pynq:ADDRESS, or --link pynq:simulated"
        )
    return f"the board at {place} cannot be opened: {text or type(error).__name__}"
