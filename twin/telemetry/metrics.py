"""Service metrics: Prometheus counters and histograms in a registry of this app's own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

LATENCY_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
JOB_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)


class ServiceMetrics:
    """Every metric of one twin. Labels are bounded: routes, methods, statuses, backends."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Histogram(
            "qtwin_http_request_duration_seconds",
            "Time to answer a request, by route template.",
            ["method", "route", "status"],
            buckets=LATENCY_BUCKETS_S,
            registry=registry,
        )
        self.jobs_ended = Counter(
            "qtwin_jobs_ended", "Jobs that ended, by how.", ["backend_id", "status"], registry=registry
        )
        self.queue_time = Histogram(
            "qtwin_job_queue_duration_seconds",
            "Time from submission to start.",
            ["backend_id"],
            buckets=JOB_BUCKETS_S,
            registry=registry,
        )
        self.run_time = Histogram(
            "qtwin_job_run_duration_seconds",
            "Time from start to end.",
            ["backend_id"],
            buckets=JOB_BUCKETS_S,
            registry=registry,
        )
        self.jobs_queued = Gauge("qtwin_jobs_queued", "Jobs that wait.", ["backend_id"], registry=registry)
        self.jobs_running = Gauge("qtwin_jobs_running", "Jobs that run.", ["backend_id"], registry=registry)
        self.sessions_active = Gauge("qtwin_qec_sessions_active", "Live QEC sessions here.", registry=registry)
        self.rounds = Counter(
            "qtwin_qec_shot_rounds", "Simulated rounds times shots.", ["backend_id"], registry=registry
        )
        self.corrections = Counter("qtwin_qec_corrections", "Corrections received.", ["backend_id"], registry=registry)
        self.commands = Counter(
            "qtwin_controller_commands", "Commands applied.", ["backend_id", "command_type"], registry=registry
        )
        self.subscribers = Gauge("qtwin_event_streams", "Open event streams.", registry=registry)

    def observe_request(self, method: str, route: str, status: int, duration_s: float) -> None:
        self.requests.labels(method, route, status).observe(duration_s)

    def expose(self) -> bytes:
        """The Prometheus text exposition."""
        return generate_latest(self.registry)
