"""What the decoder did inside: cluster sizes, merges, growth between events, windows; counted and reported."""

from collections import Counter
from typing import Any

from cocotb.triggers import FallingEdge


class Coverage:
    """Watches a whole core; `report` prints what was seen, `require` fails for what was not."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.sizes: Counter[int] = Counter()
        self.merged: Counter[int] = Counter()
        self.growth: Counter[int] = Counter()
        self.outcomes: Counter[str] = Counter()

    async def watch(self) -> None:
        """Runs until the test ends."""
        dut = self.dut
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
            self.outcomes["empty"] += int(dut.finish_empty.value)

    def report(self) -> None:
        """Print the counts."""
        for name in ("sizes", "merged", "growth", "outcomes"):
            counts = getattr(self, name)
            self.dut._log.info("coverage %s: %s", name, dict(sorted(counts.items())))

    def require(self, **bins: set[Any]) -> None:
        """Fail for a bin that was never hit."""
        self.report()
        for name, wanted in bins.items():
            missing = wanted - set(getattr(self, name))
            assert not missing, f"coverage {name}: never saw {sorted(missing)}"
