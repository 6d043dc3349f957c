"""`runplane limits`: how full each limit is, for whom, and when there is room again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.home import at_desk, settings_of_home
from runplane_mcp.cli.options import JsonFlag
from runplane_mcp.core.canonical import Json

if TYPE_CHECKING:
    from runplane_mcp.core.compile import CompiledPolicy
    from runplane_mcp.gate.fullness import Filled, LimitFullness

EXAMPLES = examples(
    ("runplane limits", "every limit, with the fullest of what it counts by"),
    ("runplane limits refunds-an-hour --top 20", "one limit, and more of its agents"),
    ("runplane limits --of cus_9s6XKzkNRiz8i3", "all that counts for one customer"),
    ("runplane limits --json", "for programs"),
)


def limits(
    limit: Annotated[str | None, typer.Argument(metavar="[LIMIT]", help="Only the limit with this id.")] = None,
    key: Annotated[
        str | None, typer.Option("--of", help="Only what counts for this customer, agent, destination or object.")
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, max=1_000, help="So many of each limit, the fullest.")] = 5,
    as_json: JsonFlag = False,
) -> None:
    """Show how full each limit of the enforced policy is.

    Used, the part of it that waits for people, and when there is room again.
    """
    from runplane_mcp.cli.output import print_json
    from runplane_mcp.gate.fullness import fullness

    policy, found = at_desk(settings_of_home(), lambda desk: fullness(desk, limit_id=limit, key=key, top=top))
    if as_json:
        print_json([_json(policy, each) for each in found])
        return
    _tell(policy, found)


def fullest(found: list[LimitFullness]) -> str | None:
    """The fullest of all limits in one line, None where nothing counts into any."""
    used = [(each, bucket) for each in found for bucket in each.buckets[:1] if bucket.fill.share is not None]
    if not used:
        return None
    limit, bucket = max(used, key=lambda each: each[1].fill.share or 0)
    return f"{limit.limit.limit.id} {bucket.fill.share} %: {_used(limit, bucket)}, {_whose(bucket)}"


def _json(policy: CompiledPolicy, found: LimitFullness) -> dict[str, Json]:
    from runplane_mcp.cli.output import iso
    from runplane_mcp.core.policy.sentences import limit_sentence

    limit = found.limit.limit
    return {
        "limit": limit.id,
        "sentence": limit_sentence(limit, policy.policy.currency),
        "of": limit.of,
        "per": list(limit.per),
        "within": limit.within,
        "mode": "shadow" if limit.shadow else "enforced",
        "currency": policy.policy.currency,
        "at_most": {"total": limit.total, "count": limit.count},
        "fullest": [
            {
                "by": dict(bucket.by) if bucket.known else None,
                "used": {"total": bucket.fill.total, "count": bucket.fill.count},
                "waiting": {"total": bucket.fill.waiting, "count": bucket.fill.waiting_count},
                "percent": bucket.fill.share if bucket.known else None,
                "room_at": iso(bucket.room_at),
            }
            for bucket in found.buckets
        ],
        "all_read": found.whole,
    }


def _tell(policy: CompiledPolicy, found: list[LimitFullness]) -> None:
    from runplane_mcp.cli.output import Column, console, moment, say, table
    from runplane_mcp.core.policy.sentences import limit_sentence

    if not found:
        say("The enforced policy has no limits.")
    for each in found:
        limit = each.limit.limit
        shadow = "In shadow, recorded only: " if limit.shadow else ""
        say(f"{limit.id}: {shadow}{limit_sentence(limit, policy.policy.currency)}", "bold")
        if not each.buckets:
            say("  Nothing counts into it now.")
            continue
        rows = [
            (
                f"  {_whose(bucket)}",
                _used(each, bucket),
                "?" if bucket.fill.share is None or not bucket.known else f"{bucket.fill.share} %",
                _waiting(each, bucket),
                _room(bucket, moment(bucket.room_at)),
            )
            for bucket in each.buckets
        ]
        columns = [
            Column("  FOR"),
            Column("USED", whole=True),
            Column("", right=True, whole=True),
            Column("WAITING", whole=True),
            Column("ROOM"),
        ]
        console().print(table(columns, rows))
        if not each.whole:
            say("  Of those that the latest requests count into; there are more: --of looks for one.")


def _whose(bucket: Filled) -> str:
    if not bucket.known:
        return "nobody could find out whose"
    if not bucket.by:
        return "all together"
    return ", ".join(f"{name} {text}" if text is not None else f"no {name}" for name, text in bucket.by)


def _used(found: LimitFullness, bucket: Filled) -> str:
    limit, parts = found.limit.limit, []
    if limit.total is not None:
        parts.append(f"{found.limit.words.amount(bucket.fill.total)} of {found.limit.words.amount(limit.total)}")
    if limit.count is not None:
        parts.append(f"{bucket.fill.count} of {limit.count} requests")
    return ", ".join(parts)


def _waiting(found: LimitFullness, bucket: Filled) -> str:
    if not bucket.fill.waiting_count:
        return "–"
    money = f"{found.limit.words.amount(bucket.fill.waiting)} in " if found.limit.limit.total is not None else ""
    return f"{money}{bucket.fill.waiting_count}"


def _room(bucket: Filled, again: str) -> str:
    if not bucket.known:
        return "none, whatever comes"
    if bucket.fill.share is None:
        return "unknown: a currency has no rate"
    if bucket.fill.share < 100:
        return "now"
    return again if bucket.room_at is not None else "when people have answered"
