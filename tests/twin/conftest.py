"""A twin that is served over HTTP, shared by every test of the service that does not stop or break it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.twin.postgres import postgres, postgres_url
from twin.client import TwinClient
from twin.serve import serve_in_thread
from twin.settings import URL_PREFIX, Settings

__all__ = ["postgres", "postgres_url"]  # a fixture is found by its name here

EMAIL, PASSWORD = "admin@qcraft.local", "correct horse"
BELL = 'OPENQASM 2.0; include "qelib1.inc"; qreg q[2]; creg c[2]; h q[0]; cx q[0],q[1]; measure q -> c;'
START_DEADLINE_S = 60.0
TOKEN_TTL_S = 86400.0
"""The token of `http` serves every test, also on a slow machine."""


def settings_of(data_dir: Path, **given: object) -> Settings:
    """Quiet settings for a test, with an admin whose password is known."""
    values = {"data_dir": data_dir, "admin_password": PASSWORD, "log_level": "error", "num_workers": 1}
    return Settings.model_validate(values | given)


@dataclass(frozen=True)
class ServedTwin:
    """Where a twin is, and how to log in."""

    url: str
    data_dir: Path

    @property
    def base(self) -> str:
        return self.url + URL_PREFIX

    def client(self) -> TwinClient:
        return TwinClient(self.url, EMAIL, PASSWORD)

    def token(self) -> str:
        with self.client() as client:
            return client.login()["access_token"]

    def http(self, token: str | None = None) -> httpx.Client:
        """Plain HTTP below the twin's prefix, with a token."""
        headers = {"Authorization": f"Bearer {token or self.token()}"}
        return httpx.Client(base_url=self.base, headers=headers, timeout=30, trust_env=False)


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedTwin]:
    data_dir = tmp_path_factory.mktemp("twin")
    settings = settings_of(data_dir, num_workers=2, access_token_ttl_s=TOKEN_TTL_S)
    with serve_in_thread(settings) as url:
        yield ServedTwin(url, data_dir)


@pytest.fixture
def client(served: ServedTwin) -> Iterator[TwinClient]:
    with served.client() as client:
        yield client


@pytest.fixture(scope="session")
def http(served: ServedTwin) -> Iterator[httpx.Client]:
    with served.http() as http:
        yield http


class TwinProcess:
    """A twin in a process of its own, to be killed and started again on the same data."""

    def __init__(self, data_dir: Path, *arguments: str) -> None:
        self._data_dir = data_dir
        self._ready = data_dir / "ready"
        self._arguments = arguments
        self.process: subprocess.Popen[bytes] | None = None
        self.served = ServedTwin("", data_dir)

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> ServedTwin:
        self._ready.unlink(missing_ok=True)
        command = [sys.executable, str(Path(__file__).with_name("serve_for_test.py")), str(self._data_dir)]
        environment = {**os.environ, "QTWIN_ADMIN_PASSWORD": PASSWORD, "PYTHONPATH": os.pathsep.join(sys.path)}
        self.process = subprocess.Popen([*command, *self._arguments], env=environment)
        deadline = time.monotonic() + START_DEADLINE_S
        while not self._ready.exists():
            assert self.process.poll() is None, f"the twin stopped with code {self.process.returncode}"
            assert time.monotonic() < deadline, "the twin did not start in time"
            time.sleep(0.02)
        self.served = ServedTwin(f"http://127.0.0.1:{int(self._ready.read_text())}", self._data_dir)
        return self.served

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(30)


@pytest.fixture
def twin_process(tmp_path: Path) -> Iterator[Callable[..., TwinProcess]]:
    made: list[TwinProcess] = []

    def make(*arguments: str, name: str = "data") -> TwinProcess:
        (tmp_path / name).mkdir(exist_ok=True)
        made.append(TwinProcess(tmp_path / name, *arguments))
        return made[-1]

    yield make
    for process in made:
        process.kill()


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = 30.0) -> None:
    """Poll until a condition holds; fails after the deadline."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s: {what}"
        time.sleep(0.02)
