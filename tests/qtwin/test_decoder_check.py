"""`qtwin decoder check`: exit codes, the JSON file, warnings of the RTL's text."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qtwin.cli import app
from tests.bridge.ailing import fall_ill
from tests.bridge.ailing.mutants import NOISE, Mutant, Ward


@pytest.fixture(scope="module", name="ward")
def _ward(tmp_path_factory: pytest.TempPathFactory) -> Ward:
    return Ward(tmp_path_factory.mktemp("ward"))


def test_lint_shows_the_warnings_alone_and_in_full(ward: Ward) -> None:
    decoder, _ = ward.patient(Mutant("edited core", "a select out of range", "", ()))
    source = decoder.file("decode.sv")
    line = 1 + next(i for i, text in enumerate(source.read_text().splitlines()) if "left_q[27]" in text)
    found = CliRunner().invoke(app, ["decoder", "check", str(decoder.path), "--lint"])
    assert found.exit_code == 1
    assert f"%Warning-SELRANGE: {source}:{line}:" in found.stdout
    assert "1 warning of those" in found.stdout
    assert "healthy" not in found.stdout


def test_lint_of_a_clean_decoder_exits_with_0(ward: Ward) -> None:
    decoder, _ = ward.healthy["skeleton core"]()
    found = CliRunner().invoke(app, ["decoder", "check", str(decoder.path), "--lint"])
    assert (found.exit_code, found.stdout) == (0, "no warnings of those that may mean a wrong number\n")


def test_json_and_report_come_of_a_decoder_that_crashes(ward: Ward, tmp_path: Path) -> None:
    decoder, _ = ward.patient(Mutant("skeleton core", "core: crashes", "", ()))
    json_file = tmp_path / "findings.json"
    command = ["decoder", "check", str(decoder.path), "--noise", NOISE, "--shots", "1000", "--json", str(json_file)]
    with fall_ill("core: crashes"):
        found = CliRunner().invoke(app, command)
    assert found.exit_code == 1
    assert "the simulation ends" in found.stdout
    assert "signal 6" in found.stdout  # SIGABRT
    content = json.loads(json_file.read_text())
    assert content["healthy"] is False
    assert "the simulation ends" in content["diagnoses"]
