"""The enforced policy and the policy file: whether they load, pass their own tests, and are the same."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from runplane_mcp.cli.doctor.finding import Finding, broken, ok, problem, warn
from runplane_mcp.errors import PolicyError

if TYPE_CHECKING:
    from runplane_mcp.core.policy import Policy
    from runplane_mcp.gate.status import HomeStatus
    from runplane_mcp.settings import Settings

#: Rates older than this are worth a word; those older than `RATE_LIFETIME_DAYS` no longer count.
_OLD_DAYS: Final = 30


def rules(settings: Settings, home: HomeStatus, now: int) -> Iterator[Finding]:
    """`now` is policy time."""
    from runplane_mcp.core.catalog import load as load_catalog
    from runplane_mcp.core.policy import load
    from runplane_mcp.gate.policies import read_policy_file

    if home.policy_problem is not None:
        yield broken("policy", home.policy_problem)
        return
    if home.policy is None:
        yield problem("policy", "No policy is enforced, so nothing runs.", "runplane policy activate")
        return
    actions = load_catalog().actions
    enforced = load(home.policy.text, file="enforced policy", known_actions=actions)
    yield from _tested("policy", "the enforced policy", enforced)
    yield from _rates(enforced, now)
    if settings.policy is None and not settings.policy_file.exists():
        yield warn(
            "policy_file",
            f"There is no {settings.policy_file}: the enforced policy can be looked at nowhere else.",
            "Keep a policy file there; see `runplane policy check`.",
        )
        return
    try:
        written = load(read_policy_file(settings.policy_file), file=str(settings.policy_file), known_actions=actions)
    except PolicyError as error:
        yield problem(
            "policy_file",
            f"{settings.policy_file} does not load; the last good policy stays enforced. {error.message.splitlines()[0]}",
            "runplane policy check",
        )
        return
    if written.version == enforced.version:
        yield ok("policy_file", f"{settings.policy_file} is what is enforced")
        return
    yield from _tested("policy_file", str(settings.policy_file), written)
    yield warn(
        "policy_file",
        f"{settings.policy_file} is not what is enforced.",
        "Put it in force, or change it back: runplane policy check, then runplane policy activate --as ADMIN",
    )


def _tested(check: str, what: str, policy: Policy) -> Iterator[Finding]:
    from runplane_mcp.core.catalog import load as load_catalog
    from runplane_mcp.core.policy_tests import run_tests

    try:
        results = run_tests(policy, load_catalog().actions)
    except PolicyError as error:
        yield broken(check, error)
        return
    failed = [result.it for result in results if not result.passed]
    if failed:
        yield problem(
            check, f"{len(failed)} of {len(results)} tests of {what} fail: {failed[0]}.", "runplane policy check"
        )
    else:
        yield ok(check, f"{what}, version {policy.version[:12]}, loads and passes its {len(results)} tests")


def _rates(policy: Policy, now: int) -> Iterator[Finding]:
    from runplane_mcp.core.money import RATE_LIFETIME_DAYS

    rates = policy.rates
    if rates.as_of is None or not rates.per_unit:
        return
    days = (datetime.fromtimestamp(now // 1000, tz=UTC).date() - rates.as_of).days
    others = ", ".join(sorted(rates.per_unit))
    advice = "Write today's rates and their day under `rates`, then: runplane policy activate --as ADMIN"
    if days > RATE_LIFETIME_DAYS:
        yield problem("rates", f"The rates for {others} are {days} days old: their amounts are unknown now.", advice)
    elif days > _OLD_DAYS:
        yield warn("rates", f"The rates for {others} are {days} days old; after {RATE_LIFETIME_DAYS} they end.", advice)
    else:
        yield ok("rates", f"for {others}, of {rates.as_of}")
