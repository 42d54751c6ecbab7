"""The decoders here under sinter's own command line."""

import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sinter
import stim

from bridge.sinter_decoders import CompiledQtwinDecoder, QtwinDecoder
from hdl.errors import ShapeError

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


SCATTERED = "\n".join(
    [
        *(f"error(0.0{2 + i}) D{i} D{(i + 1) % 7} D{(i + 3) % 7}{' L0' if i % 2 else ''}" for i in range(7)),
        *(f"detector({i * i % 5}, {i % 2}, {i // 2}) D{i}" for i in range(7)),
    ]
)
"""Seven detectors at five places in four layers, and no error that is an edge."""


def test_rtl_of_a_table_reads_scattered_detectors_as_its_model() -> None:
    model = stim.DetectorErrorModel(SCATTERED)
    events = np.arange(128, dtype=np.uint8)[:, None]
    flips = []
    for link in (None, "software"):
        decoder = QtwinDecoder("table", link).compile_decoder_for_dem(dem=model)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # some of all syndromes are impossible, and told
            flips.append(decoder.decode_shots_bit_packed(bit_packed_detection_event_data=events))
    np.testing.assert_array_equal(flips[0], flips[1])
    single = [sum(1 << v for v in (i, (i + 1) % 7, (i + 3) % 7)) for i in range(7)]
    assert flips[0][single].ravel().tolist() == [i % 2 for i in range(7)]  # one error, by hand


@pytest.mark.parametrize("text", ["", "error(0) D0 L0", "error(0.1) D0", "error(0.1) D8\nerror(0.1) L8"])
def test_models_with_nothing_to_decode_are_counted_as_sinter_counts_them(text: str) -> None:
    """PyMatching, sinter's own, flips nothing either."""
    model = stim.DetectorErrorModel(text)
    events = np.zeros((5, -(-model.num_detectors // 8)), dtype=np.uint8)
    flips = [
        decoder.compile_decoder_for_dem(dem=model).decode_shots_bit_packed(bit_packed_detection_event_data=events)
        for decoder in (QtwinDecoder("union-find", "software"), sinter.BUILT_IN_DECODERS["pymatching"])
    ]
    assert flips[0].shape == (5, -(-model.num_observables // 8))
    np.testing.assert_array_equal(*flips)


def test_impossible_shots_are_told_where_there_is_nothing_to_decode() -> None:
    decoder = QtwinDecoder("table", "software").compile_decoder_for_dem(
        dem=stim.DetectorErrorModel("error(0.1) D1\nlogical_observable L0")
    )
    with pytest.warns(UserWarning, match="1 of 3 shots cannot come from this error model"):
        decoder.decode_shots_bit_packed(bit_packed_detection_event_data=np.array([[0], [1], [2]], dtype=np.uint8))


def compiled(text: str, decoder: str = "union-find") -> CompiledQtwinDecoder:
    found = QtwinDecoder(decoder, "software").compile_decoder_for_dem(dem=stim.DetectorErrorModel(text))
    assert isinstance(found, CompiledQtwinDecoder)
    return found


ONE_LAYER = "error(0.05) D0 L0\nerror(0.1) D0 D1\nerror(0.1) D1"


@pytest.mark.parametrize("decoder", ["table", "union-find"])
@pytest.mark.parametrize("coordinates", ["", "\ndetector(0, 0, 7) D0\ndetector(1, 0, 7) D1"])
@pytest.mark.parametrize("link", ["software", None])
def test_a_model_of_one_layer_is_decoded_over_every_link(decoder: str, coordinates: str, link: str | None) -> None:
    model = stim.DetectorErrorModel(ONE_LAYER + coordinates)
    events = np.arange(4, dtype=np.uint8)[:, None]
    flips = (
        QtwinDecoder(decoder, link)
        .compile_decoder_for_dem(dem=model)
        .decode_shots_bit_packed(bit_packed_detection_event_data=events)
    )
    # by hand: {D0} is 0.05 with the flip against 0.1 * 0.1, {D1} 0.1 without, {D0, D1} 0.1 without against 0.05 * 0.1
    assert flips.ravel().tolist() == [0, 1, 0, 0]


LINE = "\n".join(["error(0.1) D0 L0", *(f"error(0.1) D{i} D{i + 1}" for i in range(11)), "error(0.1) D11"])


@pytest.mark.parametrize("data", [np.zeros((5, 1)), np.zeros((5, 3)), np.zeros(2), np.full((5, 2), 0x10)])
def test_data_of_another_width_is_refused(data: np.ndarray[Any, Any]) -> None:
    with pytest.raises(ShapeError, match="12 detectors"):
        compiled(LINE).decode_shots_bit_packed(bit_packed_detection_event_data=data.astype(np.uint8))


def test_shots_that_cannot_be_are_counted_and_told() -> None:
    decoder = compiled("error(0.1) D0 D1 L0\nerror(0.1) D1 D2\nerror(0.1) D2 D0")
    events = np.array([[0b001], [0b011], [0b111], [0]], dtype=np.uint8)
    with pytest.warns(UserWarning, match="2 of 4 shots cannot come from this error model"):
        decoder.decode_shots_bit_packed(bit_packed_detection_event_data=events)
    assert (decoder.num_shots, decoder.num_impossible) == (4, 2)
    decoder.decode_shots_bit_packed(bit_packed_detection_event_data=events[1:2])
    assert (decoder.num_shots, decoder.num_impossible) == (5, 2)


def test_shots_that_were_not_finished_are_counted_and_told() -> None:
    circuit = memory()
    decoder = QtwinDecoder("union-find:budget=1", "software").compile_decoder_for_dem(
        dem=circuit.detector_error_model(decompose_errors=True)
    )
    with pytest.warns(UserWarning, match="not finished within the decoder's cycle budget"):
        decoder.decode_shots_bit_packed(bit_packed_detection_event_data=np.array([[1], [0]], dtype=np.uint8))
    assert decoder.num_unfinished == 1


def test_errors_that_an_edge_leaves_out_are_told() -> None:
    with pytest.warns(
        UserWarning, match="between D0 and the boundary, L0 .0.1. is kept and no observable .0.05. left out"
    ):
        compiled("error(0.1) D0 L0\nerror(0.05) D0")
    compiled("error(0.1) D0 L0\nerror(0.05) D0", "table")
