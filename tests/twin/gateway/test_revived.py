"""What ended stays over, also when the account is enabled again; who is familiar is not held up by a burst."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from tests.twin.conftest import ServedTwin
from twin.errors import BusyError
from twin.gateway.attempts import MAX_WAITING_PER_ADDRESS, Attempts


@pytest.mark.parametrize("logs_out", [True, False])
def test_enabling_an_account_revives_no_access_token(served: ServedTwin, logs_out: bool) -> None:
    auth, admin = f"{served.url}/api/v1/auth", {"Authorization": f"Bearer {served.token()}"}
    body = {"email": f"revived{logs_out}@example.org", "password": "long enough"}
    assert httpx.post(f"{auth}/users", json={**body, "role": "viewer"}, headers=admin).status_code == 201
    tokens = httpx.post(f"{auth}/login", json=body).json()
    if logs_out:
        httpx.post(f"{auth}/logout", json={"refresh_token": tokens["refresh_token"]})
    for disabled in (True, False):
        changed = httpx.patch(f"{auth}/users/{body['email']}", json={"disabled": disabled}, headers=admin)
        assert changed.status_code == 200
    with served.http(tokens["access_token"]) as http:
        assert http.get("/health").status_code == 401


async def test_who_is_familiar_passes_a_full_line() -> None:
    attempts, done = Attempts(10), asyncio.Event()
    attempts.note_success("10.0.0.1", "lab@example.org")

    async def wait() -> None:
        async with attempts.line("10.0.0.1", "guess@example.org"):
            await done.wait()

    waiting = [asyncio.create_task(wait()) for _ in range(MAX_WAITING_PER_ADDRESS)]
    await asyncio.sleep(0)
    with pytest.raises(BusyError):
        async with attempts.line("10.0.0.1", "other@example.org"):
            pass
    async with asyncio.timeout(1), attempts.line("10.0.0.1", "lab@example.org"):
        done.set()
    await asyncio.gather(*waiting)
