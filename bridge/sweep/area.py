"""What each decoder of a run costs in area, by Yosys; remembered by content."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bridge.sweep.folder import RunFolder
from hdl.compile.manifest import DecoderFolder
from hdl.errors import HdlError
from hdl.synth.tools import xc7_area

Area = Mapping[str, Any]


def areas(run: RunFolder, skipped: Callable[[str], None]) -> dict[str, Area]:
    """LUTs, flip-flops and block RAMs (`hdl.synth.tools.Area`) of a run's decoders, by decoder id.

    A decoder without RTL has none; of one that Yosys does not take, or where there is no Yosys, `skipped` is told.
    """
    found: dict[str, Area] = {}
    for decoder_id, place in {str(point["decoder_id"]): run.decoder(point) for point in run.points()}.items():
        if not Path(place).is_dir():
            continue
        try:
            decoder = DecoderFolder(Path(place))
            found[decoder_id] = asdict(xc7_area(decoder.design))
        except HdlError as error:
            skipped(f"area of {place}: {error}")
    return found
