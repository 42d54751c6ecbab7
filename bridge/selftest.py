"""Checks any decoder over any link, stage by stage: what failed, and what to do."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from bridge.answers import checked_corrections
from bridge.counters import read_counters
from bridge.decoders import Decoder
from bridge.errors import BridgeError, RegisterError
from bridge.identity import greet_decoder
from bridge.links.base import Link, RepeatingLink
from hdl.registers.map import CONTROL_ENABLE, Address, LinkAddress
from qds1 import encode_shots, split_frames
from qds1.shots import Bits

PATTERNS = (0x0000_0000, 0xFFFF_FFFF, 0xAAAA_AAAA, 0x5555_5555, 0x0123_4567)
NUM_KNOWN_SHOTS = 200
THROUGHPUT_S = 1.0
FIRST_BATCH, LARGEST_BATCH = 64, 65_536
LINK_COUNTERS: Mapping[LinkAddress, str] = MappingProxyType(
    {
        LinkAddress.LINK_BAD_CRC: "the line damages frames: shorten the cable, check ground, lower the baud",
        LinkAddress.LINK_FRAMING_ERRORS: "bytes without stop bit: host and board have different bauds",
        LinkAddress.LINK_OVERRUNS: "the decoder does not keep up with the line: look at COUNT_STALLS",
        LinkAddress.LINK_BAD_FRAMES: "frames too long for the board: another version of qtwin built it",
    }
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one check found. remedy: empty when it passed."""

    stage: str
    passed: bool
    finding: str
    remedy: str = ""


@dataclass(frozen=True)
class Subject:
    """What is tested: a link, not open yet, and the decoder that should be at its other end."""

    link: Link
    decoder: Decoder


class CheckFailedError(Exception):
    """A check failed; carries what to do."""

    def __init__(self, finding: str, remedy: str) -> None:
        super().__init__(finding)
        self.remedy = remedy


Check = Callable[[Subject], str]


def run_selftest(subject: Subject) -> Iterator[Outcome]:
    """Run every stage, each at once as the one before has ended. After a failure the rest would only mislead.

    The link is closed in the end, whatever happened.
    """
    try:
        info = subject.link.open()
        yield Outcome("open", True, f"{info.link}{f' on {info.simulator}' if info.simulator else ''}")
        for stage, check, remedy in STAGES:
            outcome = _outcome(stage, check, remedy, subject)
            yield outcome
            if not outcome.passed:
                return
    except BridgeError as error:
        yield Outcome("open", False, str(error))  # which says what to do
    finally:
        subject.link.close()


def _outcome(stage: str, check: Check, remedy: str, subject: Subject) -> Outcome:
    try:
        return Outcome(stage, True, check(subject))
    except CheckFailedError as error:
        return Outcome(stage, False, str(error), error.remedy)
    except BridgeError as error:
        return Outcome(stage, False, str(error), remedy)


def _identity(subject: Subject) -> str:
    greet_decoder(subject.link, subject.decoder)
    clock_hz = subject.link.read_register(Address.CLOCK_HZ)
    return f"QDS1, graph 0x{subject.decoder.graph_hash:08x}, {clock_hz / 1e6:g} MHz"


def _registers(subject: Subject) -> str:
    """Constants have the values that the decoder was compiled with."""
    if _has_own_stream(subject):
        return "its own stream has those of the identity only"
    layout = subject.decoder.problem.layout
    expected = {
        Address.NUM_STABILIZERS: layout.num_stabilizers,
        Address.NUM_DATA_QUBITS: layout.num_data_qubits,
        Address.NUM_OBSERVABLES: subject.decoder.problem.graph.num_observables,
    }
    wrong = [
        f"{address.name} is {found}, expected {value}"
        for address, value in expected.items()
        if (found := subject.link.read_register(address)) != value
    ]
    if not CONTROL_ENABLE.get(subject.link.read_register(Address.CONTROL)):
        wrong.append("CONTROL.enable is 0")
    if wrong:
        raise CheckFailedError("; ".join(wrong), "compile the decoder for this code; write 1 to CONTROL.enable")
    return f"{len(expected) + 1} as compiled"


def _loopback(subject: Subject) -> str:
    """What is written to SCRATCH comes back, bit for bit."""
    if _has_own_stream(subject):
        return "nothing to write to"
    link = subject.link
    for pattern in (*PATTERNS, *(1 << bit for bit in range(32))):
        link.write_register(Address.SCRATCH, pattern)
        found = link.read_register(Address.SCRATCH)
        if found != pattern:
            raise CheckFailedError(
                f"0x{pattern:08x} came back as 0x{found:08x} (bits 0x{pattern ^ found:08x} differ)",
                "data bits are stuck or swapped between host and decoder: look at the bus, the constraints, the cable",
            )
    return f"{len(PATTERNS) + 32} patterns"


