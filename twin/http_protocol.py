"""uvicorn's HTTP/1.1 protocol, with what it lacks: an end to waiting for a request, and patience with offers of HTTP/2.

uvicorn waits for ever for the rest of a request. Here a head must come whole within a time, and a body must go on
coming, as with nginx's `client_header_timeout` and `client_body_timeout`; who does not keep to it gets 408 (RFC 9110,
section 15.5.9) and is cut off.

Java's HttpClient sends `Upgrade: h2c` with its requests, also with a body. RFC 9110, section 7.8, lets a server ignore
an upgrade; llhttp, uvicorn's parser, would take what follows the head for another protocol and lose the body. So the
offer is taken out of the head before it is parsed. RFC 9113 has withdrawn this upgrade.
"""

from __future__ import annotations

import asyncio
import http
import re
from enum import Enum

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from twin.api.problems import MEDIA_TYPE, problem_body

END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
CRLF = b"\r\n"
MAX_HEAD_BYTES = 64 * 2**10
HEAD_TOO_LARGE = f"the head of the request is over {MAX_HEAD_BYTES} bytes"
HEAD_DEADLINE_S = 30.0
BODY_IDLE_S = 60.0
OFFER = re.compile(rb"\r\nupgrade:[ \t]*h2c[ \t]*(?=\r\n)|\r\nhttp2-settings:[^\r\n]*(?=\r\n)", re.IGNORECASE)
UPGRADE = re.compile(rb"\r\nupgrade:[ \t]*h2c[ \t]*\r\n", re.IGNORECASE)
CONNECTION = re.compile(rb"\r\nconnection:[^\r\n]*(?=\r\n)", re.IGNORECASE)


class Part(Enum):
    """What of a request is waited for."""

    NOTHING = 0
    """Between two requests: uvicorn's `timeout_keep_alive` counts."""
    HEAD = 1
    BODY = 2


class BadRequestError(Exception):
    """Inside the parser: this request is not valid HTTP/1.1."""


class Http1Protocol(HttpToolsProtocol):
    """Everything else is uvicorn's."""

    head_deadline_s = HEAD_DEADLINE_S
    body_idle_s = BODY_IDLE_S

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._part = Part.NOTHING  # of what the parser has been given
        self._head = b""  # of the next request, not yet given to the parser
        self._num_head_bytes = 0
        self._awaited = Part.NOTHING
        self._timer: asyncio.TimerHandle | None = None
        self._await(Part.HEAD)

    def connection_lost(self, exc: Exception | None) -> None:
        self._await(Part.NOTHING)
        super().connection_lost(exc)

    # -- what the parser tells

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._part, self._num_head_bytes = Part.HEAD, 0

    def on_headers_complete(self) -> None:
        self._part = Part.BODY
        num_hosts = sum(name == b"host" for name, _ in self.headers)
        if num_hosts > 1 or (num_hosts == 0 and self.parser.get_http_version() == "1.1"):
            raise BadRequestError  # RFC 9112, section 3.2; the parser's caller answers with 400
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        self.transport.write(_problem(400, msg))
        self.transport.close()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._part = Part.NOTHING

    def handle_websocket_upgrade(self) -> None:
        super().handle_websocket_upgrade()
        self._part = Part.NOTHING  # from here on it is another protocol's connection

    # -- what the client sends

    def data_received(self, data: bytes) -> None:
        if self._part is Part.NOTHING:
            data = self._head + data
            end = END_OF_HEAD.search(data)
            if (len(data) if end is None else end.start()) > MAX_HEAD_BYTES:
                self._refuse(431, HEAD_TOO_LARGE)  # RFC 6585, section 5
                return
            if end is None:
                self._head = data
                self._await(Part.HEAD)
                return
            if end.group() != 2 * CRLF:
                self._refuse(400, "the lines of a request's head end with CR LF (RFC 9112, section 2.2)")
                return
            self._head = b""
            data = without_offer(data, end.start() + len(CRLF))
        elif self._part is Part.HEAD:  # it began in the data of the request before
            self._num_head_bytes += len(data)
            if self._num_head_bytes > MAX_HEAD_BYTES:
                self._refuse(431, HEAD_TOO_LARGE)
                return
        super().data_received(data)
        self._await(self._part)

    def _await(self, part: Part) -> None:
        """Count the time for a part: for a head from its first byte, for a body from its last one."""
        if part is Part.HEAD and self._awaited is Part.HEAD:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._awaited = Part.NOTHING if self.transport.is_closing() else part
        if self._awaited is not Part.NOTHING:
            wait_s = self.head_deadline_s if part is Part.HEAD else self.body_idle_s
            self._timer = self.loop.call_later(wait_s, self._give_up)

    def _give_up(self) -> None:
        awaited, self._awaited, self._timer = self._awaited, Part.NOTHING, None
        is_answering = self.cycle is not None and not self.cycle.response_complete
        if (awaited is Part.BODY and self.flow.read_paused) or (awaited is Part.HEAD and is_answering):
            self._await(awaited)  # it is the application that takes its time
        else:
            self._refuse(408, "the rest of the request did not come in time")

    def _refuse(self, status: int, detail: str) -> None:
        """Close; with an answer, unless the request has one already, or an earlier request's is on its way."""
        self._head = b""
        begun = self.cycle is not None and self.cycle.response_started
        if not begun or (self.cycle.response_complete and self._part is not Part.BODY):
            self.transport.write(_problem(status, detail))
        self.transport.close()


def _problem(status: int, detail: str) -> bytes:
    """A whole answer, where no application can give one."""
    body = orjson.dumps(problem_body(status, detail))
    head = (
        f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}\r\nConnection: close\r\n"
        f"Content-Type: {MEDIA_TYPE}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode("ascii") + body


def without_offer(data: bytes, end: int) -> bytes:
    """A request whose head ends at `end`, without its offer to speak h2c."""
    head = data[:end]
    if not UPGRADE.search(head):
        return data
    return OFFER.sub(b"", CONNECTION.sub(b"", head)) + data[end:]
