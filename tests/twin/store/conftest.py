"""The store on SQLite, and on PostgreSQL where a server's binaries are found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from twin.store.database import Database
from twin.store.schema import metadata


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database, migrated to the newest revision."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    else:
        url = request.getfixturevalue("postgres_url")
    opened = Database.open(url)
    yield opened
    if request.param == "postgresql":
        with opened.engine.begin() as connection:
            metadata.drop_all(connection)
            connection.exec_driver_sql("DROP TABLE alembic_version")
    opened.close()
