"""Live sessions: order, retries, corrections that act, the two ways to pull, and coming back from a journal."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import qds1
from twin.device.catalog import DeviceCatalog
from twin.device.commands import apply_command
from twin.device.controller import ControllerState
from twin.device.device import Device
from twin.device.snapshot import NoiseSnapshot, compose
from twin.qec.errors import RoundOrderError, SessionEndedError, SessionSpecError
from twin.qec.session import LiveSession
from twin.qec.spec import SessionSpec

QUIET = {"uniform_prob": 0.0}


class Bench:
    """A device whose noise can be changed while a session runs."""

    def __init__(self, catalog: DeviceCatalog, backend_id: str) -> None:
        self.catalog = catalog
        self.device: Device = catalog.devices[backend_id]
        self.state = ControllerState()
        self.known: dict[str, NoiseSnapshot] = {}

    def snapshot(self) -> NoiseSnapshot:
        snapshot = compose(self.device, self.catalog.scenarios, self.state)
        self.known[snapshot.snapshot_id] = snapshot
        return snapshot

    def command(self, command_type: str, payload: dict[str, Any]) -> None:
        self.state = apply_command(self.state, self.device, self.catalog.scenarios, command_type, payload)

    def session(self, **body: Any) -> LiveSession:
        given = {"backend_id": self.device.backend_id, "code_family": "surface", "code_distance": 3, "seed": 5}
        return LiveSession(SessionSpec.from_body(given | body), self.device, self.snapshot)

    def restored(self, session: LiveSession, journal: list[dict[str, Any]]) -> LiveSession:
        spec = SessionSpec.from_body(json.loads(json.dumps(session.spec.to_dict())))
        entries = json.loads(json.dumps(journal))
        return LiveSession.restore(spec, self.device, self.snapshot, entries, self.known.__getitem__)


@pytest.fixture
def surface17(catalog: DeviceCatalog) -> Bench:
    return Bench(catalog, "surface17_like")


@pytest.fixture
def jakarta_bench(catalog: DeviceCatalog) -> Bench:
    return Bench(catalog, "ibm_jakarta_like")


def test_reference_loop(jakarta_bench: Bench) -> None:
    """The pseudocode of the API reference, "QEC session loop"."""
    session = jakarta_bench.session(code_family="repetition")
    assert session.info()["num_stabilizers"] == 2
    for round_index in range(10):
        answer = session.syndrome(round_index).to_dict()
        session.correct(round_index, [0] * len(answer["syndrome_bits"]))
    end = session.end()
    assert end["total_rounds"] == 10
    assert end["stats"]["corrections_received"] == 10


def test_info_describes_the_code(surface17: Bench) -> None:
    info = surface17.session(rounds=3).info()
    assert (info["layout"], info["num_data_qubits"], info["num_observables"]) == ("native", 9, 1)
    assert {each["type"] for each in info["stabilizers"]} == {"X", "Z"}
    assert info["observables"] == [{"index": 0, "data_qubits": [0, 1, 2]}]
    assert info["round_time_ns"] == pytest.approx(960)
    json.dumps(info)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"code_family": "color"}, "code_family"),
        ({"code_distance": 1}, "code_distance"),
        ({"code_distance": 99}, "code_distance"),
        ({"code_family": "repetition", "basis": "X"}, "basis"),
        ({"rounds": 0}, "rounds"),
        ({"shots": 0}, "shots"),
        ({"shots": True}, "shots"),
        ({"seed": -1}, "seed"),
        ({"noise": {"uniform_prob": 0.9}}, "uniform_prob"),
        ({"noise": {"p": 0.1}}, "noise.p"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_spec_refuses(surface17: Bench, body: dict[str, Any], field: str) -> None:
    with pytest.raises(SessionSpecError, match=field):
        surface17.session(**body)


@pytest.mark.parametrize("shots", [1, 3])
def test_rounds_go_in_order_and_repeat_the_same(surface17: Bench, shots: int) -> None:
    session = surface17.session(shots=shots, rounds=2)
    with pytest.raises(RoundOrderError, match="round 0 is next"):
        session.syndrome(1)
    first = session.syndrome(0)
    assert session.syndrome(0) is first
    session.syndrome(1)
    with pytest.raises(RoundOrderError, match="out of order"):
        session.syndrome(0)
    final = session.syndrome(2)
    assert final.data_bits is not None
    assert final.to_dict()["final"] is True
    with pytest.raises(RoundOrderError, match="final readout"):
        session.syndrome(3)
    session.end()
    assert session.end() == session.end()
    with pytest.raises(SessionEndedError):
        session.syndrome(2)


@pytest.mark.parametrize("shots", [1, 5])
@pytest.mark.parametrize(("family", "basis"), [("surface", "Z"), ("surface", "X"), ("repetition", "Z")])
def test_quiet_memory_has_no_events(surface17: Bench, shots: int, family: str, basis: str) -> None:
    session = surface17.session(code_family=family, basis=basis, shots=shots, rounds=4, noise=QUIET)
    for round_index in range(5):
        assert not session.syndrome(round_index).detection_events.any()
    assert session.end()["logical_errors"] == 0


@pytest.mark.parametrize("basis", ["Z", "X"])
def test_other_basis_starts_at_random_and_stays(surface17: Bench, basis: str) -> None:
    session = surface17.session(basis=basis, shots=2000, noise=QUIET)
    kinds = np.array([each["type"] for each in session.info()["stabilizers"]])
    first, second = session.syndrome(0).syndrome_bits, session.syndrome(1).syndrome_bits
    assert not first[:, kinds == basis].any()
    # 8,000 fair bits: 5 sigma is 0.028.
    assert abs(first[:, kinds != basis].mean() - 0.5) < 0.028
    assert np.array_equal(first, second)


@pytest.mark.parametrize("shots", [1, 4])
@pytest.mark.parametrize("basis", ["Z", "X"])
def test_data_correction_flips_the_state(surface17: Bench, shots: int, basis: str) -> None:
    session = surface17.session(basis=basis, shots=shots, rounds=3, noise=QUIET)
    before = session.syndrome(0).syndrome_bits
    bits = np.zeros((shots, 9), dtype=int)
    bits[0, 4] = 1
    bits[:, 0] |= np.arange(shots) % 2
    kind = session.correct(0, bits if shots > 1 else bits[0])
    assert kind == "data"
    after = session.syndrome(1).syndrome_bits
    expected = before.copy()
    for each in session.info()["stabilizers"]:
        if each["type"] == basis:
            expected[:, each["index"]] ^= (bits[:, each["data_qubits"]].sum(axis=1) & 1).astype(np.uint8)
    assert np.array_equal(after, expected)
    session.syndrome(2)
    end = session.end()
    # The corrections were the only errors: judged raw there is none; on the observable they are one.
    observable = session.info()["observables"][0]["data_qubits"]
    assert end["raw_logical_errors"] == 0
    assert end["logical_errors"] == int((bits[:, observable].sum(axis=1) & 1).sum())


def test_syndrome_correction_flips_later_reports(surface17: Bench) -> None:
    session = surface17.session(rounds=3, noise=QUIET)
    first = session.syndrome(0).syndrome_bits
    frame = np.zeros(8, dtype=int)
    frame[[1, 6]] = 1
    assert session.correct(0, frame) == "syndrome"
    second = session.syndrome(1)
    assert np.array_equal(second.syndrome_bits[0], first[0] ^ frame)
    assert np.array_equal(second.detection_events[0], frame)
    assert not session.syndrome(2).detection_events.any()


def test_detection_events_are_the_change_of_the_reported_syndrome(surface17: Bench) -> None:
    session = surface17.session(shots=7, rounds=6, noise={"uniform_prob": 0.05})
    previous = session.syndrome(0)
    rng = np.random.default_rng(0)
    for round_index in range(1, 6):
        session.correct(round_index - 1, rng.integers(0, 2, (7, 8)), "syndrome")
        result = session.syndrome(round_index)
        assert np.array_equal(result.detection_events, result.syndrome_bits ^ previous.syndrome_bits)
        previous = result


def test_observable_correction_is_judged_at_the_end(surface17: Bench) -> None:
    session = surface17.session(shots=4, rounds=1, noise=QUIET)
    session.syndrome(0)
    assert session.correct(0, [[0], [1], [1], [0]], "observable") == "observable"
    end = session.end()
    assert (end["logical_errors"], end["raw_logical_errors"]) == (2, 0)


def test_correction_is_idempotent_and_belongs_to_the_last_round(surface17: Bench) -> None:
    session = surface17.session(noise=QUIET)
    with pytest.raises(RoundOrderError, match="no round"):
        session.correct(0, [0] * 8)
    session.syndrome(0)
    for _ in range(2):
        session.correct(0, [1] + [0] * 8)
    with pytest.raises(RoundOrderError, match="another data correction"):
        session.correct(0, [0, 1] + [0] * 7)
    assert session.corrections_received == 1
    session.syndrome(1)
    with pytest.raises(RoundOrderError, match="last round is 1"):
        session.correct(0, [0] * 8)


@pytest.mark.parametrize("bits", [[], [0] * 7, [0] * 10, [2] + [0] * 7, [0.5] * 8, [[0] * 8, [0] * 7], "01"])
def test_correction_of_the_wrong_shape_is_refused(surface17: Bench, bits: Any) -> None:
    session = surface17.session(noise=QUIET)
    session.syndrome(0)
    with pytest.raises(SessionSpecError, match="correction_bits"):
        session.correct(0, bits)


def test_noise_raised_in_mid_session_shows_at_once(surface17: Bench) -> None:
    session = surface17.session(shots=1000)
    calm = np.mean(
        [session.syndrome(i).detection_events.mean() for i in range(1 + 0, 6)][1:] if session.syndrome(0) else 0
    )
    surface17.command("inject_noise_override", {"gate_error_multiplier": 10.0})
    loud = session.syndrome(6).detection_events.mean()
    assert loud > 2 * calm
    surface17.command("reset", {})
    session.syndrome(7)
    assert session.syndrome(8).detection_events.mean() == pytest.approx(calm, rel=0.2)


def test_random_corrections_make_the_logical_outcome_a_coin(surface17: Bench) -> None:
    session = surface17.session(shots=4000, rounds=2)
    rng = np.random.default_rng(1)
    for round_index in range(2):
        session.syndrome(round_index)
        session.correct(round_index, rng.integers(0, 2, (4000, 9)))
    # 4,000 coins: 5 sigma is 158.
    assert abs(session.end()["logical_errors"] - 2000) < 158


def test_single_shot_and_batch_agree_in_rates(surface17: Bench) -> None:
    """20 tableau sessions of 100 rounds against a batch: detection rates within 5 sigma of the smaller sample.

    Events of neighbouring rounds are anticorrelated at most, so the binomial sigma is doubled in variance.
    """
    single = []
    for seed in range(20):
        session = surface17.session(seed=seed)
        session.syndrome(0)
        single.append([session.syndrome(i).detection_events[0] for i in range(1, 101)])
    batch = surface17.session(shots=20_000)
    batch.syndrome(0)
    expected = np.mean([batch.syndrome(i).detection_events.mean(axis=0) for i in range(1, 6)], axis=0)
    found = np.mean(single, axis=(0, 1))
    assert np.all(np.abs(found - expected) < 5 * np.sqrt(2 * expected / 2000))


def test_batch_rates_are_those_of_the_error_models_circuit(surface17: Bench) -> None:
    """Asymmetric readout averages to the model's mean only where both outcomes are as likely: allow 5%."""
    session = surface17.session(shots=50_000, rounds=3)
    events = [session.syndrome(i).detection_events for i in range(4)]
    model = session.circuit(surface17.snapshot()).compile_detector_sampler(seed=9).sample(50_000)
    assert np.sum([each.sum() for each in events]) / model.sum() == pytest.approx(1, abs=0.05)


