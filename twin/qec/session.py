"""One live QEC session: rounds on demand, corrections that act, and a journal from which it can be rebuilt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import stim
from numpy.typing import ArrayLike, NDArray

import qds1
from twin.device.device import Device
from twin.device.snapshot import NoiseSnapshot
from twin.qec import answers
from twin.qec.corrections import (
    CorrectionKind,
    correction_array,
    correction_length,
    inferred_kind,
    packed_text,
    unpacked_text,
)
from twin.qec.errors import RoundOrderError, SessionEndedError
from twin.qec.lockstep import Lockstep, RoundResult
from twin.qec.memory import Memory
from twin.qec.spec import SessionSpec
from twin.qec.whole_shots import WholeShots

BYTES_OF_QUBIT = 4096
"""What a memory's circuits take, under the few snapshots that are kept."""
Words = NDArray[np.uint32]
JournalEntry = dict[str, Any]


class LiveSession:
    """A memory experiment that is being run, round by round (all shots in lockstep) or in whole shots.

    Which of the two is settled by the first call. The snapshot of every round (or block of shots) is asked for when
    it is simulated. Not thread-safe: the caller serialises.

    Args:
        spec: what was asked for.
        device: the backend it runs on.
        snapshot_source: gives the backend's noise at this moment.
        pause: called again and again while a long call computes.
    """

    def __init__(
        self,
        spec: SessionSpec,
        device: Device,
        snapshot_source: Callable[[], NoiseSnapshot],
        pause: Callable[[], None] = lambda: None,
    ) -> None:
        self.spec = spec
        self.memory = Memory(spec, device)
        self._snapshot_source = snapshot_source
        self._pause = pause
        self._lockstep: Lockstep | None = None
        self._whole: WholeShots | None = None
        self._ended: dict[str, Any] | None = None
        self._journal: list[JournalEntry] = []

    # What it is

    def info(self) -> dict[str, Any]:
        """The answer to its creation, without the session's id."""
        return {**self._facts(), **answers.description(self.spec, self.memory, self._snapshot_source())}

    def status(self) -> dict[str, Any]:
        """Where it stands."""
        return {
            **self._facts(),
            "shots_delivered": self._whole.delivered if self._whole else 0,
            "stats": {"corrections_received": self.corrections_received},
        }

    def _facts(self) -> dict[str, Any]:
        rounds_done = self._lockstep.rounds_done if self._lockstep else 0
        return answers.facts(self.spec, ended=self.ended, current_round=rounds_done)

    @property
    def ended(self) -> bool:
        return self._ended is not None

    @property
    def corrections_received(self) -> int:
        run = self._lockstep or self._whole
        posted = self._lockstep.corrections_posted if self._lockstep else 0
        return posted + (int(run.ledger.received.sum()) if run else 0)

    @property
    def num_bytes(self) -> int:
        """What it holds in memory, about; see `Lockstep.bytes_of`."""
        num_bytes = BYTES_OF_QUBIT * (self.memory.code.num_data_qubits + self.memory.code.num_stabilizers)
        if self._lockstep is not None:
            num_bytes += Lockstep.bytes_of(self.spec, self.memory.code)
        if self._whole is not None:
            num_bytes += WholeShots.bytes_of(self.spec, self.memory.code)
        return num_bytes

    def circuit(self, snapshot: NoiseSnapshot, rounds: int | None = None) -> stim.Circuit:
        """The whole circuit under a snapshot, with detectors at (x, y, t).

        Raises:
            RoundOrderError: the session is open-ended and `rounds` is not given.
        """
        return self.memory.circuit(snapshot, self.spec.fixed_rounds(rounds))

    def detector_error_model(self, snapshot: NoiseSnapshot, rounds: int | None = None) -> stim.DetectorErrorModel:
        """The error model of `circuit`, decomposed into edges by Stim."""
        return self.memory.detector_error_model(snapshot, self.spec.fixed_rounds(rounds))

    # Rounds in lockstep

    def syndrome(self, round_index: int) -> RoundResult:
        """Round `round_index` of all shots: the next one, or the last one again.

        With a fixed number of rounds, round `rounds` is the final readout of the data qubits.

        Raises:
            RoundOrderError: any other round. SessionEndedError: the session has ended.
        """
        return self._rounds().syndrome(round_index)

    @property
    def last_round(self) -> int | None:
        """The round that was generated last in lockstep; None before the first one."""
        last = self._lockstep.last if self._lockstep else None
        return None if last is None else last.round_index

    def correct(self, round_index: int, bits: ArrayLike, kind: CorrectionKind | None = None) -> CorrectionKind:
        """Take a correction for the round that was generated last; returns its kind.

        The same correction again (a retry) changes nothing; another one of the same kind is refused.

        Args:
            round_index: the last generated round.
            bits: 0/1, shape (n,) for one shot, (shots, n) for more.
            kind: None: by length, stabilizers -> "syndrome", data qubits -> "data".

        Raises:
            SessionSpecError: wrong shape, or not 0/1. RoundOrderError: another round. SessionEndedError.
        """
        run = self._rounds()
        kind = kind or inferred_kind(self.memory.code, bits, self.spec.shots)
        array = correction_array(self.memory.code, bits, self.spec.shots, kind)
        if run.correct(round_index, array, kind):
            self._note("correction", round=round_index, kind=kind, bits=packed_text(array))
        return kind

    def next_round(self) -> Words:
        """The next round of all shots as qds1 words: one SYNDROME message per shot, after the last round MEAS_DATA.

        Empty when the final readout is out.
        """
        run = self._rounds()
        if run.final is not None:
            return np.zeros(0, dtype=np.uint32)
        result = run.syndrome(run.rounds_done)
        bits = result.syndrome_bits if result.data_bits is None else result.data_bits
        kind = qds1.Kind.SYNDROME if result.data_bits is None else qds1.Kind.MEAS_DATA
        payload = qds1.pack_bits(bits)
        words = np.empty((payload.shape[0], payload.shape[1] + 1), dtype=np.uint32)
        tags = (np.arange(payload.shape[0]) % 65536).astype(np.uint32)
        words[:, 0] = np.uint32(qds1.header(kind, payload.shape[1], 0)) | (tags << np.uint32(16))
        words[:, 1:] = payload
        return words.reshape(-1)

    def _rounds(self) -> Lockstep:
        self._check_active()
        if self._whole is not None:
            raise RoundOrderError("this session is being pulled in whole shots; make another one for single rounds")
        if self._lockstep is None:
            self._lockstep = Lockstep(self.memory, self.spec, self._noted_snapshot, self._pause)
        return self._lockstep

    # Whole shots

    def next_shots(self, count: int, first_shot: int | None = None) -> Words:
        """The next at most `count` whole shots as qds1 words; empty when all shots are out.

        Args:
            count: how many.
            first_shot: go back to this shot, as after a restart of the host: the same shots come again.

        Raises:
            RoundOrderError: the session is open-ended, or is being pulled in rounds, or `first_shot` has not been
                reached. SessionEndedError.
        """
        self._check_active()
        if self._lockstep is not None:
            raise RoundOrderError("this session is being pulled in rounds; make another one for whole shots")
        if self.spec.rounds is None:
            raise RoundOrderError("whole shots need a fixed number of rounds: create the session with rounds")
        if self._whole is None:
            self._whole = WholeShots(self.memory, self.spec, self._noted_snapshot, self._pause)
        if first_shot is not None and first_shot != self._whole.delivered:
            self._whole.rewind(first_shot)
            self._note("rewound", shots=first_shot)
        words = self._whole.next_words(count)
        if words.size:
            self._note("delivered", shots=self._whole.delivered)
        return words

    def accept_corrections(self, words: ArrayLike) -> int:
        """Take CORRECTION messages, in shot order (a repeated shot replaces its correction); how many came.

        Raises:
            qds1.Qds1Error: not whole CORRECTION messages. RoundOrderError: for a shot that is not out yet.
        """
        self._check_active()
        run = self._whole or self._lockstep
        if run is None:
            raise RoundOrderError("no shot has been delivered yet")
        corrections = qds1.decode_corrections(np.asarray(words, dtype=np.uint32), 1)
        flips = corrections.flips[:, 0]
        shots = run.ledger.accept(corrections.tags, flips, run.delivered)
        if len(shots):
            self._note("flips", shots=_compact(shots), bits=packed_text(flips[None, :]), count=len(shots))
        return len(shots)

    # The end, and what is needed to come back

    def end(self) -> dict[str, Any]:
        """Read the data qubits if that has not been done, judge every shot, and end. Again: the same answer."""
        if self._ended is None:
            run = self._lockstep or self._whole
            self._ended = answers.verdict(self.spec, self.memory, run, self.corrections_received)
            self._note("end")
        return self._ended

    def take_journal(self) -> list[JournalEntry]:
        """What happened since the last call, as JSON; all entries in order rebuild the session with `restore`."""
        entries, self._journal = self._journal, []
        return entries

    @classmethod
    def restore(
        cls,
        spec: SessionSpec,
        device: Device,
        snapshot_source: Callable[[], NoiseSnapshot],
        entries: Iterable[Mapping[str, Any]],
        snapshots: Callable[[str], NoiseSnapshot],
        pause: Callable[[], None] = lambda: None,
    ) -> LiveSession:
        """Rebuild a session by replaying its journal.

        Args:
            spec, device, snapshot_source, pause: as for a new session.
            entries: everything `take_journal` gave, in order.
            snapshots: a snapshot by its id.
        """
        session = cls(spec, device, snapshot_source, pause)
        for entry in entries:
            session._replay(entry, snapshots)
        session._journal.clear()
        return session

    def _replay(self, entry: Mapping[str, Any], snapshots: Callable[[str], NoiseSnapshot]) -> None:
        match entry["op"]:
            case "round" | "final":
                if self._lockstep is None:
                    self._lockstep = Lockstep(self.memory, self.spec, self._noted_snapshot, self._pause)
                self._lockstep.advance(entry["op"], snapshots(entry["snapshot_id"]))
            case "correction":
                code = self.memory.code
                array = unpacked_text(entry["bits"], (self.spec.shots, correction_length(code, entry["kind"])))
                self._rounds().correct(entry["round"], array, entry["kind"])
            case "block":
                if self._whole is None:
                    self._whole = WholeShots(self.memory, self.spec, self._noted_snapshot, self._pause)
                self._whole.simulate(snapshots(entry["snapshot_id"]))
            case "delivered":
                if self._whole is not None:
                    self._whole.skip_to(entry["shots"])
            case "rewound":
                if self._whole is not None:
                    self._whole.rewind(entry["shots"])
            case "flips":
                run = self._whole or self._lockstep
                flips = unpacked_text(entry["bits"], (1, entry["count"]))[0]
                if run is not None:
                    run.ledger.put(_expanded(entry["shots"], entry["count"]), flips)
            case "end":
                self.end()

    def _noted_snapshot(self, op: str) -> NoiseSnapshot:
        snapshot = self._snapshot_source()
        self._note(op, snapshot_id=snapshot.snapshot_id)
        return snapshot

    def _note(self, op: str, **fields: object) -> None:
        self._journal.append({"op": op, **fields})

    def _check_active(self) -> None:
        if self._ended is not None:
            raise SessionEndedError("this session has ended; create a new one")


def _compact(shots: NDArray[np.int64]) -> int | list[int]:
    """The first shot of a gapless run, else all of them."""
    gapless = bool(np.all(np.diff(shots) == 1))
    return int(shots[0]) if gapless else shots.tolist()


def _expanded(shots: int | list[int], count: int) -> NDArray[np.int64]:
    return np.arange(shots, shots + count) if isinstance(shots, int) else np.asarray(shots, dtype=np.int64)
