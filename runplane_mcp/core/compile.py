"""A policy as one immutable compiled object: conditions are functions, reasons and keys are made once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from runplane_mcp.core.decision import Bucket, Decision, Outcome, Reason
from runplane_mcp.core.facts import GROUPS, UNKNOWN, Facts, FactValue
from runplane_mcp.core.hours import Calendar
from runplane_mcp.core.limits import CompiledLimit, LimitWords, bucket_text, limit_key
from runplane_mcp.core.policy import ActionInfo, Limit, Policy, Rule
from runplane_mcp.core.policy.catalog_check import check_catalog
from runplane_mcp.core.policy.conditions import Check, Converter, Op, but_not, compile_condition, today_of
from runplane_mcp.core.policy.problems import Problems
from runplane_mcp.core.policy.sentences import limit_bounds, limit_sentence, rule_sentence
from runplane_mcp.core.risk import Scorer
from runplane_mcp.core.standing import Standing, broken, standing

#: Known only inside a decision, after every look-up.
_ALWAYS_PENDING: Final = frozenset({"risk", "risk_level"})


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """`check` is the whole rule: its condition and not its exception. `named` are the facts its condition names, `actions`
    the actions, groups left out."""

    rule: Rule
    check: Check
    reason: Reason
    named: frozenset[str]
    actions: frozenset[str]
    restricting: bool

    def vouches(self, facts: Facts) -> bool:
        """Whether it is an `allow` rule that names the very action of a request, not just a group that it is in. Only that
        opens what nobody has judged, and then to people."""
        action = facts.get("action")
        return not self.restricting and type(action) is frozenset and not self.actions.isdisjoint(action)

    def lacks(self, danger: frozenset[str]) -> frozenset[str]:
        """What its condition would have to name of `danger`, for it to cover a request. Whoever names the score has named
        the level."""
        named = self.named | {"risk_level"} if "risk" in self.named else self.named
        return danger - named


@dataclass(frozen=True, slots=True)
class CompiledPolicy:
    """One policy, ready to decide. `version` is SHA-256 of its text in hex. `rules` are those that decide, `shadow_rules`
    those that are only recorded; `limits` are both, in the file's order."""

    policy: Policy
    version: str
    rules: tuple[CompiledRule, ...]
    shadow_rules: tuple[CompiledRule, ...]
    limits: tuple[CompiledLimit, ...]
    standing: Standing
    converter: Converter
    scorer: Scorer

    @property
    def text(self) -> str:
        return self.policy.text

    @property
    def calendar(self) -> Calendar:
        return self.policy.calendar

    @property
    def repeat_window(self) -> int:
        """Seconds within which the same money going out twice needs a person."""
        return self.policy.repeat_window

    def matching(self, facts: Facts, today: date | None) -> list[tuple[CompiledLimit, Bucket]]:
        """The limits whose condition is true or unknown, with what this request would count into."""
        return [(each, each.bucket(facts)) for each in self.limits if each.check(facts, today)]

    def buckets(self, facts: Facts) -> tuple[Bucket, ...]:
        """What this request counts into: one for each limit whose condition is true or unknown, in the file's order."""
        return tuple(bucket for _, bucket in self.matching(facts, today_of(facts)))

    def early_block(self, facts: Facts, pending: frozenset[str]) -> Decision | None:
        """A block that no look-up can change, or None. `pending`: the facts that are not looked up yet. A rule counts only
        where it is true without them, and an exception only where it is false without them."""
        try:
            return self._early_block(facts, pending | _ALWAYS_PENDING)
        except Exception as error:  # noqa: BLE001 - whatever it is, what was not decided must not run
            return broken(self.version, error)

    def _early_block(self, facts: Facts, pending: frozenset[str]) -> Decision | None:
        # Not looked up is unknown, not absent: an absent fact would make an exception false and its rule definite.
        seen: dict[str, FactValue] = {**facts, **dict.fromkeys(pending, UNKNOWN)}
        today = today_of(seen)
        vouched = any(each.vouches(seen) and each.check(seen, today) for each in self.rules)
        standing = self.standing.of_operation(seen, vouched=vouched)
        reasons = [reason for reason in standing if reason.outcome is Outcome.BLOCK]
        for each in self.rules:
            if each.rule.then is Outcome.BLOCK and each.check(seen, today) == 2:
                reasons.append(each.reason)
        if not reasons:
            return None
        known = {name: value for name, value in facts.items() if name not in pending}
        buckets = tuple(
            each.bucket(known)
            for each in self.limits
            if each.check(seen, today) == 2 and pending.isdisjoint((each.limit.of, *each.limit.needs))
        )
        risk = self.scorer.score(known, 0, today)
        return Decision(Outcome.BLOCK, tuple(reasons), risk, (), None, buckets, (), self.version)


def compile_policy(policy: Policy, *, actions: Mapping[str, ActionInfo]) -> CompiledPolicy:
    """`policy` compiled. `actions` is the catalog's; PolicyInvalid where the policy names what it does not have."""
    problems = Problems(policy.file, policy.text)
    check_catalog(policy, actions, problems)
    problems.raise_any()
    converter = Converter(policy.rates)
    return CompiledPolicy(
        policy=policy,
        version=policy.version,
        rules=tuple(_compile_rule(rule, policy, converter) for rule in policy.rules if not rule.shadow),
        shadow_rules=tuple(_compile_rule(rule, policy, converter) for rule in policy.rules if rule.shadow),
        limits=tuple(_compile_limit(limit, policy, converter) for limit in policy.limits),
        standing=standing(policy),
        converter=converter,
        scorer=Scorer(converter, policy.risk_levels),
    )


def _compile_rule(rule: Rule, policy: Policy, converter: Converter) -> CompiledRule:
    restricting = rule.restricting
    check = compile_condition(rule.when, converter, trusting=not restricting)
    if rule.unless:
        check = but_not(check, compile_condition(rule.unless, converter, trusting=True))
    reason = Reason(
        source="rule",
        id=rule.id,
        outcome=rule.then,
        why=rule.why or rule_sentence(rule, policy.currency),
        tell_agent=rule.tell_agent,
        need=rule.approval.need if rule.approval else None,
        expires_in=rule.approval.expires_in if rule.approval else None,
        after=rule.after,
    )
    return CompiledRule(
        rule=rule,
        check=check,
        reason=reason,
        named=frozenset(test.fact.name for test in rule.when),
        actions=frozenset(_actions(rule)) - frozenset(GROUPS),
        restricting=restricting,
    )


def _actions(rule: Rule) -> Iterator[str]:
    for test in rule.when:
        if test.fact.name == "action" and test.op is Op.ANY_IN:
            yield from test.texts


def _compile_limit(limit: Limit, policy: Policy, converter: Converter) -> CompiledLimit:
    why = limit.why or limit_sentence(limit, policy.currency)
    need, expires_in = limit.approval.need, limit.approval.expires_in
    asking = Reason("limit", limit.id, Outcome.REQUIRE_APPROVAL, why, limit.tell_agent, need, expires_in)
    block = Reason("limit", limit.id, Outcome.BLOCK, why, limit.tell_agent)
    return CompiledLimit(
        limit=limit,
        check=compile_condition(limit.when, converter, trusting=False),
        key=limit_key(limit, policy.currency),
        reason=block if limit.then is Outcome.BLOCK else asking,
        asking=asking,
        where=bucket_text(limit.per),
        words=LimitWords(
            limit_bounds(limit, policy.currency),
            policy.currency,
            sums=limit.total is not None,
            counts=limit.count is not None,
        ),
    )
