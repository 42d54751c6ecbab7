"""A session's WebSocket: whole shots or rounds come as qds1 words, corrections go back the same way."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.sync.client import ClientConnection, connect

from twin.client.errors import TwinApiError, TwinUnreachableError, error_of
from twin.errors import TwinError

Words = NDArray[np.uint32]
MAX_FRAME_BYTES = 8 * 2**20
RENEWAL_CHECK_S = 1.0


class SessionStream:
    """A pull stream: nothing is sent that was not asked for, so a slow decoder is never flooded."""

    def __init__(self, connection: ClientConnection, timeout_s: float, token_of: Callable[[], str], token: str) -> None:
        self._connection = connection
        self._timeout_s = timeout_s
        self._token_of = token_of
        self._token = token
        self._is_closed = threading.Event()
        threading.Thread(target=self._keep_renewed, name="stream-token", daemon=True).start()

    @classmethod
    def open(
        cls, url: str, token_of: Callable[[], str], timeout_s: float, tls: ssl.SSLContext | None = None
    ) -> SessionStream:
        """Raises TwinApiError when the twin refuses, TwinUnreachableError when it does not answer.

        token_of: an access token that is good at the time; a stream ends with its token, so it is given each new one.
        """
        token = token_of()
        try:
            connector = connect(
                url,
                additional_headers={"Authorization": f"Bearer {token}"},
                open_timeout=timeout_s,
                close_timeout=timeout_s,
                max_size=None,
                compression=None,
                proxy=None,
                ssl=tls,
            )
            connection = connector.__enter__()  # closed by `close`: a stream outlives this function
        except InvalidStatus as error:
            raise error_of(error.response.status_code, bytes(error.response.body or b"")) from error
        except (OSError, ConnectionClosed, InvalidHandshake, InvalidURI, TimeoutError) as error:
            raise TwinUnreachableError(f"no stream at {url}: {error}") from error
        return cls(connection, timeout_s, token_of, token)

    def next_shots(self, count: int, first_shot: int | None = None) -> Words:
        """The next at most `count` whole shots (uint32 words of SYNDROME.. MEAS_DATA); empty when all are out.

        first_shot: go back to this shot; the same shots come again, and their corrections are expected again.
        """
        return self._pull({"op": "shots", "count": count} | ({} if first_shot is None else {"first": first_shot}))

    def next_round(self) -> Words:
        """The next round of all shots in lockstep: one SYNDROME (after the last round one MEAS_DATA) a shot."""
        return self._pull({"op": "round"})

    def send_corrections(self, words: Words) -> None:
        """Send CORRECTION messages (uint32 words), in shot order. Not acknowledged one by one; see `flush`."""
        data = np.ascontiguousarray(words, dtype="<u4").tobytes()
        for begin in range(0, len(data), MAX_FRAME_BYTES):
            self._send(data[begin : begin + MAX_FRAME_BYTES])

    def flush(self) -> int:
        """Wait until the twin has taken every correction sent so far; how many it has taken in all."""
        self._send(json.dumps({"op": "flush"}))
        answer = self._receive()
        if isinstance(answer, bytes):
            raise TwinApiError(502, {"title": "unexpected answer", "detail": "words in place of a count"})
        return int(answer["corrections_received"])

    def close(self) -> None:
        self._is_closed.set()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _keep_renewed(self) -> None:
        """Also while nothing is asked for: a decoder may take longer with its shots than a token lives."""
        while not self._is_closed.wait(RENEWAL_CHECK_S):
            try:
                token = self._token_of()
                if token != self._token:
                    self._connection.send(json.dumps({"op": "renew", "access_token": token, "quiet": True}))
                    self._token = token
            except ConnectionClosed:
                return  # whoever uses the stream is told
            except TwinUnreachableError:
                continue  # a gateway that is away for a moment
            except TwinError as error:
                if isinstance(error, TwinApiError) and error.status != HTTPStatus.UNAUTHORIZED:
                    continue  # busy, or its database is away
                return  # there is nothing to log in with: the stream ends with its token, and says so

    def _pull(self, request: dict[str, Any]) -> Words:
        self._send(json.dumps(request))
        answer = self._receive()
        if not isinstance(answer, bytes):
            raise TwinApiError(502, {"title": "unexpected answer", "detail": f"text in place of words: {answer}"})
        return np.frombuffer(answer, dtype="<u4").astype(np.uint32, copy=False)

    def _send(self, message: str | bytes) -> None:
        try:
            self._connection.send(message)
        except ConnectionClosed as error:
            raise self._lost(error) from error

    def _receive(self) -> bytes | dict[str, Any]:
        try:
            message = self._connection.recv(timeout=self._timeout_s)
        except ConnectionClosed as error:
            raise self._lost(error) from error
        except TimeoutError as error:
            raise TwinUnreachableError(f"the twin sent nothing for {self._timeout_s:g} s") from error
        if isinstance(message, bytes):
            return message
        answer: dict[str, Any] = json.loads(message)
        if "error" in answer:
            raise TwinApiError(int(answer["error"].get("status", 500)), answer["error"])
        return answer

    def _lost(self, error: ConnectionClosed) -> TwinUnreachableError:
        reason = error.rcvd.reason if error.rcvd is not None else "without a word"
        return TwinUnreachableError(f"the twin closed the stream: {reason}")
