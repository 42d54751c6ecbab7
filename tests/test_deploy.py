"""deploy/: the unit starts and stops in time; the container's commands are the project's; nginx hands all on."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from configparser import ConfigParser
from fnmatch import fnmatch
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from tests.test_docs import is_command
from tests.twin.conftest import BELL, EMAIL, PASSWORD, ServedTwin, settings_of, wait_until
from twin.client import TwinClient
from twin.serve import serve_in_thread
from twin.settings import URL_PREFIX

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
UNIT, CONTAINERFILE, NGINX = DEPLOY / "qtwin.service", DEPLOY / "Containerfile", DEPLOY / "nginx.conf"
START_DEADLINE_S = 120
NOT_ROOT = re.compile(r"[1-9]\d{3,}(:[1-9]\d{3,})?")


def unit() -> ConfigParser:
    parser = ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # keys as they are
    parser.read(UNIT)
    return parser


def start_command() -> list[str]:
    """The unit's, without the path of its program."""
    program, *arguments = shlex.split(unit()["Service"]["ExecStart"])
    assert program == "/opt/qtwin/bin/qtwin"
    return arguments


def with_option(arguments: Sequence[str], name: str, value: str) -> list[str]:
    changed = list(arguments)
    changed[changed.index(name) + 1] = value
    return changed


# -- systemd


def test_the_units_command_exists_and_keeps_its_data_where_the_unit_may_write() -> None:
    service, arguments = unit()["Service"], start_command()
    assert is_command(arguments)
    state = f"/var/lib/{service['StateDirectory']}"
    assert arguments[arguments.index("--data-dir") + 1] == state == service["WorkingDirectory"]
    assert service["User"] == "qtwin"


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze is installed (Debian: apt-get install systemd)")
    file = tmp_path / UNIT.name
    file.write_text(UNIT.read_text().replace("/opt/qtwin/bin/qtwin", sys.executable))  # it looks whether it is there
    command = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(file)]
    found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


