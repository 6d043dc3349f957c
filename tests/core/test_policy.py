"""Loading a policy file: what it may say, and an error with its place and what to write for everything else."""

from __future__ import annotations

import hashlib
from datetime import date
from fractions import Fraction

import pytest

from runplane_mcp.core.decision import Need, Outcome
from runplane_mcp.core.policy import Levels, PolicyInvalid, Writes, load
from runplane_mcp.core.policy.conditions import Op
from runplane_mcp.errors import PolicyError
from tests.core.policies import HEAD, problems

RULE = "rules:\n  - {id: a, when: {WHEN}, then: block}\n"
LIMIT = "limits:\n  - {id: a, when: {action: refunds}, at_most: {total: 5}, within: 1h}\n"
TEST = "tests:\n  - {it: works, given: {action: refund.create, GIVEN}, then: allow}\n"


def when(text: str) -> list[str]:
    return problems(RULE.replace("{WHEN}", "{" + text + "}"), catalog=True)


def given_(text: str) -> list[str]:
    return problems(TEST.replace("GIVEN", text), catalog=True)


def one(found: list[str]) -> str:
    assert 1 == len(found), found
    return found[0]


# -- what loads ----------------------------------------------------------------------------------------------------


def test_a_small_policy_has_careful_defaults() -> None:
    policy = load("version: 1\ncurrency: usd\napproval: {from: finance}\n")

    assert (Outcome.ALLOW, Writes.BY_RISK, Outcome.BLOCK) == (
        policy.otherwise.reads,
        policy.otherwise.writes,
        policy.otherwise.unjudged,
    )
    assert (24 * 3600, 600) == (policy.approval.expires_in, policy.repeat_window)
    assert Levels(30, 60, 85) == policy.risk_levels
    assert "UTC" == policy.calendar.zone.key


def test_every_section_is_read_from_text() -> None:
    policy = load(
        "version: 1\ncurrency: EUR\nrates: {as_of: 2026-11-01, USD: 0.9174}\ntimezone: Europe/Berlin\n"
        "business_hours: {days: [mon, wed-fri], open: 08:30, close: 24:00, closed_on: [2026-12-25, 2026-12-26]}\n"
        "approval: {from: {any_of: [finance, leads], people: 2}, expires_in: 90m}\n"
        "otherwise: {reads: block, writes: require_approval, unjudged: require_approval}\n"
        "repeat_window: 1h30m\nrisk_levels: {high: 50}\n"
    )

    assert ("eur", {"usd": Fraction("0.9174")}, date(2026, 11, 1)) == (
        policy.currency,
        policy.rates.per_unit,
        policy.rates.as_of,
    )
    hours = policy.calendar.hours
    assert hours is not None
    assert (frozenset({0, 2, 3, 4}), 510, 1440, 2) == (hours.days, hours.opens, hours.closes, len(hours.closed_on))
    assert (Need(frozenset({"finance", "leads"}), 2), 5400) == (policy.approval.need, policy.approval.expires_in)
    assert (Outcome.BLOCK, Writes.REQUIRE_APPROVAL) == (policy.otherwise.reads, policy.otherwise.writes)
    assert (5400, Levels(30, 50, 85)) == (policy.repeat_window, policy.risk_levels)


@pytest.mark.parametrize(
    ("text", "op", "compared"),
    [
        ("amount: {over: 500}", Op.OVER, (50_000,)),
        ("amount: {over: '500.10'}", Op.OVER, (50_010,)),
        ("amount: {between: [0.01, 5]}", Op.BETWEEN, (1, 500)),
        ("amount: 5", Op.IN, (500,)),
        ("share: {at_least: 12.5}", Op.AT_LEAST, (Fraction(25, 2),)),
        ("hour: {in: [8, 22]}", Op.IN, (8, 22)),
        ("hour: 08", Op.IN, (8,)),
        ("weekday: [sat, sun]", Op.IN, ("sat", "sun")),
        ("customer: {starts_with: cus_}", Op.STARTS_WITH, ("cus_",)),
        ("currency: {not_in: [USD, eur]}", Op.NOT_IN, ("usd", "eur")),
        ("date: {at_least: 2026-12-20}", Op.AT_LEAST, ("2026-12-20",)),
        ("action: refunds", Op.ANY_IN, ("refunds",)),
        ("action: [refunds, payout.create]", Op.ANY_IN, ("refunds", "payout.create")),
        ("agent_roles: {none_in: [trusted]}", Op.NONE_IN, ("trusted",)),
    ],
)
def test_conditions_are_exact(text: str, op: Op, compared: tuple[object, ...]) -> None:
    (rule,) = load(HEAD + RULE.replace("{WHEN}", "{" + text + "}")).rules
    (test,) = rule.when

    assert (op, compared) == (test.op, test.numbers or test.texts)


