"""A Dask cluster as a user starts one: a scheduler and workers, each a process of its own, and each with a deadline."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

START_S = 120.0
STOP_S = 20.0


@dataclass
class Cluster:
    """What runs. address: of the scheduler."""

    address: str
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)


@contextmanager
def dask_cluster(folder: Path, num_workers: int) -> Iterator[Cluster]:
    """Start a scheduler and workers; the workers may still be starting. Killed at the end of the block.

    Not asked to end: a Dask worker that is asked may wait for its own tasks without end.
    """
    file = folder / "scheduler.json"
    started = [_dask(folder, "scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file))]
    try:
        cluster = Cluster(_address(file, started[0]), started[0])
        for _ in range(num_workers):
            # without a nanny, which would start a killed worker again
            started.append(_dask(folder, "worker", cluster.address, "--nthreads", "1", "--no-nanny"))
        cluster.workers = started[1:]
        yield cluster
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait(STOP_S)


def _dask(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    with (folder / "dask.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments, "--no-dashboard"], stdout=log, stderr=log, cwd=folder
        )


def _address(file: Path, scheduler: subprocess.Popen[bytes]) -> str:
    end = time.monotonic() + START_S
    while time.monotonic() < end and scheduler.poll() is None:
        try:
            return str(json.loads(file.read_text())["address"])
        except (FileNotFoundError, ValueError):  # not there yet, or not whole
            time.sleep(0.05)
    raise AssertionError(f"no Dask scheduler within {START_S:g} s: {(file.parent / 'dask.log').read_text()}")
