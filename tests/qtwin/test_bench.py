"""`qtwin bench`, `qtwin compare` and `qtwin replay` as a user runs them, against a served twin."""

import base64
import contextlib
import html
import json
import platform
import re
import shlex
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
import sinter
import stim
import yaml
from scipy.stats import binomtest
from typer.testing import CliRunner, Result

from qtwin.cli import app
from tests.qtwin.conftest import Qtwin

SMALL = ("--max-shots", "4000", "--max-errors", "0", "--batch", "2000", "--workers", "1")


def run(qtwin: Qtwin, *arguments: str) -> Result:
    with contextlib.chdir(qtwin.folder):
        done = CliRunner().invoke(app, list(arguments), env=qtwin.environment())
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def bench(qtwin: Qtwin, name: str, *arguments: str) -> dict[str, Any]:
    done = run(qtwin, "bench", "--run", name, *arguments)
    assert done.exit_code == 0, done.stderr
    found: dict[str, Any] = json.loads((qtwin.folder / name / "summary.json").read_text())
    return found


def memory_circuits(folder: Path) -> dict[int, stim.Circuit]:
    found = [json.loads(file.read_text()) for file in (folder / "memories").glob("*.json")]
    return {content["spec"]["distance"]: stim.Circuit(content["circuit"]) for content in found}


def test_sweep_in_rtl_and_software_writes_its_report_and_goes_on(qtwin: Qtwin) -> None:
    arguments = ("--decoder", "union-find", "--decoder", "pymatching", "--noise", "uniform:0.01", "--noise", "device")
    found = bench(qtwin, "run", *arguments, *SMALL)["points"]
    folder = qtwin.folder / "run"
    assert [(each["decoder"], each["noise"]) for each in found] == [
        ("union-find", "uniform:0.01"),
        ("pymatching", "uniform:0.01"),
        ("union-find", "device"),
        ("pymatching", "device"),
    ]
    rtl, reference = found[:2]
    assert rtl["counts"]["shots"] == reference["counts"]["shots"] == 4000
    assert rtl["counts"]["reference_errors"] == reference["counts"]["errors"] > 0
    assert rtl["counts"]["latency_disagreements"] == 0
    assert rtl["load_cycles"]["min"] == rtl["load_cycles"]["max"] == 7  # 3 rounds and the data, two words each
    assert rtl["latency_ns"]["p50"] == pytest.approx(rtl["latency_cycles"]["p50"] * 10)
    assert reference["latency_cycles"] is None
    page = (folder / "report.html").read_text()
    assert "http" not in re.sub(r"data:image/png;base64,[^\"]*", "", page)  # nothing is fetched
    pictures = re.findall(r"data:image/png;base64,([^\"]*)", page)
    assert len(pictures) >= 3
    assert all(base64.b64decode(picture).startswith(b"\x89PNG") for picture in pictures)
    table = pyarrow.parquet.read_table(folder / "results.parquet").to_pylist()
    assert sum(bin["shots"] for bin in table[0]["decode_histogram"]) == 4000
    again = bench(qtwin, "run", "--max-shots", "6000")["points"]
    assert [each["counts"]["shots"] for each in again] == [6000] * 4
    rows = sinter.read_stats_from_csv_files(folder / "results.csv")
    assert sorted(row.shots for row in rows) == [6000] * 4


def test_a_memory_without_noise_is_left_out(qtwin: Qtwin) -> None:
    noises = ("--noise", "uniform:0", "--noise", "uniform:0.01")
    done = run(qtwin, "bench", "--run", "run", "--decoder", "table", "--link", "software", *noises, *SMALL)
    assert done.exit_code == 0, done.stderr
    assert re.search(r"left out: .*uniform:0: .*nothing to decode", " ".join(done.stderr.split()))
    (point,) = json.loads((qtwin.folder / "run" / "summary.json").read_text())["points"]
    assert (point["noise"], point["counts"]["shots"]) == ("uniform:0.01", 4000)
    alone = run(qtwin, "bench", "--run", "quiet", "--decoder", "table", "--link", "software", *noises[:2], *SMALL)
    assert alone.exit_code != 0
    assert "nothing to decode" in alone.stderr


def check_against_sinter(qtwin: Qtwin, distances: tuple[int, ...], prob: float, shots: int) -> None:
    """The sweep's error rate beside that of sinter with PyMatching, on the same circuits, other shots."""
    lists = [argument for distance in distances for argument in ("--distance", str(distance))]
    limits = ("--max-shots", str(shots), "--max-errors", "0", "--workers", "2")
    found = bench(qtwin, "run", "--decoder", "pymatching", "--noise", f"uniform:{prob}", *lists, *limits)["points"]
    circuits = memory_circuits(qtwin.folder / "run")
    assert sorted(circuits) == sorted(distances)
    tasks = [sinter.Task(circuit=circuit, json_metadata={"d": d}) for d, circuit in circuits.items()]
    independent = {
        stats.json_metadata["d"]: stats
        for stats in sinter.collect(num_workers=2, tasks=tasks, decoders=["pymatching"], max_shots=shots)
    }
    for each in found:
        ours, theirs = each["counts"], independent[each["d"]]
        assert ours["shots"] == theirs.shots == shots
        pooled = (ours["errors"] + theirs.errors) / (2 * shots)
        sigma = (2 * pooled * (1 - pooled) / shots) ** 0.5
        assert theirs.errors > 50
        # three distances at 3 sigma: a false alarm in 120 seeds, and the seed is fixed on our side
        assert abs(ours["errors"] - theirs.errors) / shots < 3 * sigma


