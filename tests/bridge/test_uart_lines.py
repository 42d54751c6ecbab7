"""Lines of every kind: the schemes that the help names, by real servers; and lines that are no decoder's."""

import os
import re
import select
import socket
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import numpy as np
import pytest
import serial
from serial.rfc2217 import PortManager

from bridge.errors import LinkLostError, LinkOpenError, ProtocolError
from bridge.links import make_link
from bridge.links.base import Deadlines
from bridge.links.uart.delivery import Delivery
from bridge.links.uart.frames import FrameReader, frame
from bridge.links.uart.items import Item
from bridge.links.uart.line import SerialLine, UartAddress, uart_address
from bridge.links.uart.link import UartLink
from hdl.registers.map import ID_VALUE, Address
from qds1 import Kind, Message, decode_corrections, encode, parse
from tests.bridge.boards import RunningBoard
from tests.bridge.memory import Memory

SILENT_S = 0.5
STOP_S = 10.0
POLL_S = 0.02
pytestmark = pytest.mark.filterwarnings(r"ignore:set(Daemon|Name)\(\):DeprecationWarning")  # of pyserial's rfc2217


# ---- every scheme


@contextmanager
def in_thread(run: Callable[[threading.Event], None]) -> Iterator[None]:
    stopped = threading.Event()
    thread = threading.Thread(target=run, args=(stopped,))
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join(STOP_S)
        assert not thread.is_alive()


class PlainPort(serial.Serial):  # type: ignore[misc]
    """A pseudo-terminal as a serial port with modem lines and parity, which RFC 2217 reads and sets: it has neither."""

    cts = dsr = ri = cd = True

    def _reconfigure_port(self, force_update: bool = False) -> None:
        with suppress(termios.error):
            super()._reconfigure_port(force_update)

    def _update_dtr_state(self) -> None:
        pass

    def _update_rts_state(self) -> None:
        pass


@contextmanager
def served(path: str, manage: Callable[[serial.Serial, socket.socket], Any]) -> Iterator[str]:
    """HOST:PORT of a TCP server in front of a serial port. manage: makes what escapes and filters bytes, or None."""

    def carry(stopped: threading.Event) -> None:
        connection, _ = server.accept()
        with connection, PlainPort(path, 1_000_000, timeout=0) as port:
            manager = manage(port, connection)
            while not stopped.is_set():
                readable, _, _ = select.select([connection, port], [], [], POLL_S)
                if connection in readable:
                    data = connection.recv(4096)
                    if not data:
                        return
                    port.write(data if manager is None else b"".join(manager.filter(data)))
                if port in readable:
                    data = port.read(4096)
                    connection.sendall(data if manager is None else b"".join(manager.escape(data)))

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(STOP_S)
        with in_thread(carry):
            yield f"127.0.0.1:{server.getsockname()[1]}"


class Writer:
    """What a PortManager answers the telnet negotiation through."""

    def __init__(self, connection: socket.socket) -> None:
        self.write = connection.sendall


@contextmanager
def address_of(scheme: str, board: RunningBoard) -> Iterator[str]:
    with ExitStack() as stack:
        if scheme == "socket":
            yield "socket://" + stack.enter_context(served(board.path, lambda *_: None))
        elif scheme == "rfc2217":
            yield "rfc2217://" + stack.enter_context(
                served(board.path, lambda port, connection: PortManager(port, Writer(connection)))
            )
        else:
            yield board.path


SCHEMES = ("device", "socket", "rfc2217")


def test_every_scheme_that_the_help_names_is_tried_here() -> None:
    with pytest.raises(LinkOpenError, match="which port") as refused:
        uart_address("")
    assert {*re.findall(r"(\w+)://", str(refused.value))} == {*SCHEMES} - {"device"}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("options", ["", ",baud=115200,dtr=off,rts=off,parity=even"])
def test_shots_pass_over_every_scheme(scheme: str, options: str, memory: Memory, spare_board: RunningBoard) -> None:
    shots = memory.words[:40]
    software = make_link("software", memory.decoder, memory.problem, Deadlines())
    software.open()
    expected = decode_corrections(software.exchange(shots.ravel(), len(shots)), 1).flips
    with address_of(scheme, spare_board) as address:
        link = make_link(f"uart:{address}{options}", memory.decoder, memory.problem, Deadlines(register_s=20))
        link.open()
        try:
            found = decode_corrections(link.exchange(shots.ravel(), len(shots)), 1)
        finally:
            link.close()
    np.testing.assert_array_equal(found.flips, expected)
    assert expected.any()


