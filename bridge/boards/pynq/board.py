"""Builds the simulated board of a decoder and serves it."""

import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import grpc

from bridge.boards.pynq import SERVERS, SIMULATORS, simulated_name
from bridge.boards.pynq.logic import Logic, LogicLimits
from bridge.boards.pynq.memory import Memory
from bridge.boards.pynq.overlay import simulated_overlay, write_overlay
from bridge.boards.pynq.registers import SystemRegisters
from bridge.boards.pynq.services import board_services
from bridge.boards.pynq.system import Files
from bridge.errors import LinkOpenError
from bridge.files import reason_of
from bridge.links.base import Deadlines, OpenedLink, PacketLink
from hdl.boards.vivado.board import VivadoBoard, overlay_folder
from hdl.boards.vivado.design import TOP
from hdl.boards.vivado.project import INPUTS, fill_project
from hdl.build import cached_build
from hdl.compile.manifest import MANIFEST_NAME, DecoderFolder
from hdl.errors import HdlError

PYNQ_PORT = 7967
"""PYNQ.remote's port; the client knows no other."""
NUM_THREADS = 8
STOP_S = 0.5
COCOTB_SLICE_CYCLES = 1000
MESSAGE_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class BoardSettings:
    """What to simulate and where.

    Attributes:
        decoder: any decoder's folder.
        board: which board.
        address: IP address to serve on, or unix:PATH. The port is PYNQ.remote's.
        simulator: one of `SIMULATORS`.
        overlay: folder for decoder.bit and decoder.hwh; None = one in the decoder's folder, such as `kv260_simulated`.
        server: the version of PYNQ.remote that it speaks as, one of `SERVERS`.
        boot_pll_mhz: what its boot image made of the PLL from which the logic's clock is divided; None = as the design
            has it.
    """

    decoder: DecoderFolder
    board: VivadoBoard
    address: str = "127.0.0.1"
    simulator: str = SIMULATORS[0]
    overlay: Path | None = None
    server: str = SERVERS[0]
    boot_pll_mhz: float | None = None
    limits: LogicLimits = field(default_factory=LogicLimits)


@contextmanager
def running_board(settings: BoardSettings) -> Iterator[Path]:
    """Serve a board while the block runs; gives the path of its decoder.bit.

    Raises:
        LinkOpenError: the address is taken or not ours, the overlay cannot be made or written, pynq is missing, or the
            RTL cannot be simulated.
    """
    board = settings.board
    try:
        project = board_project(settings.decoder, board)
        overlay = simulated_overlay(project, board)
    except HdlError as error:
        raise LinkOpenError(str(error)) from error
    folder = settings.overlay or settings.decoder.path / overlay_folder(simulated_name(board.name))
    _check_free(settings.address)
    rtl = _rtl_link(project, settings)
    with OpenedLink(rtl) as opened:
        memory, registers = Memory(board), SystemRegisters(board, settings.boot_pll_mhz)
        logic = Logic(rtl, board, memory, registers, _limits(settings))
        files = Files(board, logic, overlay, opened.info.simulator or "")
        services = board_services(files, logic, memory, registers, settings.server)
        try:
            bitstream = write_overlay(overlay, folder)
        except OSError as error:
            raise LinkOpenError(
                f"cannot write the overlay: {reason_of(error)}; name another folder with --overlay"
            ) from error
        server = _server(services, settings.address)
        try:
            yield bitstream
        finally:
            server.stop(STOP_S).wait()


def board_project(decoder: DecoderFolder, board: VivadoBoard) -> DecoderFolder:
    """The decoder under its AXI top, written once per content; raises HdlError. A project is one already."""
    if decoder.manifest.top == TOP:
        return decoder
    key = {
        "what": "Vivado project",
        "board": board.model_dump(),
        "manifest": decoder.manifest.model_dump(mode="json"),
        "design": decoder.design.key(),
        "inputs": INPUTS,
    }
    search = decoder.design.search_dirs
    return DecoderFolder(cached_build(key, lambda folder: fill_project(decoder, board, folder), search) / MANIFEST_NAME)


def _limits(settings: BoardSettings) -> LogicLimits:
    """A cocotb simulation makes thousands of cycles a second, a shared library millions."""
    if settings.simulator == "verilated":
        return settings.limits
    return replace(settings.limits, slice_cycles=COCOTB_SLICE_CYCLES)


def _rtl_link(project: DecoderFolder, settings: BoardSettings) -> PacketLink:
    deadlines = Deadlines()
    if settings.simulator == "verilated":
        from bridge.links.verilated import VerilatedLink

        return VerilatedLink(project, deadlines)
    if settings.simulator in SIMULATORS:
        from bridge.links.cosim import CocotbLink

        return CocotbLink(project, settings.simulator, deadlines)
    raise LinkOpenError(f"there is no simulator {settings.simulator!r}: expected one of {', '.join(SIMULATORS)}")


def _server(services: list[grpc.GenericRpcHandler], address: str) -> grpc.Server:
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # it would print what is said better below
    options = [
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", MESSAGE_BYTES),
        ("grpc.max_send_message_length", MESSAGE_BYTES),
    ]
    server = grpc.server(ThreadPoolExecutor(NUM_THREADS), options=options)
    server.add_generic_rpc_handlers(services)
    try:
        port = server.add_insecure_port(f"{address}:{PYNQ_PORT}")
    except RuntimeError:
        port = 0
    if port == 0:
        raise LinkOpenError(
            f"cannot listen on {address}:{PYNQ_PORT}: it is in use, or not an address of this machine; "
            "choose another with --address, for example 127.0.0.2 or unix:/tmp/board"
        )
    server.start()
    return server


def _check_free(address: str) -> None:
    """gRPC takes a Unix socket over from whoever listens on it: look first."""
    if not address.startswith("unix:"):
        return
    path = f"{address.removeprefix('unix:')}:{PYNQ_PORT}"
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return
    raise LinkOpenError(f"another board listens on {path}; stop it, or choose another --address")
