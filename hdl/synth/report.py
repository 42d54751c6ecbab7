"""One page about what the decoders cost and reach: the measurements that it takes, and its text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hdl.compile.unionfind_fabric import UnionFindOptions
from hdl.synth.designs import Cost, core_area, cost
from hdl.synth.measure import Cycles, Paired, Windowed, table_shots, whole_shots, windows
from hdl.synth.tools import Area

PROBS = (0.001, 0.003, 0.005)
SHOTS: Mapping[int, Mapping[float, int]] = {
    3: {0.001: 20_000_000, 0.003: 4_000_000, 0.005: 4_000_000},
    5: {0.001: 40_000_000, 0.003: 6_000_000, 0.005: 2_000_000},
    7: {0.001: 30_000_000, 0.003: 4_000_000, 0.005: 600_000},
    9: {0.001: 400_000, 0.003: 4_000_000, 0.005: 1_000_000},
}
WIDTHS = (3, 4)
"""Weight bits that are decoded side by side, whichever of them the report shows."""
TABLE_DISTANCE = 3
WINDOW_PROB = 0.005
WINDOW_SHOTS: Mapping[int, int] = {3: 200_000, 5: 100_000, 7: 30_000, 9: 15_000}
SMALLER_WINDOWS: Mapping[int, tuple[int, int]] = {3: (4, 1), 5: (8, 2)}
"""Window and commit layers besides 2 d and d."""
FEWEST_ERRORS = 100
"""Below this many errors of PyMatching a ratio says nothing."""
LARGEST_PLACED = 7
"""Place and route of larger cores takes hours in the WebAssembly tools."""
LARGEST_WHOLE = 3
"""What is around larger cores is the same."""

HEAD = """\
# What the decoders cost and reach

Written by `make synth` (`python -m hdl.synth`). Results are kept by content: a second run measures only what changed.

Rotated surface code, memory Z, uniform circuit noise, rounds = d. Tables and weights are computed once, for 0.4%, and
serve every rate; PyMatching, on the same shots, knows the true one.

- **Area** is Yosys `synth_xilinx -family xc7`, before place and route. *Core* is the decoding block with its streams:
  layers of detection events in, results out, both with valid and ready, the next shot's layers collected while one is
  decoded. This is the number to hold against other decoders' cores. *Decoder* is `decoder_top`: the core, the parser
  of the qds1 stream that differences raw outcomes, the response stage, and the AXI4-Lite registers with counters and
  latency histogram; what it adds hardly grows with the code, and is measured at d=3.
- **Fmax** is Yosys `synth_ecp5 -abc9` and nextpnr-ecp5 for an LFE5-85 of speed grade 6, the core alone, one seed.
- **Cycles** are mean / p99 / maximum per round, from a shot's last layer to its result, by the model that the RTL
  equals cycle for cycle. An empty shot takes two.
- **Error ratios** have their 95% interval (both decoders on the same shots) and, in brackets, the errors of the
  decoder compared with. Where those are fewer than 100 there is no ratio, only the two counts.
