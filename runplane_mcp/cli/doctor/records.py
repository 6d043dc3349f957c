"""The store and what it holds: integrity, the clock against it, who can approve, what is left open."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from runplane_mcp.cli.doctor.finding import Finding, broken, ok, problem, warn
from runplane_mcp.core.approval import eligible_people
from runplane_mcp.core.decision import Need
from runplane_mcp.core.request import ActionRequest, State
from runplane_mcp.core.text import label
from runplane_mcp.errors import RunplaneError

if TYPE_CHECKING:
    from runplane_mcp.gate.coverage.state import CoverageState
    from runplane_mcp.gate.desk import Desk
    from runplane_mcp.gate.status import HomeStatus
    from runplane_mcp.settings import Settings

#: A clock may be this far behind the newest event (milliseconds): steps of time services are smaller.
_BEHIND_MS: Final = 60_000
_NAMED: Final = 3
_LOOKED_AT: Final = 10_000
#: Of a large file.
_PAGES_ALONE: Final = "every page and the newest events are whole (whether an index lacks a row: runplane audit verify)"


def integrity(settings: Settings) -> Iterator[Finding]:
    """Every page of the database, the newest events, the clock."""
    from runplane_mcp.cli.output import moment
    from runplane_mcp.store.health import look

    try:
        health = look(settings.database)
    except RunplaneError as error:
        yield broken("database", error)
        return
    for each in health.problems:
        yield problem(
            "database",
            each,
            "Let nothing write to it, keep a copy of the file, and see how far it holds: runplane audit verify",
        )
    if not health.problems:
        what = "every page, every index and the newest events are whole" if health.indexes else _PAGES_ALONE
        yield ok("database", f"{what}; {health.events:,} events")
    if health.backup_taken_at is not None:
        yield problem(
            "database",
            f"This database is a backup, taken {moment(health.backup_taken_at)}: nothing runs from it.",
            "Look things up in it; to go on from it: runplane restore --here --as ADMIN",
        )
    now = time.time_ns() // 1_000_000
    if health.newest_at > now + _BEHIND_MS:
        yield problem(
            "clock",
            f"The clock says {moment(now)}, and the newest event of the log is of {moment(health.newest_at)}.",
            "Set the clock right: limits, expiry and safe repeats hang on it.",
        )
    else:
        yield ok("clock", f"{moment(now)}, not behind the newest event")


def promises(home: HomeStatus) -> Iterator[Finding]:
    """What this way of running can promise, and the time it runs by."""
    from runplane_mcp.gate.restored import HOLD

    if home.mode == "trial":
        said = "trial: agents run as the same user; it stops mistakes, not a program that runs as you"
    else:
        said = "production: key, policy and database belong to another user than the agents"
    yield ok("mode", said)
    for freeze in home.frozen:
        if freeze.id == HOLD:
            continue
        yield warn(
            "frozen",
            f"{freeze.sentence()} While this stands, it does not run.",
            "Lift it: runplane unfreeze --as ADMIN",
        )
    if home.simulated_clock:
        yield warn(
            "clock",
            "The clock is simulated: rules and expiry go by another time.",
            "Unset RUNPLANE_SIMULATOR_NOW when it is no longer wanted.",
        )


async def epoch(desk: Desk) -> list[Finding]:
    """Whether an administrator's signature bears out the epoch that the database names."""
    from runplane_mcp.gate.restored import check_epoch

    try:
        await desk.store.read(check_epoch)
    except RunplaneError as error:
        return [broken("restored", error)]
    return []


def restored(home: HomeStatus, settings: Settings) -> Iterator[Finding]:
    """What a restore left to do, and what it left behind. Nothing in a home that was never restored."""
    from runplane_mcp.store.restoring import FOLDER, kept_of

    if home.set_aside:
        yield problem(
            "restored",
            f"Nothing runs: of {len(home.set_aside):,} requests that were open in the restored copy nobody has said what"
            f" became of them: {', '.join(home.set_aside[:_NAMED])}{' and more' if len(home.set_aside) > _NAMED else ''}.",
            "runplane requests list --state outcome_unknown; then, with evidence: runplane requests resolve",
        )
    if home.restored is not None:
        yield warn(
            "restored",
            f"{home.restored.sentence()} Limits and repeats lack it.",
            "See what happened at Stripe meanwhile: runplane audit coverage",
        )
    if settings.database.with_name(FOLDER).exists():
        yield warn(
            "restored",
            "A restore was cut before its copy took the database's place; what it had made is still there.",
            f"Restore again, or: rm -r {settings.database.with_name(FOLDER)}",
        )
    left = kept_of(settings.database)
    if left:
        kept = "The database that a restore replaced is" if len(left) == 1 else f"{len(left)} replaced databases are"
        yield warn(
            "restored",
            f"{kept} kept, with all that was in it: {left[-1]}.",
            "Look things up in it while you need to; then remove it: what you erase here is still in there.",
        )


