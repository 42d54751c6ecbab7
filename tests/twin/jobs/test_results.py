"""A large result is stored compressed, and comes out in pieces as it went in."""

from __future__ import annotations

import gzip
import random

import httpx
import orjson
import pytest

from tests.twin.conftest import BELL
from twin.client import TwinClient
from twin.jobs.results import PACKED_FROM_BYTES, PIECE_BYTES, is_packed, packed, pieces, size_of, snapshot_id_of

HEAD = b'{"job_id":"j","snapshot_id":"snap-1","results":["'


def document(size: int, kind: str) -> bytes:
    filling = b"0" * size if kind == "one bit" else random.Random(1).randbytes(size // 2 + 1).hex().encode()
    return (HEAD + filling)[: size - 3] + b'"]}'


@pytest.mark.parametrize("kind", ["one bit", "noise"])
@pytest.mark.parametrize(
    "size", [100, PACKED_FROM_BYTES - 1, PACKED_FROM_BYTES, 4 * PIECE_BYTES, 5 * PIECE_BYTES + 1, 20 * PIECE_BYTES]
)
def test_what_goes_in_comes_out(size: int, kind: str) -> None:
    text = document(size, kind)
    assert len(text) == size
    stored = packed(text)
    assert is_packed(stored) == (size >= PACKED_FROM_BYTES)
    assert size_of(stored) == size
    found = list(pieces(stored))
    assert b"".join(found) == text
    assert max(map(len, found)) <= PIECE_BYTES
    assert snapshot_id_of(stored) == "snap-1"
    if is_packed(stored):
        assert gzip.decompress(stored) == text
        assert len(stored) < 0.7 * size


def test_a_large_result_is_answered_whole(http: httpx.Client, client: TwinClient) -> None:
    job_id = client.submit_job("ibm_jakarta_like", [BELL] * 3, shots=100_000, memory=True, seed=3)["job_id"]
    found = client.wait_for_job(job_id)
    answer = http.get(f"/jobs/{job_id}/result")
    assert answer.headers["content-type"] == "application/json"
    assert int(answer.headers["content-length"]) == len(answer.content) > PACKED_FROM_BYTES
    assert orjson.loads(answer.content) == found
    for each in found["results"]:
        assert len(each["memory"]) == sum(each["counts"].values()) == 100_000
        assert each["memory"].count("00") == each["counts"]["00"]
    trace = client.telemetry_trace("ibm_jakarta_like", job_id)
    assert trace["snapshot"]["snapshot_id"] == found["snapshot_id"]
    head = http.head(f"/jobs/{job_id}/result")
    assert head.headers["content-length"] == answer.headers["content-length"]
