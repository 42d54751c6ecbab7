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
    try:
        with tempfile.TemporaryFile(dir=file.parent):  # permissions alone do not tell of /proc or a full disk
            pass
    except OSError as error:
        raise LoopError(
            f"cannot write the result to {file}: {error.strerror}; name a file in another folder"
        ) from error


def check_can_make(folder: Path) -> None:
    """Find out whether a folder can be made, or written where it is there. Raises LoopError."""
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists() or each.is_symlink())
    if not there.is_dir():
        raise LoopError(f"{'' if there == folder else f'{folder}: '}{there} is a file; name a folder")
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise LoopError(f"{folder}: cannot write in {there}: {error.strerror}; name another folder") from error


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
