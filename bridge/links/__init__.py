"""Links by name: how a decoder is reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import numpy as np

from bridge.errors import LinkOpenError
from bridge.links.base import Deadlines, Link, TimedLink
from bridge.suggestions import did_you_mean

if TYPE_CHECKING:
    # A board's own processor has neither Stim nor PyMatching, and needs no more than one link.
    from bridge.decoders import Decoder
    from bridge.links.faulty.options import FaultOptions
    from bridge.links.uart.line import Line
    from bridge.problem import DecodingProblem
    from hdl.compile.manifest import DecoderFolder

    LinkMaker = Callable[[str, Decoder, DecodingProblem, Deadlines], Link]


def _software(argument: str, decoder: Decoder, problem: DecodingProblem, deadlines: Deadlines) -> Link:
    from bridge.links.software import SoftwareLink

    del argument, deadlines
    if decoder.software is None:
        raise LinkOpenError(
            f"the decoder {decoder.name} has no software form; use --link verilated or --link cocotb for its RTL"
        )
    return SoftwareLink(decoder.software(), problem, decoder)


def _verilated(argument: str, decoder: Decoder, problem: DecodingProblem, deadlines: Deadlines) -> Link:
    from bridge.links.verilated import VerilatedLink

    del argument, problem
    return VerilatedLink(_rtl(decoder), deadlines)


def _cocotb(argument: str, decoder: Decoder, problem: DecodingProblem, deadlines: Deadlines) -> Link:
    from bridge.links.cosim import CocotbLink
    from hdl.simulation import language_for

    del problem
    simulator = argument or "verilator"
    return CocotbLink(_rtl(decoder, language_for(simulator)), simulator, deadlines)


def _uart(argument: str, decoder: Decoder, problem: DecodingProblem, deadlines: Deadlines) -> Link:
    del problem
    return _uart_link(argument, decoder, deadlines, lambda line: line)


def _uart_link(argument: str, decoder: Decoder, deadlines: Deadlines, wrapped: Callable[[Line], Line]) -> Link:
    from bridge.links.uart import UartLink
    from bridge.links.uart.line import SerialLine, uart_address

    address = uart_address(argument)
    return UartLink(
        address.where,
        lambda: wrapped(SerialLine(address, deadlines.register_s)),
        deadlines,
        decoder.num_frames,
    )


def _faulty(argument: str, decoder: Decoder, problem: DecodingProblem, deadlines: Deadlines) -> Link:
    from bridge.links.faulty import FaultyLine, FaultyLink

    options, scheme, inner = _faults_of(argument)
    generator = np.random.default_rng(options.seed)
    if scheme == "uart":
        address = inner.partition(":")[2]
        link = _uart_link(address, decoder, deadlines, lambda line: FaultyLine(line, options, generator))
        return _adapted(link, scheme, decoder, problem)
    return FaultyLink(make_link(inner, decoder, problem, deadlines), options, generator)


def _faults_of(argument: str) -> tuple[FaultOptions, str, str]:
    """The faults, and the scheme and the name of the link that has them; raises LinkOpenError."""
    from bridge.links.faulty.options import BYTE_FAULTS, fault_options

    text, _, inner = argument.partition("/")
    if not inner:
        raise LinkOpenError("faulty: what are the faults, and of which link? Write faulty:ber=1e-4,seed=1/uart:PORT")
    options, scheme = fault_options(text), inner.partition(":")[0]
    wrong = [name for name in BYTE_FAULTS if getattr(options, name)]
    if wrong and scheme != "uart":
        raise LinkOpenError(f"faulty: {', '.join(wrong)} happens to bytes on a serial line (uart), not to {scheme}")
    return options, scheme, inner


def _pynq(argument: str, decoder: Decoder, problem: DecodingProblem, deadlines: Deadlines) -> Link:
    from bridge.links.pynq.link import PynqLink

    del problem
    return PynqLink(_folder(decoder), argument, deadlines)  # its projects put the ports around a stream


LINKS: Mapping[str, LinkMaker] = MappingProxyType(
    {
        "software": _software,
        "verilated": _verilated,
        "cocotb": _cocotb,
        "uart": _uart,
        "pynq": _pynq,
        "faulty": _faulty,
    },
)


def make_link(name: str, decoder: Decoder, problem: DecodingProblem, deadlines: Deadlines) -> Link:
    """A link that is not open yet.

    Args:
        name: a key of `LINKS`, with an argument after a colon where one is taken (`cocotb:icarus`).
        decoder: what to reach.
        problem: what the decoder solves.
        deadlines: for every wait of the link.

    Raises:
        LinkOpenError: no such link, or the decoder cannot be reached by it.
    """
    check_link(name)
    scheme, _, argument = name.partition(":")
    make: LinkMaker = LINKS[scheme]
    return _adapted(make(argument, decoder, problem, deadlines), scheme, decoder, problem)


def check_link(name: str, *, is_here: bool = False) -> None:
    """What can be told of a link before anything is started.

    Args:
        name: see `make_link`.
        is_here: the link is to be opened on this machine, so its port and its files have to be here, too.

    Raises:
        LinkOpenError: no such link, or what stands after its name is not for it.
    """
    scheme, colon, argument = name.partition(":")
    if scheme not in LINKS:
        raise LinkOpenError(
            f"there is no link {name!r}: expected one of {', '.join(LINKS)} "
            "(cocotb:SIMULATOR: verilator, icarus, ghdl, nvc; uart:PORT for a board; faulty:FAULTS/LINK for faults)"
            f"{did_you_mean(scheme, LINKS)}"
        )
    if scheme == "cocotb":
        from bridge.links.cosim.link import check_simulator

        check_simulator(argument or "verilator")
    elif scheme == "uart":
        from bridge.links.uart.line import check_port, uart_address

        address = uart_address(argument)
        if is_here:
            check_port(address)
    elif scheme == "pynq":
        from bridge.links.pynq.choice import check_choice, parse_choice

        if colon and not argument:
            raise LinkOpenError(
                "pynq: which board? Write pynq:ADDRESS, pynq:ADDRESS,FILE.bit or pynq:simulated; "
                "pynq alone is the board that this runs on"
            )
        choice = parse_choice(argument)
        if is_here:
            check_choice(choice)
    elif scheme == "faulty":
        _, _, inner = _faults_of(argument)
        check_link(inner, is_here=is_here)
    elif colon:
        raise LinkOpenError(f"there is no link {name!r}: nothing stands after {scheme}")


def default_link(decoder: Decoder) -> str:
    """Fast simulation of the RTL where there is RTL, else software."""
    return "verilated" if decoder.folder is not None else "software"


def trace_link(
    decoder: Decoder, deadlines: Deadlines, trace_file: Path, problem: DecodingProblem | None = None
) -> Link:
    """A link that records the waveform of everything that passes over it, in Verilator.

    problem: needed for a decoder with a stream of its own, if qds1 is to be sent to it.
    """
    from bridge.links.verilated import VerilatedLink

    link = VerilatedLink(_rtl(decoder), deadlines, trace_file)
    return link if problem is None else _adapted(link, "verilated", decoder, problem)


def waveform_format() -> str:
    """Format that waveforms are recorded in here: "fst" where its compression library is installed, else "vcd"."""
    from bridge.links.verilated.library import can_record_fst

    return "fst" if can_record_fst() else "vcd"


def _adapted(link: Link, scheme: str, decoder: Decoder, problem: DecodingProblem) -> Link:
    """A link around one to a decoder whose words or corrections are its own."""
    folder = decoder.folder
    if folder is None or scheme in ("software", "faulty"):  # faulty: the link behind it is adapted already
        return link
    if folder.manifest.stream is None and folder.manifest.corrections == "observables":
        return link
    from bridge.links.adapted import AdaptedLink, TimedAdaptedLink

    if isinstance(link, TimedLink):
        return TimedAdaptedLink(link, folder, problem)
    return AdaptedLink(link, folder, problem)


def _folder(decoder: Decoder) -> DecoderFolder:
    if decoder.folder is None:
        raise LinkOpenError(f"the decoder {decoder.name} is software, there is no RTL to simulate; use --link software")
    return decoder.folder


def _rtl(decoder: Decoder, language: Literal["verilog", "vhdl"] = "verilog") -> DecoderFolder:
    folder = _folder(decoder)
    from hdl.compile.stream_wrapper import with_qds1_ports
    from hdl.errors import HdlError

    try:
        return with_qds1_ports(folder, language)
    except HdlError as error:
        raise LinkOpenError(str(error)) from error
