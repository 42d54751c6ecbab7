"""The decoders here under sinter's own command line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import sinter
import stim

from bridge.sinter_decoders import QtwinDecoder

TIMEOUT_S = 240.0
SHOTS = 2000


def memory() -> stim.Circuit:
    """A noisy repetition d=3 memory."""
    return stim.Circuit.generated(
        "repetition_code:memory",
        distance=3,
        rounds=3,
        before_round_data_depolarization=0.05,
        before_measure_flip_probability=0.1,
        after_reset_flip_probability=0.1,
    )


def test_sinter_collect_runs_a_decoder_of_ours_from_the_command_line(tmp_path: Path) -> None:
    circuit = memory()
    circuit.to_file(tmp_path / "memory.stim")
    command = [str(Path(sys.executable).with_name("sinter")), "collect"]
    done = subprocess.run(
        [
            *command,
            *("--circuits", str(tmp_path / "memory.stim"), "--decoders", "qtwin-table-model", "pymatching"),
            *("--custom_decoders_module_function", "bridge.sinter_decoders:decoders"),
            *("--max_shots", str(SHOTS), "--processes", "1", "--save_resume_filepath", str(tmp_path / "stats.csv")),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])},
    )
    assert done.returncode == 0, done.stderr
    rows = {row.decoder: row for row in sinter.read_stats_from_csv_files(tmp_path / "stats.csv")}
    ours, theirs = rows["qtwin-table-model"], rows["pymatching"]
    assert ours.shots == theirs.shots == SHOTS
    # other shots for each decoder: the rates agree within 4 sigma, a false alarm in 16,000
    pooled = (ours.errors + theirs.errors) / (2 * SHOTS)
    assert abs(ours.errors - theirs.errors) / SHOTS < 4 * (2 * pooled * (1 - pooled) / SHOTS) ** 0.5
    assert theirs.errors > 20


@pytest.mark.parametrize("decoder", ["table", "union-find:window=2,commit=1"])
def test_rtl_under_sinter_decodes_as_its_model(decoder: str) -> None:
    circuit = memory()
    model = circuit.detector_error_model(decompose_errors=True)
    events = circuit.compile_detector_sampler(seed=1).sample(500, bit_packed=True)
    rtl, software = (
        QtwinDecoder(decoder, link)
        .compile_decoder_for_dem(dem=model)
        .decode_shots_bit_packed(bit_packed_detection_event_data=events)
        for link in (None, "software")
    )
    assert (rtl == software).all()
    assert rtl.any()
    assert rtl.shape == (500, 1)
