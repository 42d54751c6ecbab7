"""Serves an application with uvicorn, and tells the port once requests are answered."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import logging
import os
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Literal

import structlog
import structlog.tracebacks
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from twin.app import create_app, create_gateway, create_twin
from twin.errors import ConflictError, DeadlineError, InvalidError, TwinError
from twin.http_protocol import Http1Protocol
from twin.service_manager import tell_service_manager
from twin.settings import Settings
from twin.users import FirstAdmin

Kind = Literal["app", "twin", "gateway"]
# Without local variables: they hold tokens and keys, and megabytes of arrays.
TRACEBACKS = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))
MAKERS: dict[Kind, Callable[[Settings], FastAPI]] = {"app": create_app, "twin": create_twin, "gateway": create_gateway}
GRACE_S = 5
KEEP_ALIVE_S = 75  # longer than a client that polls pauses, else it meets a connection that is just being closed
START_DEADLINE_S = 60.0
MAX_WEBSOCKET_BYTES = 64 * 2**20
BACKLOG = 2048
SWITCH_INTERVAL_S = 5e-4
"""How long a session's thread keeps the interpreter from the event loop; Python's own 5 ms add up over a request."""
PORT_REMEDIES = {
    errno.EADDRINUSE: "stop what listens there, or give another --port",
    errno.EACCES: "a port below 1024 needs root's rights; give another --port",
    errno.EADDRNOTAVAIL: "this machine has no such address; give another --host",
}

OnReady = Callable[[int, FirstAdmin | None], None]


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Certificate (with its chain) and private key, PEM."""

    certificate: Path
    key: Path


class _Watched:
    """An application that remembers why it did not start, in place of a traceback in the log."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.failure: TwinError | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return

        async def send_without_traceback(message: Message) -> None:
            error = sys.exc_info()[1]
            if message["type"] == "lifespan.startup.failed" and isinstance(error, TwinError):
                self.failure = error
                message = {"type": message["type"]}
            await send(message)

        await self._app(scope, receive, send_without_traceback)


class Server(uvicorn.Server):
    """uvicorn, telling when it is ready and when no longer, and ending open event streams before it waits for them."""

    def __init__(self, config: uvicorn.Config, on_ready: OnReady, drain_s: float) -> None:
        super().__init__(config)
        self._on_ready = on_ready
        self._drain_s = drain_s

    @property
    def start_error(self) -> TwinError:
        """Why it did not start."""
        failure = getattr(self.config.app, "failure", None)
        return failure or TwinError("the twin did not start; its log says why")

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            gc.collect()
            gc.freeze()  # what is there now stays: collections need not look at it again
            self._on_ready(self.port, self.lifespan.state.get("first_admin"))

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """As uvicorn's, but a second signal does not keep it from stopping in order: each step of that has a limit."""
        if not self.should_exit:
            super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        tell_service_manager("STOPPING=1")
        readiness = self.lifespan.state.get("readiness")
        if readiness is not None:
            readiness.stop()
            await asyncio.sleep(self._drain_s)  # let who asks send its requests elsewhere, before the port is closed
        parts = self.lifespan.state.get("parts")
        if parts is not None:
            parts.event_log.end_streams()
        await super().shutdown(sockets)

    @property
    def port(self) -> int:
        """The port that is listened on, also when it was asked for as 0."""
        return int(self.servers[0].sockets[0].getsockname()[1])


