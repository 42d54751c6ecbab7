"""What lies in a twin's database, read past the twin."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import Any

from sqlalchemy import create_engine, text


class Stored:
    """The events and snapshots of one moment."""

    def __init__(self, database_url: str) -> None:
        engine = create_engine(database_url.replace("postgresql://", "postgresql+psycopg://"))
        self._of_job: defaultdict[str, list[tuple[str, int | None]]] = defaultdict(list)
        self._session_ends: Counter[str] = Counter()
        self._t1_us: dict[str, float] = {}
        with engine.connect() as connection:
            query = "SELECT type, job_id, session_id, payload FROM events ORDER BY event_id"
            for type_, job_id, session_id, payload in connection.execute(text(query)):
                if type_ == "session.ended":
                    self._session_ends[session_id] += 1
                elif job_id is not None and type_ != "job.metadata" and type_.startswith("job."):
                    self._of_job[job_id].append((type_, _parsed(payload).get("attempt")))
            for snapshot_id, body in connection.execute(text("SELECT snapshot_id, body FROM snapshots")):
                self._t1_us[snapshot_id] = float(_parsed(body)["qubits"][0]["t1_us"])
        engine.dispose()

    def job_events(self, job_id: str) -> list[tuple[str, int | None]]:
        """(type, attempt) of a job's changes of state, in order."""
        return self._of_job[job_id]

    def num_session_ends(self, session_id: str) -> int:
        return self._session_ends[session_id]

    def t1_us(self, snapshot_id: str) -> float | None:
        """T1 of qubit 0 in a snapshot; None for one that is not stored."""
        return self._t1_us.get(snapshot_id)


def _parsed(value: Any) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(value) if isinstance(value, str) else value
    return parsed