# ---- options

NO_OPTION = "is not an option of a serial line; expected baud=N, parity="


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("baud=12345678901", "baud=12345678901: expected a whole number from 1 to 100000000"),
        ("baud=٣٠٠", "baud=٣٠٠: expected a whole number"),
        ("baud=²", "baud=²: expected a whole number"),
        ("baud=0", "baud=0: expected a whole number"),
        ("baud=-9600", "baud=-9600: expected a whole number"),
        ("baud=1e6", "baud=1e6: expected a whole number"),
        ("baud=" + "9" * 5000, "expected a whole number"),
        ("baud=9600,baud=115200", "baud is given twice; leave one out"),
        ("dtr=off,baud=9600,dtr=off", "dtr is given twice; leave one out"),
        ("parity=both", f"'parity=both' {NO_OPTION}"),
        ("dtr=1", f"'dtr=1' {NO_OPTION}"),
        ("speed=9600", f"'speed=9600' {NO_OPTION}"),
        ("baud=9600,", f"'' {NO_OPTION}"),
        ("rts", f"'rts' {NO_OPTION}"),
    ],
)
def test_options_that_a_line_cannot_have(options: str, message: str) -> None:
    with pytest.raises(LinkOpenError) as refused:
        uart_address(f"/dev/ttyUSB0,{options}")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_options_of_a_line() -> None:
    assert uart_address("/dev/x,parity=odd,rts=on,dtr=off,baud=1") == UartAddress(
        "/dev/x", 1, "odd", dtr=False, rts=True
    )
    assert uart_address("/dev/x") == UartAddress("/dev/x", 1_000_000, "none", dtr=None, rts=None)


def test_control_lines_and_parity_are_set_before_the_port_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, object]] = []

    class Port:
        def __setattr__(self, name: str, value: object) -> None:
            calls.append((name, value))

        def open(self) -> None:
            calls.append(("open", None))

        def fileno(self) -> int:
            return 0

    def make(url: str, **settings: object) -> Port:
        assert settings["do_not_open"]
        calls.extend([("url", url), ("parity", settings["parity"]), ("baudrate", settings["baudrate"])])
        return Port()

    monkeypatch.setattr(serial, "serial_for_url", make)
    SerialLine(uart_address("/dev/x,baud=9600,dtr=off,rts=on,parity=even"), 1.0)
    assert calls == [
        ("url", "/dev/x"), ("parity", "E"), ("baudrate", 9600), ("dtr", False), ("rts", True), ("open", None),
    ]  # fmt: skip
    calls.clear()
    SerialLine(uart_address("/dev/x"), 1.0)
    assert [name for name, _ in calls] == ["url", "parity", "baudrate", "open"]  # the driver's own levels


# ---- lines that are no decoder's


@contextmanager
def device(serve: Callable[[int], None]) -> Iterator[str]:
    """A pseudo-terminal. serve: called again and again with its other end's descriptor, until the block ends."""
    master, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)

    def run(stopped: threading.Event) -> None:
        while not stopped.is_set():
            with suppress(BlockingIOError):
                serve(master)

    try:
        with in_thread(run):
            yield os.ttyname(slave)
    finally:
        os.close(master)
        os.close(slave)


def waiting(master: int) -> bytes:
    readable, _, _ = select.select([master], [], [], POLL_S)
    return os.read(master, 4096) if readable else b""


def silent(master: int) -> None:
    waiting(master)


def echo(master: int) -> None:
    data = waiting(master)
    if data:
        os.write(master, data)


def babble(master: int) -> None:
    waiting(master)
    os.write(master, b"login: ")


def bad_frames(master: int) -> None:
    waiting(master)
    os.write(master, b"boot\0")


def zeros(master: int) -> None:
    waiting(master)
    os.write(master, bytes(64))


def flood(master: int) -> None:
    os.write(master, b"x" * 4096)


