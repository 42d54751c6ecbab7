"""`/livez` and `/readyz`: open to all, cheap, and 503 while the work cannot be done."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.twin.conftest import ServedTwin, TwinProcess, settings_of, wait_until
from tests.twin.postgres import PostgresServer
from twin import readiness
from twin.readiness import Look, Readiness
from twin.serve import serve_in_thread
from twin.settings import URL_PREFIX


def get(url: str, route: str = "/readyz") -> httpx.Response:
    return httpx.get(url + route, trust_env=False, timeout=10)


def is_ready(url: str) -> bool:
    return get(url).status_code == 200


@pytest.mark.parametrize("prefix", ["", URL_PREFIX])
@pytest.mark.parametrize(("route", "word"), [("/livez", "alive"), ("/readyz", "ready")])
def test_probes_need_no_token(served: ServedTwin, prefix: str, route: str, word: str) -> None:
    answer = get(served.url, prefix + route)
    assert (answer.status_code, answer.json()) == (200, {"status": word})
    url = served.url + prefix + route
    assert httpx.head(url, trust_env=False).status_code == 200
    assert httpx.get(url + "/", trust_env=False).status_code == 200
    refused = httpx.post(url, trust_env=False)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert get(served.url, f"{URL_PREFIX}/health").status_code == 401


def test_openapi_has_the_probes_as_open(http: httpx.Client) -> None:
    paths = http.get("/openapi.json").json()["paths"]
    for route in ("/livez", "/readyz"):
        assert paths[route]["get"]["security"] == []
    assert "application/problem+json" in paths["/readyz"]["get"]["responses"]["503"]["content"]


def test_a_database_that_is_away_is_told_and_comes_back(postgres: PostgresServer, tmp_path: Path) -> None:
    with serve_in_thread(settings_of(tmp_path, database_url=postgres.url)) as url:
        assert is_ready(url)
        postgres.stop()
        wait_until(lambda: not is_ready(url), "not ready")
        answer = get(url)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"] == "the database cannot be used"  # and not where it is, or whose
        assert get(url, "/livez").status_code == 200
        postgres.start()
        wait_until(lambda: is_ready(url), "ready again")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MiB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a tmpfs needs root's rights")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(file: Path) -> None:
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as open_file:
        while True:
            open_file.write(bytes(2**16))


def test_a_full_disk_is_told_until_there_is_room(small_disk: Path) -> None:
    with serve_in_thread(settings_of(small_disk / "data")) as url:
        assert is_ready(url)
        fill(small_disk / "filler")
        wait_until(lambda: not is_ready(url), "not ready")
        answer = get(url)
        assert answer.status_code == 503
        assert "the disk of the data folder is full" in answer.json()["detail"]
        assert get(url, "/livez").status_code == 200
        (small_disk / "filler").unlink()
        wait_until(lambda: is_ready(url), "ready again")


def test_a_gateway_is_ready_while_one_of_its_twins_is(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        twins = {}
        for name in ("left", "right"):
            running = stack.enter_context(contextlib.ExitStack())
            settings = settings_of(tmp_path / name, replica=name, api_key="key")
            twins[name] = (running, running.enter_context(serve_in_thread(settings, kind="twin")))
            assert is_ready(twins[name][1])  # without the key
        upstreams = tuple(url for _, url in twins.values())
        settings = settings_of(tmp_path / "gateway", api_key="key", upstreams=upstreams)
        gateway = stack.enter_context(serve_in_thread(settings, kind="gateway"))
        assert is_ready(gateway)
        twins["left"][0].close()
        assert is_ready(gateway)
        twins["right"][0].close()
        wait_until(lambda: not is_ready(gateway), "not ready")
        assert get(gateway).json()["detail"] == "no twin behind this gateway is ready"
        assert get(gateway, f"{URL_PREFIX}/readyz").status_code == 503  # its own answer, not a twin's
        assert get(gateway, "/livez").status_code == 200


def test_a_twin_that_is_told_to_stop_serves_on_but_is_not_ready(twin_process: Callable[..., TwinProcess]) -> None:
    process = twin_process("drain_s=2.0")
    with process.start().http() as http:
        url = process.served.url
        assert is_ready(url)
        assert process.process is not None
        process.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not is_ready(url), "not ready")
        assert get(url).json()["detail"] == "this process is stopping"
        assert http.get("/health").status_code == 200
        assert process.process.wait(30) in {0, -signal.SIGTERM}


async def test_many_who_ask_make_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    async def ask() -> None:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)

    ready = Readiness([Look("ill", ask)])
    assert await asyncio.gather(*(ready.faults() for _ in range(100))) == [()] * 100
    assert asked == 1
    monkeypatch.setattr(readiness, "FRESH_S", 0.0)
    await ready.faults()
    assert asked == 2


async def test_what_does_not_answer_is_asked_once_and_waited_for_within_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(readiness, "DEADLINE_S", 0.05)
    monkeypatch.setattr(readiness, "FRESH_S", 0.0)
    answered, asked = asyncio.Event(), 0

    async def ask() -> None:
        nonlocal asked
        asked += 1
        await answered.wait()

    ready = Readiness([Look("ill", ask)])
    for _ in range(3):
        assert await asyncio.wait_for(ready.faults(), 10) == ("ill",)
    assert asked == 1
    answered.set()
    await asyncio.sleep(0)
    assert await ready.faults() == ()
    ready.stop()
    assert await ready.faults() == ("this process is stopping",)
