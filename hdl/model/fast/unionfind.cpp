// The union-find core, bit for bit and cycle for cycle, without simulating a clock: growth jumps from event to event.
// Times are cycles since the first one in which the core works on the shot; docs/decoder-architecture.md has them.
#include <algorithm>
#include <cstdint>
#include <vector>

namespace {

constexpr int kBoundary = -1;
constexpr int kFuture = -2;
constexpr int kNever = 1 << 30;

// Cycles, as hdl/compile/unionfind.py builds the pipeline.
constexpr int kDetectToFlood = 4;   // an edge is full -> the first cycle of the first flood
constexpr int kFloodToCommit = 2;   // the flood has arrived everywhere -> its cluster is settled
constexpr int kSettledToDone = 2;   // the last cluster is settled -> nothing active is seen
constexpr int kDetectToStop = 2;    // an edge is full -> growth stops

struct Shape {
  int32_t num_vertices, num_edges, num_classes, start, cycle_budget, commit_vertices, num_twisted;
  const int32_t *end_u, *end_v, *weight, *boundary_class, *component;
  const int64_t *twist, *class_flips, *potential;  // masks of observables; class_flips: num_classes a component
};

struct Half {  // an edge, seen from one of its ends
  int32_t edge, other;
  uint64_t twist;
};

struct Outcome {
  uint64_t flips;
  uint32_t status;
  int32_t cycles;
};

struct Coverage {  // counts for reports, not for results
  uint64_t events, floods, growth_steps, cluster_sizes[16];
};

class Decoder {
 public:
  explicit Decoder(const Shape& shape)
      : shape_(shape),
        first_(shape.num_vertices + 1),
        growth_(shape.num_vertices),
        active_(shape.num_vertices),
        defect_(shape.num_vertices),
        member_(shape.num_vertices),
        dirty_(shape.num_vertices),
        released_(shape.num_vertices),
        known_(shape.num_vertices),
        shift_(shape.num_vertices),
        phase_(shape.num_vertices),
        flood_phase_(shape.num_vertices),
        way_(shape.num_vertices),
        full_(shape.num_edges) {
    for (int e = 0; e < shape.num_edges; e++) {
      first_[shape.end_u[e] + 1]++;
      if (shape.end_v[e] >= 0) first_[shape.end_v[e] + 1]++;
    }
    for (int v = 0; v < shape.num_vertices; v++) first_[v + 1] += first_[v];
    halves_.resize(first_[shape.num_vertices]);
    std::vector<int> next(first_.begin(), first_.end() - 1);
    for (int e = 0; e < shape.num_edges; e++) {
      const int u = shape.end_u[e], v = shape.end_v[e];
      halves_[next[u]++] = {e, v, uint64_t(shape.twist[e])};
      if (v >= 0) halves_[next[v]++] = {e, u, uint64_t(shape.twist[e])};
    }
  }

  // Decodes `defects`; where the window commits, clears the defects it has dealt with.
  Outcome decode(uint8_t* defects, bool windowed, bool last) {
    windowed_ = windowed;
    last_ = last;
    load(defects);
    if (active_list_.empty()) return {0, 0, windowed ? 1 : 0};
    status_ = 0;
    run();
    Outcome outcome{0, status_, now_};
    for (int v : touched_) {
      outcome.flips ^= shift_[v];
      if (defect_[v] && (!windowed || last || released_[v])) {
        outcome.flips ^= uint64_t(shape_.potential[v]) ^ phase_[v];
        defects[v] = 0;
      }
    }
    reset();
    return outcome;
  }

  Coverage coverage{};

 private:
  void load(const uint8_t* defects) {
    active_list_.clear();
    for (int v = 0; v < shape_.num_vertices; v++) {
      if (!defects[v]) continue;
      defect_[v] = active_[v] = 1;
      growth_[v] = shape_.start;
      active_list_.push_back(v);
      touch(v);
    }
  }

  void touch(int v) {
    if (!known_[v]) touched_.push_back(v);
    known_[v] = 1;
  }

  void reset() {
    for (int v : touched_) {
      growth_[v] = 0;
      active_[v] = defect_[v] = known_[v] = dirty_[v] = released_[v] = 0;
      shift_[v] = phase_[v] = 0;
    }
    for (int e : full_list_) full_[e] = 0;
    touched_.clear();
    full_list_.clear();
  }

  int needed(const Half& half, int v) const {  // doubled weight still to be covered
    return 2 * shape_.weight[half.edge] - growth_[v] - (half.other >= 0 ? growth_[half.other] : 0);
  }

