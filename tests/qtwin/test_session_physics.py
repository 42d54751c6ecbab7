"""The live session answers to what is done to it: corrections, raised noise, feedback."""

from collections.abc import Iterator

import numpy as np
import pytest

from qds1 import decode_corrections, encode_corrections, shot_words, unpack_bits
from qtwin.embedded import TwinAddress
from twin.client import TwinClient

SHOTS = 4000
ROUNDS = 3


@pytest.fixture
def client(twin: TwinAddress) -> Iterator[TwinClient]:
    with TwinClient(twin.url, twin.email, twin.password) as connected:
        yield connected


def repetition_session(client: TwinClient, **changes: object) -> dict[str, object]:
    fields = {"code_family": "repetition", "code_distance": 3, "rounds": ROUNDS, "shots": SHOTS, "seed": 3}
    return dict(client.create_session("repetition29_like", **{**fields, **changes}))  # type: ignore[arg-type]


def test_random_corrections_bring_the_logical_error_rate_to_one_half(client: TwinClient) -> None:
    session = repetition_session(client, noise={"uniform_prob": 0.002})
    with client.open_stream(str(session["session_id"])) as stream:
        words = stream.next_shots(SHOTS)
        assert words.size == SHOTS * shot_words(2, 3, ROUNDS)
        flips = np.random.default_rng(1).integers(0, 2, size=(SHOTS, 1)).astype(np.uint8)
        stream.send_corrections(encode_corrections(flips).ravel())
        assert stream.flush() == SHOTS
    ended = client.end_session(str(session["session_id"]))
    # Five sigma of a fair coin: false alarm 6e-7.
    assert abs(ended["logical_errors"] / SHOTS - 0.5) < 5 * 0.5 / np.sqrt(SHOTS)
    assert ended["raw_logical_errors"] / SHOTS < 0.05
    assert ended["stats"]["corrections_received"] == SHOTS
    assert decode_corrections(encode_corrections(flips).ravel(), 1).flips.sum() > 0


def test_noise_raised_tenfold_shows_in_the_next_rounds(client: TwinClient) -> None:
    session_id = str(repetition_session(client, rounds=None, shots=1000)["session_id"])

    def detection_fraction(rounds: range) -> float:
        fired = [np.mean(client.syndrome(session_id, index)["detection_events"]) for index in rounds]
        return float(np.mean(fired))

    try:
        detection_fraction(range(1))
        before = detection_fraction(range(1, 11))
        client.command(
            "repetition29_like",
            "inject_noise_override",
            {"gate_error_multiplier": 10.0, "readout_error_multiplier": 10.0},
        )
        detection_fraction(range(11, 12))
        after = detection_fraction(range(12, 22))
    finally:
        client.command("repetition29_like", "reset", {})
        client.end_session(session_id)
    # 20,000 samples a side: a factor of two stands far outside the statistics.
    assert after > 2 * before


def test_feedback_on_the_data_changes_later_rounds(client: TwinClient) -> None:
    session_id = str(repetition_session(client, rounds=None, shots=1, noise={"uniform_prob": 0.0})["session_id"])
    assert client.syndrome(session_id, 0)["syndrome_bits"] == [0, 0]
    client.correct(session_id, 0, [1, 0, 0])
    assert client.syndrome(session_id, 1)["syndrome_bits"] == [1, 0]
    client.correct(session_id, 1, [0, 1, 0])
    assert client.syndrome(session_id, 2)["syndrome_bits"] == [0, 1]
    client.correct(session_id, 2, [0, 1], kind="syndrome")
    assert client.syndrome(session_id, 3)["syndrome_bits"] == [0, 0]
    client.correct(session_id, 3, [0, 0, 1])
    assert client.end_session(session_id)["logical_errors"] == 1


def test_stream_by_rounds_and_by_shots_carry_the_same_outcomes(client: TwinClient) -> None:
    by_round = str(repetition_session(client, shots=1500)["session_id"])
    by_shot = str(repetition_session(client, shots=1500)["session_id"])
    with client.open_stream(by_round) as stream:
        rounds = [stream.next_round().reshape(1500, -1) for _ in range(ROUNDS + 1)]
    with client.open_stream(by_shot) as stream:
        shots = stream.next_shots(1500).reshape(1500, -1)
    np.testing.assert_array_equal(np.concatenate(rounds, axis=1), shots)
    assert unpack_bits(shots[:, 1:2], 2).any()
