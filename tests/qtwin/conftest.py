"""One served twin for all tests of the command line, and a way to run the command as a user does."""

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from qtwin.cli import app
from qtwin.embedded import TwinAddress, embedded_twin


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
        """Run `qtwin loop` to its end, in this process: importing everything anew takes longer than most runs."""
        result_file = self.folder / "result.json"
        with contextlib.chdir(self.folder):
            done = CliRunner().invoke(
                app, ["loop", "--json", str(result_file), *arguments], env=self.environment(**variables)
            )
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        result = json.loads(result_file.read_text()) if result_file.exists() else None
        return Outcome(done.exit_code, done.stdout, done.stderr, result)


@pytest.fixture
def qtwin(twin: TwinAddress, tmp_path: Path) -> Qtwin:
    return Qtwin(twin, tmp_path)
