"""Runs docs/notebooks/pynq.ipynb against a simulated board; `python -m tests.notebooks` writes its outputs into it."""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import stim

from hdl.compile.decoder import compile_decoder
from hdl.compile.layout import events_layout

NOTEBOOK = Path(__file__).resolve().parents[1] / "docs" / "notebooks" / "pynq.ipynb"
PROB = 0.005
START_S = 240.0
CELL_S = 240


def compiled_decoder(folder: Path) -> Path:
    """The look-up table for the d=3 surface code at 0.5% circuit noise."""
    circuit = stim.Circuit.generated(
        "surface_code:rotated_memory_z",
        distance=3,
        rounds=3,
        after_clifford_depolarization=PROB,
        before_round_data_depolarization=PROB,
        before_measure_flip_probability=PROB,
        after_reset_flip_probability=PROB,
    )
    model = circuit.detector_error_model(decompose_errors=True)
    return compile_decoder(model, events_layout(model), folder).path


@contextmanager
def served_board(decoder: Path, address: str) -> Iterator[None]:
    """`qtwin board --pynq` while the block runs."""
    command = [sys.executable, "-m", "qtwin", "board", "--pynq", "--decoder", str(decoder), "--address", address]
    log = decoder.parent / "board.log"
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            deadline = time.monotonic() + START_S
            while "use it" not in log.read_text():
                if time.monotonic() > deadline or process.poll() is not None:
                    raise RuntimeError(f"the board did not start:\n{log.read_text()}")
                time.sleep(0.1)
            yield
        finally:
            process.terminate()


def read_notebook(file: Path) -> Any:
    """A notebook as attributes."""
    read: Any = nbformat.read  # has no types
    return read(file, as_version=4)


def executed() -> Any:
    """The notebook with the outputs of a run."""
    notebook = read_notebook(NOTEBOOK)
    with tempfile.TemporaryDirectory(prefix="qtwin-") as scratch:
        decoder = compiled_decoder(Path(scratch) / "my_decoder")
        address = f"unix:{scratch}/board"
        os.environ.update(QTWIN_DECODER=str(decoder), PYNQ_REMOTE_DEVICES=address, PYTHONUNBUFFERED="1")
        with served_board(decoder, address):
            nbclient.NotebookClient(notebook, timeout=CELL_S, resources={"metadata": {"path": scratch}}).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times of day
        if cell.cell_type == "code":  # pynq's import sends scripts for its own widgets
            cell.outputs = [part for part in cell.outputs if "application/javascript" not in part.get("data", {})]
    return notebook


def main() -> None:
    """Execute, and write to the notebook itself or to another file."""
    parser = argparse.ArgumentParser(prog="python -m tests.notebooks", description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=NOTEBOOK)
    arguments = parser.parse_args()
    write: Any = nbformat.write
    write(executed(), arguments.output)


if __name__ == "__main__":
    main()
