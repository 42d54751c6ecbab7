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
import re
from enum import Enum

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

END_OF_HEAD = b"\r\n\r\n"
MAX_HEAD_BYTES = 64 * 2**10
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
        super().on_headers_complete()

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
            end = data.find(END_OF_HEAD)
            if (len(data) if end < 0 else end) > MAX_HEAD_BYTES:
                self._refuse(b"431 Request Header Fields Too Large")  # RFC 6585, section 5
                return
            if end < 0:
                self._head = data
                self._await(Part.HEAD)
                return
            self._head = b""
            data = without_offer(data, end + 2)
        elif self._part is Part.HEAD:  # it began in the data of the request before
            self._num_head_bytes += len(data)
            if self._num_head_bytes > MAX_HEAD_BYTES:
                self._refuse(b"431 Request Header Fields Too Large")
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
            self._refuse(b"408 Request Timeout")

    def _refuse(self, status: bytes) -> None:
        """Close; with an answer, unless the request has one already, or an earlier request's is on its way."""
        self._head = b""
        begun = self.cycle is not None and self.cycle.response_started
        if not begun or (self.cycle.response_complete and self._part is not Part.BODY):
            self.transport.write(b"HTTP/1.1 " + status + b"\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        self.transport.close()


def without_offer(data: bytes, end: int) -> bytes:
    """A request whose head ends at `end`, without its offer to speak h2c."""
    head = data[:end]
    if not UPGRADE.search(head):
        return data
    return OFFER.sub(b"", CONNECTION.sub(b"", head)) + data[end:]
