"""The proof that one policy is at least as strict as another, whatever is asked and however full the limits are.

Everything that speaks under the old policy must be answered in the new one by something that speaks wherever it did, at
least as strictly; and everything that lets go in the new one must be within something that let go before. What is not
proven is a *gap*. There may be none all the same: then a person has to look.

Decisions only get stricter by what speaks beside, since the strictest wins; and a risk that grows never lets anything go,
since the loader takes no rule that would.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from runplane_mcp.core.canonical import canonical
from runplane_mcp.core.decision import Outcome, RiskLevel
from runplane_mcp.core.facts import GROUPS, REGISTRY, Fact, FactType
from runplane_mcp.core.hours import BusinessHours
from runplane_mcp.core.policy.conditions import Condition, FactTest, Number, Op
from runplane_mcp.core.policy.document import Place
from runplane_mcp.core.policy.implies import implies, part_of
from runplane_mcp.core.policy.model import Approval, Limit, Policy, Rule, Writes

if TYPE_CHECKING:
    from runplane_mcp.core.catalog import ActionInfo

_NOWHERE: Final = Place(0, 0)
_CLOCK: Final = frozenset({"hour", "weekday", "date", "business_hours"})
_WRITES: Final = tuple(Writes)
#: So many rules are tried as an answer to one: of five hundred that all changed, each with each would take a minute.
_MOST_TRIED: Final = 40
#: A rule is cut into pieces at so many values of a fact.
_MOST_CUTS: Final = 8
#: Every request has these, where a rule may test them at all.
_ALWAYS_THERE: Final = frozenset({"hour", "weekday", "business_hours"})
#: What an `allow` rule covers only where its condition names the fact, with the group that tells of it too.
_DANGERS: Final = {"gives_access": "access", "redirects_funds": "bank_details", "bulk": None}
_MONEY: Final = frozenset(name for name, fact in REGISTRY.items() if fact.type is FactType.MONEY)


@dataclass(frozen=True, slots=True)
class Gap:
    """A part of one of two policies in which the new one may be less strict: `rule` or `limit` with its id, or a section
    of the file."""

    part: str
    id: str
    why: str


def gaps(old: Policy, new: Policy, actions: Mapping[str, ActionInfo]) -> tuple[Gap, ...]:
    """What keeps `new` from being proven at least as strict as `old`; nothing where it is proven. `actions` is the
    catalog's."""
    return tuple(_gaps(old, new, actions))


def rule_content(rule: Rule, currency: str) -> bytes:
    """All that a rule decides, the same for two that decide the same, whatever they are called."""
    need = rule.approval
    return canonical(
        [
            *(sorted((test.canonical(currency) for test in part), key=canonical) for part in (rule.when, rule.unless)),
            rule.then.value,
            None if need is None else [sorted(need.need.groups), need.need.people, need.expires_in],
            rule.after,
            rule.shadow,
        ]
    )


def limit_content(limit: Limit, currency: str) -> bytes:
    """What a limit measures, and its maximum, the same for two that are only called differently."""
    when = sorted((test.canonical(currency) for test in limit.when), key=canonical)
    return canonical([when, [*limit.per], limit.of, limit.total, limit.count, limit.within])


def same_sum(one: Limit, other: Limit, currency: str) -> bool:
    """Whether two limits measure the same: then the history of one is the other's."""

    def key(limit: Limit) -> object:
        return sorted((test.canonical(currency) for test in limit.when), key=canonical), limit.per, limit.of

    return key(one) == key(other)


def _gaps(old: Policy, new: Policy, actions: Mapping[str, ActionInfo]) -> Iterator[Gap]:
    if old.currency != new.currency:
        yield Gap("currency", "", "every amount means another one")
    yield from _rates(old, new)
    yield from _calendar(old, new)
    if not approval_at_least(new.approval, old.approval):
        yield Gap("approval", "", "others, or fewer people, could say yes, or for longer")
    yield from _otherwise(old, new)
    if new.repeat_window < old.repeat_window:
        yield Gap("repeat_window", "", "the same again needs a person for a shorter time")
    elif new.repeat_window > old.repeat_window and not _safe_move("possible_duplicate", True, old, new):
        yield Gap("repeat_window", "", "a rule lets go of what may be a duplicate")
    yield from _levels(old, new)
    yield from _rules(old, new, actions)
    for limit in old.limits:
        if not limit.shadow and not any(_limit_at_least(each, limit, old.currency) for each in new.limits):
            yield Gap("limit", limit.id, _limit_gap(limit, new, old.currency))


# -- sections ----------------------------------------------------------------------------------------------------------


