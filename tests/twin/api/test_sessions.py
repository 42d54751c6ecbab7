"""QEC sessions over HTTP and WebSocket: order, retries, corrections that matter, one seed one record."""

from __future__ import annotations

import httpx
import numpy as np
import pytest
import stim

import qds1
from twin.client import TwinApiError, TwinClient

SURFACE = {"code_family": "surface", "code_distance": 3, "rounds": 3, "seed": 5}
UNIFORM = {"uniform_prob": 0.02}


def opened(client: TwinClient, **changes: object) -> str:
    body = {"backend_id": "surface17_like", **SURFACE, **changes}
    return client.create_session(**body)["session_id"]  # type: ignore[arg-type]


def test_a_round_asked_for_again_is_the_same(client: TwinClient) -> None:
    session = opened(client)
    first = client.syndrome(session, 0)
    assert client.syndrome(session, 0) == first
    assert len(first["syndrome_bits"]) == 8
    assert first["meas_data_packed"] == sum(int(bit) << i for i, bit in enumerate(first["syndrome_bits"]))  # type: ignore[call-overload]


@pytest.mark.parametrize("round_index", [1, 2, 10**6])
def test_a_round_out_of_order_is_409(client: TwinClient, round_index: int) -> None:
    with pytest.raises(TwinApiError) as refused:
        client.syndrome(opened(client), round_index)
    assert refused.value.status == 409


def test_an_ended_session_is_gone_and_its_verdict_stays(client: TwinClient) -> None:
    session = opened(client)
    client.syndrome(session, 0)
    verdict = client.end_session(session)
    assert client.end_session(session) == verdict
    assert client.session_status(session)["status"] == "ended"
    with pytest.raises(TwinApiError) as refused:
        client.syndrome(session, 1)
    assert refused.value.status == 410


@pytest.mark.parametrize("bits", [[0], [0] * 7, [0] * 10, [2] * 8, []])
def test_a_correction_that_does_not_fit_is_422(client: TwinClient, bits: list[int]) -> None:
    session = opened(client)
    client.syndrome(session, 0)
    with pytest.raises(TwinApiError) as refused:
        client.correct(session, 0, bits)
    assert refused.value.status == 422


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"backend_id": "nothing"}, 404),
        ({"job_id": "nothing"}, 404),
        ({"code_family": "colour"}, 422),
        ({"code_distance": 1}, 422),
        ({"shots": 0}, 422),
        ({"noise": {"uniform_prob": 2}}, 422),
        ({"surprise": 1}, 422),
        ({"shots": 10**9}, 413),
    ],
)
def test_a_session_that_does_not_fit_is_refused(http: httpx.Client, change: dict[str, object], status: int) -> None:
    body = {"backend_id": "surface17_like", **SURFACE} | change
    assert http.post("/qec_session/v1/", json=body).status_code == status


def test_an_observable_correction_flips_the_verdict(client: TwinClient) -> None:
    def errors(flip: int) -> int:
        session = opened(client, shots=200, noise=UNIFORM)
        for index in range(4):
            client.syndrome(session, index)
        client.correct(session, 3, [[flip]] * 200, kind="observable")
        return client.end_session(session)["logical_errors"]

    unflipped = errors(0)
    assert 0 < unflipped < 100
    assert errors(1) == 200 - unflipped


def test_a_syndrome_correction_changes_later_rounds(client: TwinClient) -> None:
    flips = [1, 0, 0, 0, 1, 0, 0, 0]

    def second_round(correction: list[int]) -> list[int]:
        session = opened(client, noise={"uniform_prob": 0.0})
        client.syndrome(session, 0)
        client.correct(session, 0, correction)
        return client.syndrome(session, 1)["syndrome_bits"]  # type: ignore[return-value]

    before, after = second_round([0] * 8), second_round(flips)
    assert [int(a) ^ int(b) for a, b in zip(before, after, strict=True)] == flips


def test_more_noise_in_mid_session_shows_in_the_next_rounds(client: TwinClient) -> None:
    session = opened(client, backend_id="repetition29_like", code_family="repetition", shots=1000, rounds=6)

    def share(index: int) -> float:
        return float(np.mean(client.syndrome(session, index)["detection_events"]))

    try:
        share(0)
        quiet = share(1)
        client.command("repetition29_like", "inject_noise_override", {"readout_error_multiplier": 20.0})
        share(2)
        assert share(3) > 3 * quiet
    finally:
        client.command("repetition29_like", "reset")


