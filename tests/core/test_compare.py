"""What changed between two policies, and whether the newer is provably only tighter: sound always, and useful for the edits
that people make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runplane_mcp.core.compile import CompiledPolicy
from runplane_mcp.core.decide import decide
from runplane_mcp.core.decision import Decision, Need, Outcome, Usage
from runplane_mcp.core.facts import UNKNOWN, FactValue
from runplane_mcp.core.money import Money
from runplane_mcp.core.policy import load
from runplane_mcp.core.policy.compare import Comparison, Direction, compare
from runplane_mcp.errors import PolicyError
from tests.core.policies import ACTIONS, HEAD, compiled, facts_of
from tests.core.policies import decided as decided_empty
from tests.core.test_policy_properties import HEAD as WRITTEN_HEAD
from tests.core.test_policy_properties import LIMITS, OTHERWISE, RULES, policy, requests, with_ids

#: Refunds are always in their group; of payouts there is an operation that nobody has judged.
CATALOG = {name: replace(info, always=info.groups, unjudged=name == "payout.create") for name, info in ACTIONS.items()}
BASE = """\
otherwise: {reads: allow, writes: by_risk, unjudged: block}
repeat_window: 10m
risk_levels: {medium: 30, high: 60, critical: 85}
rules:
  - {id: large, when: {action: refunds, amount: {over: 500}}, unless: {customer: [cus_1, cus_2]}, then: require_approval,
     from: {any_of: [finance, leads], people: 1}, expires_in: 12h, why: Large., tell_agent: Wait.}
  - {id: create, when: {action: refund.create, share: {over: 50}}, then: require_approval}
  - {id: nights, when: {action: payouts, business_hours: false}, then: block}
  - {id: both, when: {action: [payouts, transfers]}, then: require_approval}
  - {id: later, when: {action: subscription.cancel}, then: allow, after: 10m}
  - {id: small, when: {action: refunds, amount: {under: 20}}, then: allow}
  - {id: tried, when: {action: customer.delete}, then: block, mode: shadow}
limits:
  - {id: hour, when: {action: refunds}, per: agent, at_most: {total: 1000, count: 15}, within: 1h, then: require_approval}
  - {id: day, when: {action: payouts}, at_most: {total: 5000}, within: 1d, then: block}
tests:
  - {it: asks, given: {action: refund.create, amount: 800}, then: require_approval}
