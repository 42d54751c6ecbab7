"""Controller, telemetry, controller API v1 and metrics, checked against the reference's own figures."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.twin.conftest import BELL
from twin.client import TwinApiError, TwinClient

BACKEND = "ibm_jakarta_like"
T1_US = [81.764, 134.604, 137.789, 112.677, 117.514, 146.177, 85.094]  # calibration-facts


@pytest.fixture(autouse=True)
def _reset(client: TwinClient) -> object:
    yield None
    client.command(BACKEND, "reset")
    return None


def test_health(http: httpx.Client) -> None:
    answer = http.get("/health").json()
    assert answer["status"] == "healthy"
    assert answer["timestamp"].endswith("Z")


def test_backends_have_the_calibrated_facts(client: TwinClient) -> None:
    listed = {backend["backend_id"]: backend for backend in client.backends()["backends"]}
    jakarta = listed[BACKEND]
    assert jakarta["n_qubits"] == 7
    assert set(jakarta["basis_gates"]) == {"cx", "id", "rz", "sx", "x"}
    assert jakarta["max_shots"] == 100_000
    assert jakarta["max_circuits_per_job"] == 300
    pairs = {tuple(sorted(pair)) for pair in jakarta["coupling_map"]}
    assert pairs == {(0, 1), (1, 2), (1, 3), (3, 5), (4, 5), (5, 6)}
    one = client.backend(BACKEND)
    assert len(one["qubit_positions"]) == 7
    assert one["snapshot_id"] == client.telemetry_qubits(BACKEND)["snapshot_id"]
    with pytest.raises(TwinApiError, match="404"):
        client.backend("nothing")


def test_overrides_show_at_once_and_take_precedence(client: TwinClient) -> None:
    base = client.telemetry_qubits(BACKEND)
    assert [qubit["t1_us"] for qubit in base["qubits"]] == pytest.approx(T1_US)
    client.command(BACKEND, "inject_noise_override", {"readout_error_multiplier": 2.0})
    client.command(BACKEND, "set_qubit_noise", {"qubit": 3, "t1_us": 80.0, "readout_error": 0.05})
    client.set_cryo(BACKEND, {"temperature_mk": 30})
    now = client.telemetry_qubits(BACKEND)
    assert now["snapshot_id"] != base["snapshot_id"]
    assert now["qubits"][3]["t1_us"] == 80.0
    assert now["qubits"][3]["readout_error"] == pytest.approx(0.05)
    assert now["qubits"][3]["overridden"] == ["t1_us", "readout_error"]
    assert now["qubits"][0]["t1_us"] == pytest.approx(0.85 * T1_US[0])
    assert now["qubits"][0]["prob_meas1_prep0"] == pytest.approx(2 * 0.0064)
    assert 2 * 0.0356 < now["qubits"][0]["prob_meas0_prep1"] < 2.2 * 0.0356  # T1 is shorter
    client.command(BACKEND, "set_qubit_noise", {"qubit": 3, "t1_us": -1})
    assert client.telemetry_qubits(BACKEND)["qubits"][3]["t1_us"] == pytest.approx(0.85 * T1_US[3])
    client.command(BACKEND, "reset")
    assert client.telemetry_qubits(BACKEND)["snapshot_id"] == base["snapshot_id"]


@pytest.mark.parametrize(
    ("command_type", "payload"),
    [
        ("nothing", {}),
        ("inject_noise_override", {"gate_error_multiplier": -1}),
        ("inject_noise_override", {"gate_error_multiplier": 1.5, "surprise": 1}),
        ("set_qubit_noise", {"qubit": 7, "t1_us": 1}),
        ("set_scenario", {"scenario_name": "nothing"}),
    ],
)
def test_a_command_that_does_not_fit_changes_nothing(
    http: httpx.Client, client: TwinClient, command_type: str, payload: dict[str, object]
) -> None:
    before = client.controller_state(BACKEND)
    body = {"command_type": command_type, "payload": payload}
    answer = http.post(f"/controller/{BACKEND}/commands", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"]
    assert client.controller_state(BACKEND) == before


def test_nan_in_a_command_is_refused(http: httpx.Client) -> None:
    content = '{"command_type": "inject_noise_override", "payload": {"gate_error_multiplier": NaN}}'
    answer = http.post(f"/controller/{BACKEND}/commands", content=content)
    assert answer.status_code == 422


def test_scenario_is_swapped_and_told(client: TwinClient) -> None:
    base = client.telemetry_qubits(BACKEND)["snapshot_id"]
    client.command(BACKEND, "set_scenario", {"scenario_name": "noisy_day"})
    assert client.telemetry_qubits(BACKEND)["snapshot_id"] != base
    assert client.controller_state(BACKEND)["scenario"] == "noisy_day"
    compatibility = client.scenario_compatibility(BACKEND)
    assert compatibility["scenario"] == "noisy_day"
    assert compatibility["recognized"]


def test_loop_cadence_counts_policy_updates(client: TwinClient) -> None:
    backend = "surface17_like"
    before = client.telemetry_loop(backend)["count"]
    for _ in range(3):
        client.command(backend, "policy_update", {"gate_error_multiplier": 1.0})
        time.sleep(0.05)
    cadence = client.telemetry_loop(backend)
    assert cadence["count"] == before + 3
    assert 0.05 <= cadence["min_interval_s"] <= cadence["avg_interval_s"] <= cadence["max_interval_s"]


@pytest.mark.parametrize(("temperature_mk", "multiplier"), [(15, 1.0), (30, 0.85), (50, 0.60), (100, 0.20)])
def test_cryo_goes_through_the_references_points(client: TwinClient, temperature_mk: float, multiplier: float) -> None:
    cryo = client.set_cryo(BACKEND, {"temperature_mk": temperature_mk})
    assert cryo["t1_multiplier"] == pytest.approx(multiplier)
    assert client.cryo(BACKEND) == cryo
    explicit = client.set_cryo(BACKEND, {"t1_multiplier": 0.5})
    assert (explicit["t1_multiplier"], explicit["t2_multiplier"]) == (0.5, pytest.approx(multiplier))


def test_readout_of_a_schedule_packs_bit_i_as_qubit_i(client: TwinClient) -> None:
    actions = [{"gate": "x", "qubits": [0]}, {"gate": "x", "qubits": [2]}]
    schedule = client.submit_pulse_schedule(BACKEND, actions, 4)["schedule_id"]
    outcomes = [client.readout(BACKEND, schedule, index) for index in range(40)]
    means = [sum(each["outcomes"][qubit] for each in outcomes) / 40 for qubit in range(4)]
    assert means[0] > 0.8 < means[2]
    assert means[1] < 0.2 > means[3]
    for each in outcomes:
        assert each["meas_data_packed"] == sum(bit << i for i, bit in enumerate(each["outcomes"]))
    again = client.readout(BACKEND, schedule, 3)
    assert again["outcomes"] == outcomes[3]["outcomes"]
    client.set_readout_config(BACKEND, {"channels": [0, 2], "integration_time_ns": 1000, "thresholds": {"0": 0.5}})
    chosen = client.readout(BACKEND, schedule, 3)
    assert chosen["channels"] == [0, 2]
    assert len(chosen["outcomes"]) == 2
    assert chosen["meas_data_packed"] & ~0b101 == 0
    assert chosen["snapshot_id"] == client.backend(BACKEND)["snapshot_id"]
    synthetic = client.readout(BACKEND)
    assert synthetic["synthetic"] is True
    with pytest.raises(TwinApiError, match="404"):
        client.readout(BACKEND, "nothing")


def test_a_readout_without_a_round_is_the_schedules_next(client: TwinClient) -> None:
    """Rounds count from 0, whoever asks; a round that is named stays what it is, and does not count."""
    actions = [{"gate": "h", "qubits": [0]}, {"gate": "h", "qubits": [1]}]
    schedule = client.submit_pulse_schedule(BACKEND, actions, 2)["schedule_id"]
    other = client.submit_pulse_schedule(BACKEND, actions, 2)["schedule_id"]
    first = [client.readout(BACKEND, schedule) for _ in range(20)]
    assert [each["round_index"] for each in first] == list(range(20))
    named = [client.readout(BACKEND, schedule, index) for index in range(20)]
    assert [each["outcomes"] for each in named] == [each["outcomes"] for each in first]
    with ThreadPoolExecutor(8) as pool:
        more = list(pool.map(lambda _: client.readout(BACKEND, schedule)["round_index"], range(20)))
    assert sorted(more) == list(range(20, 40))
    assert client.readout(BACKEND, other)["round_index"] == 0
    # Four outcomes of one chance in four each: all 20 alike has a probability of 4 ** -19.
    assert len({each["meas_data_packed"] for each in first}) > 1


def test_a_readout_config_holds_for_its_channels_and_says_so(client: TwinClient) -> None:
    """The reference's own example; 0.0210 and 0.0250 are the published errors of the qubits 0 and 3."""
    backend, published = "ibm_jakarta_like", {0: (0.0064 + 0.0356) / 2, 3: 0.0250}
    try:
        client.command(backend, "reset")
        config = {"channels": [0, 1, 2], "integration_time_ns": 1000, "thresholds": {"0": 0.5}}
        answer = client.set_readout_config(backend, config)
        told = {each["qubit"]: each for each in answer["changes"]}
        assert set(told) == {0, 1, 2}
        assert told[0]["readout_error_without"] == pytest.approx(published[0])
        assert told[0]["readout_error"] > 3 * published[0]
        seen = client.telemetry_qubits(backend)["qubits"]
        assert [seen[qubit]["readout_error"] for qubit in told] == [each["readout_error"] for each in told.values()]
        assert seen[3]["readout_error"] == pytest.approx(published[3], abs=5e-4)
        assert {"jobs", "QEC sessions"} < set(answer["applies_to"])
        assert answer["measure_ns"] == 5518.2  # the other qubits' readout takes as long as it is calibrated for
        assert "holds for qubits 0, 1, 2; the readout is calibrated for 5518.2 ns" in answer["notes"][0]
        client.command(backend, "set_qubit_noise", {"qubit": 1, "readout_error": 0.01})
        answer = client.set_readout_config(backend, {"channels": -1, "thresholds": {"0": -1}})
        assert [each["qubit"] for each in answer["changes"]] == [0, 2, 3, 4, 5, 6]
        assert answer["measure_ns"] == 1000
        assert any("of qubit 1 stays as set_qubit_noise" in note for note in answer["notes"])
        answer = client.set_readout_config(backend, {"integration_time_ns": -1})
        assert (answer["changes"], answer["notes"], answer["measure_ns"]) == ([], [], 5518.2)
    finally:
        client.command(backend, "reset")


