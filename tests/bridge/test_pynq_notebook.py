"""docs/notebooks/pynq.ipynb runs, and its saved outputs are those of a run."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("grpc", reason="pynq is not installed: pip install 'qtwin[pynq]'")
pytest.importorskip("nbclient", reason="nbclient is not installed (dev extra)")

from tests.notebooks import NOTEBOOK, read_notebook

TIMEOUT_S = 280


def texts(notebook: Any) -> list[str]:
    """What each cell printed or returned as text."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            found.append(output.get("text") or output.get("data", {}).get("text/plain", ""))
    return found


def test_notebook_runs_and_its_saved_outputs_are_real(tmp_path: Path) -> None:
    target = tmp_path / "executed.ipynb"
    done = subprocess.run(
        [sys.executable, "-m", "tests.notebooks", "-o", str(target)],
        cwd=NOTEBOOK.parents[2], capture_output=True, text=True, check=False, timeout=TIMEOUT_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    executed, saved = (read_notebook(file) for file in (target, NOTEBOOK))
    assert texts(executed) == texts(saved)
    pictures = [
        output for cell in executed.cells for output in cell.get("outputs", []) if "image/png" in output.get("data", {})
    ]
    assert len(pictures) == 1
