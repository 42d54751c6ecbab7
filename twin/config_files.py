"""The YAML files of the configuration: read, checked, written atomically, and their last versions kept."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from twin import clock
from twin.device.catalog import DeviceCatalog
from twin.errors import (
    ConflictError,
    NotFoundError,
    ReadOnlyError,
    TooLargeError,
    TwinError,
    UnavailableError,
)
from twin.patience import uninterrupted
from twin.settings import Settings, default_config_dir
from twin.store import config_versions, events
from twin.store.config_versions import ConfigVersion
from twin.store.database import Connection, Database
from twin.store.events import Event
from twin.telemetry.event_log import EventLog

log = structlog.get_logger(__name__)

MAX_FILE_BYTES = 2**20
MAX_DEPTH = 3
KEPT_VERSIONS = 10
NUM_CHECKED_AT_ONCE = 2
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
SUFFIXES = (".yaml", ".yml")
TOP_FILE = "backends.yaml"
FOLDERS = ("devices", "noise", "scheduler", "scenarios")


@dataclass(frozen=True, slots=True)
class ConfigFile:
    path: str
    size_bytes: int
    modified_at: float


class ConfigFiles:
    """The configuration directory. The shipped one is never written: the first change copies it to the data.

    Over a shared database every replica has a directory of its own; what was written through any of them, the last
    writer's, ends up in all.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        event_log: EventLog,
        on_change: Callable[[DeviceCatalog], None],
    ) -> None:
        self._shipped = settings.config_dir is None
        self._copy = settings.data_dir / "config"
        self._given = settings.config_dir
        self._read_only = settings.config_read_only
        self._database = database
        self._event_log = event_log
        self._on_change = on_change
        self._lock = asyncio.Lock()
        self._checking = asyncio.Semaphore(NUM_CHECKED_AT_ONCE)
        self._followed: dict[str, int] = {}

    @property
    def directory(self) -> Path:
        """Where the files are now."""
        if self._given is not None:
            return self._given
        return self._copy if self._copy.is_dir() else default_config_dir()

    @property
    def writable(self) -> bool:
        if self._read_only:
            return False
        target = self.directory if not self._shipped else self._copy.parent
        return os.access(target, os.W_OK)

    def catalog(self) -> DeviceCatalog:
        return DeviceCatalog.load(self.directory)

    def files(self) -> list[ConfigFile]:
        """Every YAML file, by path."""
        found = []
        root = self.directory
        for path in sorted(root.rglob("*")):
            relative = path.relative_to(root).as_posix()
            if path.suffix in SUFFIXES and _has_safe_name(relative) and _is_inside(root, path):
                status = path.stat()
                found.append(ConfigFile(relative, status.st_size, status.st_mtime))
        return found

    def read(self, path: str) -> tuple[str, str]:
        """(content, version). Raises NotFoundError, also for anything outside the directory."""
        file = self._locate(path)
        try:
            content = file.read_text(encoding="utf-8")
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise NotFoundError(f"there is no config file {path!r}") from error
        except PermissionError as error:
            raise ConflictError(f"config file {path!r} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise ConflictError(f"config file {path!r} is not UTF-8 text: {error}") from error
        return content, version_of(content)

    async def write(self, path: str, content: str, *, user: str, expected_version: str | None = None) -> str:
        """Check, keep the old version, replace the file in one step, and put it in force. Returns the new version.

        Raises ReadOnlyError, InvalidError (nothing has changed then), NotFoundError for a path that is not allowed,
        ConflictError when `expected_version` is given and is not the current one, UnavailableError for a folder that
        cannot be written or a store that is away (nothing has changed then either).
        """
        if not self.writable:
            raise ReadOnlyError("the configuration is read-only here; run the twin locally to edit files")
        return await uninterrupted(self._write(path, content, user, expected_version))

    async def _write(self, path: str, content: str, user: str, expected_version: str | None) -> str:
        self._locate(path)  # before anything else: a bad path is the first thing to tell
        if not _is_known(path):
            known = ", ".join(f"{folder}/" for folder in FOLDERS)
            raise NotFoundError(f"{path!r} is no file that the twin reads; it reads {TOP_FILE} and {known}")
        async with self._checking:  # a bad file holds nobody up but those who come with others to check
            await asyncio.to_thread(self._check, path, content)
        async with self._lock:
            await self._follow()
            catalog = await asyncio.to_thread(self._check, path, content)
            old = self._current(path)
            if expected_version is not None and (old is None or version_of(old) != expected_version):
                raise ConflictError(f"{path} has changed since version {expected_version}; read it again")
            version = version_of(content)
            try:
                await asyncio.to_thread(self._replace, path, content)
            except OSError as error:
                raise UnavailableError(f"{path} cannot be written: {error.strerror}; nothing has changed") from error
            save = partial(self._save, path=path, old=old, content=content, user=user)
            try:
                await self._database.write(save)
            except Exception:
                await asyncio.to_thread(self._put_back, path, old)
                raise
            self._on_change(catalog)
            self._event_log.notify()
            return version

    async def follow(self) -> None:
        """Take over what other replicas have written since the last call. Nothing to do without a shared database."""
        async with self._lock:
            await self._follow()

    async def _follow(self) -> None:
        if not self._database.is_shared or not self.writable:
            return
        newest = await self._database.read(config_versions.newest_ids)
        texts: dict[str, str] = {}
        for path, version_id in newest.items():
            if self._followed.get(path) != version_id:
                content = await self._database.read(partial(config_versions.content, version_id=version_id))
                if content is not None and content != self._current(path):
                    texts[path] = content
        self._followed = newest
        if texts:
            try:
                await asyncio.to_thread(self._take, texts)
            except (TwinError, OSError) as error:  # files of its own that do not fit, or a full disk
                log.error("cannot follow the configuration of other replicas", files=sorted(texts), error=str(error))
                return
            self._on_change(self.catalog())

    def _take(self, texts: Mapping[str, str]) -> None:
        DeviceCatalog.load(self.directory, texts)
        for path, content in texts.items():
            self._replace(path, content)

    async def versions(self, path: str) -> list[ConfigVersion]:
        """The last versions of a file, newest first."""
        self._locate(path)
        read = partial(config_versions.newest, path=path, limit=KEPT_VERSIONS)
        return await self._database.read(read)

    async def restore(self, path: str, version: str, *, user: str) -> str:
        """Write an old version again. Raises NotFoundError for one that is not kept."""
        kept = {each.version: each for each in await self.versions(path)}
        if version not in kept:
            raise NotFoundError(f"{path} has no kept version {version!r}; kept: {', '.join(kept) or 'none'}")
        return await self.write(path, kept[version].content, user=user)

    def _current(self, path: str) -> str | None:
        try:
            return self.read(path)[0]
        except NotFoundError:
            return None

    def _check(self, path: str, content: str) -> DeviceCatalog:
        """The catalog with the changed file in it."""
        if len(content.encode()) > MAX_FILE_BYTES:
            raise TooLargeError(f"{path}: over the limit of {MAX_FILE_BYTES} bytes")
        return DeviceCatalog.load(self.directory, {path: content})

    def _replace(self, path: str, content: str) -> None:
        if self._shipped and not self._copy.is_dir():
            draft = Path(tempfile.mkdtemp(dir=self._copy.parent, prefix=".config-"))
            shutil.copytree(default_config_dir(), draft, dirs_exist_ok=True)
            draft.replace(self._copy)
        file = self._locate(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, draft_name = tempfile.mkstemp(dir=file.parent, prefix=".draft-")
        draft = Path(draft_name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            draft.chmod(0o644)
            draft.replace(file)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise

    def _put_back(self, path: str, old: str | None) -> None:
        """Undo `_replace`: what was not stored is not to be in force after the next start either."""
        try:
            if old is None:
                self._locate(path).unlink(missing_ok=True)
            else:
                self._replace(path, old)
        except OSError as error:
            log.error("a file whose change was refused could not be put back", path=path, error=str(error))

    def _save(self, connection: Connection, path: str, old: str | None, content: str, user: str) -> None:
        now = clock.now()
        known = {each.version for each in config_versions.newest(connection, path=path, limit=KEPT_VERSIONS)}
        if old is not None and version_of(old) not in known:
            first = ConfigVersion(path, version_of(old), old, now, "before the first change")
            config_versions.add(connection, first, kept=KEPT_VERSIONS)
        config_versions.add(
            connection, ConfigVersion(path, version_of(content), content, now, user), kept=KEPT_VERSIONS
        )
        payload = {"path": path, "version": version_of(content), "user": user}
        events.append(connection, [Event(now, "config.updated", payload=payload)])

    def _locate(self, path: str) -> Path:
        """The file that a relative path names. Raises NotFoundError for a path that leaves the directory."""
        root = self.directory
        file = root / path if _has_safe_name(path) else None
        if file is None or file.suffix not in SUFFIXES or not _is_inside(root, file):
            raise NotFoundError(f"there is no config file {path!r}; paths look like noise/ibm_jakarta_like.yaml")
        return file


def version_of(content: str) -> str:
    """A file's version is a hash of its content."""
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _is_known(path: str) -> bool:
    """What the catalog reads, and so checks."""
    folder, _, name = path.partition("/")
    return path == TOP_FILE or (folder in FOLDERS and bool(name) and "/" not in name)


def _has_safe_name(path: str) -> bool:
    names = path.split("/")
    return len(names) <= MAX_DEPTH and all(NAME.fullmatch(name) for name in names)


def _is_inside(root: Path, path: Path) -> bool:
    """No component is a link to somewhere else."""
    resolved_root = root.resolve()
    return path.resolve() == resolved_root / path.relative_to(root)
