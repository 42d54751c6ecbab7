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
        (["--window", "4"], "choices of the union-find core, not of a table"),
        (["--core", "union-find", "--commit", "2"], "give a window"),
        (["--core", "union-find", "--window", "4", "--commit", "4"], "cannot commit 4"),
        (["--core", "union-find", "--weight-bits", "9"], "weight_bits is 9; expected 1 to 6"),
        (["--core", "union-find:speed=9"], "expected union-find:bits=N"),
        (["--core", "magic"], "no core 'magic'"),
    ],
)
def test_choices_that_cannot_be_are_refused(error_model: Path, options: list[str], reason: str) -> None:
    code, output = compile_with(error_model, *options)
    assert code == 1
    assert reason in output
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


def test_a_clock_that_cannot_be_leaves_no_folder(error_model: Path) -> None:
    code, output = compile_with(error_model, "--clock-mhz", "-1")
    assert code == 1
    assert "clock_mhz: Input should be greater than 0" in output
    assert not (error_model.parent / "decoder").exists()


@pytest.mark.parametrize(
    ("name", "reason"), [("bad name", "name: String should match pattern"), ("file/x", "cannot write file/x: ")]
)
def test_decoder_that_cannot_be_written_leaves_nothing(
    name: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("where a folder should be")
    done = CliRunner().invoke(app, ["decoder", "new", name], env={"COLUMNS": "300"})
    assert done.exit_code == 1
    assert reason in " ".join(done.output.split())
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