  // Steps until the next edge is full; lists the edges that are.
  int next_event() {
    int soonest = kNever;
    for (int v : active_list_) {
      for (int i = first_[v]; i < first_[v + 1]; i++) {
        const Half& half = halves_[i];
        if (full_[half.edge] || (half.other == kFuture && last_)) continue;
        const int rest = needed(half, v);
        const bool both = half.other >= 0 && active_[half.other];
        const int steps = rest <= 0 ? 0 : both ? (rest + 1) / 2 : rest;
        if (steps > soonest) continue;
        if (steps < soonest) filling_.clear();
        soonest = steps;
        filling_.push_back(half.edge);
      }
    }
    return soonest;
  }

  bool over(int time) const { return time >= shape_.cycle_budget; }

  void give_up() {
    status_ |= 1;
    now_ = shape_.cycle_budget + 1;
  }

  void run() {
    int begin = 0;
    while (true) {
      filling_.clear();
      const int steps = next_event();
      if (steps == kNever || over(begin + steps + kDetectToStop)) return give_up();
      coverage.events++;
      coverage.growth_steps += steps;
      for (int v : active_list_) growth_[v] += steps;
      int time = begin + steps + kDetectToFlood;
      if (!settle_clusters(time)) return give_up();
      // `time` is now the first cycle of growth after the last commit
      rebuild_active();
      if (active_list_.empty()) {
        if (over(time)) return give_up();
        now_ = time + kSettledToDone - 1;
        return;
      }
      begin = time;
    }
  }

  bool settle_clusters(int& time) {
    dirty_list_.clear();
    for (int e : filling_) {
      if (full_[e]) continue;
      full_[e] = 1;
      full_list_.push_back(e);
      if (!dirty_[shape_.end_u[e]]) dirty_list_.push_back(shape_.end_u[e]);
      dirty_[shape_.end_u[e]] = 1;
    }
    std::sort(dirty_list_.begin(), dirty_list_.end());
    bool finished = true;
    for (int seed : dirty_list_) {
      if (!dirty_[seed] || !finished) continue;
      const int commit = time + flood(seed) + kFloodToCommit;
      if (over(commit)) {
        finished = false;
      } else {
        settle(seed);
        time = commit + 1;
      }
      for (int v : cluster_) member_[v] = 0;
    }
    for (int v : dirty_list_) dirty_[v] = 0;
    return finished;
  }

  // Of several ways of one length to a vertex, the one whose last step has the lowest order counts.
  static int way_order(int source, int reached) {
    return source > reached ? 2 * (source - reached) : 2 * (reached - source) + 1;
  }

  // Cluster of the seed, nearest first; returns the hops to its farthest vertex.
  int flood(int seed) {
    coverage.floods++;
    cluster_.assign(1, seed);
    member_[seed] = 1;
    flood_phase_[seed] = 0;
    int hops = 0;
    for (size_t begin = 0, end = 1; begin < end; hops++) {
      for (size_t i = begin; i < end; i++) {
        const int v = cluster_[i];
        for (int j = first_[v]; j < first_[v + 1]; j++) {
          const Half& half = halves_[j];
          if (!full_[half.edge] || half.other < 0) continue;
          const int way = way_order(v, half.other);
          if (!member_[half.other]) {
            member_[half.other] = 2;
            way_[half.other] = kNever;
            cluster_.push_back(half.other);
          }
          if (member_[half.other] == 2 && way < way_[half.other]) {
            way_[half.other] = way;
            flood_phase_[half.other] = flood_phase_[v] ^ half.twist;
          }
        }
      }
      begin = end;
      end = cluster_.size();
      for (size_t i = begin; i < end; i++) member_[cluster_[i]] = 1;
    }
    return hops - 1;
  }

  void settle(int seed) {
    bool odd = false, open_end = false, released = last_;
    uint32_t classes = 0;
    int size = 0;
    for (int v : cluster_) {
      odd ^= defect_[v];
      size += defect_[v];
      released |= defect_[v] && v < shape_.commit_vertices;
      for (int i = first_[v]; i < first_[v + 1]; i++) {
        const Half& half = halves_[i];
        if (!full_[half.edge]) continue;
        if (half.other == kBoundary) classes |= 1u << class_at(half.edge, v);
        if (half.other == kFuture) open_end = true;
      }
    }
    coverage.cluster_sizes[std::min(size, 15)]++;
    const bool still = odd && !classes && !open_end;
    if (odd && (classes & (classes - 1))) status_ |= 2;
    for (int v : cluster_) {
      touch(v);
      active_[v] = still;
      shift_[v] = 0;
      phase_[v] = flood_phase_[v];
      released_[v] = released;
      dirty_[v] = 0;
      if (still) spread_.push_back(v);
    }
    if (odd && classes && (!windowed_ || released)) shift_[seed] = classes_at(seed)[__builtin_ctz(classes)];
  }

