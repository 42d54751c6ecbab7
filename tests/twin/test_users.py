"""Accounts of a database for the command line: none are looked for where no twin has been."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.twin.conftest import settings_of
from twin.errors import ConflictError
from twin.secret_files import api_key_of
from twin.store.engine import open_engine
from twin.users import NoUsersError, open_users


def test_postgresql_without_tables_has_no_users_until_they_are_created(postgres_url: str, tmp_path: Path) -> None:
    engine = open_engine(postgres_url)
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE untouched")
    engine.dispose()
    url = make_url(postgres_url).set(database="untouched").render_as_string(hide_password=False)
    settings = settings_of(tmp_path / "data", database_url=url)
    with pytest.raises(NoUsersError, match=r"its users in postgresql\+psycopg://postgres@"), open_users(settings):
        pass
    with open_users(settings, create=True) as directory:
        directory.add("lab@qcraft.local", "long enough", "viewer")
    with open_users(settings) as directory:
        assert [user.email for user in directory.everyone()] == ["lab@qcraft.local"]
    assert not (tmp_path / "data").exists()


def test_key_that_was_left_empty_is_not_used(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    (tmp_path / "api_key").write_text("")
    with pytest.raises(ConflictError, match="api_key is empty; remove it"):
        api_key_of(settings)
    (tmp_path / "api_key").unlink()
    key = api_key_of(settings)
    assert len(key) == 64
    assert api_key_of(settings) == key
    assert [path.name for path in tmp_path.iterdir()] == ["api_key"]
    assert (tmp_path / "api_key").stat().st_mode & 0o777 == 0o600