"""
WHOLE = HEAD + BASE


class Edit(NamedTuple):
    """Text of the file and what is written in its place."""

    old: str
    new: str


def edited(*edits: Edit) -> Comparison:
    text = WHOLE
    for edit in edits:
        assert text.count(edit.old) == 1, edit.old
        text = text.replace(edit.old, edit.new)
    return compare(load(WHOLE), load(text), CATALOG)


TIGHTER = {
    "a rule that asks is added": Edit(
        "limits:\n", "  - {id: more, when: {action: credits}, then: require_approval}\nlimits:\n"
    ),
    "a rule that blocks is added": Edit("limits:\n", "  - {id: more, when: {bulk: true}, then: block}\nlimits:\n"),
    "what is allowed is held back": Edit(
        "limits:\n", "  - {id: more, when: {action: customer.update}, then: allow, after: 1h}\nlimits:\n"
    ),
    "a rule asks from less on": Edit("over: 500}", "over: 400}"),
    "a rule asks from exactly there on": Edit("over: 500}", "at_least: 500}"),
    "a rule holds for all amounts": Edit("{action: refunds, amount: {over: 500}}", "{action: refunds}"),
    "a rule holds for more actions": Edit("action: [payouts, transfers]", "action: [payouts, transfers, credits]"),
    "a rule holds for the whole group of its action": Edit("action: refund.create, share", "action: refunds, share"),
    "a rule holds for the group of its action, but for what that never is": Edit(
        "action: refund.create, share", "action: {any_in: [refunds], none_in: [payouts, transfers]}, share"
    ),
    "an exception is removed": Edit("unless: {customer: [cus_1, cus_2]}, ", ""),
    "an exception holds for fewer": Edit("unless: {customer: [cus_1, cus_2]}", "unless: {customer: cus_1}"),
    "an exception needs one thing more": Edit("cus_2]}", "cus_2], disputed: false}"),
    "a rule blocks instead of asking": Edit(
        "{action: [payouts, transfers]}, then: require_approval", "{action: [payouts, transfers]}, then: block"
    ),
    "two people are asked": Edit("leads], people: 1", "leads], people: 2"),
    "fewer groups can say yes": Edit("any_of: [finance, leads]", "any_of: [finance]"),
    "a question stands for less time": Edit("expires_in: 12h", "expires_in: 6h"),
    "all questions stand for less time": Edit("expires_in: 24h", "expires_in: 8h"),
    "what is allowed is held back longer": Edit("after: 10m", "after: 20m"),
    "what was held back is asked about": Edit("then: allow, after: 10m", "then: require_approval"),
    "an `allow` rule is removed": Edit(
        "  - {id: small, when: {action: refunds, amount: {under: 20}}, then: allow}\n", ""
    ),
    "an `allow` rule covers less": Edit("under: 20}", "under: 10}"),
    "an `allow` rule covers one action of its group": Edit(
        "{action: refunds, amount: {under: 20}}", "{action: refund.create, amount: {under: 20}}"
    ),
    "an `allow` rule needs one thing more": Edit("{under: 20}}", "{under: 20}, disputed: false}"),
    "an `allow` rule has an exception": Edit(
        "amount: {under: 20}}, then: allow", "amount: {under: 20}}, unless: {disputed: true}, then: allow"
    ),
    "a rule leaves shadow": Edit("then: block, mode: shadow", "then: block"),
    "a limit has a smaller total": Edit("total: 1000,", "total: 900,"),
    "a limit has a smaller count": Edit("count: 15", "count: 10"),
    "a limit gets a count": Edit("total: 5000}", "total: 5000, count: 9}"),
    "a limit looks back longer": Edit("within: 1h", "within: 2h"),
    "a limit blocks instead of asking": Edit("within: 1h, then: require_approval", "within: 1h, then: block"),
    "a limit is added": Edit(
        "tests:\n", "  - {id: more, when: {action: credits}, at_most: {count: 99}, within: 1d}\ntests:\n"
    ),
    "reads need a person": Edit("reads: allow", "reads: require_approval"),
    "writes need a person": Edit("writes: by_risk", "writes: require_approval"),
    "writes are blocked": Edit("writes: by_risk", "writes: block"),
    "a level begins lower": Edit("critical: 85", "critical: 80"),
    "the same again needs a person for longer": Edit("repeat_window: 10m", "repeat_window: 1h"),
    "a day is closed": Edit("close: 17:00}", "close: 17:00, closed_on: [2026-12-25]}"),
    "business hours end earlier": Edit("close: 17:00}", "close: 16:00}"),
}
IN_PIECES = {
    "from some amount on two people are asked": Edit(
        "  - {id: create, when: {action: refund.create, share: {over: 50}}, then: require_approval}\n",
        "  - {id: create, when: {action: refund.create, share: {over: 50, at_most: 80}}, then: require_approval}\n"
        "  - {id: most, when: {action: refund.create, share: {over: 80}}, then: require_approval,"
        " from: {group: finance, people: 2}}\n",
    ),
    "a rule asks by day and blocks by night": Edit(
        "  - {id: both, when: {action: [payouts, transfers]}, then: require_approval}\n",
        "  - {id: both, when: {action: [payouts, transfers], business_hours: true}, then: require_approval}\n"
        "  - {id: night, when: {action: [payouts, transfers], business_hours: false}, then: block}\n",
    ),
}
LOOSER = {
    "a rule is removed": Edit("  - {id: both, when: {action: [payouts, transfers]}, then: require_approval}\n", ""),
    "a rule asks from more on": Edit("over: 500}", "over: 600}"),
    "a rule holds for fewer actions": Edit("action: [payouts, transfers]", "action: [payouts]"),
    "a rule needs one thing more": Edit("amount: {over: 500}}", "amount: {over: 500}, disputed: true}"),
    "an exception is added": Edit(
        "{action: refund.create, share: {over: 50}}",
        "{action: refund.create, share: {over: 50}}, unless: {disputed: false}",
    ),
    "an exception holds for more": Edit("[cus_1, cus_2]", "[cus_1, cus_2, cus_3]"),
    "a rule asks instead of blocking": Edit(
        "business_hours: false}, then: block", "business_hours: false}, then: require_approval"
    ),
    "a rule allows after a while instead of asking": Edit(
        "{action: [payouts, transfers]}, then: require_approval",
        "{action: [payouts, transfers]}, then: allow, after: 1h",
    ),
    "more groups can say yes": Edit("[finance, leads]", "[finance, leads, support]"),
    "a question stands longer": Edit("expires_in: 12h", "expires_in: 13h"),
    "all questions stand longer": Edit("expires_in: 24h", "expires_in: 25h"),
    "what is allowed is held back for less": Edit("after: 10m", "after: 5m"),
    "what is allowed is no longer held back": Edit("then: allow, after: 10m", "then: allow"),
    "an `allow` rule is added": Edit(
        "limits:\n", "  - {id: more, when: {action: customer.update}, then: allow}\nlimits:\n"
    ),
    "an `allow` rule covers more": Edit("under: 20}", "under: 30}"),
    "an `allow` rule names a danger": Edit("{under: 20}}", "{under: 20}, bulk: {exists: true}}"),
    "a rule goes into shadow": Edit(
        "business_hours: false}, then: block", "business_hours: false}, then: block, mode: shadow"
    ),
    "a limit has a larger total": Edit("total: 1000,", "total: 1001,"),
    "a limit loses its count": Edit("total: 1000, count: 15", "total: 1000"),
    "a limit looks back for less": Edit("within: 1d", "within: 12h"),
    "a limit asks instead of blocking": Edit("within: 1d, then: block", "within: 1d"),
    "a limit goes into shadow": Edit("within: 1d, then: block", "within: 1d, then: block, mode: shadow"),
    "a limit is removed": Edit(
        "  - {id: day, when: {action: payouts}, at_most: {total: 5000}, within: 1d, then: block}\n", ""
    ),
    "what nobody judged is asked about": Edit("unjudged: block", "unjudged: require_approval"),
    "a level begins higher": Edit("medium: 30", "medium: 31"),
    "the same again needs a person for less time": Edit("repeat_window: 10m", "repeat_window: 9m"),
    "business hours end later": Edit("close: 17:00}", "close: 18:00}"),
    "a currency gets a rate": Edit("kwd: 3.25}", "kwd: 3.25, gbp: 1.3}"),
    "rates are known for longer": Edit("as_of: 2026-03-01", "as_of: 2026-03-02"),
}
UNPROVEN = {
    "two rules for what is over and under an amount leave it out": Edit(
        "  - {id: both, when: {action: [payouts, transfers]}, then: require_approval}\n",
        "  - {id: both, when: {action: [payouts, transfers], hour: {under: 12}}, then: require_approval}\n"
        "  - {id: more, when: {action: [payouts, transfers], hour: {over: 12}}, then: require_approval}\n",
    ),
    "two rules by a fact that need not be there": Edit(
        "  - {id: both, when: {action: [payouts, transfers]}, then: require_approval}\n",
        "  - {id: both, when: {action: [payouts, transfers], disputed: true}, then: require_approval}\n"
        "  - {id: more, when: {action: [payouts, transfers], disputed: false}, then: require_approval}\n",
    ),
    "a limit counts something else: its history begins empty": Edit("per: agent", "per: customer"),
    "a limit counts for more, and begins empty": Edit(
        "when: {action: payouts}, at_most", "when: {action: [payouts, transfers]}, at_most"
    ),
    "a limit sums something else": Edit("per: agent, at_most", "per: agent, of: mrr_lost, at_most"),
    "a rate moves": Edit("eur: 1.10", "eur: 1.20"),
    "another time zone": Edit("America/New_York", "Europe/Berlin"),
    "another currency": Edit("currency: usd", "currency: gbp"),
    "another group is asked": Edit("[finance, leads]", "[legal]"),
    "hours that lie elsewhere": Edit("open: 09:00, close: 17:00", "open: 08:00, close: 16:00"),
    "an `allow` rule names an action that nobody judged": Edit(
        "limits:\n", "  - {id: more, when: {action: payout.create, amount: {under: 1}}, then: allow}\nlimits:\n"
    ),
}
ALIKE = {
    "other words to people": Edit("why: Large.", "why: Large refunds need a person."),
    "other words to agents": Edit("tell_agent: Wait.", "tell_agent: Somebody will look at it."),
    "another name for a rule": Edit("id: both", "id: money-out"),
    "another name for a limit": Edit("id: day", "id: payouts-a-day"),
    "another test": Edit(
        "tests:\n", "tests:\n  - {it: allows, given: {action: refund.create, amount: 30}, then: allow}\n"
    ),
    "a comment": Edit("rules:\n", "# what people decide\nrules:\n"),
    "two rules in the place of one": Edit(
        "  - {id: both, when: {action: [payouts, transfers]}, then: require_approval}\n",
        "  - {id: one, when: {action: payouts}, then: require_approval}\n"
        "  - {id: other, when: {action: transfers}, then: require_approval}\n",
    ),
    "a rule in shadow changes": Edit("action: customer.delete}, then: block", "action: customer.update}, then: block"),
    "a rule in shadow is removed": Edit(
        "  - {id: tried, when: {action: customer.delete}, then: block, mode: shadow}\n", ""
    ),
    "values in another order": Edit("[cus_1, cus_2]", "[cus_2, cus_1]"),
}


@pytest.mark.parametrize("name", TIGHTER)
def test_a_tightening_is_proven_to_be_one(name: str) -> None:
    found = edited(TIGHTER[name])

    assert (found.tighter, found.equivalent, found.against) == (True, False, ())
    assert {change.direction for change in found.changes} == {Direction.TIGHTER}


@pytest.mark.parametrize("name", IN_PIECES)
def test_a_rule_in_pieces_that_say_no_less_is_proven_to_be_as_strict(name: str) -> None:
    found = edited(IN_PIECES[name])

    assert (found.tighter, found.equivalent, found.against) == (True, False, ())


@pytest.mark.parametrize("name", LOOSER)
def test_a_loosening_is_named_and_stands_against_the_whole(name: str) -> None:
    """THREATS 20."""
    found = (
        edited(LOOSER[name], TIGHTER["an `allow` rule has an exception"])
        if "`allow`" not in name
        else edited(LOOSER[name])
    )

    assert not found.tighter
    assert {change.direction for change in found.against} <= {Direction.LOOSER, Direction.UNCLEAR}


@pytest.mark.parametrize("name", UNPROVEN)
def test_what_goes_both_ways_is_not_called_tighter(name: str) -> None:
    found = edited(UNPROVEN[name])

    assert not found.tighter
    assert found.against


NEVER = "customer: {exists: false, in: cus_1}"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("when: {action: refunds}, unless: {%s}, then: allow", "when: {action: refunds}, then: allow"),
        (
            "when: {action: refunds, %s}, then: block",
            "when: {action: refunds, %s}, unless: {disputed: true}, then: block",
        ),
    ],
)
def test_what_contradicts_itself_is_in_doubt_where_its_fact_is_unknown(before: str, after: str) -> None:
    """Never true is not always false: an `allow` rule let nothing through that its exception was in doubt about, and a
    rule that blocks held what it was in doubt about itself."""
    old, new = (compiled(f"rules: [{{id: one, {rule.replace('%s', NEVER)}}}]\n") for rule in (before, after))
    unknown = facts_of("refund.create", customer=UNKNOWN, disputed=True, amount=Money(90_000, "usd"))
    first, second = (decided_empty(each, unknown).outcome for each in (old, new))

    assert second.strictness < first.strictness
    assert not compare(old.policy, new.policy, CATALOG).tighter


@pytest.mark.parametrize("name", ALIKE)
def test_what_decides_alike_is_known_to(name: str) -> None:
    found = edited(ALIKE[name])

    assert found.equivalent
    assert all(change.direction is Direction.NEITHER for change in found.changes if "instead" not in change.words) or (
        name == "two rules in the place of one"
    )


def test_a_policy_is_like_itself() -> None:
    found = edited()

    assert (found.changes, found.tighter, found.equivalent) == ((), True, True)
    assert found.verdict() == "The two are the same."


def test_changes_read_like_sentences() -> None:
    found = edited(LOOSER["a rule asks from more on"], TIGHTER["a limit has a smaller total"])

    assert [(change.sentence(), change.direction.value, change.against) for change in found.changes] == [
        (
            "rule large: `when` is action refunds and amount over $600.00"
            " instead of action refunds and amount over $500.00",
            "looser",
            "its condition may leave out something that it held for",
        ),
        (
            "limit hour: at most $900.00 or 15 requests within 1 hour instead of $1,000.00 or 15 requests within 1 hour",
            "tighter",
            None,
        ),
    ]
    assert found.verdict() == "It is not provably only tighter."


# -- properties --------------------------------------------------------------------------------------------------------


def _edit_rule(random: Random, part: dict[str, Any]) -> None:
    kind = random.choice(["then", "widen", "narrow", "unless", "from", "expires", "shadow", "after", "swap"])
    if kind == "then":
        part["then"] = random.choice(["allow", "require_approval", "block"])
        part.pop("after", None)
    elif kind == "widen" and len(part["when"]) > 1:
        part["when"].pop(random.choice(sorted(part["when"])))
    elif kind == "narrow":
        part["when"]["disputed"] = random.choice([True, False])
    elif kind == "unless":
        part["unless"] = {random.choice(["disputed", "bulk"]): random.choice([True, False, {"exists": True}])}
        if random.random() < 0.4:
            part.pop("unless")
    elif kind == "from" and part["then"] == "require_approval":
        part["from"] = random.choice(["finance", "leads", {"any_of": ["finance", "leads"], "people": "2"}])
    elif kind == "expires" and part["then"] == "require_approval":
        part["expires_in"] = random.choice(["1h", "30h"])
    elif kind == "shadow":
        part["mode"] = random.choice(["shadow", "enforce"])
    elif kind == "after" and part["then"] == "allow":
        part["after"] = random.choice(["5m", "1h"])
    elif kind == "swap":
        part["when"]["action"] = random.choice(["refunds", "refund.create", ["payout.create", "refunds"], "payouts"])
    if part["then"] != "require_approval":
        part.pop("from", None)
        part.pop("expires_in", None)


def _edit_limit(random: Random, part: dict[str, Any]) -> None:
    kind = random.choice(["at_most", "within", "then", "shadow", "per", "from"])
    if kind == "at_most":
        part["at_most"] = random.choice([{"total": "40"}, {"count": 2}, {"total": "500.5", "count": 20}])
    elif kind == "within":
        part["within"] = random.choice(["30m", "1h", "30d"])
    elif kind == "then":
        part["then"] = random.choice(["require_approval", "block"])
    elif kind == "shadow":
        part["mode"] = random.choice(["shadow", "enforce"])
    elif kind == "per":
        part["per"] = random.choice(["agent", "customer"])
    else:
        part["from"] = random.choice(["finance", "leads", {"group": "finance", "people": "2"}])


SECTIONS: list[tuple[str, list[Any]]] = [
    ("risk_levels", [{"medium": "20"}, {"high": "40"}, {"high": "70"}, {"critical": "61"}, {"critical": "99"}]),
    ("rates", [{"as_of": "2026-03-01", "eur": "1.1"}, {"as_of": "2026-02-01", "eur": "1.2", "jpy": "0.0067"}]),
    (
        "business_hours",
        [{"days": "mon-fri", "open": "09:00", "close": "15:00"}, {"days": "tue", "open": "06:00", "close": "17:00"}],
    ),
    ("timezone", ["Europe/Berlin"]),
    ("approval", [{"from": "finance", "expires_in": "1h"}, {"from": {"any_of": ["finance", "leads"]}}]),
    ("repeat_window", ["5m", "1h"]),
]


def edit(random: Random, written: dict[str, Any]) -> dict[str, Any]:
    """One or two small edits, as people make them."""
    made: dict[str, Any] = {
        **written,
        "rules": [{**part, "when": dict(part["when"])} for part in written.get("rules", [])],
        "limits": [dict(part) for part in written.get("limits", [])],
    }
    for _ in range(random.choice([1, 1, 2])):
        section = random.choice(["rules", "rules", "rules", "limits", "section", "drop", "rename", "otherwise"])
        parts = (
            made[random.choice(["rules", "limits"]) if section in ("drop", "rename") else section]
            if section not in ("section", "otherwise")
            else []
        )
        if section == "rules" and parts:
            _edit_rule(random, random.choice(parts))
        elif section == "limits" and parts:
            _edit_limit(random, random.choice(parts))
        elif section == "drop" and parts:
            parts.pop(random.randrange(len(parts)))
        elif section == "rename" and parts:
            random.choice(parts)["id"] = "renamed"
        elif section == "otherwise":
            made["otherwise"] = {
                **made.get("otherwise", {}),
                random.choice(["reads", "writes"]): random.choice(["require_approval", "block"]),
            }
        elif section == "section":
            name, values = random.choice(SECTIONS)
            made[name] = random.choice(values)
    return {name: value for name, value in made.items() if value != []}


class Spent(NamedTuple):
    """A request of others that counts into a limit's sum."""

    age: int
    money: Money | None
    waiting: bool