def _rates(old: Policy, new: Policy) -> Iterator[Gap]:
    before, now = old.rates, new.rates
    if before == now or not (before.per_unit or now.per_unit):
        return
    if any(before.per_unit.get(code) != rate for code, rate in now.per_unit.items()):
        yield Gap("rates", "", "amounts of a currency come to more or less than before, or are known now")
    elif now.per_unit and (before.as_of is None or now.as_of is None or now.as_of > before.as_of):
        yield Gap("rates", "", "amounts stay known for longer")
    elif any(each.then is Outcome.BLOCK and each.total is not None and not each.shadow for each in old.limits):
        # A sum with an amount that nobody can convert asks at most: nobody may lock others out with it.
        yield Gap("rates", "", "a limit that blocks would only ask about sums with a currency that has no rate")


def _calendar(old: Policy, new: Policy) -> Iterator[Gap]:
    before, now = old.calendar, new.calendar
    if before.zone.key != now.zone.key:
        clock = any(test.fact.name in _CLOCK for policy in (old, new) for test in _all_tests(policy))
        if clock or before.hours or now.hours or old.rates.per_unit or new.rates.per_unit:
            yield Gap("timezone", "", "hours and days begin at another time")
    if before.hours == now.hours or before.hours is None:
        return
    if now.hours is None or not _within(now.hours, before.hours):
        yield Gap("business_hours", "", "there are business hours where there were none, or no such hours at all")
    elif not _safe_move("business_hours", False, old, new):
        yield Gap("business_hours", "", "a rule or limit lets go outside business hours")


def _within(now: BusinessHours, before: BusinessHours) -> bool:
    return (
        now.days <= before.days
        and now.opens >= before.opens
        and now.closes <= before.closes
        and now.closed_on >= before.closed_on
    )


def _safe_move(name: str, wanted: bool, old: Policy, new: Policy) -> bool:
    """Whether nothing lets go where a yes/no fact is `wanted` more often than before."""

    def only(conditions: Iterable[Condition], value: bool) -> bool:
        tests = (test for condition in conditions for test in condition if test.fact.name == name)
        return all(test.op is Op.EXISTS or test.wanted is value for test in tests)

    restricting = [rule for rule in new.rules if rule.restricting and not rule.shadow]
    allowing = [rule for rule in old.rules if not rule.restricting and not rule.shadow]
    return (
        only((rule.when for rule in restricting), wanted)
        and only((rule.unless for rule in restricting), not wanted)
        and only((limit.when for limit in new.limits if not limit.shadow), wanted)
        and only((rule.when for rule in allowing), not wanted)
        and only((rule.unless for rule in allowing), wanted)
    )


def _otherwise(old: Policy, new: Policy) -> Iterator[Gap]:
    before, now = old.otherwise, new.otherwise
    if now.reads.strictness < before.reads.strictness:
        yield Gap("otherwise", "reads", "reads are let go more easily")
    if _WRITES.index(now.writes) < _WRITES.index(before.writes):
        yield Gap("otherwise", "writes", "writes are let go more easily")
    if now.unjudged.strictness < before.unjudged.strictness:
        yield Gap("otherwise", "unjudged", "what nobody has judged is let go more easily")


def _levels(old: Policy, new: Policy) -> Iterator[Gap]:
    before, now = old.risk_levels, new.risk_levels
    if now.medium > before.medium or now.high > before.high or now.critical > before.critical:
        yield Gap("risk_levels", "", "the same risk is a lower level")
    elif now.high < before.high and any(
        test.fact.name == "risk" and test.op is not Op.EXISTS for policy in (old, new) for test in _all_tests(policy)
    ):
        # What has a floor scores what the level `high` begins at.
        yield Gap("risk_levels", "", "a rule tests the score, which follows where `high` begins")


def _all_tests(policy: Policy) -> Iterator[FactTest]:
    for rule in policy.rules:
        if not rule.shadow:
            yield from (*rule.when, *rule.unless)
    for limit in policy.limits:
        if not limit.shadow:
            yield from limit.when


# -- who must say yes --------------------------------------------------------------------------------------------------


def approval_at_least(new: Approval, old: Approval) -> bool:
    """Whether whoever meets `new` has met `old`, in no more time."""
    return (
        new.need.groups <= old.need.groups and new.need.people >= old.need.people and new.expires_in <= old.expires_in
    )


# -- rules -------------------------------------------------------------------------------------------------------------


