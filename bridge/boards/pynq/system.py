"""The board's Linux as PYNQ.remote sees it: a few of its files."""

import json

import numpy as np

from bridge.boards.pynq import simulated_name
from bridge.boards.pynq.logic import Logic
from bridge.boards.pynq.overlay import Overlay, payload_facts
from hdl.boards.vivado.board import VivadoBoard

VERSION_FILE = "/proc/version"
BOARD_FILE = "/proc/device-tree/chosen/pynq_board"
SIMULATOR_FILE = "/etc/qtwin-simulator"
"""Of no real board: name and version of what simulates the logic."""
FPGA_MANAGER = "/sys/class/fpga_manager/fpga0/"
FIRMWARE_FOLDER = "/lib/firmware/"


class DownloadError(Exception):
    """The bitstream is not for this board; the message says what was expected."""


class Files:
    """The files that PYNQ.remote reads and writes. Writing a firmware's name to the FPGA manager programs the logic."""

    def __init__(self, board: VivadoBoard, logic: Logic, overlay: Overlay, simulator: str) -> None:
        self._logic = logic
        self._overlay = overlay
        self._firmware: dict[str, bytes] = {}
        self._files = {
            VERSION_FILE: f"Linux version 6.6.0-simulated ({board.system.arch}) #1 SMP\n".encode(),
            BOARD_FILE: simulated_name(board.name).encode() + b"\0",
            SIMULATOR_FILE: simulator.encode(),
            f"{FPGA_MANAGER}state": b"unknown\n",
            f"{FPGA_MANAGER}flags": b"0\n",
        }

    def exists(self, path: str) -> bool:
        """Whether there is such a file."""
        return path in self._files or path.removeprefix(FIRMWARE_FOLDER) in self._firmware

    def read(self, path: str) -> bytes | None:
        """Contents, None when there is no such file."""
        return self._files.get(path)

    def write(self, path: str, data: bytes) -> None:
        """Write a file; raises DownloadError when that should program the logic and cannot."""
        if path == f"{FPGA_MANAGER}firmware":
            self._program(data.decode(errors="replace").strip())
        elif path.startswith(FIRMWARE_FOLDER):
            self._firmware[path.removeprefix(FIRMWARE_FOLDER)] = data
        else:
            self._files[path] = data

    def _program(self, name: str) -> None:
        state = f"{FPGA_MANAGER}state"
        self._files[state] = b"write error\n"
        if name not in self._firmware:
            raise DownloadError(f"there is no {FIRMWARE_FOLDER}{name}; write it before its name")
        # The FPGA manager takes words in the other byte order than a .bit file has.
        words = self._firmware[name]
        payload = np.frombuffer(words, dtype=">u4").astype("<u4").tobytes() if len(words) % 4 == 0 else b""
        if payload != self._overlay.payload:
            raise DownloadError(_explain(payload, self._overlay))
        self._logic.program()
        self._files[state] = b"operating\n"


def _explain(payload: bytes, own: Overlay) -> str:
    facts, expected = payload_facts(payload), json.loads(own.payload)
    found = f"of the decoder {facts.get('decoder')}" if facts else "not of a simulated board"
    if facts and facts.get("decoder") == expected["decoder"]:
        found = "of another version of it"
    if facts and facts["simulated"] != expected["simulated"]:
        found = f"for a {facts['simulated']}, and this is a {expected['simulated']}"
    return (
        f"this simulated board has the RTL of the decoder {expected['decoder']}, but the bitstream is {found}; "
        "use the overlay that the board wrote when it started, or start the board with that decoder"
    )