SPENT = st.lists(
    st.builds(
        Spent,
        st.sampled_from([60, 2_000, 10_000, 900_000]),
        st.none() | st.builds(Money, st.sampled_from([4000, 50_000]), st.sampled_from(["usd", "usd", "eur", "sek"])),
        st.booleans(),
    ),
    max_size=5,
)
#: Tuesday 2026-03-03 in New York: morning, afternoon, night; and a day on which the rates are old.
MOMENTS = st.sampled_from([1_772_546_400_000, 1_772_571_600_000, 1_772_586_000_000, 1_788_000_000_000])


def decided(
    compiled: CompiledPolicy, facts: dict[str, FactValue], moment: int, past: list[list[Spent]], *, without_risk: bool
) -> Decision:
    seen = {**facts, **compiled.calendar.facts(moment)}

    def usage(key: str, window: int) -> Usage:
        counted = [each for each in past[int(key, 16) % len(past)] if each.waiting or each.age < window]
        totals: dict[bool, dict[str, int]] = {True: {}, False: {}}
        for each in counted:
            if each.money is not None:
                for which in {each.waiting, False}:
                    sums = totals[which]
                    sums[each.money.currency] = sums.get(each.money.currency, 0) + each.money.amount
        return Usage(len(counted), totals[False], sum(each.waiting for each in counted), totals[True])

    found = {bucket: usage(bucket.key, bucket.window) for bucket in compiled.buckets(seen)}
    decision = decide(compiled, seen, found, without_risk=without_risk)
    assert "error" not in {reason.source for reason in decision.reasons}
    return decision


