"""The serial line as bytes: any port that pyserial opens by URL."""

import errno
import select
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import serial
from serial.tools import list_ports

from bridge.errors import LinkLostError, LinkOpenError

DEFAULT_BAUD = 1_000_000
MAX_BAUD = 100_000_000
"""Far above any UART; what is larger is a slip of the keyboard, and no number that a driver takes."""
PARITIES = {
    "none": serial.PARITY_NONE,
    "even": serial.PARITY_EVEN,
    "odd": serial.PARITY_ODD,
    "mark": serial.PARITY_MARK,
    "space": serial.PARITY_SPACE,
}
LEVELS = {"on": True, "off": False}
OPTIONS = "baud=N, parity=none|even|odd|mark|space, dtr=on|off, rts=on|off"
READ_BYTES = 4096
NO_DESCRIPTOR_POLL_S = 0.001
RFC2217 = "rfc2217://"
NETWORK, WRAPPING = ("socket", "rfc2217"), ("spy", "alt", "hwgrep")
"""Schemes of pyserial's URLs: a line over TCP, and a device here that is opened in another way."""


class Line(Protocol):
    """Bytes to a board and back. A byte is lost or changed only by the line itself."""

    def write(self, data: bytes) -> None:
        """Send bytes; raises LinkLostError when the port is gone or takes nothing."""

    def read(self, timeout_s: float) -> bytes:
        """Bytes that came, empty when none did within `timeout_s`; raises LinkLostError when the port is gone."""

    def close(self) -> None:
        """Release the port; safe to call twice, never raises."""


@dataclass(frozen=True, slots=True)
class UartAddress:
    """A port, and how it is opened.

    Attributes:
        url: a device, or what else pyserial opens: socket://HOST:PORT, rfc2217://HOST:PORT.
        parity: a key of `PARITIES`. A decoder of qtwin speaks 8N1; another parity is for a bridge that changes it.
        dtr, rts: levels of the control lines from opening on; None leaves them to the driver, which raises both.
    """

    url: str
    baud: int = DEFAULT_BAUD
    parity: str = "none"
    dtr: bool | None = None
    rts: bool | None = None

    @property
    def where(self) -> str:
        """The board in messages; tells of a parity, which may be what is wrong."""
        told = (
            "" if self.parity == "none" else f" (with parity {self.parity}; a decoder itself speaks 8N1, parity none)"
        )
        return f"the board at {self.url}{told}"


def uart_address(text: str) -> UartAddress:
    """Parse `URL`, or `URL` and options after commas: `/dev/ttyUSB0,baud=115200,dtr=off`.

    Raises:
        LinkOpenError: no URL, an option that there is not, one given twice, or a value that it cannot have.
    """
    url, *options = text.split(",")
    url = str(Path(url).expanduser()) if url.startswith("~") else url  # no shell expands what stands after uart:
    if url.startswith("loop://"):
        raise LinkOpenError(
            f"uart:{text}: loop:// gives back what was sent to it, no decoder answers there; "
            "for a board without hardware: qtwin board --uart"
        )
    _check_scheme(text, url)
    if not url:
        raise LinkOpenError(
            "which port? Write uart:/dev/ttyUSB0, uart:socket://HOST:PORT or uart:rfc2217://HOST:PORT, "
            f"and ,baud=N after it for another speed than {DEFAULT_BAUD} baud. {_ports_found()}"
        )
    chosen: dict[str, Any] = {}
    for option in options:
        name, _, value = option.partition("=")
        if name in chosen:
            raise LinkOpenError(f"uart:{text}: {name} is given twice; leave one out")
        chosen[name] = _option(text, name, value)
    return UartAddress(url, **chosen)


