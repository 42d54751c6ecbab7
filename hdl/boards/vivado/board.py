"""BOARD.yaml: what a Zynq board needs for a decoder behind an AXI DMA. A new file of this kind is a new board."""

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from hdl.boards.vivado.design import CLOCK_TOLERANCE, DECODER_BYTES, DMA_BYTES, STREAM_BITS
from hdl.boards.vivado.systems import SYSTEMS, ProcessingSystem, SystemKind
from hdl.errors import BoardError, BuildError

FOLDER = Path(__file__).resolve().parent
SUFFIX = ".yaml"
DEFAULT_BOARD = "pynq_z2"
MOST_MEMORY_MB = 2048
"""What an address of 32 bits reaches below the logic's own addresses; the DMA has such addresses."""


class VivadoBoard(BaseModel):
    """A board's description.

    Attributes:
        name: what the board calls itself to pynq (/proc/device-tree/chosen/pynq_board).
        part: for Vivado.
        board_part: pattern for the board's files in Vivado, whose preset is used where they are installed.
        processing_system: kind of its processing system.
        pll_mhz: of the PLL from which the logic's clock is divided.
        memory_mb: memory that the DMA can reach, from address 0.
        dma_address, decoder_address: of their registers; by default the usual ones of the processing system.
        control_bits, memory_bits: widths of the ports to registers and to memory; by default those after a reset.
        dma_bits: width of the DMA's port to memory.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    part: str = Field(pattern=r"^[A-Za-z0-9-]+$")
    board_part: str = Field(pattern=r"^[A-Za-z0-9_.:*-]+$")
    processing_system: SystemKind
    pll_mhz: float = Field(gt=0, le=3000)
    memory_mb: int = Field(ge=512, le=MOST_MEMORY_MB)
    dma_address: int | None = None
    decoder_address: int | None = None
    control_bits: int | None = None
    memory_bits: int | None = None
    dma_bits: int = 32

    @model_validator(mode="after")
    def _check(self) -> "VivadoBoard":
        system = self.system
        for name, bits, choices in (
            ("control_bits", self.control_port_bits, system.control_bits),
            ("memory_bits", self.memory_port_bits, system.memory_bits),
            ("dma_bits", self.dma_bits, (STREAM_BITS, 64, 128)),
        ):
            if bits not in choices:
                raise ValueError(f"{name}: {bits}, expected {' or '.join(map(str, sorted(choices)))}")
        start, num_bytes = system.control_window
        blocks = sorted(
            [(self.dma_base, DMA_BYTES, "dma_address"), (self.decoder_base, DECODER_BYTES, "decoder_address")]
        )
        for base, size, name in blocks:
            if base % size or not start <= base <= start + num_bytes - size:
                raise ValueError(
                    f"{name}: {base:#x}, expected a multiple of {size:#x} within {start:#x} to "
                    f"{start + num_bytes - 1:#x}, which {system.control_bus} reaches"
                )
        (first, size, _), (second, _, _) = blocks
        if first + size > second:
            raise ValueError("dma_address and decoder_address: the registers overlap")
        return self

    @property
    def key(self) -> str:
        """What its folders are called, and the file of a board that is known here."""
        return overlay_folder(self.name)

    @property
    def system(self) -> ProcessingSystem:
        """Its processing system."""
        return SYSTEMS[self.processing_system]

    @property
    def dma_base(self) -> int:
        """Address of the DMA's registers."""
        return self.system.dma_address if self.dma_address is None else self.dma_address

    @property
    def decoder_base(self) -> int:
        """Address of the decoder's registers."""
        return self.system.decoder_address if self.decoder_address is None else self.decoder_address

    @property
    def control_port_bits(self) -> int:
        """Width of the port to the registers."""
        return self.system.control_bits[0] if self.control_bits is None else self.control_bits

    @property
    def memory_port_bits(self) -> int:
        """Width of the port to the memory."""
        return self.system.memory_bits[0] if self.memory_bits is None else self.memory_bits

    def clock_divisors(self, clock_mhz: float) -> tuple[int, int]:
        """Both divisors from the PLL to a clock; raises BuildError, which names one that can be made."""
        divisors = range(1, self.system.max_divisor + 1)
        products = {first * second: (first, second) for first in divisors for second in divisors}
        best = min(products, key=lambda product: abs(self.pll_mhz / product - clock_mhz))
        nearest_mhz = self.pll_mhz / best
        if abs(nearest_mhz - clock_mhz) < CLOCK_TOLERANCE * clock_mhz:
            return products[best]
        raise BuildError(
            f"a {self.name} cannot make a clock of {clock_mhz:g} MHz from its {self.pll_mhz:g} MHz; "
            f"compile the decoder for another, for example --clock-mhz {nearest_mhz:g}"
        )


def overlay_folder(board_name: str) -> str:
    """Folder of a board's project and overlay within a decoder's folder, from the name that the board gives itself."""
    return board_name.lower().replace("-", "_")


def boards() -> list[str]:
    """Names of the boards that are known here."""
    return sorted(file.stem for file in FOLDER.glob(f"*{SUFFIX}"))


def find_board(name: str) -> VivadoBoard:
    """The board of a name, or of a file anywhere that describes one; raises BoardError with the choices."""
    if name in boards():
        return _read(FOLDER / f"{name}{SUFFIX}")
    if name.endswith(SUFFIX) and Path(name).expanduser().is_file():
        return _read(Path(name).expanduser())
    raise BoardError(
        f"there is no Zynq board {name!r}: expected one of {', '.join(boards())}, or a file {SUFFIX} that describes one"
    )


def _read(file: Path) -> VivadoBoard:
    try:
        return VivadoBoard.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise BoardError(f"cannot read {file}: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise BoardError(f"{file} is not YAML: {error}") from error
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(part) for part in fault['loc']) or 'the file'}: {fault['msg']}" for fault in error.errors()
        )
        raise BoardError(f"{file} does not describe a Zynq board: {faults}") from error
