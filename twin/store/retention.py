"""Statements of retention: what is old, what of it something that is open still names, and its deletion.

What is to go is read first, by its keys; a delete takes keys and asks again whether they are old. So a write is as
short as its keys are few, however large the tables are.

A snapshot is named by documents (results, journals, points), which are not searched each time: whoever uses one says
so at least every hour (`used_at`). One that was not used since a day before the cutoff is named only by what began
before, and of that only what is still kept is looked into.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Select, and_, delete, func, not_, or_, select

from twin.store.jobs import OPEN_STATES
from twin.store.schema import (
    config_versions,
    events,
    jobs,
    probes,
    pulse_schedules,
    qec_points,
    refresh_tokens,
    replicas,
    session_journal,
    sessions,
    snapshots,
)

SNAPSHOT_MARGIN_S = 86400.0
"""Longer than a job runs and than a snapshot's use goes untold, both together."""
_NAMED = re.compile(rb'"snapshot_id":\s*"([^"\\]+)"')


@dataclass(frozen=True, slots=True)
class Kind:
    """Rows of one table: its key, what of them is to go, and the order in which they are found soonest."""

    name: str
    key: Column[Any]
    is_old: ColumnElement[bool]
    order: Column[Any]


def kinds(cutoff: float, now: float) -> list[Kind]:
    """What goes that ended before `cutoff`, in the order in which it has to go."""
    live = select(sessions.c.session_id).where(sessions.c.status == "active")
    owners = (
        select(jobs.c.owner)
        .where(jobs.c.status.in_(OPEN_STATES))
        .union(select(sessions.c.owner).where(sessions.c.status == "active"))
    )
    newest_event = select(func.max(events.c.event_id)).scalar_subquery()
    newest_versions = select(func.max(config_versions.c.version_id)).group_by(config_versions.c.path)
    return [
        Kind("sessions", sessions.c.session_id, _before(sessions.c.ended_at, cutoff), sessions.c.session_id),
        Kind(
            "events",
            events.c.event_id,
            and_(
                events.c.timestamp < cutoff,
                events.c.event_id < newest_event,  # cursors are counted from it
                _is_of_no_open_job(events.c.job_id),
                or_(events.c.session_id.is_(None), events.c.session_id.not_in(live)),
            ),
            events.c.timestamp,
        ),
        Kind("QEC points", qec_points.c.point_id, _is_old_point(cutoff), qec_points.c.point_id),
        Kind("jobs", jobs.c.job_id, _is_old_job(cutoff), jobs.c.created_at),
        Kind(
            "pulse schedules",
            pulse_schedules.c.schedule_id,
            pulse_schedules.c.created_at < cutoff,
            pulse_schedules.c.schedule_id,
        ),
        Kind(
            "configuration versions",
            config_versions.c.version_id,
            and_(config_versions.c.saved_at < cutoff, config_versions.c.version_id.not_in(newest_versions)),
            config_versions.c.version_id,
        ),
        Kind("expired tokens", refresh_tokens.c.token_id, refresh_tokens.c.expires_at < now, refresh_tokens.c.token_id),
        Kind(
            "replicas",
            replicas.c.replica,
            and_(replicas.c.heartbeat_at < cutoff, replicas.c.replica.not_in(owners)),
            replicas.c.replica,
        ),
        Kind("probes", probes.c.name, probes.c.probed_at < cutoff, probes.c.name),
    ]


def old_keys(connection: Connection, kind: Kind, limit: int) -> list[Any]:
    statement = select(kind.key).where(kind.is_old).order_by(kind.order).limit(limit)
    return list(connection.execute(statement).scalars())


def num_old(connection: Connection, kind: Kind) -> int:
    return int(connection.execute(select(func.count()).select_from(kind.key.table).where(kind.is_old)).scalar_one())


def delete_old(connection: Connection, kind: Kind, keys: Sequence[Any]) -> int:
    return connection.execute(delete(kind.key.table).where(kind.key.in_(keys), kind.is_old)).rowcount