def test_error_rates_agree_with_sinter_at_d_3_5_7(qtwin: Qtwin) -> None:
    check_against_sinter(qtwin, (3, 5, 7), 0.008, 20_000)


@pytest.mark.slow
def test_error_rates_agree_with_sinter_at_d_3_5_7_over_a_million_shots(qtwin: Qtwin) -> None:
    check_against_sinter(qtwin, (3, 5, 7), 0.004, 1_000_000)


def check_loop_beside_bench(qtwin: Qtwin, backend: str, code: str, basis: str, shots: int) -> None:
    """The twin's session, shot by shot, beside samples of the circuit that it serves: other shots of one device."""
    same = ("--backend", backend, "--code", code, "--basis", basis, "--decoder", "union-find")
    looped = qtwin.loop(*same, "--shots", str(shots), "--seed", "5", "--link", "software")
    assert looped.result is not None, looped.errors
    limits = ("--max-shots", str(shots), "--batch", str(shots // 2), "--max-errors", "0", "--workers", "2")
    (point,) = bench(qtwin, "run", *same, "--noise", "device", *limits, "--link", "software")["points"]
    assert point["counts"]["shots"] == looped.result["qec_metrics"]["shots"] == shots
    for ours, theirs in (("logical_errors", "errors"), ("reference_logical_errors", "reference_errors")):
        errors = looped.result["qec_metrics"][ours], point["counts"][theirs]
        assert min(errors) > 50
        pooled = sum(errors) / (2 * shots)
        assert abs(errors[0] - errors[1]) / shots < 3 * (2 * pooled * (1 - pooled) / shots) ** 0.5, errors


@pytest.mark.parametrize(("backend", "code"), [("surface17_like", "surface"), ("ibm_jakarta_like", "repetition")])
def test_loop_and_bench_measure_the_same_device(qtwin: Qtwin, backend: str, code: str) -> None:
    check_loop_beside_bench(qtwin, backend, code, "Z", 50_000)


@pytest.mark.slow
@pytest.mark.parametrize(("code", "basis"), [("surface", "Z"), ("surface", "X"), ("repetition", "Z")])
@pytest.mark.parametrize("backend", ["surface17_like", "ibm_jakarta_like", "willow_like", "repetition29_like"])
def test_loop_and_bench_measure_the_same_of_every_device(qtwin: Qtwin, backend: str, code: str, basis: str) -> None:
    check_loop_beside_bench(qtwin, backend, code, basis, 500_000)


def test_compare_tells_a_worse_decoder_from_the_same_one(qtwin: Qtwin) -> None:
    common = ("--noise", "uniform:0.01", *SMALL)
    bench(qtwin, "good", "--decoder", "pymatching", *common)
    bench(qtwin, "same", "--decoder", "sinter:pymatching", *common)
    bench(qtwin, "broken", "--decoder", "sinter:vacuous", *common)
    alike = run(qtwin, "compare", "good", "same", "--json", "alike.json")
    assert alike.exit_code == 0, alike.stderr
    (pair,) = json.loads((qtwin.folder / "alike.json").read_text())["pairs"]
    assert pair["shots"] == 4000
    assert pair["p_value"] == 1
    worse = run(qtwin, "compare", "good", "broken")
    assert worse.exit_code == 1
    assert "regression" in worse.stdout
    assert run(qtwin, "compare", "broken", "good").exit_code == 0
    bench(qtwin, "other", "--decoder", "pymatching", *common, "--seed", "2")
    refused = run(qtwin, "compare", "good", "other")
    assert refused.exit_code == 2
    assert "no shots in common" in refused.stderr
    assert run(qtwin, "compare", "good", "nowhere").exit_code == 2


def test_replay_sends_a_failing_shot_again_over_another_link(qtwin: Qtwin) -> None:
    bench(qtwin, "run", "--decoder", "table", "--noise", "uniform:0.02", *SMALL)
    failing = [json.loads(line) for line in (qtwin.folder / "run" / "failing_shots.jsonl").read_text().splitlines()]
    shot = next(each for each in failing if each["shot"] >= 2000)
    for link in ("verilated", "software"):
        done = run(qtwin, "replay", "run", str(shot["shot"]), "--link", link)
        assert done.exit_code == 0, done.stderr
        assert "wrong" in done.stdout
        assert "the same" in done.stdout
        assert f"{shot['words'][-1]:08x}" in done.stdout
    for link in ("verilated", "software", "cocotb:verilator"):
        traced = run(qtwin, "replay", "run", str(shot["shot"]), "--link", link, "--trace", "--output", f"waves-{link}")
        assert traced.exit_code == 0, traced.stderr
        (waveform,) = (qtwin.folder / f"waves-{link}").iterdir()
        assert waveform.stat().st_size > 1000
    assert run(qtwin, "replay", "run", "1", "--point", "zz").exit_code == 1


def test_drifted_device_is_noisier_than_its_error_model_and_is_left_as_it_was(qtwin: Qtwin) -> None:
    lists = ("--noise", "device", "--noise", "drifted:2")
    device, drifted = bench(qtwin, "run", "--decoder", "pymatching", *lists, *SMALL)["points"]
    assert drifted["counts"]["errors"] > 1.3 * device["counts"]["errors"]
    memories = [json.loads(file.read_text()) for file in (qtwin.folder / "run" / "memories").glob("*.json")]
    assert memories[0]["error_model"] == memories[1]["error_model"]
    assert memories[0]["circuit"] != memories[1]["circuit"]
    after = bench(qtwin, "again", "--decoder", "pymatching", "--noise", "device", *SMALL)["points"]
    assert after[0]["counts"]["errors"] == device["counts"]["errors"]


def test_scheduler_that_does_not_answer_is_one_clear_message(qtwin: Qtwin) -> None:
    done = run(qtwin, "bench", "--run", "run", "--scheduler", "tcp://127.0.0.1:9", "--decoder", "pymatching")
    assert done.exit_code == 1
    message = " ".join(done.stderr.split())
    assert "no Dask scheduler answers" in message
    assert "Traceback" not in message


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("bench", "--run", "file"), 2, "--run: file is a file; name a folder"),
        (("replay", "lost", "0"), 1, "there is no folder lost; name one that `qtwin bench` wrote"),
        (("replay", "other", "0"), 1, "other is not the folder of a `qtwin bench` (it has no sweep.yaml)"),
        (("compare", "lost", "other"), 2, "there is no folder lost"),
        (("compare", "other", "file"), 2, "other is not the folder of a `qtwin bench`"),
        (("compare", "lost", "other", "--json", "other"), 2, "cannot write the result to other: it is a folder"),
    ],
)
def test_what_is_no_run_is_one_clear_message(qtwin: Qtwin, arguments: tuple[str, ...], code: int, says: str) -> None:
    (qtwin.folder / "file").write_text("no run")
    (qtwin.folder / "other").mkdir()
    done = run(qtwin, *arguments)
    assert done.exit_code == code
    message = " ".join(done.stderr.split())
    assert says in message
    assert "Errno" not in message