def test_shots_are_the_same_however_they_are_pulled(surface17: Bench) -> None:
    body = {"shots": 2500, "rounds": 3}
    whole = surface17.session(**body).next_shots(2500)
    pieces = surface17.session(**body)
    cut = np.concatenate([pieces.next_shots(count) for count in (1, 700, 1000, 799)])
    assert np.array_equal(whole, cut)
    assert pieces.next_shots(5).size == 0
    rounds = surface17.session(**body)
    columns = [rounds.next_round().reshape(2500, -1) for _ in range(4)]
    assert rounds.next_round().size == 0
    assert np.array_equal(np.concatenate(columns, axis=1).reshape(-1), whole)
    listed = surface17.session(**body)
    bits = np.stack([listed.syndrome(i).syndrome_bits for i in range(3)], axis=1)
    data = listed.syndrome(3).data_bits
    assert data is not None
    assert np.array_equal(qds1.encode_shots(bits, data, 0).reshape(-1), whole)


def test_shots_from_an_earlier_one_on_are_the_same_again(surface17: Bench) -> None:
    body = {"shots": 5000, "rounds": 2}
    whole = surface17.session(**body).next_shots(5000).reshape(5000, -1)
    session = surface17.session(**body)
    session.next_shots(2600)
    surface17.command("inject_noise_override", {"gate_error_multiplier": 3.0})  # acts on blocks to come, not on those
    again = session.next_shots(1500, 900).reshape(1500, -1)
    assert np.array_equal(again, whole[900:2400])
    journal = session.take_journal()
    back = surface17.restored(session, journal)
    for each in (session, back):
        assert np.array_equal(each.next_shots(672).reshape(672, -1), whole[2400:3072])
    with pytest.raises(RoundOrderError, match="cannot go back to shot 4000: 3072"):
        session.next_shots(1, 4000)


