"""Writes files that appear whole or not at all."""

import os
import tempfile
from pathlib import Path

from bridge.errors import LoopError


def check_can_write(file: Path) -> None:
    """Find out before hours of work whether their result can be kept. Raises LoopError."""
    if file.is_dir():
        raise LoopError(f"cannot write the result to {file}: it is a folder; name a file in it")
    if not file.parent.is_dir():  # a folder that is made for a slip of the pen is one to search for later
        raise LoopError(f"cannot write the result to {file}: there is no folder {file.parent}; make it first")
    if not os.access(file.parent, os.W_OK):
        raise LoopError(f"cannot write the result to {file}: no permission for the folder")


def reason_of(error: Exception) -> str:
    """Without the number that an OSError's text begins with, and the file that the message around it names."""
    return (isinstance(error, OSError) and error.strerror) or str(error)


def write_whole(file: Path, content: bytes) -> None:
    """Write a file beside its place, then put it there with one rename; makes the folder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")
    try:
        with os.fdopen(handle, "wb") as output:
            output.write(content)
        Path(name).chmod(0o644)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
