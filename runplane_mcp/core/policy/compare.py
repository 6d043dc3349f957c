"""What changed between two policies, in words, and whether the newer is provably only tighter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from runplane_mcp.core.canonical import canonical
from runplane_mcp.core.decision import Outcome
from runplane_mcp.core.hours import WEEKDAYS
from runplane_mcp.core.policy.conditions import Condition
from runplane_mcp.core.policy.document import Place
from runplane_mcp.core.policy.model import Approval, Limit, Policy, PolicyTest, Rule
from runplane_mcp.core.policy.sentences import (
    RECORDED,
    limit_bounds,
    limit_sentence,
    need_words,
    rule_sentence,
    words_of,
)
from runplane_mcp.core.policy.stricter import Gap, gaps, limit_content, rule_content
from runplane_mcp.core.policy.values import duration_text

if TYPE_CHECKING:
    from runplane_mcp.core.catalog import ActionInfo


class Direction(StrEnum):
    """What one change does to decisions. *Neither*: to none of them. *Unclear*: some may get stricter and others looser."""

    TIGHTER = "tighter"
    LOOSER = "looser"
    NEITHER = "neither"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that changed: a `rule`, a `limit` or a section, with its id. `against` says why it cannot be proven to be
    at least as strict, None where it is."""

    part: str
    id: str
    words: str
    direction: Direction
    against: str | None = None

    def sentence(self) -> str:
        name = f"{self.part} {self.id}" if self.id else self.part.replace("_", " ")
        return f"{name}: {self.words}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """`tighter`: whatever is asked, and however full the limits are, the new policy is at least as strict. `equivalent`: so
    is the old one, and both decide alike. `texts_differ` is false where the two files are one."""

    changes: tuple[Change, ...]
    tighter: bool
    equivalent: bool
    texts_differ: bool

    @property
    def against(self) -> tuple[Change, ...]:
        """The changes that keep the whole from being provably only tighter."""
        return tuple(change for change in self.changes if change.against is not None)

    def verdict(self) -> str:
        """The whole in one sentence."""
        if not self.texts_differ:
            return "The two are the same."
        if self.equivalent:
            return "Both decide alike, whatever is asked."
        if self.tighter:
            return "It is provably only tighter: whatever is asked, it is at least as strict."
        return "It is not provably only tighter."


def compare(old: Policy, new: Policy, actions: Mapping[str, ActionInfo]) -> Comparison:
    """What changed from `old` to `new`. `actions` is the catalog's."""
    forward, backward = _by_part(gaps(old, new, actions)), _by_part(gaps(new, old, actions))
    changes = tuple(_Changes(old, new, forward, backward).all())
    tighter = not forward
    return Comparison(changes, tighter, tighter and not backward, old.text != new.text)


_Gaps: TypeAlias = Mapping[tuple[str, str], str]
_Part = TypeVar("_Part", Rule, Limit)
_NOWHERE: Final = Place(0, 0)
_THEN: Final = {
    Outcome.ALLOW: "allows it",
    Outcome.REQUIRE_APPROVAL: "asks",
    Outcome.BLOCK: "blocks it",
}
_SECTIONS: Final = ("rates", "timezone", "business_hours", "approval", "repeat_window", "risk_levels")


def _by_part(found: Sequence[Gap]) -> dict[tuple[str, str], str]:
    by_part: dict[tuple[str, str], str] = {}
    for gap in found:
        by_part.setdefault((gap.part, gap.id), gap.why)
    return by_part


