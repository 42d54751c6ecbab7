"""`python -m hdl.synth [--distances 3 5] [--weight-bits 3 4]`: measure, then write docs/hardware.md and its plot."""

import argparse
from pathlib import Path

from hdl.errors import HdlError
from hdl.synth.plot import plot
from hdl.synth.report import SHOTS, markdown, measure_table, measure_whole, measure_windows

DOCS = Path(__file__).resolve().parents[2] / "docs"


def main() -> None:
    """Measure every distance and width asked for."""
    parser = argparse.ArgumentParser(prog="python -m hdl.synth", description=__doc__)
    parser.add_argument("--distances", type=int, nargs="+", default=sorted(SHOTS), choices=sorted(SHOTS))
    parser.add_argument("--weight-bits", type=int, nargs="+", default=[3, 4], choices=[3, 4])
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of hardware.md")
    arguments = parser.parse_args()
    whole, windowed = [], []
    try:
        print("table, d=3", flush=True)
        table = measure_table()
        for distance in sorted(arguments.distances):
            print(f"union-find, d={distance}", flush=True)
            whole += measure_whole(distance, sorted(arguments.weight_bits))
            print(f"union-find in windows, d={distance}", flush=True)
            windowed += measure_windows(distance)
    except HdlError as error:
        raise SystemExit(str(error)) from error
    plot(whole, arguments.docs / "images" / "hardware.svg")
    (arguments.docs / "hardware.md").write_text(markdown(table, whole, windowed), encoding="utf-8")
    print(f"wrote {arguments.docs / 'hardware.md'}")


if __name__ == "__main__":
    main()