def test_report_says_what_was_run_what_came_out_and_how_to_repeat_it(qtwin: Qtwin) -> None:
    assert run(qtwin, "decoder", "new", "my decoder", "--code", "repetition").exit_code == 0
    decoders = ("--decoder", "table", "--decoder", "my decoder", "--link", "default")
    first = bench(qtwin, "a run", "--code", "repetition", "--noise", "uniform:0.02", *SMALL, *decoders, "--seed", "7")
    page = (qtwin.folder / "a run" / "report.html").read_text()
    heading = page.partition("<h2>")[0]
    started = datetime.fromtimestamp((qtwin.folder / "a run" / "batches.journal").stat().st_mtime)
    assert f"<h1>table and my-decoder on repetition d=3, {started.day} {started:%B %Y}</h1>" in heading
    for fact in ("uniform:0.02", "repetition29_like", ">7<", "repetition d=3, 3 rounds", platform.node()):
        assert fact in heading
    for point in first["points"]:
        counts = point["counts"]
        p_value = binomtest(counts["only_decoder_wrong"], discordant(counts)).pvalue if discordant(counts) else 1
        figures = f"({counts['errors']:,} against {counts['reference_errors']:,} in {counts['shots']:,} shots, "
        assert f"{figures}p = {p_value:.2g})" in heading
    # the printed command, pasted anywhere, and the printed plan, links: [default] included, give the same counts
    command, plan = (html.unescape(text) for text in re.findall(r"<pre>(.*?)</pre>", page, re.DOTALL))
    assert yaml.safe_load(plan)["links"] == ["default"]
    elsewhere = qtwin.folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "plan.yaml").write_text(plan)
    for arguments in (shlex.split(command)[1:], ["bench", "plan.yaml"]):
        with contextlib.chdir(elsewhere):
            again = CliRunner().invoke(app, [*arguments, "--run", "again", "--workers", "1"], env=qtwin.environment())
        assert again.exit_code == 0, again.stderr
        found = json.loads((elsewhere / "again" / "summary.json").read_text())
        assert [each["counts"] for each in found["points"]] == [each["counts"] for each in first["points"]]
        shutil.rmtree(elsewhere / "again")


def discordant(counts: dict[str, int]) -> int:
    return counts["only_decoder_wrong"] + counts["only_reference_wrong"]


def test_report_without_a_clock_has_a_sentence_in_place_of_latencies(qtwin: Qtwin) -> None:
    bench(qtwin, "run", "--code", "repetition", "--noise", "uniform:0.02", *SMALL, "--link", "software")
    page = (qtwin.folder / "run" / "report.html").read_text()
    assert "No latencies: every decoder here ran in software, which has no clock." in page
    assert "<h2>Latency</h2>" not in page
