"""What a core's generator hands to the compiler: the generated files and the facts that the manifest states."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class CoreFiles:
    """A generated core.

    Attributes:
        files: contents by file name; among them decoder_core.sv with a module `decoder_core`.
        rtl: names of the files of hdl/rtl that the core instantiates.
        weight_bits: bits of an edge weight, 0 where there are none.
        window: layers of a sliding window, 0 for a core that decodes whole shots.
        cycle_budget: clock cycles after which a shot is answered with the status flag set; 0 for no limit.
        variable_rounds: whether register ROUNDS may shorten a shot.
        table, weights: names of the files in `files` that hold the table, or the weights of the fabric's edges, for the
            `software` link, if any.
        graph_hash: what the core was made for, where that is less than the whole graph (a window of it).
        options: what the core was asked for, for the manifest.
    """

    files: Mapping[str, str | bytes]
    rtl: tuple[str, ...]
    weight_bits: int = 0
    window: int = 0
    cycle_budget: int = 0
    variable_rounds: bool = False
    table: str | None = None
    weights: str | None = None
    graph_hash: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
