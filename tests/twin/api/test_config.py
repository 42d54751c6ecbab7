"""Config files over HTTP: checked, versioned, in force at once, and nothing outside of the directory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tests.twin.conftest import EMAIL, ServedTwin, settings_of
from twin.client import TwinApiError, TwinClient
from twin.serve import serve_in_thread
from twin.settings import default_config_dir

NOISE = "noise/ibm_jakarta_like.yaml"
OUTSIDE = [
    "../secret.yaml",
    "noise/../../secret.yaml",
    "/etc/passwd",
    "/etc/hosts.yaml",
    "..%2fsecret.yaml",
    "noise/./x.yaml",
    "noise//ibm_jakarta_like.yaml",
    "noise\\..\\..\\secret.yaml",
    "link.yaml",
    "linked/secret.yaml",
    "backends.yaml\x00",
    "backends",
    "",
    "x" * 200 + ".yaml",
]


@pytest.fixture
def own_twin(tmp_path: Path) -> Iterator[ServedTwin]:
    settings = settings_of(tmp_path / "data")
    with serve_in_thread(settings) as url:
        yield ServedTwin(url, tmp_path / "data")


def test_files_are_listed_and_read(client: TwinClient) -> None:
    listed = client.config_files()
    paths = {file["path"] for file in listed["files"]}
    assert {"backends.yaml", NOISE} <= paths
    assert listed["writable"] is True
    for path in paths:
        assert client.config_content(path)["content"] == (default_config_dir() / path).read_text()


def test_a_write_is_in_force_at_once_versioned_and_restored(own_twin: ServedTwin) -> None:
    with own_twin.client() as client, own_twin.http() as http:
        before = client.config_content(NOISE)
        shipped = (default_config_dir() / NOISE).read_text()
        assert "81.764" in before["content"]
        changed = client.update_config(NOISE, before["content"].replace("81.764", "40.0"), before["version"])
        assert client.telemetry_qubits("ibm_jakarta_like")["qubits"][0]["t1_us"] == pytest.approx(40.0)
        assert changed["version"] != before["version"]
        with pytest.raises(TwinApiError, match="409"):
            client.update_config(NOISE, before["content"], before["version"])
        kept = http.get("/config/versions", params={"path": NOISE}).json()["versions"]
        assert [each["version"] for each in kept] == [changed["version"], before["version"]]
        assert kept[0]["saved_by"] == EMAIL
        restored = http.post("/config/restore", json={"path": NOISE, "version": before["version"]}).json()
        assert restored["content"] == before["content"]
        assert client.telemetry_qubits("ibm_jakarta_like")["qubits"][0]["t1_us"] == pytest.approx(81.764)
        assert (default_config_dir() / NOISE).read_text() == shipped


def test_a_new_backend_is_added_by_files_alone(own_twin: ServedTwin) -> None:
    with own_twin.client() as client:
        entry = "  - {backend_id: mine, device: surface17_like, noise: surface17_like, scheduler: default}\n"
        client.update_config("backends.yaml", client.config_content("backends.yaml")["content"] + entry)
        assert client.backend("mine")["n_qubits"] == 17


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (NOISE, "noise: [unclosed"),
        (NOISE, "noise: {qubits: {99: {t1_us: 1}}}"),
        (NOISE, "noise: !!python/object/apply:os.system ['true']"),
        (NOISE, "surprise: 1"),
        ("backends.yaml", "backends: [{backend_id: a, device: nothing, noise: nothing}]"),
        ("scheduler/default.yaml", "scheduler: {max_queued_jobs: -1}"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_and_nothing_changes(client: TwinClient, path: str, content: str) -> None:
    before = client.config_content(path)
    with pytest.raises(TwinApiError) as refused:
        client.update_config(path, content)
    assert refused.value.status == 422
    assert client.config_content(path) == before


@pytest.mark.parametrize("path", OUTSIDE)
def test_nothing_outside_is_read_or_written(tmp_path: Path, path: str) -> None:
    import shutil

    config = tmp_path / "config"
    shutil.copytree(default_config_dir(), config)
    secret = tmp_path / "secret.yaml"
    secret.write_text("secret: 1\n")
    (config / "link.yaml").symlink_to(secret)
    (config / "linked").symlink_to(tmp_path)
    from twin.config_files import ConfigFiles
    from twin.errors import NotFoundError
    from twin.store.database import Database
    from twin.telemetry.event_log import EventLog

    database = Database.open(f"sqlite:///{tmp_path / 'store.sqlite'}")
    try:
        settings = settings_of(tmp_path / "data", config_dir=config)
        files = ConfigFiles(settings, database, EventLog(database), lambda _catalog: None)
        with pytest.raises(NotFoundError):
            files.read(path)
        assert "link.yaml" not in {file.path for file in files.files()}
        import asyncio

        with pytest.raises(NotFoundError):
            asyncio.run(files.write(path, "secret: 2\n", user="me"))
    finally:
        database.close()
    assert secret.read_text() == "secret: 1\n"


@pytest.mark.parametrize("path", OUTSIDE)
def test_nothing_outside_is_answered_over_http(http: httpx.Client, path: str) -> None:
    for query in (quote(path, safe=""), quote(quote(path, safe=""), safe="")):
        assert http.get(f"/config/content?path={query}").status_code in {404, 422}
    answer = http.put("/config/content", json={"path": path, "content": "a: 1"})
    assert answer.status_code in {404, 422}


def test_a_read_only_configuration_answers_501(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, config_read_only=True)
    with serve_in_thread(settings) as url, ServedTwin(url, tmp_path).client() as client:
        assert client.config_files()["writable"] is False
        with pytest.raises(TwinApiError) as refused:
            client.update_config(NOISE, "noise: {}")
        assert refused.value.status == 501
