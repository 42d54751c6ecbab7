"""A decoder's RTL on the bench: gaps, stalls and resets, with every cycle of its streams watched.

The RTL runs in a process of its own (`bridge.probe_process`): RTL that aborts, crashes or never comes back ends that
process, and the examination goes on with what is known.
"""

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from time import monotonic
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from bridge.errors import LinkLostError, LinkOpenError, RegisterError
from bridge.links.base import Words
from bridge.links.verilated.library import build_library
from hdl.compile.manifest import DecoderFolder
from hdl.compile.stream_wrapper import with_qds1_ports
from hdl.errors import HdlError

REGISTER_LIMIT_CYCLES = 10_000
SPARE_WORDS = 4096
CALL_LIMIT_S = 30.0
"""Wall clock for a single cycle of the simulation; a run has its own limit besides."""
LAST_LINES = 6
NO_RETURN = "the simulation does not come back"
RUNNING, ANSWER = "running", "answer"
"""What the process sends: its clock cycles now and then, and (trouble or None, value) in the end."""
ONES = -1
"""Seed of initial values that are ones all over."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How words are moved. pauses: share of the cycles, in per mille, in which valid (or ready) is held back.

    hold_cycles: m_axis_tready stays low for so long. silent_cycles: without a word, the end. settle_cycles: how long
    to watch for more after the last answer that is due. shot_words: words of a shot, for what follows. max_in_flight:
    shots sent and not answered before the next one waits; 0 = no limit. gap_cycles: pause before each shot. look_twice:
    look at the outputs with m_axis_tready low and high in each cycle, and between the edges. limit_s: wall clock.
    """

    input_pause_per_mille: int = 0
    output_pause_per_mille: int = 0
    hold_cycles: int = 0
    silent_cycles: int = 100_000
    settle_cycles: int = 300
    seed: int = 1
    shot_words: int = 0
    max_in_flight: int = 0
    gap_cycles: int = 0
    look_twice: bool = False
    limit_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Observation:
    """What a decoder did.

    Attributes:
        words: uint32, one axis: what it sent.
        taken_cycles, offered_cycles: when each word sent was taken, and each word received first offered.
        num_answers: whole messages received, FRAMEs not counted.
        end_cycle: when the watching ended.
        full: the bench had no room for more words.
        out_of_time: the run was cut off after its wall-clock limit.
        withdrawn: (how often, cycle of the first) m_axis_tvalid fell before its word was taken.
        changed: (how often, cycle of the first) a waiting word changed; changed_words: the first one before and after.
        follows_ready: likewise; m_axis_tvalid or m_axis_tdata changed with m_axis_tready in the same cycle.
        moves_in_mid_cycle: likewise; an output changed between the rising edges, without an input.
    """

    words: Words
    taken_cycles: NDArray[np.uint64]
    offered_cycles: NDArray[np.uint64]
    num_answers: int
    end_cycle: int
    full: bool = False
    out_of_time: bool = False
    withdrawn: tuple[int, int] = (0, 0)
    changed: tuple[int, int] = (0, 0)
    changed_words: tuple[int, int] = (0, 0)
    follows_ready: tuple[int, int] = (0, 0)
    moves_in_mid_cycle: tuple[int, int] = (0, 0)