"""

WHOLE_COLUMNS = (
    "d",
    "weight bits",
    "core LUT / FF",
    "decoder LUT / FF",
    "Fmax MHz",
    "cycles at 0.1%",
    "at 0.5%",
    "ns per round at 0.1% / 0.5%",
    "errors over PyMatching's at 0.1%",
    "at 0.3%",
    "at 0.5%",
)
WINDOW_COLUMNS = (
    "d",
    "window / commit",
    "core LUT / FF",
    "cycles per committed round",
    "errors over the whole block's",
    "over PyMatching's",
)
TABLE_COLUMNS = ("d", "core LUT / FF / BRAM", "decoder LUT / FF / BRAM", "Fmax MHz", *WHOLE_COLUMNS[-3:])


@dataclass(frozen=True)
class Whole:
    """A union-find core for whole shots, measured."""

    distance: int
    weight_bits: int
    cost: Cost
    errors: Mapping[float, Paired]
    cycles: Mapping[float, Cycles]

    def says_something(self, prob: float) -> bool:
        """Whether there were enough errors for a ratio."""
        return self.errors[prob].other_errors >= FEWEST_ERRORS


def measure_whole(distance: int, widths: Sequence[int]) -> list[Whole]:
    """The cores for whole shots of one distance."""
    measured = {prob: whole_shots(distance, prob, WIDTHS, SHOTS[distance][prob]) for prob in PROBS}
    return [
        Whole(
            distance=distance,
            weight_bits=bits,
            cost=cost(
                distance,
                "union-find",
                UnionFindOptions(bits),
                placed=distance <= LARGEST_PLACED,
                whole=distance <= LARGEST_WHOLE,
            ),
            errors={prob: measured[prob][bits][0] for prob in PROBS},
            cycles={prob: measured[prob][bits][1] for prob in PROBS},
        )
        for bits in widths
    ]


def measure_windows(distance: int) -> list[str]:
    """Table rows of the windowed cores of one distance, with 4-bit weights."""
    shapes = [(2 * distance, distance), *([SMALLER_WINDOWS[distance]] if distance in SMALLER_WINDOWS else [])]
    return [_window_line(distance, UnionFindOptions(window=window, commit=commit)) for window, commit in shapes]


def measure_table() -> str:
    """Table row of the look-up core."""
    area = cost(TABLE_DISTANCE, "table", None, placed=True, whole=True)
    errors = [table_shots(TABLE_DISTANCE, prob, SHOTS[TABLE_DISTANCE][prob]) for prob in PROBS]
    return _line(
        TABLE_DISTANCE, _area(area.core, brams=True), _area(area.decoder, brams=True), _mhz(area), *map(_ratio, errors)
    )


def _window_line(distance: int, options: UnionFindOptions) -> str:
    measured: Windowed = windows(distance, WINDOW_PROB, options, WINDOW_SHOTS[distance])
    return _line(
        distance,
        f"{options.window} / {options.commit_layers}",
        _area(core_area(distance, options)),
        _cycles(measured.cycles),
        _ratio(measured.over_whole),
        _ratio(measured.over_matching),
    )


def _whole_line(row: Whole) -> str:
    times = (
        f"{row.cycles[prob].mean * 1000 / row.cost.fmax_mhz:.0f}" if row.cost.fmax_mhz else "-"
        for prob in (PROBS[0], PROBS[-1])
    )
    return _line(
        row.distance,
        row.weight_bits,
        _area(row.cost.core),
        _area(row.cost.decoder),
        _mhz(row.cost),
        _cycles(row.cycles[PROBS[0]]),
        _cycles(row.cycles[PROBS[-1]]),
        " / ".join(times),
        *(_ratio(row.errors[prob]) for prob in PROBS),
    )


def _line(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _area(area: Area | None, *, brams: bool = False) -> str:
    if area is None:
        return "-"
    return f"{area.luts:,} / {area.flip_flops:,}" + (f" / {area.block_rams:g}" if brams else "")


def _mhz(area: Cost) -> str:
    return f"{area.fmax_mhz:.0f}" if area.fmax_mhz else "-"


def _cycles(cycles: Cycles) -> str:
    return f"{cycles.mean:.1f} / {cycles.p99:.1f} / {cycles.max:.1f}"


def _ratio(paired: Paired) -> str:
    if paired.other_errors < FEWEST_ERRORS:
        return f"{paired.errors} against {paired.other_errors}"
    low, high = paired.interval
    return f"{paired.ratio:.3f}, {low:.3f} to {high:.3f} ({paired.other_errors:,})"


def _head(columns: Sequence[str]) -> list[str]:
    return [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]


def markdown(table: str, whole: Sequence[Whole], windowed: Sequence[str]) -> str:
    """The whole report."""
    return "\n".join(
        [
            HEAD,
            "## Union-find, whole shots",
            "",
            *_head(WHOLE_COLUMNS),
            *map(_whole_line, whole),
            "",
            "![area, clock, cycles and accuracy over the distance](images/hardware.svg)",
            "",
            f"## Union-find in windows, 10 d rounds at {WINDOW_PROB:.1%}",
            "",
            "4-bit weights. Cycles per committed round include bringing in the layers.",
            "",
            *_head(WINDOW_COLUMNS),
            *windowed,
            "",
            "## Look-up table",
            "",
            "Four cycles from the last word to the answer's first, whatever the shot; a shot can follow without a gap.",
            "",
            *_head(TABLE_COLUMNS),
            table,
            "",
        ]
    )
