"""uvicorn's HTTP/1.1 protocol, taught to take requests that ask for an upgrade to HTTP/2.

Java's HttpClient sends `Upgrade: h2c` with its requests, also with a body. RFC 9110, section 7.8, lets a server ignore
an upgrade; llhttp, uvicorn's parser, would take what follows the head for another protocol and lose the body. So the
offer is taken out of the head before it is parsed. RFC 9113 has withdrawn this upgrade.
"""

from __future__ import annotations

import re

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

END_OF_HEAD = b"\r\n\r\n"
MAX_HEAD_BYTES = 64 * 2**10
# RFC 6585, section 5
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
OFFER = re.compile(rb"\r\nupgrade:[ \t]*h2c[ \t]*(?=\r\n)|\r\nhttp2-settings:[^\r\n]*(?=\r\n)", re.IGNORECASE)
UPGRADE = re.compile(rb"\r\nupgrade:[ \t]*h2c[ \t]*\r\n", re.IGNORECASE)
CONNECTION = re.compile(rb"\r\nconnection:[^\r\n]*(?=\r\n)", re.IGNORECASE)


class Http1Protocol(HttpToolsProtocol):
    """Everything else is uvicorn's."""

    _head: bytes = b""
    _expects_head = True

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._expects_head = False

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._expects_head = True

    def data_received(self, data: bytes) -> None:
        if self._expects_head:
            data = self._head + data
            end = data.find(END_OF_HEAD)
            if (len(data) if end < 0 else end) > MAX_HEAD_BYTES:
                self._refuse_head()
                return
            if end < 0:
                self._head = data
                return
            self._head, self._expects_head = b"", False
            data = without_offer(data, end + 2)
        super().data_received(data)

    def _refuse_head(self) -> None:
        self._head = b""
        self.transport.write(TOO_LARGE)
        self.transport.close()


def without_offer(data: bytes, end: int) -> bytes:
    """A request whose head ends at `end`, without its offer to speak h2c."""
    head = data[:end]
    if not UPGRADE.search(head):
        return data
    return OFFER.sub(b"", CONNECTION.sub(b"", head)) + data[end:]
