"""`python -m bridge.boards.pynq DECODER`: the board of `qtwin board --pynq`, for a link that starts its own."""

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

from bridge.boards.pynq import SERVERS, SIMULATORS
from bridge.boards.pynq.board import BoardSettings, running_board
from bridge.boards.pynq.logic import LogicLimits
from bridge.errors import BridgeError
from hdl.boards.vivado.board import DEFAULT_BOARD, find_board
from hdl.compile.manifest import DecoderFolder
from hdl.errors import HdlError


def main() -> None:
    """Serve a board until standard input closes."""
    parser = argparse.ArgumentParser(prog="python -m bridge.boards.pynq", description=__doc__)
    parser.add_argument("decoder", type=Path)
    parser.add_argument("--address", required=True)
    parser.add_argument("--board", default=DEFAULT_BOARD)
    parser.add_argument("--server", choices=SERVERS, default=SERVERS[0])
    parser.add_argument("--simulator", choices=SIMULATORS, default=SIMULATORS[0])
    parser.add_argument("--overlay", type=Path)
    parser.add_argument("--idle-cycles", type=int, required=True)
    parser.add_argument("--stall-s", type=float, required=True)
    parser.add_argument("--ready-file", type=Path, required=True)
    arguments = parser.parse_args()
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    threading.Thread(target=_set_when_stdin_closes, args=(stopped,), daemon=True).start()
    limits = LogicLimits(idle_cycles=arguments.idle_cycles, stall_s=arguments.stall_s)
    try:
        settings = BoardSettings(
            DecoderFolder(arguments.decoder),
            find_board(arguments.board),
            arguments.address,
            simulator=arguments.simulator,
            overlay=arguments.overlay,
            server=arguments.server,
            limits=limits,
        )
        with running_board(settings) as bitstream:
            _write_whole(arguments.ready_file, str(bitstream))
            stopped.wait()
    except (BridgeError, HdlError, OSError) as error:
        sys.exit(f"qtwin: {error}")


def _set_when_stdin_closes(stopped: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 1 << 12):  # not through the buffer, whose lock would outlive the interpreter
        pass
    stopped.set()


def _write_whole(file: Path, text: str) -> None:
    new = file.with_name(f".{file.name}.new")
    new.write_text(text)
    new.replace(file)


if __name__ == "__main__":
    main()