def test_a_command_says_what_does_not_act(client: TwinClient) -> None:
    """As shipped no job waits; a T2 cannot be over 2 T1."""
    scheduler = "scheduler/default.yaml"
    shipped = client.config_content(scheduler)["content"]
    try:
        for command in ("inject_noise_override", "policy_update"):
            notes = client.command(BACKEND, command, {"exec_time_scale": 5.0})["notes"]
            assert len(notes) == 1
            assert "the scheduler's own exec_time_scale is 0" in notes[0]
            assert client.command(BACKEND, command, {"exec_time_scale": 1.0})["notes"] == []
        client.update_config(scheduler, "scheduler: {exec_time_scale: 0.001}")
        assert client.command(BACKEND, "inject_noise_override", {"exec_time_scale": 5.0})["notes"] == []
        notes = client.command(BACKEND, "set_qubit_noise", {"qubit": 2, "t1_us": 20, "t2_us": 100})["notes"]
        assert notes == ["t2_us 100 is more than 2 T1; qubit 2 has T2 = 40 us"]
        assert client.command(BACKEND, "set_qubit_noise", {"qubit": 2, "t1_us": 20, "t2_us": 39})["notes"] == []
    finally:
        client.update_config(scheduler, shipped)
        client.command(BACKEND, "reset")