def test_too_many_shots_for_json_are_told_of_the_stream(client: TwinClient) -> None:
    with pytest.raises(TwinApiError, match="use the stream") as refused:
        client.syndrome(opened(client, shots=5000), 0)
    assert refused.value.status == 413


def test_the_error_model_is_the_circuits(client: TwinClient) -> None:
    session = opened(client)
    circuit = stim.Circuit(client.session_circuit(session))
    model = stim.DetectorErrorModel(client.session_error_model(session))
    assert model.approx_equals(
        circuit.detector_error_model(decompose_errors=True), atol=1e-6
    )  # circuits are printed with six digits
    assert circuit.num_detectors == 4 + 8 * 2 + 4
    assert {int(coordinates[2]) for coordinates in circuit.get_detector_coordinates().values()} == {0, 1, 2, 3}


def test_an_open_ended_session_needs_rounds_for_its_model(http: httpx.Client, client: TwinClient) -> None:
    session = opened(client, rounds=None)
    answer = http.get(f"/qec_session/v1/{session}/detector_error_model")
    assert answer.status_code == 409
    assert "rounds=N" in answer.json()["detail"]
    assert stim.DetectorErrorModel(client.session_error_model(session, rounds=2)).num_detectors == 16


def test_one_seed_gives_the_same_shots_however_they_are_pulled(client: TwinClient) -> None:
    def pulled(*counts: int) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
        with client.open_stream(opened(client, shots=1500)) as stream:
            return np.concatenate([stream.next_shots(count) for count in counts])

    words = pulled(1500)
    assert words.size == 1500 * (3 * 2 + 2)
    assert (words == pulled(1, 7, 1000, 492)).all()
    assert pulled(1500, 1).size == words.size


def test_the_stream_is_judged_like_the_shots_it_sent(client: TwinClient) -> None:
    session = opened(client, shots=2000, noise=UNIFORM)
    parity_of = client.session_status(session)
    observable = client.create_session(
        "surface17_like", code_family="surface", code_distance=3, rounds=3, noise=UNIFORM
    )["observables"][0]["data_qubits"]
    with client.open_stream(session) as stream:
        words = stream.next_shots(2000).reshape(2000, -1)
        data = qds1.unpack_bits(words[:, -1:], 9)
        raw = data[:, observable].sum(axis=1) % 2
        stream.send_corrections(qds1.encode_corrections(raw.reshape(-1, 1).astype(np.uint8), 0).reshape(-1))
        assert stream.flush() == 2000
    verdict = client.end_session(session)
    assert parity_of["shots"] == 2000
    assert verdict["raw_logical_errors"] == int(raw.sum()) > 0
    assert verdict["logical_errors"] == 0


def test_errors_on_the_stream_are_answered_and_leave_it_open(client: TwinClient) -> None:
    with client.open_stream(opened(client, shots=10)) as stream:
        for message in ("nonsense", '{"op": "sing"}', '{"op": "shots", "count": 0}', '{"op": "shots", "count": "x"}'):
            stream._send(message)
            with pytest.raises(TwinApiError, match="422"):
                stream._receive()
        stream.next_shots(10)
        stream._send(b"\x81\x03\x00")
        with pytest.raises(TwinApiError, match="32-bit words"):
            stream._receive()
        stream.send_corrections(np.array([1, 2, 3], dtype=np.uint32))
        with pytest.raises(TwinApiError, match="CORRECTION"):
            stream._receive()
        assert stream.flush() == 0


def test_rounds_over_the_stream(client: TwinClient) -> None:
    with client.open_stream(opened(client, shots=70_000, noise={"uniform_prob": 0.001})) as stream:
        rounds = [stream.next_round() for _ in range(4)]
        assert stream.next_round().size == 0
    kinds = [qds1.parse(words[:2])[0].kind for words in rounds]
    assert kinds == [qds1.Kind.SYNDROME] * 3 + [qds1.Kind.MEAS_DATA]
    tags = rounds[0].reshape(-1, 2)[:, 0] >> 16
    assert (tags == np.arange(70_000) % 65536).all()


def test_a_stream_of_no_session_is_refused_with_404(client: TwinClient) -> None:
    with pytest.raises(TwinApiError) as refused:
        client.open_stream("nothing")
    assert refused.value.status == 404
