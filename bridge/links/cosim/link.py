"""Host side of the cocotb link: starts the simulation process and talks to it over a Unix socket."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

from bridge.errors import DecoderSilentError, LinkError, LinkLostError, LinkOpenError, RegisterError
from bridge.links.base import Deadlines, LinkInfo, Transfer, Words
from bridge.links.cosim import wire
from bridge.links.cosim.simulate import build_decoder
from bridge.links.cosim.wire import Ended, Frame, Operation, Result
from bridge.suggestions import did_you_mean
from hdl.build import first_errors, read_id, simulator_version
from hdl.compile.manifest import DecoderFolder
from hdl.errors import HdlError
from hdl.places import plain_temporary_folder
from hdl.simulation import SIMULATORS

SOCKET_VARIABLE = "QTWIN_LINK_SOCKET"
SECOND_CLOCK_VARIABLE = "QTWIN_LINK_SECOND_CLOCK"
FILE_FAULT = re.compile(r"^.*\$readmem.*(?:[Uu]nable to open|not found|[Ee]rror|[Ss]yntax|beyond).*$", re.MULTILINE)
"""What Icarus and Verilator print about a data file, and go on."""
RUN = "from bridge.links.cosim.simulate import main; main()"
START_POLL_S = 0.2
CLOSE_S = 10.0
LOG_LINES = 12


def check_simulator(name: str) -> None:
    """Raises LinkOpenError for a simulator that is none of `SIMULATORS`."""
    if name not in SIMULATORS:
        raise LinkOpenError(
            f"there is no cocotb simulator {name!r} here; expected {', '.join(SIMULATORS)}"
            f"{did_you_mean(name, SIMULATORS)}"
        )


class CocotbLink:
    """A decoder's RTL in a cocotb simulation, in lock step with the host."""

    def __init__(self, decoder: DecoderFolder, simulator: str, deadlines: Deadlines) -> None:
        """Nothing is built or started before `open`. simulator: one of `SIMULATORS`."""
        check_simulator(simulator)
        self._decoder = decoder
        self._simulator = simulator
        self._deadlines = deadlines
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        self._folder: Path | None = None

    def open(self) -> LinkInfo:
        """Build (first time), start the simulator and wait for it to come out of reset; see `Link.open`."""
        try:
            build_folder = build_decoder(self._decoder, self._simulator)
            version = simulator_version(self._simulator)
            place = plain_temporary_folder()  # a socket's path is short
        except HdlError as error:
            raise LinkOpenError(str(error)) from error
        self._folder = Path(tempfile.mkdtemp(prefix="qtwin-cocotb-", dir=place))
        self._decoder.design.put_files(self._folder)
        address = str(self._folder / "link")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(address)
            listener.listen(1)
            second = "".join(f"{name}={ratio}" for name, ratio in self._decoder.manifest.clocks.items())
            self._start(build_folder, {**os.environ, SOCKET_VARIABLE: address, SECOND_CLOCK_VARIABLE: second})
            self._connection = self._accept(listener)
        self._reply("starting", self._deadlines.open_s)
        if fault := FILE_FAULT.search(self._log()):
            self.abort()
            raise LinkOpenError(
                f"the decoder {self._decoder.manifest.name} cannot be simulated: {fault[0].strip()}\n"
                "A file that the RTL reads has to be named in `files` of decoder.yaml, as the RTL names it"
            )
        return LinkInfo(link="cocotb", simulator=version, clocked=True, read_id=read_id(build_folder))

    def exchange(self, words: Words, num_answers: int) -> Words:
        """See `Link.exchange`."""
        reply = self._ask(
            Operation.EXCHANGE, num_answers, self._deadlines.idle_cycles, words, self._deadlines.exchange_s
        )
        if reply.code == Result.SILENT:
            raise DecoderSilentError(
                f"the decoder {self._decoder.manifest.name} gave {reply.first} of {num_answers} answers and took "
                f"{reply.second} of {words.size} words, then nothing for {self._deadlines.idle_cycles} idle clock "
                "cycles; check s_axis_tready, m_axis_tvalid and the response path"
            )
        return reply.words.astype(np.uint32)

    def transfer(self, words: Words, capacity: int, *, idle_cycles: int, max_cycles: int) -> Transfer:
        """See `PacketLink.transfer`."""
        reply = self._ask(
            Operation.TRANSFER, capacity, idle_cycles, words, self._deadlines.exchange_s, third=max_cycles
        )
        ended, idle = bool(reply.second & Ended.PACKET), bool(reply.second & Ended.IDLE)
        return Transfer(reply.first, reply.words.astype(np.uint32), ended, idle)

    def read_register(self, address: int) -> int:
        """See `Link.read_register`."""
        reply = self._ask(Operation.READ, address, 0, (), self._deadlines.register_s)
        self._check(reply, address)
        return reply.first

    def write_register(self, address: int, value: int) -> None:
        """See `Link.write_register`."""
        self._check(self._ask(Operation.WRITE, address, value, (), self._deadlines.register_s), address)

    def reset(self) -> None:
        """See `Link.reset`."""
        self._ask(Operation.RESET, 0, 0, (), self._deadlines.register_s)

    def close(self) -> None:
        """See `Link.close`."""
        if self._connection is not None and self._process is not None:
            with suppress(OSError):
                wire.send(self._connection, Operation.FINISH)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(CLOSE_S)
        self.abort()

    def abort(self) -> None:
        """See `Link.abort`."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _start(self, build_folder: Path, environment: dict[str, str]) -> None:
        assert self._folder is not None
        command = [sys.executable, "-c", RUN, self._simulator, str(build_folder)]
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [*command, self._decoder.manifest.top, str(self._folder)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _accept(self, listener: socket.socket) -> socket.socket:
        deadline = time.monotonic() + self._deadlines.open_s
        listener.settimeout(START_POLL_S)
        while time.monotonic() < deadline:
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                if self._process is not None and self._process.poll() is not None:
                    break
                continue
            return connection
        message = f"the {self._simulator} simulation did not start:\n{first_errors(self._log())}"
        self.abort()
        raise LinkOpenError(message)

    def _ask(
        self, operation: Operation, first: int, second: int, words: object, deadline_s: float, third: int = 0
    ) -> Frame:
        if self._connection is None:
            raise LinkError("the link is not open; call open() first")
        try:
            self._connection.settimeout(deadline_s)
            wire.send(self._connection, operation, first, second, words, third)
        except OSError as error:
            raise self._lost(operation.name) from error
        return self._reply(operation.name, deadline_s)

    def _reply(self, what: str, deadline_s: float) -> Frame:
        assert self._connection is not None
        try:
            self._connection.settimeout(deadline_s)
            reply = wire.receive(self._connection)
        except TimeoutError as error:
            raise DecoderSilentError(
                f"the {self._simulator} simulation did not answer {what} within {deadline_s:g} s; "
                "send fewer shots at a time, or raise the deadline"
            ) from error
        except (EOFError, OSError) as error:
            raise self._lost(what) from error
        if reply.code == Result.UNKNOWN:
            ports = [name for index, name in enumerate(wire.PORTS) if reply.first >> index & 1]
            raise LinkError(
                f"X in {' and '.join(ports)} of the decoder {self._decoder.manifest.name}, neither 0 nor 1, in clock "
                f"cycle {reply.second}: a register that nothing sets before it is used, or an input that is not driven"
            )
        return reply

    def _lost(self, what: str) -> LinkLostError:
        return LinkLostError(f"the {self._simulator} simulation ended during {what}:\n{self._log_end()}")

    def _log_end(self) -> str:
        return "\n".join(self._log().splitlines()[-LOG_LINES:]) or "(the log is empty)"

    def _log(self) -> str:
        return "" if self._folder is None else (self._folder / "log").read_text(errors="replace")

    def _check(self, reply: Frame, address: int) -> None:
        if reply.code == Result.REFUSED:
            reason = (
                "no answer" if reply.first == wire.NO_RESPONSE else f"the decoder answered AXI response {reply.first}"
            )
            raise RegisterError(f"register 0x{address:03x}: {reason}")
