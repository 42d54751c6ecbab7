"""`qtwin loop` as a user runs it, against a served twin."""

import json
from pathlib import Path

import pytest

from bridge.loop import LoopSettings, run_loop
from bridge.report import heading
from tests.qtwin.conftest import Qtwin
from tests.tools import needs_simulator
from twin.client import TwinClient

SHOTS = 3000
SAME = ("--code", "surface", "--noise", "uniform:0.01", "--shots", str(SHOTS), "--seed", "11")


def report_of(folder: Path) -> Path:
    (report,) = (folder / "runs").iterdir()
    return report


def test_loop_closes_and_writes_the_report(qtwin: Qtwin) -> None:
    outcome = qtwin.loop(*SAME, "--trace", "17")
    assert outcome.code == 0, outcome.errors
    assert outcome.result is not None
    assert outcome.result["error"] is None
    assert outcome.result["telemetry"]["metric_source"] == "decoder"
    decoder, qec = outcome.result["decoder_metrics"], outcome.result["qec_metrics"]
    assert decoder["link"] == "verilated"
    assert decoder["latency_cycles"]["min"] == decoder["latency_cycles"]["max"] == 4
    assert decoder["latency_ns"]["max"] == pytest.approx(40)
    assert qec["shots"] == SHOTS
    # Circuit noise of 1% on the d=3 surface code: about 0.1 logical errors a shot, twice that undecoded.
    assert 0.02 < qec["logical_error_rate"] < 0.2
    report = report_of(qtwin.folder)
    names = {path.name for path in report.iterdir()}
    assert {"result.json", "wrong_shots.jsonl", "report.png"} <= names
    (waveform,) = report.glob("shot_17.*")
    assert waveform.stat().st_size > 1000
    wrong = [json.loads(line) for line in (report / "wrong_shots.jsonl").read_text().splitlines()]
    assert len(wrong) == qec["logical_errors"]
    assert all(shot["observables"] != shot["decoder_flips"] for shot in wrong)


@pytest.mark.parametrize("other", ["cocotb:verilator", "cocotb:icarus", "pynq:simulated"])
def test_the_same_seed_gives_the_same_bytes_over_every_link(qtwin: Qtwin, other: str) -> None:
    needs_simulator(other)
    digests, errors, latencies = {}, {}, {}
    for link in ("software", "verilated", other):
        outcome = qtwin.loop(*SAME, "--shots", "500", "--link", link)
        assert outcome.code == 0, outcome.errors
        assert outcome.result is not None
        digests[link] = outcome.result["digests"]
        errors[link] = outcome.result["qec_metrics"]["logical_errors"]
        latencies[link] = outcome.result["decoder_metrics"]["latency_cycles"]
    assert all(digest == digests["software"] for digest in digests.values())
    assert len(set(errors.values())) == 1
    assert latencies["software"] is None
    assert latencies[other] == latencies["verilated"]


def test_another_seed_gives_other_shots_and_the_chunk_size_does_not(qtwin: Qtwin) -> None:
    def digest(*arguments: str) -> str:
        outcome = qtwin.loop(*SAME, *arguments, "--link", "software")
        assert outcome.code == 0, outcome.errors
        assert outcome.result is not None
        return str(outcome.result["digests"]["syndromes_sha256"])

    whole = digest()
    assert digest("--chunk", "97") == whole
    assert digest("--seed", "12") != whole


def test_pymatching_as_the_decoder_agrees_with_itself(qtwin: Qtwin) -> None:
    outcome = qtwin.loop(*SAME, "--decoder", "pymatching", "--code", "repetition")
    assert outcome.code == 0, outcome.errors
    assert outcome.result is not None
    assert outcome.result["qec_metrics"]["agreement"] == 1
    assert outcome.result["decoder_metrics"]["latency_cycles"] is None


def test_table_is_no_worse_than_pymatching_at_100000_shots(qtwin: Qtwin) -> None:
    outcome = qtwin.loop("--noise", "uniform:0.005", "--shots", "100000", "--seed", "5")
    assert outcome.code == 0, outcome.errors
    assert outcome.result is not None
    assert outcome.result["qec_metrics"]["logical_errors"] <= outcome.result["reference"]["logical_errors"]


def test_adaptive_run_renews_the_weights_and_tells_the_twin(qtwin: Qtwin) -> None:
    backend = "willow_drifting_like"
    with TwinClient(qtwin.address.url, qtwin.address.email, qtwin.address.password) as client:
        before = client.telemetry_loop(backend)["count"]
        outcome = qtwin.loop(
            *("--adaptive", "--compare-fresh", "--decoder", "union-find:loadable", "--backend", backend),
            *("--shots", "6000", "--renew-every", "1000", "--chunk", "300"),
        )
        assert outcome.code == 0, outcome.errors
        assert outcome.result is not None
        adaptive = outcome.result["adaptive"]
        assert client.telemetry_loop(backend)["count"] - before == len(adaptive["stretches"]) == 6
        assert client.controller_state(backend)["overrides"]["policy"]["gate_error"] == 1
    assert adaptive["logical_errors"] == outcome.result["qec_metrics"]["logical_errors"]
    assert adaptive["renewals"] >= 1
    assert [stretch["num_shots"] for stretch in adaptive["stretches"]] == [1000] * 6
    assert {"stale_errors", "fresh_errors", "won_back"} <= adaptive.keys()
    assert (report_of(qtwin.folder) / "adaptive.png").exists()


def test_adaptive_run_of_a_decoder_with_fixed_weights_is_refused(qtwin: Qtwin) -> None:
    outcome = qtwin.loop("--adaptive", "--decoder", "table", "--shots", "10")
    assert outcome.code == 2
    assert "use --decoder union-find:loadable" in outcome.message


def test_a_long_memory_is_decoded_in_windows_and_reported(qtwin: Qtwin) -> None:
    outcome = qtwin.loop(
        "--decoder", "union-find", "--rounds", "30", "--shots", "500", "--noise", "uniform:0.003", "--link", "software"
    )
    assert outcome.code == 0, outcome.errors
    assert outcome.result is not None
    # 31 layers in windows of 6 that commit 3: 9 windows before the last one
    assert outcome.result["decoder_metrics"]["frames"] == 9 * 500
    qec, reference = outcome.result["qec_metrics"], outcome.result["reference"]
    assert qec["logical_errors"] <= 1.3 * reference["logical_errors"] + 10
    assert "Pauli frames" in outcome.output


def test_picture_says_what_was_run_and_what_came_out(qtwin: Qtwin) -> None:
    settings = LoopSettings(
        code="repetition", backend_id="repetition29_like", noise="uniform:0.02", shots=5000, seed=9, link="software"
    )
    with TwinClient(qtwin.address.url, qtwin.address.email, qtwin.address.password) as client:
        found = run_loop(settings, client, Quiet(), qtwin.folder)
    assert found.setup is not None
    tally = found.setup.tally
    title, verdict, where = heading(found, found.setup, 1_700_000_000)
    assert title.startswith(f"{found.setup.decoder.name} on repetition d=3, 3 rounds, 1")
    assert title.endswith(" November 2023")
    assert f"({tally.logical_errors:,} against {tally.reference_errors:,} in 5,000 shots, p = " in verdict
    assert "memory Z, noise uniform:0.02 on repetition29_like, seed 9; " in where


class Quiet:
    """A watcher that says nothing."""

    def stage(self, text: str) -> None:
        pass

    def shots(self, done: int, total: int) -> None:
        pass
