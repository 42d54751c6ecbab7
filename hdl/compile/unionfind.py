"""Writes decoder_core.sv of a union-find decoder: rows of edges around the vertices of hdl/rtl/uf_*.sv."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from hdl.compile.core_files import CoreFiles
from hdl.compile.graph import BOUNDARY, DecodingGraph
from hdl.compile.ports import CORE_PORTS
from hdl.compile.unionfind_fabric import Fabric, UnionFindOptions, build_fabric, cycle_budget, window_hash
from hdl.compile.unionfind_rows import Row, edge_rows, lane_weights, way_order
from hdl.errors import ErrorModelError

WEIGHTS_FILE = "weights.npy"
COMMON_RTL = ("uf_control.sv", "uf_edges.sv", "uf_first_one.sv", "uf_vertices.sv")


def emit_core(graph: DecodingGraph, options: UnionFindOptions) -> CoreFiles:
    """Compile the union-find core of a graph.

    Raises:
        ErrorModelError: the options do not fit the graph (see `build_fabric`), or one another.
    """
    if not options.window and (options.commit or options.fifo_layers):
        raise ErrorModelError("commit and fifo_layers belong to a windowed core: give a window, too")
    fabric = build_fabric(graph, options)
    rtl = [*COMMON_RTL, *(["uf_window.sv"] if options.window else ["uf_layers.sv", "uf_whole.sv"])]
    if options.loadable:
        rtl.append("uf_weight_store.sv")
    weights = io.BytesIO()
    np.save(weights, fabric.weight)
    return CoreFiles(
        files={"decoder_core.sv": core_source(fabric, options), WEIGHTS_FILE: weights.getvalue()},
        rtl=tuple(rtl),
        weight_bits=options.weight_bits,
        window=options.window,
        cycle_budget=options.cycle_budget,
        variable_rounds=bool(options.window),
        weights=WEIGHTS_FILE,
        graph_hash=window_hash(graph, options) if options.window else None,
        options=asdict(options),
    )


def weight_writes(graph: DecodingGraph, options: UnionFindOptions) -> list[tuple[int, int]]:
    """Writes to the cfg port that make a loadable core decode as one compiled for `graph`.

    Args:
        graph: of the changed error model; its structure (graph_hash) must be the compiled one's.
        options: those that the core was compiled with.

    Returns:
        (address, value) pairs, to be written in order.
    """
    fabric = build_fabric(graph, options)
    weights = lane_weights(fabric, edge_rows(fabric)).tolist()
    return [*enumerate(weights), (len(weights), fabric.start), (len(weights) + 1, 1)]


def core_source(fabric: Fabric, options: UnionFindOptions) -> str:
    """Text of decoder_core.sv."""
    rows = edge_rows(fabric)
    return "\n".join(
        [
            _head(fabric, options, rows),
            _weights(fabric, options, rows),
            *(_row(index, row, fabric, options) for index, row in enumerate(rows)),
            _gathering(fabric, rows),
            _vertices(fabric, options),
            _control(fabric, options),
            _streams_windowed(fabric, options) if options.window else _streams_whole(fabric),
            "endmodule\n`default_nettype wire\n",
        ]
    )


def _head(fabric: Fabric, options: UnionFindOptions, rows: Sequence[Row]) -> str:
    kind = f"window of {options.window} layers" if options.window else "whole shots"
    unused = ["phase", "shot_idle", *([] if any(row.kind == "inner" for row in rows) else ["member"])]
    internals = ", ".join(unused)
    return f"""\
