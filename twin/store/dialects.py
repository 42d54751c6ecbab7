"""What SQLite and PostgreSQL have alike, and SQLAlchemy has once for each."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite


def insert_for(connection: Connection, table: Any) -> Any:
    """An `INSERT` that may have `ON CONFLICT`."""
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)
