"""The API reference's examples, run as they are printed there; only host, token and id are filled in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.twin.conftest import PASSWORD, ServedTwin

DEADLINE_S = 60

CURL_LOGIN = """curl -s -X POST "http://localhost/api/v1/auth/login" \\
  -H "Content-Type: application/json" \\
  -d '{"email":"admin@qcraft.local","password":"YOUR_PASSWORD"}'
"""

CURL_LOOK = """export ACCESS_TOKEN="eyJ..."

# Health check
curl -s "http://localhost/api/v1/digital-twin/health" \\
  -H "Authorization: Bearer $ACCESS_TOKEN"

# List backends
curl -s "http://localhost/api/v1/digital-twin/backends" \\
  -H "Authorization: Bearer $ACCESS_TOKEN" | jq .
"""

CURL_JOB = """export BASE="http://localhost/api/v1/digital-twin"
export TOKEN="YOUR_ACCESS_TOKEN"

# Submit a Bell-state circuit (QASM string)
curl -s -X POST "$BASE/jobs" \\
  -H "Authorization: Bearer $TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '{
    "backend_id": "ibm_jakarta_like",
    "circuits": ["OPENQASM 2.0; include \\"qelib1.inc\\"; qreg q[2]; creg c[2]; h q[0]; cx q[0],q[1]; measure q -> c;"],
    "shots": 1024
  }'
"""

PYTHON_JOB = """import requests, time

BASE = "http://localhost/api/v1/digital-twin"
headers = {"Authorization": "Bearer YOUR_ACCESS_TOKEN"}

# Submit job
r = requests.post(f"{BASE}/jobs", headers=headers, json={
    "backend_id": "ibm_jakarta_like",
    "circuits": ['OPENQASM 2.0; include "qelib1.inc"; qreg q[2]; creg c[2]; h q[0]; cx q[0],q[1]; measure q -> c;'],
    "shots": 1024,
})
job_id = r.json()["job_id"]
print("Submitted:", job_id)

# Poll until done
while True:
    status = requests.get(f"{BASE}/jobs/{job_id}", headers=headers).json()
    print("Status:", status["status"])
    if status["status"] in ("COMPLETED", "FAILED", "CANCELLED"):
        break
    time.sleep(1)

# Get counts
result = requests.get(f"{BASE}/jobs/{job_id}/result", headers=headers).json()
print("Counts:", result["results"][0]["counts"])
"""

NODE_JOB = """const BASE = "http://localhost/api/v1/digital-twin";
const headers = {
  "Authorization": `Bearer ${ACCESS_TOKEN}`,
  "Content-Type": "application/json",
};

// Submit job
const res = await fetch(`${BASE}/jobs`, {
  method: "POST",
  headers,
  body: JSON.stringify({
    backend_id: "ibm_jakarta_like",
    circuits: ['OPENQASM 2.0; include "qelib1.inc"; qreg q[2]; creg c[2]; h q[0]; cx q[0],q[1]; measure q -> c;'],
    shots: 1024,
  }),
});
const { job_id } = await res.json();

// Poll
let status;
do {
  await new Promise(r => setTimeout(r, 1000));
  status = await (await fetch(`${BASE}/jobs/${job_id}`, { headers })).json();
} while (!["COMPLETED","FAILED","CANCELLED"].includes(status.status));

const result = await (await fetch(`${BASE}/jobs/${job_id}/result`, { headers })).json();
console.log(result.results[0].counts);
"""

JAVA_JOB = '''var client = HttpClient.newHttpClient();
var headers = new String[]{"Authorization","Bearer "+ACCESS_TOKEN,"Content-Type","application/json"};
String base = "http://localhost/api/v1/digital-twin";

// Submit
var body = """{"backend_id":"ibm_jakarta_like","circuits":["OPENQASM 2.0; ..."],"shots":1024}""";
var req = HttpRequest.newBuilder()
    .uri(URI.create(base + "/jobs"))
    .headers(headers)
    .POST(BodyPublishers.ofString(body))
    .build();
var resp = client.send(req, BodyHandlers.ofString());
System.out.println(resp.body());
'''

PYTHON_SESSION = """import requests

BASE = "http://localhost/api/v1/digital-twin"
H = {"Authorization": "Bearer "+TOKEN}

# 1. Create session
s = requests.post(f"{BASE}/qec_session/v1/", headers=H, json={
    "backend_id": "ibm_jakarta_like",
    "code_family": "repetition",
    "code_distance": 3,
}).json()
session_id = s["session_id"]
print("Stabilizers:", s["num_stabilizers"])

# 2. Run rounds
for round_idx in range(10):
    syndrome = requests.get(
        f"{BASE}/qec_session/v1/{session_id}/round/{round_idx}/syndrome",
        headers=H,
    ).json()
    print(f"Round {round_idx} syndrome:", syndrome["syndrome_bits"])

    # Your decoder logic here...
    correction = [0] * len(syndrome["syndrome_bits"])

    requests.post(
        f"{BASE}/qec_session/v1/{session_id}/round/{round_idx}/correction",
        headers=H, json={"correction_bits": correction},
    )

