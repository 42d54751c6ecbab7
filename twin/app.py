"""The applications: the twin with its gateway in front, the twin alone, the gateway alone. Start reading here."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import FastAPI

from twin.api import describe, http_rules, problems
from twin.api.middleware import BodyLimit, KeyCheck, LastResort, RequestContext
from twin.api.probes import add_probes
from twin.api.routes import add_twin_routes
from twin.gateway.app import Gateway
from twin.gateway.cors import Cors
from twin.gateway.proxy import UpstreamProxy
from twin.gateway.routes import add_auth_routes
from twin.lifespan import gateway_lifespan, twin_and_gateway_lifespan, twin_lifespan
from twin.secret_files import api_key_of
from twin.settings import Limits, Settings
from twin.telemetry.metrics import ServiceMetrics


def create_app(settings: Settings) -> FastAPI:
    """Gateway and twin in one process: what `qtwin serve` serves. Nothing is opened before the lifespan starts."""
    metrics, api_key = ServiceMetrics(), api_key_of(settings)
    app = describe.new_app(twin_and_gateway_lifespan(settings, metrics))
    add_probes(app)
    add_twin_routes(app)
    add_auth_routes(app)
    problems.install(app)
    http_rules.install(app)
    app.add_middleware(KeyCheck, api_key=api_key)
    app.add_middleware(Gateway, api_key=api_key, stream_grace_s=settings.stream_grace_s)
    _limit_bodies(app, settings.limits)
    app.add_middleware(LastResort)
    _let_pages_in(app, settings.cors_origins)
    app.add_middleware(RequestContext, metrics=metrics)  # the last one added is the first one passed
    return app


def create_twin(settings: Settings) -> FastAPI:
    """The twin alone, behind a gateway in a process of its own; answers nobody without the gateway's key."""
    metrics = ServiceMetrics()
    app = describe.new_app(twin_lifespan(settings, metrics))
    add_probes(app)
    add_twin_routes(app)
    problems.install(app)
    http_rules.install(app)
    app.add_middleware(KeyCheck, api_key=api_key_of(settings))
    _limit_bodies(app, settings.limits)
    app.add_middleware(LastResort)
    app.add_middleware(RequestContext, metrics=metrics, replica=settings.replica)
    return app


def create_gateway(settings: Settings) -> FastAPI:
    """The gateway alone: login here, everything else from the twins at `settings.upstreams`."""
    metrics, api_key = ServiceMetrics(), api_key_of(settings)
    proxy = UpstreamProxy(settings.upstreams)
    app = describe.new_app(gateway_lifespan(settings, proxy))
    add_probes(app)
    add_auth_routes(app)
    problems.install(app)
    http_rules.install(app)
    app.add_middleware(Gateway, api_key=api_key, stream_grace_s=settings.stream_grace_s, twin=proxy)
    _limit_bodies(app, settings.limits)
    app.add_middleware(LastResort)
    _let_pages_in(app, settings.cors_origins)
    app.add_middleware(RequestContext, metrics=metrics)
    return app


def _limit_bodies(app: FastAPI, limits: Limits) -> None:
    app.add_middleware(BodyLimit, max_bytes=limits.max_body_bytes, max_auth_bytes=limits.max_auth_body_bytes)


def _let_pages_in(app: FastAPI, origins: Sequence[str]) -> None:
    if origins:
        app.add_middleware(Cors, origins=origins)