@pytest.mark.parametrize("yes", ["true", "yes", "True", "'yes'"])
def test_yes_and_no_are_words(yes: str) -> None:
    (rule,) = load(HEAD + RULE.replace("{WHEN}", f"{{disputed: {yes}, bulk: {{exists: no}}}}")).rules

    assert [True, False] == [test.wanted for test in rule.when]


def test_the_version_is_the_hash_of_the_text() -> None:
    text = HEAD + "# a comment\n"

    assert hashlib.sha256(text.encode()).hexdigest() == load(text).version
    assert load(HEAD).version != load(text).version


def test_who_may_be_asked_is_listed_once() -> None:
    policy = load(HEAD + LIMIT + "rules:\n  - {id: b, when: {bulk: true}, then: require_approval, from: leads}\n")

    assert (Need(frozenset({"finance"})), Need(frozenset({"leads"}))) == policy.approvals()


# -- errors: what was found, where, and what to write --------------------------------------------------------------


def test_an_error_names_file_line_and_column() -> None:
    with pytest.raises(PolicyInvalid) as error:
        load(HEAD + "rules:\n  - id: a\n    when: {amuont: {over: 5}}\n    then: block\n", file="mine.yaml")

    (problem,) = error.value.problems
    assert isinstance(error.value, PolicyError)
    assert "policy.invalid" == error.value.code
    assert ("mine.yaml", 9, 12, "policy.unknown_fact") == (problem.file, problem.line, problem.column, problem.code)
    assert "mine.yaml:9:12: “amuont” is not a fact. Did you mean amount?" in str(error.value)


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    found = problems(
        "rules:\n  - {id: A, when: {}, then: stop}\n  - {id: b, wen: {bulk: true}, then: block}\nrukes: []\n"
    )

    assert [
        "8:10 policy.value",
        "8:19 policy.condition",
        "8:29 policy.value",
        "9:13 policy.unknown_key",
        "10:1 policy.unknown_key",
    ] == [" ".join(each.split()[:2]) for each in found]


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("", "condition", "`when` is empty"),
        ("amuont: {over: 5}", "unknown_fact", "Did you mean amount?"),
        ("amount: {ovr: 5}", "unknown_test", "Did you mean over?"),
        ("amount: {starts_with: 5}", "unknown_test", "which is money"),
        ("amount: {}", "empty", "has no test"),
        ("amount: null", "empty", "has no value"),
        ("amount: ~", "empty", "has no value"),
        ("amount: {over: ~}", "empty", "has no value"),
        ("amount: {over: [1, 2]}", "type", "takes one plain value"),
        ("amount: {over: {a: 1}}", "type", "takes plain values"),
        ("amount: {in: [[1]]}", "type", "takes plain values"),
        ("amount: {over: -5}", "value", "without sign"),
        ("amount: {over: $5}", "value", "without sign, symbol"),
        ("amount: {over: 5e3}", "value", "write a plain number in usd"),
        ("amount: {over: .5}", "value", "write a plain number"),
        ("amount: {over: 5.001}", "value", "usd has 2 decimals"),
        ("amount: {over: 0x10}", "value", "write a plain number"),
        ("amount: {over: ٥}", "value", "write a plain number"),
        ("amount: {over: .nan}", "value", "write a plain number"),
        ("amount: {over: 10000000000.01}", "value", "more than any amount"),
        ("amount: {over: unknown}", "value", "write a plain number"),
        ("amount: {between: [5]}", "condition", "two ends"),
        ("amount: {between: 5}", "condition", "two ends"),
        ("amount: {between: [5, 1]}", "never", "never hold"),
        ("amount: {over: 5, under: 5}", "never", "never hold"),
        ("amount: {over: 5, over: 6}", "duplicate_key", "stands twice"),
        ("amount: {over: 5}, amount: {over: 6}", "duplicate_key", "stands twice"),
        ("weekday: []", "empty", "The list of weekday is empty"),
        ("weekday: tues", "value", "never “tues”. Did you mean tue?"),
        ("weekday: {in: [mon, tues]}", "value", "Did you mean tue?"),
        ("hour: 9am", "value", "write a number"),
        ("date: 2026-02-30", "value", "a day of the calendar"),
        ("date: 20261220", "value", "YYYY-MM-DD"),
        ("disputed: on", "value", "write true or false"),
        ("disputed: [true]", "type", "one plain value"),
        ("disputed: {over: 1}", "unknown_test", "which is yes/no"),
        ("currency: usx", "value", "is not a currency of Stripe"),
        ("action: refund", "unknown_action", "Did you mean refunds?"),
        ("action: refund.creat", "unknown_action", "Did you mean refund.create?"),
        ("action: []", "empty", "The list of action is empty"),
        ("action: Refunds", "unknown_action", "Did you mean refunds?"),
        ("action: refunds, destination: ba_1", "never", "have no destination"),
        ("action: payout.create, disputed: true", "never", "payout.create has no disputed"),
        ("risk: {under: 30}", "condition", "from some risk on"),
        ("risk: 30", "condition", "from some risk on"),
        ("risk_level: low", "condition", "from some risk on"),
        ("risk_level: {not_in: [critical]}", "condition", "from some risk on"),
        ("risk_level: {starts_with: h}", "condition", "from some risk on"),
    ],
)
def test_a_condition_that_is_wrong_does_not_load(text: str, code: str, words: str) -> None:
    found = one(when(text))

    assert f"policy.{code} " in found
    assert words in found


