"""The order in which a backend's jobs run: users take turns, and each user's jobs are first come, first served."""

from __future__ import annotations

from collections import OrderedDict, deque


class FairOrder:
    """Waiting jobs of one backend. Of n users with jobs waiting, each gets every n-th turn."""

    def __init__(self) -> None:
        self._lines: OrderedDict[str, deque[str]] = OrderedDict()
        self._users: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._users)

    def add(self, user_id: str, job_id: str) -> None:
        self._lines.setdefault(user_id, deque()).append(job_id)
        self._users[job_id] = user_id

    def peek(self) -> str | None:
        """The job whose turn it is."""
        return next(iter(self._lines.values()))[0] if self._lines else None

    def pop(self) -> str | None:
        """Take the job whose turn it is, and let the next user have the next turn."""
        if not self._lines:
            return None
        user_id, line = next(iter(self._lines.items()))
        job_id = line.popleft()
        del self._users[job_id]
        if line:
            self._lines.move_to_end(user_id)
        else:
            del self._lines[user_id]
        return job_id

    def remove(self, job_id: str) -> bool:
        """Take out a job that will not run; False when it is not waiting."""
        user_id = self._users.pop(job_id, None)
        if user_id is None:
            return False
        line = self._lines[user_id]
        line.remove(job_id)
        if not line:
            del self._lines[user_id]
        return True

    def position(self, job_id: str) -> int | None:
        """1 for the job whose turn it is; None for one that is not waiting."""
        user_id = self._users.get(job_id)
        if user_id is None:
            return None
        index = self._lines[user_id].index(job_id)
        ahead, before_own = 0, True
        for other, line in self._lines.items():
            if other == user_id:
                before_own = False
                ahead += index
            else:
                ahead += min(len(line), index + before_own)
        return ahead + 1
