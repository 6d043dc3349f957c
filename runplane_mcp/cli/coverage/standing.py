"""What stands unexplained, in a line of `runplane status` and a finding of `runplane doctor`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from runplane_mcp.core.canonical import Json

if TYPE_CHECKING:
    from runplane_mcp.gate.coverage.state import Beside, CoverageState, Found


def standing(states: Mapping[str, CoverageState]) -> list[Found]:
    """All of it, oldest first, whichever account it is of."""
    found = (each for state in states.values() for each in state.standing.values())
    return sorted(found, key=lambda each: (each.at, each.line))


def latest(states: Mapping[str, CoverageState]) -> tuple[CoverageState | None, Beside | None]:
    """The watch that looked last, and how it stands with the accounts that are connected to its own."""
    from runplane_mcp.gate.coverage.state import beside, renamed

    connected = beside(states)
    there = {renamed(name, one) for name, each in connected.items() for one in (*each.accounts, *each.left_out)}
    own = {name: each for name, each in states.items() if name not in there}
    name = max(own, key=lambda name: max(own[name].turn, own[name].looked or 0), default=None)
    return (None, None) if name is None else (own[name], connected.get(name))


def beside_words(found: Beside) -> str:
    """What of the connected accounts was not looked at; empty where nothing is to be said."""
    said = []
    if found.unread:
        account = next(iter(found.unread))
        more = f", and {len(found.unread) - 1:,} more" if len(found.unread) > 1 else ""
        said.append(f"connected account {account}{more} could not be looked at: {found.unread[account]}")
    if found.cut:
        said.append("Stripe has more connected accounts than are looked at")
    if found.waiting:
        said.append(
            f"{len(found.waiting):,} of {len(found.accounts):,} connected accounts have waited for a look for long"
        )
    return "; ".join(said)


def left_out_words(found: Beside | None) -> str:
    """Which connected accounts nobody looks at since a setting says so; empty where there are none. Whoever may set a
    gate's environment could keep an alarm from being raised with it: so it is told wherever all is said to be well."""
    if found is None or not found.left_out:
        return ""
    more = f" and {len(found.left_out) - 3:,} more" if len(found.left_out) > 3 else ""
    return f"not looked at, since a setting says so: {', '.join(found.left_out[:3])}{more}"


def beside_json(found: Beside | None) -> dict[str, Json]:
    """The connected accounts, for programs."""
    if found is None:
        return {"accounts": [], "unread": [], "waiting": [], "cut": False, "left_out": []}
    unread: list[Json] = [{"account": account, "why": why} for account, why in found.unread.items()]
    waiting: list[Json] = list(found.waiting)
    left_out: list[Json] = list(found.left_out)
    return {
        "accounts": list(found.accounts),
        "unread": unread,
        "waiting": waiting,
        "cut": found.cut,
        "left_out": left_out,
    }


def found_words(found: Iterable[Found]) -> str:
    """`2 lines, -$150.00 USD`."""
    from runplane_mcp.cli.output import money

    sums: dict[str, int] = {}
    number = 0
    for each in found:
        sums[each.currency] = sums.get(each.currency, 0) + each.amount
        number += 1
    amounts = ", ".join(money(amount, currency) for currency, amount in sorted(sums.items()))
    return f"{number:,} {'line' if number == 1 else 'lines'}, {amounts}"


def found_json(found: Found) -> dict[str, Json]:
    """A line that stands unexplained, for programs; `event` is its audit event."""
    from runplane_mcp.cli.output import iso

    return {
        "line": found.line,
        "object": found.object_id,
        "kind": found.kind,
        "amount": found.amount,
        "currency": found.currency,
        "at": iso(found.at * 1000),
        "box": found.box,
        "why": found.why,
        "event": found.seq,
    }


def coverage_json(states: Mapping[str, CoverageState]) -> dict[str, Json]:
    from runplane_mcp.cli.output import iso

    newest, there = latest(states)
    until = newest.until if newest is not None else None
    accounts = {each.seq: name.split("|")[-2] for name, state in states.items() for each in state.standing.values()}
    lines: list[Json] = [{**found_json(each), "account": accounts[each.seq]} for each in standing(states)]
    return {
        "unexplained": lines,
        "until": iso(until * 1000) if until is not None else None,
        "looked_at": iso(newest.looked) if newest is not None else None,
        "problem": (newest.problem or None) if newest is not None else None,
        "connected": beside_json(there),
    }


def coverage_line(states: Mapping[str, CoverageState]) -> tuple[str, str] | None:
    """What `status` says, and its style; None where nobody has looked yet."""
    from runplane_mcp.cli.output import moment

    newest, there = latest(states)
    if found := standing(states):
        return f"UNEXPLAINED at Stripe: {found_words(found)}. See: runplane audit coverage --alarm", "bold red"
    if newest is None:
        return None
    if newest.problem:
        return f"the account could not be looked at: {newest.problem}", "yellow"
    if words := beside_words(there) if there is not None else "":
        return words, "yellow"
    if newest.until is None:
        return None
    if newest.behind:
        return f"behind: only what is before {moment(newest.until * 1000)} has been looked at", "yellow"
    left_out = f" ({words})" if (words := left_out_words(there)) else ""
    return f"nothing unexplained at Stripe before {moment(newest.until * 1000)}{left_out}: runplane audit coverage", ""
