"""Statements on the kept versions of configuration files."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, select

from twin.store.schema import config_versions


@dataclass(frozen=True, slots=True)
class ConfigVersion:
    path: str
    version: str
    content: str
    saved_at: float
    saved_by: str


def add(connection: Connection, new: ConfigVersion, *, kept: int) -> None:
    """Keep a version, and forget all but the newest `kept` of its file."""
    columns = config_versions.c
    connection.execute(
        insert(config_versions).values(
            path=new.path,
            version=new.version,
            content=new.content,
            saved_at=new.saved_at,
            saved_by=new.saved_by,
        )
    )
    newest = (
        select(columns.version_id)
        .where(columns.path == new.path)
        .order_by(columns.version_id.desc())
        .limit(kept)
        .scalar_subquery()
    )
    connection.execute(delete(config_versions).where(columns.path == new.path, columns.version_id.not_in(newest)))


def newest_ids(connection: Connection) -> dict[str, int]:
    """Of every file that was ever written, the number of its newest version."""
    columns = config_versions.c
    rows = connection.execute(select(columns.path, func.max(columns.version_id)).group_by(columns.path))
    return {row[0]: row[1] for row in rows}


def content(connection: Connection, version_id: int) -> str | None:
    """What a version holds; None when it was forgotten meanwhile."""
    found: str | None = connection.scalar(
        select(config_versions.c.content).where(config_versions.c.version_id == version_id)
    )
    return found


def newest(connection: Connection, path: str, limit: int) -> list[ConfigVersion]:
    """Newest first."""
    columns = config_versions.c
    statement = (
        select(columns.path, columns.version, columns.content, columns.saved_at, columns.saved_by)
        .where(columns.path == path)
        .order_by(columns.version_id.desc())
        .limit(limit)
    )
    return [ConfigVersion(*row) for row in connection.execute(statement)]