@pytest.mark.parametrize(
    "config", [{"channels": [7]}, {"channels": []}, {"integration_time_ns": -5}, {"surprise": 1}, {}]
)
def test_a_readout_config_that_does_not_fit_is_422(client: TwinClient, config: dict[str, object]) -> None:
    with pytest.raises(TwinApiError) as refused:
        client.set_readout_config(BACKEND, config)
    assert refused.value.status == 422


def test_qec_metrics_of_a_decoder_come_before_the_estimate(client: TwinClient) -> None:
    memory = {"qec_memory": {"code_family": "repetition", "code_distance": 3, "rounds": 3}}
    job_id = client.submit_job(BACKEND, [memory], shots=10)["job_id"]
    estimated = client.telemetry_qec(BACKEND, job_id)
    assert estimated["metric_source"] == "heuristic"
    assert 0 < estimated["logical_error_rate"] <= 0.5
    pushed = {"logical_error_rate": 0.25, "physical_error_rate": 0.125, "shots": 8}
    client.attach_metadata(job_id, {"decoder_metrics": {"decoder": "table"}, "qec_metrics": pushed})
    point = client.telemetry_qec(BACKEND, job_id)
    assert point["metric_source"] == "decoder"
    assert (point["logical_error_rate"], point["physical_error_rate"]) == (0.25, 0.125)
    assert point["decoder_metrics"] == {"decoder": "table"}
    assert client.telemetry_qec(BACKEND)["job_id"] == job_id
    history = client.telemetry_qec_history(BACKEND, job_id)["points"]
    assert [each["metric_source"] for each in history[:2]] == ["heuristic", "decoder"]
    summary = client.telemetry_qec_summary(BACKEND, job_id)
    assert summary["count"] == len(history)
    rates = [each["logical_error_rate"] for each in history]
    assert summary["avg_logical_error_rate"] == pytest.approx(sum(rates) / len(rates))
    for call in (client.telemetry_qec, client.telemetry_trace):
        with pytest.raises(TwinApiError, match=r"one of 'ibm_jakarta_like' \(404"):
            call("surface17_like", job_id)
    trace = client.telemetry_trace(BACKEND, job_id)
    assert trace["job"]["request"]["circuits"] == [memory]
    assert {event["type"] for event in trace["events"]} >= {"job.queued", "job.metadata"}
    assert len(trace["qec_points"]) == len(history)