def _rules(old: Policy, new: Policy, actions: Mapping[str, ActionInfo]) -> Iterator[Gap]:
    before = [rule for rule in old.rules if not rule.shadow]
    now = [rule for rule in new.rules if not rule.shadow]
    unchanged = {rule_content(rule, old.currency) for rule in before} & {
        rule_content(rule, new.currency) for rule in now
    }
    for rule in before:
        if rule.restricting and rule_content(rule, old.currency) not in unchanged:
            answers = _own_first(rule, [each for each in now if each.restricting and _speaks_at_least(each, rule)])
            if not _covered(rule, answers, actions):
                yield Gap("rule", rule.id, _rule_gap(rule, now))
    for rule in now:
        if not rule.restricting and rule_content(rule, new.currency) not in unchanged:
            others = _own_first(rule, [each for each in before if not each.restricting])
            if not _covered(rule, others, actions, permits=(old, new)):
                yield Gap("rule", rule.id, "no `allow` rule covered all of this before")


def _own_first(rule: Rule, others: Sequence[Rule]) -> list[Rule]:
    return sorted(others, key=lambda each: each.id != rule.id)[:_MOST_TRIED]


def _speaks_at_least(new: Rule, old: Rule) -> bool:
    if new.then is not old.then:
        return new.then.strictness > old.then.strictness
    if new.approval is not None and old.approval is not None:
        return approval_at_least(new.approval, old.approval)
    return (new.after or 0) >= (old.after or 0)


def _rule_gap(rule: Rule, now: Sequence[Rule]) -> str:
    own = next((each for each in now if each.id == rule.id), None)
    if own is None:
        return "nothing in its place speaks at least as strictly on all of it"
    if not own.restricting or not _speaks_at_least(own, rule):
        return "it says something milder, asks others or fewer people, or for longer"
    return "its condition may leave out something that it held for"


def _covered(
    rule: Rule,
    others: Sequence[Rule],
    actions: Mapping[str, ActionInfo],
    *,
    permits: tuple[Policy, Policy] | None = None,
) -> bool:
    """Whether wherever `rule` applies one of `others` does. `permits`: they are `allow` rules, of a new and an old policy,
    so that what hinders the one must hinder the other too."""

    def one(part: Rule) -> bool:
        return any(
            part_of(part, each, actions) and (permits is None or _permits(each, part, *permits, actions))
            for each in others
        )

    def whole(part: Rule) -> bool:
        if one(part) or (bool(more := _by_action(part, actions)) and all(map(one, more))):
            return True
        return permits is None and any(all(map(one, pieces)) for pieces in _by_value(part, others, actions))

    return all(map(whole, _by_word(rule)))


def _by_word(rule: Rule) -> list[Rule]:
    """The rule in parts, one for each action or group that it names: it applies where one of them does."""
    place = next((at for at, test in enumerate(rule.when) if _names_actions(test)), None)
    if place is None:
        return [rule]
    rest = rule.when[:place] + rule.when[place + 1 :]
    return [replace(rule, when=(_in(word), *rest)) for word in rule.when[place].texts]


def _by_action(rule: Rule, actions: Mapping[str, ActionInfo]) -> list[Rule]:
    """A part that names a group, once for each action that can be in it."""
    words = [test.texts[0] for test in rule.when if _names_actions(test)]
    # Whatever asks for a secret in its answer gives access too: no list of actions is all of that group.
    if len(words) != 1 or words[0] not in GROUPS or words == ["access"]:
        return []
    members = [info for info in actions.values() if words[0] in info.groups]
    return [replace(rule, when=(_in(info.name), *rule.when)) for info in members]


def _by_value(rule: Rule, others: Sequence[Rule], actions: Mapping[str, ActionInfo]) -> Iterator[list[Rule]]:
    """A part that restricts, in pieces by the values of one fact, cut where `others` cut it; once for each fact by which
    that goes. Where the fact is unknown all pieces are as the part is, or unknown, and so apply. It must be there: what is
    absent or *none* would be in no piece."""
    there = {test.fact.name for test in rule.when if test.op is not Op.EXISTS or test.wanted} | _ALWAYS_THERE
    for name in sorted({test.fact.name for each in others for test in each.when} & there - {"risk", "risk_level"}):
        tests = [
            test
            for each in others
            if implies(rule.when, tuple(test for test in each.when if test.fact.name != name), actions)
            for test in each.when
            if test.fact.name == name and test.op is not Op.EXISTS
        ]
        if pieces := _cut(REGISTRY[name], tests):
            yield [replace(rule, when=(*rule.when, *piece)) for piece in pieces]


