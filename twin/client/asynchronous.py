"""The asynchronous client: the same calls, awaited."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Generic, ParamSpec, Self, TypeVar, cast, overload

import httpx

from twin.client import calls
from twin.client.calls import Call
from twin.client.errors import JobFailedError, TwinApiError, TwinUnreachableError
from twin.client.session import (
    AWAY,
    Attempts,
    Credentials,
    gateway_url,
    request_arguments,
    tls_context,
    unreachable,
    value_of,
)
from twin.client.synchronous import DEFAULT_RETRY_S, DEFAULT_TIMEOUT_S, FIRST_POLL_S, LAST_POLL_S
from twin.client.types import JobResult, Tokens
from twin.errors import DeadlineError, TwinError

P = ParamSpec("P")
T = TypeVar("T")


class _Method(Generic[P, T]):
    """A call of `calls` as a method that sends it; the arguments and their types are the call's own."""

    def __init__(self, build: Callable[P, Call[T]]) -> None:
        self._build = build
        self.__doc__ = build.__doc__

    @overload
    def __get__(self, client: None, owner: type) -> Self: ...

    @overload
    def __get__(self, client: AsyncTwinClient, owner: type) -> Callable[P, Awaitable[T]]: ...

    def __get__(self, client: AsyncTwinClient | None, owner: type) -> Callable[P, Awaitable[T]] | Self:
        if client is None:
            return self

        def send(*args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
            return client.send(self._build(*args, **kwargs))

        send.__doc__ = self._build.__doc__
        return send


class AsyncTwinClient:
    """A connection to one gateway. Logs in when needed, renews its tokens; may be shared by tasks.

    Args:
        base_url: the gateway's address, such as http://localhost:8000; a path of the API's behind it is left out.
        email: account to log in with; not needed with `access_token`.
        password: its password.
        access_token: a token that was got elsewhere.
        timeout_s: deadline of every request.
        retry_s: for how long a read or a submission is sent again when the connection is lost; 0 for never.
        verify: False, or the path of a CA file, for a server with a certificate of its own.
        transport: for tests, an httpx transport in place of the network.
    """

    def __init__(
        self,
        base_url: str,
        email: str | None = None,
        password: str | None = None,
        *,
        access_token: str | None = None,
        refresh_token: str | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        retry_s: float = DEFAULT_RETRY_S,
        verify: bool | str = True,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.base_url = gateway_url(base_url)
        self._timeout_s = timeout_s
        self._retry_s = retry_s
        self._has_answered = False
        self._credentials = Credentials(email, password, access_token, refresh_token)
        self._lock = asyncio.Lock()
        self._http = httpx.AsyncClient(
            base_url=self.base_url,
            timeout=timeout_s,
            verify=tls_context(self.base_url, verify) or True,
            transport=transport,
            trust_env=False,
        )

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """A copy of what holds a client shares its connection and its tokens."""
        return self

    async def login(self) -> Tokens:
        """Log in now; raises TwinApiError (401) for a wrong password."""
        tokens = cast(Tokens, await self._post(*self._credentials.login_request()))
        self._credentials.take(tokens)
        return tokens

    async def send(self, call: Call[T]) -> T:
        """Send one call; a token that has run out is renewed once.

        A call that may be repeated is sent again, for `retry_s`, when the connection to a twin that has answered before
        is lost.

        Raises:
            TwinApiError: the twin refused.
            TwinUnreachableError: no answer.
        """
        attempts = Attempts(self._retry_s if call.is_repeatable else 0.0)
        while True:
            try:
                return await self._send_once(call, self._timeout_s)
            except TwinUnreachableError as error:
                if not self._has_answered:
                    raise
                pause_s = attempts.pause_s(error)
            await asyncio.sleep(pause_s)

    async def wait_for_job(self, job_id: str, timeout_s: float = 600.0) -> JobResult:
        """The result of a job as soon as it is over, also through a restart of the twin.

        Raises:
            JobFailedError: with the reason, when it failed or was cancelled.
            DeadlineError: it is not over after `timeout_s`.
            TwinUnreachableError, TwinApiError: nor did the twin answer then; or it refused at once (404).
        """
        deadline = time.monotonic() + timeout_s
        pause_s = FIRST_POLL_S
        while (status := await self._ask(calls.job(job_id), deadline))["status"] in ("QUEUED", "RUNNING"):
            if time.monotonic() > deadline:
                raise DeadlineError(f"job {job_id} is still {status['status']} after {timeout_s:g} s")
            await asyncio.sleep(pause_s)
            pause_s = min(LAST_POLL_S, 1.5 * pause_s)
        if status["status"] != "COMPLETED":
            raise JobFailedError(f"job {job_id} is {status['status']}: {status['error']}")
        return await self._ask(calls.job_result(job_id), deadline)

    async def _ask(self, call: Call[T], deadline: float) -> T:
        """The answer to a read, however often the twin or its database goes away before the deadline."""
        attempts = Attempts(deadline - time.monotonic())
        while True:
            try:
                return await self._send_once(call, attempts.request_timeout_s(self._timeout_s))
            except TwinUnreachableError as error:
                if not self._has_answered:
                    raise
                pause_s = attempts.pause_s(error)
            except TwinApiError as error:
                if error.status not in AWAY:
                    raise
                pause_s = attempts.pause_s(error)
            await asyncio.sleep(pause_s)

    async def _send_once(self, call: Call[T], timeout_s: float) -> T:
        token = await self._token()
        response = await self._request(call, token, timeout_s)
        if response.status_code == 401:
            response = await self._request(call, await self._renew(token), timeout_s)
        return cast(T, value_of(response, call.is_text))

    async def aclose(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    health = _Method(calls.health)
    backends = _Method(calls.backends)
    backend = _Method(calls.backend)
    metrics = _Method(calls.metrics)
    submit_job = _Method(calls.submit_job)
    job = _Method(calls.job)
    job_result = _Method(calls.job_result)
    jobs = _Method(calls.jobs)
    cancel_job = _Method(calls.cancel_job)
    attach_metadata = _Method(calls.attach_metadata)
    telemetry_qubits = _Method(calls.telemetry_qubits)
    telemetry_qec = _Method(calls.telemetry_qec)
    telemetry_qec_summary = _Method(calls.telemetry_qec_summary)
    telemetry_qec_history = _Method(calls.telemetry_qec_history)
    telemetry_events = _Method(calls.telemetry_events)
    telemetry_loop = _Method(calls.telemetry_loop)
    telemetry_trace = _Method(calls.telemetry_trace)
    scenario_compatibility = _Method(calls.scenario_compatibility)
    command = _Method(calls.command)
    controller_state = _Method(calls.controller_state)
    submit_pulse_schedule = _Method(calls.submit_pulse_schedule)
    readout = _Method(calls.readout)
    set_readout_config = _Method(calls.set_readout_config)
    cryo = _Method(calls.cryo)
    set_cryo = _Method(calls.set_cryo)
    create_session = _Method(calls.create_session)
    syndrome = _Method(calls.syndrome)
    correct = _Method(calls.correct)
    session_status = _Method(calls.session_status)
    end_session = _Method(calls.end_session)
    session_circuit = _Method(calls.session_circuit)
    session_error_model = _Method(calls.session_error_model)
    config_files = _Method(calls.config_files)
    config_content = _Method(calls.config_content)
    update_config = _Method(calls.update_config)
    config_versions = _Method(calls.config_versions)
    restore_config = _Method(calls.restore_config)

    async def _token(self) -> str:
        if self._credentials.is_stale:
            return await self._renew(self._credentials.access_token)
        return self._credentials.access_token or ""

    async def _renew(self, old: str | None) -> str:
        """A new access token, by refresh token or else by password; one thread does it for all."""
        async with self._lock:
            if self._credentials.access_token != old and self._credentials.access_token is not None:
                return self._credentials.access_token
            refresh = self._credentials.refresh_request()
            if refresh is not None:
                try:
                    self._credentials.take(cast(Tokens, await self._post(*refresh)))
                    return self._credentials.access_token or ""
                except TwinError:
                    self._credentials.refresh_token = None
            await self.login()
            return self._credentials.access_token or ""

    async def _post(self, path: str, body: dict[str, str]) -> object:
        try:
            response = await self._http.post(path, json=body)
        except httpx.HTTPError as error:
            raise unreachable(self.base_url, error) from error
        self._has_answered = True
        return value_of(response)

    async def _request(self, call: Call[Any], token: str, timeout_s: float) -> httpx.Response:
        try:
            response = await self._http.request(**request_arguments(call, token), timeout=timeout_s)  # type: ignore[arg-type]
        except httpx.HTTPError as error:
            raise unreachable(self.base_url, error) from error
        self._has_answered = True
        return response
