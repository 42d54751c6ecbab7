"""`GET /jobs`: whose jobs, in what order, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.twin.conftest import EMAIL, ServedTwin, settings_of
from twin.client import AsyncTwinClient, TwinApiError, TwinClient
from twin.serve import serve_in_thread
from twin.store import jobs
from twin.store.database import Database
from twin.store.jobs import JobRow
from twin.users import open_users

USER, VIEWER = "lab@qcraft.local", "eye@qcraft.local"
PASSWORD = "a long password"
STATES = ("COMPLETED", "FAILED", "CANCELLED")
BACKENDS = ("ibm_jakarta_like", "willow_like", "gone_since")


def row(index: int, user: str) -> JobRow:
    """Job `index` of `user`; three at a time have the same moment."""
    return JobRow(
        job_id=f"{user[:3]}{index:03d}",
        backend_id=BACKENDS[index % 3],
        owner="twin",
        user_id=user,
        status=STATES[index // 3 % 3],
        shots=100,
        num_circuits=1,
        metadata={"large": "x" * 1000},
        idempotency_key=None,
        request_hash="hash",
        created_at=1000.0 + index // 3,
        attempts=1,
    )


MADE = [row(index, user) for user in (USER, EMAIL) for index in range(60)]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedTwin]:
    """A twin that has 60 jobs of each of two users."""
    folder = tmp_path_factory.mktemp("kept")
    settings = settings_of(folder)
    with open_users(settings, create=True) as users:
        users.add(USER, PASSWORD, "operator")
        users.add(VIEWER, PASSWORD, "viewer")
    database = Database.open(settings.resolved_database_url)
    for each in MADE:
        database.write_now(partial(jobs.add, job=each, request=b"{}"))
    database.close()
    with serve_in_thread(settings) as url:
        yield ServedTwin(url, folder)


@pytest.fixture(scope="module")
def lab(kept: ServedTwin) -> Iterator[TwinClient]:
    with TwinClient(kept.url, USER, PASSWORD) as client:
        yield client


@pytest.fixture(scope="module")
def admin(kept: ServedTwin) -> Iterator[TwinClient]:
    with kept.client() as client:
        yield client


def every_page(client: TwinClient, **asked: Any) -> list[str]:
    """Ids over all pages, none of which is empty but the only one."""
    found: list[str] = []
    cursor = None
    while True:
        page = client.jobs(cursor=cursor, **asked)
        found += [job["job_id"] for job in page["jobs"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return found
        assert page["jobs"]


def expected(**wanted: Any) -> list[str]:
    """Newest first; of one moment the last id first."""
    chosen = [job for job in MADE if all(getattr(job, name) in values for name, values in wanted.items())]
    return [job.job_id for job in sorted(chosen, key=lambda job: (job.created_at, job.job_id), reverse=True)]


@pytest.mark.parametrize("limit", [1, 7, 60, 100, None])
def test_pages_have_each_of_ones_own_jobs_once_in_order(lab: TwinClient, limit: int | None) -> None:
    assert every_page(lab, limit=limit) == expected(user_id=[USER])


def test_jobs_are_chosen_by_state_and_backend(lab: TwinClient, kept: ServedTwin) -> None:
    assert every_page(lab, state="FAILED", limit=4) == expected(user_id=[USER], status=["FAILED"])
    both = expected(user_id=[USER], status=["FAILED", "CANCELLED"])
    assert every_page(lab, state=["FAILED", "CANCELLED"]) == both
    token = lab.login()["access_token"]
    with kept.http(token) as http:
        assert [job["job_id"] for job in http.get("/jobs?state=FAILED,CANCELLED").json()["jobs"]] == both
        assert len(http.get("/jobs?state=&backend_id=&limit=&cursor=").json()["jobs"]) == 50
    willow = expected(user_id=[USER], backend_id=["willow_like"], status=["COMPLETED"])
    assert every_page(lab, backend_id="willow_like", state="COMPLETED", limit=3) == willow
    assert every_page(lab, backend_id="gone_since") == expected(user_id=[USER], backend_id=["gone_since"])
    assert every_page(lab, state="QUEUED") == []
    with pytest.raises(TwinApiError, match="no backend 'nothing'"):
        lab.jobs(backend_id="nothing")


def test_admins_ask_for_others(lab: TwinClient, admin: TwinClient, kept: ServedTwin) -> None:
    assert every_page(admin) == expected(user_id=[EMAIL])
    assert every_page(admin, user=USER.upper()) == expected(user_id=[USER])
    assert every_page(admin, user="all", limit=9) == expected()
    assert every_page(lab, user=USER) == expected(user_id=[USER])
    for other in ("all", EMAIL):
        with pytest.raises(TwinApiError, match="jobs of others need the role admin; you are operator"):
            lab.jobs(user=other)
    with TwinClient(kept.url, VIEWER, PASSWORD) as viewer:
        assert viewer.jobs() == {"jobs": [], "next_cursor": None}


def test_a_page_is_small(lab: TwinClient) -> None:
    job = lab.jobs(limit=1)["jobs"][0]
    assert "metadata" not in job
    assert (job["user"], job["status"], job["attempts"]) == (USER, "FAILED", 1)


def test_jobs_that_come_meanwhile_move_no_page(admin: TwinClient, kept: ServedTwin) -> None:
    before = every_page(admin, user="all")
    page = admin.jobs(user="all", limit=10)
    new = replace(row(0, "new@qcraft.local"), created_at=5000.0)
    database = Database.open(settings_of(kept.data_dir).resolved_database_url)
    database.write_now(partial(jobs.add, job=new, request=b"{}"))
    database.close()
    after = [job["job_id"] for job in admin.jobs(user="all", limit=100, cursor=page["next_cursor"])["jobs"]]
    assert after == before[10:110]
    assert admin.jobs(user="all", limit=1)["jobs"][0]["job_id"] == new.job_id


async def test_the_asynchronous_client_lists_them_too(kept: ServedTwin) -> None:
    async with AsyncTwinClient(kept.url, USER, PASSWORD) as client:
        page = await client.jobs(limit=2)
    assert [job["job_id"] for job in page["jobs"]] == expected(user_id=[USER])[:2]


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("state=DONE", "state"),
        ("cursor=nonsense", "cursor"),
        ("cursor=WyJhIiwgImIiXQ", "cursor"),  # ["a", "b"]
        ("cursor=MQ", "cursor"),  # 1
        ("cursor=%C3%A4", "cursor"),
        ("cursor=" + "A" * 201, "cursor"),
    ],
)
def test_what_does_not_fit_is_told(admin: TwinClient, kept: ServedTwin, query: str, where: str) -> None:
    with kept.http(admin.login()["access_token"]) as http:
        answer: httpx.Response = http.get(f"/jobs?{query}")
    assert answer.status_code == 422
    assert where in answer.json()["errors"][0]["loc"]


def test_a_page_is_read_by_an_index(tmp_path: Path) -> None:
    database = Database.open(f"sqlite:///{tmp_path / 'store.sqlite'}")
    with database.engine.connect() as connection:
        for chosen, index in (("WHERE user_id = 'a'", "ix_jobs_user"), ("", "ix_jobs_created")):
            query = f"EXPLAIN QUERY PLAN SELECT status FROM jobs {chosen} ORDER BY created_at DESC, job_id DESC LIMIT 9"
            plan = " ".join(str(step) for step in connection.exec_driver_sql(query))
            assert index in plan
            assert "TEMP B-TREE" not in plan
    database.close()
