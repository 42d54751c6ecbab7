"""One table and one plot of what the decoders cost and reach."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot

from hdl.compile.decoder import RTL_FOLDER, compile_decoder
from hdl.compile.layout import events_layout
from hdl.compile.manifest import DecoderFolder
from hdl.compile.unionfind_fabric import UnionFindOptions
from hdl.synth.measure import WEIGHTS_AT, Accuracy, Cycles, memory, whole_shots, windows
from hdl.synth.tools import Area, ecp5_fmax_mhz, xc7_area

PROBS = (0.001, 0.003, 0.005)
SHOTS: Mapping[int, Mapping[float, int]] = {
    3: {0.001: 4_000_000, 0.003: 2_000_000, 0.005: 1_000_000},
    5: {0.001: 10_000_000, 0.003: 2_000_000, 0.005: 600_000},
    7: {0.001: 30_000_000, 0.003: 2_000_000, 0.005: 300_000},
    9: {0.001: 200_000, 0.003: 2_000_000, 0.005: 200_000},
}
WINDOW_SHOTS: Mapping[int, int] = {3: 100_000, 5: 50_000, 7: 20_000, 9: 8_000}
FEWEST_ERRORS = 100
"""Below this many errors of PyMatching a ratio says nothing."""
LARGEST_PLACED = 7
"""Place and route of larger cores takes hours in the WebAssembly tools."""

WHOLE_COLUMNS = (
    "d",
    "weight bits",
    "core LUT / FF",
    "decoder LUT / FF / BRAM",
    "Fmax MHz",
    "cycles per round at 0.1%",
    "at 0.5%",
    "ns per round, 0.1% / 0.5%",
    "errors over PyMatching's at 0.1%",
    "at 0.3%",
    "at 0.5%",
)
WINDOW_COLUMNS = (
    "d",
    "weight bits",
    "window / commit",
    "core LUT / FF",
    "cycles per round at 0.5%",
    "errors over the whole block's",
    "over PyMatching's",
)


@dataclass(frozen=True)
class Whole:
    """A core for whole shots, measured."""

    distance: int
    weight_bits: int
    core: Area
    decoder: Area
    fmax_mhz: float | None
    accuracy: Mapping[float, Accuracy]
    cycles: Mapping[float, Cycles]


def measure_whole(distance: int, weight_bits: int) -> Whole:
    """Synthesise and measure a core for whole shots, rounds = distance."""
    measured = {prob: whole_shots(distance, prob, weight_bits, SHOTS[distance][prob]) for prob in PROBS}
    with compiled(distance, distance, UnionFindOptions(weight_bits)) as decoder:
        sources = core_sources(decoder)
        return Whole(
            distance=distance,
            weight_bits=weight_bits,
            core=xc7_area(sources, "decoder_core"),
            decoder=xc7_area(decoder.sources, decoder.manifest.top),
            fmax_mhz=ecp5_fmax_mhz(sources, "decoder_core") if distance <= LARGEST_PLACED else None,
            accuracy={prob: accuracy for prob, (accuracy, _) in measured.items()},
            cycles={prob: cycles for prob, (_, cycles) in measured.items()},
        )


@contextmanager
def compiled(distance: int, rounds: int, options: UnionFindOptions) -> Iterator[DecoderFolder]:
    """A union-find decoder in a folder that goes afterwards."""
    error_model = memory(distance, rounds, WEIGHTS_AT).detector_error_model(decompose_errors=True)
    layout = events_layout(error_model)
    with tempfile.TemporaryDirectory() as scratch:
        yield compile_decoder(error_model, layout, Path(scratch) / "decoder", core="union-find", options=options)


def core_sources(decoder: DecoderFolder) -> list[Path]:
    """Sources of decoder_core alone."""
    chosen = [path for path in decoder.sources if path.name.startswith(("decoder_pkg", "uf_", "decoder_core"))]
    return [*chosen, RTL_FOLDER / "sync_fifo.sv"] if decoder.manifest.options.get("window") else chosen


def whole_line(row: Whole) -> str:
    """Table row of a core for whole shots."""
    fmax = f"{row.fmax_mhz:.0f}" if row.fmax_mhz else "-"
    time = " / ".join(
        f"{row.cycles[p].mean * 1000 / row.fmax_mhz:.0f}" if row.fmax_mhz else "-" for p in (0.001, 0.005)
    )
    ratios = " | ".join(ratio_text(row.accuracy[prob]) for prob in PROBS)
    area = f"{row.core.luts:,} / {row.core.flip_flops:,}"
    decoder = f"{row.decoder.luts:,} / {row.decoder.flip_flops:,} / {row.decoder.block_rams:g}"
    return (
        f"| {row.distance} | {row.weight_bits} | {area} | {decoder} | {fmax} | {cycles_text(row.cycles[0.001])} "
        f"| {cycles_text(row.cycles[0.005])} | {time} | {ratios} |"
    )


def cycles_text(cycles: Cycles) -> str:
    """Mean, p99 and maximum."""
    return f"{cycles.mean:.1f} / {cycles.p99:.1f} / {cycles.max:.1f}"


def ratio_text(accuracy: Accuracy) -> str:
    """Ratio and how many errors of PyMatching it rests on."""
    if accuracy.matching_errors < FEWEST_ERRORS:
        return f"({accuracy.errors} against {accuracy.matching_errors})"
    return f"{accuracy.ratio:.3f} ({accuracy.matching_errors:,})"


def window_line(distance: int, weight_bits: int, prob: float) -> str:
    """Table row of a windowed core: window 2 d, commit d, over 10 d rounds."""
    options = UnionFindOptions(weight_bits, window=2 * distance, commit=distance)
    accuracy, whole_errors, cycles = windows(distance, prob, options, WINDOW_SHOTS[distance])
    with compiled(distance, 2 * distance, options) as decoder:
        area = xc7_area(core_sources(decoder), "decoder_core")
    return (
        f"| {distance} | {weight_bits} | {options.window} / {options.commit_layers} "
        f"| {area.luts:,} / {area.flip_flops:,} | {cycles_text(cycles)} | {accuracy.errors / whole_errors:.3f} "
        f"| {ratio_text(accuracy)} |"
    )


def plot(rows: Sequence[Whole], file: Path) -> None:
    """LUTs, cycles per round and error ratio over the distance."""
    figure, axes = pyplot.subplots(1, 3, figsize=(11, 3.4))
    for bits, style in ((3, "o--"), (4, "s-")):
        chosen = [row for row in rows if row.weight_bits == bits]
        distances = [row.distance for row in chosen]
        axes[0].semilogy(distances, [row.core.luts for row in chosen], style, label=f"{bits}-bit weights")
        for prob, colour in ((0.001, "C0"), (0.005, "C3")):
            label = f"{bits} bits, {prob:.1%}"
            axes[1].plot(distances, [row.cycles[prob].mean for row in chosen], style, color=colour, label=label)
        for prob, colour in ((0.003, "C2"), (0.005, "C3")):
            label = f"{bits} bits, {prob:.1%}"
            axes[2].plot(distances, [row.accuracy[prob].ratio for row in chosen], style, color=colour, label=label)
    for axis, title in zip(axes, ("7-series LUTs", "mean cycles per round", "errors over PyMatching's"), strict=True):
        axis.set(title=title, xlabel="distance", xticks=sorted({row.distance for row in rows}))
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    figure.tight_layout()
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)


def table_head(columns: Sequence[str]) -> list[str]:
    """The first two lines of a Markdown table."""
    return [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]


def markdown(rows: Sequence[Whole], window_rows: Sequence[str]) -> str:
    """The whole report."""
    return "\n".join(
        [
            "# What the union-find decoder costs and reaches",
            "",
            "Written by `make synth` (`python -m hdl.synth`); a second run only measures what changed.",
            "",
            "Rotated surface code, memory Z, uniform circuit noise; all weights computed once, at 0.4%. Area: Yosys",
            "`synth_xilinx -family xc7`, for the core with its layer and result streams, and for the whole decoder",
            "(AXI4-Stream front end, registers and statistics included). Fmax: Yosys and nextpnr-ecp5, LFE5-85 speed",
            "grade 6, the core alone. Cycles: mean / p99 / maximum per round, from a shot's last layer to its result,",
            "by the model that the RTL equals cycle for cycle. Error ratios: on the same shots, PyMatching's errors in",
            "brackets; PyMatching knows the true rates.",
            "",
            "## Whole shots, rounds = d",
            "",
            *table_head(WHOLE_COLUMNS),
            *(whole_line(row) for row in rows),
            "",
            "![area, speed and accuracy over the distance](images/hardware.svg)",
            "",
            "## Windows, 10 d rounds at 0.5%",
            "",
            "Cycles per committed round include bringing in the layers. A window's core serves memories of any length.",
            "",
            *table_head(WINDOW_COLUMNS),
            *window_rows,
            "",
        ]
    )
