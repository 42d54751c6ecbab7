"""Who is let in while the accounts cannot be read."""

from __future__ import annotations

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.twin.conftest import ServedTwin
from twin.errors import UnavailableError
from twin.gateway.accounts import Accounts


async def _away(*_: object, **__: object) -> None:
    raise UnavailableError("connection to server at 192.0.2.7 failed", "no server answers")


def test_a_gateway_whose_database_is_away_says_so(served: ServedTwin, monkeypatch: pytest.MonkeyPatch) -> None:
    token = served.token()
    monkeypatch.setattr(Accounts, "admit", _away)
    headers = {"Authorization": f"Bearer {token}"}
    refused = httpx.get(f"{served.base}/backends", headers=headers, timeout=30, trust_env=False)
    assert refused.status_code == 503
    assert refused.json()["detail"] == "no server answers"  # and not where it is
    assert refused.headers["Retry-After"]
    url = f"{served.base.replace('http', 'ws', 1)}/qec_session/v1/nobody/stream"
    with pytest.raises(InvalidStatus) as handshake, connect(url, additional_headers=headers):
        pass
    assert handshake.value.response.status_code == 503
