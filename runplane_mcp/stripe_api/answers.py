"""What a send can come to, as a closed set. Told apart by one question: can the request have had an effect?"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias, cast

from runplane_mcp.core.redact import redact_text
from runplane_mcp.core.request import Failure
from runplane_mcp.core.wire import WireRequest

_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")
_LONGEST_MESSAGE = 500


@dataclass(frozen=True, slots=True)
class Done:
    """Stripe did it, or answered a read. `replayed`: it had been done before, under the same key."""

    status: int
    body: dict[str, object]
    request_id: str | None
    replayed: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """Stripe said no, in its own words. Nothing was done by this send, but for what `failure.effect_id` names. `replayed`:
    it is what Stripe remembers under our key, so that none of the sends under that key did it."""

    status: int
    failure: Failure
    error_type: str
    body: dict[str, object]
    replayed: bool = False

    @property
    def of_the_key(self) -> bool:
        """Whether it is about the idempotency key: it has come with another request before, so that one has been sent."""
        return "idempotency_error" in {self.error_type, self.failure.code.removeprefix("stripe.")}


@dataclass(frozen=True, slots=True)
class Busy:
    """Not now: over Stripe's limits (`limited`: certainly not executed), or another request holds the same key or object.
    `retry_after` is seconds."""

    status: int
    reason: str
    limited: bool
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class NotSent:
    """Proven: not one byte of the request left, since no connection was made or, `late`, there was one too late."""

    reason: str
    late: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """No usable answer after bytes may have left: it may have been done. `status` is what Stripe answered, if anything;
    `replayed`: that answer is what Stripe remembers under our key, so asking again tells no more."""

    reason: str
    status: int | None = None
    replayed: bool = False


Answer: TypeAlias = Done | Refused | Busy | NotSent | Lost


def read_answer(status: int, headers: Mapping[str, str], content: bytes, *, wire: WireRequest | None = None) -> Answer:
    """What an HTTP answer to `wire` means. `headers` by any case. Whatever is not clearly a success or clearly a refusal of
    Stripe's own is Lost: an unreadable 200 may well have moved money."""
    v2 = wire is not None and wire.v2
    replayed = headers.get("idempotent-replayed") == "true"
    request_id = headers.get("request-id")
    body = _object(content)
    error = body.get("error") if body is not None else None
    if 200 <= status < 300:
        # A body without `object` is none of Stripe's, even if the SDK would take it for the object itself.
        if body is None or "error" in body or not (isinstance(body.get("object"), str) or _unnamed(wire, body)):
            return Lost("Stripe's answer could not be read.", status, replayed)
        return Done(status, body, request_id, replayed)
    code = _text(error, "code")
    if status == 429 or (status == 400 and "rate_limit" in {code, _text(error, "type")}):
        return Busy(status, "Stripe takes no more requests at the moment.", True, _seconds(headers.get("retry-after")))
    if status >= 500:
        return Lost("Stripe had a fault of its own.", status, replayed)
    named = _text(error, "type") is not None or (v2 and code is not None)
    if status < 400 or status == 408 or body is None or not isinstance(error, dict) or not named:
        return Lost("The answer was none of Stripe's.", status, replayed)
    if status == 409 and code in {None, "idempotency_key_in_use", "lock_timeout"}:
        return Busy(status, "Another request with the same key is still being worked on.", limited=False)
    return Refused(status, _failure(status, error, request_id), _text(error, "type") or "", body, replayed)


def is_missing(refused: Refused) -> bool:
    """Whether it is Stripe's word that an object is not there: `resource_missing` in v1, `not_found` in /v2 (that one not
    verified against Stripe itself; any other is no definite no)."""
    code = refused.failure.code
    if code == "stripe.resource_missing":
        return refused.status in {400, 404}
    return code == "stripe.not_found" and refused.status == 404


def _unnamed(wire: WireRequest | None, body: dict[str, object]) -> bool:
    """Whether it is one of the answers of /v2 that do not say what they are: a page of a list, or what was deleted.
    Source: `v2.ListObject` and `v2.DeletedObject` of stripe-python 16.1."""
    if wire is None or not wire.v2:
        return False
    if wire.method == "GET":
        return isinstance(body.get("data"), list) and "next_page_url" in body
    return wire.method == "DELETE" and isinstance(body.get("id"), str)


def _failure(status: int, error: dict[str, object], request_id: str | None) -> Failure:
    code = _text(error, "code") or _text(error, "type") or ""
    message = redact_text(_text(error, "message") or "Stripe refused the request.")
    return Failure(
        code=f"stripe.{code}" if _CODE.fullmatch(code) else "stripe.refused",
        message=message[:_LONGEST_MESSAGE],
        param=_text(error, "param") or _text(error, "invalid_param"),
        stripe_request_id=request_id,
        # A declined payment leaves its object behind: no money moved, but something is there.
        effect_id=_left_behind(error) if status == 402 else None,
    )


def _left_behind(error: dict[str, object]) -> str | None:
    for name in ("payment_intent", "setup_intent", "charge", "payout", "refund"):
        value = error.get(name)
        id = value.get("id") if isinstance(value, dict) else value
        if isinstance(id, str) and id:
            return id
    return None


def _object(content: bytes) -> dict[str, object] | None:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, object]", found) if isinstance(found, dict) else None


def _text(error: object, name: str) -> str | None:
    value = error.get(name) if isinstance(error, dict) else None
    return value if isinstance(value, str) and value else None


def _seconds(value: str | None) -> float | None:
    return float(value) if value is not None and re.fullmatch(r"[0-9]{1,5}(?:\.[0-9]{1,3})?", value) else None
