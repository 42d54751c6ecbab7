"""`python -m benchmarks [NAME ...]`: run the named benchmarks (all without a name) and print one table each."""

import json
import platform
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import cores, engines, links, neighbours, service
from benchmarks.measure import Measurement

BENCHMARKS = {
    "links": links.run,
    "cores": cores.run,
    "engine-bell": engines.run_bell,
    "engine-ghz": engines.run_ghz,
    "jobs": service.run_jobs,
    "session-rounds": service.run_rounds,
    "stream": service.run_stream,
    "health": service.run_health,
    "neighbours": neighbours.run,
}
RESULTS = Path(__file__).parent / "results"


def show(console: Console, name: str, measurements: list[Measurement]) -> None:
    """Print the medians with their range, and the ratio to the first row, measured in the same rounds."""
    table = Table("what", "unit", "median", "min", "max", "ratio to first row", title=name)
    for measurement in measurements:
        table.add_row(
            measurement.what,
            measurement.unit,
            f"{measurement.median:,.4g}",
            f"{min(measurement.values):,.4g}",
            f"{max(measurement.values):,.4g}",
            f"{measurement.ratio_to(measurements[0]):.3g}",
        )
    console.print(table)


def main() -> None:
    """Run and store."""
    names = sys.argv[1:] or list(BENCHMARKS)
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        sys.exit(f"there is no benchmark {', '.join(unknown)}: expected {', '.join(BENCHMARKS)}")
    console = Console()
    RESULTS.mkdir(exist_ok=True)
    for name in names:
        measurements = BENCHMARKS[name]()
        show(console, name, measurements)
        content = {
            "benchmark": name,
            "machine": {"processor": platform.processor() or platform.machine(), "python": platform.python_version()},
            "measurements": [measurement.to_dict() for measurement in measurements],
        }
        (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
