"""`python -m hdl.lint`: Verilator's lint over a compiled decoder of each core, every warning an error."""

import subprocess
import sys
import tempfile
from pathlib import Path

import stim

from hdl.build import verilator_environment
from hdl.compile.decoder import CORES, compile_decoder
from hdl.compile.layout import events_layout
from hdl.compile.manifest import DecoderFolder
from hdl.errors import HdlError

TIMEOUT_S = 300.0
WAIVERS = Path(__file__).parent / "rtl" / "lint.vlt"


def lint(decoder: DecoderFolder) -> str:
    """What Verilator finds in a decoder's RTL; empty when there is nothing."""
    waivers = [str(WAIVERS)] if WAIVERS.exists() else []
    sources = [str(source) for source in decoder.sources]
    done = subprocess.run(
        ["verilator", "--lint-only", "-Wall", "--top-module", decoder.manifest.top, *waivers, *sources],
        env=dict(verilator_environment()),
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    return done.stderr.strip()


def main() -> int:
    """Lint every core for the surface code d=3; 1 when something was found."""
    circuit = stim.Circuit.generated(
        "surface_code:rotated_memory_z", distance=3, rounds=3, after_clifford_depolarization=0.005
    )
    model = circuit.detector_error_model(decompose_errors=True)
    found = 0
    with tempfile.TemporaryDirectory() as scratch:
        for core in CORES:
            try:
                folder = compile_decoder(model, events_layout(model), Path(scratch) / core, core=core)
                output = lint(folder)
            except HdlError as error:
                output = str(error)
            print(f"lint {core}: {output or 'clean'}")
            found += bool(output)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
