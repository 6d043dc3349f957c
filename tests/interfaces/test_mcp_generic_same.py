"""The same request is the same whichever tool it came through: the same bytes, the same sameness, the same decision, the
same card (THREATS 6, "generic write tool instead of the named one")."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runplane_mcp.app import open_desk
from runplane_mcp.core.card import Card
from runplane_mcp.core.catalog import load as load_catalog
from runplane_mcp.core.facts import REGISTRY, Source
from runplane_mcp.core.request import Kind, StripeIdentity, sameness
from runplane_mcp.core.wire import encode
from runplane_mcp.errors import ParameterError, RequestError
from runplane_mcp.interfaces.mcp.fields import OWN_WORDS
from runplane_mcp.interfaces.mcp.row import ToolRow
from runplane_mcp.interfaces.mcp.tools import BY_NAME, TOOLS
from runplane_mcp.interfaces.mcp.tools.stripe_api import BY_KIND
from tests.interfaces.conftest import Company, Connected, new_company
from tests.interfaces.test_tool_table import written
from tests.interfaces.tool_cases import CASES

CATALOG = load_catalog()
NAMED = [row for row in TOOLS if row.operation is not None and row.generic is None]
IDENTITY = StripeIdentity("simulator:x", "acct_1", livemode=False)
#: What two requests that are the same still have of their own.
OWN = re.compile(
    r"rpr_[0-9A-Z]{26}|RP-[0-9A-Z]{4,}|\d{4}-\d\d-\d\dT[\d:]+Z|\b[a-z]{2,10}_(?=\w*\d)(?=\w*[a-zA-Z])\w{10,}\b"
)
CLOCK = {name for name, fact in REGISTRY.items() if fact.source is Source.CLOCK}


def as_generic(row: ToolRow, given: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The same call through the generic tool."""
    operation_id, parameters, _ = row.split(row.shape.read(given))
    operation = CATALOG.by_id(operation_id)
    assert operation is not None
    own = {name: value for name, value in given.items() if name in OWN_WORDS}
    return BY_KIND[operation.kind], {
        "stripe_api_operation_id": operation_id,
        **({"parameters": parameters} if parameters else {}),
        **own,
    }


def outcome_of(row: ToolRow, given: Mapping[str, Any]) -> tuple[object, ...]:
    """What a tool makes of arguments, up to the bytes and what they are; or the code of its refusal."""
    try:
        operation_id, parameters, own = row.split(row.shape.read(given))
        operation = CATALOG.by_id(operation_id)
        assert operation is not None
        CATALOG.check(operation, parameters)
        wire = encode(operation.method, operation.path, parameters)
        classified = CATALOG.classify(wire)
        return operation_id, own, wire, classified, sameness(operation_id, IDENTITY, wire, "stdio")
    except ParameterError as error:
        return (error.code,)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_every_case_of_every_tool_is_the_same_bytes_through_the_generic_one(case: Any) -> None:
    row = BY_NAME[case.tool]
    for given_ in (case.given, *(sent for sent, _ in case.also)):
        generic, arguments = as_generic(row, given_)

        assert outcome_of(row, given_) == outcome_of(BY_NAME[generic], arguments)
        assert len(outcome_of(row, given_)) > 1