@pytest.mark.parametrize("text", ["refunds", "[refunds]", "~", "''"])
def test_a_condition_is_a_mapping(text: str) -> None:
    assert "policy.condition" in one(problems(RULE.replace("{WHEN}", text)))
    assert "policy.condition" in one(problems(RULE.replace("{WHEN}", "{bulk: true}, unless: " + text)))


@pytest.mark.parametrize("text", ["risk_level: [high, critical]", "risk_level: {not_in: [low]}", "risk: {over: 5}"])
def test_a_restricting_rule_may_test_for_much_risk_and_an_allow_rule_for_little(text: str) -> None:
    """A rule that lets go when the risk grows would let a broken look-up loosen something."""
    assert not when(text)
    assert problems(RULE.replace("{WHEN}", "{bulk: true}, unless: {" + text + "}"))
    assert problems(RULE.replace("{WHEN}", "{" + text + "}").replace("block", "allow"))
    assert not problems(RULE.replace("{WHEN}", "{bulk: true}, unless: {risk: {under: 9}}"))
    assert not problems(RULE.replace("{WHEN}", "{bulk: true}, unless: {" + text + "}").replace("block", "allow"))


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ("rules: []\n", "empty", "empty list"),
        ("rules:\n", "type", "`rules` is not a list"),
        ("rules: {a: b}\n", "type", "`rules` is not a list"),
        ("rules:\n  -id: a\n", "type", "a blank behind the dash"),
        ("rules: [a]\n", "type", "a rule is not a mapping"),
        ("rules: [{when: {bulk: true}, then: block}]\n", "missing", "a rule has no `id`"),
        ("rules: [{id: Big One, when: {bulk: true}, then: block}]\n", "value", "an id has small letters"),
        ("rules: [{id: risk, when: {bulk: true}, then: block}]\n", "value", "names of Runplane's own"),
        ("rules: [{id: a, when: {bulk: true}, then: deny}]\n", "value", "allow, require_approval, block"),
        ("rules: [{id: a, when: {bulk: true}, then: block, id: b}]\n", "duplicate_key", "stands twice"),
        ("rules: [{id: a, when: {bulk: true}, then: block, from: finance}]\n", "value", "belongs to"),
        ("rules: [{id: a, when: {bulk: true}, then: block, after: 10m}]\n", "value", "belongs to `then: allow`"),
        ("rules: [{id: a, when: {bulk: true}, then: block, mode: off}]\n", "value", "enforce"),
        ("rules: [{id: a, when: {bulk: true}, then: block, why: 'a\\u202eb'}]\n".replace("'", '"'), "value", "hidden"),
        ("rules: [{id: a, when: {bulk: true}, then: require_approval, from: {people: 2}}]\n", "value", "either"),
        (
            "rules: [{id: a, when: {bulk: true}, then: require_approval, from: [a, b]}]\n",
            "type",
            "write {any_of: [a, b]}",
        ),
        ("rules: [{id: a, when: {bulk: true}, then: require_approval, from: Finance}]\n", "value", "small letters"),
        (
            "rules: [{id: a, when: {bulk: true}, then: require_approval, from: {group: a, people: 0}}]\n",
            "value",
            "1 to 10",
        ),
        (
            "rules: [{id: a, when: {bulk: true}, then: require_approval, expires_in: 1}]\n",
            "value",
            "a duration such as",
        ),
        (LIMIT.replace("{total: 5}", "{}"), "empty", "neither `total` nor `count`"),
        (LIMIT.replace("{total: 5}", "5"), "type", "at_most is not a mapping"),
        (LIMIT.replace("total: 5", "total: 0"), "value", "allows nothing"),
        (LIMIT.replace("total: 5", "count: 0"), "value", "from 1"),
        (LIMIT.replace("1h", "1"), "value", "a duration such as"),
        (LIMIT.replace("1h", "1s"), "value", "from 1 minute to 366 days"),
        (LIMIT.replace("1h", "1h, per: agnet"), "unknown_key", "Did you mean agent?"),
        (LIMIT.replace("1h", "1h, then: allow"), "value", "require_approval, block"),
        (LIMIT.replace("1h", "1h, unless: {bulk: true}"), "unknown_key", "not a key of a limit"),
        (LIMIT.replace("1h", "1h, of: money"), "value", "amount, mrr_lost"),
        (LIMIT.replace("action: refunds", "risk: {over: 5}"), "condition", "depends on the limits"),
        (LIMIT.replace("1h", "1h, per: destination"), "never", "have no destination"),
        (LIMIT.replace("refunds", "cancellations"), "never", "have no amount"),
        ("approvals: {from: finance}\n", "unknown_key", "Did you mean approval?"),
        ("version: 2\n", "duplicate_key", "stands twice"),
        ("mode: shadow\n", "unknown_key", "not a key of the policy"),
        ("otherwise: {writes: allow}\n", "value", "by_risk, require_approval, block"),
        ("otherwise: {unjudged: allow}\n", "value", "require_approval, block"),
        ("repeat_window: 0m\n", "value", "from 1 minute to 7 days"),
        ("risk_levels: {medium: 70}\n", "value", "rise from medium to critical"),
        ("risk_levels: {critical: 101}\n", "value", "from 1 to 100"),
        ("risk_levels: {hihg: 50}\n", "unknown_key", "Did you mean high?"),
    ],
)
def test_a_section_that_is_wrong_does_not_load(body: str, code: str, words: str) -> None:
    found = one(problems(body, catalog=True))

    assert f"policy.{code} " in found
    assert words in found


