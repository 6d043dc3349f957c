"""The one envelope of every tool, and its two halves: `structuredContent` and the text.

Clients differ in what reaches the model, so each half stands alone: `message` is first in the envelope and is the first
text block. What a read, a listing or a new payment link answered follows in a second text block, and so does an answer
whose secret is told once. Absent keys are absent, never null.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mcp_types import CallToolResult, ContentBlock, TextContent

from runplane_mcp.core.canonical import Json
from runplane_mcp.core.request import Kind, State
from runplane_mcp.core.text import escaped, unquoted, visible
from runplane_mcp.errors import OperationError, ParameterError, RequestError, RunplaneError
from runplane_mcp.gate.clock import iso
from runplane_mcp.gate.view import AnswerSecret, RequestView
from runplane_mcp.interfaces.mcp.messages import Next, Words, words_for

#: Statuses that are no failure of an operation tool: it was done, or it may still be.
FINE: Final = frozenset({State.SUCCEEDED, State.WAITING, State.SCHEDULED, State.APPROVED, State.EXECUTING})

#: Writes whose answer holds what the user asked for, such as an address: the text half needs it too.
_TO_HAND_ON: Final = frozenset({"payment_link.create"})
#: Characters of one text in Stripe's objects that are passed on. Stripe's own longest, a dispute's evidence, fits.
LONGEST_TEXT: Final = 20_000

_TEXT = {"type": "string"}
#: The output schema of every tool.
SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "message": {**_TEXT, "description": "The outcome, the next step, and what to tell the user. Follow it."},
        "next": {
            "type": "object",
            "properties": {
                "do": {"type": "string", "enum": ["wait", "call", "tell_user", "stop"]},
                "tool": _TEXT,
                "not_before": {**_TEXT, "format": "date-time"},
            },
            "required": ["do"],
            "additionalProperties": False,
        },
        "status": {"type": "string", "enum": [state.value for state in State]},
        "request_id": {**_TEXT, "description": "rpr_…"},
        "reference": {**_TEXT, "description": "RP-…, the short code for people."},
        "action": {**_TEXT, "description": "What it does, as resource.verb."},
        "simulator": {"type": "boolean", "description": "true: a simulated Stripe, no real money."},
        "result": {
            "type": "object",
            "description": "Stripe's object or list; or the requests or operations that you asked for.",
        },
        "error": {
            "type": "object",
            "properties": {"code": _TEXT, "message": _TEXT, "param": _TEXT, "stripe_request_id": _TEXT},
            "required": ["code", "message"],
            "additionalProperties": False,
        },
        "expires_at": {**_TEXT, "format": "date-time"},
    },
    "required": ["message"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer to a model. `attachment` is what the text half needs beside the message."""

    envelope: Mapping[str, Json]
    is_error: bool
    attachment: Json = None

    def as_result(self) -> CallToolResult:
        texts = [str(self.envelope["message"])]
        if self.attachment is not None:
            texts.append(escaped(json.dumps(self.attachment, ensure_ascii=False, separators=(",", ":"))))
        content: list[ContentBlock] = [TextContent(type="text", text=text) for text in texts]
        return CallToolResult(content=content, structured_content=dict(self.envelope), is_error=self.is_error)


def about_request(view: RequestView, *, now: int, tool: str, control: bool = False) -> Answer:
    """How a request stands. Of an operation tool a status that is not fine is a failure of the call; a control tool that
    found its request has worked, whatever became of the request."""
    words = words_for(view, now=now, tool=tool, waited=control)
    result = _bounded(view.result)
    envelope = _envelope(
        words,
        status=view.status.value,
        request_id=view.request_id,
        reference=view.reference,
        action=view.action,
        simulator=view.simulator,
        result=result,
        error=_error_of(view),
        expires_at=iso(view.expires_at) if view.expires_at is not None else None,
    )
    needed = view.kind is Kind.READ or view.action in _TO_HAND_ON or view.secret is AnswerSecret.HERE
    attachment = result if needed else None
    return Answer(envelope, is_error=not control and view.status not in FINE, attachment=attachment)