def test_corrections_after_going_back_are_for_the_shots_that_came_again(surface17: Bench) -> None:
    shots, back_to = 70_000, 3  # further back than tags can tell apart
    session = surface17.session(shots=shots, rounds=1, noise=QUIET)
    flips = np.random.default_rng(2).integers(0, 2, (shots, 1)).astype(np.uint8)
    session.next_shots(shots)
    for start in range(0, shots, 10_000):
        session.accept_corrections(qds1.encode_corrections(flips[start : start + 10_000] ^ np.uint8(1), start))
    session.next_shots(shots, back_to)
    for start in range(back_to, shots, 10_000):
        session.accept_corrections(qds1.encode_corrections(flips[start : start + 10_000], start))
    assert session.corrections_received == shots
    assert session.end()["logical_errors"] == int((1 - flips[:back_to]).sum() + flips[back_to:].sum())


def test_one_shot_is_the_same_in_rounds_and_whole(surface17: Bench) -> None:
    whole = surface17.session(rounds=4).next_shots(1)
    session = surface17.session(rounds=4)
    assert np.array_equal(np.concatenate([session.next_round() for _ in range(5)]), whole)


def test_whole_shots_need_fixed_rounds_and_do_not_mix(surface17: Bench) -> None:
    with pytest.raises(RoundOrderError, match="fixed number of rounds"):
        surface17.session().next_shots(1)
    session = surface17.session(rounds=2, shots=4)
    session.next_shots(1)
    with pytest.raises(RoundOrderError, match="whole shots"):
        session.syndrome(0)
    other = surface17.session(rounds=2, shots=4)
    other.syndrome(0)
    with pytest.raises(RoundOrderError, match="in rounds"):
        other.next_shots(1)