class Bench:
    """A decoder in a process of its own, in the hands of a probe. A context manager.

    Attributes:
        lost: what the process said when it ended, None while it runs.
    """

    def __init__(self, decoder: DecoderFolder, call_limit_s: float = CALL_LIMIT_S) -> None:
        """Build (first time) and power on.

        Args:
            decoder: manifest and RTL.
            call_limit_s: wall clock for one clock cycle, and for powering on.

        Raises:
            LinkOpenError: with the tool's own message.
            LinkLostError: the simulation ends while it is powered on.
        """
        try:
            self._library = build_library(with_qds1_ports(decoder).design, random_start=True)
        except (HdlError, OSError) as error:
            raise LinkOpenError(str(error)) from error
        self._call_limit_s = call_limit_s
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the bench
        self.lost: str | None = None
        self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()
        self._said.close()

    def power_on(self, seed: int = 0) -> None:
        """Off and on again, in a new process where the last one ended.

        seed: of random initial values of all that no reset and no `initial` sets, and of X's; 0 for zeros, ONES for
        ones. Raises LinkLostError.
        """
        if self._process is None:
            self._start()
        self._call("power_on", seed)

    def reset(self) -> None:
        """Power-on state, by rst_ni."""
        self._call("reset")

    def read_register(self, address: int) -> int:
        """Value of a register; raises RegisterError."""
        response, value = self._call("read_register", address, REGISTER_LIMIT_CYCLES)
        self._judge(response, address)
        return int(value)

    def write_register(self, address: int, value: int) -> None:
        """Set a register; raises RegisterError."""
        self._judge(self._call("write_register", address, value, REGISTER_LIMIT_CYCLES), address)

    def run(self, words: Words, num_answers: int, plan: Plan | None = None, answer_words: int = 16) -> Observation:
        """Send words, collect what comes.

        Args:
            words: of any shape.
            num_answers: that are due.
            plan: how.
            answer_words: words of one answer, all its messages together; the bench has room for twice as many.

        Raises:
            LinkLostError: the simulation ended, or a single cycle took too long.
        """
        plan = plan or Plan()
        sent = np.ascontiguousarray(words, dtype=np.uint32).ravel()
        capacity = 2 * answer_words * num_answers + SPARE_WORDS
        found: dict[str, Any] = self._call("run", sent, num_answers, plan, capacity)
        return Observation(**found)

    @staticmethod
    def _judge(response: int, address: int) -> None:
        if response != 0:
            what = "was not answered" if response < 0 else f"was refused with AXI response {response}"
            raise RegisterError(f"register 0x{address:03x} {what}")

    def _start(self) -> None:
        ours, theirs = Pipe()
        command = [sys.executable, "-m", "bridge.probe_process", str(self._library), str(theirs.fileno())]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=self._said, stderr=self._said, pass_fds=[theirs.fileno()]
            )
        except OSError as error:
            raise LinkOpenError(f"cannot start a process for the decoder: {error}") from error
        theirs.close()
        self._pipe, self.lost = ours, None
        try:
            self._call("power_on", 0)
        except BaseException:  # an interrupt, too: nothing runs on without a bench
            self._end()
            raise

    def _call(self, name: str, *arguments: Any) -> Any:
        if self._pipe is None or self._process is None:
            raise LinkLostError(self.lost or "the bench is closed")
        try:
            self._pipe.send((name, arguments))
            trouble, answer = self._await()
        except (EOFError, OSError) as error:
            raise self._lost("the simulation ended", has_ended=True) from error
        if trouble is not None:
            self._end()
            self.lost = str(trouble)
            raise LinkLostError(self.lost)
        return answer

    def _await(self) -> tuple[str | None, Any]:
        """What comes back; meanwhile the process tells its clock cycles, which have to go on."""
        assert self._pipe is not None
        before, since = -1, monotonic()
        while True:
            if self._pipe.poll(max(0.0, since + self._call_limit_s - monotonic())):
                kind, value = self._pipe.recv()
                if kind != RUNNING:
                    answer: tuple[str | None, Any] = value
                    return answer
                if value != before:
                    before, since = value, monotonic()
            if monotonic() > since + self._call_limit_s:
                raise self._lost(
                    f"{NO_RETURN}: no clock cycle ended within {self._call_limit_s:.0f} s", has_ended=False
                )

    def _lost(self, what: str, *, has_ended: bool) -> LinkLostError:
        process = self._process
        ended = process.wait(self._call_limit_s) if process is not None and has_ended else None
        self._end()
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        said = f": {' / '.join(line.strip() for line in lines[-LAST_LINES:])}" if lines else ""
        self._said.seek(0)
        self._said.truncate()
        how = "" if ended is None else f" with signal {-ended}" if ended < 0 else f" with exit status {ended}"
        self.lost = f"{what}{how}{said}"
        return LinkLostError(self.lost)

    def _end(self) -> None:
        if self._pipe is not None:
            self._pipe.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._pipe = self._process = None
