"""`python -m hdl.lint`: Verilator's lint over all RTL and a compiled decoder of each kind, every warning an error."""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hdl.boards.board import Board, Clock, boards, find_board
from hdl.boards.vivado.design import TOP as PYNQ_TOP
from hdl.boards.vivado.project import WRAPPER as PYNQ_WRAPPER
from hdl.build import verilator_environment
from hdl.compile.decoder import RTL_FOLDER, UART_RTL, UART_TOP
from hdl.compile.manifest import DecoderFolder
from hdl.compile.samples import sample_decoders
from hdl.compile.stream_wrapper import ADAPTER
from hdl.errors import HdlError
from hdl.synth.toolbox import yosys_share

TIMEOUT_S = 300.0
WAIVERS = Path(__file__).parent / "lint.vlt"
CELLS = {"ecp5": "ecp5/cells_bb.v", "ice40": "ice40/cells_sim.v"}
"""Ports of a family's hard cells, in Yosys's share folder."""
ADAPTER_CHOICES: tuple[dict[str, int], ...] = (
    {},
    {"WordBits": 7, "AnswerWords": 9, "ShotWords": 3, "HasOutLast": 1},
    {"WordBits": 512, "AnswerWords": 3, "InFlight": 4, "Answers": 4, "HasOutReady": 0},
    {"WordBits": 12, "InFlight": 1, "HasOutValid": 0, "Latency": 3},
    {"WordBits": 33, "InFlight": 2, "Answers": 2, "HasOutValid": 0, "Latency": 0},
)


def lint(decoder: DecoderFolder) -> str:
    """What Verilator finds in a decoder's RTL; empty when there is nothing."""
    return lint_top(decoder.manifest.top, decoder.sources)


def lint_top(top: str, sources: Sequence[Path], arguments: Sequence[str] = ()) -> str:
    """What Verilator finds in a module and all below it; empty when there is nothing."""
    done = subprocess.run(
        ["verilator", "--lint-only", "-Wall", "--top-module", top, *arguments, str(WAIVERS), *map(str, sources)],
        env=dict(verilator_environment()),
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=TIMEOUT_S,
    )
    return done.stderr.strip()


def lint_board(board: Board, clock: Clock, decoder: Sequence[Path]) -> str:
    """The same for a board's top around a decoder, with the parameters of one of its clocks."""
    cells = yosys_share() / CELLS[board.file.family]
    parameters = {**clock.parameters, "ClocksPerBit": clock.clocks_per_bit}
    chosen = [f"-G{name}={value}" for name, value in parameters.items()]
    return lint_top(board.file.top, [*decoder, *board.sources], [*chosen, "-v", str(cells)])


def main() -> int:
    """Lint everything; 1 when something was found, or when a file of the RTL was not seen."""
    outputs: dict[str, str] = {}
    seen: set[str] = set()
    with tempfile.TemporaryDirectory() as scratch:
        for name, compiled in sample_decoders(Path(scratch)).items():
            try:
                sources = [*compiled().sources, *(RTL_FOLDER / file for file in UART_RTL)]
                outputs[name] = lint_top(UART_TOP, sources)
                seen |= {source.name for source in sources}
                if name == "table":
                    outputs["vivado"] = lint_top(PYNQ_TOP, [*sources, PYNQ_WRAPPER])
                    for board in map(find_board, boards()):
                        for clock in board.file.clocks:
                            title = f"{board.key}, {clock.mhz:g} MHz"
                            outputs[title] = lint_board(board, clock, sources)
            except HdlError as error:
                outputs[name] = str(error)
    adapter = RTL_FOLDER / ADAPTER  # around a decoder with a stream of its own
    for choice in ADAPTER_CHOICES:
        arguments = [f"-G{name}={value}" for name, value in choice.items()]
        outputs[f"{adapter.stem} {choice}"] = lint_top(adapter.stem, [adapter], arguments)
    seen.add(ADAPTER)
    unseen = sorted(file.name for file in RTL_FOLDER.glob("*.sv") if file.name not in seen)
    if unseen:
        outputs["hdl/rtl"] = f"no decoder instantiates {', '.join(unseen)}"
    for name, output in outputs.items():
        print(f"lint {name}: {output or 'clean'}")
    return 1 if any(outputs.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