# -- journals: a session's end drops its own; here is what was left


def ended_with_journal(connection: Connection) -> list[str]:
    """Sessions that do not live and have a journal."""
    live = select(sessions.c.session_id).where(sessions.c.status == "active")
    statement = select(session_journal.c.session_id).where(session_journal.c.session_id.not_in(live)).distinct()
    return list(connection.execute(statement).scalars())


def num_entries(connection: Connection, session_ids: Sequence[str]) -> int:
    statement = select(func.count()).where(session_journal.c.session_id.in_(session_ids))
    return int(connection.execute(statement).scalar_one())


# -- snapshots


def unnamed_snapshots(connection: Connection, cutoff: float) -> tuple[list[str], float]:
    """Snapshots that nothing names which is kept when all that ended before `cutoff` goes; and until when unused.

    A job that runs says what it ran under when it ends: nothing is old that was used since the first of them began.
    """
    running = select(func.min(jobs.c.started_at)).where(jobs.c.status.in_(OPEN_STATES))
    began = connection.execute(running).scalar()
    unused_since = min(cutoff, cutoff if began is None else began) - SNAPSHOT_MARGIN_S
    candidates = set(connection.execute(select(snapshots.c.snapshot_id).where(_is_unused(unused_since))).scalars())
    if candidates:
        for document in _kept_documents(connection, cutoff):
            candidates.difference_update(name.decode() for name in _NAMED.findall(document))
    return sorted(candidates), unused_since


def delete_snapshots(connection: Connection, ids: Sequence[str], unused_since: float) -> int:
    statement = delete(snapshots).where(snapshots.c.snapshot_id.in_(ids), _is_unused(unused_since))
    return connection.execute(statement).rowcount


def _kept_documents(connection: Connection, cutoff: float) -> Iterator[bytes]:
    """What may name a snapshot that was not used since: it began before the cutoff, and is kept."""
    journals = (
        select(session_journal.c.entry)
        .join(sessions, sessions.c.session_id == session_journal.c.session_id)
        .where(sessions.c.status == "active", sessions.c.created_at < cutoff)
    )
    results = select(jobs.c.result).where(
        jobs.c.created_at < cutoff, jobs.c.result.is_not(None), not_(_is_old_job(cutoff))
    )
    for statement in (journals, results):
        yield from connection.execute(statement.execution_options(yield_per=20)).scalars()
    points = select(qec_points.c.body).where(qec_points.c.timestamp < cutoff, not_(_is_old_point(cutoff)))
    for body in connection.execute(points.execution_options(yield_per=500)).scalars():
        yield f'"snapshot_id":"{body.get("snapshot_id")}"'.encode()


def _is_unused(since: float) -> ColumnElement[bool]:
    return snapshots.c.used_at < since


def _is_old_point(cutoff: float) -> ColumnElement[bool]:
    return and_(qec_points.c.timestamp < cutoff, _is_of_no_open_job(qec_points.c.job_id))


def _is_of_no_open_job(job_id: Column[Any]) -> ColumnElement[bool]:
    """Neither of a job that waits or runs, nor of one that a live session is about."""
    kept = select(jobs.c.job_id).where(or_(jobs.c.status.in_(OPEN_STATES), jobs.c.job_id.in_(_jobs_of_live())))
    return or_(job_id.is_(None), job_id.not_in(kept))


def _jobs_of_live() -> Select[Any]:
    return select(sessions.c.job_id).where(sessions.c.status == "active", sessions.c.job_id.is_not(None))


def _is_old_job(cutoff: float) -> ColumnElement[bool]:
    """Ended, and no live session is about it. `created_at` says nothing new, but has an index."""
    return and_(
        jobs.c.created_at < cutoff,
        _before(jobs.c.ended_at, cutoff),
        jobs.c.status.not_in(OPEN_STATES),
        jobs.c.job_id.not_in(_jobs_of_live()),
    )


def _before(ended_at: Column[Any], cutoff: float) -> ColumnElement[bool]:
    return and_(ended_at.is_not(None), ended_at < cutoff)