@pytest.mark.parametrize(
    ("old", "new", "code", "words"),
    [
        ("version: 1", "version: 2", "value", "write 1"),
        ("version: 1", "", "missing", "no `version`"),
        ("currency: usd", "currency: dollars", "value", "is not a currency of Stripe"),
        ("currency: usd", "", "missing", "no `currency`"),
        ("approval: {from: finance, expires_in: 24h}", "", "missing", "no `approval`"),
        ("approval: {from: finance, ", "approval: {", "missing", "no `from`"),
        ("expires_in: 24h", "expires_in: a day", "value", "such as 10m, 24h"),
        ("America/New_York", "America/NewYork", "value", "probably America/New_York"),
        ("timezone: America/New_York", "", "missing", "need a `timezone`"),
        ("mon-fri", "weekdays", "value", "write days as mon-fri"),
        ("mon-fri", "[]", "empty", "list of days is empty"),
        ("open: 09:00", "open: 9:00", "value", "write a time as HH:MM"),
        ("open: 09:00", "open: 18:00", "value", "close after they open"),
        ("close: 17:00", "close: 24:01", "value", "from 00:00 to 24:00"),
        ("close: 17:00", "close: 17:00, closed_on: 25.12.", "value", "YYYY-MM-DD"),
        ("as_of: 2026-03-01, ", "", "missing", "no `as_of`"),
        ("eur: 1.10", "eur: 0", "value", "more than 0"),
        ("eur: 1.10", "eur: 1,10", "unknown_key", "“10” is not a currency"),
        ("eur: 1.10", "usd: 1.10", "value", "its rate is 1"),
        ("eur: 1.10", "eur: 1.10, EUR: 2", "duplicate_key", "stands twice"),
        ("rates: {", "rates: 5\nrepeat_window: {", "type", "rates is not a mapping"),
    ],
)
def test_a_head_that_is_wrong_does_not_load(old: str, new: str, code: str, words: str) -> None:
    found = problems("", HEAD.replace(old, new))

    assert any(f"policy.{code} " in each and words in each for each in found), found