// Decoder core: union-find, {kind}. Generated.
// {fabric.num_vertices} vertices, {fabric.num_edges} edges in {len(rows)} rows.
`default_nettype none
module decoder_core (
{CORE_PORTS}
);
  localparam int N = {fabric.num_vertices};
  localparam int WeightBits = {options.weight_bits};
  localparam int G = WeightBits + 1;
  localparam int NumObservables = {fabric.num_observables};
  localparam int NumLayers = {fabric.num_layers};
  localparam int LayerWidth = {fabric.layer_width};

  logic load, grow, undo, latch, watch, flood, settle, finish, finish_empty, over_budget;
  logic any_filled, any_active, flooded, more_clusters, ambiguous;
  logic shot_valid, shot_empty, shot_take, result_free, last, hold;
  logic [N-1:0] defects, filling, hit, boundary_full, future_full, member, kept;
  logic [NumObservables*N-1:0] hit_phase, phase;
  logic [G*N-1:0] growth;
  logic [G-1:0] start;
  logic [NumObservables-1:0] flips;
  logic [NumLayers*LayerWidth-1:0] events;
  logic weight_shift, shot_idle;
  // Which of these a core reads depends on its loops and on whether its weights can be loaded.
  logic unused_internals;
  assign unused_internals = ^{{{internals}}};
"""


def _weights(fabric: Fabric, options: UnionFindOptions, rows: tuple[Row, ...]) -> str:
    lines = [f"  logic [WeightBits-1:0] weight_{index};" for index in range(len(rows) + 1)]
    if not options.loadable:
        return "\n".join(
            [
                *lines,
                "  logic unused_cfg;",
                "  assign unused_cfg = cfg_we_i ^ (^cfg_addr_i) ^ (^cfg_wdata_i);",
                "  assign cfg_rdata_o = '0;",
                "  assign hold = 1'b0;",
                "  assign weight_shift = 1'b0;",
                "  assign weight_0 = '0;",
                f"  assign start = {options.weight_bits + 1}'d{fabric.start};",
                f"  logic unused_weight;\n  assign unused_weight = ^weight_{len(rows)};",
                "",
            ]
        )
    weights = lane_weights(fabric, rows)
    bits = (weights[:, None] >> np.arange(options.weight_bits) & 1).ravel()
    return "\n".join(
        [
            *lines,
            f"""\
  logic unused_weight;
  assign unused_weight = ^weight_{len(rows)};
  uf_weight_store #(
      .NumLanes({len(weights)}),
      .WeightBits(WeightBits),
      .Start({fabric.start}),
      .Weights({_literal(bits)})
  ) u_weights (
      .clk_i,
      .rst_ni,
      .cfg_we_i,
      .cfg_addr_i,
      .cfg_wdata_i,
      .cfg_rdata_o,
      .core_idle_i   (shot_idle),
      .hold_o        (hold),
      .weight_shift_o(weight_shift),
      .weight_o      (weight_0),
      .start_o       (start)
  );
""",
        ]
    )


def _row(index: int, row: Row, fabric: Fabric, options: UnionFindOptions) -> str:
    width = row.width
    mask = row.edge >= 0
    weight = np.where(mask, fabric.weight[row.edge], 1)
    planes = (weight >> np.arange(options.weight_bits)[:, None] & 1).ravel()
    bits = range(options.weight_bits + 1)
    u_side = _planes(f"growth[{{}}*N+{row.low} +: {width}]", bits)
    v_side = (
        _planes(f"growth[{{}}*N+{row.low + row.offset} +: {width}]", bits)
        if row.kind == "inner"
        else f"{len(bits) * width}'b0"
    )
    return f"""\
  // {row.kind}: {int(mask.sum())} edges from vertex {row.low} on{f", {row.offset} apart" if row.offset else ""}
  logic [{width - 1}:0] full_{index}, filling_{index};
  uf_edges #(
      .Width({width}),
      .WeightBits(WeightBits),
      .Mask({_literal(mask)}),
      .Loadable(1'b{int(options.loadable)}),
      .Weights({_literal(planes)})
  ) u_edges_{index} (
      .clk_i,
      .growth_u_i({u_side}),
      .growth_v_i({v_side}),
      .clear_i(load),
      .latch_i(latch),
      .weight_shift_i(weight_shift),
      .weight_i(weight_{index}),
      .weight_o(weight_{index + 1}),
      .full_o(full_{index}),
      .filling_o(filling_{index})
  );
"""


def _planes(pattern: str, bits: Iterable[int]) -> str:
    return "{" + ", ".join(pattern.format(bit) for bit in reversed(list(bits))) + "}"


def _gathering(fabric: Fabric, rows: Sequence[Row]) -> str:
    """What the vertices see of the rows: each row's lanes, shifted to its vertices."""
    seen: dict[str, list[str]] = {name: [] for name in ("filling", "hit", "boundary_full", "future_full")}
    ways: list[tuple[tuple[int, bool], str, list[str]]] = []
    for index, row in enumerate(rows):
        if row.kind == "future":
            seen["future_full"].append(_at(row.low, f"full_{index}") + " & {N{~last}}")
            seen["filling"].append(_at(row.low, f"filling_{index}") + " & {N{~last}}")
            continue
        seen["filling"].append(_at(row.low, f"filling_{index}"))
        if row.kind == "boundary":
            seen["boundary_full"].append(_at(row.low, f"full_{index}"))
            continue
        high = row.low + row.offset
        for here, there in ((row.low, high), (high, row.low)):
            members = f"full_{index} & member[{there} +: {row.width}]"
            seen["hit"].append(_at(here, members))
            flips = []
            for k in fabric.twisted:
                twist = _literal(np.where(row.edge >= 0, fabric.twist[row.edge] >> k & 1, 0))
                flips.append(_at(here, f"{{{members} & (phase[{k}*N+{there} +: {row.width}] ^ {twist})}}"))
            ways.append((way_order(there, here), _at(here, members), flips))
    lines = [_any_of(name, terms) for name, terms in seen.items()]
    if fabric.twisted:
        ways.sort(key=lambda way: way[0])
        lines += _first_way(fabric, [(members, flips) for _, members, flips in ways])
    lines += [f"  assign hit_phase[{k}*N +: N] = '0;" for k in range(fabric.num_observables) if k not in fabric.twisted]
    return "\n".join([*lines, ""])


def _first_way(fabric: Fabric, ways: Sequence[tuple[str, list[str]]]) -> list[str]:
    """Of the ways on which a vertex is reached in one step of a flood, what the first one flips.

    A tree: of two neighbours in the order the first decides where it leads, else the second.

    Args:
        fabric: gives the observables that loops flip.
        ways: where each leads (N bits), and what it flips there, an entry for each of these observables; in order.
    """
    lines = []
    numbers = range(len(ways))
    for number, (leads, flips) in enumerate(ways):
        lines.append(f"  logic [N-1:0] way_{number};\n  assign way_{number} = {leads};")
        for k, flipped in zip(fabric.twisted, flips, strict=True):
            lines.append(f"  logic [N-1:0] way_{number}_flips_{k};\n  assign way_{number}_flips_{k} = {flipped};")
    last = len(ways)
    left = list(numbers)
    while len(left) > 1:
        joined = []
        for first, second in zip(left[::2], left[1::2], strict=False):
            lines.append(f"  logic [N-1:0] way_{last};\n  assign way_{last} = way_{first} | way_{second};")
            for k in fabric.twisted:
                lines.append(
                    f"  logic [N-1:0] way_{last}_flips_{k};\n  assign way_{last}_flips_{k} = "
                    f"way_{first}_flips_{k} | (way_{second}_flips_{k} & ~way_{first});"
                )
            joined.append(last)
            last += 1
        left = joined + left[len(left) - len(left) % 2 :]
    lines += [f"  assign hit_phase[{k}*N +: N] = way_{left[0]}_flips_{k};" for k in fabric.twisted]
    lines.append(f"  logic unused_way;\n  assign unused_way = ^way_{left[0]};")
    return lines


def _at(low: int, lanes: str) -> str:
    return f"(N'({lanes}) << {low})"


def _any_of(name: str, terms: Sequence[str]) -> str:
    if not terms:
        return f"  assign {name} = '0;"
    joined = "\n    | ".join(f"({term})" if "{N" in term else term for term in terms)
    return f"  assign {name} = {joined};"


def _vertices(fabric: Fabric, options: UnionFindOptions) -> str:
    observables = np.arange(fabric.num_observables)
    boundary_flips = np.zeros(fabric.num_vertices, dtype=np.int64)
    for edge in np.flatnonzero(fabric.end_v == BOUNDARY):
        boundary_flips[fabric.end_u[edge]] = fabric.boundary_mask(edge)
    classes = fabric.classes[fabric.component].T  # of each vertex: (classes, vertices)
    has_class = classes >= 0
    class_flips = np.where(has_class, classes, 0)[:, None] >> observables[:, None] & 1
    commit = fabric.layer < options.commit_layers if options.window else np.ones(fabric.num_vertices)
    return f"""\
  uf_vertices #(
      .NumVertices(N),
      .GrowthBits(G),
      .NumObservables(NumObservables),
      .NumClasses({len(classes)}),
      .Windowed(1'b{int(bool(options.window))}),
      .Twisted(1'b{int(bool(fabric.twisted))}),
      .CommitRegion({_literal(commit)}),
      .Potential({_literal((fabric.potential >> observables[:, None] & 1).ravel())}),
      .BoundaryFlips({_literal((boundary_flips >> observables[:, None] & 1).ravel())}),
      .HasClass({_literal(has_class.ravel())}),
      .ClassFlips({_literal(class_flips.ravel())})
  ) u_vertices (
      .clk_i,
      .load_i         (load),
      .grow_i         (grow),
      .undo_i         (undo),
      .watch_i        (watch),
      .flood_i        (flood),
      .settle_i       (settle),
      .last_i         (last),
      .defects_i      (defects),
      .start_i        (start),
      .filling_i      (filling),
      .hit_i          (hit),
      .hit_phase_i    (hit_phase),
      .boundary_full_i(boundary_full),
      .future_full_i  (future_full),
      .growth_o       (growth),
      .member_o       (member),
      .phase_o        (phase),
      .any_filled_o   (any_filled),
      .any_active_o   (any_active),
      .flooded_o      (flooded),
      .more_clusters_o(more_clusters),
      .ambiguous_o    (ambiguous),
      .flips_o        (flips),
      .kept_o         (kept)
  );
"""


def _control(fabric: Fabric, options: UnionFindOptions) -> str:
    return f"""\
  uf_control #(
      .CycleBudget({cycle_budget(fabric, options)})
  ) u_control (
      .clk_i,
      .rst_ni,
      .shot_valid_i   (shot_valid && !hold),
      .shot_empty_i   (shot_empty),
      .shot_take_o    (shot_take),
      .idle_o         (shot_idle),
      .any_filled_i   (any_filled),
      .any_active_i   (any_active),
      .flooded_i      (flooded),
      .more_clusters_i(more_clusters),
      .load_o         (load),
      .grow_o         (grow),
      .undo_o         (undo),
      .latch_o        (latch),
      .watch_o        (watch),
      .flood_o        (flood),
      .settle_o       (settle),
      .result_free_i  (result_free),
      .finish_o       (finish),
      .finish_empty_o (finish_empty),
      .over_budget_o  (over_budget)
  );
"""


def _streams_whole(fabric: Fabric) -> str:
    unused = _unused_events()
    return f"""\
  uf_layers #(
      .LayerWidth(LayerWidth),
      .NumLayers(NumLayers)
  ) u_layers (
      .clk_i,
      .rst_ni,
      .layer_valid_i,
      .layer_ready_o,
      .layer_events_i,
      .layer_last_i,
      .abort_i,
      .shot_valid_o (shot_valid),
      .shot_empty_o (shot_empty),
      .shot_events_o(events),
      .shot_take_i  (shot_take)
  );
  assign last = 1'b1;
  {_defects(fabric)}
{unused}
  uf_whole #(
      .NumObservables(NumObservables)
  ) u_result (
      .clk_i,
      .rst_ni,
      .done_i       (finish || finish_empty),
      .empty_i      (finish_empty),
      .flips_i      (flips),
      .status_i     ({{ambiguous, over_budget}}),
      .result_free_o(result_free),
      .result_valid_o,
      .result_ready_i,
      .result_flips_o,
      .result_status_o
  );
  assign result_frame_o = 1'b0;
  assign result_round_o = '0;
  logic unused_kept;
  assign unused_kept = ^kept;
"""


def _streams_windowed(fabric: Fabric, options: UnionFindOptions) -> str:
    position = _positions(fabric)
    vertex_at = {int(place): vertex for vertex, place in enumerate(position)}
    places = range(fabric.num_layers * fabric.layer_width)
    kept = ", ".join(f"kept[{vertex_at[p]}]" if p in vertex_at else "1'b0" for p in reversed(places))
    kept = "kept" if np.array_equal(position, np.arange(len(places))) else f"{{{kept}}}"
    return f"""\
  uf_window #(
      .LayerWidth(LayerWidth),
      .NumLayers(NumLayers),
      .CommitLayers({options.commit_layers}),
      .FifoDepthBits({options.fifo_depth.bit_length() - 1}),
      .NumObservables(NumObservables)
  ) u_window (
      .clk_i,
      .rst_ni,
      .layer_valid_i,
      .layer_ready_o,
      .layer_events_i,
      .layer_last_i,
      .abort_i,
      .window_valid_o (shot_valid),
      .window_last_o  (last),
      .window_events_o(events),
      .window_take_i  (shot_take),
      .done_i         (finish),
      .kept_i         ({kept}),
      .flips_i        (flips),
      .status_i       ({{ambiguous, over_budget}}),
      .result_free_o  (result_free),
      .result_valid_o,
      .result_ready_i,
      .result_flips_o,
      .result_status_o,
      .result_frame_o,
      .result_round_o
  );
  assign shot_empty = 1'b0;
  {_defects(fabric)}
{_unused_events()}
  logic unused_empty;
  assign unused_empty = finish_empty;
"""


def _positions(fabric: Fabric) -> NDArray[np.int64]:
    return np.asarray(fabric.layer * fabric.layer_width + fabric.bit)


def _defects(fabric: Fabric) -> str:
    position = _positions(fabric)
    if np.array_equal(position, np.arange(fabric.num_layers * fabric.layer_width)):
        return "assign defects = events;"
    return "assign defects = {" + ", ".join(f"events[{place}]" for place in position[::-1]) + "};"


def _unused_events() -> str:
    return "  logic unused_events;\n  assign unused_events = ^events;"


def _literal(bits: Iterable[int | bool | np.generic]) -> str:
    """Bits, lowest first, as a SystemVerilog literal."""
    text = "".join("1" if bit else "0" for bit in bits)
    return f"{len(text)}'b{text[::-1]}"
