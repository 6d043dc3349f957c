"""What is proven about two conditions, held to what they say on every request that could tell them apart."""

from __future__ import annotations

from itertools import chain, combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runplane_mcp.core.exposure.candidates import candidates
from runplane_mcp.core.facts import NONE, REGISTRY, UNKNOWN, FactValue
from runplane_mcp.core.money import Money, Rates
from runplane_mcp.core.policy import Rule, load
from runplane_mcp.core.policy.conditions import Condition, Converter, FactTest, Op, compile_condition, today_of
from runplane_mcp.core.policy.document import Place
from runplane_mcp.core.policy.implies import contradictory, disjoint, implies, part_of
from tests.core.policies import HEAD, compiled
from tests.core.stripe_objects import CATALOG

CONVERTER = Converter(Rates("usd"))
HERE = Place(1, 1)


def subsets(*elements: str) -> list[frozenset[str]]:
    some = (combinations(elements, size) for size in range(len(elements) + 1))
    return [frozenset(each) for each in chain.from_iterable(some)]


#: All that the tests below can tell apart of each fact. None is absent.
CELLS: dict[str, list[FactValue | None]] = {
    "amount": [*(Money(cents, "usd") for cents in range(7)), Money(3, "eur"), NONE, UNKNOWN, None],
    "share": [*range(-1, 7), NONE, UNKNOWN, None],
    "customer": ["", "a", "ab", "abc", "b", "zzz", NONE, UNKNOWN, None],
    "ends": ["now", "period_end", NONE, UNKNOWN, None],
    "date": ["2026-02-28", "2026-03-01", "2026-03-02", "2026-03-05", "2026-03-06", "soon", NONE, UNKNOWN, None],
    "bulk": [True, False, NONE, UNKNOWN, None],
    "url_hosts": [*subsets("a", "b", "c", "d"), NONE, UNKNOWN, None],
    "agent": ["a", "b", "c", NONE, UNKNOWN, None],
}
ENDS = {"customer": ["a", "ab", "b"], "agent": ["a", "b"], "ends": ["now", "period_end"], "url_hosts": ["a", "b", "c"]}
DAYS = ["2026-03-01", "2026-03-02", "2026-03-05"]
ORDERED = [Op.OVER, Op.AT_LEAST, Op.UNDER, Op.AT_MOST, Op.BETWEEN, Op.IN, Op.NOT_IN]


@st.composite
def fact_tests(draw: st.DrawFn, name: str) -> FactTest:
    fact = REGISTRY[name]
    if draw(st.integers(0, 5)) == 0:
        return FactTest(fact, Op.EXISTS, HERE, wanted=draw(st.booleans()))
    if name == "bulk":
        return FactTest(fact, Op.IN, HERE, wanted=draw(st.booleans()))
    if name in ("amount", "share", "date"):
        op = draw(st.sampled_from(ORDERED))
        most = 2 if op in (Op.BETWEEN, Op.IN, Op.NOT_IN) else 1
        if name == "date":
            days = draw(st.lists(st.sampled_from(DAYS), min_size=most, max_size=most))
            return FactTest(fact, op, HERE, texts=tuple(sorted(days)))
        numbers = draw(st.lists(st.integers(0, 5), min_size=most, max_size=most))
        return FactTest(fact, op, HERE, numbers=tuple(sorted(numbers)))
    ops = [Op.ANY_IN, Op.ALL_IN, Op.NONE_IN] if name == "url_hosts" else [Op.IN, Op.NOT_IN, Op.STARTS_WITH]
    op = draw(st.sampled_from(ops[:2] if name == "ends" else ops))
    texts = draw(st.lists(st.sampled_from(ENDS[name]), min_size=1, max_size=2, unique=True))
    return FactTest(fact, op, HERE, texts=tuple(texts))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Condition, Condition]:
    """Two conditions on the same one or two facts, so that they have something to do with each other."""
    names = draw(st.lists(st.sampled_from(sorted(CELLS)), min_size=1, max_size=2, unique=True))
    tests = st.lists(st.sampled_from(names).flatmap(fact_tests), min_size=1, max_size=3).map(tuple)
    return draw(tests), draw(tests)


def verdicts(*conditions: Condition, trusting: tuple[bool, ...] = ()) -> list[tuple[int, ...]]:
    """What all of them say, on each request that there is."""
    checks = [
        compile_condition(condition, CONVERTER, trusting=trusting[number] if trusting else False)
        for number, condition in enumerate(conditions)
    ]
    names = sorted({test.fact.name for condition in conditions for test in condition})
    found = []
    for cells in product(*(CELLS[name] for name in names)):
        facts = {name: value for name, value in zip(names, cells, strict=True) if value is not None}
        for principal in ("stdio", "agt_1") if "agent" in names else ("agt_1",):
            seen = {**facts, "principal": principal}
            found.append(tuple(check(seen, today_of(seen)) for check in checks))
    return found