def values_for(field: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Values that a field of a tool's schema takes, and some that only Stripe's rules refuse."""
    if "enum" in field:
        return st.sampled_from(field["enum"])
    match field.get("type"):
        case "integer":
            return st.integers(field.get("minimum", -100), min(field.get("maximum", 10**6), 10**6))
        case "boolean":
            return st.booleans()
        case "array":
            return st.lists(values_for(field.get("items", {})), min_size=field.get("minItems", 0), max_size=2)
        case "object" if "properties" in field:
            wanted = field.get("required", [])
            inner = {name: values_for(each) for name, each in field["properties"].items()}
            optional = {name: each for name, each in inner.items() if name not in wanted}
            return st.fixed_dictionaries({name: inner[name] for name in wanted}, optional=optional)
        case "object":
            return st.dictionaries(st.sampled_from(["order", "a b", "x_1"]), st.text(max_size=5), max_size=2)
        case _:
            plain = st.sampled_from(["usd", "pi_ben_40", "cus_ada", "é &=%", "SUMMER25", "1798761600"])
            return st.from_regex(field["pattern"], fullmatch=True) if "pattern" in field else plain


@given(st.data())
def test_any_arguments_of_any_tool_are_the_same_through_the_generic_one(data: st.DataObject) -> None:
    row = data.draw(st.sampled_from(NAMED))
    schema = row.shape.schema
    given_ = data.draw(values_for({**schema, "type": "object"}))
    try:
        generic, arguments = as_generic(row, given_)
    except ParameterError:
        return  # a named tool's own rules may be narrower; they are never wider

    assert outcome_of(row, given_) == outcome_of(BY_NAME[generic], arguments)


# ── through the gate ──────────────────────────────────────────────────────────────────────────────────────────────────

#: Every write case twice: named or generic, then named or generic.
ORDERS = ("named named", "named generic", "generic named", "generic generic")


async def play(company: Company, order: str) -> list[dict[str, Any]]:
    """Everything that can be told of two calls of every write case, without what is each request's own."""
    told = []
    async with company.connected() as connected:
        for case in (case for case in CASES if not case.reads):
            row = BY_NAME[case.tool]
            ways = {"named": (case.tool, dict(case.given)), "generic": as_generic(row, case.given)}
            answers = []
            for way in order.split():
                tool, arguments = ways[way]
                answers.append(await connected.call(tool, **arguments, justification="because"))
            told.append({"case": case.id, "one request": answers[0].request_id == answers[1].request_id})
            for answer in answers:
                told.append(await about(company, connected, answer.request_id))
                message = plain(answer.text).replace(ways["generic"][0], case.tool)
                told.append({"status": answer.status, "error": answer.result.is_error, "message": message})
    return told


async def about(company: Company, connected: Connected, id: str) -> dict[str, Any]:
    request = await connected.gate.store.read(lambda reader: reader.request(id))
    decisions = await connected.gate.store.read(lambda reader: reader.decisions(id))
    assert request is not None
    card = None
    async with open_desk(company.settings, clock=company.clock()) as desk:
        with contextlib.suppress(RequestError):  # never held for people
            card = await desk.card(id)
    return {
        "request": [
            request.operation_id,
            request.action,
            request.kind,
            request.as_asked,
            request.effective and written(request.effective),
            request.same_asked,
            request.own,
        ],
        "decisions": [
            [each.kind, each.outcome, each.risk, {k: v for k, v in each.facts.items() if k not in CLOCK}]
            for each in decisions
        ],
        "card": dict(seen(card)) if card is not None else None,
    }


def seen(card: Card) -> Iterator[tuple[str, str]]:
    own = {"request_id", "reference", "digest", "fingerprint", "created_at", "expires_at", "facts"}
    for field in dataclasses.fields(card):
        if field.name not in own:
            yield field.name, plain(repr(getattr(card, field.name)))


def plain(text: str) -> str:
    return re.sub(r"(?<=runplane_request\]', ')[^']+", "…", OWN.sub("…", text))


@pytest.mark.slow
@pytest.mark.parametrize("orders", [ORDERS[::3], pytest.param(ORDERS, marks=pytest.mark.slow)])
def test_a_request_and_its_repeat_are_the_same_through_either_tool(tmp_path: Path, orders: tuple[str, ...]) -> None:
    async def play_all() -> list[list[dict[str, Any]]]:
        played = []
        for number, order in enumerate(orders):
            with new_company(tmp_path / str(number)) as company:
                played.append(await play(company, order))
        return played

    first, *others = asyncio.run(play_all())

    assert len(first) > 100
    for order, told in zip(orders[1:], others, strict=True):
        for expected, got in zip(first, told, strict=True):
            assert got == expected, order


async def test_a_refund_through_the_generic_tool_after_the_same_by_name_is_a_repeat(company: Company) -> None:
    refund = {"payment_intent": "pi_ben_40", "amount": 1_000}
    generic = {"stripe_api_operation_id": "PostRefunds", "parameters": refund}
    async with company.connected() as connected:
        first = await connected.call("create_refund", **refund)
        again = await connected.call("stripe_api_write", **generic)
        keyed = await connected.call("create_refund", payment_intent="pi_ada_900", amount=100, idempotency_key="k-1")
        same_key = await connected.call(
            "stripe_api_write",
            stripe_api_operation_id="PostRefunds",
            parameters={"payment_intent": "pi_ada_900", "amount": 100},
            idempotency_key="k-1",
        )

    assert first.status == "succeeded"
    assert again.status in {"waiting", "succeeded"}
    assert again.status == "waiting" or again.request_id == first.request_id
    assert same_key.request_id == keyed.request_id
    assert company.refunds()["count"] == 2


def test_there_is_a_generic_tool_for_each_kind() -> None:
    assert {*BY_KIND} == {*Kind}
    for kind, name in BY_KIND.items():
        assert BY_NAME[name].annotations.read_only_hint is (kind is Kind.READ)
    write = BY_NAME[BY_KIND[Kind.WRITE]].annotations
    assert write.destructive_hint
    assert write.open_world_hint
    assert not write.idempotent_hint
