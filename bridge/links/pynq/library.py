"""Imports the unmodified pynq, whatever it says meanwhile, and opens a board with a deadline on every call."""

import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from bridge.errors import LinkOpenError

FIRMWARE_FOLDER = "/lib/firmware/"
REMOTE_VARIABLE = "PYNQ_REMOTE_DEVICES"
KNOWN_WARNINGS = (
    (DeprecationWarning, r"pkg_resources is deprecated as an API"),
    (DeprecationWarning, r"The `json` method is deprecated"),
    (ResourceWarning, r"Pynq does not support the CPU Architecture"),
    (ResourceWarning, r"unclosed file .*_current_metadata\.pkl"),
)
"""What pynq 4.0.0 and pynqutils warn of on a host, about themselves; none of it concerns their user."""
FIRST_RELEASE, RELEASE_AFTER_LAST = (3, 1), (5, 0)
"""Of pynq: PYNQ.remote came with 3.1."""
NO_DEVICES = r"No devices found, is the XRT environment sourced\?"
"""Said before the error that says the same."""


def remote_address() -> str | None:
    """The first board that the environment names, None when it names none."""
    return os.environ.get(REMOTE_VARIABLE, "").split(",")[0].strip() or None


@contextmanager
def without_known_warnings() -> Iterator[None]:
    """No warnings that pynq is known for; any other is shown."""
    with warnings.catch_warnings():
        for category, message in KNOWN_WARNINGS:
            warnings.filterwarnings("ignore", message=message, category=category)
        yield


def require_pynq() -> None:
    """Raises LinkOpenError where pynq is not installed; says how to install it, or why it cannot be."""
    if find_spec("pynq") is not None:
        return
    if sys.version_info >= (3, 13):
        raise LinkOpenError(
            "pynq 4.0.0 needs numpy 1, which Python 3.13 does not have; use Python 3.11 or 3.12 for pynq links"
        )
    raise LinkOpenError("pynq is not installed here: pip install 'qtwin[pynq]'")


def import_pynq(address: str | None) -> Any:
    """The pynq package.

    Args:
        address: of the remote board that will be opened, None for the board that this program runs on.

    Raises:
        LinkOpenError: pynq is not installed, does not work in this environment, or is too old or too new.
    """
    require_pynq()
    saved = os.environ.get(REMOTE_VARIABLE)
    if address is not None:
        os.environ[REMOTE_VARIABLE] = address  # decides during the import which classes drive interrupts and pins
    try:
        with without_known_warnings():
            import pynq
            import pynq.lib.dma
        _check_version(pynq.__version__)
    except (ImportError, AttributeError, RuntimeError) as error:
        raise LinkOpenError(
            f"pynq cannot be imported: {error}; it needs numpy before 2.0 (pip install 'numpy<2')"
        ) from error
    finally:
        if address is not None and saved is None:
            del os.environ[REMOTE_VARIABLE]
        elif saved is not None:
            os.environ[REMOTE_VARIABLE] = saved
    return pynq


def _check_version(version: str) -> None:
    """Raises LinkOpenError for a pynq that has no PYNQ.remote, or another than the one that is known here."""
    release = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if not FIRST_RELEASE <= release < RELEASE_AFTER_LAST:
        raise LinkOpenError(
            f"pynq {version} is installed here; this link needs 3.1 to 4.x, with which boards of either are reached: "
            "pip install 'qtwin[pynq]'"
        )


def local_device(pynq: Any) -> Any:
    """The board that this program runs on; raises RuntimeError where there is none."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=NO_DEVICES, category=UserWarning)
        return pynq.Device.active_device


@contextmanager
def active(device: Any) -> Iterator[None]:
    """Make a board the one that pynq means where it is told none, and forget the clock registers of any other.

    pynq sets the widths of an UltraScale+ board's ports on its active device, whichever the overlay's is.
    """
    import pynq

    before = vars(pynq.Device).get("_active_device")
    pynq.Device.active_device = device
    if "_real_instance" in vars(pynq.Clocks):
        del pynq.Clocks._real_instance
    pynq.Clocks.set_device(device)
    try:
        yield
    finally:
        if before is None:
            del pynq.Device._active_device
        else:
            pynq.Device.active_device = before


def forget_last_board(*, remote: bool) -> None:
    """Drop what pynq keeps of an earlier overlay and would take for the next one's.

    That is the description of the last overlay of any process, in files that a process which was killed may have left
    half-written. On a board itself it stays as long as it can be read: it says how to shut down what is running there.
    """
    from pynq.pl_server import global_state

    if remote:
        global_state.clear_global_state()
    elif global_state.global_state_file_exists():
        try:
            global_state.load_global_state()
        except ValueError:
            global_state.clear_global_state()


def renew_firmware(device: Any, bitstream: Path) -> None:
    """Replace a bitstream of this name that lies on a remote board: pynq sends one only where there is none.

    What lies there may be an earlier build, which would be loaded without a word.
    """
    from pynq.pl_server.embedded_device import bit2bin

    file = f"{FIRMWARE_FOLDER}{bitstream.stem}.bin"
    if device.exists_file(file).exists:
        device.write_file(file, bit2bin(bitstream.read_bytes()))


def remote_device(address: str, deadline_s: float) -> Any:
    """A board that runs PYNQ.remote.

    Args:
        address: IP address or unix:PATH, without the port.
        deadline_s: wall clock that any one call to the board may take; pynq itself sets none.

    Raises:
        RuntimeError, grpc.RpcError: nothing answers there, or not as PYNQ.remote does.
    """
    import grpc
    from pynq.pl_server.remote_device import RemoteDevice

    class Details(NamedTuple):
        method: str
        timeout: float | None
        metadata: Any
        credentials: Any
        wait_for_ready: bool | None
        compression: Any

    class Deadline(
        grpc.UnaryUnaryClientInterceptor,  # type: ignore[misc]
        grpc.UnaryStreamClientInterceptor,  # type: ignore[misc]
        grpc.StreamUnaryClientInterceptor,  # type: ignore[misc]
    ):
        """Gives every call a timeout."""

        def _call(self, proceed: Callable[[Any, Any], Any], details: Any, request: Any) -> Any:
            metadata, credentials = details.metadata, details.credentials
            with_timeout = Details(
                details.method, deadline_s, metadata, credentials, details.wait_for_ready, details.compression
            )
            return proceed(with_timeout, request)

        intercept_unary_unary = intercept_unary_stream = intercept_stream_unary = _call

    class DeadlineDevice(RemoteDevice):  # type: ignore[misc]
        """A remote board whose calls all have a deadline."""

        def get_arch(self) -> str:
            # The first call that the constructor makes over the new channel.
            channel = grpc.intercept_channel(self.client.channel, Deadline())
            stubs: dict[str, Any] = vars(self)["_stub"]
            self._stub = {name: type(stub)(channel) for name, stub in stubs.items()}
            return str(super().get_arch())

        def disconnect(self) -> None:
            """Close the channel."""
            self.client.channel.close()

    return DeadlineDevice(ip_addr=address)
