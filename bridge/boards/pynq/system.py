"""The board's processor as PYNQ.remote sees it: a few of Linux's files, and the clock registers."""

import json

import numpy as np

from bridge.boards.pynq.logic import Logic
from bridge.boards.pynq.overlay import IO_PLL_MHZ, Overlay, payload_facts
from hdl.boards.pynq_z2 import SIMULATED_BOARD_NAME

VERSION_FILE = "/proc/version"
BOARD_FILE = "/proc/device-tree/chosen/pynq_board"
SIMULATOR_FILE = "/etc/qtwin-simulator"
"""Of no real board: name and version of what simulates the logic."""
FPGA_MANAGER = "/sys/class/fpga_manager/fpga0/"
FIRMWARE_FOLDER = "/lib/firmware/"
REFERENCE_MHZ = 50.0
SLCR_BASE, SLCR_BYTES = 0xF800_0000, 0x1000
PLL_CONTROL = {0x100: 26, 0x104: 21, 0x108: round(IO_PLL_MHZ / REFERENCE_MHZ)}
"""ARM, DDR and IO PLL: feedback divisors of the reference clock."""
CPU_CLOCK = {0x120: 0x200}
CLOCK_CONTROL = {0x170 + 16 * index: 5 << 8 | 2 << 20 for index in range(4)}
"""FPGA0 to 3: divisors 5 and 2 of the IO PLL, as after boot."""


class DownloadError(Exception):
    """The bitstream is not for this board; the message says what was expected."""


class Slcr:
    """The registers from which pynq works out and sets the clocks of the logic (Zynq-7000 manual UG585, appendix B)."""

    def __init__(self) -> None:
        plls = {offset: feedback << 12 for offset, feedback in PLL_CONTROL.items()}
        self._registers = {**plls, **CPU_CLOCK, **CLOCK_CONTROL}

    def read(self, offset: int) -> int:
        """Value of a register; 0 for those that are not modelled."""
        return self._registers.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        """Keep what was written."""
        self._registers[offset] = value


class Files:
    """The files that PYNQ.remote reads and writes. Writing a firmware's name to the FPGA manager programs the logic."""

    def __init__(self, logic: Logic, overlay: Overlay, simulator: str) -> None:
        self._logic = logic
        self._overlay = overlay
        self._firmware: dict[str, bytes] = {}
        self._files = {
            VERSION_FILE: b"Linux version 6.6.0-simulated (armv7l) #1 SMP\n",
            BOARD_FILE: SIMULATED_BOARD_NAME.encode() + b"\0",
            SIMULATOR_FILE: simulator.encode(),
            f"{FPGA_MANAGER}state": b"unknown\n",
            f"{FPGA_MANAGER}flags": b"0\n",
        }

    def exists(self, path: str) -> bool:
        """Whether there is such a file. Firmware is always sent anew: pynq would not notice that it has changed."""
        return path in self._files

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
    return (
        f"this simulated board has the RTL of the decoder {expected['decoder']}, but the bitstream is {found}; "
        "use the overlay that the board wrote when it started, or start the board with that decoder"
    )
