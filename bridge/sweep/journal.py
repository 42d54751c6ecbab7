"""The journal of a sweep: one line a batch, each with its checksum, so that a run can be killed at any moment."""

import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bridge.errors import LoopError
from bridge.sweep.batch import BatchResult

FORMAT = "qtwin sweep journal 1"
CHECKSUM_DIGITS = 8


class Journal:
    """Batches in the order in which they were counted. A line that was not written whole never counts.

    A line is the CRC-32 of the rest in hexadecimal, a space, and JSON; the first line is the format's name.
    """

    def __init__(self, file: Path) -> None:
        """Read what is there; raises LoopError for a damaged line that is not the last one."""
        self._file = file
        self.batches: list[BatchResult] = []
        whole_bytes = self._read() if file.exists() else 0
        self._output = file.open("ab")
        self._output.truncate(whole_bytes)
        if whole_bytes == 0:
            self._write({"format": FORMAT})

    def append(self, batch: BatchResult) -> None:
        """Write a batch; it counts from now on, whatever happens to this process."""
        self._write(asdict(batch))
        self.batches.append(batch)

    def close(self) -> None:
        """Bring everything to the disk."""
        self._output.flush()
        os.fsync(self._output.fileno())
        self._output.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, content: Mapping[str, Any]) -> None:
        self._output.write(_line(content))
        self._output.flush()

    def _read(self) -> int:
        """Bytes of the whole lines; their batches are taken."""
        batches, whole_bytes = read_journal(self._file)
        self.batches = batches
        return whole_bytes


def read_journal(file: Path) -> tuple[list[BatchResult], int]:
    """Batches of a journal, and the length of its whole lines in bytes.

    Raises:
        LoopError: it cannot be read, is no journal, is damaged before its last line, or is another version's.
    """
    try:
        lines = file.read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise LoopError(f"cannot read {file}: {error.strerror}") from error
    batches: list[BatchResult] = []
    whole_bytes = 0
    for number, line in enumerate(lines, start=1):
        content = _content(line)
        if content is None and number == len(lines):
            break  # the process was stopped while it wrote this one
        if content is None or (number == 1) != ("format" in content):
            raise LoopError(f"{file}, line {number}: not a line of a sweep's journal; restore it, or start a new run")
        whole_bytes += len(line)
        try:
            if number > 1:
                batches.append(_batch(content))
            elif content["format"] != FORMAT:
                raise ValueError(f"it is a {content['format']!r}, not a {FORMAT!r}")
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise LoopError(
                f"{file}, line {number}, was written by another version of qtwin ({error}); "
                "read it with that version, or start a new run"
            ) from error
    return batches, whole_bytes


def _line(content: Mapping[str, Any]) -> bytes:
    text = json.dumps(content, separators=(",", ":")).encode()
    return f"{zlib.crc32(text):0{CHECKSUM_DIGITS}x} ".encode() + text + b"\n"


def _content(line: bytes) -> dict[str, Any] | None:
    """None for a line that is not whole."""
    checksum, text = line[:CHECKSUM_DIGITS], line[CHECKSUM_DIGITS + 1 :].rstrip(b"\n")
    if not line.endswith(b"\n") or checksum != f"{zlib.crc32(text):0{CHECKSUM_DIGITS}x}".encode():
        return None
    content: dict[str, Any] = json.loads(text)
    return content


def _batch(content: dict[str, Any]) -> BatchResult:
    cycles = {
        part: {int(value): int(count) for value, count in found.items()} for part, found in content["cycles"].items()
    }
    return BatchResult(
        **{**content, "cycles": cycles, "failing": tuple(content["failing"]), "archive": tuple(content["archive"])}
    )
