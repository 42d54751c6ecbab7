"""Other ways to run the service: TLS, a Dask cluster, and two replicas over one PostgreSQL."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.twin.conftest import BELL, EMAIL, PASSWORD, TwinProcess, settings_of, wait_until
from twin.client import TwinApiError, TwinClient
from twin.serve import TlsFiles, serve_in_thread

SECRET = "shared secret, long enough for all"
BACKEND = "ibm_jakarta_like"
SURFACE: dict[str, Any] = {"code_family": "surface", "code_distance": 3, "seed": 3, "noise": {"uniform_prob": 0.02}}


def test_https_with_a_certificate_of_ones_own(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *names, *files], check=True, capture_output=True, timeout=30)
    with serve_in_thread(settings_of(tmp_path / "data"), tls=TlsFiles(certificate, key)) as url:
        assert url.startswith("https://")
        with TwinClient(url, EMAIL, PASSWORD, verify=str(certificate)) as client:
            session = client.create_session("surface17_like", rounds=3, shots=10, **SURFACE)["session_id"]
            with client.open_stream(session) as stream:
                assert stream.next_shots(10).size == 80
        with pytest.raises(httpx.ConnectError):
            httpx.get(url)


@pytest.fixture
def dask_scheduler(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a cluster of one worker process."""
    distributed = pytest.importorskip("distributed", reason="the extra `dask` is not installed")
    monkeypatch.setenv("DASK_LOGGING__DISTRIBUTED", "error")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as cluster:
        yield cluster.scheduler_address


@pytest.mark.filterwarnings("ignore")
def test_jobs_run_on_a_dask_cluster(dask_scheduler: str, tmp_path: Path) -> None:
    with (
        serve_in_thread(settings_of(tmp_path, executor=dask_scheduler)) as url,
        TwinClient(url, EMAIL, PASSWORD) as client,
    ):
        ids = [client.submit_job(BACKEND, [BELL], shots=100, seed=seed)["job_id"] for seed in range(5)]
        results = [client.wait_for_job(job_id, 60) for job_id in ids]
        assert [sum(result["results"][0]["counts"].values()) for result in results] == [100] * 5
        with pytest.raises(TwinApiError, match="line 1"):
            client.submit_job(BACKEND, ["OPENQASM 2.0; nonsense"])


@pytest.mark.filterwarnings("ignore")
def test_a_cluster_that_is_not_there_is_told(tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="the extra `dask` is not installed")
    settings = settings_of(tmp_path, executor="tcp://127.0.0.1:9")
    with serve_in_thread(settings) as url, TwinClient(url, EMAIL, PASSWORD) as client:
        with pytest.raises(TwinApiError) as refused:
            client.submit_job(BACKEND, [BELL])
        assert refused.value.status == 429
        assert "no Dask scheduler answers" in str(refused.value)


def test_configuration_written_through_one_replica_reaches_all(postgres_url: str, tmp_path: Path) -> None:
    path = "noise/ibm_jakarta_like.yaml"

    @contextlib.contextmanager
    def replica(name: str) -> Iterator[TwinClient]:
        settings = settings_of(
            tmp_path / name, replica=name, database_url=postgres_url, lease_s=0.9, token_secret=SECRET
        )
        with serve_in_thread(settings) as url, TwinClient(url, EMAIL, PASSWORD) as client:
            yield client

    def t1_us(client: TwinClient) -> float:
        value: float = client.telemetry_qubits(BACKEND)["qubits"][3]["t1_us"]
        return value

    with replica("left") as left, replica("right") as right:
        first = left.config_content(path)
        changed = left.update_config(path, first["content"].replace("t1_us: 112.677", "t1_us: 50.0"))
        assert t1_us(left) == 50.0
        assert right.config_content(path)["version"] == changed["version"] != first["version"]
        assert t1_us(right) == 50.0
        with replica("late") as late:
            assert t1_us(late) == 50.0
        right.restore_config(path, first["version"])
        wait_until(lambda: t1_us(left) == 112.677, "the other replica follows by itself")


@pytest.mark.slow
def test_replicas_over_one_database_take_over_from_each_other(
    twin_process: Callable[..., TwinProcess], postgres_url: str
) -> None:
    common = [
        f'database_url="{postgres_url}"',
        "lease_s=1.5",
        "num_workers=1",
        'token_secret="shared secret, long enough"',
    ]
    left = twin_process('replica="left"', *common, name="left")
    right = twin_process('replica="right"', *common, name="right")
    with left.start().client() as here, right.start().client() as there:
        here.command(BACKEND, "set_qubit_noise", {"qubit": 3, "t1_us": 80.0})
        assert there.telemetry_qubits(BACKEND)["qubits"][3]["t1_us"] == 80.0
        done = here.submit_job(BACKEND, [BELL], shots=50, seed=1)["job_id"]
        assert sum(there.wait_for_job(done)["results"][0]["counts"].values()) == 50
        session = here.create_session("surface17_like", rounds=4, **SURFACE)["session_id"]
        first = here.syndrome(session, 0)
        with pytest.raises(TwinApiError, match="lives on replica 'left'"):
            there.syndrome(session, 0)
        slow = {"qec_memory": {"code_family": "surface", "code_distance": 5, "rounds": 2000}}
        jobs = [here.submit_job("willow_like", [slow], shots=500, seed=seed)["job_id"] for seed in range(3)]
        left.kill()
        wait_until(lambda: there.job(jobs[-1])["status"] != "QUEUED" or _taken_over(there, jobs[-1]), "taken over")
        for job_id in jobs:
            there.wait_for_job(job_id, 100)
        time.sleep(1.5)
        assert there.syndrome(session, 0) == first
        assert there.syndrome(session, 1)["round_index"] == 1


def _taken_over(client: TwinClient, job_id: str) -> bool:
    return client.job(job_id)["queue_position"] is not None