def test_open_ended_session_has_no_error_model_without_rounds(surface17: Bench) -> None:
    session = surface17.session()
    with pytest.raises(RoundOrderError, match=r"\?rounds=N"):
        session.detector_error_model(surface17.snapshot())
    assert session.detector_error_model(surface17.snapshot(), 3).num_detectors == 24


def test_stream_corrections_are_judged_and_idempotent(surface17: Bench) -> None:
    shots = 70_000  # more than the tags count
    session = surface17.session(shots=shots, rounds=1, noise=QUIET)
    flips = np.random.default_rng(2).integers(0, 2, (shots, 1)).astype(np.uint8)
    done = 0
    while (words := session.next_shots(9_999)).size:
        count = words.size // qds1.shot_words(8, 9, 1)
        answer = qds1.encode_corrections(flips[done : done + count], done)
        assert session.accept_corrections(answer) == count
        session.accept_corrections(answer[-500:])  # a retry of the last ones
        done += count
    end = session.end()
    assert end["judged_shots"] == shots
    assert end["logical_errors"] == int(flips.sum())
    assert end["stats"]["corrections_received"] == shots


def test_stream_corrections_for_shots_not_delivered_are_refused(surface17: Bench) -> None:
    session = surface17.session(shots=100, rounds=1, noise=QUIET)
    with pytest.raises(RoundOrderError, match="no shot"):
        session.accept_corrections(qds1.encode_corrections(np.zeros((1, 1), np.uint8), 0))
    session.next_shots(10)
    with pytest.raises(RoundOrderError, match="10 shots have been delivered"):
        session.accept_corrections(qds1.encode_corrections(np.zeros((11, 1), np.uint8), 0))
    with pytest.raises(qds1.Qds1Error):
        session.accept_corrections([1, 2, 3])
    assert session.corrections_received == 0