  const int64_t* classes_at(int v) const { return shape_.class_flips + shape_.component[v] * shape_.num_classes; }

  // Boundary classes are told apart as seen from the cluster's first vertex.
  int class_at(int edge, int v) const {
    const int own = shape_.boundary_class[edge];
    if (!flood_phase_[v]) return own;
    const int64_t* classes = classes_at(v);
    const int64_t mask = classes[own] ^ int64_t(flood_phase_[v]);
    return int(std::find(classes, classes + shape_.num_classes, mask) - classes);
  }

  void rebuild_active() {
    active_list_.insert(active_list_.end(), spread_.begin(), spread_.end());
    spread_.clear();
    std::sort(active_list_.begin(), active_list_.end());
    active_list_.erase(std::unique(active_list_.begin(), active_list_.end()), active_list_.end());
    active_list_.erase(
        std::remove_if(active_list_.begin(), active_list_.end(), [this](int v) { return !active_[v]; }),
        active_list_.end());
  }

  const Shape& shape_;
  std::vector<int> first_;
  std::vector<Half> halves_;
  std::vector<int> growth_;
  std::vector<uint8_t> active_, defect_, member_, dirty_, released_, known_;
  std::vector<uint64_t> shift_, phase_, flood_phase_;
  std::vector<int> way_;
  std::vector<uint8_t> full_;
  std::vector<int> active_list_, touched_, full_list_, filling_, dirty_list_, cluster_, spread_;
  bool windowed_ = false, last_ = true;
  uint32_t status_ = 0;
  int now_ = 0;
};

}  // namespace

extern "C" {

// Whole shots: defects (shots, vertices) -> flips, status, cycles (shots).
void unionfind_decode(const Shape* shape, int64_t num_shots, const uint8_t* defects, uint64_t* flips,
                      uint32_t* status, int32_t* cycles, Coverage* coverage) {
  Decoder decoder(*shape);
  std::vector<uint8_t> shot(shape->num_vertices);
  for (int64_t s = 0; s < num_shots; s++) {
    std::copy_n(defects + s * shape->num_vertices, shape->num_vertices, shot.begin());
    const Outcome outcome = decoder.decode(shot.data(), false, true);
    flips[s] = outcome.flips;
    status[s] = outcome.status;
    cycles[s] = outcome.cycles;
  }
  if (coverage) *coverage = decoder.coverage;
}

// Windows: layers (shots, layers, vertices per layer) -> per shot and window the flips so far, status so far and
// cycles; `windows` slots a shot, the last one used is the shot's end.
void unionfind_stream(const Shape* shape, int64_t num_shots, int64_t num_layers, int window, int commit,
                      const uint8_t* layers, int64_t windows, uint64_t* flips, uint32_t* status, int32_t* cycles,
                      Coverage* coverage) {
  Decoder decoder(*shape);
  const int width = shape->num_vertices / window;
  std::vector<uint8_t> held(shape->num_vertices);
  for (int64_t s = 0; s < num_shots; s++) {
    std::fill(held.begin(), held.end(), 0);
    uint64_t frame = 0;
    uint32_t flags = 0;
    int wanted = window;
    int64_t slot = s * windows;
    for (int64_t t = 0; t < num_layers; t++) {
      std::copy(held.begin() + width, held.end(), held.begin());
      std::copy_n(layers + (s * num_layers + t) * width, width, held.end() - width);
      const bool last = t + 1 == num_layers;
      if (--wanted && !last) continue;
      const Outcome outcome = decoder.decode(held.data(), true, last);
      frame ^= outcome.flips;
      flags |= outcome.status;
      flips[slot] = frame;
      status[slot] = flags;
      cycles[slot] = outcome.cycles;
      slot++;
      wanted = commit;
    }
  }
  if (coverage) *coverage = decoder.coverage;
}

// One window: defects (vertices) in, those that it leaves to the next one out.
void unionfind_window(const Shape* shape, int last, uint8_t* defects, uint64_t* flips, uint32_t* status) {
  Decoder decoder(*shape);
  const Outcome outcome = decoder.decode(defects, true, last);
  *flips = outcome.flips;
  *status = outcome.status;
}
}