def about_requests(views: Sequence[RequestView]) -> Answer:
    """The agent's own requests. They have statuses of their own, so the envelope has none."""
    waiting = sum(view.status is State.WAITING for view in views)
    listed: list[Json] = [
        _without_absent(
            {
                "request_id": view.request_id,
                "reference": view.reference,
                "status": view.status.value,
                "action": view.action,
                "created_at": iso(view.created_at),
                "changed_at": iso(view.changed_at),
                "expires_at": iso(view.expires_at) if view.expires_at is not None else None,
                "runs_at": iso(view.runs_at) if view.runs_at is not None else None,
            }
        )
        for view in views
    ]
    if not views:
        message = "NO REQUESTS. You have none of this kind; nothing was changed by looking."
    else:
        message = (
            f"{len(views)} OF YOUR REQUESTS, newest first; {waiting} waiting for a person. Nothing was changed by looking. "
            "They are in result.requests and in the text after this. Call get_request with an id to see one."
        )
    envelope = _envelope(
        Words(message, None),
        simulator=any(view.simulator for view in views) if views else None,
        result={"requests": listed},
    )
    return Answer(envelope, is_error=False, attachment={"requests": listed})


def about_catalog(words: Words, found: Mapping[str, Json] | None) -> Answer:
    """What was found in the catalog: of nobody's request and nothing that was done."""
    return Answer(_envelope(words, result=found), is_error=False, attachment=found)


def about_trouble(error: RunplaneError, *, tool: str, operation: bool, may_have_run: bool) -> Answer:
    """A call that has no request to show, of an `operation` tool or of a control tool.

    Only what an agent can act on is told in the error's own words; others name files, addresses or keys. `may_have_run`:
    a write was on its way, so that what could not be written down may be its outcome.
    """
    actionable = isinstance(error, OperationError | ParameterError | RequestError)
    status = State.FAILED if operation else None
    told = unquoted(visible(f"{error.message} {error.next_step}".strip(), 400)) if actionable else ""
    if actionable:
        words = _after(error, f"NOT DONE. No money moved by this call. {told}", tool)
    elif may_have_run:
        status = State.OUTCOME_UNKNOWN
        words = Words(
            "OUTCOME UNKNOWN. Money may or may not have moved: Runplane could not finish, or could not write it down. "
            "Do not say that it worked or failed, and do not send it again. Call list_requests to see how it stands. "
            "Tell the user: “It is not known yet whether this was done.”",
            Next("call", "list_requests"),
        )
    else:
        words = Words(
            "NOT DONE. No money moved by this call. Runplane cannot work now and somebody has to look after it. "
            "Do not reroute it. Tell the user: “Runplane cannot answer; whoever runs it should look.”",
            Next("tell_user"),
        )
    envelope = _envelope(
        words,
        status=status.value if status is not None else None,
        error={
            "code": error.code,
            "message": told or "Runplane could not complete this call.",
            "param": error.param,
        },
    )
    return Answer(envelope, is_error=True)


def _after(error: RunplaneError, message: str, tool: str) -> Words:
    if isinstance(error, ParameterError):
        return Words(f"{message} Correct it and call {tool} once more.", Next("call", tool))
    if isinstance(error, OperationError):
        return Words(message, Next("call", "stripe_api_search"))
    if error.code == "request.closing":
        return Words(f"{message} Tell the user: “Runplane is stopping; nothing was done.”", Next("tell_user"))
    if error.code == "request.not_found":
        return Words(message, Next("call", "list_requests"))
    return Words(f"{message} Call get_request to see how it stands.", Next("call", "get_request"))


def _error_of(view: RequestView) -> dict[str, Json] | None:
    failure = view.failure
    if failure is None:
        return None
    return {
        "code": failure.code,
        "message": visible(failure.message, 400),
        "param": failure.param,
        "stripe_request_id": failure.stripe_request_id,
    }


def _bounded(value: Json) -> Json:
    """A value of Stripe's without a text that would drown all else that a model reads."""
    if isinstance(value, str):
        return value if len(value) <= LONGEST_TEXT else f"{value[:LONGEST_TEXT]}… ⟨{len(value) - LONGEST_TEXT:,} more⟩"
    if isinstance(value, Mapping):
        return {name: _bounded(item) for name, item in value.items()}
    return [_bounded(item) for item in value] if isinstance(value, list | tuple) else value


def _envelope(words: Words, **fields: Json) -> dict[str, Json]:
    step: dict[str, Json] | None = None
    if words.next is not None:
        step = {
            "do": words.next.do,
            "tool": words.next.tool,
            "not_before": iso(words.next.not_before) if words.next.not_before is not None else None,
        }
    return _without_absent({"message": words.message, "next": step, **fields})


def _without_absent(fields: Mapping[str, Json]) -> dict[str, Json]:
    kept: dict[str, Json] = {}
    for name, value in fields.items():
        if value is None:
            continue
        # Stripe's own objects stay as they are: there, null means something.
        kept[name] = _without_absent(value) if isinstance(value, Mapping) and name in {"next", "error"} else value
    return kept
