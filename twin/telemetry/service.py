"""Service metrics per backend, as JSON and for Prometheus."""

from __future__ import annotations

from functools import partial
from typing import Any

from twin.backends import Backends
from twin.jobs.queue import JobQueue
from twin.sessions import Sessions
from twin.store import jobs as statements
from twin.store.database import Database
from twin.store.jobs import JobRow
from twin.telemetry.event_log import EventLog
from twin.telemetry.metrics import ServiceMetrics

AVERAGED_JOBS = 1000


async def backend_metrics(database: Database, backends: Backends, queue: JobQueue) -> list[dict[str, Any]]:
    """Queue depth, jobs by state and mean latencies of the newest ended jobs, for every backend."""
    counts = await database.read(statements.counts_by_status)
    found = []
    for backend_id in backends.all:
        queued_s, running_s = await database.read(
            partial(statements.mean_times, backend_id=backend_id, num_newest=AVERAGED_JOBS)
        )
        found.append(
            {
                "backend_id": backend_id,
                "queue_depth": counts.get((backend_id, "QUEUED"), 0),
                "running_jobs": max(queue.num_running(backend_id), counts.get((backend_id, "RUNNING"), 0)),
                "completed_jobs": counts.get((backend_id, "COMPLETED"), 0),
                "failed_jobs": counts.get((backend_id, "FAILED"), 0),
                "cancelled_jobs": counts.get((backend_id, "CANCELLED"), 0),
                "avg_queue_time_s": queued_s,
                "avg_execution_time_s": running_s,
                "avg_total_time_s": None if queued_s is None or running_s is None else queued_s + running_s,
            }
        )
    return found


def prometheus_text(
    metrics: ServiceMetrics, backends: Backends, queue: JobQueue, sessions: Sessions, event_log: EventLog
) -> bytes:
    """Set the gauges to this moment, then expose everything."""
    for backend_id in backends.all:
        metrics.jobs_queued.labels(backend_id).set(queue.num_waiting(backend_id))
        metrics.jobs_running.labels(backend_id).set(queue.num_running(backend_id))
    metrics.sessions_active.set(sessions.num_live)
    metrics.subscribers.set(event_log.num_subscribers)
    return metrics.expose()


def observe_job(metrics: ServiceMetrics, row: JobRow) -> None:
    """Count a job that has ended."""
    metrics.jobs_ended.labels(row.backend_id, row.status).inc()
    if row.started_at is not None and row.ended_at is not None:
        metrics.queue_time.labels(row.backend_id).observe(row.started_at - row.created_at)
        metrics.run_time.labels(row.backend_id).observe(row.ended_at - row.started_at)
