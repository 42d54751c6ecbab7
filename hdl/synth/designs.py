"""The cores that the report is about, compiled into a folder that goes afterwards, and what each one costs."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hdl.compile.decoder import RTL_FOLDER, compile_decoder
from hdl.compile.layout import events_layout
from hdl.compile.manifest import DecoderFolder
from hdl.compile.unionfind_fabric import UnionFindOptions
from hdl.design import verilog_design
from hdl.synth.measure import WEIGHTS_AT, memory
from hdl.synth.tools import Area, ecp5_fmax_mhz, xc7_area

CORE_FILES = ("decoder_pkg", "table_core", "uf_", "decoder_core")
CORE = "decoder_core"


@dataclass(frozen=True)
class Cost:
    """A core with its streams by itself, its clock where it was placed, the whole decoder around it where asked for."""

    core: Area
    fmax_mhz: float | None
    decoder: Area | None


@contextmanager
def compiled(distance: int, rounds: int, core: str, options: UnionFindOptions | None = None) -> Iterator[DecoderFolder]:
    """A decoder of the rotated surface code in a folder that goes afterwards."""
    error_model = memory(distance, rounds, WEIGHTS_AT).detector_error_model(decompose_errors=True)
    layout = events_layout(error_model)
    with tempfile.TemporaryDirectory() as scratch:
        yield compile_decoder(error_model, layout, Path(scratch) / "decoder", core=core, options=options)


def core_sources(decoder: DecoderFolder) -> list[Path]:
    """Sources of decoder_core alone."""
    chosen = [path for path in decoder.sources if path.name.startswith(CORE_FILES)]
    return [*chosen, RTL_FOLDER / "sync_fifo.sv"] if decoder.manifest.options.get("window") else chosen


def cost(distance: int, core: str, options: UnionFindOptions | None, *, placed: bool, whole: bool) -> Cost:
    """Synthesise a core for whole shots, rounds = distance.

    Args:
        placed: place and route it for ECP5.
        whole: synthesise the decoder around it, too.
    """
    with compiled(distance, distance, core, options) as decoder:
        sources = core_sources(decoder)
        return Cost(
            core=xc7_area(verilog_design(CORE, CORE, sources)),
            fmax_mhz=ecp5_fmax_mhz(sources, CORE) if placed else None,
            decoder=xc7_area(decoder.design) if whole else None,
        )


def core_area(distance: int, options: UnionFindOptions) -> Area:
    """Area of a windowed core."""
    with compiled(distance, 2 * distance, "union-find", options) as decoder:
        return xc7_area(verilog_design(CORE, CORE, core_sources(decoder)))
