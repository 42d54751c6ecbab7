"""`qtwin compile`: its options reach the decoder, and what cannot be is refused in one message."""

from pathlib import Path

import pytest
import stim
import yaml
from typer.testing import CliRunner

from qtwin.cli import app


@pytest.fixture
def error_model(tmp_path: Path) -> Path:
    circuit = stim.Circuit.generated(
        "repetition_code:memory",
        distance=3,
        rounds=8,
        before_round_data_depolarization=0.02,
        before_measure_flip_probability=0.02,
    )
    file = tmp_path / "memory.dem"
    file.write_text(str(circuit.detector_error_model(decompose_errors=True)))
    return file


def compile_with(error_model: Path, *options: str) -> tuple[int, str]:
    """Exit code, and everything printed on one line."""
    arguments = ["compile", str(error_model), "-o", str(error_model.parent / "decoder"), *options]
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "300"})
    return done.exit_code, " ".join(done.output.split())


def test_choices_of_the_union_find_core_reach_the_manifest(error_model: Path) -> None:
    options = ["--weight-bits", "3", "--loadable", "--window", "4", "--commit", "1", "--cycle-budget", "90"]
    code, output = compile_with(error_model, "--core", "union-find", *options, "--fifo-layers", "8")
    assert code == 0
    assert "windows of 4 layers" in output
    manifest = yaml.safe_load((error_model.parent / "decoder" / "decoder.yaml").read_text())
    chosen = {"weight_bits": 3, "loadable": True, "window": 4, "commit": 1, "cycle_budget": 90, "fifo_layers": 8}
    assert manifest["options"] == chosen


def test_core_takes_its_choices_as_a_decoder_of_the_loop_does(error_model: Path) -> None:
    code, output = compile_with(error_model, "--core", "union-find:3,window=4,loadable", "--commit", "1")
    assert code == 0
    assert "windows of 4 layers" in output
    manifest = yaml.safe_load((error_model.parent / "decoder" / "decoder.yaml").read_text())
    assert manifest["options"].items() >= {"weight_bits": 3, "loadable": True, "window": 4, "commit": 1}.items()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--window", "4"], "--window: a choice of the union-find core; a table has none"),
        (["--core", "union-find", "--window", "4", "--commit", "4"], "--window: a window of 4 layers cannot commit 4"),
        (["--core", "union-find", "--weight-bits", "9"], "--weight-bits: weight_bits is 9; expected 1 to 6"),
        (["--core", "union-find", "--window", "-1"], "--window: expected at least 0, got -1"),
        (["--core", "union-find:speed=9"], "expected union-find:bits=N"),
        (["--core", "unionfind"], "--core: there is no core 'unionfind': expected table or union-find; did you mean"),
        (["--name", "bad name"], "--name 'bad name': expected letters, digits and _ . + - without spaces"),
        (["--clock-mhz", "-1"], "--clock-mhz -1: expected more than 0"),
    ],
)
def test_choices_that_cannot_be_are_refused(error_model: Path, options: list[str], reason: str) -> None:
    code, output = compile_with(error_model, *options)
    assert code == 2
    assert reason in output
    assert not (error_model.parent / "decoder").exists()


def test_layers_to_commit_without_a_window_are_refused(error_model: Path) -> None:
    code, output = compile_with(error_model, "--core", "union-find", "--commit", "2")
    assert code == 1
    assert "give a window" in output
    assert not (error_model.parent / "decoder").exists()