@dataclass(frozen=True, slots=True)
class _Changes:
    old: Policy
    new: Policy
    forward: _Gaps
    backward: _Gaps

    def all(self) -> Iterator[Change]:
        yield from self._sections()
        yield from self._rules()
        yield from self._limits()
        if list(map(_test, self.old.tests)) != list(map(_test, self.new.tests)):
            yield Change("tests", "", "other tests, which decide nothing", Direction.NEITHER)

    def _change(self, part: str, ids: tuple[str, ...], words: str, *, shown: str | None = None) -> Change:
        """`ids` are the part's names in the old and the new policy."""
        against = next((self.forward[part, each] for each in ids if (part, each) in self.forward), None)
        softer_before = any((part, each) in self.backward for each in ids)
        if against is None:
            direction = Direction.TIGHTER if softer_before else Direction.NEITHER
        else:
            direction = Direction.UNCLEAR if softer_before else Direction.LOOSER
        return Change(part, ids[0] if shown is None else shown, words, direction, against)

    # -- sections ------------------------------------------------------------------------------------------------------

    def _sections(self) -> Iterator[Change]:
        old, new = self.old, self.new
        if old.currency != new.currency:
            yield self._change("currency", ("",), f"{new.currency.upper()} instead of {old.currency.upper()}")
        for part, before, now in zip(_SECTIONS, _section_words(old), _section_words(new), strict=True):
            if before != now:
                yield self._change(part, ("",), f"{now} instead of {before}")
        for name in ("reads", "writes", "unjudged"):
            before, now = (str(getattr(policy.otherwise, name).value) for policy in (old, new))
            if before != now:
                yield self._change("otherwise", (name,), f"{now} instead of {before}")

    # -- rules ---------------------------------------------------------------------------------------------------------

    def _rules(self) -> Iterator[Change]:
        old, new = self.old, self.new
        pairs, removed, added = _pairs(old.rules, new.rules, lambda rule: rule_content(rule, old.currency))
        for before, now in pairs:
            found = list(self._rule(before, now))
            if found:
                yield self._change("rule", tuple(dict.fromkeys((before.id, now.id))), "; ".join(found))
        for rule in removed:
            yield self._change("rule", (rule.id,), f"removed: {_rule_words(rule, old)}")
        for rule in added:
            yield self._change("rule", (rule.id,), f"added: {_rule_words(rule, new)}")

    def _rule(self, before: Rule, now: Rule) -> Iterator[str]:
        if before.id != now.id:
            yield f"is called {now.id} now"
        for part in ("when", "unless"):
            one, other = getattr(before, part), getattr(now, part)
            if _condition(one, self.old.currency) != _condition(other, self.new.currency):
                yield _from_to(part, one, other, self.old.currency, self.new.currency)
        if before.then is not now.then:
            yield f"{_THEN[now.then]} instead of {_THEN[before.then].removesuffix(' it')}"
        if before.after != now.after:
            yield f"is held back {_held(now.after)}" + (
                f" instead of {_held(before.after)}" if before.after is not None else ""
            )
        if before.approval is not None and now.approval is not None:
            yield from _approval(before.approval, now.approval)
        yield from _mode(before.shadow, now.shadow)
        yield from _told(before, now)

    # -- limits --------------------------------------------------------------------------------------------------------

    def _limits(self) -> Iterator[Change]:
        old, new = self.old, self.new
        pairs, removed, added = _pairs(old.limits, new.limits, lambda limit: limit_content(limit, old.currency))
        for before, now in pairs:
            found = list(self._limit(before, now))
            if found:
                yield self._change("limit", tuple(dict.fromkeys((before.id, now.id))), "; ".join(found))
        for limit in removed:
            yield self._change("limit", (limit.id,), f"removed: {_limit_words(limit, old)}")
        for limit in added:
            yield self._change("limit", (limit.id,), f"added: {_limit_words(limit, new)}")

    def _limit(self, before: Limit, now: Limit) -> Iterator[str]:
        old, new = self.old, self.new
        if before.id != now.id:
            yield f"is called {now.id} now"
        if _condition(before.when, old.currency) != _condition(now.when, new.currency):
            yield _from_to("when", before.when, now.when, old.currency, new.currency)
        if before.per != now.per:
            yield f"counts per {_per(now.per)} instead of {_per(before.per)}"
        if before.of != now.of:
            yield f"sums {now.of} instead of {before.of}"
        bounds, bounds_before = limit_bounds(now, new.currency), limit_bounds(before, old.currency)
        if bounds != bounds_before:
            yield f"at most {bounds} instead of {bounds_before}"
        if before.then is not now.then:
            yield f"{_THEN[now.then]} instead of {_THEN[before.then].removesuffix(' it')}"
        yield from _approval(before.approval, now.approval)
        yield from _mode(before.shadow, now.shadow)
        yield from _told(before, now)