def test_an_id_stands_once_over_rules_and_limits() -> None:
    found = one(problems("rules: [{id: a, when: {bulk: true}, then: block}]\n" + LIMIT))

    assert "policy.duplicate_id" in found
    assert "the id in line 7" in found


@pytest.mark.parametrize("fact", ["hour: 5", "weekday: mon", "date: 2026-12-24", "business_hours: false"])
def test_a_test_of_the_clock_needs_a_clock(fact: str) -> None:
    bare = "version: 1\ncurrency: usd\napproval: {from: finance}\n"

    assert "policy.missing" in one(problems(RULE.replace("{WHEN}", "{" + fact + "}"), bare))


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("amuont: 5", "unknown_key", "Did you mean amount?"),
        ("risk: 5", "unknown_key", "is not a key of given"),
        ("amount: five", "value", "write a plain number"),
        ("at: 2026-03-08 02:30", "value", "the clocks skip it"),
        ("at: 2026-03-03 14:00Z", "value", "without a zone"),
        ("at: noon", "value", "YYYY-MM-DD HH:MM"),
        ("times: 5", "missing", "needs `every`"),
        ("times: 0", "value", "from 1 to 1000"),
        ("every: 1h, times: 2000", "value", "from 1 to 1000"),
        ("customer: each", "value", "add `times`"),
        ("destination: ba_1", "never", "refund.create has no destination"),
        ("weekday: tues", "value", "Did you mean tue?"),
        ("currency: usx", "value", "not a currency"),
        ("disputed: maybe", "value", "write true or false"),
        ("action: refunds", "duplicate_key", "stands twice"),
    ],
)
def test_a_test_that_is_wrong_does_not_load(text: str, code: str, words: str) -> None:
    """THREATS 16: a test's time is the policy's own; one that brings a zone, or that the clocks skip, is refused."""
    found = given_(text)

    assert any(f"policy.{code} " in each and words in each for each in found), found


@pytest.mark.parametrize(
    ("test", "code", "words"),
    [
        ("{it: x, given: {amount: 5}, then: allow}", "missing", "has no `action`"),
        ("{it: x, given: {action: refunds}, then: allow}", "unknown_action", "a group is not one action"),
        ("{it: x, given: {action: refund.undo}, then: allow}", "unknown_action", "is not an action of the catalog"),
        ("{it: x, given: {action: refund.create}, then: deny}", "value", "allow, allow_after, require_approval, block"),
        ("{it: x, given: {action: refund.create}, then: {allow: 2}}", "value", "counts 2 outcomes"),
        ("{it: x, given: {action: refund.create}, then: {allow: one}}", "value", "whole number"),
        ("{it: x, given: {action: refund.create}, then: allow, by: [nobody]}", "unknown_key", "a rule or limit"),
        ("{it: '', given: {action: refund.create}, then: allow}", "value", "one short sentence"),
        ("{given: {action: refund.create}, then: allow}", "missing", "has no `it`"),
        ("{it: x, given: refund.create, then: allow}", "type", "given is not a mapping"),
    ],
)
def test_a_test_that_says_too_little_does_not_load(test: str, code: str, words: str) -> None:
    found = one(problems(f"tests:\n  - {test}\n", catalog=True))

    assert f"policy.{code} " in found
    assert words in found
