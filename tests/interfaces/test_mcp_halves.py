"""Clients differ in what reaches the model: some pass on only the text, some only the structured half. So each half alone
must say what happened, what to do next, and every id of it. For every status, called and looked at later."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from runplane_mcp.core.canonical import Json
from runplane_mcp.core.request import State
from runplane_mcp.core.text import visible
from runplane_mcp.interfaces.mcp.envelope import SCHEMA, Answer, about_request

from .test_mcp_messages import ANSWERS, BASE, DAY, FLOOD, FORBIDDEN, NOW, REFUND, text_of

#: Every status as a control tool answers it.
LOOKED_AT = {
    f"{state.value}_looked_at": about_request(
        replace(
            BASE,
            status=state,
            expires_at=DAY if state in {State.WAITING, State.SCHEDULED, State.APPROVED} else None,
            result=REFUND if state is State.SUCCEEDED else None,
        ),
        now=NOW,
        tool="wait_for_request",
        control=True,
    )
    for state in State
}
ALL = {**ANSWERS, **LOOKED_AT}
#: Ids of ours and of Stripe's, wherever they stand.
ID = re.compile(r"\b(?:rpr_[0-9A-Z]{26}|RP-[0-9A-Z]{4,}|(?:re|req|po|sub|pi|ch|tr|cus)_[0-9A-Za-z_]+)\b")
INSIDE = re.compile(r"127\.0|localhost|/home|\.db\b|\brule\b|\blimit\b|\bscore\b|threshold|http", re.IGNORECASE)


def ids_of(value: Json) -> Iterator[str]:
    """The ids that the structured half holds beside its message."""
    if isinstance(value, str):
        yield from ID.findall(value)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            if name != "message":
                yield from ids_of(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from ids_of(item)


def test_every_status_is_there_called_and_looked_at() -> None:
    assert {state.value for state in State} <= ANSWERS.keys()
    assert {f"{state.value}_looked_at" for state in State} <= ALL.keys()


@pytest.mark.parametrize("name", ALL)
def test_the_text_alone_holds_every_id_of_the_other_half(name: str) -> None:
    text = text_of(ALL[name])

    assert [id for id in ids_of(ALL[name].envelope) if id not in text] == []


@pytest.mark.parametrize("name", ALL)
def test_the_structured_half_alone_holds_every_id_of_the_text(name: str) -> None:
    structured = json.dumps(ALL[name].envelope, ensure_ascii=False)

    assert [id for id in ID.findall(text_of(ALL[name])) if id not in structured] == []
    assert text_of(ALL[name]).startswith(str(ALL[name].envelope["message"]))


@pytest.mark.parametrize("name", ALL)
def test_both_halves_say_the_same_next_step(name: str) -> None:
    answer = ALL[name]
    step = answer.envelope.get("next")
    message = str(answer.envelope["message"])

    if not isinstance(step, Mapping):
        assert answer.envelope.get("status") in {None, "succeeded"}
        return
    assert step["do"] in {"wait", "call", "tell_user", "stop"}
    if step["do"] == "tell_user":
        assert re.search(r"[Tt]ell the user", message)
    if step["do"] in {"wait", "call"}:
        assert "tool" in step
    for part in ("tool", "not_before"):
        assert str(step.get(part, "")) in message
    other = {"wait_for_request", "get_request", "list_requests"} - {step.get("tool")}
    assert not any(f"Call {tool}" in message for tool in other)


@pytest.mark.parametrize("name", ALL)
def test_neither_half_tells_what_is_inside(name: str) -> None:
    """Rules, scores, thresholds and addresses are for people."""
    answer = ALL[name]
    told = {key: value for key, value in answer.envelope.items() if key != "result"}
    error = answer.envelope.get("error")

    assert not INSIDE.search(json.dumps(told, ensure_ascii=False))
    assert not FORBIDDEN.search(str(answer.envelope["message"]))
    if isinstance(error, Mapping):
        assert not FORBIDDEN.search(str(error["message"]))


@pytest.mark.parametrize("name", LOOKED_AT)
def test_a_status_that_is_looked_at_is_told_as_well_as_one_that_is_answered(name: str) -> None:
    answer = LOOKED_AT[name]
    message = str(answer.envelope["message"])

    assert not answer.is_error  # the tool has found its request
    assert len(message.split()) <= 90
    assert re.search("money", " ".join(message.split()[:14]), re.IGNORECASE)
    assert BASE.request_id in message
    assert BASE.reference in message
    assert list(Draft202012Validator(SCHEMA).iter_errors(dict(answer.envelope))) == []


@pytest.mark.parametrize("name", [name for name in ALL if "trouble" not in name and "read" not in name])
def test_there_is_one_sentence_to_say_to_the_user(name: str) -> None:
    message = str(ALL[name].envelope["message"])

    if "requests" not in name and "catalog" not in name:
        assert message.count("Tell the user: “") == 1
        assert message.endswith("”")


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("waited", [False, True], ids=["called", "looked_at"])
def test_the_longest_message_that_anybody_can_cause_stays_short(state: State, waited: bool) -> None:
    """On the simulator, with words of the policy's or a person's, an id as long as Stripe's, a reference that has grown."""
    view = replace(
        BASE,
        status=state,
        simulator=True,
        reference="RP-7F3K2M9X",
        action="billing_pricing_plan_subscription.remove_discounts",
        expires_at=DAY,
        tell_agent=FLOOD,
        result={**REFUND, "id": "re_" + "3Q1" * 20} if state is State.SUCCEEDED else None,
    )
    answer = about_request(view, now=NOW, tool="create_refund", control=waited)

    assert len(str(answer.envelope["message"]).split()) <= 90
    assert visible(str(answer.envelope["message"]), 10_000) == answer.envelope["message"]


def test_what_a_client_that_shows_nothing_but_the_text_learns_about_a_failure() -> None:
    answer: Answer = ANSWERS["failed"]

    assert "Stripe's request: req_1." in text_of(answer)