@pytest.mark.parametrize("shots", [1, 1500])
def test_journal_restores_a_session_in_rounds(surface17: Bench, shots: int) -> None:
    session = surface17.session(shots=shots, rounds=6)
    rng = np.random.default_rng(3)
    journal: list[dict[str, Any]] = []
    for round_index in range(3):
        session.syndrome(round_index)
        for kind, length in (("data", 9), ("syndrome", 8), ("observable", 1)):
            session.correct(round_index, rng.integers(0, 2, (shots, length)), kind)  # type: ignore[arg-type]
        surface17.command("inject_noise_override", {"gate_error_multiplier": 1.0 + round_index})
        journal += session.take_journal()
    back = surface17.restored(session, journal)
    assert back.take_journal() == []
    for round_index in range(2, 7):
        ours, theirs = session.syndrome(round_index), back.syndrome(round_index)
        assert json.dumps(ours.to_dict()) == json.dumps(theirs.to_dict())
    assert session.end() == back.end()
    journal += session.take_journal()
    ended = surface17.restored(session, journal)
    assert ended.ended
    assert ended.end() == session.end()


def test_journal_restores_a_session_in_whole_shots(surface17: Bench) -> None:
    session = surface17.session(shots=3000, rounds=2)
    session.next_shots(1500)
    flips = np.random.default_rng(4).integers(0, 2, (1200, 1)).astype(np.uint8)
    session.accept_corrections(qds1.encode_corrections(flips, 0))
    back = surface17.restored(session, session.take_journal())
    assert back.status() == session.status()
    assert np.array_equal(session.next_shots(1500), back.next_shots(1500))
    assert session.end() == back.end()


def test_long_batches_forget_their_record_but_not_their_state(
    surface17: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twin.qec.simulators._MAX_RECORD", 40)
    monkeypatch.setattr("twin.qec.simulators._SLICED_RECORD", 20)
    session = surface17.session(shots=50, noise=QUIET)
    first = session.syndrome(0).syndrome_bits
    for round_index in range(1, 30):
        assert np.array_equal(session.syndrome(round_index).syndrome_bits, first)
    assert session.end()["logical_errors"] == 0


def test_json_of_a_batch_has_a_list_per_shot(surface17: Bench) -> None:
    answer = surface17.session(shots=2, noise=QUIET, code_distance=7).syndrome(0).to_dict()
    assert [len(row) for row in answer["syndrome_bits"]] == [48, 48]
    assert [len(row) for row in answer["meas_data_words"]] == [2, 2]
    assert answer["meas_data_packed"] == [row[0] for row in answer["meas_data_words"]]
    single = surface17.session(noise=QUIET).syndrome(0).to_dict()
    assert single["meas_data_packed"] == sum(bit << i for i, bit in enumerate(single["syndrome_bits"]))
