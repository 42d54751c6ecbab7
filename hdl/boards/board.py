"""board.yaml: what a board needs for a decoder behind a UART. A new folder with one is a new board."""

from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hdl.boards.families import FAMILIES, Family, OpenFamily, ScriptFamily
from hdl.errors import BoardError

FOLDER = Path(__file__).resolve().parent
COMMON = FOLDER / "common"
BOARD_NAME = "board.yaml"
FAMILY_NAME = "family.yaml"
Model = TypeVar("Model", bound=BaseModel)
BAUD_TOLERANCE = 0.01
"""uart_rx takes 2% at 8 clocks a bit; the host's own rate is off as well."""


class Clock(BaseModel):
    """A clock that the board's top gives to the decoder, and the line's speed with it.

    Attributes:
        parameters: what the top's parameters are for this clock, besides ClocksPerBit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mhz: float = Field(gt=0)
    baud: int = Field(gt=0)
    parameters: dict[str, int] = {}

    @property
    def clocks_per_bit(self) -> int:
        """The top's parameter ClocksPerBit."""
        return round(1e6 * self.mhz / self.baud)

    @property
    def top_parameters(self) -> dict[str, int]:
        """All parameters of the board's top."""
        return {**self.parameters, "ClocksPerBit": self.clocks_per_bit}


class Pins(BaseModel):
    """Ports of the board's top that its simulation has to know.

    Attributes:
        receive, transmit: the serial line, as seen from the FPGA.
        reset: a button that resets the decoder, if there is one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    clock: str
    receive: str
    transmit: str
    reset: str | None = None
    reset_active: Literal["high", "low"] = "high"


class BoardFile(BaseModel):
    """Contents of board.yaml; files are relative to its folder.

    Attributes:
        family: which tools make the bitstream: one of `FAMILIES`, or a family as it stands in families.py; left out
            where the folder has a family.yaml.
        device: the part, as its tools want it: arguments of nextpnr, or the part's name for a vendor's script.
        top: module around `decoder_top_uart`, with a parameter ClocksPerBit.
        pins: which of its ports are which.
        clocks: choices of the decoder's clock, the first is the default.
        load: command that loads {bitstream} into the board.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    family: str | dict[str, Any] | None = None
    device: tuple[str, ...]
    top: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    pins: Pins
    sources: tuple[str, ...] = Field(min_length=1)
    constraints: str
    clocks: tuple[Clock, ...] = Field(min_length=1)
    load: str


class Board:
    """A board's folder.

    Attributes:
        key: the folder's name.
        file: the validated board.yaml.
        family: its tools.
        sources: the top and what it instantiates, besides the decoder.
        constraints: pins and clocks.
        script: what the vendor's tool of a `ScriptFamily` runs; None for an `OpenFamily`.
    """

    def __init__(self, folder: Path) -> None:
        """Read a board's folder; raises BoardError, which names the file and the field."""
        self.key = folder.name
        self.file = _read(folder / BOARD_NAME)
        self.family = _family(folder, self.file.family)
        self.sources = (*sorted(COMMON.glob("*.sv")), *(_existing(folder, name) for name in self.file.sources))
        self.constraints = _existing(folder, self.file.constraints)
        self.script = _existing(folder, self.family.script) if isinstance(self.family, ScriptFamily) else None

    def clock(self, mhz: float | None) -> Clock:
        """The clock of this frequency, by default the first; raises BoardError with the choices."""
        for clock in self.file.clocks:
            if mhz is None or clock.mhz == mhz:
                return clock
        choices = ", ".join(f"{clock.mhz:g}" for clock in self.file.clocks)
        raise BoardError(f"{self.file.name} has no clock of {mhz:g} MHz; choose one of {choices}")


def boards() -> list[str]:
    """Names of the boards that can be built for."""
    return sorted(file.parent.name for file in FOLDER.glob(f"*/{BOARD_NAME}"))


def find_board(name: str) -> Board:
    """The board of a name, or of a folder anywhere that holds a board.yaml; raises BoardError with the choices."""
    if name in boards():
        return Board(FOLDER / name)
    folder = Path(name)
    if (folder / BOARD_NAME).is_file():
        return Board(folder.resolve())
    raise BoardError(f"there is no board {name!r}: expected {', '.join(boards())}, or a folder with a {BOARD_NAME}")


def _content(file: Path) -> Any:
    try:
        return yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BoardError(f"cannot read {file}: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise BoardError(f"{file} is not YAML: {error}") from error


def _validated(model: type[Model], content: Any, file: Path, what: str) -> Model:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(part) for part in fault['loc']) or 'the file'}: {fault['msg']}" for fault in error.errors()
        )
        raise BoardError(f"{file} does not describe {what}: {faults}") from error


def _family(folder: Path, named: str | dict[str, Any] | None) -> Family:
    """The family that a board names, or that stands in its folder."""
    file = folder / BOARD_NAME
    content: Any = named
    if named is None:
        file = folder / FAMILY_NAME
        if not file.is_file():
            raise BoardError(
                f"{folder / BOARD_NAME}: family: name one of {', '.join(FAMILIES)}, describe one, or put a "
                f"{FAMILY_NAME} beside it"
            )
        content = _content(file)
    elif (folder / FAMILY_NAME).is_file():
        raise BoardError(f"{file} says which family it is, and there is a {FAMILY_NAME} beside it; remove one of them")
    if isinstance(content, str):
        if content not in FAMILIES:
            raise BoardError(
                f"{file}: family {content!r} is not known; expected one of {', '.join(FAMILIES)}, or a family of the "
                "board's own (docs/boards.md)"
            )
        return FAMILIES[content]
    if isinstance(content, dict) and "script" in content:
        return _validated(ScriptFamily, content, file, "a family")
    return _validated(OpenFamily, content, file, "a family")


def _read(file: Path) -> BoardFile:
    board = _validated(BoardFile, _content(file), file, "a board")
    for clock in board.clocks:
        off = 1e6 * clock.mhz / clock.clocks_per_bit / clock.baud - 1 if clock.clocks_per_bit >= 4 else 1.0
        if abs(off) > BAUD_TOLERANCE:
            raise BoardError(
                f"{file}: {clock.baud} baud cannot be made from {clock.mhz:g} MHz: a bit has to last 4 clock cycles "
                f"or more, and a whole number of them within {BAUD_TOLERANCE:.0%}"
            )
    return board


def _existing(folder: Path, name: str) -> Path:
    file = folder / name
    if not file.is_file():
        raise BoardError(f"{folder / BOARD_NAME} names {name!r}, but there is no file {file}")
    return file
