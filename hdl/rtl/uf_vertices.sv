// All vertices of the union-find core, a bit vector for each thing they remember; bit v belongs to vertex v.
//
// growth    steps taken, in bit planes: bit b of vertex v at [b*NumVertices + v]
// active    in a cluster that still grows
// member    in the cluster that is being flooded
// dirty     the lower end of an edge that filled, its cluster not settled yet
// shift     at the first vertex of a cluster: the observables that its way to a boundary flips
// phase     with loops that flip observables only: flips on the way from the cluster's first vertex
// released  windows only: the cluster reaches into the layers to commit
`default_nettype none
module uf_vertices #(
    parameter int NumVertices = 16,
    parameter int GrowthBits = 4,
    parameter int NumObservables = 1,
    parameter int NumClasses = 2,
    parameter bit Windowed = 1'b0,
    parameter bit Twisted = 1'b0,
    parameter logic [NumVertices-1:0] CommitRegion = '1,
    // observable masks, observable k of vertex v at [k*NumVertices + v]
    parameter logic [NumObservables*NumVertices-1:0] Potential = '0,
    parameter logic [NumObservables*NumVertices-1:0] BoundaryFlips = '0,
    // which classes of boundaries there are where a vertex is, class c of vertex v at [c*NumVertices + v], and what they
    // flip, observable k at [(c*NumObservables + k)*NumVertices + v]
    parameter logic [NumClasses*NumVertices-1:0] HasClass = '1,
    parameter logic [NumClasses*NumObservables*NumVertices-1:0] ClassFlips = '0
) (
    input  logic                                  clk_i,
    // sequence
    input  logic                                  load_i,
    input  logic                                  grow_i,
    input  logic                                  undo_i,
    input  logic                                  watch_i,
    input  logic                                  flood_i,
    input  logic                                  settle_i,
    input  logic                                  last_i,          // the window is the shot's last
    // a shot
    input  logic [NumVertices-1:0]                defects_i,
    input  logic [GrowthBits-1:0]                 start_i,
    // edges
    input  logic [NumVertices-1:0]                filling_i,
    input  logic [NumVertices-1:0]                hit_i,           // a full edge leads from here to a member
    input  logic [NumObservables*NumVertices-1:0] hit_phase_i,     // flips on that way
    input  logic [NumVertices-1:0]                boundary_full_i,
    input  logic [NumVertices-1:0]                future_full_i,
    output logic [GrowthBits*NumVertices-1:0]     growth_o,
    output logic [NumVertices-1:0]                member_o,
    output logic [NumObservables*NumVertices-1:0] phase_o,
    // reports, registered
    output logic                                  any_filled_o,
    output logic                                  any_active_o,
    output logic                                  flooded_o,
    output logic                                  more_clusters_o,
    output logic                                  ambiguous_o,
    output logic [NumObservables-1:0]             flips_o,
    output logic [NumVertices-1:0]                kept_o           // defects that the window leaves to the next one
);
  localparam int N = NumVertices;

  logic [N-1:0] defect_q, active_q, member_q, before_q, dirty_q, seed_q, first_q, released_q;
  logic [GrowthBits*N-1:0] growth_q, growth_d;
  logic [NumObservables*N-1:0] shift, shift_q, phase_q, settled_phase_q;
  logic [N-1:0] candidates, first;

  assign growth_o = growth_q;
  assign member_o = member_q;
  assign phase_o = phase_q;
  assign candidates = dirty_q & ~member_q;

  uf_first_one #(.Width(N)) u_first (
      .bits_i (candidates),
      .first_o(first)
  );

  // ---- growth: one step up, or the two steps down that detection came late
  generate
    for (genvar b = 0; b < GrowthBits; b++) begin : g_growth
      logic [N-1:0] plane, up, down;
      assign plane = growth_q[b*N +: N];
      if (b == 0) begin : g_lowest
        assign up = active_q & {N{grow_i}};
        assign down = '0;
      end else begin : g_higher
        assign up = g_growth[b-1].up & g_growth[b-1].plane;
        if (b == 1) begin : g_second
          assign down = active_q & {N{undo_i}};
        end else begin : g_rest
          assign down = g_growth[b-1].down & ~g_growth[b-1].plane;
        end
      end
      assign growth_d[b*N +: N] = plane ^ up ^ down;
    end
  endgenerate

  // ---- the flooded cluster, a cycle late: parity, boundaries reached, and whether it has stopped spreading
  logic odd_q, future_q, release_q, flooded_q, grows_on, ambiguous_q;
  logic [NumClasses-1:0] touches, touches_q;
  logic [NumClasses-1:0] leaves_by;

  generate
    for (genvar c = 0; c < NumClasses; c++) begin : g_class
      logic [NumObservables*N-1:0] differs;
      logic [N-1:0] other;
      for (genvar k = 0; k < NumObservables; k++) begin : g_observable
        assign differs[k*N +: N] =
            BoundaryFlips[k*N +: N] ^ phase_q[k*N +: N] ^ ClassFlips[(c*NumObservables + k)*N +: N];
        logic [N-1:0] so_far;
        if (k == 0) begin : g_first
          assign so_far = differs[0 +: N];
        end else begin : g_next
          assign so_far = g_observable[k-1].so_far | differs[k*N +: N];
        end
      end
      assign other = g_observable[NumObservables-1].so_far;
      assign touches[c] = |(boundary_full_i & member_q & HasClass[c*N +: N] & ~other);
    end
  endgenerate

  // An odd cluster that is to be committed leaves by the first class that it touches.
  assign leaves_by = touches_q & ~(touches_q - 1'b1) & {NumClasses{odd_q && (!Windowed || release_q)}};
  generate
    for (genvar k = 0; k < NumObservables; k++) begin : g_shift
      always_comb begin
        shift[k*N +: N] = '0;
        for (int c = 0; c < NumClasses; c++) begin
          shift[k*N +: N] = shift[k*N +: N] | (ClassFlips[(c*NumObservables + k)*N +: N] & {N{leaves_by[c]}});
        end
      end
    end
  endgenerate
  assign grows_on = odd_q && touches_q == '0 && !future_q;

  always_ff @(posedge clk_i) begin
    odd_q <= ^(defect_q & member_q);
    touches_q <= touches;
    future_q <= |(future_full_i & member_q);
    release_q <= last_i || (|(defect_q & member_q & CommitRegion));
    flooded_q <= flood_i && !flooded_q && member_q == before_q;
    any_filled_o <= watch_i && dirty_q != '0;
    any_active_o <= load_i || active_q != '0;
    more_clusters_o <= candidates != '0;
    first_q <= first;
    before_q <= flood_i ? member_q : '0;
  end
  assign flooded_o = flooded_q;

  // ---- vertices
  always_ff @(posedge clk_i) begin
    growth_q <= growth_d;
    if (watch_i) dirty_q <= filling_i;
    if (undo_i || settle_i) begin
      member_q <= first_q;
      seed_q <= first_q;
    end else if (flood_i) begin
      member_q <= member_q | hit_i;
    end
    if (settle_i) begin
      active_q <= (active_q & ~member_q) | (member_q & {N{grows_on}});
      released_q <= (released_q & ~member_q) | (member_q & {N{release_q}});
      dirty_q <= dirty_q & ~member_q;
      for (int k = 0; k < NumObservables; k++) begin
        shift_q[k*N +: N] <= (shift_q[k*N +: N] & ~member_q) | (seed_q & shift[k*N +: N]);
      end
      ambiguous_q <= ambiguous_q || (odd_q && (touches_q & (touches_q - 1'b1)) != '0);
    end
    if (load_i) begin
      defect_q <= defects_i;
      active_q <= defects_i;
      released_q <= '0;
      shift_q <= '0;
      dirty_q <= '0;
      member_q <= '0;
      ambiguous_q <= 1'b0;
      for (int b = 0; b < GrowthBits; b++) growth_q[b*N +: N] <= defects_i & {N{start_i[b]}};
    end
  end
  assign ambiguous_o = ambiguous_q;

  // ---- flips on the way from a cluster's first vertex, only where a loop can flip an observable
  generate
    if (Twisted) begin : g_phase
      always_ff @(posedge clk_i) begin
        for (int k = 0; k < NumObservables; k++) begin
          if (undo_i || settle_i) phase_q[k*N +: N] <= '0;
          else if (flood_i) phase_q[k*N +: N] <= phase_q[k*N +: N] | (hit_phase_i[k*N +: N] & ~member_q);
          if (settle_i) begin
            settled_phase_q[k*N +: N] <= (settled_phase_q[k*N +: N] & ~member_q) | (phase_q[k*N +: N] & member_q);
          end
        end
        if (load_i) settled_phase_q <= '0;
      end
    end else begin : g_no_phase
      logic unused_phase;
      assign unused_phase = ^hit_phase_i;
      assign phase_q = '0;
      assign settled_phase_q = '0;
    end
  endgenerate

  // ---- result
  logic [N-1:0] counted;
  assign counted = Windowed ? defect_q & (released_q | {N{last_i}}) : defect_q;
  assign kept_o = defect_q & ~counted;
  always_ff @(posedge clk_i) begin
    for (int k = 0; k < NumObservables; k++) begin
      flips_o[k] <= ^((counted & (Potential[k*N +: N] ^ settled_phase_q[k*N +: N])) ^ shift_q[k*N +: N]);
    end
  end
endmodule
`default_nettype wire
