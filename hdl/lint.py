"""`python -m hdl.lint`: Verilator's lint over all RTL and a compiled decoder of each kind, every warning an error."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hdl.boards.board import Board, Clock, boards, find_board
from hdl.boards.vivado.design import TOP as PYNQ_TOP
from hdl.boards.vivado.project import WRAPPER as PYNQ_WRAPPER
from hdl.build import verilator_environment
from hdl.compile.decoder import RTL_FOLDER, UART_RTL, UART_TOP
from hdl.compile.manifest import DecoderFolder
from hdl.compile.samples import sample_decoders
from hdl.compile.stream_wrapper import ADAPTER
from hdl.design import Design
from hdl.errors import HdlError
from hdl.places import cache_folder
from hdl.synth.toolbox import yosys_share
from hdl.verilator import look_over

TIMEOUT_S = 300.0
TELLING = (
    "SELRANGE", "WIDTHTRUNC", "WIDTHEXPAND", "WIDTHCONCAT", "PINMISSING", "UNDRIVEN", "MULTIDRIVEN", "LATCH",
    "UNOPTFLAT", "CASEINCOMPLETE", "IMPLICIT", "ALWCOMBORDER", "COMBDLY", "BLKSEQ", "BLKANDNBLK", "INITIALDLY",
)  # fmt: skip
"""Verilator's warnings that may mean a wrong number, or another one in hardware than in simulation."""
WARNING = re.compile(r"%Warning-(\w+): (.*?):(\d+):\d+: ")
ADVICE = re.compile(r"For warning description|Use \"/\* verilator|^%Warning-\w+: .*Logical operator")
WAIVERS = Path(__file__).parent / "lint.vlt"
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


@dataclass(frozen=True, slots=True)
class DesignWarning:
    """What Verilator says of a line. code: Verilator's name of it, such as SELRANGE; text: all of its lines."""

    code: str
    file: Path
    line: int
    text: str


def design_warnings(design: Design) -> list[DesignWarning]:
    """What in a user's own files may mean a wrong number; our own files, and those of the build cache, are left out.

    Raises:
        ToolMissingError: no Verilator. BuildError: the RTL does not compile.
    """
    output = look_over(design, [f"-Wwarn-{code}" for code in TELLING])
    ours = (RTL_FOLDER.parent, cache_folder())
    found: dict[DesignWarning, None] = {}
    for part in re.split(r"^(?=%)", output, flags=re.MULTILINE):
        match = WARNING.match(part)
        if match and not any(Path(match[2]).is_relative_to(folder) for folder in ours):
            found[DesignWarning(match[1], Path(match[2]), int(match[3]), _plain_text(part))] = None
    return list(found)


def _plain_text(part: str) -> str:
    """A warning without Verilator's advice on how to silence it."""
    lines = [line.rstrip() for line in part.splitlines() if not ADVICE.search(line)]
    return "\n".join(filter(None, lines))


def lint_board(board: Board, clock: Clock, decoder: Sequence[Path]) -> str:
    """The same for a board's top around a decoder, with the parameters of one of its clocks."""
    cells = [argument for name in board.family.ports for argument in ("-v", str(yosys_share() / name))]
    chosen = [f"-G{name}={value}" for name, value in clock.top_parameters.items()]
    return lint_top(board.file.top, [*decoder, *board.sources], [*chosen, *cells])


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
