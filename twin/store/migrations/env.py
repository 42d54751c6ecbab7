"""Alembic's entry: runs on the connection that the caller opened (`twin.store.engine.migrate`)."""

from alembic import context
from sqlalchemy import create_engine

from twin.store.schema import metadata

connection = context.config.attributes.get("connection")
if connection is None:  # `alembic revision --autogenerate -x url=...` by a developer
    connection = create_engine(context.get_x_argument(as_dictionary=True)["url"]).connect()
context.configure(connection=connection, target_metadata=metadata, compare_type=True, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
