"""One served twin for all tests of the command line, and a way to run the command as a user does."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from qtwin.embedded import TwinAddress, embedded_twin

COMMAND_TIMEOUT_S = 240.0


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    code: int
    output: str
    errors: str
    result: dict[str, Any] | None

    @property
    def message(self) -> str:
        """Standard error on one line, as a person reads it."""
        return " ".join(self.errors.split())


@pytest.fixture(scope="session")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwinAddress]:
    with embedded_twin(tmp_path_factory.mktemp("twin")) as address:
        yield address


class Qtwin:
    """The command, pointed at one twin."""

    def __init__(self, address: TwinAddress, folder: Path) -> None:
        self.address = address
        self.folder = folder

    def environment(self, **changes: str) -> dict[str, str]:
        """Variables of the command."""
        own = {
            "QTWIN_URL": self.address.url,
            "QTWIN_EMAIL": self.address.email,
            "QTWIN_PASSWORD": self.address.password,
            "COLUMNS": "200",
        }
        return {**os.environ, **own, **changes}

    def loop(self, *arguments: str, **variables: str) -> Outcome:
        """Run `qtwin loop` to its end."""
        result_file = self.folder / "result.json"
        done = subprocess.run(
            [sys.executable, "-m", "qtwin", "loop", "--json", str(result_file), *arguments],
            cwd=self.folder,
            env=self.environment(**variables),
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
        result = json.loads(result_file.read_text()) if result_file.exists() else None
        return Outcome(done.returncode, done.stdout, done.stderr, result)


@pytest.fixture
def qtwin(twin: TwinAddress, tmp_path: Path) -> Qtwin:
    return Qtwin(twin, tmp_path)