def approvers(home: HomeStatus, pretended: Sequence[str], needs: Sequence[Need]) -> Iterator[Finding]:
    """Who can approve what the enforced policy asks for. `pretended` are rows that no signature bears out."""
    voters = [person.id for person in home.people if person.may_vote]
    if not voters:
        yield problem(
            "people",
            "Nobody can approve anything: what asks for people waits until it expires.",
            "runplane people add NAME --role admin --group finance",
        )
    elif len(voters) == 1:
        yield warn(
            "people",
            f"One-person mode: only {voters[0]} can vote, and nobody checks the one who says yes.",
            f"runplane people add NAME --group finance --as {voters[0]}",
        )
    else:
        yield ok("people", f"can vote: {', '.join(voters)}")
    for need in needs:
        able = eligible_people(need, home.people)
        if len(able) < need.people:
            group = min(need.groups)
            yield warn(
                "approvals",
                f"The policy asks for {need.sentence()}, and {len(able) or 'nobody'} of them is enrolled.",
                f"runplane people add NAME --group {group} --as ADMIN",
            )
        else:
            yield ok("approvals", f"{need.sentence()}: {', '.join(able)}")
    for name in pretended:
        yield problem(
            "people",
            f"There is a row for {label(name)} that no administrator's signature bears out: it counts for nothing,"
            " and somebody wrote it past Runplane.",
            "Find out who can write to the home: runplane audit verify",
        )


async def left_open(desk: Desk, settings: Settings, home: HomeStatus) -> list[Finding]:
    """What waits for a gate, for people or for certainty, and how many gates live."""
    from runplane_mcp.gate.presence import Presence, living_gates
    from runplane_mcp.store.records import RequestFilter

    states = frozenset({State.APPROVED, State.EXECUTING, State.OUTCOME_UNKNOWN})
    found = await desk.requests(RequestFilter(states=states, limit=_LOOKED_AT))
    of = {state: [each for each in found if each.state is state] for state in states}
    gates, presence = living_gates(settings.gates), Presence(settings.gates, "doctor")
    left = [each for each in of[State.EXECUTING] if not presence.lives(each.lease_owner)]
    findings = [*_unknown(of[State.OUTCOME_UNKNOWN])]
    if home.doubted:
        findings.append(
            problem(
                "log",
                f"The audit log does not bear out {named(home.doubted)}, so that it does not run: somebody changed the"
                " database past Runplane.",
                "Find out who can write to the home, and see how far it holds: runplane audit verify",
            )
        )
    if (of[State.APPROVED] or left) and not gates:
        findings.append(
            warn(
                "gates",
                f"No gate runs, and {len(of[State.APPROVED]) + len(left)} requests need one to go on:"
                f" {_names([*of[State.APPROVED], *left])}.",
                "Start your MCP client, or: runplane mcp",
            )
        )
    else:
        findings.append(ok("gates", f"{gates} running" if gates else "none runs now; MCP clients start them"))
    waits = "1 waits" if home.waiting == 1 else f"{home.waiting:,} wait"
    findings.append(ok("waiting", f"{waits} for people" if home.waiting else "nothing waits for people"))
    return findings


def _unknown(requests: Sequence[ActionRequest]) -> Iterator[Finding]:
    if not requests:
        yield ok("outcomes", "the outcome of every request is known")
        return
    yield problem(
        "outcomes",
        f"Of {len(requests):,} requests nobody knows whether they happened: {_names(requests)}.",
        "Look at each, here and in Stripe: runplane requests list --state outcome_unknown; then, with evidence:"
        " runplane requests resolve",
    )


def _names(requests: Sequence[ActionRequest]) -> str:
    return named([each.reference for each in requests])


def named(references: Sequence[str]) -> str:
    """The first few."""
    more = f" and {len(references) - _NAMED:,} more" if len(references) > _NAMED else ""
    return ", ".join(references[:_NAMED]) + more


def coverage(states: Mapping[str, CoverageState], every: int) -> Iterator[Finding]:
    """Whether anything at Stripe stands unexplained, and whether somebody looks, every so many seconds."""
    from runplane_mcp.cli.coverage.standing import beside_words, found_words, latest, left_out_words, standing

    found, (newest, there) = standing(states), latest(states)
    if there is not None and (words := beside_words(there)):
        yield warn(
            "coverage",
            f"Not every connected account is looked at for what went around Runplane: {words}.",
            "Let the key read them, or leave some out: RUNPLANE_COVERAGE_ACCOUNTS=-acct_…",
        )
    if found:
        yield problem(
            "coverage",
            f"Nothing explains {found_words(found)} at Stripe: something may have gone around Runplane.",
            "runplane audit coverage --alarm; when you know what it was: runplane audit accept",
        )
    elif newest is not None and newest.problem:
        yield warn(
            "coverage",
            f"The account could not be looked at for what went around Runplane: {newest.problem}",
            "Give the key read permission for the balance, refunds, payouts, transfers, credit notes and events.",
        )
    elif newest is not None and newest.behind:
        yield warn(
            "coverage",
            f"More comes to the account than is looked at: only what is before {_moment(newest)} has been.",
            "Look more often: RUNPLANE_COVERAGE_EVERY",
        )
    elif not every and newest is None:
        yield warn(
            "coverage",
            "Nobody looks for what goes around Runplane: RUNPLANE_COVERAGE_EVERY is 0.",
            "Unset it, or let cron look: runplane audit coverage --alarm",
        )
    elif newest is None or newest.until is None:
        yield ok("coverage", "nobody has looked yet at what is at Stripe; gates do every few minutes")
    else:
        left_out = f"; {words}" if (words := left_out_words(there)) else ""
        yield ok("coverage", f"nothing unexplained at Stripe before {_moment(newest)}{left_out}")


def _moment(state: CoverageState) -> str:
    from runplane_mcp.cli.output import moment

    return moment(None if state.until is None else state.until * 1000)
