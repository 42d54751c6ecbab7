"""The doctor on decoders that are broken on purpose, each called by its name, and on healthy ones.

A few of the set run by default, all of it where slow tests do; `python -m benchmarks.doctor` makes the table of
docs/doctor.md.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bridge.doctor import Diagnosis, Finding
from bridge.doctor.accuracy_checks import WORST_RATIO, _worse
from bridge.doctor.findings import FALSE_ALARM_PROB
from bridge.errors import LinkLostError
from bridge.probe import NO_RETURN, Bench, Plan
from tests.bridge.ailing import ailing_decoder, fall_ill
from tests.bridge.ailing.mutants import BRIEF, EDITED, IN_CORE, SURFACE, Mutant, Ward, mutants, posed

QUICK = {
    "table: wrong after a pause",
    "table: not in a crowd",
    "table: drops a shot in a thousand",
    "table: latency lies under load",
    "table: valid waits for ready",
    "table: stops after 65,536 shots",
    "table, two observables: the last observable is constant",
    "skeleton core: core: two detectors exchanged",
    "skeleton core: core: layers rotated",
    "skeleton adapter: adapter: or for xor",
    "byte stream: bytes: valid waits for ready",
    "manifest: its reset is active high, not low",
    "edited core: a register that is never reset",
}
"""One or two of each kind; the rest is slow."""
QUICK_HEALTHY = {"skeleton core, no diagonal edges", "a time stamp in the answer", "a pipeline of 1,100 cycles"}


@pytest.fixture(scope="module", name="ward")
def _ward(tmp_path_factory: pytest.TempPathFactory) -> Ward:
    """One build for all mutants of a decoder that can be told at power-on what they have."""
    return Ward(tmp_path_factory.mktemp("ward"))


def _slow_unless(quick: bool) -> list[pytest.MarkDecorator]:
    return [] if quick else [pytest.mark.slow]


@pytest.mark.parametrize(
    "mutant", [pytest.param(each, id=each.title, marks=_slow_unless(each.title in QUICK)) for each in mutants()]
)
def test_mutant_is_called_ill_and_by_its_name(mutant: Mutant, ward: Ward) -> None:
    found = ward.examine(mutant)
    assert mutant.is_named_by(found), (found.diagnoses, found.warnings)
    for finding in found.findings:
        if finding.state == "fail":
            assert finding.evidence
            assert finding.remedy


@pytest.mark.parametrize(
    "name", [pytest.param(each, marks=_slow_unless(each in QUICK_HEALTHY)) for each in Ward(Path()).healthy]
)
def test_healthy_decoder_is_not_accused(name: str, ward: Ward) -> None:
    found = ward.examine_healthy(name)
    assert found.diagnoses == ()
    assert found.to_dict()["false_alarm_prob"] < 1e-4


def test_the_quick_ones_are_of_the_set() -> None:
    assert {each.title for each in mutants()} >= QUICK
    assert Ward(Path()).healthy.keys() >= QUICK_HEALTHY
    assert len(mutants()) >= 60
    assert len(Ward(Path()).healthy) >= 12


def named(found: Diagnosis, diagnosis: str) -> Finding:
    """The finding of that name."""
    (finding,) = (each for each in found.findings if each.diagnosis.startswith(diagnosis))
    return finding


def mutant_of(title: str) -> Mutant:
    (found,) = (each for each in mutants() if each.title == title)
    return found


def test_dropped_shots_are_counted(ward: Ward) -> None:
    found = ward.examine(mutant_of("table: drops a shot in a thousand"))
    assert named(found, "drops shots").data["missing"] == [999, 1999, 2999, 3999]


def test_an_exchange_names_detectors_events_and_places(ward: Ward) -> None:
    """Bits 1 and 2 of layer 1 are events 5 and 6: with 4 bits a layer, layer * 4 + bit."""
    found = ward.examine(mutant_of("skeleton core: core: two detectors exchanged"))
    finding = named(found, "detectors")
    assert finding.diagnosis.endswith("(events 5 and 6)")
    assert "layer 1, event 5" in finding.remedy
    assert "the best explanation of" in finding.evidence
    single = named(found, "single errors decoded wrongly")
    assert "layer 1, event 5" in single.evidence
    assert "layer 1, event 6" in single.evidence


def test_a_combinational_loop_is_told_with_its_path_and_file(ward: Ward) -> None:
    found = ward.examine(Mutant("edited core", "a combinational loop that does not settle", "", ()))
    finding = named(found, "combinational loop")
    assert "UNOPTFLAT decode.sv:" in finding.evidence
    assert "decode.a" in finding.evidence
    assert json.loads(json.dumps(found.to_dict()))["healthy"] is False


@pytest.mark.parametrize("ailment", ["core: crashes", "core: stops the simulation"])
def test_the_examination_outlives_the_simulation(ailment: str, ward: Ward) -> None:
    """Both end the simulation at shot 700; what comes before is still examined."""
    found = ward.examine(mutant_of(f"skeleton core: {ailment}"))
    assert named(found, "the simulation ends").evidence
    assert {finding.check for finding in found.findings if finding.state == "pass"} >= {"tells who it is"}


def test_a_cycle_that_never_ends_is_cut_off(ward: Ward) -> None:
    decoder, (_, problem) = ward.patient(Mutant("edited core", "a loop that never ends", "", ()))
    words = np.zeros((4, 8), dtype=np.uint32)
    del problem
    with Bench(decoder, call_limit_s=3.0) as bench:
        bench.run(words[:, :1], 0, Plan(silent_cycles=100))
    assert EDITED["a loop that never ends"][2][0] == f"^{NO_RETURN}$"
    found = ward.examine(
        Mutant("edited core", "a loop that never ends", "", ()), replace(BRIEF, call_limit_s=3.0)
    )  # fmt: skip
    assert f"{NO_RETURN}: no clock cycle ended within 3 s" in named(found, NO_RETURN).evidence


def test_a_bench_whose_process_ended_says_so_until_it_is_powered_on(ward: Ward) -> None:
    decoder, (_, problem) = ward.patient(mutant_of("skeleton core: core: crashes"))
    from bridge.doctor.patient import Patient

    with fall_ill("core: crashes"), Bench(decoder) as bench:
        patient = Patient(bench, decoder, problem)
        shots = patient.sample(1000, 1)
        with pytest.raises(LinkLostError, match="signal 6"):
            patient.decode(shots.events)
        with pytest.raises(LinkLostError, match="signal 6"):
            bench.reset()
        bench.power_on()
        assert len(patient.decode(shots.events[:500])) == 500


def test_a_modest_decoder_is_called_much_worse_only_with_certainty() -> None:
    """Counts of a decoder that is exactly at the bound: a decision that is wrong once in a million."""
    dice = np.random.default_rng(1)
    at_the_bound = zip(dice.poisson(WORST_RATIO * 60, 20_000), dice.poisson(60, 20_000), strict=True)
    assert not any(_worse(int(ours), int(theirs), WORST_RATIO) for ours, theirs in at_the_bound)
    assert FALSE_ALARM_PROB == 1e-6
    assert _worse(694, 160, WORST_RATIO)


def test_an_ailment_that_is_built_in_is_the_one_that_is_asked_for(tmp_path: Path) -> None:
    session, problem = posed(SURFACE)
    from bridge.doctor import examine

    decoder = ailing_decoder(problem, tmp_path / "inverted", "inverted")
    assert IN_CORE["inverted"][1] == ("^answers inverted$",)
    assert "answers inverted" in examine(decoder, problem, session, BRIEF).diagnoses