def test_an_error_that_does_not_decompose_is_named(error_model: Path) -> None:
    error_model.write_text("error(0.125) D0 D1 D2 L0\nerror(0.1) D0 L0\n")
    code, output = compile_with(error_model, "--core", "union-find")
    assert code == 1
    assert "error(0.125) D0 D1 D2 L0" in output


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot read the error model memory.dem: No such file or directory"),
        (b"\x00\xff\xfe", "memory.dem is not text; expected a detector error model"),
        (b"hello world", "memory.dem is not a detector error model in Stim's format: Unrecognized instruction"),
        (b"error(2) D0 L0", "memory.dem is not a detector error model in Stim's format"),
        (b"", "there is nothing to decode"),
    ],
)
def test_what_is_no_error_model_is_refused(
    content: bytes | None, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path("memory.dem").write_bytes(content)
    code, output = compile_with(Path("memory.dem"))
    assert code == 1
    assert reason in output
    assert "Errno" not in output
    assert not Path("decoder").exists()


@pytest.mark.parametrize("core", ["table", "union-find"])
def test_statistics_are_left_out_when_asked(error_model: Path, core: str) -> None:
    options = ["--core", core, *(["--window", "4"] if core == "union-find" else [])]
    folder = error_model.parent / "decoder"
    if core == "table":  # eight rounds are too many for a table
        error_model.write_text("error(0.1) D0 D1 L0\nerror(0.1) D0\nerror(0.1) D1\n")
    for extra, constant in (([], "1'b1"), (["--without", "statistics", "--force"], "1'b0")):
        code, output = compile_with(error_model, *options, *extra)
        assert code == 0, output
        assert f"localparam bit Statistics = {constant};" in (folder / "decoder_pkg.sv").read_text()


def content_of(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_another_decoder_is_replaced_only_when_asked(error_model: Path) -> None:
    folder = error_model.parent / "decoder"
    assert compile_with(error_model)[0] == 0
    (folder / "notes.txt").write_text("mine")
    before = content_of(folder)
    assert compile_with(error_model)[0] == 0  # the same again
    assert content_of(folder) == before
    code, output = compile_with(error_model, "--core", "union-find")
    assert code == 1
    assert "holds another decoder, or this one with other files (decoder.yaml, decoder_core.sv" in output
    assert "name another folder, or give --force to replace it" in output
    assert content_of(folder) == before
    assert compile_with(error_model, "--core", "union-find", "--force")[0] == 0
    assert yaml.safe_load((folder / "decoder.yaml").read_text())["core"] == "union-find"


def test_a_decoder_whose_files_were_edited_is_not_written_over(error_model: Path) -> None:
    source = error_model.parent / "decoder" / "rtl" / "sync_fifo.sv"
    assert compile_with(error_model)[0] == 0
    source.write_text("// edited\n")
    code, output = compile_with(error_model)
    assert code == 1
    assert "rtl/sync_fifo.sv" in output
    assert source.read_text() == "// edited\n"


def test_decoder_that_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("where a folder should be")
    done = CliRunner().invoke(app, ["decoder", "new", "file/x"], env={"COLUMNS": "300"})
    assert done.exit_code == 2
    assert "PATH: file/x: " in " ".join(done.output.split())
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_errors_that_an_edge_leaves_out_are_a_warning_of_union_find(tmp_path: Path) -> None:
    file = tmp_path / "model.dem"
    file.write_text("error(0.1) D0 L0\nerror(0.05) D0\n")
    code, output = compile_with(file, "--core", "union-find")
    assert code == 0
    assert "qtwin: warning: two errors set off the same detectors" in output
    code, output = compile_with(file, "--core", "table", "--force")
    assert code == 0
    assert "warning" not in output


def test_a_circuit_in_place_of_a_model_is_told_what_to_do(error_model: Path) -> None:
    circuit = error_model.with_suffix(".stim")
    circuit.write_text(str(stim.Circuit.generated("repetition_code:memory", distance=3, rounds=3)))
    code, output = compile_with(circuit)
    assert code == 1
    assert f"stim analyze_errors --decompose_errors --in {circuit}" in output


def test_a_model_without_a_decomposition_makes_a_table(tmp_path: Path) -> None:
    file = tmp_path / "hyper.dem"
    file.write_bytes(b"\xef\xbb\xbferror(0.1) D0 D1 D2 L0\r\nerror(0.1) D2\r\n")
    assert compile_with(file)[0] == 0
    code, output = compile_with(file, "--core", "union-find", "--force")
    assert code == 1
    assert "use the table, which takes errors whole" in output