def stranger(master: int) -> None:
    """A decoder that answers another program."""
    waiting(master)
    os.write(master, frame(encode([Message(Kind.CORRECTION, 7, (0, 4, 0))]).astype("<u4").tobytes()))


LINES: dict[Callable[[int], None], str] = {
    silent: "no byte came; is it powered and programmed",
    echo: r"[1-9]\d* messages came back as they were sent: the line echoes\. Is TX connected to RX",
    babble: r"[\d,]+ bytes came, without the zero that ends a frame, and no whole one",
    bad_frames: r"[\d,]+ bytes came, with [1-9]\d* damaged frames, and no whole one",
    zeros: r"[\d,]+ zero bytes came: is the line held low",
    flood: r"[\d,]+ bytes came, without the zero",
    stranger: r"[1-9]\d* messages came that answer nothing asked now",
}


@pytest.mark.parametrize("serve", LINES, ids=lambda serve: serve.__name__)
def test_a_line_that_is_no_decoders_is_named_within_the_deadline(serve: Callable[[int], None], memory: Memory) -> None:
    with device(serve) as path:
        link = make_link(f"uart:{path}", memory.decoder, memory.problem, Deadlines(register_s=SILENT_S))
        begun = time.monotonic()
        with pytest.raises(
            LinkOpenError, match=rf"the board at {path} has answered nothing for 0\.5 s: {LINES[serve]}"
        ):
            link.open()
    assert time.monotonic() - begun < SILENT_S + 3  # the last wait before the limit is two seconds at most


def test_a_parity_is_told_where_nothing_answers(memory: Memory) -> None:
    with device(silent) as path:
        link = make_link(f"uart:{path},parity=odd", memory.decoder, memory.problem, Deadlines(register_s=SILENT_S))
        with pytest.raises(LinkOpenError, match=r"with parity odd; a decoder itself speaks 8N1"):
            link.open()


class Scripted:
    """A decoder's end of a pseudo-terminal: answers reads of registers, `after` of them, then goes on as `then`.

    echoes: gives back what it takes, before it answers.
    """

    def __init__(self, then: Callable[[int], None], after: int, *, echoes: bool = False) -> None:
        self._then, self._left, self._echoes = then, after, echoes
        self._reader = FrameReader()

    def __call__(self, master: int) -> None:
        if self._left <= 0:
            self._then(master)
            return
        data = waiting(master)
        if self._echoes and data:
            os.write(master, data)
        for words in self._reader.take(data):
            for message in parse(words):
                if message.kind == Kind.READ:
                    value = ID_VALUE if message.payload[0] == Address.ID else 32
                    answer = encode([Message(Kind.DATA, message.tag, (message.payload[0], value))])
                    os.write(master, frame(answer.astype("<u4").tobytes()))
                    self._left -= 1


@pytest.mark.parametrize("then", LINES, ids=lambda then: then.__name__)
def test_a_line_that_turns_bad_in_mid_run_ends_by_the_deadline(then: Callable[[int], None]) -> None:
    shot = Item(encode([Message(Kind.MEAS_DATA, 0, (0,))]), 0, is_shot=True, num_layers=1)
    with device(Scripted(then, after=1)) as path:
        line = SerialLine(UartAddress(path), SILENT_S)
        delivery = Delivery(line, "the board", SILENT_S, lambda _: 0)
        delivery.settle()
        begun = time.monotonic()
        with pytest.raises(LinkLostError, match=f"answered nothing for 0.5 s: {LINES[then]}"):
            delivery.deliver([shot], 60)
        line.close()
    assert time.monotonic() - begun < SILENT_S + 3


def test_a_line_that_answers_and_echoes_is_no_bad_line() -> None:
    """RS-485 and some adapters give the host its own bytes back, before the answer."""
    with device(Scripted(silent, after=1000, echoes=True)) as path:
        link = UartLink("the board", lambda: SerialLine(UartAddress(path), 5.0), Deadlines(register_s=5.0))
        link.open()
        assert link.read_register(Address.ID) == ID_VALUE
        assert link.read_register(Address.MAX_ROUNDS) == 32
        link.close()


