"""A browser gets in: a page of another origin, and the page that shows the API, which needs no other server."""

from __future__ import annotations

import http.server
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.twin.conftest import BELL, EMAIL, PASSWORD, ServedTwin, settings_of
from twin.serve import serve_in_thread

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DEADLINE_S = 120.0
PAGE = """<!DOCTYPE html>
<title>A job, live</title>
<script>
const twin = TWIN;
const base = twin + "/api/v1/digital-twin";
const json = {"Content-Type": "application/json"};
const seen = [];

async function post(url, body, headers) {
  const answer = await fetch(url, {method: "POST", headers, body: JSON.stringify(body)});
  if (!answer.ok) throw new Error(url + ": " + (await answer.json()).detail);
  return answer.json();
}

async function ticket(auth) {
  return (await post(twin + "/api/v1/auth/ticket", {}, {...json, ...auth})).ticket;
}

async function run() {
  const tokens = await post(twin + "/api/v1/auth/login", LOGIN, json);
  const auth = {Authorization: "Bearer " + tokens.access_token};
  const events = new EventSource(base + "/telemetry/events/stream?named=false&ticket=" + await ticket(auth));
  await new Promise((resolve, reject) => { events.onopen = resolve; events.onerror = reject; });
  const over = new Promise(resolve => events.onmessage = message => {
    seen.push(JSON.parse(message.data).type);
    if (seen.at(-1) === "job.completed") resolve();
  });
  const job = await post(base + "/jobs", JOB, {...json, ...auth});
  await over;
  const result = await (await fetch(base + "/jobs/" + job.job_id + "/result", {headers: auth})).json();
  const session = await post(base + "/qec_session/v1/", SESSION, {...json, ...auth});
  const url = base.replace("http", "ws") + "/qec_session/v1/" + session.session_id + "/stream?ticket=";
  const socket = new WebSocket(url + await ticket(auth));
  socket.binaryType = "arraybuffer";
  socket.onopen = () => socket.send(JSON.stringify({op: "round"}));
  const round = await new Promise(resolve => socket.onmessage = message => resolve(message.data));
  return {seen, counts: result.results[0].counts, words: round.byteLength / 4};
}
run().catch(error => ({error: String(error)})).then(outcome => post("/outcome", outcome, json).catch(() => 0));
</script>
"""


@contextmanager
def web_server(page: list[str], outcomes: list[Any], arrived: threading.Event) -> Iterator[str]:
    """The page's own origin; what the page posts back is its outcome. page: one text, as it is when it is asked for."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(page[0].encode(), "text/html")

        def do_POST(self) -> None:
            outcomes.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self._answer(b"{}", "application/json")
            arrived.set()

        def _answer(self, body: bytes, media_type: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing: the outcome says what there is to say."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def filled_in(page: str, given: dict[str, Any]) -> str:
    return re.sub("|".join(given), lambda found: json.dumps(given[found.group()]), page)


def chromium(profile: Path, *arguments: str) -> list[str]:
    assert CHROMIUM is not None
    quiet = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")
    return [CHROMIUM, *quiet, f"--user-data-dir={profile}", *arguments]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (Debian: apt-get install chromium)")
def test_a_page_of_another_origin_logs_in_submits_and_sees_events(tmp_path: Path) -> None:
    outcomes: list[Any] = []
    arrived = threading.Event()
    given = {
        "LOGIN": {"email": EMAIL, "password": PASSWORD},
        "JOB": {"backend_id": "ibm_jakarta_like", "circuits": [BELL], "shots": 100},
        "SESSION": {"backend_id": "surface17_like", "code_family": "surface", "code_distance": 3},
    }
    page: list[str] = []
    with (
        web_server(page, outcomes, arrived) as origin,
        serve_in_thread(settings_of(tmp_path / "data", cors_origins=[origin])) as url,
    ):
        page.append(filled_in(PAGE, given | {"TWIN": url}))
        command = chromium(tmp_path / "profile", origin)
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
            try:
                assert arrived.wait(DEADLINE_S), "the page has not told its outcome"
            finally:
                browser.kill()
    outcome = outcomes[0]
    assert outcome.get("seen", [])[:3] == ["job.queued", "job.started", "job.completed"], outcome
    assert sum(outcome["counts"].values()) == 100
    assert outcome["words"] >= 1


@pytest.mark.parametrize("path", ["/docs", "/docs/"])
def test_the_docs_page_names_no_other_server(served: ServedTwin, path: str) -> None:
    page = httpx.get(served.base + path)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    found = re.findall(r"""(?:src|href)=["']([^"']+)""", page.text)
    assert len(found) == 4
    for address in found:
        assert address.startswith(("/api/v1/digital-twin/docs/", "data:")), address
        if address.startswith("/"):
            assert httpx.get(served.url + address).status_code == 200, address
    assert "//" not in page.text


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (Debian: apt-get install chromium)")
def test_the_docs_page_shows_the_api_without_the_internet(served: ServedTwin, tmp_path: Path) -> None:
    nowhere = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
    command = chromium(tmp_path, nowhere, "--virtual-time-budget=60000", "--dump-dom", f"{served.base}/docs")
    shown = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=True).stdout
    for path in ("/api/v1/auth/ticket", "/api/v1/digital-twin/jobs", "/api/v1/digital-twin/health"):
        assert f'data-path="{path}"' in shown, path
