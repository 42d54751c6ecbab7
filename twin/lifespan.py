"""What is open while an application runs: database, parts, accounts. The state that every request sees."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI

from twin.gateway.accounts import Accounts
from twin.gateway.proxy import UpstreamProxy
from twin.gateway.tokens import TokenSigner
from twin.parts import open_parts
from twin.readiness import Readiness, readiness_of_gateway, readiness_of_twin
from twin.secret_files import lock_data, token_secret_of
from twin.settings import Settings
from twin.store.database import Database
from twin.telemetry.metrics import ServiceMetrics
from twin.users import ensure_admin

State = dict[str, Any]
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[State]]


def twin_and_gateway_lifespan(settings: Settings, metrics: ServiceMetrics) -> Lifespan:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[State]:
        async with AsyncExitStack() as stack:
            database = await _open_database(settings, stack)
            parts = await stack.enter_async_context(open_parts(settings, database, metrics))
            readiness = _until_closed(readiness_of_twin(settings, database), stack)
            yield {"parts": parts, "readiness": readiness, **await _open_accounts(settings, database)}

    return lifespan


def twin_lifespan(settings: Settings, metrics: ServiceMetrics) -> Lifespan:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[State]:
        async with AsyncExitStack() as stack:
            database = await _open_database(settings, stack)
            parts = await stack.enter_async_context(open_parts(settings, database, metrics))
            readiness = _until_closed(readiness_of_twin(settings, database), stack)
            yield {"parts": parts, "readiness": readiness}

    return lifespan


def gateway_lifespan(settings: Settings, proxy: UpstreamProxy) -> Lifespan:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[State]:
        async with AsyncExitStack() as stack:
            database = await _open_database(settings, stack)
            await stack.enter_async_context(proxy)
            readiness = _until_closed(readiness_of_gateway(settings, database, proxy), stack)
            yield {"readiness": readiness, **await _open_accounts(settings, database)}

    return lifespan


async def _open_database(settings: Settings, stack: AsyncExitStack) -> Database:
    """One process per data directory: a second one would run the first one's jobs again."""
    stack.callback(lock_data(settings.data_dir).release)
    database = await asyncio.to_thread(Database.open, settings.resolved_database_url)
    stack.callback(database.close)
    return database


def _until_closed(readiness: Readiness, stack: AsyncExitStack) -> Readiness:
    stack.callback(readiness.close)
    return readiness


async def _open_accounts(settings: Settings, database: Database) -> State:
    """The accounts, and the first admin if it is made now: last, for a password that is never shown lets nobody in."""
    signer = TokenSigner(
        token_secret_of(settings),
        access_ttl_s=settings.access_token_ttl_s,
        refresh_ttl_s=settings.refresh_token_ttl_s,
    )
    first_admin = await asyncio.to_thread(ensure_admin, settings, database)
    accounts = Accounts(
        database,
        signer,
        attempts_per_minute=settings.limits.login_attempts_per_minute,
        ticket_ttl_s=settings.ticket_ttl_s,
    )
    return {"accounts": accounts, "first_admin": first_admin}
