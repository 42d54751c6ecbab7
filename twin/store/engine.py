"""Opens a database by URL, with SQLite in WAL mode, and brings its tables to this version."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import URL, Engine, create_engine, event, inspect, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError

from twin.errors import InvalidError, TwinError

BUSY_TIMEOUT_MS = 10_000
CONNECT_TIMEOUT_S = 5
UNANSWERED_LIMIT_MS = 10_000
REVISION_TABLE = "alembic_version"
EXPECTED = "expected sqlite:///FILE or postgresql://..."
OWNER_ONLY = 0o600
MIGRATION_LOCK = 0x71647331  # an arbitrary number that every replica shares: "qds1"


def open_engine(url: str) -> Engine:
    """An engine for `url`; raises InvalidError for one that SQLAlchemy cannot use."""
    parsed = _parsed(url)
    try:
        engine = create_engine(
            parsed,
            json_serializer=lambda value: orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY).decode(),
            json_deserializer=orjson.loads,
            pool_pre_ping=parsed.get_backend_name() != "sqlite",
            connect_args=_connect_args(parsed),
        )
    except (ArgumentError, NoSuchModuleError) as error:
        raise InvalidError(f"database_url {parsed!r}: {error}; {EXPECTED}") from error
    except ImportError as error:
        raise InvalidError(f"database_url {parsed!r} needs a driver: pip install 'qtwin[postgres]'") from error
    if engine.dialect.name == "sqlite":
        if is_file(parsed):
            _close_to_others(Path(parsed.database or ""))
        event.listen(engine, "connect", _configure_sqlite)
    return engine


def is_file(url: URL) -> bool:
    """Whether this is SQLite in a file, and not in memory or behind a URI of SQLite's own."""
    name = url.database or ""
    return url.get_backend_name() == "sqlite" and name not in {"", ":memory:"} and not name.startswith("file:")


def folder_of(url: str) -> Path | None:
    """Where a database in a file is; None for one on a server, whose disk is its own affair."""
    parsed = _parsed(url)
    return Path(parsed.database or "").parent if is_file(parsed) else None


def _close_to_others(file: Path) -> None:
    """For its owner alone, whatever the umask: it has password hashes. SQLite gives -wal and -shm the file's rights."""
    try:
        if not file.exists():
            file.parent.mkdir(0o700, parents=True, exist_ok=True)
            file.touch(OWNER_ONLY)
        for each in (file, file.with_name(f"{file.name}-wal"), file.with_name(f"{file.name}-shm")):
            if each.exists() and each.stat().st_uid == os.geteuid() and each.stat().st_mode & 0o077:
                each.chmod(OWNER_ONLY)
    except OSError as error:
        raise TwinError(f"cannot keep the database in {file}: {error.strerror}") from error


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise InvalidError(f"database_url is not a URL; {EXPECTED}") from error
    if parsed.drivername in {"postgresql", "postgres"}:
        return parsed.set(drivername="postgresql+psycopg")
    return parsed


def _connect_args(url: URL) -> dict[str, Any]:
    """A PostgreSQL host that does not answer at all is away after these times (libpq's names); the URL's own win."""
    if url.drivername != "postgresql+psycopg":
        return {}
    limits = {"connect_timeout": CONNECT_TIMEOUT_S, "tcp_user_timeout": UNANSWERED_LIMIT_MS}
    return {name: value for name, value in limits.items() if name not in url.query}


def without_password(url: str) -> str:
    """To be shown. Raises InvalidError for what is no URL."""
    return repr(_parsed(url))


def migrate(engine: Engine) -> None:
    """Bring the tables to the newest revision; replicas that start together wait for each other."""
    with _opening(engine), engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:  # a revision that this version does not have
            message = f"the database {engine.url!r} is of another version of qtwin ({error}); use that one, or a backup"
            raise TwinError(message) from error


def has_tables(url: str) -> bool:
    """Whether a twin has kept anything at `url`; makes nothing there."""
    parsed = _parsed(url)
    if is_file(parsed):
        file = Path(parsed.database or "")
        if not file.is_file() or file.stat().st_size == 0:
            return False
    engine = open_engine(url)
    try:
        with _opening(engine):
            return inspect(engine).has_table(REVISION_TABLE)
    finally:
        engine.dispose()


@contextlib.contextmanager
def _opening(engine: Engine) -> Iterator[None]:
    try:
        yield
    except DatabaseError as error:  # no server, no right, or a file that is something else
        raise TwinError(f"cannot open the database {engine.url!r}: {error.orig}") from error


def _configure_sqlite(connection: Any, _record: object) -> None:
    """WAL with NORMAL: a commit survives the death of the process without an fsync each time."""
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()