def _has_own_stream(subject: Subject) -> bool:
    """Whether our adapter stands around the decoder, with no more registers than the identity's."""
    folder = subject.decoder.folder
    return folder is not None and folder.manifest.stream is not None


def _known_shots(subject: Subject) -> str:
    """Shots with known answers: those of the software form; without one, quiet shots, which need no correction."""
    syndromes, data = _random_outcomes(subject, NUM_KNOWN_SHOTS, seed=1)
    software = subject.decoder.software
    if software is None:
        syndromes[:], data[:] = 0, 0
        expected, source = np.zeros((NUM_KNOWN_SHOTS, subject.decoder.problem.graph.num_observables), np.uint8), "quiet"
    else:
        expected, _ = software().decode(subject.decoder.problem.layout.detection_events(syndromes, data))
        source = "decoded as in software"
    wrong = np.flatnonzero((_decode(subject, syndromes, data) != expected).any(axis=1))
    if wrong.size:
        raise CheckFailedError(
            f"{wrong.size} of {NUM_KNOWN_SHOTS} shots came back with other flips than known, first shot {wrong[0]}",
            "the bitstream is of another version, or timing is not met: compile again, check the timing report, "
            "lower the clock",
        )
    return f"{NUM_KNOWN_SHOTS} {source}"


def _throughput(subject: Subject) -> str:
    """Shots a second, in batches that grow until one takes long enough."""
    count = FIRST_BATCH
    while True:
        shots = encode_shots(*_random_outcomes(subject, count, seed=2))
        begun = time.perf_counter()
        subject.link.exchange(shots.ravel(), count)
        elapsed_s = time.perf_counter() - begun
        if elapsed_s > THROUGHPUT_S / 4 or count >= LARGEST_BATCH:
            return f"{count / elapsed_s:,.0f} shots/s ({count:,} in {elapsed_s:.2f} s)"
        count *= 4


def _error_counters(subject: Subject) -> str:
    """Nothing went wrong on the way so far."""
    link = subject.link
    faults = read_counters(link)["faults"]
    if faults:
        raise CheckFailedError(
            f"the decoder answered {faults} messages with a fault", "STATUS.last_fault has the last one's code"
        )
    bad = [f"{address.name} = {count}: {LINK_COUNTERS[address]}" for address, count in _link_counts(link) if count]
    repeats = link.repeats if isinstance(link, RepeatingLink) else 0
    if bad or repeats:
        found = f"{repeats} frames had to be sent again, {len(bad)} error counters of the line are not 0"
        raise CheckFailedError(found, "; ".join(bad) or "frames from the board are damaged: check its transmit wire")
    counted = "no faults" if faults is not None else "faults are not counted"
    return f"{counted}, no damaged frames, nothing sent twice"


def _link_counts(link: Link) -> Iterator[tuple[LinkAddress, int]]:
    """Counters of a serial line; nothing where there is none."""
    for address in LINK_COUNTERS:
        try:
            yield address, link.read_register(address)
        except RegisterError:
            return


def _random_outcomes(subject: Subject, count: int, seed: int) -> tuple[Bits, Bits]:
    """Random syndromes (shots, rounds, stabilizers) and data (shots, data qubits), 0/1; the first shot is quiet."""
    layout, random = subject.decoder.problem.layout, np.random.default_rng(seed)
    syndromes = (random.random((count, layout.rounds, layout.num_stabilizers)) < 0.1).astype(np.uint8)
    data = (random.random((count, max(1, layout.num_data_qubits))) < 0.1).astype(np.uint8)
    syndromes[:1], data[:1] = 0, 0
    return syndromes, data


def _decode(subject: Subject, syndromes: Bits, data: Bits) -> Bits:
    """The flips that the decoder answers."""
    num_observables = subject.decoder.problem.graph.num_observables
    shots = encode_shots(syndromes, data)
    answers, _ = split_frames(subject.link.exchange(shots.ravel(), len(shots)), num_observables)
    return checked_corrections(answers, 0, len(shots), num_observables).flips


STAGES: tuple[tuple[str, Check, str], ...] = (
    ("identity", _identity, "load the bitstream of this decoder, or name the decoder that is on the board (--decoder)"),
    ("registers", _registers, "the register bus does not answer: check AXI4-Lite (or the READ path), clock and reset"),
    ("loopback", _loopback, "registers do not keep what is written: check the write path and reset"),
    ("known shots", _known_shots, "the stream does not come back whole: check tvalid, tready, and the reset"),
    ("throughput", _throughput, "the stream stops under load: look at COUNT_STALLS and the response path"),
    ("error counters", _error_counters, "the counters cannot be read"),
)
