"""`python -m hdl.synth [--distances 3 5] [--weight-bits 3 4]`: measure, then write docs/hardware.md and its plot."""

import argparse
from pathlib import Path

from hdl.synth.report import SHOTS, markdown, measure_whole, plot, window_line

DOCS = Path(__file__).resolve().parents[2] / "docs"
WINDOW_PROB = 0.005


def main() -> None:
    """Measure every distance and width asked for."""
    parser = argparse.ArgumentParser(prog="python -m hdl.synth", description=__doc__)
    parser.add_argument("--distances", type=int, nargs="+", default=sorted(SHOTS), choices=sorted(SHOTS))
    parser.add_argument("--weight-bits", type=int, nargs="+", default=[3, 4])
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of hardware.md")
    arguments = parser.parse_args()
    rows, window_rows = [], []
    for distance in arguments.distances:
        for weight_bits in arguments.weight_bits:
            print(f"d={distance}, {weight_bits}-bit weights", flush=True)
            rows.append(measure_whole(distance, weight_bits))
            window_rows.append(window_line(distance, weight_bits, WINDOW_PROB))
    plot(rows, arguments.docs / "images" / "hardware.svg")
    (arguments.docs / "hardware.md").write_text(markdown(rows, window_rows))
    print(f"wrote {arguments.docs / 'hardware.md'}")


if __name__ == "__main__":
    main()