def _pairs(
    old: Sequence[_Part], new: Sequence[_Part], content: Callable[[_Part], bytes]
) -> tuple[list[tuple[_Part, _Part]], list[_Part], list[_Part]]:
    """Those with one id, and those that are the same under another id; what was removed; what was added."""
    before, now = {part.id: part for part in old}, {part.id: part for part in new}
    pairs = [(part, now[part.id]) for part in old if part.id in now]
    added = [part for part in new if part.id not in before]
    removed = []
    by_content = {content(part): part for part in reversed(added)}
    for part in (part for part in old if part.id not in now):
        renamed = by_content.pop(content(part), None)
        if renamed is None:
            removed.append(part)
        else:
            added.remove(renamed)
            pairs.append((part, renamed))
    return pairs, removed, added


def _section_words(policy: Policy) -> tuple[str, ...]:
    """What `_SECTIONS` say, in their order."""
    rates, hours, levels = policy.rates, policy.calendar.hours, policy.risk_levels
    listed = ", ".join(f"{code} {float(rate):g}" for code, rate in sorted(rates.per_unit.items()))
    open_hours = "none"
    if hours is not None:
        days = ", ".join(WEEKDAYS[day] for day in sorted(hours.days))
        closed = "".join(f", closed on {day.isoformat()}" for day in sorted(hours.closed_on))
        open_hours = f"{days} {_time(hours.opens)} to {_time(hours.closes)}{closed}"
    return (
        f"{listed} as of {rates.as_of}" if listed else "none",
        policy.calendar.zone.key,
        open_hours,
        f"{need_words(policy.approval.need)} within {duration_text(policy.approval.expires_in)}",
        duration_text(policy.repeat_window),
        f"medium from {levels.medium}, high from {levels.high}, critical from {levels.critical}",
    )


def _test(test: PolicyTest) -> PolicyTest:
    return replace(test, place=_NOWHERE)


def _time(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _rule_words(rule: Rule, policy: Policy) -> str:
    return rule_sentence(rule, policy.currency) + (RECORDED if rule.shadow else "")


def _limit_words(limit: Limit, policy: Policy) -> str:
    return limit_sentence(limit, policy.currency) + (RECORDED if limit.shadow else "")


def _condition(condition: Condition, currency: str) -> frozenset[bytes]:
    return frozenset(canonical(test.canonical(currency)) for test in condition)


def _from_to(part: str, before: Condition, now: Condition, currency: str, currency_now: str) -> str:
    return f"`{part}` is {_tests(now, currency_now)} instead of {_tests(before, currency)}"


def _tests(condition: Condition, currency: str) -> str:
    if not condition:
        return "left out"
    return " and ".join(f"{test.fact.name} {words_of(test, currency)}" for test in condition)


def _held(after: int | None) -> str:
    return "no longer" if after is None else f"for {duration_text(after)}"


def _approval(before: Approval, now: Approval) -> Iterator[str]:
    if before.need != now.need:
        yield f"asks {need_words(now.need)} instead of {need_words(before.need)}"
    if before.expires_in != now.expires_in:
        yield f"asks for {duration_text(now.expires_in)} instead of {duration_text(before.expires_in)}"


def _mode(before: bool, now: bool) -> Iterator[str]:
    if before != now:
        yield "is only recorded now, in shadow" if now else "is enforced now, no longer in shadow"


def _told(before: Rule | Limit, now: Rule | Limit) -> Iterator[str]:
    if before.why != now.why:
        yield "tells people other words (`why`)"
    if before.tell_agent != now.tell_agent:
        yield "tells agents other words (`tell_agent`)"


def _per(names: tuple[str, ...]) -> str:
    return " and ".join(names) if names else "all together"
