"""Serves simulated boards for the command line: finds the decoder, then carries bytes until it is stopped."""

import shlex
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.boards.uart_line import SimulatedLine, gates_line, rtl_line
from bridge.boards.uart_port import SimulatedPort
from bridge.decoders import Decoder, find_decoder
from bridge.errors import LinkOpenError
from bridge.links.pynq.library import require_pynq
from bridge.loop import LoopSettings, session_problem
from hdl.boards.bitstream import build_bitstream
from hdl.boards.board import Board, find_board
from hdl.compile.manifest import DecoderFolder
from hdl.errors import HdlError
from qtwin.loops import TwinChoice, default_backend, one_message, reach_twin
from qtwin.terminal import Console

if TYPE_CHECKING:
    from hdl.boards.vivado.board import VivadoBoard


def board_decoder(settings: LoopSettings, backend_id: str | None, twin_choice: TwinChoice) -> DecoderFolder:
    """The decoder to put on a board: a folder by its path, else one compiled for a session with these settings.

    Raises:
        LinkOpenError: there is none, or it is software.
    """
    path = Path(settings.decoder)
    try:
        if path.exists():
            return DecoderFolder(path)
    except HdlError as error:
        raise LinkOpenError(str(error)) from error
    decoder = session_decoder(settings, backend_id, twin_choice)
    if decoder.folder is None:
        raise LinkOpenError(f"the decoder {decoder.name} is software, there is no RTL to put on a board")
    return decoder.folder


def session_decoder(settings: LoopSettings, backend_id: str | None, twin_choice: TwinChoice) -> Decoder:
    """The decoder for a session with these settings, found or compiled."""
    backend_id = backend_id or default_backend(settings.code, settings.distance)
    settings = replace(settings, backend_id=backend_id, shots=1)
    with tempfile.TemporaryDirectory() as scratch, reach_twin(twin_choice, Path(scratch)) as twin:
        return find_decoder(settings.decoder, session_problem(settings, twin))


def loop_options(settings: LoopSettings, backend_id: str | None) -> str:
    """What `qtwin loop` has to be told so that its session is the one of these settings; a space before each word."""
    defaults = LoopSettings()
    chosen = {
        "decoder": settings.decoder != defaults.decoder,
        "code": settings.code != defaults.code,
        "distance": settings.distance != defaults.distance,
        "rounds": settings.rounds != settings.distance,
        "basis": settings.basis != defaults.basis,
        "noise": settings.noise != defaults.noise,
    }
    words = [f"--{name} {shlex.quote(str(getattr(settings, name)))}" for name, is_chosen in chosen.items() if is_chosen]
    return "".join(f" {word}" for word in [*words, *([f"--backend {backend_id}"] if backend_id else [])])


def serve_uart(
    settings: LoopSettings,
    backend_id: str | None,
    twin_choice: TwinChoice,
    alias: Path | None,
    clocks_per_bit: int,
    gates: str | None,
) -> None:
    """A serial port with the decoder behind it, until SIGINT or SIGTERM; SIGUSR1 presses the board's reset button.

    gates: a board whose bitstream's gates are simulated, at its own clock cycles a bit, in place of the RTL.
    """
    console, errors = Console(), Console(stderr=True)
    with one_message(errors):
        board = None if gates is None else _board(gates)
        folder = board_decoder(settings, backend_id, twin_choice)
        what = "behind a UART" if board is None else f"for the {board.file.name}, and its gates to be simulated"
        errors.print(f"building {folder.manifest.name} {what} (once per content)", highlight=False)
        line = rtl_line(folder, clocks_per_bit) if board is None else _gates_line(board, folder)
        with SimulatedPort(line, alias) as port, stop_signals() as stopped:
            signal.signal(signal.SIGUSR1, lambda *_: port.press_reset())
            console.print(f"port: {port.path}", highlight=False)
            console.print(f"decoder: {folder.manifest.name}, {line.clocks_per_bit} clock cycles a bit", highlight=False)
            options = loop_options(settings, backend_id)
            console.print(
                f"use it: qtwin loop{options} --link uart:{alias or port.path}", highlight=False, soft_wrap=True
            )
            port.serve(stopped.is_set)


def _board(name: str) -> Board:
    try:
        return find_board(name)
    except HdlError as error:
        raise LinkOpenError(str(error)) from error


def _gates_line(board: Board, folder: DecoderFolder) -> SimulatedLine:
    try:
        return gates_line(build_bitstream(board, folder))
    except HdlError as error:
        raise LinkOpenError(str(error)) from error


def write_pynq_project(
    settings: LoopSettings, backend_id: str | None, twin_choice: TwinChoice, board_name: str, folder: Path
) -> None:
    """The Vivado project that puts the decoder onto a real Zynq board."""
    from hdl.boards.vivado.project import write_project

    with one_message(Console(stderr=True)):
        board = _zynq_board(board_name)
        decoder = board_decoder(settings, backend_id, twin_choice)
        try:
            write_project(decoder, board, folder)
        except HdlError as error:
            raise LinkOpenError(str(error)) from error
    console = Console()
    console.print(f"project: {folder}/ of {decoder.manifest.name} for a {board.name}", highlight=False, soft_wrap=True)
    console.print(f"build it: vivado -mode batch -source {folder / 'build.tcl'}", highlight=False, soft_wrap=True)
    console.print(
        f"use it: qtwin loop{loop_options(settings, backend_id)} --link pynq:ADDRESS,{folder / 'decoder.bit'}",
        highlight=False,
        soft_wrap=True,
    )


def _zynq_board(name: str) -> "VivadoBoard":
    from hdl.boards.vivado.board import find_board

    try:
        return find_board(name)
    except HdlError as error:
        raise LinkOpenError(str(error)) from error


@dataclass(frozen=True, slots=True)
class ServedBoard:
    """A simulated Zynq board as the command line names it; see `bridge.boards.pynq.board.BoardSettings`."""

    board: str
    address: str
    simulator: str
    overlay: Path | None
    server: str


def serve_pynq(settings: LoopSettings, backend_id: str | None, twin_choice: TwinChoice, served: ServedBoard) -> None:
    """A Zynq board with the decoder behind an AXI DMA, until SIGINT or SIGTERM."""
    console, errors = Console(), Console(stderr=True)
    with one_message(errors):
        require_pynq()
        from bridge.boards.pynq.board import BoardSettings, running_board

        board = _zynq_board(served.board)
        folder = board_decoder(settings, backend_id, twin_choice)
        errors.print(
            f"building {folder.manifest.name} behind an AXI DMA for a {board.name} (once per content)", highlight=False
        )
        made = BoardSettings(
            folder, board, served.address, simulator=served.simulator, overlay=served.overlay, server=served.server
        )
        with running_board(made) as bitstream, stop_signals() as stopped:
            console.print(f"board: {served.address}", highlight=False)
            console.print(f"decoder: {folder.path}", highlight=False, soft_wrap=True)
            console.print(f"overlay: {bitstream}", highlight=False, soft_wrap=True)
            options = loop_options(replace(settings, decoder=str(folder.path)), backend_id)
            console.print(f"use it: qtwin loop{options} --link pynq:{served.address}", highlight=False, soft_wrap=True)
            stopped.wait()


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set, in place of what they did before."""
    stopped = threading.Event()
    before = {number: signal.signal(number, lambda *_: stopped.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