def run(
    settings: Settings,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    kind: Kind = "app",
    ready: OnReady | None = None,
    ready_file: Path | None = None,
    tls: TlsFiles | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        settings: of the application.
        host, port: where to listen; port 0 takes a free one.
        kind: gateway and twin, or one of them alone.
        ready: called once requests are answered, with the actual port, and with the admin if it was made now: its
            password, if that was generated, is known only then.
        ready_file: gets the actual port then, for another process to wait for.
        tls: serve https.

    Raises:
        ConflictError: the port is in use, or another process uses the data directory. Nothing is made in either case.
        TwinError: the application did not start; the message says why.
    """

    def announce(actual_port: int, first_admin: FirstAdmin | None) -> None:
        if ready_file is not None:
            draft = ready_file.with_name(ready_file.name + ".draft")
            draft.write_text(f"{actual_port}\n")
            draft.replace(ready_file)
        if ready is not None:
            ready(actual_port, first_admin)
        tell_service_manager("READY=1")

    configure_logging(settings.log_level)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    with _listen(host, port) as listener:  # first: a port that is taken must leave nothing behind
        server = _make_server(settings, kind, announce, tls)
        with contextlib.suppress(SystemExit):  # uvicorn's way to say that the start failed
            server.run(sockets=[listener])
    if not server.started:
        raise server.start_error


@contextlib.contextmanager
def serve_in_thread(
    settings: Settings,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    kind: Kind = "app",
    tls: TlsFiles | None = None,
) -> Iterator[str]:
    """Serve in a thread of this process, for an embedded twin; gives the base URL, and stops at the end."""
    ready = threading.Event()
    configure_logging(settings.log_level)
    with _listen(host, port) as listener:
        server = _make_server(settings, kind, lambda _port, _first_admin: ready.set(), tls)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="twin", daemon=True)
        thread.start()
        try:
            _wait_until(ready, thread, server)
            yield f"{'https' if tls else 'http'}://{host}:{server.port}"
        finally:
            server.should_exit = True
            thread.join(START_DEADLINE_S)


def configure_logging(level: str) -> None:
    """JSON lines on standard error, ours and the libraries'."""
    threshold = getattr(logging, level.upper())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            TRACEBACKS,
            structlog.processors.JSONRenderer(default=str),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.getLogger("uvicorn.error").addFilter(_says_more_than_that_it_failed)
    logging.basicConfig(level=max(threshold, logging.WARNING), format="%(levelname)s %(name)s: %(message)s")


def _says_more_than_that_it_failed(record: logging.LogRecord) -> bool:
    """uvicorn's last word on a failed start has no reason; `Server.start_error` has, and is told by the caller."""
    return record.getMessage() != "Application startup failed. Exiting."


def _make_server(settings: Settings, kind: Kind, announce: OnReady, tls: TlsFiles | None) -> Server:
    if tls is not None:
        _check_tls(tls)
    config = uvicorn.Config(
        _Watched(MAKERS[kind](settings)),
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="on",
        loop="uvloop",
        http=Http1Protocol,
        ws="websockets-sansio",
        ws_max_size=MAX_WEBSOCKET_BYTES,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=GRACE_S,
        timeout_keep_alive=KEEP_ALIVE_S,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        server_header=False,
        ssl_certfile=tls.certificate if tls else None,
        ssl_keyfile=tls.key if tls else None,
    )
    return Server(config, announce, settings.drain_s)


def _check_tls(tls: TlsFiles) -> None:
    """Raises InvalidError for files that cannot serve https: uvicorn would not say which."""

    def no_prompt() -> str:
        raise InvalidError(f"the key {tls.key} has a passphrase; give one without (openssl pkey -in KEY -out PLAIN)")

    for file in (tls.certificate, tls.key):
        if not os.access(file, os.R_OK) or file.is_dir():
            raise InvalidError(f"cannot read {file}; --tls-cert and --tls-key name PEM files")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tls.certificate, tls.key, no_prompt)
    except ssl.SSLError as error:
        message = f"{tls.certificate} and {tls.key} are not a certificate and its key in PEM ({error.reason})"
        raise InvalidError(message) from error


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket, or ConflictError saying why there is none, and what to do."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        remedy = "give another --host" if isinstance(error, socket.gaierror) else PORT_REMEDIES.get(error.errno or 0)
        remedy = remedy or "give another --port"
        raise ConflictError(f"cannot listen on {host}:{port}: {error.strerror}; {remedy}") from error
    listener.set_inheritable(False)
    return listener


def _wait_until(ready: threading.Event, thread: threading.Thread, server: Server) -> None:
    waited_s = 0.0
    while not ready.wait(0.05):
        waited_s += 0.05
        if not thread.is_alive():
            raise server.start_error
        if waited_s > START_DEADLINE_S:
            raise DeadlineError(f"the twin did not start within {START_DEADLINE_S:g} s")