@settings(max_examples=250, deadline=None)
@given(pairs())
def test_a_condition_implies_another_where_it_is_nowhere_truer(pair: tuple[Condition, Condition]) -> None:
    a, b = pair
    said = verdicts(a, b)

    # Whole numbers and texts of four letters cannot show every difference, so it is one way only.
    assert not implies(a, b, {}) or all(one <= other for one, other in said)
    assert not disjoint(a, b, {}) or (2, 2) not in said
    assert not contradictory(a, {}) or all(one < 2 for one, _ in said)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["bulk", "ends", "url_hosts"]).flatmap(lambda name: st.tuples(*[fact_tests(name)] * 3)))
def test_all_that_holds_of_one_fact_is_found(tests: tuple[FactTest, ...]) -> None:
    a, b = tests[:2], tests[2:]
    said = verdicts(a, b)

    assert implies(a, b, {}) or any(one > other for one, other in said)
    assert disjoint(a, b, {}) or (2, 2) in said


@settings(max_examples=100, deadline=None)
@given(pairs(), st.tuples(st.booleans(), st.booleans()))
def test_what_an_agent_says_of_itself_proves_nothing_between_who_doubts_and_who_believes_it(
    pair: tuple[Condition, Condition], trusting: tuple[bool, bool]
) -> None:
    a, b = pair
    said = verdicts(a, b, trusting=trusting)

    assert not implies(a, b, {}, same_trust=trusting[0] == trusting[1]) or all(one <= other for one, other in said)
    assert not disjoint(a, b, {}) or (2, 2) not in said


@pytest.mark.parametrize(
    ("a", "b", "proven"),
    [
        ("{action: refunds, amount: {over: 500}}", "{action: refunds}", True),
        ("{action: refunds}", "{action: refunds, amount: {over: 500}}", False),
        ("{amount: {over: 500}}", "{amount: {at_least: 500}}", True),
        ("{amount: {over: 500}}", "{amount: {at_least: 500.01}}", False),  # a converted amount may lie between
        ("{amount: {between: [5, 7]}}", "{amount: {over: 4, under: 8}}", True),
        ("{action: refund.create}", "{action: [refund.create, refunds]}", True),
        ("{weekday: {not_in: [sat, sun]}}", "{weekday: [mon, tue, wed, thu, fri]}", True),
        ("{date: {over: 2026-03-01}}", "{date: {at_least: 2026-03-02}}", True),
        ("{customer: {starts_with: cus_1}}", "{customer: {starts_with: cus_}}", True),
        ("{customer: [cus_1, cus_2]}", "{customer: {exists: true}}", True),
        ("{amount: {at_least: 0}}", "{amount: {exists: true}}", True),
        ("{amount: {exists: true}}", "{amount: {at_least: 0}}", False),  # it may have no rate
    ],
)
def test_implications_of_a_policy_are_found(a: str, b: str, proven: bool) -> None:
    assert implies(condition(a), condition(b), {}) is proven


@pytest.mark.parametrize(
    ("a", "b", "proven"),
    [
        ("{amount: {over: 500}}", "{amount: {at_most: 500}}", True),
        ("{amount: {over: 500}}", "{amount: {under: 500.01}}", False),
        ("{action: refund.create}", "{action: payout.create}", True),  # a request is of one action …
        ("{action: refunds}", "{action: credits}", False),  # … in any number of groups
        ("{action: refunds}", "{action: {none_in: [refunds]}}", True),
        ("{ends: now}", "{ends: period_end}", True),
        ("{customer: {exists: false}}", "{customer: cus_1}", True),
        ("{bulk: true}", "{livemode: true}", False),
    ],
)
def test_conditions_that_are_never_true_together_are_found(a: str, b: str, proven: bool) -> None:
    assert disjoint(condition(a), condition(b), {}) is disjoint(condition(b), condition(a), {}) is proven


@pytest.mark.parametrize(
    ("a", "b", "proven"),
    [
        ("when: {action: refunds, amount: {over: 9}}", "when: {action: refunds}", True),
        ("when: {action: refunds}", "when: {action: refunds}, unless: {bulk: false}", False),
        ("when: {action: refunds}, unless: {bulk: false}", "when: {action: refunds}, unless: {bulk: false}", True),
        ("when: {bulk: true}, unless: {amount: {under: 9}}", "when: {bulk: true}, unless: {amount: {under: 5}}", True),
        ("when: {bulk: true}", "when: {bulk: true}, unless: {bulk: false}", True),
        ("when: {agent: a}", "when: {agent: a}, unless: {agent: b}", False),  # the exception is in doubt, the rule not
        # What contradicts itself is never true, and yet unknown where its fact is.
        ("when: {bulk: true}", "when: {bulk: true}, unless: {customer: {exists: false, in: a}}", False),
        (
            "when: {customer: {exists: false, in: a}}",
            "when: {customer: {exists: false, in: a}}, unless: {bulk: true}",
            False,
        ),
        (
            "when: {amount: {exists: true}}",
            "when: {amount: {exists: true}}, unless: {amount: {in: 9, between: [1, 5]}}",
            False,
        ),
    ],
)
def test_a_rule_is_part_of_another_with_its_exceptions(a: str, b: str, proven: bool) -> None:
    one, other = rule(a), rule(b)
    compiled_ = compiled(f"rules: [{{id: a, {a}, then: block}}, {{id: b, {b}, then: block}}]\n")
    first, second = (each.check for each in compiled_.rules)
    names = sorted({test.fact.name for each in (one, other) for test in (*each.when, *each.unless)})

    assert part_of(one, other, {}) is proven
    if proven:
        for cells in product(*(CELLS.get(name, [frozenset({"refunds"}), frozenset[str]()]) for name in names)):
            facts = {name: value for name, value in zip(names, cells, strict=True) if value is not None}
            assert first(facts, None) <= second(facts, None)


