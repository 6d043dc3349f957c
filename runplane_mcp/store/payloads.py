"""What stands in payloads: all that could be personal data, erasable, behind a salted commitment.

Without the salt, whoever reads the log could try names until one fits its hash.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping

from runplane_mcp.core.canonical import Json
from runplane_mcp.core.request import ActionRequest, Failure
from runplane_mcp.core.wire import WireRequest

_written = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode


def payload_bytes(content: object) -> bytes:
    """A payload's bytes: JSON with sorted names, in ASCII. Not the canonical form, since raw arguments and Stripe's
    answers hold what that refuses (`12.5`, lone surrogates, huge numbers) and must be kept all the same."""
    return _written(content).encode("ascii")


def commitment(salt: bytes, body: bytes) -> str:
    return hashlib.sha256(salt + body).hexdigest()


def wire_content(wire: WireRequest) -> dict[str, str]:
    return {
        "method": wire.method,
        "path": wire.path,
        "query": wire.query,
        "body": base64.b64encode(wire.body).decode("ascii"),
        "content_type": wire.content_type,
    }


def wire_of(content: Mapping[str, str]) -> WireRequest:
    return WireRequest(
        content["method"],
        content["path"],
        content["query"],
        base64.b64decode(content["body"], validate=True),
        content["content_type"],
    )


def asked_content(request: ActionRequest, arguments: Json) -> dict[str, object]:
    """What the agent sent. Empty where it sent nothing that could be kept."""
    content: dict[str, object] = {}
    if request.as_asked is not None:
        content["wire"] = wire_content(request.as_asked)
    own = {
        "justification": request.own.justification,
        "ticket": request.own.ticket,
        "idempotency_key": request.own.idempotency_key,
        "repeat_of": request.own.repeat_of,
    }
    if any(value is not None for value in own.values()):
        content["own"] = own
    if arguments is not None:
        content["arguments"] = arguments
    return content


def told_content(failure: Failure | None, message_to_agent: str | None) -> dict[str, object]:
    """The words about an outcome: Stripe's may name a customer, and a person's are free text."""
    content: dict[str, object] = {}
    if failure is not None:
        content["failure"] = {
            "message": failure.message,
            "param": failure.param,
            "stripe_request_id": failure.stripe_request_id,
        }
    if message_to_agent is not None:
        content["message_to_agent"] = message_to_agent
    return content
