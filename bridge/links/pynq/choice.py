"""Which board `pynq:ARGUMENT` means."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bridge.boards.pynq import SERVERS, SIMULATORS
from bridge.errors import LinkOpenError
from bridge.files import reason_of
from bridge.suggestions import did_you_mean
from hdl.boards.vivado.board import DEFAULT_BOARD, boards, find_board
from hdl.errors import BoardError

SIMULATED = "simulated"
SIMULATED_OPTIONS = ("board", "server")


@dataclass(frozen=True, slots=True)
class BoardChoice:
    """Which board, from the link's argument.

    address: of a board that runs PYNQ.remote; None for the one in PYNQ_REMOTE_DEVICES, or else the board that this
    program runs on. overlay: the .bit file, None for the one in the decoder's folder. simulator: of a simulated board
    to start, None to start none. board, server: which board that is, and the version that it speaks as.
    """

    address: str | None = None
    overlay: Path | None = None
    simulator: str | None = None
    board: str = DEFAULT_BOARD
    server: str = SERVERS[0]


def parse_choice(argument: str) -> BoardChoice:
    """The board that the argument of `pynq:ARGUMENT` names.

    It is ADDRESS[,OVERLAY.bit], or simulated[:SIMULATOR][,board=NAME][,server=VERSION].

    Raises:
        LinkOpenError: an option that there is not.
    """
    head, _, rest = argument.partition(",")
    kind, _, simulator = head.partition(":")
    if kind == SIMULATED:
        return replace(BoardChoice(simulator=simulator or SIMULATORS[0]), **_simulated_options(rest))
    return BoardChoice(address=head or None, overlay=Path(rest).expanduser() if rest else None)


def _simulated_options(text: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for part in text.split(",") if text else ():
        name, _, value = part.partition("=")
        if name not in SIMULATED_OPTIONS or not value or name in options:
            raise LinkOpenError(
                f"pynq:{SIMULATED}: {part!r} is not for it; write each of board=NAME and server=VERSION once at most, "
                f"for example pynq:{SIMULATED},board=kv260{did_you_mean(name, SIMULATED_OPTIONS)}"
            )
        options[name] = value
    return options


def check_choice(choice: BoardChoice) -> None:
    """What can be told of a board without reaching it: its name is known here, its overlay's files are here.

    Raises:
        LinkOpenError: with the remedy.
    """
    if choice.simulator is not None:
        _check_one_of("simulator", choice.simulator, SIMULATORS)
        _check_one_of("server", choice.server, SERVERS)
        try:
            find_board(choice.board)
        except BoardError as error:
            raise LinkOpenError(f"{error}{did_you_mean(choice.board, boards())}") from error
    if choice.overlay is not None and not choice.overlay.is_file():
        raise LinkOpenError(f"there is no file {choice.overlay}; name the .bit file of an overlay (docs/pynq.md)")
    address = choice.address
    if address is None or address.startswith("unix:"):
        return
    try:
        socket.getaddrinfo(address, None)
    except (OSError, UnicodeError) as error:
        raise LinkOpenError(
            f"there is no board {address!r}: its address is not known here ({reason_of(error)}); write its IP address, "
            "or pynq:simulated for a simulated one"
        ) from error


def _check_one_of(what: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        raise LinkOpenError(
            f"there is no {what} {name!r}: expected one of {', '.join(known)}{did_you_mean(name, known)}"
        )
