"""`runplane policy replay`: what another policy would have said to all that was recorded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.home import at_desk, settings_of_home
from runplane_mcp.cli.options import JsonFlag
from runplane_mcp.core.canonical import Json
from runplane_mcp.errors import ParameterError

if TYPE_CHECKING:
    from runplane_mcp.core.outlook import Outlook
    from runplane_mcp.core.replay import Flip
    from runplane_mcp.gate.desk import Desk
    from runplane_mcp.gate.replaying import Replayed

EXAMPLES = examples(
    ("runplane policy replay policies.yaml", "what it would have changed in 30 days"),
    ("runplane policy replay policies.yaml --since 7d --json", "for programs, the last week"),
)

#: So many flips are listed for people; programs get all.
_MOST_SHOWN = 40


def replay(
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The policy file to try.")],
    since: Annotated[str, typer.Option("--since", metavar="DURATION", help="How far back: 30d, 12h.")] = "30d",
    as_json: JsonFlag = False,
) -> None:
    """Decide recorded requests again under NEW.

    Each decision was recorded with its facts, so the answers are exact. Shown are the requests whose answer
    would be another, the money on each side, and how often people would have been asked. Where NEW asks about
    what was not asked before, nobody knows what people would have said: both ways are looked at. Nothing changes.
    """
    from runplane_mcp.core.policy.values import duration
    from runplane_mcp.gate.policies import read_policy_file
    from runplane_mcp.gate.replaying import replay as decide_again

    try:
        seconds = duration(since)
    except ValueError as error:
        raise ParameterError("parameter.since", f"--since {since[:40]!r}: {error}.") from None
    text = read_policy_file(new)

    async def work(desk: Desk) -> Replayed:
        policy = desk.policies.compile(text, file=str(new))
        begin = desk.clock.policy() - seconds * 1000
        return await desk.store.read(lambda reader: decide_again(reader, desk.policies.catalog, policy, since=begin))

    done = at_desk(settings_of_home(), work)
    if as_json:
        _print(new, done)
    else:
        _tell(new, done)


def _print(new: Path, done: Replayed) -> None:
    from runplane_mcp.cli.output import iso, print_json
    from runplane_mcp.cli.policy.outlook import outlook_json

    both = (("at_once", done.at_once), ("never", done.never))
    after: dict[str, Json] = {name: outlook_json(way.after) for name, way in both}
    flips: dict[str, Json] = {name: [_flip_json(flip) for flip in way.flips] for name, way in both}
    print_json(
        {
            "file": str(new),
            "version": done.policy.version,
            "since": iso(done.since),
            "decisions": done.at_once.decided,
            "kept_outside_policy": done.at_once.kept,
            "erased": done.erased,
            "unknown_facts": dict(sorted(done.at_once.lacking.items())),
            "people_matter": done.people_matter,
            "before": outlook_json(done.at_once.before),
            "after": after,
            "flips": flips,
        }
    )


def _flip_json(flip: Flip) -> dict[str, Json]:
    from runplane_mcp.cli.output import iso

    money = flip.money
    return {
        "request_id": flip.decided.request_id,
        "reference": flip.decided.reference,
        "at": iso(flip.decided.at),
        "agent": flip.decided.agent,
        "action": flip.decided.action,
        "amount": money.amount if money else None,
        "currency": money.currency if money else None,
        "from": flip.decided.answer.value,
        "to": flip.after.value,
        "by": list(flip.by),
        "at_execution": not flip.first,
        "looked_up": flip.looked_up,
    }


def _tell(new: Path, done: Replayed) -> None:
    from runplane_mcp.cli.output import Column, brief, console, moment, say, table
    from runplane_mcp.cli.policy.outlook import largest_words, times

    way = done.at_once
    count = times(way.decided, "decision")
    say(f"{new}  version {done.policy.version[:12]}, over {count} since {moment(done.since)}", "bold")
    if not way.decided:
        say("Nothing was decided in that time: there is nothing to try it on.")
        return
    _say_sides(way.before, way.after, done)
    stricter = sum(flip.stricter for flip in way.flips)
    say(f"{times(len(way.flips), 'answer')} would be another: {stricter} stricter, {len(way.flips) - stricter} looser.")
    if way.flips:
        rows = [
            (
                flip.decided.reference,
                brief(flip.decided.at),
                flip.decided.agent,
                flip.decided.action,
                str(flip.money) if flip.money else "–",
                flip.decided.answer.words,
                f"{flip.after.words}{'' if flip.first else ', at execution'}",
                ", ".join(flip.by),
            )
            for flip in way.flips[:_MOST_SHOWN]
        ]
        names = ("REQUEST", "WHEN", "AGENT", "ACTION", "AMOUNT", "WAS", "WOULD BE", "BY")
        console().print(table([Column(name, right=name == "AMOUNT", whole=name == "REQUEST") for name in names], rows))
        if len(way.flips) > _MOST_SHOWN:
            say(f"… and {len(way.flips) - _MOST_SHOWN} more: --json has all of them.")
    say(f"Largest day before: {largest_words(way.before)}")
    say(f"Largest day after:  {largest_words(way.after)}")
    _say_limits(done)


def _say_sides(before: Outlook, after: Outlook, done: Replayed) -> None:
    from runplane_mcp.cli.output import Column, console, table
    from runplane_mcp.cli.policy.outlook import money_words
    from runplane_mcp.core.outlook import Answer

    was, now = before.sums(), after.sums()
    rows = [
        (
            answer.words,
            f"{was[answer].count}",
            money_words(was[answer]),
            f"{now[answer].count}",
            money_words(now[answer]),
        )
        for answer in Answer
        if was[answer].count or now[answer].count
    ]
    days = max(1, len({day.date for day in before.days()}))
    rows.append(("questions a day", f"{before.questions / days:.1f}", "", f"{after.questions / days:.1f}", ""))
    if done.people_matter:
        never = done.never.after.questions / days
        rows.append(("  if nobody answered", "", "", f"{never:.1f}", ""))
    columns = [Column(""), Column("WAS", right=True), Column("MONEY"), Column("WOULD BE", right=True), Column("MONEY")]
    console().print(table(columns, rows))


def _say_limits(done: Replayed) -> None:
    """What the answer does not know."""
    from runplane_mcp.cli.output import say

    way = done.at_once
    if done.people_matter:
        say("What people would have said matters: shown is a yes at once; --json also has the other bound.", "dim")
    if way.kept:
        say(f"{way.kept} were decided by a freeze or by somebody who lowered them, and stay as they were.", "dim")
    unseen = sum(not flip.looked_up for flip in way.flips)
    if unseen:
        say(f"{unseen} had been blocked before they were looked up: their facts are unknown here.", "dim")
    for name, count in sorted(way.lacking.items()):
        say(f"WARNING  the fact `{name}` was not recorded in {count} decisions: it counts as unknown.", "yellow")
    if done.erased:
        say(f"WARNING  the facts of {done.erased} decisions were erased: they are left out.", "yellow")
