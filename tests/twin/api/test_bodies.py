"""What bodies are taken and refused, and that OpenAPI says the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.twin.conftest import BELL, ServedTwin, wait_until
from twin.device.commands import PAYLOADS

BACKEND = "repetition29_like"
JOB: dict[str, Any] = {"backend_id": BACKEND, "circuits": [BELL], "shots": 8}
SESSION: dict[str, Any] = {"backend_id": BACKEND, "code_family": "repetition", "code_distance": 3}
BELL_ACTIONS = [{"gate": "h", "qubits": [0]}, {"gate": "cx", "qubits": [0, 1]}]
SCHEDULE: dict[str, Any] = {"n_qubits": 2, "actions": BELL_ACTIONS}
COMMANDS, CONTROL = f"/controller/{BACKEND}/commands", f"/controller_api/v1/{BACKEND}"


@pytest.fixture(scope="module")
def described(served: ServedTwin) -> dict[str, Any]:
    document: dict[str, Any] = httpx.get(f"{served.base}/openapi.json").json()
    return document


@pytest.fixture(autouse=True, scope="module")
def _reset(http: httpx.Client) -> Iterator[None]:
    yield
    assert http.post(COMMANDS, json={"command_type": "reset"}).status_code == 200


def body_schemas(described: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Of each operation with a body, by its id, references resolved at the top."""
    schemas = {}
    for operations in described["paths"].values():
        for operation in operations.values():
            if "requestBody" in operation:
                (content,) = operation["requestBody"]["content"].values()
                schemas[operation["operationId"]] = resolved(described, content["schema"])
    return schemas


