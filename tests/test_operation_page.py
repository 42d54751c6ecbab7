"""docs/operation.md: its `sh` blocks are run as they are shown, with the real programs.

Those without a mark are one script, in order, in a fresh folder; so are those of each section that need a program of
the system. Each script has a network of its own, where the ports and names that the page shows are free.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.twin.postgres import server_programs

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "operation.md"
BLOCK = re.compile(
    r"^## (?P<section>[^\n]*)$|(?:^<!-- needs: (?P<needs>\w+) -->\n)?^```sh\n(?P<script>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
DEADLINE_S = 240
PROLOGUE = """
set -euo pipefail
set -m  # each program in the background is a job of its own, as at a terminal
trap 'jobs -p | xargs -r -I{} kill -KILL -- -{} 2>/dev/null || true' EXIT
ip link set lo up
"""


@dataclass(frozen=True)
class Block:
    section: str
    needs: str | None
    script: str


def blocks() -> Iterator[Block]:
    section = ""
    for found in BLOCK.finditer(PAGE.read_text(encoding="utf-8")):
        if found["section"] is not None:
            section = found["section"]
        else:
            yield Block(section, found["needs"], found["script"])


def script_of(section: str, needs: str) -> str:
    return "".join(block.script for block in blocks() if (block.section, block.needs) == (section, needs))


def run(script: str, folder: Path, *, prologue: str = "") -> str:
    """Run a script in a network (and with mounts) of its own; returns what it printed."""
    if os.geteuid() != 0 or shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("a network of its own needs root's rights, and unshare and ip (Debian: util-linux, iproute2)")
    for program in ("curl", "jq", "sqlite3", "openssl"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program} is installed (Debian: apt-get install {program})")
    programs = folder / "bin"
    programs.mkdir()
    (programs / "qtwin").write_text(f'#!/bin/sh\nexec {sys.executable} -m qtwin "$@"\n')
    (programs / "qtwin").chmod(0o755)
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}:/usr/sbin:/sbin",
        "PYTHONPATH": str(ROOT),
        "CHECKOUT": str(ROOT),
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "COLUMNS": "100",
    }
    (folder / "work").mkdir()
    done = subprocess.run(
        ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "bash", "-c", PROLOGUE + prologue + script],
        cwd=folder / "work",
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    logs = "".join(f"\n--- {log.name}\n{log.read_text()[-2000:]}" for log in (folder / "work").glob("*.log"))
    assert done.returncode == 0, done.stdout + logs
    return done.stdout


def test_every_block_is_run_by_a_test() -> None:
    known = {None, "postgresql", "nginx", "systemd", "podman"}
    found = list(blocks())
    assert {block.needs for block in found} == known
    assert len(found) == PAGE.read_text().count("```sh\n")


@pytest.mark.slow
def test_the_commands_of_one_twin(tmp_path: Path) -> None:
    output = run("".join(block.script for block in blocks() if block.needs is None), tmp_path)
    assert output.count('{"status":"ready"}') == 3
    assert "HTTP/1.1 200 OK" in output
    assert re.search(r"^ok$", output, flags=re.MULTILINE)
    assert re.search(r"^qtwin \d", output, flags=re.MULTILINE)
    (revision,) = re.findall(r"(?:^|\})(\d{4})$", output, flags=re.MULTILINE)
    versions = (ROOT / "twin" / "store" / "migrations" / "versions").glob("*.py")
    assert revision == max(file.name[:4] for file in versions)
    assert '"request_id": "ticket-42"' in output


def with_postgresql(folder: Path) -> str:
    """A server at the host `db` with a database `qtwin` of a role `qtwin`, as the page has it."""
    programs = server_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
    for parent in itertools.takewhile(lambda each: each != Path("/tmp"), (folder, *folder.parents)):
        parent.chmod(0o755)  # another user's server is below
    server = folder / "server"
    return f"""
mkdir {server}; chown postgres {server}
as() {{ runuser -u postgres -- "$@" >/dev/null; }}
as {programs}/initdb --auth trust --username postgres --pgdata {server}/data --no-sync
options='-k {server} -c listen_addresses=127.0.0.1 -c fsync=off'
as {programs}/pg_ctl -w -D {server}/data -l {server}/log -o "$options" start
psql -q -h 127.0.0.1 -U postgres -c 'CREATE ROLE qtwin LOGIN' -c 'CREATE DATABASE qtwin OWNER qtwin'
echo '127.0.0.1 localhost db' >{folder}/hosts; mount --bind {folder}/hosts /etc/hosts
"""


@pytest.mark.slow
def test_the_commands_of_postgresqls_backup(tmp_path: Path) -> None:
    output = run(script_of("Back up and restore", "postgresql"), tmp_path, prologue=with_postgresql(tmp_path))
    assert output.count('{"status":"ready"}') == 2


@pytest.mark.slow
def test_the_commands_of_several_processes(tmp_path: Path) -> None:
    script = script_of("Several processes", "postgresql")
    output = run(script, tmp_path, prologue=with_postgresql(tmp_path))
    assert '{"status":"ready"}' in output


@pytest.mark.slow
def test_the_commands_of_nginx(tmp_path: Path) -> None:
    if shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        pytest.skip("no nginx is installed (Debian: apt-get install nginx-light)")
    ours = "/etc/nginx/conf.d /etc/ssl/certs /etc/ssl/private /var/log/nginx /run"
    prologue = f"""
for folder in {ours}; do mount -t tmpfs tmpfs $folder; done
openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -addext subjectAltName=DNS:localhost \\
  -keyout /etc/ssl/private/localhost.key -out /etc/ssl/certs/localhost.pem 2>/dev/null
"""
    output = run(script_of("Behind a proxy", "nginx"), tmp_path, prologue=prologue)
    assert "test is successful" in output
    assert '{"status":"ready"}' in output


@pytest.mark.slow
def test_the_commands_of_systemd(tmp_path: Path) -> None:
    if os.environ.get("QTWIN_TEST_SYSTEMD") != "1":
        pytest.skip("they change the machine: QTWIN_TEST_SYSTEMD=1 on one that systemd has started and nobody needs")
    del tmp_path
    script = script_of("Under systemd", "systemd")
    environment = {**os.environ, "CHECKOUT": str(ROOT)}
    command = ["bash", "-euxo", "pipefail", "-c", script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '{"status":"ready"}' in done.stdout
    assert "Result=success" in done.stdout


@pytest.mark.slow
def test_the_commands_of_a_container(tmp_path: Path) -> None:
    if os.environ.get("QTWIN_TEST_CONTAINER") != "1" or shutil.which("podman") is None:
        pytest.skip("they pull an image and leave one: QTWIN_TEST_CONTAINER=1, and podman")
    environment = {**os.environ, "CHECKOUT": str(ROOT)}
    command = ["bash", "-euxo", "pipefail", "-c", script_of("In a container", "podman")]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert '{"status":"ready"}' in done.stdout
    assert "admin@qcraft.local" in done.stdout
