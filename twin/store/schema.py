"""The tables. Times are seconds since 1970 (UTC); migrations/ brings a database here, a test compares them."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Double,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

users = Table(
    "users",
    metadata,
    Column("user_id", String(40), primary_key=True),
    Column("email", String(254), nullable=False, unique=True),
    Column("password_hash", Text, nullable=False),
    Column("role", String(16), nullable=False),
    Column("disabled", Boolean, nullable=False, default=False),
    Column("created_at", Double, nullable=False),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("token_id", String(64), primary_key=True),
    Column("family_id", String(64), nullable=False, index=True),
    Column("user_id", String(40), ForeignKey("users.user_id"), nullable=False, index=True),
    Column("expires_at", Double, nullable=False),
    Column("used_at", Double),
    Column("revoked_at", Double),
)

jobs = Table(
    "jobs",
    metadata,
    Column("job_id", String(40), primary_key=True),
    Column("backend_id", String(64), nullable=False),
    Column("owner", String(64), nullable=False),
    Column("user_id", String(254), nullable=False),
    Column("status", String(16), nullable=False),
    Column("shots", Integer, nullable=False),
    Column("num_circuits", Integer, nullable=False),
    Column("request", LargeBinary, nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("idempotency_key", String(200)),
    Column("request_hash", String(64), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("started_at", Double),
    Column("ended_at", Double),
    Column("attempts", Integer, nullable=False, default=0),
    Column("error", Text),
    Column("result", LargeBinary),
    UniqueConstraint("user_id", "idempotency_key", name="uq_jobs_idempotency"),
    Index("ix_jobs_status", "status", "owner"),
    Index("ix_jobs_backend", "backend_id", "created_at"),
    Index("ix_jobs_user", "user_id", "created_at", "job_id"),
    Index("ix_jobs_created", "created_at", "job_id"),
)

events = Table(
    "events",
    metadata,
    Column("event_id", Integer, primary_key=True, autoincrement=True),
    Column("timestamp", Double, nullable=False),
    Column("backend_id", String(64)),
    Column("type", String(64), nullable=False),
    Column("job_id", String(40), index=True),
    Column("session_id", String(64)),
    Column("payload", JSON, nullable=False),
    Index("ix_events_backend", "backend_id", "event_id"),
    Index("ix_events_timestamp", "timestamp"),
    sqlite_autoincrement=True,
)

qec_points = Table(
    "qec_points",
    metadata,
    Column("point_id", Integer, primary_key=True, autoincrement=True),
    Column("timestamp", Double, nullable=False),
    Column("backend_id", String(64), nullable=False),
    Column("job_id", String(40), index=True),
    Column("metric_source", String(16), nullable=False),
    Column("logical_error_rate", Float(53)),
    Column("physical_error_rate", Float(53)),
    Column("body", JSON, nullable=False),
    Index("ix_qec_points_backend", "backend_id", "point_id"),
    sqlite_autoincrement=True,
)

controller_states = Table(
    "controller_states",
    metadata,
    Column("backend_id", String(64), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("body", JSON, nullable=False),
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("snapshot_id", String(80), primary_key=True),
    Column("backend_id", String(64), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("body", JSON, nullable=False),
    Column("used_at", Double, nullable=False, server_default="0"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("session_id", String(64), primary_key=True),
    Column("backend_id", String(64), nullable=False),
    Column("owner", String(64), nullable=False),
    Column("user_id", String(254), nullable=False),
    Column("job_id", String(40)),
    Column("status", String(16), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("spec", JSON, nullable=False),
    Column("summary", JSON),
    Index("ix_sessions_status", "status"),
    Index("ix_sessions_user", "user_id", "status"),
)

session_journal = Table(
    "session_journal",
    metadata,
    Column("session_id", String(64), primary_key=True),
    Column("entry_index", Integer, primary_key=True),
    Column("entry", LargeBinary, nullable=False),
)

pulse_schedules = Table(
    "pulse_schedules",
    metadata,
    Column("schedule_id", String(40), primary_key=True),
    Column("next_round", Integer, nullable=False, server_default="0"),
    Column("backend_id", String(64), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("body", JSON, nullable=False),
)

config_versions = Table(
    "config_versions",
    metadata,
    Column("version_id", Integer, primary_key=True, autoincrement=True),
    Column("path", String(255), nullable=False, index=True),
    Column("version", String(64), nullable=False),
    Column("content", Text, nullable=False),
    Column("saved_at", Double, nullable=False),
    Column("saved_by", String(254), nullable=False),
    sqlite_autoincrement=True,
)

probes = Table(
    "probes",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("probed_at", Double, nullable=False),
)

replicas = Table(
    "replicas",
    metadata,
    Column("replica", String(64), primary_key=True),
    Column("heartbeat_at", Double, nullable=False),
)
