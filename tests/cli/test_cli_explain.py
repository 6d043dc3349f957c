"""`runplane policy explain`: why a request was decided as it was, by the policy and the facts of then."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest

from runplane_mcp.core.compile import CompiledPolicy
from runplane_mcp.core.facts import REGISTRY
from runplane_mcp.errors import PolicyError
from runplane_mcp.gate import explaining
from runplane_mcp.gate.policies import Policies
from runplane_mcp.gate.view import RequestView, Submission
from runplane_mcp.settings import Settings
from runplane_mcp.simulator import SEED
from tests.cli.conftest import DANA, DANAS, Ask, OpenGate, Run, refund


def only(run: Run, reference: str) -> dict[str, Any]:
    """What `--json` says of the one decision of a request."""
    found = run("policy", "explain", reference, "--json").json
    (decision,) = found["decisions"]
    assert found["count"] == 1
    return dict(decision)


def rules_of(decision: dict[str, Any]) -> dict[str, Any]:
    return {each["id"]: each for each in decision["rules"]}


def altered(settings: Settings, statement: str) -> None:
    """Changes the database as its owner could, triggers or not."""
    with closing(sqlite3.connect(settings.database, isolation_level=None)) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        assert connection.execute(statement).rowcount > 0


def rewrite(settings: Settings, old: str, new: str) -> None:
    text = settings.policy_file.read_text(encoding="utf-8")
    assert old in text
    settings.policy_file.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_every_rule_and_limit_is_shown_with_each_test_and_what_the_fact_was(ask: Ask, run: Run) -> None:
    (held,) = ask(refund())
    told = run("policy", "explain", held.reference)
    found = only(run, held.reference)
    rules = rules_of(found)

    assert (found["outcome"], found["decision"], found["kind"]) == ("require_approval", 1, "first")
    assert rules["large-refunds"]["applies"] == "true"
    assert {
        "part": "when",
        "fact": "amount",
        "test": "over $500.00",
        "value": "$900.00 USD",
        "verdict": "true",
    } in rules["large-refunds"]["tests"]
    assert rules["payouts"]["applies"] == "false"
    assert {each["id"] for each in found["limits"]} == {
        "refunds-an-hour",
        "refunds-a-day",
        "refunds-a-week",
        "one-customer",
    }
    assert "amount over $500.00: it is $900.00 USD, true" in told.out
    assert f":{rules['large-refunds']['line']}: require_approval  applies" in told.out
    assert "refunds-an-hour: $900.00" in told.out


def test_it_is_explained_by_the_policy_that_decided_it_however_often_that_has_changed(
    ask: Ask, run: Run, settings: Settings
) -> None:
    (held,) = ask(refund())
    before = only(run, held.reference)
    rewrite(settings, "amount: {over: 500}", "amount: {over: 450}")
    (later,) = ask(refund(SEED.payment_intent_40))
    after = only(run, held.reference)

    assert only(run, later.reference)["policy_version"] != before["policy_version"]
    assert after == before


def test_what_is_in_shadow_is_not_said_to_decide(ask: Ask, run: Run, settings: Settings) -> None:
    rewrite(settings, "  - id: large-refunds\n", "  - id: large-refunds\n    mode: shadow\n")
    (done,) = ask(refund())
    told = run("policy", "explain", done.reference)
    rules = rules_of(only(run, done.reference))

    assert "in shadow, rule large-refunds: require_approval. Large refunds need a person." in told.out
    assert "require_approval  applies, in shadow: it decides nothing" in told.out
    assert (rules["large-refunds"]["mode"], rules["payouts"]["mode"]) == ("shadow", "enforce")


def test_an_agents_name_does_nothing_to_the_screen(ask: Ask, run: Run) -> None:
    """THREATS 14."""
    (held,) = ask(refund(agent="bot\x1b[2J\u202e"))
    told = run("policy", "explain", held.reference)

    assert "\x1b" not in told.out
    assert "\u202e" not in told.out
    assert "bot" in told.out


def test_what_cannot_be_explained_says_why(ask: Ask, run: Run) -> None:
    (held,) = ask(refund())

    nobody, seventh = run("policy", "explain", "RP-0000"), run("policy", "explain", held.reference, "--decision", "7")

    assert (nobody.code, seventh.code) == (1, 1)
    assert "request.not_found" in nobody.err
    assert "has no decision 7" in seventh.err


@pytest.fixture
def asked_again(ask: Ask, gate: OpenGate, run: Run, settings: Settings) -> RequestView:
    """Approved, and back to people before it ran: the policy had got stricter, and the card did not say so."""
    (held,) = ask(refund())
    digest = run("approvals", "show", held.reference, "--json").json["digest"]
    vote = ("approve", held.reference, "--digest", digest, "--as", DANA, "--secret-stdin", "--json")
    assert run(*vote, stdin=f"{DANAS}\n").code == 0
    rule = "rules:\n  - {id: huge, when: {action: refunds, amount: {over: 800}}, then: require_approval}\n"
    rewrite(settings, "rules:\n", rule)

    async def until_decided_again() -> None:
        async with gate() as living:
            with anyio.fail_after(20):
                while True:
                    found = await living.store.read(lambda reader: reader.decisions(held.request_id))
                    if len(found) == 2:
                        return
                    await living.change(0.05)

    anyio.run(until_decided_again)
    return held


def test_each_decision_of_a_request_is_explained_with_its_own_rules(asked_again: RequestView, run: Run) -> None:
    found = run("policy", "explain", asked_again.reference, "--json").json
    first, second = found["decisions"]
    told = run("policy", "explain", asked_again.reference).out
    early, late = told.split("decision 2 of 2")

    assert (found["reference"], found["count"]) == (asked_again.reference, 2)
    assert [(each["decision"], each["kind"]) for each in (first, second)] == [(1, "first"), (2, "execution")]
    assert first["policy_version"] != second["policy_version"]
    assert "huge" not in rules_of(first)
    assert rules_of(second)["huge"]["applies"] == "true"
    assert "decision 1 of 2 (when it came, round 1)" in early
    assert "huge" not in early
    assert late.startswith(" (before it ran, round 1)")
    assert f"rule huge, policy {second['policy_version'][:12]}:" in late
    assert "amount over $800.00: it is $900.00 USD, true" in late
    assert "amount over $500.00: it is $900.00 USD, true" in late, "what applies is told of each decision in full"
    # What says nothing this time either is named, and no more.
    assert "rule payouts, policy" in early
    assert "rule payouts, policy" not in late
    assert "as before, does not apply: " in late
    assert "payouts" in late


def test_facts_are_told_once_and_then_only_what_changed_of_them(asked_again: RequestView, run: Run) -> None:
    early, late = run("policy", "explain", asked_again.reference).out.split("decision 2 of 2")
    alone = run("policy", "explain", asked_again.reference, "--decision", "2").out

    assert "  customer: cus_ada" in early
    assert "  customer: cus_ada" not in late
    assert "Facts that changed" in late or "No fact has changed" in late
    # By itself, all of it.
    assert "decision 1 of 2" not in alone
    assert "  customer: cus_ada" in alone
    assert "rule payouts, policy" in alone


def test_what_unless_softens_is_shown_with_what_it_saw(ask: Ask, run: Run, settings: Settings) -> None:
    rewrite(
        settings,
        "    when: {action: refunds, amount: {over: 500}}",
        "    when: {action: refunds, amount: {over: 500}}\n    unless: {customer: [cus_ada, cus_ben]}",
    )
    (done,) = ask(refund())
    told = run("policy", "explain", done.reference).out
    rule = rules_of(only(run, done.reference))["large-refunds"]

    assert rule["applies"] == "false"
    assert [(test["part"], test["verdict"]) for test in rule["tests"]] == [
        ("when", "true"),
        ("when", "true"),
        ("unless", "true"),
    ]
    assert "unless customer cus_ada or cus_ben: it is cus_ada, true" in told


def test_an_allow_rule_that_does_not_cover_is_not_shown_as_the_reason(ask: Ask, run: Run, settings: Settings) -> None:
    rule = "rules:\n  - {id: all-fine, when: {action: bank_details}, then: allow}\n"
    text = settings.policy_file.read_text(encoding="utf-8").partition("\ntests:")[0]
    settings.policy_file.write_text(text.replace("rules:\n", rule, 1), encoding="utf-8")
    daily = {"payments": {"payouts": {"schedule": {"interval": "daily"}}}}
    (blocked,) = ask(Submission("stdio", "support-bot", "mcp", "PostBalanceSettings", daily))
    told = run("policy", "explain", blocked.reference).out
    decision = only(run, blocked.reference)

    assert decision["outcome"] == "block"
    assert rules_of(decision)["all-fine"]["applies"] == "true"
    assert rules_of(decision)["all-fine"]["not_covered"] == ["redirects_funds"]
    assert "applies, but does not cover it: its condition does not name redirects_funds" in told


@pytest.mark.parametrize(
    ("old", "new", "outcome", "spoke"),
    [
        (
            "rules:\n",
            "rules:\n  - {id: no-refunds, when: {action: refunds}, then: block}\n",
            "block",
            "block: rule no-refunds",
        ),
        (
            "then: require_approval\n    why: Large refunds",
            "then: allow\n    why: Large refunds",
            "allow",
            "allow: rule large-refunds, without risk risk.medium, rule large-refunds",
        ),
    ],
    ids=["stricter", "milder"],
)
def test_what_a_candidate_policy_says_is_told_beside(
    ask: Ask, run: Run, settings: Settings, tmp_path: Path, old: str, new: str, outcome: str, spoke: str
) -> None:
    candidate = tmp_path / "candidate.yaml"
    text = settings.policy_file.read_text(encoding="utf-8").partition("\ntests:")[0]
    candidate.write_text(text.replace(old, new, 1), encoding="utf-8")
    assert run("policy", "shadow", str(candidate)).code == 0
    (held,) = ask(refund())
    told = run("policy", "explain", held.reference).out
    decision = only(run, held.reference)

    assert decision["candidate"]["outcome"] == outcome
    assert f"tried beside, policy {decision['candidate']['version'][:12]} says {spoke}\n" in told
    assert "REQUIRE APPROVAL" in told
    assert "no-refunds" not in rules_of(decision), "it is no rule of the policy that decided"


def test_erased_facts_are_said_to_be_erased(ask: Ask, run: Run, settings: Settings) -> None:
    (held,) = ask(refund())
    altered(settings, "DELETE FROM payload WHERE commitment IN (SELECT content FROM decision)")
    told = run("policy", "explain", held.reference)
    decision = only(run, held.reference)

    assert told.code == 0
    assert "REQUIRE APPROVAL" in told.out
    assert "Its facts were erased" in told.out
    assert (decision["erased"], decision["rules"], decision["facts"]) == (True, [], {})


def test_a_recorded_fact_that_is_none_any_more_is_shown_as_that(
    ask: Ask, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (held,) = ask(refund())
    known = {name: fact for name, fact in REGISTRY.items() if name not in {"share", "guest"}}
    monkeypatch.setattr(explaining, "REGISTRY", known)
    told = run("policy", "explain", held.reference).out
    decision = only(run, held.reference)

    assert '  guest: {"missing":"none"}  (no longer a fact)' in told
    assert '  share: {"fraction":"100"}  (no longer a fact)' in told
    assert decision["no_longer_facts"] == ["guest", "share"]
    assert decision["facts"]["share"] == {"fraction": "100"}
    assert rules_of(decision)["large-refunds"]["applies"] == "true"


def test_a_policy_that_cannot_be_read_any_more_hides_nothing_else(
    ask: Ask, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (held,) = ask(refund())
    compile_as_ever = Policies.compile

    def unreadable(self: Policies, text: str, *, file: str) -> CompiledPolicy:
        if file.startswith("policy "):
            raise PolicyError("policy.invalid", "`of` is none of amount.")
        return compile_as_ever(self, text, file=file)

    monkeypatch.setattr(Policies, "compile", unreadable)
    told = run("policy", "explain", held.reference)
    decision = only(run, held.reference)

    assert told.code == 0
    assert "This version of Runplane cannot read policy" in told.out
    assert "rule large-refunds: require approval. Large refunds need a person." in told.out
    assert "  customer: cus_ada" in told.out
    assert (decision["policy_unreadable"], decision["rules"]) == ("`of` is none of amount.", [])


def test_a_policy_text_that_was_changed_explains_nothing(ask: Ask, run: Run, settings: Settings) -> None:
    """THREATS 24."""
    (held,) = ask(refund())
    rewrite(settings, "amount: {over: 500}", "amount: {over: 450}")
    ask(refund(SEED.payment_intent_40))
    older = "text NOT LIKE '%over: 450%'"
    altered(settings, f"UPDATE policy SET text = replace(text, 'over: 500', 'over: 5000') WHERE {older}")
    told = run("policy", "explain", held.reference, "--json")

    assert (told.code, told.error) == (1, "policy.unreadable")


def test_trying_shows_the_same_for_what_did_not_happen(ask: Ask, run: Run) -> None:
    told = run("policy", "try", "create_refund", "payment_intent=pi_ada_900", "amount=65000")

    assert "amount over $500.00: it is $650.00 USD, true" in told.out