def resolved(described: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = described["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def test_operations_have_short_names_of_their_own(described: dict[str, Any]) -> None:
    names = Counter(
        operation["operationId"] for operations in described["paths"].values() for operation in operations.values()
    )
    assert len(names) >= 46
    assert set(names.values()) == {1}
    assert all(name.isidentifier() and len(name) <= 32 and "api_v1" not in name for name in names)
    assert {"submit_job", "get_job", "get_job_result", "send_command", "create_session"} <= set(names)


def test_the_first_server_is_the_address_that_was_asked(served: ServedTwin, described: dict[str, Any]) -> None:
    assert described["servers"][0]["url"] == served.url
    odd = httpx.get(f"{served.base}/openapi.json", headers={"Host": "a b/<c>"}).json()
    assert odd["servers"] == [{"url": "/"}]


def test_every_body_is_typed(described: dict[str, Any]) -> None:
    schemas = body_schemas(described)
    assert len(schemas) >= 15
    for name, schema in schemas.items():
        for each in schema.get("oneOf", [schema]):
            assert resolved(described, each)["properties"], name
    commands = {
        resolved(described, each)["properties"]["command_type"]["const"]: resolved(described, each)
        for each in schemas["send_command"]["oneOf"]
    }
    assert set(commands) == set(PAYLOADS)
    assert schemas["send_command"]["discriminator"]["propertyName"] == "command_type"
    qubit_noise = resolved(described, commands["set_qubit_noise"]["properties"]["payload"])
    assert {"qubit", "t1_us", "t2_us", "readout_error", "gate_error"} == set(qubit_noise["properties"])
    assert qubit_noise["properties"]["readout_error"]["anyOf"][0] == {"type": "number", "minimum": 0.0, "maximum": 1.0}
    assert {"temperature_mk", "t1_multiplier"} <= set(schemas["set_cryo"]["properties"])
    assert {"channels", "thresholds"} <= set(schemas["set_readout_config"]["properties"])
    assert {"decoder_metrics", "qec_metrics"} == set(schemas["attach_job_metadata"]["properties"])
    assert len(schemas["submit_job"]["properties"]["circuits"]["items"]["oneOf"]) == 4


NOT_INTEGERS = (True, "3", 1.5)


@pytest.mark.parametrize(
    ("path", "body", "place"),
    [
        ("/jobs", JOB, ("shots",)),
        ("/jobs", JOB, ("seed",)),
        ("/jobs", {**JOB, "circuits": [SCHEDULE]}, ("circuits", 0, "n_qubits")),
        ("/jobs", {**JOB, "circuits": [SCHEDULE]}, ("circuits", 0, "actions", 1, "qubits", 0)),
        (
            "/jobs",
            {**JOB, "circuits": [{"qec_memory": {**SESSION, "rounds": 2}}]},
            ("circuits", 0, "qec_memory", "rounds"),
        ),
        ("/qec_session/v1/", SESSION, ("code_distance",)),
        ("/qec_session/v1/", SESSION, ("shots",)),
        ("/qec_session/v1/", SESSION, ("rounds",)),
        ("/qec_session/v1/", SESSION, ("seed",)),
        (f"{CONTROL}/pulse_schedule", SCHEDULE, ("n_qubits",)),
        (f"{CONTROL}/pulse_schedule", SCHEDULE, ("seed",)),
        (f"{CONTROL}/pulse_schedule", SCHEDULE, ("actions", 0, "qubits", 0)),
        (f"{CONTROL}/readout_config", {"channels": [0, 1]}, ("channels", 1)),
        (COMMANDS, {"command_type": "set_qubit_noise", "payload": {"qubit": 1, "t1_us": 50}}, ("payload", "qubit")),
        (COMMANDS, {"command_type": "reset_qubit_noise", "payload": {}}, ("payload", "qubit")),
    ],
)
def test_an_integer_is_not_true_nor_a_text(
    http: httpx.Client, path: str, body: dict[str, Any], place: tuple[str | int, ...]
) -> None:
    for value in NOT_INTEGERS:
        answer = http.post(path, json=changed(body, place, value))
        assert answer.status_code == 422, (value, answer.text)
        assert list(place) in [fault["loc"] for fault in answer.json()["errors"]], (value, answer.text)


def changed(body: Any, place: tuple[str | int, ...], value: object) -> Any:
    """The same with one value in another one's place."""
    if not place:
        return value
    if isinstance(body, list):
        return [changed(each, place[1:], value) if index == place[0] else each for index, each in enumerate(body)]
    return {**body, place[0]: changed(body.get(place[0]), place[1:], value)}


@pytest.mark.parametrize(
    ("path", "body", "place", "value"),
    [
        ("/jobs", JOB, ("memory",), 1),
        ("/jobs", JOB, ("memory",), "yes"),
        ("/jobs", JOB, ("backend_id",), 7),
        ("/jobs", JOB, ("circuits", 0), 7),
        ("/jobs", JOB, ("circuits", 0), {"qasm": BELL}),
        ("/jobs", JOB, ("circuits", 0), {"stim": 7}),
        ("/jobs", JOB, ("circuits", 0), {"stim": "M 0", "more": 1}),
        ("/jobs", {**JOB, "circuits": [SCHEDULE]}, ("circuits", 0, "actions", 0, "params"), [True]),
        ("/jobs", {**JOB, "circuits": [SCHEDULE]}, ("circuits", 0, "actions", 0, "angle"), 1),
        ("/qec_session/v1/", SESSION, ("noise",), {"uniform_prob": "0.1"}),
        ("/qec_session/v1/", SESSION, ("noise",), {"uniform_prob": 0.1, "p": 1}),
        (f"{CONTROL}/cryo", {"temperature_mk": 20}, ("temperature_mk",), True),
        (f"{CONTROL}/cryo", {"temperature_mk": 20}, ("stage",), 3),
        (f"{CONTROL}/readout_config", {"thresholds": {"0": 0.5}}, ("thresholds", "0"), 5),
        (f"{CONTROL}/readout_config", {"thresholds": {"0": 0.5}}, ("thresholds", "zero"), 0.5),
        (COMMANDS, {"command_type": "reset"}, ("payload",), []),
        (COMMANDS, {"command_type": "policy_update", "payload": {}}, ("command_type",), "melt"),
        (COMMANDS, {"command_type": "policy_update", "payload": {}}, ("command_type",), 7),
        (COMMANDS, {"command_type": "set_scenario", "payload": {}}, ("payload", "scenario_name"), 7),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(
    http: httpx.Client, path: str, body: dict[str, Any], place: tuple[str | int, ...], value: object
) -> None:
    answer = http.post(path, json=changed(body, place, value))
    assert answer.status_code == 422, answer.text
    told = [fault["loc"] for fault in answer.json()["errors"]]
    assert any(list(place) == loc[: len(place)] for loc in told), answer.text


def test_null_is_as_good_as_absent(http: httpx.Client) -> None:
    job = http.post("/jobs", json={**JOB, "metadata": None, "seed": None, "memory": None, "shots": None})
    assert (job.status_code, job.json()["shots"], job.json()["metadata"]) == (202, 1024, {})
    nulls = dict.fromkeys(("basis", "seed", "shots", "rounds", "job_id", "layout", "noise", "initial_state"))
    session = http.post("/qec_session/v1/", json={**SESSION, **nulls})
    assert (session.status_code, session.json()["shots"], session.json()["basis"]) == (200, 1, "Z")
    actions = [{**action, "params": None} for action in BELL_ACTIONS]
    assert http.post(f"{CONTROL}/pulse_schedule", json={"n_qubits": 2, "actions": actions, "seed": None}).is_success
    nulls = dict.fromkeys(("t2_us", "readout_error", "gate_error"))
    noise = {"command_type": "set_qubit_noise", "payload": {"qubit": 1, "t1_us": 50.0, **nulls}}
    assert http.post(COMMANDS, json=noise).json()["overrides"]["qubits"] == {"1": {"t1_us": 50.0}}
    assert http.post(COMMANDS, json={"command_type": "reset_qubit_noise", "payload": None}).is_success
    assert http.post(f"{CONTROL}/cryo", json={"temperature_mk": 20.0, "stage": None}).json()["temperature_mk"] == 20.0
    nothing = http.post(COMMANDS, json={"command_type": "policy_update", "payload": {"drift_multiplier": None}})
    assert nothing.status_code == 422
    needed = http.post("/jobs", json={**JOB, "backend_id": None})
    assert needed.json()["errors"][0]["loc"] == ["backend_id"]


def test_a_number_without_a_fraction_is_whole(http: httpx.Client) -> None:
    assert (
        http.post("/jobs", content=b'{"backend_id":"repetition29_like","circuits":[%s],"shots":16.0}' % QUOTED).json()[
            "shots"
        ]
        == 16
    )
    session = http.post("/qec_session/v1/", json={**SESSION, "code_distance": 3.0})
    assert session.json()["code_distance"] == 3


QUOTED = b'"' + BELL.replace('"', '\\"').encode() + b'"'


def test_many_thresholds_are_one_fault(http: httpx.Client) -> None:
    body = {"thresholds": {str(index): "x" for index in range(50_000)}}
    answer = http.post(f"/controller_api/v1/{BACKEND}/readout_config", json=body)
    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert "has 50000 keys, expected at most" in fault["message"]


def test_a_schedules_fault_names_its_action(http: httpx.Client) -> None:
    for action, words in (
        ({"gate": "melt", "qubits": [0]}, "unknown gate 'melt'"),
        ({"gate": "h", "qubits": [5]}, "not distinct qubits of 2"),
        ({"gate": "rx", "qubits": [0]}, "takes 1 params"),
    ):
        answer = http.post(f"{CONTROL}/pulse_schedule", json={"n_qubits": 2, "actions": [*BELL_ACTIONS, action]})
        (fault,) = answer.json()["errors"]
        assert (answer.status_code, fault["loc"]) == (422, ["actions", 2])
        assert words in fault["message"]
        assert "circuit" not in answer.json()["detail"]


def test_gates_are_known_by_their_usual_names(http: httpx.Client) -> None:
    usual = [("X", [0]), ("CNOT", [0, 1]), ("Toffoli", [0, 1, 2]), ("I", [0]), ("Measure", [0, 1, 2])]
    circuit = {"n_qubits": 3, "actions": [{"gate": gate, "qubits": qubits} for gate, qubits in usual]}
    job = {"backend_id": "ibm_jakarta_like", "circuits": [circuit], "shots": 200, "seed": 1}
    result = f"/jobs/{http.post('/jobs', json=job).json()['job_id']}/result"
    wait_until(lambda: http.get(result).status_code == 200, "the job's end", 60)
    counts = Counter(http.get(result).json()["results"][0]["counts"])
    assert counts.most_common(1)[0][0] == "111"


def test_metadata_that_cannot_be_is_refused(http: httpx.Client) -> None:
    job_id = http.post("/jobs", json=JOB).json()["job_id"]
    path = f"/jobs/{job_id}/metadata"
    for metadata, place in (
        ({"qec_metrics": {"logical_error_rate": 7}}, ["qec_metrics", "logical_error_rate"]),
        ({"qec_metrics": {"logical_error_rate": -0.1}}, ["qec_metrics", "logical_error_rate"]),
        ({"qec_metrics": {"logical_errors": 5, "shots": 4}}, ["qec_metrics"]),
        ({"qec_metrics": [{"physical_error_rate": 1.5}]}, ["qec_metrics", 0, "physical_error_rate"]),
        ({"decoder_metrics": {"stalls": -1}}, ["decoder_metrics", "stalls"]),
        ({"decoder_metrics": 7}, ["decoder_metrics"]),
    ):
        answer = http.post(path, json=metadata)
        assert answer.status_code == 422, metadata
        assert place in [fault["loc"] for fault in answer.json()["errors"]], answer.text
    assert http.post("/jobs", json={**JOB, "metadata": {"qec_metrics": {"logical_error_rate": 7}}}).status_code == 422
    free = {"run": {"name": "a", "tags": [1, None]}, "decoder_metrics": {"decoder": "mine", "own": [1.5, None]}}
    assert http.post(path, json=free).json()["metadata"] == free
    rates = {"decoder_metrics": {"logical_error_rate": 0.25, "latency_ns": {"p50": 20.0, "max": None}}}
    assert http.post(path, json=rates).is_success
    point = http.get("/telemetry/qec", params={"job_id": job_id}).json()
    assert (point["metric_source"], point["logical_error_rate"], point["backend_id"]) == ("decoder", 0.25, BACKEND)
    trace = http.get("/telemetry/trace/export", params={"job_id": job_id}).json()
    assert (trace["backend_id"], trace["job"]["status"] != "FAILED") == (BACKEND, True)
    elsewhere = {"job_id": job_id, "backend_id": "willow_like"}
    assert http.get("/telemetry/trace/export", params=elsewhere).status_code == 404
    assert http.get("/telemetry/qec").json()["errors"][0]["loc"] == ["query", "backend_id"]


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (
            {"gate_error_multiplier": 1e6},
            "the gate error is 0.5, the most there is (the fully mixed state): all qubits",
        ),
        (
            {"gate_error_multiplier": 1e6},
            "the gate error is 0.75, the most there is (the fully mixed state): all pairs",
        ),
        ({"readout_error_multiplier": 1e6}, "an assignment error is 1/2, the most that a multiplier makes of it: all"),
        ({"drift_multiplier": 1e9 / 1e3}, "the gate error is 0.5"),
    ],
)
def test_a_product_that_is_cut_off_is_told(http: httpx.Client, payload: dict[str, float], words: str) -> None:
    try:
        answer = http.post(COMMANDS, json={"command_type": "policy_update", "payload": payload})
        assert any(note.startswith(words) for note in answer.json()["notes"]), answer.text
    finally:
        quiet = http.post(COMMANDS, json={"command_type": "reset"})
    assert quiet.json()["notes"] == []


def test_t2_above_twice_t1_is_told_whichever_was_set_last(http: httpx.Client) -> None:
    for payload in ({"qubit": 2, "t2_us": 100.0}, {"qubit": 2, "t1_us": 20.0}):
        command = {"command_type": "set_qubit_noise", "payload": payload}
        answer = http.post(COMMANDS, json=command).json()
    assert answer["notes"] == ["t2_us 100 is more than 2 T1; qubit 2 has T2 = 40 us"]
    assert http.get("/telemetry/qubits", params={"backend_id": BACKEND}).json()["qubits"][2]["t2_us"] == 40.0


def test_milliseconds_are_told_as_such(http: httpx.Client) -> None:
    answer = http.get("/telemetry/events", params={"since_timestamp": 1_764_220_000_000})
    assert answer.status_code == 422
    assert "milliseconds, and seconds are meant" in answer.json()["detail"]
    assert http.get("/telemetry/events", params={"since_timestamp": 1_764_220_000}).status_code == 200


def test_a_viewer_reads_and_runs_nothing(served: ServedTwin, http: httpx.Client) -> None:
    password = "a viewer's password"
    account = {"email": "reader@qcraft.local", "password": password, "role": "viewer"}
    assert http.post(f"{served.url}/api/v1/auth/users", json=account).status_code == 201
    login = httpx.post(f"{served.url}/api/v1/auth/login", json={"email": account["email"], "password": password})
    schedule = http.post(f"{CONTROL}/pulse_schedule", json=SCHEDULE).json()["schedule_id"]
    session = http.post("/qec_session/v1/", json=SESSION).json()["session_id"]
    with served.http(login.json()["access_token"]) as viewer:
        readout, round_0 = f"{CONTROL}/readout", f"/qec_session/v1/{session}/round/0/syndrome"
        assert viewer.get(readout).status_code == 200
        assert viewer.get(readout, params={"schedule_id": schedule, "round_index": 0}).status_code == 200
        assert viewer.get(readout, params={"schedule_id": schedule}).status_code == 403
        assert viewer.get(round_0).status_code == 403
        ours = http.get(round_0).json()
        assert viewer.get(round_0).json() == ours
        assert viewer.get(round_0.replace("/0/", "/1/")).status_code == 403
        assert viewer.post(f"{CONTROL}/pulse_schedule", json=SCHEDULE).status_code == 403
    assert http.get(f"/qec_session/v1/{session}/status").json()["current_round"] == 1
