"""What one data directory keeps to itself: the lock, the gateway's key, the secret that signs tokens."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import SecretStr

from twin.errors import ConflictError
from twin.settings import Settings

NUM_BYTES = 32


def api_key_of(settings: Settings) -> str:
    """The key between gateway and twin: as given, else this data directory's own."""
    return _given_or_kept(settings.api_key, settings.data_dir / "api_key")


def token_secret_of(settings: Settings) -> str:
    """The secret that signs tokens: as given, else this data directory's own."""
    return _given_or_kept(settings.token_secret, settings.data_dir / "token_secret")


def lock_data(data_dir: Path) -> FileLock:
    """Hold the data directory; raises ConflictError when another process has it."""
    data_dir.mkdir(parents=True, exist_ok=True)
    lock = FileLock(data_dir / ".lock", thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise ConflictError(f"another process is using {data_dir}; stop it, or give another data directory") from error
    return lock


def _given_or_kept(given: SecretStr | None, path: Path) -> str:
    if given is not None:
        return given.get_secret_value()
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_hex(NUM_BYTES))
    return path.read_text().strip()
