"""Runs a decoder in Icarus, whose values have four states: finds the first X that comes out."""

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hdl.compile.manifest import DecoderFolder
from hdl.compile.stream_wrapper import with_qds1_ports
from hdl.errors import BuildError, SimulationError
from hdl.toolchain import require
from qds1 import CORRECTION_TRAILER_WORDS, Kind
from qds1.shots import Words

TESTBENCH = Path(__file__).with_name("four_state.sv")
TESTBENCH_TOP = "qtwin_four_state"
TIMEOUT_S = 60.0
SILENT_CYCLES = 20_000


@dataclass(frozen=True)
class XFound:
    """The first unknown value at a decoder's output.

    Attributes:
        where: the port.
        text: what was seen, in words.
        word: which word of the correction it is in; None for a header, a port, or another message.
        mask: the unknown bits of that word.
        is_trailer: whether it is in the latency or the status.
    """

    where: str
    text: str
    word: int | None = None
    mask: int = 0
    is_trailer: bool = False


@dataclass(frozen=True)
class FourState:
    """What came out: words, whole answers, and the first X."""

    num_words: int
    num_answers: int
    x: XFound | None


def run_four_state(decoder: DecoderFolder, words: Words, num_answers: int) -> FourState:
    """Send words to a decoder in Icarus.

    Args:
        decoder: manifest and RTL.
        words: its input, of any shape.
        num_answers: that are due.

    Raises:
        ToolMissingError: Icarus is not installed.
        BuildError: Icarus does not compile this RTL.
        SimulationError: the simulation did not end in time.
    """
    require("iverilog")
    wrapped = with_qds1_ports(decoder)
    if wrapped.design.clocks or any(source.language == "vhdl" for source in decoder.design.sources):
        raise BuildError("not tried with a second clock or VHDL")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "words.hex").write_text("\n".join(f"{int(word):08x}" for word in words.ravel()) + "\n")
        testbench = folder / TESTBENCH.name
        testbench.write_text(_testbench(wrapped, words.size, num_answers, folder / "words.hex"))
        program = folder / "program.vvp"
        design = wrapped.design
        design.put_files(folder)
        command = ["iverilog", "-g2012", "-grelative-include", "-s", TESTBENCH_TOP, "-o", str(program)]
        command += [f"-I{each}" for each in design.search_dirs] + [f"-y{each}" for each in design.search_dirs]
        command += ["-Y.sv", "-Y.v"]
        command += [f"-D{name}" if text is None else f"-D{name}={text}" for name, text in design.defines.items()]
        built = _run([*command, str(testbench), *map(str, design.of("verilog"))], folder)
        if built.returncode != 0:
            lines = (built.stderr + built.stdout).strip().splitlines()
            raise BuildError(f"it does not compile in Icarus: {lines[0] if lines else 'no reason given'}")
        output = _run(["vvp", "-n", str(program)], folder).stdout
    return _read(output)


def _testbench(decoder: DecoderFolder, num_words: int, num_answers: int, words_file: Path) -> str:
    values = {
        "@TOP@": decoder.manifest.top,
        "@NUM_WORDS@": str(num_words),
        "@NUM_ANSWERS@": str(num_answers),
        "@SILENT_CYCLES@": str(SILENT_CYCLES),
        "@WORDS@": str(words_file),
    }
    text = TESTBENCH.read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def _run(command: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False, timeout=TIMEOUT_S,
            stdin=subprocess.DEVNULL, cwd=folder,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise SimulationError(f"{Path(command[0]).name} did not end within {TIMEOUT_S:.0f} s") from error


def _read(output: str) -> FourState:
    """Take the testbench's lines apart."""
    left, index, answers, count = 0, 0, 0, 0
    kind, length, before = 0, 0, 0
    found = None
    for line in output.splitlines():
        mark, _, rest = line.partition(" ")
        if mark == "X" and found is None:
            port, _, cycle = rest.partition(" ")
            found = XFound(port, f"{port} is X in cycle {cycle} after the reset")
        if mark == "E":
            return FourState(count, answers, found)
        if mark != "W":
            continue
        bits, _, cycle = rest.partition(" ")
        unknown = _unknown(bits)
        is_header = left == 0
        if is_header:
            kind, length = _value(bits[24:]), _value(bits[16:24])
            left, index = length, -1
        else:
            left, index = left - 1, index + 1
        if unknown and found is None:
            part = "the header" if is_header else f"payload word {index}"
            answer = f"of answer {answers}, 0x{_hex(bits)},"
            is_trailer = kind == Kind.CORRECTION and index >= length - CORRECTION_TRAILER_WORDS
            is_correction = kind == Kind.CORRECTION and not is_header
            found = XFound(
                "m_axis_tdata", f"{part} {answer} in cycle {cycle} after the reset",
                before + index if is_correction else None, unknown, is_trailer,
            )  # fmt: skip
        count += 1
        if left == 0:
            answers += kind != Kind.FRAME
            before = 0
    raise SimulationError("the simulation in Icarus ended before its time")


def _unknown(bits: str) -> int:
    return int("".join("1" if bit in "xXzZ" else "0" for bit in bits), 2)


def _value(bits: str) -> int:
    return int("".join("1" if bit == "1" else "0" for bit in bits), 2)


def _hex(bits: str) -> str:
    """Digits of a word; x where a digit has an unknown bit."""
    digits = [bits[i : i + 4] for i in range(0, 32, 4)]
    return "".join("x" if _unknown(digit) else f"{_value(digit):x}" for digit in digits)
