"""The JSON Schema of policy files: the committed one is the generated one, and says of a file what the loader says."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from runplane_mcp.core.facts import REGISTRY
from runplane_mcp.core.policy.document import Entries, Items, Node, Unreadable, read
from runplane_mcp.core.policy.schema import FILE, policy_schema, schema_text
from tests.core.policies import HEAD, SHIPPED
from tests.core.policy_mistakes import GOOD, MISTAKES

COMMITTED = SHIPPED.parent / "docs" / FILE
VALIDATOR = Draft202012Validator(json.loads(schema_text()))
EXAMPLES = sorted((SHIPPED.parent / "examples").rglob("*.yaml"))
_NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[-+]?[0-9]+)?")


def as_editors_see(node: Node) -> Any:
    """YAML 1.2 as an editor reads it: numbers, true, false and null, all else text."""
    if isinstance(node, Items):
        return [as_editors_see(each) for each in node.items]
    if isinstance(node, Entries):
        return {key.text: as_editors_see(value) for key, value in node.entries}
    if node.empty:
        return None
    if node.plain and node.text in ("true", "false"):
        return node.text == "true"
    if node.plain and _NUMBER.fullmatch(node.text):
        number = float(node.text)
        return int(number) if number.is_integer() else number
    return node.text


def fits(text: str) -> bool:
    return bool(VALIDATOR.is_valid(as_editors_see(read(text))))


def test_the_committed_schema_is_the_generated_one() -> None:
    if os.environ.get("RUNPLANE_GOLDEN") == "write":
        COMMITTED.write_text(schema_text(), encoding="utf-8")
    Draft202012Validator.check_schema(policy_schema())

    assert schema_text() == COMMITTED.read_text(encoding="utf-8")


@pytest.mark.parametrize("text", [SHIPPED.read_text(encoding="utf-8"), GOOD, HEAD], ids=["shipped", "good", "head"])
def test_a_good_policy_fits(text: str) -> None:
    errors = [
        f"{error.json_path}: {error.message[:200]}" for error in VALIDATOR.iter_errors(as_editors_see(read(text)))
    ]

    assert errors == []


@pytest.mark.parametrize("file", EXAMPLES, ids=[each.name for each in EXAMPLES])
def test_every_example_fits(file: Path) -> None:
    assert "rules" not in file.read_text(encoding="utf-8") or fits(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "body",
    [
        "rules: [{id: a, when: {action: refunds}, then: allow, after: 10m, mode: shadow}]",
        "rules: [{id: a, when: {amount: {between: [5, 10.50]}, date: {at_least: 2026-01-01}}, then: block}]",
        "rules: [{id: a, when: {url_hosts: {none_in: [a.com, b.com]}, disputed: no}, then: block}]",
        "rules: [{id: a, when: {customer: {exists: false}, risk: {over: 60}}, then: block}]",
        "limits: [{id: a, when: {kind: write}, per: [agent, object], of: mrr_lost, at_most: {count: 5}, within: 1h30m}]",
        "tests: [{it: x, given: {action: refund.create, amount: unknown, disputed: none}, then: {block: 1}}]",
        "rules: [{id: a, when: {hour: {at_most: 7}}, then: require_approval, from: {any_of: [a, b], people: 2}}]",
    ],
)
def test_all_that_a_policy_can_say_fits(body: str) -> None:
    assert fits(f"{HEAD}{body}\n")


def test_every_mistake_of_shape_is_seen_by_an_editor_too() -> None:
    unseen = []
    for mistake in MISTAKES:
        try:
            seen = not fits(mistake.text)
        except Unreadable:
            continue
        if not seen and mistake.shape:
            unseen.append(mistake.what)

    # How a number is written (1e3, .5) is gone when an editor compares: that is for the loader to tell.
    assert unseen == []
    assert sum(mistake.shape for mistake in MISTAKES) > 100


def test_every_fact_is_described_for_who_types() -> None:
    conditions = json.loads(schema_text())["$defs"]["condition"]["properties"]

    assert list(REGISTRY) == list(conditions)
    for name, fact in REGISTRY.items():
        assert conditions[name]["description"].startswith(fact.sentence)
