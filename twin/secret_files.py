"""What one data directory keeps to itself: its rights, the lock, the gateway's key, the secret that signs tokens."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import structlog
from filelock import FileLock, Timeout
from pydantic import SecretStr

from twin.errors import ConflictError
from twin.settings import Settings

log = structlog.get_logger(__name__)

NUM_BYTES = 32
OWNER_ONLY = 0o700


def api_key_of(settings: Settings) -> str:
    """The key between gateway and twin: as given, else this data directory's own."""
    return _given_or_kept(settings.api_key, settings.data_dir / "api_key")


def token_secret_of(settings: Settings) -> str:
    """The secret that signs tokens: as given, else this data directory's own."""
    return _given_or_kept(settings.token_secret, settings.data_dir / "token_secret")


def lock_data(data_dir: Path) -> FileLock:
    """Hold the data directory; raises ConflictError when another process has it."""
    with _making(data_dir):
        _warn_of_open_folder(data_dir)
        lock = FileLock(data_dir / ".lock", thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            message = f"another process is using {data_dir}; stop it, or give another data directory"
            raise ConflictError(message) from error
    return lock


@contextlib.contextmanager
def _making(data_dir: Path) -> Iterator[None]:
    """Make the data directory for what follows; raises ConflictError where it cannot be made or written."""
    try:
        data_dir.mkdir(OWNER_ONLY, parents=True, exist_ok=True)
        yield
    except FileExistsError as error:
        raise ConflictError(f"{data_dir} is a file; give a directory for the data") from error
    except OSError as error:
        message = f"cannot keep data in {data_dir}: {error.strerror}; give another data directory"
        raise ConflictError(message) from error


def _warn_of_open_folder(folder: Path) -> None:
    """It may be one that others are meant to enter, such as a home: its owner decides. The files are closed anyway."""
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & ~OWNER_ONLY:
        remedy = f"chmod 700 {folder}"
        log.warning("others may enter the data folder", folder=str(folder), mode=f"{mode:04o}", remedy=remedy)


def _given_or_kept(given: SecretStr | None, path: Path) -> str:
    if given is not None:
        return given.get_secret_value()
    with _making(path.parent):
        if not path.exists():
            _write_once(path, secrets.token_hex(NUM_BYTES))
        kept = path.read_text().strip()
    if not kept:  # it would let in everybody
        raise ConflictError(f"{path} is empty; remove it, and a new one is made")
    return kept


def _write_once(path: Path, text: str) -> None:
    """Whole or not at all, also on a full disk; where another process was quicker, its file stays."""
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # for its owner alone
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        Path(draft).unlink()
