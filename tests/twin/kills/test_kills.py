"""kill -9, full disks and stopped databases among running clients: all that was acknowledged stands, and acts, once.

The long form is slow: `pytest -m slow tests/twin/kills -s`. QTWIN_KILLS is how many kills it makes in all (1000),
QTWIN_KILLS_SEED what they are drawn from (1).
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.twin.conftest import EMAIL, PASSWORD
from tests.twin.kills.load import World, writers_of
from tests.twin.kills.servers import Forge, Server, SmallDisk, small_disk
from tests.twin.kills.store import Stored
from tests.twin.postgres import PostgresServer
from twin.client import TwinClient

SHORT = {"one server": 25, "full disk": 5, "replicas": 20}
LONG_SHARES = {"one server": 0.4, "full disk": 0.2, "replicas": 0.4}
LONG = 1000
TOKEN_TTL_S = 10 * 86400.0
LEASE_S = 2.0
LONGEST_PAUSE_S = {"short": 0.4, "long": 1.5}
"""Between two kills."""
SHARE_OF_WORKING_LIVES = {"short": 0.1, "long": 0.3}
"""Before so many, a job is waited for: a worker needs some seconds to start."""
LONGEST_WAIT_S = 60.0
FULL_UNSEEN = "times that nobody met the full disk"
DISK_MIB = 96
KILLS_A_LOOK = 50
"""After so many everything is looked at, and not at the end alone."""
TEN_HOURS_S = 36_000
LONG_FORM = pytest.param("long", marks=[pytest.mark.slow, pytest.mark.timeout(TEN_HOURS_S)])
SHORT_FORM = pytest.param("short", marks=pytest.mark.timeout(900))
both_forms = pytest.mark.parametrize("form", [SHORT_FORM, LONG_FORM])
Act = Callable[[], str | None]
"""Does one thing to the servers; the name of the kill, or None when nobody was there to be killed."""


class Run:
    """One run of kills: the load, the kills drawn, and what came of them."""

    def __init__(self, what: str, form: str, url: str, database_url: str, *, is_shared: bool) -> None:
        of_all = int(os.environ.get("QTWIN_KILLS", LONG))
        self._num_kills = SHORT[what] if form == "short" else round(of_all * LONG_SHARES[what])
        self.seed = int(os.environ.get("QTWIN_KILLS_SEED", "1"))
        self.random = random.Random(f"{self.seed} {what}")
        self._what, self._form, self._database_url = what, form, database_url
        with TwinClient(url, EMAIL, PASSWORD) as client:
            token = client.login()["access_token"]
            _slow_down(client)
        self.world = World(url, token, is_shared, self.seed)
        self._writers = writers_of(self.world)
        self._kills: Counter[str] = Counter()

    def pause(self, longest_s: float) -> None:
        time.sleep(self.random.uniform(0.0, longest_s))

    def go(self, acts: Mapping[Act, float]) -> None:
        """Draw from `acts`, with these weights, until there were enough kills; fails with all findings."""
        for writer in self._writers:
            writer.start()
        looks_at = KILLS_A_LOOK
        while self._kills.total() < self._num_kills:
            self._let_work()
            (act,) = self.random.choices(list(acts), list(acts.values()))
            kill = act()
            self.world.killed_s = time.monotonic()
            if kill is not None:
                self._kills[kill] += 1
            if self._kills.total() >= looks_at:
                looks_at += KILLS_A_LOOK
                with self._all_calm():
                    self._judge()
                print(self._progress(), file=sys.stderr, flush=True)
            if self.world.findings:
                break
        with self._all_calm():
            self.world.is_last_look = True
            self._judge()
            self.world.ends.set()
        for writer in self._writers:
            writer.close()
        print(self._table(), flush=True)
        if self.world.findings:
            pytest.fail("\n\n".join([self._progress(), *self.world.findings]), pytrace=False)

    def _let_work(self) -> None:
        self.pause(LONGEST_PAUSE_S[self._form])
        if self.random.random() < SHARE_OF_WORKING_LIVES[self._form]:
            before, deadline = self.world.acknowledged["jobs"], time.monotonic() + LONGEST_WAIT_S
            while self.world.acknowledged["jobs"] == before and time.monotonic() < deadline:
                time.sleep(0.05)
            self.pause(0.3)

    @contextmanager
    def _all_calm(self) -> Iterator[None]:
        for writer in self._writers:
            writer.calm.acquire()
        try:
            yield
        finally:
            for writer in self._writers:
                writer.calm.release()

    def _judge(self) -> None:
        for writer in self._writers:
            writer.tried(writer.settle)
        stored = Stored(self._database_url)
        for writer in self._writers:
            writer.tried(partial(writer.judge, stored))

    def _progress(self) -> str:
        seconds = time.monotonic() - self.world.begun_s
        found = len(self.world.findings)
        return f"{self._what}, seed {self.seed}: {self._kills.total()} kills in {seconds:.0f} s, {found} findings"

    def _table(self) -> str:
        rows = [f"| {name} | {number:,} |" for name, number in sorted(self._kills.items())]
        for name, number in sorted(self.world.acknowledged.items()):
            rows.append(f"| {name.strip('()') if name.startswith('(') else f'acknowledged: {name}'} | {number:,} |")
        return "\n".join([f"\n{self._progress()}", "", "| what | number |", "| --- | --- |", *rows])


def _slow_down(client: TwinClient) -> None:
    """Let a job run for a fifth of a second, for a kill to meet one."""
    path = "scheduler/default.yaml"
    content = client.config_content(path)["content"].replace("exec_time_scale: 0.0", "exec_time_scale: 1.0")
    client.update_config(path, content.replace("job_overhead_s: 0.5", "job_overhead_s: 0.2"))


@pytest.fixture(scope="module")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forge]:
    with Forge(tmp_path_factory.mktemp("forge") / "forked.log") as forge:
        yield forge


@pytest.fixture
def new_server(forge: Forge, tmp_path: Path) -> Iterator[Callable[..., Server]]:
    made: list[Server] = []

    def make(kind: Any, data_dir: Path, **settings: Any) -> Server:
        data_dir.mkdir(exist_ok=True)
        made.append(Server(forge, tmp_path, kind, data_dir, access_token_ttl_s=TOKEN_TTL_S, **settings))
        return made[-1]

    yield make
    for server in made:
        server.kill(group=True)


@both_forms
def test_kills_of_one_server(form: str, new_server: Callable[..., Server], tmp_path: Path) -> None:
    server = new_server("app", tmp_path / "data")
    server.start("qtwin serve")
    run = Run("one server", form, server.url, f"sqlite:///{tmp_path / 'data' / 'twin.sqlite'}", is_shared=False)

    def kill() -> str:
        server.kill()
        run.pause(0.2)
        server.start()
        return "kills: server"

    def kill_group() -> str:
        server.kill(group=True)
        server.start()
        return "kills: server and workers at once"

    def kill_real() -> str:
        server.kill()
        server.start("qtwin serve")
        return "kills: server, started again with `qtwin serve`"

    run.go({kill: 0.55, kill_group: 0.15, kill_real: 0.03, _killer_of_workers(run, server): 0.27})


@both_forms
def test_kills_on_a_full_disk(form: str, new_server: Callable[..., Server], tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", DISK_MIB) as disk:
        data = disk.folder / "data"
        server = new_server("app", data)
        server.start()
        run = Run("full disk", form, server.url, f"sqlite:///{data / 'twin.sqlite'}", is_shared=False)

        def fill() -> None:
            _fill(run, disk)

        def kill_full() -> str:
            _fill_until_told(run, disk)
            run.pause(0.3)
            server.kill()
            server.launch()
            if not server.wait_ready():  # it needs room to start
                disk.free()
                server.start()
            run.pause(0.3)
            disk.free()
            return "kills: server on a full disk"

        def kill_after() -> str:
            _fill(run, disk)
            run.pause(0.3)
            server.kill()
            server.start()
            return "kills: server after a full disk"

        def kill() -> str:
            server.kill()
            server.start()
            return "kills: server"

        run.go({fill: 0.2, kill_full: 0.3, kill_after: 0.2, kill: 0.15, _killer_of_workers(run, server): 0.15})
        server.kill(group=True)


@both_forms
def test_kills_of_replicas_and_their_gateway(
    form: str, new_server: Callable[..., Server], postgres: PostgresServer, tmp_path: Path
) -> None:
    secrets = {"api_key": "the key of all, long enough", "token_secret": "the secret of all, long enough"}
    common = {"database_url": postgres.url, "lease_s": LEASE_S, **secrets}
    replicas = [new_server("twin", tmp_path / name, replica=name, **common) for name in ("left", "right")]
    gateway = new_server("gateway", tmp_path / "gateway", upstreams=[each.url for each in replicas], **common)
    for server in (*replicas, gateway):
        server.start()
    run = Run("replicas", form, gateway.url, postgres.url, is_shared=True)

    def kill_gateway() -> str:
        gateway.kill()
        gateway.start()
        return "kills: gateway"

    def kill_one() -> str:
        chosen = run.random.choice(replicas)
        chosen.kill()
        run.pause(0.3)
        chosen.start()
        return "kills: one of two replicas"

    def kill_until_taken_over() -> str:
        chosen = run.random.choice(replicas)
        chosen.kill(group=True)
        time.sleep(1.6 * LEASE_S)
        chosen.start()
        return "kills: one of two replicas, away for longer than its lease"

    def freeze() -> str:
        """A replica that sleeps past its lease, and is killed a moment after it woke."""
        chosen = run.random.choice(replicas)
        chosen.send(signal.SIGSTOP)
        time.sleep(1.6 * LEASE_S)
        chosen.send(signal.SIGCONT)
        run.pause(0.5)
        chosen.kill()
        chosen.start()
        return "kills: one of two replicas, after a sleep longer than its lease"

    def restart_database() -> None:
        postgres.stop()
        run.pause(1.0)
        postgres.start()
        run.world.count("(stops of PostgreSQL)")

    def pause_database() -> None:
        with postgres.asleep():
            run.pause(2.0)
        run.world.count("(sleeps of PostgreSQL)")

    def kill_without_database() -> str:
        chosen = run.random.choice([*replicas, gateway])
        postgres.stop()
        chosen.kill()
        postgres.start()
        chosen.start()
        run.world.count("(stops of PostgreSQL)")
        return "kills: replica or gateway, while PostgreSQL was stopped"

    run.go(
        {
            kill_gateway: 0.28,
            kill_one: 0.35,
            kill_until_taken_over: 0.03,
            freeze: 0.03,
            restart_database: 0.06,
            pause_database: 0.04,
            kill_without_database: 0.04,
            _killer_of_workers(run, *replicas): 0.2,
        }
    )


def _killer_of_workers(run: Run, *servers: Server) -> Act:
    def kill_worker() -> str | None:
        is_killed = run.random.choice(servers).kill_worker(run.random.randrange(100))
        return "kills: worker" if is_killed else None

    return kill_worker


def _fill(run: Run, disk: SmallDisk) -> None:
    _fill_until_told(run, disk)
    run.pause(0.5)
    disk.free()


def _fill_until_told(run: Run, disk: SmallDisk) -> None:
    """SQLite writes on for a while in the room that its log has already."""
    before, deadline = run.world.num_refused, time.monotonic() + LONGEST_WAIT_S
    disk.fill()
    while run.world.num_refused == before and time.monotonic() < deadline:
        time.sleep(0.02)
    run.world.count(f"({'times that a full disk was told of' if run.world.num_refused > before else FULL_UNSEEN})")