REFUND = "{action: refund.create}"


@pytest.mark.parametrize(
    ("a", "b", "proven"),
    [
        (REFUND, "{action: refunds}", True),  # a refund is always in its group …
        ("{action: refunds}", REFUND, False),
        ("{action: credit_note.create}", "{action: refunds}", False),  # … a credit note may be in another
        ("{action: [refund.create, terminal_reader.refund_payment]}", "{action: [refunds, payouts]}", True),
        ("{action: [refund.create, payouts]}", "{action: [refunds, payouts]}", True),
        ("{action: [refund.create, payout.create]}", "{action: refunds}", False),
        (REFUND, "{action: {none_in: [payouts, credits]}}", True),
        (REFUND, "{action: {none_in: [refunds]}}", False),
        (REFUND, "{action: {none_in: [access]}}", False),  # it may ask for a secret
        (REFUND, "{action: {all_in: [refund.create, refunds, access]}}", True),
        ("{action: credit_note.create}", "{action: {all_in: [credit_note.create, refunds]}}", False),
    ],
)
def test_the_catalog_tells_what_an_action_brings(a: str, b: str, proven: bool) -> None:
    assert implies(condition(a), condition(b), CATALOG.actions) is proven


@pytest.mark.parametrize(
    ("a", "b", "proven"),
    [
        (REFUND, "{action: payouts}", True),
        (REFUND, "{action: {none_in: [refunds]}}", True),
        (REFUND, "{action: [payouts, access]}", False),
        ("{action: credit_note.create}", "{action: {none_in: [refunds]}}", False),
        ("{action: credit_note.create}", "{action: refunds}", False),
    ],
)
def test_the_catalog_tells_what_is_never_true_together(a: str, b: str, proven: bool) -> None:
    found = disjoint(condition(a), condition(b), CATALOG.actions)

    assert found is disjoint(condition(b), condition(a), CATALOG.actions) is proven


#: Each thing that a request of a few operations can be, a secret asked for or not.
ASKED = {
    candidate.actions
    for candidate in candidates(CATALOG, aliases=False, secrets=True)
    if candidate.action in {"refund.create", "credit_note.create", "payout.create", "invoice.pay", "customer.delete"}
}
WORDS = [
    "refund.create",
    "credit_note.create",
    "payout.create",
    "invoice.pay",
    "refunds",
    "credits",
    "payouts",
    "access",
]
ACTION_TESTS = st.builds(
    lambda op, texts: FactTest(REGISTRY["action"], op, HERE, texts=tuple(texts)),
    st.sampled_from([Op.ANY_IN, Op.ANY_IN, Op.ALL_IN, Op.NONE_IN]),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=4, unique=True),
)
ACTION_CONDITIONS = st.lists(ACTION_TESTS, min_size=1, max_size=2).map(tuple)


@settings(max_examples=200, deadline=None)
@given(ACTION_CONDITIONS, ACTION_CONDITIONS)
def test_what_the_catalog_tells_holds_of_all_that_can_be_asked(a: Condition, b: Condition) -> None:
    checks = [compile_condition(each, CONVERTER, trusting=False) for each in (a, b)]
    said = [tuple(check({"action": action}, None) for check in checks) for action in ASKED]

    assert not implies(a, b, CATALOG.actions) or all(one <= other for one, other in said)
    assert not disjoint(a, b, CATALOG.actions) or (2, 2) not in said
    assert not contradictory(a, CATALOG.actions) or all(one < 2 for one, _ in said)


def condition(when: str) -> Condition:
    return rule(f"when: {when}").when


def rule(text: str) -> Rule:
    return load(f"{HEAD}rules: [{{id: a, {text}, then: block}}]\n").rules[0]


def test_what_is_held_back_believes_an_agents_word_as_what_restricts_does() -> None:
    """What the exception hears is doubted, so that the word does not rule it out."""
    rules = load(
        HEAD
        + "rules:\n"
        + "  - {id: held, when: {agent: a-bot}, then: allow, after: 10m}\n"
        + "  - {id: asks, when: {agent: {in: [a-bot, b-bot]}}, unless: {agent: b-bot}, then: allow, after: 1h}\n"
    ).rules

    assert not part_of(rules[0], rules[1], {})