def _cut(fact: Fact, tests: Sequence[FactTest]) -> list[tuple[FactTest, ...]]:
    """Tests of which each value passes one, cut where `tests` are; nothing where that cannot be said in few."""

    def test(op: Op, *numbers: Number) -> FactTest:
        return FactTest(fact, op, _NOWHERE, numbers=numbers)

    if not tests or fact.type in (FactType.SET, FactType.DATE):
        return []
    if fact.type is FactType.YES_NO:
        return [(FactTest(fact, Op.IN, _NOWHERE, wanted=wanted),) for wanted in (True, False)]
    if fact.type is FactType.TEXT:
        texts = tuple(sorted({text for each in tests for text in each.texts}))[:_MOST_CUTS]
        single = [(FactTest(fact, Op.IN, _NOWHERE, texts=(text,)),) for text in texts]
        return [*single, (FactTest(fact, Op.NOT_IN, _NOWHERE, texts=texts),)]
    ends = sorted({number for each in tests for number in each.numbers})[:_MOST_CUTS]
    between = [(test(Op.OVER, low), test(Op.UNDER, high)) for low, high in pairwise(ends)]
    return [(test(Op.UNDER, ends[0]),), *((test(Op.IN, end),) for end in ends), *between, (test(Op.OVER, ends[-1]),)]


def _names_actions(test: FactTest) -> bool:
    return test.fact.name == "action" and test.op is Op.ANY_IN


def _in(word: str) -> FactTest:
    return FactTest(REGISTRY["action"], Op.ANY_IN, _NOWHERE, texts=(word,))


def _permits(old_rule: Rule, new_rule: Rule, old: Policy, new: Policy, actions: Mapping[str, ActionInfo]) -> bool:
    """Whether the old `allow` rule covered all that the new one covers: where nothing hinders the new one, nothing may
    have hindered the old. `new_rule` is a part, of one action or group."""
    named = _named(old_rule)
    if any(name not in named and not _out_of_danger(name, new_rule.when, new, actions) for name in _named(new_rule)):
        return False
    if old.otherwise.unjudged is not Outcome.BLOCK:
        return True
    # To name an action opens it to people where nobody has judged it.
    vouched = {word for test in old_rule.when if _names_actions(test) for word in test.texts}
    words = {test.texts[0] for test in new_rule.when if _names_actions(test)} - {*GROUPS} - vouched
    return not any(word not in actions or actions[word].unjudged for word in words)


def _named(rule: Rule) -> frozenset[str]:
    names = {test.fact.name for test in rule.when} & {*_MONEY, *_DANGERS, "known", "risk", "risk_level"}
    return frozenset(names - {"risk"} | ({"risk_level"} if "risk" in names else set()))


def _out_of_danger(name: str, when: Condition, policy: Policy, actions: Mapping[str, ActionInfo]) -> bool:
    """Whether the condition, where it is true, rules out that `name` hinders an `allow` rule that does not name it."""
    tests = [test for test in when if test.fact.name == name]
    if name in _MONEY:  # only an amount that is known passes a comparison
        return any(test.op is not Op.EXISTS or not test.wanted for test in tests)
    if name == "known":
        return any(test.op is not Op.EXISTS and test.wanted for test in tests)
    if name == "risk_level":
        critical = FactTest(REGISTRY["risk_level"], Op.NOT_IN, _NOWHERE, texts=(RiskLevel.CRITICAL.value,))
        under = FactTest(REGISTRY["risk"], Op.UNDER, _NOWHERE, numbers=(policy.risk_levels.critical,))
        return implies(when, (critical,), actions) or implies(when, (under,), actions)
    group = _DANGERS[name]
    outside = FactTest(REGISTRY["action"], Op.NONE_IN, _NOWHERE, texts=(group,)) if group is not None else None
    no_danger = any(test.op is not Op.EXISTS and not test.wanted for test in tests)
    return no_danger and (outside is None or implies(when, (outside,), actions))


# -- limits ------------------------------------------------------------------------------------------------------------


def _limit_at_least(new: Limit, old: Limit, currency: str) -> bool:
    return (
        not new.shadow
        and same_sum(new, old, currency)
        and new.within >= old.within
        and _at_most(new.total, old.total)
        and _at_most(new.count, old.count)
        and new.then.strictness >= old.then.strictness
        and approval_at_least(new.approval, old.approval)
    )


def _at_most(new: int | None, old: int | None) -> bool:
    return old is None or (new is not None and new <= old)


def _limit_gap(limit: Limit, new: Policy, currency: str) -> str:
    own = next((each for each in new.limits if each.id == limit.id), None)
    if own is not None and not same_sum(own, limit, currency):
        return "it counts something else now, and that begins with an empty history"
    if own is None:
        return "nothing in its place limits the same at least as strictly"
    return "it lets more through, or asks others or fewer people"