def place(decision: Decision) -> tuple[int, int]:
    return decision.outcome.strictness, decision.after or 0 if decision.outcome is Outcome.ALLOW else 0


def as_strict(new: Decision, old: Decision) -> bool:
    """The outcome no milder, nobody who had to say yes left out, the question open for no longer."""
    if place(new) != place(old):
        return place(new) > place(old)

    def met(need: Need) -> bool:
        return any(each.groups <= need.groups and each.people >= need.people for each in new.requirement)

    if new.outcome is not Outcome.REQUIRE_APPROVAL:
        return True
    return all(map(met, old.requirement)) and (new.expires_in or 0) <= (old.expires_in or 0)


@st.composite
def two_policies(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    rules = with_ids(draw(st.lists(RULES, min_size=1, max_size=3)), "r")
    limits = with_ids(draw(st.lists(LIMITS, max_size=2)), "l")
    written = WRITTEN_HEAD | {"otherwise": draw(OTHERWISE), "rules": rules} | ({"limits": limits} if limits else {})
    changed = edit(Random(draw(st.integers(0, 10**9))), written)
    return (written, changed) if draw(st.booleans()) else (changed, written)


def compiled_or_none(written: Mapping[str, Any]) -> CompiledPolicy | None:
    try:
        return policy(written)
    except PolicyError:
        return None


@settings(max_examples=150, deadline=None)
@given(
    two_policies(),
    st.lists(st.tuples(requests(), MOMENTS), min_size=4, max_size=4),
    st.lists(SPENT, min_size=3, max_size=3),
    st.booleans(),
)
def test_what_is_called_tighter_is_at_least_as_strict_on_every_request(
    pair: tuple[dict[str, Any], dict[str, Any]],
    asked: list[tuple[dict[str, FactValue], int]],
    past: list[list[Spent]],
    without_risk: bool,
) -> None:
    """THREATS 20: `diff` never calls a loosening tighter, and what is equivalent decides alike."""
    old, new = map(compiled_or_none, pair)
    if old is None or new is None:
        return
    found = compare(old.policy, new.policy, CATALOG)
    assert found.tighter is (not found.against)
    if not found.tighter:
        return
    for facts, moment in asked:
        if facts["action"] != frozenset({"payout.create", "payouts"}):
            facts = {**facts, "judged": True}
        before = decided(old, facts, moment, past, without_risk=without_risk)
        after = decided(new, facts, moment, past, without_risk=without_risk)

        assert as_strict(after, before)
        if found.equivalent:
            assert as_strict(before, after)
            assert (before.outcome, before.after, before.expires_in) == (after.outcome, after.after, after.expires_in)


def test_the_edits_of_the_property_are_often_proven() -> None:
    """A prover that proves nothing would pass it too."""
    random = Random(7)
    proven = tried = 0
    for number in range(300):
        rules = [{**random.choice(POOL), "id": f"r{place}"} for place in range(2)]
        written = WRITTEN_HEAD | {"rules": rules}
        pair = [written, edit(random, written)][:: 1 if number % 2 else -1]
        old, new = map(compiled_or_none, pair)
        if old is not None and new is not None:
            tried += 1
            proven += compare(old.policy, new.policy, CATALOG).tighter

    assert tried > 150
    assert proven > tried * 0.35


POOL: list[dict[str, Any]] = [
    {"when": {"action": "refunds", "amount": {"over": "50"}}, "then": "require_approval"},
    {"when": {"action": "payouts"}, "then": "block"},
    {"when": {"action": ["refunds", "payouts"], "hour": {"under": "14"}}, "then": "allow"},
    {"when": {"customer": "cus_1"}, "unless": {"bulk": False}, "then": "require_approval"},
]


@settings(max_examples=60, deadline=None)
@given(RULES, RULES, LIMITS, requests(), MOMENTS, st.lists(SPENT, min_size=3, max_size=3))
def test_what_is_in_shadow_decides_nothing(
    rule: dict[str, Any],
    other: dict[str, Any],
    limit: dict[str, Any],
    facts: dict[str, FactValue],
    moment: int,
    past: list[list[Spent]],
) -> None:
    """Recorded, never enforced; and to be rid of it changes nothing either."""
    plain = WRITTEN_HEAD | {"rules": [rule | {"id": "r"}]}
    tried = plain | {
        "rules": [rule | {"id": "r"}, other | {"id": "s", "mode": "shadow"}],
        "limits": [limit | {"id": "l", "mode": "shadow"}],
    }
    without, beside = policy(plain), policy(tried)
    before = decided(without, facts, moment, past, without_risk=False)
    after = decided(beside, facts, moment, past, without_risk=False)

    assert (before.outcome, before.reasons, before.risk) == (after.outcome, after.reasons, after.risk)
    assert (before.requirement, before.expires_in, before.after) == (after.requirement, after.expires_in, after.after)
    assert compare(without.policy, beside.policy, CATALOG).equivalent