def _check_scheme(text: str, url: str) -> None:
    """Refuse a URL that pyserial would not open, or not say why; raises LinkOpenError."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return
    if scheme in WRAPPING and "://" in rest:
        raise LinkOpenError(f"uart:{text}: {scheme}:// takes a device such as /dev/ttyUSB0, and no URL")
    if scheme not in (*NETWORK, *WRAPPING):
        known = ", ".join(f"{name}://" for name in (*NETWORK, *WRAPPING))
        raise LinkOpenError(f"uart:{text}: {scheme}:// is no kind of port; expected a device such as COM3, or {known}")
    if scheme in NETWORK:
        try:
            parts = urlsplit(url)
            is_whole = bool(parts.hostname and parts.port)
        except ValueError:  # the port is no number, or too large
            is_whole = False
        if not is_whole:
            raise LinkOpenError(f"uart:{text}: expected {scheme}://HOST:PORT with a port from 1 to 65535")


def _option(text: str, name: str, value: str) -> int | bool | str:
    """Value of an option of a serial line; raises LinkOpenError that names it."""
    if name == "baud":
        if value.isascii() and value.isdigit() and len(value) <= len(str(MAX_BAUD)) and 1 <= int(value) <= MAX_BAUD:
            return int(value)
        raise LinkOpenError(f"uart:{text}: baud={value}: expected a whole number from 1 to {MAX_BAUD}")
    if name == "parity" and value in PARITIES:
        return value
    if name in ("dtr", "rts") and value in LEVELS:
        return LEVELS[value]
    given = f"{name}={value}" if value else name
    raise LinkOpenError(f"uart:{text}: {given!r} is not an option of a serial line; expected {OPTIONS}")


def check_port(address: UartAddress) -> None:
    """What can be told of a port without opening it, which resets some boards; raises LinkOpenError."""
    if "://" in address.url:
        return
    try:
        mode = Path(address.url).stat().st_mode
    except OSError as error:
        raise LinkOpenError(_open_message(address, error)) from error
    if not stat.S_ISCHR(mode):
        raise LinkOpenError(_no_port_message(address))


class SerialLine:
    """A port opened with pyserial, for this process alone."""

    def __init__(self, address: UartAddress, write_timeout_s: float) -> None:
        """Open it.

        Raises:
            LinkOpenError: no such port, in use, no permission, or a URL that pyserial does not know; with the remedy.
        """
        self._address = address
        try:
            self._port = _opened(address, write_timeout_s)
        except Exception as error:  # each of pyserial's schemes raises what it likes: termios.error, TypeError, ...
            raise LinkOpenError(_open_message(address, error)) from error
        self._selectable = _has_descriptor(self._port)

    def write(self, data: bytes) -> None:
        """See `Line.write`."""
        try:
            self._port.write(data)
        except (serial.SerialException, OSError, TypeError, ValueError, AttributeError) as error:
            raise self._lost(error) from error

    def read(self, timeout_s: float) -> bytes:
        """See `Line.read`."""
        end = time.monotonic() + timeout_s
        try:
            while True:
                data = self._read_now()
                left_s = end - time.monotonic()
                if data or left_s <= 0:
                    return data
                if self._selectable:
                    select.select([self._port], [], [], left_s)
                else:
                    time.sleep(min(left_s, NO_DESCRIPTOR_POLL_S))
        except (serial.SerialException, OSError, TypeError, ValueError, AttributeError) as error:
            raise self._lost(error) from error

    def _read_now(self) -> bytes:
        data: bytes = self._port.read(READ_BYTES)
        if not self._selectable:  # rfc2217:// gives one byte a call
            while len(data) < READ_BYTES and (more := self._port.read(READ_BYTES - len(data))):
                data += more
        return data

    def close(self) -> None:
        """See `Line.close`."""
        try:
            self._port.close()
        except (serial.SerialException, OSError, TypeError):
            return  # the port is gone already, which is what was asked for

    def _lost(self, error: Exception) -> LinkLostError:
        # pyserial raises TypeError, ValueError and AttributeError where a descriptor that it uses was closed under it
        if isinstance(error, serial.SerialTimeoutException):
            return LinkLostError(f"the port {self._address.url} takes no more bytes; is the board's end open?")
        return LinkLostError(f"the port {self._address.url} is gone: {error}; is the cable in, is the board powered?")


def _opened(address: UartAddress, write_timeout_s: float) -> Any:
    # rfc2217:// knows no write timeout: its socket has one of 5 s
    timeouts = {"timeout": 0} if address.url.startswith(RFC2217) else {"timeout": 0, "write_timeout": write_timeout_s}
    port = serial.serial_for_url(
        address.url,
        do_not_open=True,
        baudrate=address.baud,
        parity=PARITIES[address.parity],
        exclusive=True,
        **timeouts,
    )
    # before it is opened: a pulse of DTR resets some boards
    if address.dtr is not None:
        port.dtr = address.dtr
    if address.rts is not None:
        port.rts = address.rts
    port.open()
    return port


def _has_descriptor(port: Any) -> bool:
    try:
        return int(port.fileno()) >= 0
    except (OSError, AttributeError):  # rfc2217:// and loop:// have none
        return False


def _open_message(address: UartAddress, error: Exception) -> str:
    """What is wrong with a port, and what to do."""
    number = getattr(error, "errno", None)
    if number == errno.ENOENT:
        return f"there is no port {address.url}. {_ports_found()}"
    if number in (errno.EACCES, errno.EPERM):
        return (
            f"no permission to open {address.url}; add yourself to the group that owns it "
            "(sudo usermod -aG dialout $USER, then log in again)"
        )
    if number in (errno.EBUSY, errno.EAGAIN):
        return f"the port {address.url} is in use by another program; close that one (lsof {address.url} names it)"
    if number == errno.ENXIO or number == errno.EIO:
        return f"nothing is at the other end of {address.url}; plug the board in, or start `qtwin board --uart`"
    if number == errno.ENOTTY or "Inappropriate ioctl" in str(error):  # pyserial passes on the text of some, no number
        return _no_port_message(address)
    return f"cannot open the port {address.url} at {address.baud} baud: {error}"


def _no_port_message(address: UartAddress) -> str:
    return f"{address.url} is not a serial port; name one such as /dev/ttyUSB0. {_ports_found()}"


def _ports_found() -> str:
    found = sorted(port.device for port in list_ports.comports())
    return (
        f"Serial ports here: {', '.join(found)}"
        if found
        else "There are no serial ports here; is the board plugged in?"
    )