class Notified:
    """What a process tells the service manager."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(START_DEADLINE_S)
        self.environment = {"NOTIFY_SOCKET": str(path)}

    def next(self) -> str:
        return self._socket.recv(1000).decode()

    def close(self) -> None:
        self._socket.close()


@pytest.mark.slow
def test_a_stop_by_the_unit_ends_in_its_time_and_gives_jobs_back(tmp_path: Path) -> None:
    """As systemd does it: READY=1 is waited for, SIGTERM goes to the main process, and TimeoutStopSec is the limit."""
    data_dir, ready = tmp_path / "data", tmp_path / "port"
    arguments = with_option(with_option(start_command(), "--data-dir", str(data_dir)), "--port", "0")
    command = [sys.executable, "-m", "qtwin", *arguments, "--ready-file", str(ready), "--workers", "1"]
    with contextlib.closing(Notified(tmp_path / "notify")) as notified:
        environment = {**os.environ, **notified.environment, "QTWIN_ADMIN_PASSWORD": PASSWORD}
        with subprocess.Popen(command, env=environment, cwd=ROOT) as process:
            try:
                assert notified.next() == "READY=1"
                url = f"http://127.0.0.1:{int(ready.read_text())}"
                with TwinClient(url, EMAIL, PASSWORD) as client, contextlib.ExitStack() as stack:
                    job_id = _slow_job(client)
                    http = stack.enter_context(ServedTwin(url, data_dir).http(client.login()["access_token"]))
                    stream = stack.enter_context(http.stream("GET", "/telemetry/events/stream", timeout=60))
                    process.send_signal(signal.SIGTERM)
                    assert notified.next() == "STOPPING=1"
                    code = process.wait(float(unit()["Service"]["TimeoutStopSec"]))
                    assert code in {0, int(unit()["Service"]["SuccessExitStatus"])}
                    assert stream.status_code == 200
            finally:
                process.kill()
    with serve_in_thread(settings_of(data_dir, num_workers=1)) as url, TwinClient(url, EMAIL, PASSWORD) as client:
        wait_until(lambda: client.job(job_id)["status"] == "RUNNING", "the job runs again", 120)
        assert client.jobs(limit=1)["jobs"][0]["attempts"] == 1  # the one that was stopped does not count


def _slow_job(client: TwinClient) -> str:
    """A job that runs, for five minutes."""
    path = "scheduler/default.yaml"
    content = client.config_content(path)["content"].replace("exec_time_scale: 0.0", "exec_time_scale: 1.0")
    client.update_config(path, content.replace("job_overhead_s: 0.5", "job_overhead_s: 300"))
    job_id = client.submit_job("ibm_jakarta_like", [BELL], shots=10)["job_id"]
    wait_until(lambda: client.job(job_id)["status"] == "RUNNING", "the job runs", 120)
    return job_id


# -- the container


def instructions() -> list[tuple[str, str]]:
    """(instruction, rest) of the Containerfile, with continued lines joined."""
    lines = [line for line in CONTAINERFILE.read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def last(name: str) -> str:
    return [rest for instruction, rest in instructions() if instruction == name][-1]


def test_the_container_runs_as_a_user_of_its_own_on_a_volume_of_its_own() -> None:
    user = last("USER")
    assert NOT_ROOT.fullmatch(user)
    assert f"--uid {user.partition(':')[0]} " in last("RUN")
    command = [*json.loads(last("ENTRYPOINT")), *json.loads(last("CMD"))]
    assert command[0] == "qtwin"
    assert is_command(command[1:])
    folder = command[command.index("--data-dir") + 1]
    assert folder == last("VOLUME") == last("WORKDIR")
    assert f"--mode 0700 {folder}" in last("RUN")
    assert command[command.index("--port") + 1] == last("EXPOSE")
    assert last("STOPSIGNAL") == "SIGTERM"


def test_the_image_is_made_of_pinned_packages_and_of_what_the_wheel_needs() -> None:
    install = next(rest for name, rest in instructions() if name == "RUN" and "pip install" in rest)
    assert "--constraint /source/requirements.lock" in install
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (extra,) = re.findall(r'"/source\[(\w+)\]"', install)
    assert extra in project["project"]["optional-dependencies"]
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = [*wheel["packages"], *wheel["force-include"], "pyproject.toml", "README.md", "requirements.lock"]
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert {".git", ".venv*", "data"} <= set(ignored)
    assert [path for path in needed if any(fnmatch(path, pattern) for pattern in ignored)] == []


def test_the_health_check_tells_a_twin_that_lives_from_one_that_does_not(tmp_path: Path) -> None:
    check = last("HEALTHCHECK")
    command = json.loads(check[check.index("[") :])
    assert command[0] == "python3"

    def ended(port: int) -> int:
        program = [sys.executable, *(word.replace(":8000/", f":{port}/") for word in command[1:])]
        return subprocess.run(program, capture_output=True, check=False, timeout=60).returncode

    with serve_in_thread(settings_of(tmp_path)) as url:
        assert ended(httpx.URL(url).port or 0) == 0
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        assert ended(nobody.getsockname()[1]) != 0


# -- nginx


@pytest.fixture(name="behind_nginx")
def _behind_nginx(tmp_path: Path) -> Iterator[str]:
    """The URL of a real nginx with our configuration, in front of a twin that trusts it."""
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if nginx is None or shutil.which("openssl") is None:
        pytest.skip("no nginx is installed (Debian: apt-get install nginx-light openssl)")
    with serve_in_thread(settings_of(tmp_path / "data", trusted_proxies=("127.0.0.1",))) as url:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        _configure_nginx(tmp_path, httpx.URL(url).port or 0, port)
        command = [nginx, "-e", "stderr", "-p", str(tmp_path), "-c", str(tmp_path / "main.conf")]
        with subprocess.Popen([*command, "-g", "daemon off;"]) as process:
            try:
                front = f"https://127.0.0.1:{port}"
                wait_until(lambda: _answers(front), "nginx answers")
                yield front
            finally:
                process.terminate()
                process.wait(30)


def _configure_nginx(folder: Path, twin_port: int, port: int) -> None:
    certificate, key = folder / "cert.pem", folder / "key.pem"
    request = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=twin -addext subjectAltName=IP:127.0.0.1"
    command = [*request.split(), "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    ours = NGINX.read_text()
    for old, new in {
        "server 127.0.0.1:8000;": f"server 127.0.0.1:{twin_port};",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{port} ssl http2;",
        "/etc/ssl/certs/twin.example.org.pem": str(certificate),
        "/etc/ssl/private/twin.example.org.key": str(key),
    }.items():
        assert old in ours
        ours = ours.replace(old, new)
    (folder / "twin.conf").write_text(ours)
    names = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{name}_temp_path {folder}/{name};" for name in names)
    user = "user root;" if os.geteuid() == 0 else ""  # its folders are the test's
    (folder / "main.conf").write_text(
        f"{user} worker_processes 1; pid {folder}/pid; events {{}} "
        f"http {{ access_log off; {temporary} include {folder}/twin.conf; }}"
    )


def _answers(url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"{url}/readyz", verify=False, trust_env=False).status_code == 200
    return False


def test_nginx_hands_on_requests_events_and_websockets(behind_nginx: str, tmp_path: Path) -> None:
    certificate = str(tmp_path / "cert.pem")
    with TwinClient(behind_nginx, EMAIL, PASSWORD, verify=certificate) as client:
        token = client.login()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        context = ssl.create_default_context(cafile=certificate)
        events = f"{behind_nginx}{URL_PREFIX}/telemetry/events/stream"
        with (
            httpx.Client(headers=headers, verify=context, trust_env=False, timeout=60) as http,
            http.stream("GET", events) as stream,
        ):
            lines = stream.iter_lines()
            client.command("willow_like", "set_adc_gain", {"readout_error_multiplier": 1.0})
            assert any(line == "event: controller.set_adc_gain" for line in lines)  # at once: the stream has no end
        session = client.create_session("surface17_like", code_family="surface", code_distance=3)["session_id"]
        url = f"{behind_nginx.replace('https', 'wss')}{URL_PREFIX}/qec_session/v1/{session}/stream"
        with connect(url, additional_headers=headers, ssl=context, proxy=None) as websocket:
            websocket.send('{"op": "round"}')
            assert websocket.recv(60)
        # A client cannot say that it is somebody else: failures count for the address that nginx saw.
        for index in range(11):
            forged = {"X-Forwarded-For": f"203.0.113.{index}"}
            body = {"email": "nobody@example.org", "password": "wrong"}
            login = f"{behind_nginx}/api/v1/auth/login"
            answer = httpx.post(login, json=body, headers=forged, verify=context, trust_env=False, timeout=60)
        assert answer.status_code == 429
