"""Every operation tool, by its cases: strict input, the right wire request, the right effect, groups and decision, an
envelope as the schema says in both eras, and a result that Stripe's own SDK agrees with.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from typing import Any

import pytest
import stripe
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from runplane_mcp.core.approval import Answer
from runplane_mcp.core.catalog import load as load_catalog
from runplane_mcp.core.redact import redact
from runplane_mcp.core.request import Kind, State
from runplane_mcp.core.wire import WireRequest, encode, pairs
from runplane_mcp.errors import ParameterError
from runplane_mcp.gate.records import fact_from_json
from runplane_mcp.interfaces.mcp.envelope import SCHEMA
from runplane_mcp.interfaces.mcp.fields import OWN_WORDS
from runplane_mcp.interfaces.mcp.row import ToolRow
from runplane_mcp.interfaces.mcp.tools import BY_NAME, TOOLS, callers_of
from runplane_mcp.interfaces.mcp.toolset import Toolset
from runplane_mcp.simulator import SIMULATOR_KEY, SimulatorServer
from tests.interfaces.conftest import Answered, Company, Connected
from tests.interfaces.tool_cases import CASES
from tests.interfaces.tool_cases.case import Case

stripe.enable_telemetry = False
CATALOG = load_catalog()
#: The generic ones are every tool at once: test_mcp_generic.py.
OPERATIONS = [row for row in TOOLS if row.operation is not None and row.generic is None]
ENVELOPE = Draft202012Validator(SCHEMA)
STATUS = {"allow": "succeeded", "require_approval": "waiting", "block": "blocked"}

#: What is none of a type, for each JSON type. Nothing is ever read as something near.
WRONG: dict[str, tuple[Any, ...]] = {
    "integer": ("5", 5.0, True, None, [5], {"value": 5}),
    "number": ("5", True, None, [5]),
    "string": (5, True, None, ["x"], {"id": "x"}),
    "boolean": ("true", 1, 0, None, [True]),
    "object": ("x", 5, None, [{"a": "b"}]),
    "array": ("x", 5, None, {"0": "x"}),
}


def cases_of(tool: str) -> list[Case]:
    return [case for case in CASES if case.tool == tool]


def written(wire: WireRequest) -> str:
    """A wire request as cases write it down."""
    flat = "&".join(f"{name}={value}" for name, value in pairs(wire) if name != "metadata[runplane_request]")
    return f"{wire.method} {wire.path} {flat}".rstrip()


def type_of(field: Mapping[str, Any]) -> str:
    return str(field.get("type", "string"))


def wrong_for(row: ToolRow) -> Iterator[tuple[str, dict[str, Any]]]:
    """Arguments of a tool with one thing wrong: every field once with every value that is none of its type."""
    right = dict(cases_of(row.name)[0].given)
    yield "another name", {**right, "amout": 5}
    for name, field in row.shape.schema["properties"].items():
        for value in WRONG[type_of(field)]:
            yield f"{name}={value!r}", {**right, name: value}
        for inner, within in field.get("properties", {}).items():
            yield f"{name} with another name", {**right, name: {"amout": 5}}
            for value in WRONG[type_of(within)]:
                yield f"{name}[{inner}]={value!r}", {**right, name: {inner: value}}


def picked(obj: Any, path: str) -> Any:
    """The value at `data.0.amount`."""
    for step in path.split("."):
        obj = obj[int(step)] if isinstance(obj, list) else obj.get(step)
    return obj


def seen(company: Company, changed: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    found = {}
    for path, fields in changed.items():
        answer = company.look(path)
        missing = answer.get("object") == "list" and not answer["data"]
        found[path] = {} if missing or "error" in answer else {name: picked(answer, name) for name in fields}
    return found


def test_every_operation_tool_has_a_case() -> None:
    assert {row.name for row in OPERATIONS} == {case.tool for case in CASES}
    assert len({case.id for case in CASES}) == len(CASES)


@pytest.mark.parametrize("row", OPERATIONS, ids=lambda row: row.name)
def test_the_cases_of_a_tool_give_all_that_it_takes(row: ToolRow) -> None:
    given = {
        name for case in cases_of(row.name) for sent in (case.given, *(each for each, _ in case.also)) for name in sent
    }

    assert given == set(row.shape.schema["properties"]) - OWN_WORDS


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_arguments_make_a_request_that_the_catalog_knows_and_has_judged(case: Case) -> None:
    row = BY_NAME[case.tool]
    for given, sends in ((case.given, None), *case.also):
        operation_id, parameters, _ = row.split(row.shape.read(given))
        operation = CATALOG.by_id(operation_id)

        assert operation is not None
        assert operation.judged
        assert operation_id in row.operations
        assert row.name in callers_of(operation_id)
        CATALOG.check(operation, parameters)
        wire = encode(operation.method, operation.path, parameters)
        classified = CATALOG.classify(wire)
        assert classified.operation is operation
        assert (operation.kind is Kind.READ) == row.annotations.read_only_hint
        if sends is not None:
            assert written(wire) == sends


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_hints_are_as_the_case_says(case: Case) -> None:
    hints = BY_NAME[case.tool].annotations.model_dump(by_alias=False)

    assert {name.removesuffix("_hint") for name, holds in hints.items() if holds is True} == case.hints


@pytest.mark.parametrize("row", OPERATIONS, ids=lambda row: row.name)
def test_nothing_is_read_as_something_near(row: ToolRow) -> None:
    for wrong, given in wrong_for(row):
        with pytest.raises(ParameterError) as caught:
            row.shape.read(given)
        assert caught.value.code.startswith("parameter."), wrong


@pytest.mark.parametrize("row", OPERATIONS, ids=lambda row: row.name)
def test_the_operation_of_a_refused_attempt_is_the_tool_s_own(row: ToolRow) -> None:
    case = cases_of(row.name)[0]

    assert row.usually == row.split(row.shape.read(case.given))[0]


async def tried_wrong(connected: Connected, row: ToolRow) -> int:
    """How many wrong values of different kinds a tool was given, each of which it refused and recorded."""
    kinds: set[tuple[str, str]] = set()
    for wrong, given in wrong_for(row):
        value = next((given[name] for name in given if wrong.startswith(f"{name}=")), wrong)
        kind = (type(value).__name__, type_of(row.shape.schema["properties"].get(wrong.split("=")[0], {})))
        if kind in kinds:
            continue
        kinds.add(kind)
        answer = await connected.call(row.name, **given)
        recorded = await connected.gate.get("stdio", answer.request_id)

        assert (answer.status, answer.result.is_error) == ("failed", True), (row.name, wrong)
        assert answer.code.startswith("parameter."), (row.name, wrong)
        assert recorded.status is State.FAILED
        assert list(ENVELOPE.iter_errors(answer.envelope)) == []
    return len(kinds)


async def test_what_is_wrong_is_recorded_for_each_tool_and_never_sent(company: Company) -> None:
    """THREATS row 1, for every tool: one of each kind of wrong value through the real gate."""
    tried = 0
    # A gate of its own for a few tools at a time: of too many wrong ones by one agent, not each is written down.
    for start in range(0, len(OPERATIONS), 15):
        async with company.connected() as connected:
            for row in OPERATIONS[start : start + 15]:
                tried += await tried_wrong(connected, row)

    assert tried > 5 * len(OPERATIONS)
    assert company.writes() == 0


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_a_tool_does_what_its_case_says(company: Company, case: Case) -> None:
    before = seen(company, case.changed)
    given = dict(case.given) if case.reads else {**case.given, "idempotency_key": "case", "justification": "because"}
    answers: list[Answered] = []
    async with (
        company.connected() as connected,
        company.client(connected.gate, mode="auto", toolset=Toolset.ALL) as new,
        company.client(connected.gate, mode="legacy", toolset=Toolset.ALL) as old,
    ):
        answers.append(await new.call(case.tool, **given))
        first = answers[0]
        assert first.status == STATUS[case.decision], first.text
        if case.decision == "require_approval":
            assert company.writes() == 0
            await company.vote(first.request_id, Answer.YES)
            answers.append(await new.call("wait_for_request", request_id=first.request_id, seconds=20))
        done = answers[-1]
        # The same again in the other era: a read reads again, a write has its first answer.
        answers.append(await old.call(case.tool, **given))
        request = await connected.gate.store.read(lambda reader: reader.request(first.request_id))
        (decision, *_) = await connected.gate.store.read(lambda reader: reader.decisions(first.request_id))

    assert done.status == ("blocked" if case.decision == "block" else "succeeded"), done.text
    for answer in answers:
        assert list(ENVELOPE.iter_errors(answer.envelope)) == []
        assert answer.text.split("\n")[0] == answer.envelope["message"]
        assert answer.envelope["action"] == case.action
    assert answers[-1].status == done.status
    assert answers[-1].envelope.get("result") == done.envelope.get("result")
    assert (answers[-1].request_id == first.request_id) != case.reads

    assert request is not None
    assert request.effective is not None
    assert written(request.effective) == case.sends
    facts = {name: fact_from_json(value) for name, value in decision.facts.items()}
    assert decision.outcome.value == case.decision
    assert facts["action"] == {case.action} | case.groups
    assert {name: facts.get(name) for name in case.facts} == case.facts

    assert all(before[path] != fields for path, fields in case.changed.items())
    assert seen(company, case.changed) == case.changed
    assert bool(company.writes()) == (not case.reads and case.decision != "block")
    if case.decision != "block":
        assert redact(asked_by_the_sdk(company, case, done.envelope["result"])) == done.envelope["result"]


def asked_by_the_sdk(company: Company, case: Case, result: Any) -> Any:
    """What Stripe's own SDK says about the same, in the same world."""
    with ExitStack() as stack:
        server = stack.enter_context(SimulatorServer(company.world))
        transport = stack.enter_context(closing(stripe.RequestsClient(timeout=20)))
        client = stripe.StripeClient(SIMULATOR_KEY, base_addresses={"api": server.base_url}, http_client=transport)
        return json.loads(str(case.asks(client.v1, result)))