def test_a_port_that_takes_no_bytes_is_named() -> None:
    with device(lambda _: time.sleep(POLL_S)) as path:
        line = SerialLine(UartAddress(path), 0.3)
        begun = time.monotonic()
        with pytest.raises(LinkLostError, match="takes no more bytes"):
            line.write(bytes(1 << 20))
        line.close()
    assert time.monotonic() - begun < 10


def test_a_port_that_goes_while_it_is_listened_to_is_named() -> None:
    """As a cable that is pulled: the pseudo-terminal's other end is closed."""
    master, slave = os.openpty()
    tty.setraw(slave)
    line = SerialLine(UartAddress(os.ttyname(slave)), 1.0)
    delivery = Delivery(line, "the board", 20.0, lambda _: 0)
    threading.Timer(0.3, os.close, (master,)).start()
    begun = time.monotonic()
    with pytest.raises(LinkLostError, match=r"the port /dev/pts/\d+ is gone: .*; is the cable in"):
        delivery.settle()
    assert time.monotonic() - begun < 5
    line.close()
    os.close(slave)


class OneBehind:
    """A line on which every answer comes when the next question does; it moves a clock of its own."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._reader = FrameReader()
        self._asked: list[int] = []

    def write(self, data: bytes) -> None:
        self._asked += [message.tag for words in self._reader.take(data) for message in parse(words)]

    def read(self, timeout_s: float) -> bytes:
        if len(self._asked) < 2:
            self.now_s += timeout_s
            return b""
        answer = Message(Kind.DATA, self._asked.pop(0), (Address.ID, ID_VALUE))
        return frame(encode([answer]).astype("<u4").tobytes())

    def close(self) -> None:
        pass


def test_a_line_that_never_comes_to_rest_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    line = OneBehind()
    monkeypatch.setattr("bridge.links.uart.delivery.time.monotonic", lambda: line.now_s)
    with pytest.raises(LinkLostError, match="answers, but not all that it is asked within 20 s; is the line too slow"):
        Delivery(line, "the board", 10.0, lambda _: 0).settle()
    assert 20 < line.now_s < 25


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # which pyserial leaves when it cannot open
def test_a_server_that_closes_and_one_that_speaks_no_rfc2217_are_named() -> None:
    def close(stopped: threading.Event) -> None:
        while not stopped.is_set():
            with suppress(TimeoutError):
                server.accept()[0].close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(POLL_S)
        host = f"127.0.0.1:{server.getsockname()[1]}"
        with in_thread(close):
            link = UartLink("the board", lambda: SerialLine(uart_address(f"socket://{host}"), 1.0), Deadlines())
            with pytest.raises(LinkOpenError, match=r"the port socket://\S+ is gone: .*; is the cable in"):
                link.open()
            with pytest.raises(LinkOpenError, match=r"cannot open the port rfc2217://.* at 1000000 baud: "):
                SerialLine(uart_address(f"rfc2217://{host}?timeout=0.3"), 1.0)


@pytest.mark.parametrize(
    ("kind", "payload", "least"), [(Kind.DATA, (), 2), (Kind.DATA, (0,), 2), (Kind.FRAME, (1,), 3), (Kind.FAULT, (), 2)]
)
def test_a_message_too_short_for_its_kind_is_an_error(kind: Kind, payload: tuple[int, ...], least: int) -> None:
    class Short:
        def write(self, data: bytes) -> None:
            pass

        def read(self, timeout_s: float) -> bytes:
            del timeout_s
            return frame(encode([Message(kind, 3, payload)]).astype("<u4").tobytes())

        def close(self) -> None:
            pass

    with pytest.raises(
        ProtocolError, match=f"sent a {kind.name} of {len(payload)} payload words; it has at least {least}"
    ):
        Delivery(Short(), "the board", 1.0, lambda _: 0).settle()


def test_a_line_that_never_ends_a_frame_fills_no_memory() -> None:
    reader = FrameReader()
    for _ in range(100):
        assert reader.take(b"x" * 4096) == []
    assert len(reader._rest) < 4096
    words = np.arange(3, dtype=np.uint32)
    assert [found.tolist() for found in reader.take(b"\0" + frame(words.astype("<u4").tobytes()))] == [words.tolist()]
    assert reader.num_bad == 1
