"""Stripe's SDK with our own hands: an `HTTPClient` that lets out exactly the stored bytes, or nothing.

Imported late and in a worker thread, since the SDK takes a third of a second. What an agent sent is never an argument of
the SDK: there, `api_key`, `stripe_account`, `headers` and others among it would become options. The SDK is given method,
path and our own options; the body comes from the stored request at the last moment.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from importlib import import_module

import anyio
import httpx2
import stripe

from runplane_mcp.core.sending import API_VERSION
from runplane_mcp.core.wire import WireRequest
from runplane_mcp.errors import InternalError
from runplane_mcp.stripe_api.answers import Answer, Lost, NotSent, read_answer
from runplane_mcp.stripe_api.key import StripeKey

#: Far above any page of 100 objects; more than this is no answer of Stripe's.
LARGEST_ANSWER = 32 * 1024 * 1024

#: The only headers that may leave beside those that HTTP itself needs.
_OURS = ("authorization", "content-type", "idempotency-key", "stripe-account", "stripe-version")
_THE_SDKS = ("user-agent", "x-stripe-client-user-agent")
_NEVER_CONNECTED = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)


@dataclass(slots=True)
class _Sending:
    """One send: what may leave, how long it may, and what came of it. `left` turns true before the first byte does."""

    wire: WireRequest
    url: str
    headers: Mapping[str, str]
    in_time: Callable[[], bool] | None
    left: bool = False
    answer: Answer | None = None


class _Unanswered(Exception):
    """Takes the flow out of the SDK once the answer is known to be missing."""


class _TooLate(Exception):
    """There is a connection, but by now nothing may leave on it."""


#: The send that the SDK is at in this task. The SDK hands nothing of ours through, so the task remembers it.
_SENDING: ContextVar[_Sending] = ContextVar("runplane_sending")


class Transport:
    """One shared HTTP client, and the SDK's client on top of it. `timeout` is for a whole exchange, in seconds."""

    def __init__(self, key: StripeKey, base: str, timeout: float) -> None:
        _silence()
        self._key, self._base = key, base
        # No proxies or certificates from the environment: an agent's wrapper script could set those.
        self._http = httpx2.AsyncClient(
            timeout=timeout, trust_env=False, follow_redirects=False, verify=base.startswith("https:")
        )
        self._exact = _ExactClient(self._http, timeout)
        self._sdk = stripe.StripeClient(
            key.reveal(),
            stripe_version=API_VERSION,
            base_addresses={"api": base, "connect": base, "files": base, "meter_events": base},
            max_network_retries=0,
            http_client=self._exact,
        )

    async def send(
        self,
        wire: WireRequest,
        *,
        idempotency_key: str | None,
        account: str | None,
        version: str,
        in_time: Callable[[], bool] | None,
    ) -> Answer:
        """Sends `wire` once. InternalError when the SDK would have sent anything else: then nothing left."""
        ours = {"authorization": f"Bearer {self._key.reveal()}", "stripe-version": version}
        options = {"max_network_retries": 0, "stripe_version": version}
        if idempotency_key is not None:
            ours["idempotency-key"] = options["idempotency_key"] = idempotency_key
        if account is not None:
            ours["stripe-account"] = options["stripe_account"] = account
        if wire.method == "POST":
            ours["content-type"] = wire.content_type
        sending = _Sending(wire, self._base + wire.url, ours, in_time)
        token = _SENDING.set(sending)
        try:
            await self._sdk.raw_request_async(wire.method.lower(), wire.url, **options)
        except InternalError:
            raise
        except Exception as error:  # noqa: BLE001 — the SDK raises for every refusal; what was answered is in `sending`
            if sending.answer is None:
                raise InternalError(
                    "internal.sdk", f"Stripe's SDK failed before anything was sent ({type(error).__name__})."
                ) from None
        finally:
            _SENDING.reset(token)
        if sending.answer is None:
            raise InternalError("internal.sdk", "Stripe's SDK returned without sending anything.")
        return sending.answer

    async def close(self) -> None:
        await self._http.aclose()


class _ExactClient(stripe.HTTPClient):
    """The SDK's way to the network. It compares what the SDK made with what is stored, and sends what is stored."""

    name = "httpx2"

    def __init__(self, http: httpx2.AsyncClient, timeout: float) -> None:
        super().__init__()
        self._http, self._timeout = http, timeout

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: object = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        sending = _SENDING.get()
        given = {name.lower(): value for name, value in headers.items()}
        ours = {name: given[name] for name in _OURS if name in given}
        # A body of the SDK's own would hold parameters that went through it; there are none, which it writes as {} in v2.
        empty = not post_data or (sending.wire.v2 and post_data == "{}")
        same = (method, url, ours) == (sending.wire.method.lower(), sending.url, dict(sending.headers))
        if not same or not empty or sending.left or sending.answer is not None:
            raise InternalError(
                "internal.wire", "Stripe's SDK made another request than the stored one. Nothing was sent."
            )
        content, status, answered = await self._exchange(
            sending, ours | {name: given[name] for name in _THE_SDKS if name in given}
        )
        sending.answer = read_answer(status, answered, content, wire=sending.wire)
        return content, status, answered

    async def _exchange(self, sending: _Sending, headers: dict[str, str]) -> tuple[bytes, int, Mapping[str, str]]:
        async def trace(event: str, _info: object) -> None:
            if event.endswith("send_request_headers.started"):
                if sending.in_time is not None and not sending.in_time():
                    raise _TooLate
                sending.left = True

        wire = sending.wire
        request = self._http.build_request(
            wire.method,
            sending.url,
            content=wire.body if wire.method == "POST" else None,
            headers=headers,
            extensions={"trace": trace, "timeout": httpx2.Timeout(self._timeout).as_dict()},
        )
        if request.url.raw_path.decode("ascii") != wire.url or request.read() != wire.body:
            raise InternalError("internal.wire", "The HTTP library would change the stored request. Nothing was sent.")
        try:
            with anyio.fail_after(self._timeout):
                response = await self._http.send(request, stream=True)
                try:
                    return await _bounded(response), response.status_code, response.headers
                finally:
                    await response.aclose()
        except Exception as error:  # noqa: BLE001 — whatever breaks here, the one question is whether bytes may have left
            reason = _reason(error)
            late = isinstance(error, _TooLate)
            unsent = (late or isinstance(error, _NEVER_CONNECTED)) and not sending.left
            sending.answer = NotSent(reason, late) if unsent else Lost(reason)
            raise _Unanswered from None


async def _bounded(response: httpx2.Response) -> bytes:
    content = bytearray()
    async for part in response.aiter_bytes():
        content += part
        if len(content) > LARGEST_ANSWER:
            raise ValueError("answer too long")
    return bytes(content)


def _reason(error: Exception) -> str:
    """Why there is no answer, without addresses or anything of the request."""
    if isinstance(error, _TooLate):
        return "It was too late to send it when the connection was there."
    if isinstance(error, _NEVER_CONNECTED):
        return "No connection to Stripe could be made."
    if isinstance(error, httpx2.TimeoutException | TimeoutError):
        return "Stripe did not answer in time."
    return f"The connection to Stripe broke ({type(error).__name__})."


def _silence() -> None:
    """Nothing of the SDK or the HTTP library reaches a log below a warning: they write addresses and bodies. No telemetry:
    it would write a file into the home folder and send a header."""
    stripe.enable_telemetry = False
    stripe.log = None
    # Set from the environment, it prints requests and answers to stderr, past all loggers.
    import_module("stripe._util").__dict__["STRIPE_LOG"] = None
    for name in ("stripe", "httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.WARNING)