# 3. End session
stats = requests.post(f"{BASE}/qec_session/v1/{session_id}/end", headers=H).json()
print("Total rounds:", stats["total_rounds"])
print("Corrections received:", stats["stats"]["corrections_received"])
"""


def run(*command: str, **options: str) -> str:
    environment = {**os.environ, "NO_PROXY": "127.0.0.1", **options}
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def filled_in(example: str, served: ServedTwin) -> str:
    token = served.token()
    example = example.replace("http://localhost", served.url).replace("YOUR_PASSWORD", PASSWORD)
    return example.replace("YOUR_ACCESS_TOKEN", token).replace("eyJ...", token)


def need(tool: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")


def test_curl_login(served: ServedTwin) -> None:
    need("curl")
    need("bash")
    answer = json.loads(run("bash", "-c", filled_in(CURL_LOGIN, served)))
    assert answer["access_token"].startswith("eyJ")
    assert answer["refresh_token"].startswith("eyJ")
    assert answer["token_type"] == "Bearer"


def test_curl_health_and_backends(served: ServedTwin) -> None:
    need("curl")
    need("jq")
    out = run("bash", "-c", filled_in(CURL_LOOK, served))
    assert '"status":"healthy"' in out
    assert '"backend_id": "ibm_jakarta_like"' in out


def test_curl_job(served: ServedTwin) -> None:
    need("curl")
    submitted = json.loads(run("bash", "-c", filled_in(CURL_JOB, served)))
    assert submitted["status"] == "QUEUED"
    assert submitted["shots"] == 1024
    with served.client() as client:
        client.wait_for_job(submitted["job_id"])
    look = 'curl -s "$BASE/jobs/JOB_ID/result" -H "Authorization: Bearer $TOKEN"'
    prepared = "\n".join(filled_in(CURL_JOB, served).splitlines()[:2])
    result = json.loads(run("bash", "-c", prepared + "\n" + look.replace("JOB_ID", submitted["job_id"])))
    assert sum(result["results"][0]["counts"].values()) == 1024


def test_python_requests_job(served: ServedTwin) -> None:
    out = run(sys.executable, "-c", filled_in(PYTHON_JOB, served))
    assert "Status: COMPLETED" in out
    assert "Counts: {'00':" in out


def test_python_session_loop(served: ServedTwin) -> None:
    script = f"TOKEN = {served.token()!r}\n" + filled_in(PYTHON_SESSION, served)
    out = run(sys.executable, "-c", script)
    assert "Stabilizers: 2" in out
    assert out.count(" syndrome: [") == 10
    assert "Total rounds: 10" in out
    assert "Corrections received: 10" in out


def test_node_fetch_job(served: ServedTwin, tmp_path: Path) -> None:
    need("node")
    script = tmp_path / "example.mjs"
    script.write_text(f"const ACCESS_TOKEN = {json.dumps(served.token())};\n" + filled_in(NODE_JOB, served))
    out = run("node", str(script))
    assert "'00':" in out
    assert "'11':" in out


def test_java_http_client_job(served: ServedTwin, tmp_path: Path) -> None:
    need("java")
    # Java wants a line break after the opening quotes of a text block, which the reference does not print.
    qasm = 'include \\\\"qelib1.inc\\\\"; qreg q[2]; creg c[2]; h q[0]; cx q[0],q[1]; measure q -> c;'
    example = filled_in(JAVA_JOB, served).replace("...", qasm).replace('"""{', '"""\n{')
    source = (
        "import java.net.URI;\nimport java.net.http.*;\nimport java.net.http.HttpRequest.BodyPublishers;\n"
        "import java.net.http.HttpResponse.BodyHandlers;\n"
        "public class Example { public static void main(String[] a) throws Exception {\n"
        f"String ACCESS_TOKEN = {json.dumps(served.token())};\n{example}\n}} }}\n"
    )
    (tmp_path / "Example.java").write_text(source)
    answer = json.loads(run("java", str(tmp_path / "Example.java")))
    assert answer["status"] == "QUEUED"
    with served.client() as client:
        result = client.wait_for_job(answer["job_id"])
    assert sum(result["results"][0]["counts"].values()) == 1024


def test_openapi_for_postman_needs_no_token(served: ServedTwin) -> None:
    described = httpx.get(f"{served.base}/openapi.json").json()
    assert described["openapi"].startswith("3.")
    methods = {"get", "post", "put", "delete"}
    here = {
        (method, path.removeprefix("/api/v1/digital-twin"))
        for path, operations in described["paths"].items()
        for method in operations
        if method in methods and path.startswith("/api/v1/digital-twin")
    }
    assert here >= REFERENCE


REFERENCE = {
    ("get", "/health"),
    ("get", "/backends"),
    ("get", "/backends/{backend_id}"),
    ("get", "/metrics"),
    ("get", "/metrics/prometheus"),
    ("post", "/jobs"),
    ("get", "/jobs/{job_id}"),
    ("post", "/jobs/{job_id}/metadata"),
    ("get", "/jobs/{job_id}/result"),
    ("delete", "/jobs/{job_id}"),
    ("get", "/telemetry/qubits"),
    ("get", "/telemetry/qec"),
    ("get", "/telemetry/qec/summary"),
    ("get", "/telemetry/qec/history"),
    ("get", "/telemetry/events"),
    ("get", "/telemetry/events/stream"),
    ("get", "/telemetry/loop"),
    ("get", "/telemetry/trace/export"),
    ("get", "/telemetry/scenario/compatibility"),
    ("post", "/controller/{backend_id}/commands"),
    ("get", "/controller/{backend_id}/state"),
    ("post", "/controller_api/v1/{backend_id}/pulse_schedule"),
    ("get", "/controller_api/v1/{backend_id}/readout"),
    ("post", "/controller_api/v1/{backend_id}/readout_config"),
    ("get", "/controller_api/v1/{backend_id}/cryo"),
    ("post", "/controller_api/v1/{backend_id}/cryo"),
    ("post", "/qec_session/v1/"),
    ("get", "/qec_session/v1/{session_id}/round/{round_index}/syndrome"),
    ("post", "/qec_session/v1/{session_id}/round/{round_index}/correction"),
    ("get", "/qec_session/v1/{session_id}/status"),
    ("post", "/qec_session/v1/{session_id}/end"),
    ("get", "/config"),
    ("get", "/config/content"),
    ("put", "/config/content"),
}