def test_metrics_agree_as_json_and_prometheus(client: TwinClient, http: httpx.Client) -> None:
    client.wait_for_job(client.submit_job("willow_like", [{"stim": "X 0\nM 0"}], shots=10)["job_id"])
    listed = {each["backend_id"]: each for each in client.metrics()["backends"]}
    assert listed["willow_like"]["completed_jobs"] >= 1
    answer = http.get("/metrics/prometheus")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    ended = {
        sample.labels["backend_id"]: sample.value
        for sample in families["qtwin_jobs_ended"].samples
        if sample.name.endswith("_total") and sample.labels["status"] == "COMPLETED"
    }
    assert ended["willow_like"] == listed["willow_like"]["completed_jobs"]
    routes = {
        sample.labels["route"]
        for sample in families["qtwin_http_request_duration_seconds"].samples
        if sample.name.endswith("_count")
    }
    assert {"/jobs/{job_id}", "/metrics", "/api/v1/auth/login"} <= routes


def test_methods_of_nobodys_are_one_label(http: httpx.Client) -> None:
    for method in ("BREW", "PROPFIND", "get", "X" * 50, "HEAD", "OPTIONS"):
        http.request(method, "/jobs")
        http.request(method, "/nowhere")
    families = text_string_to_metric_families(http.get("/metrics/prometheus").text)
    (requests,) = (family for family in families if family.name == "qtwin_http_request_duration_seconds")
    methods = {sample.labels["method"] for sample in requests.samples}
    assert {"GET", "HEAD", "OPTIONS", "OTHER"} <= methods
    assert methods <= {"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "OTHER"}


def test_events_are_paged_by_cursor(client: TwinClient) -> None:
    backend = "repetition29_like"
    for index in range(5):
        client.command(backend, "set_adc_gain", {"readout_error_multiplier": 1.0 + index})
    everything = client.telemetry_events(backend, cursor="0", limit=10_000)["events"]
    paged, cursor = [], "0"
    while page := client.telemetry_events(backend, cursor=cursor, limit=2):
        if not page["events"]:
            break
        assert len(page["events"]) <= 2
        paged += page["events"]
        cursor = page["next_cursor"]
    assert paged == everything
    ids = [event["event_id"] for event in paged]
    assert ids == sorted(set(ids))
    since = client.telemetry_events(backend, since_timestamp=paged[-2]["timestamp"])["events"]
    assert since == paged[-2:]
    newest = client.telemetry_events(backend, limit=1)["events"]
    assert newest == paged[-1:]
    assert newest[0]["type"] == "controller.set_adc_gain"
    with pytest.raises(TwinApiError, match="422"):
        client.telemetry_events(backend, since_timestamp="yesterday")


def test_the_event_stream_resumes_without_a_gap(http: httpx.Client, client: TwinClient) -> None:
    backend = "surface17_like"

    def gain(value: float) -> None:
        client.command(backend, "set_adc_gain", {"readout_error_multiplier": value})

    def take(count: int, headers: dict[str, str], act: object = None) -> list[dict[str, object]]:
        found: list[dict[str, object]] = []
        with http.stream("GET", f"/telemetry/events/stream?backend_id={backend}", headers=headers) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            if callable(act):
                act()
            deadline = time.monotonic() + 30
            for line in answer.iter_lines():
                assert time.monotonic() < deadline, f"{len(found)} of {count} events in time"
                if line.startswith("data: {"):
                    found.append(json.loads(line[6:]))
                if len(found) == count:
                    return found
        return found

    first = take(1, {}, lambda: gain(1.1))
    gain(1.2)
    gain(1.3)
    missed = take(2, {"Last-Event-ID": str(first[0]["event_id"])})
    sent = [event["payload"]["payload"]["readout_error_multiplier"] for event in first + missed]  # type: ignore[index]
    assert sent == [1.1, 1.2, 1.3]


def test_a_job_runs_under_the_noise_of_its_moment(client: TwinClient) -> None:
    client.command(BACKEND, "inject_noise_override", {"readout_error_multiplier": 0.0, "gate_error_multiplier": 0.0})
    quiet = client.telemetry_qubits(BACKEND)["snapshot_id"]
    result = client.wait_for_job(client.submit_job(BACKEND, [BELL], shots=1000, seed=1)["job_id"])
    assert result["snapshot_id"] == quiet
    counts = result["results"][0]["counts"]
    # What is left is T1 and T2 during about 0.3 us of gates and, before the readout, nothing.
    assert counts["00"] + counts["11"] > 985
