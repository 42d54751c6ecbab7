"""The doctor on decoders that are ill on purpose, each called by its name, and on healthy ones."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bridge.decoders import find_decoder
from bridge.doctor import Diagnosis, Examination, examine
from bridge.problem import DecodingProblem
from hdl.compile.manifest import DecoderFolder
from hdl.compile.skeleton import new_decoder
from qtwin.problems import MemoryChoice, pose
from tests.bridge.ailing import ailing_decoder

BRIEF = Examination(shots=4096, order_shots=400, paced_shots=100)
NOISE = "uniform:0.005"

AILMENTS = {
    "constant": "constant output",
    "one round late": "off by one round: it sees each round one too late",
    "blind to the last layer": "off by one round: it does not heed layer 3",
    "reversed bits": "bit order reversed",
    "reversed payloads": "bit order reversed",  # in this code the same, but for a symmetry of the lattice
    "reversed readout": "bit order of MEAS_DATA reversed",
    "bytes swapped": "bytes of the payload words swapped",
    "inverted": "answers inverted",
    "one shot late": "answers belong to the shot before",
    "drops a shot in a thousand": "drops shots",
    "answers twice": "answers a shot twice",
    "wrong tags": "wrong tags",
    "garbage": "answers are not qds1",
    "silent": "never answers",
    "never ready": "never takes a word",
    "withdraws valid": "m_axis_tvalid falls before the word is taken",
    "changes data": "m_axis_tdata changes before the word is taken",
    "ignores backpressure": "does not honour backpressure",
    "ignores reset": "a reset does not clear it",
    "stuck after a fault": "no recovery after a fault",
    "untrue latency": "the latency field is untrue",
    "slow": "misses the deadline",
}
"""What is wrong with the RTL, and what the doctor must call it."""

Memory = tuple[Mapping[str, Any], DecodingProblem]


@pytest.fixture(scope="module", name="surface")
def _surface() -> Memory:
    return pose(MemoryChoice(noise=NOISE))


@pytest.fixture(scope="module", name="ailing")
def _ailing(surface: Memory, tmp_path_factory: pytest.TempPathFactory) -> DecoderFolder:
    """A table decoder with both wrappers around it: one build for every ailment."""
    return ailing_decoder(surface[1], tmp_path_factory.mktemp("ailing") / "decoder")


def diagnosis_of(decoder: DecoderFolder, memory: Memory) -> Diagnosis:
    session, problem = memory
    return examine(decoder, problem, session, BRIEF)


def fall_ill(ailment: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """What the RTL reads when it is powered on."""
    (folder / "ailment.txt").write_text(ailment)
    monkeypatch.chdir(folder)


@pytest.mark.parametrize("ailment", AILMENTS)
def test_ailing_decoder_is_caught_and_named(
    ailment: str, ailing: DecoderFolder, surface: Memory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fall_ill(ailment, monkeypatch, tmp_path)
    found = diagnosis_of(ailing, surface)
    assert not found.healthy
    assert AILMENTS[ailment] in found.diagnoses
    (finding,) = (each for each in found.findings if each.diagnosis == AILMENTS[ailment])
    assert finding.evidence
    assert finding.remedy


def test_the_same_rtl_without_an_ailment_is_healthy(
    ailing: DecoderFolder, surface: Memory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    found = diagnosis_of(ailing, surface)
    assert found.diagnoses == ()
    assert found.to_dict()["false_alarm_prob"] < 1e-4


def test_dropped_shots_are_counted(
    ailing: DecoderFolder, surface: Memory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fall_ill("drops a shot in a thousand", monkeypatch, tmp_path)
    (finding,) = (each for each in diagnosis_of(ailing, surface).findings if each.diagnosis == "drops shots")
    assert finding.data["missing"] == [999, 1999, 2999, 3999]


@pytest.mark.parametrize("name", ["table", "union-find", "union-find:3", "union-find:window=2,commit=1"])
def test_compiled_decoders_are_healthy(name: str, surface: Memory) -> None:
    decoder = find_decoder(name, surface[1])
    assert decoder.folder is not None
    assert diagnosis_of(decoder.folder, surface).diagnoses == ()


def test_corrections_that_leave_events_over_are_named(surface: Memory, tmp_path: Path) -> None:
    session, problem = surface
    decoder = new_decoder(session, str(problem.error_model), problem.graph, tmp_path / "adapted", style="adapter")
    assert diagnosis_of(decoder, surface).diagnoses == ()
    source = decoder.file("decode.sv")
    source.write_text(
        source.read_text().replace("correction <= correction ^ chain;", "correction <= correction | chain;")
    )
    found = diagnosis_of(decoder, surface)
    assert "corrections that do not annihilate the syndrome" in found.diagnoses
