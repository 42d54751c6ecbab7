"""What the decoder did inside: cluster sizes, merges, growth between events, windows; counted and reported."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from cocotb.triggers import FallingEdge

REPORT = "coverage.json"
KINDS = ("sizes", "merged", "growth", "outcomes", "windows")


class Coverage:
    """Watches a core; `report` writes what was seen, `require` fails for what was not.

    Attributes:
        sizes: clusters settled, by defects in them.
        merged: clusters settled, by the clusters of before that are in them.
        growth: steps of growth between two events.
        outcomes: of shots, or of windows.
        windows: by place in the memory, and by what they leave to the next one.
    """

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.sizes: Counter[int] = Counter()
        self.merged: Counter[int] = Counter()
        self.growth: Counter[int] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.windows: Counter[str] = Counter()

    async def watch(self) -> None:
        """Runs until the test ends."""
        dut = self.dut
        windowed = hasattr(dut, "u_window")
        parts: dict[int, int] = {}  # vertex -> number of its cluster
        next_part = steps = 0
        while True:
            await FallingEdge(dut.clk_i)
            if not dut.rst_ni.value.is_resolvable or dut.rst_ni.value == 0:
                continue
            if dut.load.value == 1:
                parts = {v: v for v in range(len(dut.defects.value)) if int(dut.defects.value) >> v & 1}
                next_part, steps = len(dut.defects.value), 0
                self.outcomes["load"] += 1
            steps += int(dut.grow.value)
            if dut.undo.value == 1:
                self.growth[steps - 2] += 1  # detection comes two steps late
                steps = 0
            if dut.settle.value == 1:
                member = int(dut.member.value)
                inside = [v for v in range(len(dut.defects.value)) if member >> v & 1]
                self.sizes[(member & int(dut.u_vertices.defect_q.value)).bit_count()] += 1
                self.merged[len({parts[v] for v in inside if v in parts})] += 1
                parts.update(dict.fromkeys(inside, next_part))
                next_part += 1
            if dut.finish.value == 1:
                self.outcomes["over budget" if dut.over_budget.value == 1 else "finished"] += 1
                self.outcomes["ambiguous"] += int(dut.ambiguous.value)
                if windowed:
                    self._window(first=int(dut.u_window.round_q.value) == 0, last=dut.last.value == 1)
            self.outcomes["empty"] += int(dut.finish_empty.value)

    def _window(self, *, first: bool, last: bool) -> None:
        place = {(True, True): "only", (True, False): "first", (False, True): "last"}.get((first, last), "inner")
        self.windows[place] += 1
        kept = int(self.dut.kept.value).bit_count()
        self.windows["leaves " + ("none" if kept == 0 else "one" if kept == 1 else "more")] += 1
        if self.dut.u_window.stalled_q.value == 1:
            self.windows["layers had to wait"] += 1

    def report(self) -> None:
        """Write the counts to the simulation's log and to coverage.json."""
        counts = {kind: dict(sorted(getattr(self, kind).items())) for kind in KINDS if getattr(self, kind)}
        for kind, values in counts.items():
            self.dut._log.info("coverage %s: %s", kind, values)
        Path(REPORT).write_text(json.dumps(counts, indent=1) + "\n")

    def require(self, **bins: set[Any]) -> None:
        """Fail for a bin that was never hit."""
        self.report()
        for name, wanted in bins.items():
            missing = wanted - {value for value, count in getattr(self, name).items() if count}
            assert not missing, f"coverage {name}: never saw {sorted(missing)}"
