"""Keeps a run's progress in its report folder, so that a run that was stopped can go on.

Lists that only grow are appended to files of their own; `state.json`, replaced as a whole, says how much of them
counts. However a process ends, what lies there is the progress of some moment.
"""

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from bridge.errors import LoopError
from bridge.files import reason_of, write_whole
from bridge.run import LoopRun, LoopSettings
from bridge.tally import Tally, WrongShot
from qds1.shots import Words

FOLDER = "checkpoint"
STATE = "state.json"
LATENCIES, FRAME_LATENCIES, ADAPTATION, ROUND_TRIPS, WRONG_SHOTS = LISTS = (
    "latencies.u32",
    "frame_latencies.u32",
    "adaptation.u8",
    "round_trips.f64",
    "wrong_shots.jsonl",
)
FORMAT = 4
INTERVAL_S = 1.0
_SETTINGS = TypeAdapter(LoopSettings)


@dataclass(frozen=True)
class Saved:
    """The progress of a run that was stopped.

    error_model: the session's when it was opened, in Stim's format. adaptation, adaptation_rows: for
    `Adaptation.take_up`; None and empty where the run does not adapt.
    """

    settings: LoopSettings
    job_id: str
    decoder_id: str
    read_id: str | None
    session: Mapping[str, Any]
    error_model: str
    repeats: int
    reconnects: int
    num_shots: int
    tally: Mapping[str, Any]
    cycles: tuple[Words, Words]
    round_trips: list[float]
    wrong_shots: list[WrongShot]
    adaptation: Mapping[str, Any] | None
    adaptation_rows: NDArray[np.uint8]
    sizes: Mapping[str, int]

    def restore(self, tally: Tally) -> None:
        """Give a new tally of this run the counts."""
        tally.restore(self.tally, self.cycles, self.round_trips, self.wrong_shots)


class Checkpoint:
    """Writes the progress of one run."""

    def __init__(self, report_folder: Path, run: LoopRun, saved: Saved | None = None) -> None:
        """saved: the progress that lies there already, when the run goes on from it."""
        self._folder = report_folder / FOLDER
        self._run = run
        self._sizes = dict(saved.sizes) if saved else dict.fromkeys(LISTS, 0)
        # how much of the lists is there; of arrays, pieces: what was taken up is one
        arrays = (*saved.cycles, saved.adaptation_rows) if saved else ()
        self._num_pieces = [int(array.size > 0) for array in arrays] or [0, 0, 0]
        self._num_round_trips = len(saved.round_trips) if saved else 0
        self._num_wrong = len(saved.wrong_shots) if saved else 0
        self._saved_at = float("-inf")

    @property
    def is_due(self) -> bool:
        """Whether the last one is old enough."""
        return time.monotonic() - self._saved_at >= INTERVAL_S

    def save(self) -> None:
        """Write what the run has counted so far."""
        setup = self._run.setup
        if setup is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        tally, adaptation = setup.tally, setup.adaptation
        pieces: tuple[list[NDArray[Any]], ...]
        pieces = (tally.latency_cycles, tally.frame_latency_cycles, adaptation.rows if adaptation else [])
        for name, found, done in zip((LATENCIES, FRAME_LATENCIES, ADAPTATION), pieces, self._num_pieces, strict=True):
            self._append(name, b"".join(piece.astype(_little_endian(piece)).tobytes() for piece in found[done:]))
        self._append(ROUND_TRIPS, np.array(tally.round_trip_s[self._num_round_trips :], dtype="<f8").tobytes())
        lines = [json.dumps(asdict(shot)) + "\n" for shot in tally.wrong_shots[self._num_wrong :]]
        self._append(WRONG_SHOTS, "".join(lines).encode())
        self._num_pieces = [len(found) for found in pieces]
        self._num_round_trips, self._num_wrong = len(tally.round_trip_s), len(tally.wrong_shots)
        state = {
            "format": FORMAT,
            "settings": _SETTINGS.dump_python(self._run.settings, mode="json"),
            "job_id": setup.job_id,
            "decoder_id": setup.decoder_id,
            "read_id": setup.read_id,
            "session": dict(setup.session),
            "error_model": str(setup.problem.error_model),
            "repeats": self._run.repeats,
            "reconnects": self._run.reconnects,
            "sizes": self._sizes,
            "tally": tally.state(),
            "adaptation": adaptation.state() if adaptation else None,
        }
        write_whole(self._folder / STATE, json.dumps(state).encode())
        self._saved_at = time.monotonic()

    def remove(self) -> None:
        """The run is over: there is nothing to go on from."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _append(self, name: str, data: bytes) -> None:
        file = self._folder / name
        with file.open("r+b" if file.exists() else "xb") as output:
            output.truncate(
                self._sizes[name]
            )  # what a process wrote that ended before its state.json counts for nothing
            output.seek(self._sizes[name])
            output.write(data)
        self._sizes[name] += len(data)

    @staticmethod
    def is_in(report_folder: Path) -> bool:
        """Whether a report folder holds the progress of an unfinished run."""
        return (report_folder / FOLDER / STATE).is_file()

    @staticmethod
    def load(report_folder: Path) -> Saved:
        """The progress in a report folder.

        Raises:
            LoopError: there is none, or it was written by another version; says what to do.
        """
        folder = report_folder / FOLDER
        try:
            state = json.loads((folder / STATE).read_text(encoding="utf-8"))
            if state["format"] != FORMAT:
                raise LoopError(f"{folder} was written by another version of qtwin; start a new run")
            return _saved(folder, state)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise LoopError(
                f"{report_folder} holds no unfinished run (no {FOLDER}/{STATE}): it was finished, never got to its "
                "first shot, or is not a report folder"
            ) from error
        except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
            raise LoopError(f"the progress in {folder} cannot be read: {reason_of(error)}; start a new run") from error


def _saved(folder: Path, state: Mapping[str, Any]) -> Saved:
    sizes = state["sizes"]

    def content(name: str) -> bytes:
        return (folder / name).read_bytes()[: sizes[name]]

    def words(name: str) -> Words:
        return np.frombuffer(content(name), dtype="<u4").astype(np.uint32)

    lines = content(WRONG_SHOTS).decode().splitlines()
    return Saved(
        settings=_SETTINGS.validate_python(state["settings"]),
        job_id=state["job_id"],
        decoder_id=str(state["decoder_id"]),
        read_id=state["read_id"],
        session=state["session"],
        error_model=state["error_model"],
        repeats=int(state["repeats"]),
        reconnects=int(state["reconnects"]),
        num_shots=int(state["tally"]["counts"]["num_shots"]),
        tally=state["tally"],
        cycles=(words(LATENCIES), words(FRAME_LATENCIES)),
        round_trips=np.frombuffer(content(ROUND_TRIPS), dtype="<f8").tolist(),
        wrong_shots=[WrongShot(**{key: _tuple(value) for key, value in json.loads(line).items()}) for line in lines],
        adaptation=state["adaptation"],
        adaptation_rows=np.frombuffer(content(ADAPTATION), dtype=np.uint8),
        sizes=sizes,
    )


def _little_endian(array: NDArray[Any]) -> np.dtype[Any]:
    return array.dtype.newbyteorder("<")


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
