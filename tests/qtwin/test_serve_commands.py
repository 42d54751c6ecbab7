"""`qtwin serve|twin|gateway|user`: what cannot work is said with its remedy, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qtwin.cli import app
from qtwin.embedded import EmbeddedTwinError, embedded_twin
from twin.client import TwinClient
from twin.serve import TlsFiles, run
from twin.settings import Settings

GATEWAY = ("gateway", "--upstream", "http://127.0.0.1:9")


def qtwin(*arguments: str, **variables: str) -> tuple[int, str, str]:
    """(exit code, output, errors on one line) of a command that ends by itself."""
    environment = {"COLUMNS": "200", "QTWIN_API_KEY": "key", **variables}
    done = CliRunner().invoke(app, list(arguments), env=environment)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, " ".join(done.stderr.split())


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.mark.parametrize("command", [("serve",), ("twin",), GATEWAY], ids=lambda command: command[0])
def test_port_in_use_leaves_nothing_behind(command: tuple[str, ...], taken_port: int, tmp_path: Path) -> None:
    code, output, errors = qtwin(*command, "--port", str(taken_port), "--data-dir", str(tmp_path / "data"))
    assert code == 1
    assert output == ""
    assert errors.endswith("Address already in use; stop what listens there, or give another --port")
    assert list(tmp_path.iterdir()) == []


def served_output(data_dir: Path) -> list[str]:
    """What `qtwin serve` prints until it is ready; then it is stopped."""
    command = [sys.executable, "-m", "qtwin", "serve", "--port", "0", "--data-dir", str(data_dir)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("QTWIN_")}
    lines: list[str] = []
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while line := process.stdout.readline():
            lines.append(line)
            if line.startswith("qtwin app: "):
                process.send_signal(signal.SIGTERM)
    return lines


def test_generated_password_is_shown_once_it_opens_the_twin(tmp_path: Path) -> None:
    admin, address = served_output(tmp_path / "data")
    assert admin.startswith("admin admin@qcraft.local, password ")
    assert address.startswith("qtwin app: http://127.0.0.1:")
    code, output, _ = qtwin("user", "list", "--data-dir", str(tmp_path / "data"))
    assert code == 0
    assert "admin@qcraft.local" in output


def test_a_second_twin_on_the_same_data_changes_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with embedded_twin(data) as address:
        code, output, errors = qtwin(
            "serve",
            "--port",
            "0",
            "--data-dir",
            str(data),
            QTWIN_ADMIN_EMAIL=address.email,
            QTWIN_ADMIN_PASSWORD="another one",
        )
        assert code == 1
        assert output == ""
        assert f"another process is using {data}; stop it, or give another data directory" in errors
        with TwinClient(address.url, address.email, address.password) as client:
            client.login()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("serve", "--host", "no-such-host.invalid"), "give another --host"),
        (("serve", "--host", "192.0.2.1"), "this machine has no such address; give another --host"),
        (("serve", "--database-url", "elsewhere"), "database_url is not a URL; expected sqlite:///FILE or postgresql"),
        (("serve", "--database-url", "sqlite:///no.database"), "no.database: file is not a database"),
        (
            ("serve", "--tls-cert", "no.database", "--tls-key", "no.database"),
            "are not a certificate and its key in PEM",
        ),
        (("serve", "--config-dir", "empty"), "cannot be read in the folder empty: No such file"),
    ],
)
def test_what_cannot_be_served_is_said_once(
    arguments: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("no.database").write_text("a text where a database or a folder should be")
    Path("empty").mkdir()
    code, output, errors = qtwin(arguments[0], "--port", "0", *arguments[1:])
    assert code == 1
    assert output == ""
    assert message in errors
    assert "Errno" not in errors
    assert "Traceback" not in errors


def test_gateway_in_front_of_no_url_is_refused(tmp_path: Path) -> None:
    code, _, errors = qtwin("gateway", "--upstream", "twin:8001", "--port", "0", "--data-dir", str(tmp_path / "data"))
    assert code == 2
    assert "an upstream is the URL of a twin, such as http://127.0.0.1:8001; got 'twin:8001'" in errors


def test_gateway_without_its_twins_key_names_the_variable(tmp_path: Path) -> None:
    code, _, errors = qtwin(*GATEWAY, "--data-dir", str(tmp_path / "data"), QTWIN_API_KEY="")
    assert code == 2
    assert "give all the same QTWIN_API_KEY" in errors
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "command", [("list",), ("add", "a@b.c"), ("disable", "a@b.c"), ("enable", "a@b.c"), ("password", "a@b.c")]
)
def test_users_of_no_twin_are_refused_and_nothing_is_made(command: tuple[str, ...], tmp_path: Path) -> None:
    where = ("--data-dir", str(tmp_path / "mistyped"))
    code, output, errors = qtwin("user", *command, *where)
    assert code == 1
    assert output == ""
    assert "no twin keeps its users in the data folder" in errors
    assert "`qtwin user add --create`" in errors
    assert list(tmp_path.iterdir()) == []


def test_users_can_be_made_before_the_first_start(tmp_path: Path) -> None:
    where = ("--data-dir", str(tmp_path / "data"))
    added = qtwin(
        "user", "add", "lab@qcraft.local", "--role", "admin", "--create", *where, QTWIN_NEW_PASSWORD="long enough"
    )
    assert added[:2] == (0, "lab@qcraft.local may log in as admin\n")
    assert len(served_output(tmp_path / "data")) == 1  # there is an admin: none is made
    assert "lab@qcraft.local" in qtwin("user", "list", *where)[1]


def test_password_is_not_asked_for_where_there_is_no_terminal(tmp_path: Path) -> None:
    where = ("--data-dir", str(tmp_path / "data"))
    code, _, errors = qtwin("user", "add", "lab@qcraft.local", "--create", *where)
    assert code == 2
    assert "set QTWIN_NEW_PASSWORD" in errors


def test_tls_key_with_a_passphrase_is_not_waited_for(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-passout", "pass:secret", "-days", "1"]
    files = ["-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*request, *files], check=True, capture_output=True, timeout=30)
    with pytest.raises(Exception, match="has a passphrase; give one without"):
        run(Settings.from_env({}, data_dir=tmp_path / "data"), port=0, tls=TlsFiles(certificate, key))


def test_embedded_twin_on_a_full_disk_says_so() -> None:
    with (
        full_disk() as folder,
        pytest.raises(EmbeddedTwinError, match=r"disk is full|No space left") as refused,
        embedded_twin(folder / "twin"),
    ):
        pass
    assert "Fatal Python error" not in str(refused.value)


@contextlib.contextmanager
def full_disk() -> Iterator[Path]:
    """A file system of 100 KiB: room for the log, and none for a database."""
    folder = Path(f"/tmp/qtwin-full-{os.getpid()}")
    folder.mkdir()
    try:
        mount = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(folder)]
        if subprocess.run(mount, check=False, capture_output=True, timeout=10).returncode:
            pytest.skip("a small file system cannot be mounted here (root only)")
        try:
            yield folder
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=True, capture_output=True, timeout=10)
    finally:
        folder.rmdir()
