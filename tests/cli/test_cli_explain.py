"""`runplane policy explain`: why a request was decided as it was, by the policy and the facts of then."""

from __future__ import annotations

from runplane_mcp.settings import Settings
from runplane_mcp.simulator import SEED
from tests.cli.conftest import Ask, Run, refund


def test_every_rule_and_limit_is_shown_with_each_test_and_what_the_fact_was(ask: Ask, run: Run) -> None:
    (held,) = ask(refund())
    told = run("policy", "explain", held.reference)
    found = run("policy", "explain", held.reference, "--json").json
    rules = {each["id"]: each for each in found["rules"]}

    assert (found["outcome"], found["decision"], found["decisions"]) == ("require_approval", 1, 1)
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
    before = run("policy", "explain", held.reference, "--json").json
    text = settings.policy_file.read_text(encoding="utf-8")
    settings.policy_file.write_text(text.replace("amount: {over: 500}", "amount: {over: 450}"), encoding="utf-8")
    (later,) = ask(refund(SEED.payment_intent_40))
    after = run("policy", "explain", held.reference, "--json").json

    assert run("policy", "explain", later.reference, "--json").json["policy_version"] != before["policy_version"]
    assert after == before


def test_what_is_in_shadow_is_not_said_to_decide(ask: Ask, run: Run, settings: Settings) -> None:
    text = settings.policy_file.read_text(encoding="utf-8")
    shadowed = text.replace("  - id: large-refunds\n", "  - id: large-refunds\n    mode: shadow\n", 1)
    settings.policy_file.write_text(shadowed, encoding="utf-8")
    (done,) = ask(refund())
    told = run("policy", "explain", done.reference)
    rules = {each["id"]: each for each in run("policy", "explain", done.reference, "--json").json["rules"]}

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


def test_trying_shows_the_same_for_what_did_not_happen(ask: Ask, run: Run) -> None:
    told = run("policy", "try", "create_refund", "payment_intent=pi_ada_900", "amount=65000")

    assert "amount over $500.00: it is $650.00 USD, true" in told.out
