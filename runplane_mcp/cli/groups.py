"""Groups on the command line: what one cause holds, as a block of a listing, as a card of its own and for programs; and the
one answer that there is to all of it, which is no."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import typer

from runplane_mcp.cli.home import at_desk
from runplane_mcp.core.text import label, visible
from runplane_mcp.errors import ApprovalError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from runplane_mcp.core.canonical import Json
    from runplane_mcp.core.card import Card
    from runplane_mcp.core.grouping import CardGroup
    from runplane_mcp.gate.desk import Desk
    from runplane_mcp.gate.group_denial import GroupDenial, LeftAlone
    from runplane_mcp.settings import Settings

#: So many members of a group are named on its card, and so many that were left alone after a denial.
_MOST_NAMED: Final = 8
_SENTENCE: Final = 500


# ── how a group looks ─────────────────────────────────────────────────────────────────────────────────────────────────


def print_group(group: CardGroup) -> None:
    """A group in a listing: what it is, then what can be done about it. Commands are never folded, so that they can be
    copied."""
    from rich.text import Text

    from runplane_mcp.cli.card import Hanging
    from runplane_mcp.cli.output import console, say

    indent = " " * 8
    say(Text.assemble((f"{group.handle}  {headline(group)}", "bold")))
    for text in (cause(group), facts(group)):
        console().print(Hanging(indent, indent, Text(text)))
    for what, command in commands(group):
        say(f"{indent}{what}: {command}", "dim")
    say()


def group_view(group: CardGroup, *, ways: bool = True) -> RenderableType:
    """The group's card, in the order of every card. `ways` says what can be typed about it."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    from runplane_mcp.cli.card import agent_line, bullets, pairs_table, section
    from runplane_mcp.cli.output import moment

    first = group.cards[0]
    line = Text(group.handle, style="bold")
    line.append("  waiting", style="yellow")
    line.append(" · simulator" if first.simulator else " · Stripe", style="bold magenta")
    line.append(f" · {visible(first.mode, 20)} mode · {group.count} requests of one cause")
    parts: list[RenderableType] = [line, agent_line(group.agent)]
    parts.extend(bullets(_warnings(group), mark="! ", style="bold yellow"))
    parts.extend([Text(""), Text(f"{headline(group)}.", style="bold")])
    parts.append(Padding(pairs_table(_about(group)), (0, 0, 0, 2), expand=False))
    parts.extend(section("Why you are asked", [cause(group)]))
    parts.extend(section("What it needs", sorted({need for card in group.cards for need in card.needs})))
    parts.extend(section("The requests", _named([_member(card) for card in group.cards], "in between")))
    if ways:
        parts.extend(section("What you can do", [f"{what}: {command}" for what, command in commands(group)]))
    parts.append(Text("\nA yes is given to one request at a time, after looking at it.", style="dim"))
    parts.extend([Text(""), Text.assemble("Fingerprint  ", (group.fingerprint, "bold cyan"))])
    if group.expires_at is not None:
        parts.append(Text(f"First ends   {moment(group.expires_at)}; no answer by then means no"))
    return Group(*parts)


def headline(group: CardGroup) -> str:
    """`196 requests of support-bot wait for one reason, $46,060.00 USD`, visible."""
    return f"{group.count} requests of {label(group.agent)} wait for one reason, {money_words(group)}"


def cause(group: CardGroup) -> str:
    """What the policy said, as it stands on each of the cards."""
    named = f" ({visible(group.cause.id, 80)})" if group.cause.source in ("rule", "limit") else ""
    return f"{visible(group.cause.why, _SENTENCE)}{named}"


def money_words(group: CardGroup) -> str:
    from runplane_mcp.cli.output import money

    sums = [money(amount, currency) for currency, amount in group.money]
    if group.unknown_amounts:
        sums.append(f"{group.unknown_amounts} of an unknown amount")
    return " and ".join(sums) or "no money"


def facts(group: CardGroup) -> str:
    """What the group is about, in one line."""
    from runplane_mcp.cli.output import brief

    about = [_some([visible(action, 60) for action in group.actions])]
    if group.customers:
        about.append(f"{group.customers} customer{'s' if group.customers > 1 else ''}")
    since, until = brief(group.oldest), brief(group.newest)
    about.append(f"asked {since}" if since == until else f"asked {since} to {until}")
    if group.expires_at is not None:
        about.append(f"the first ends {brief(group.expires_at)}")
    if group.frozen:
        about.append("FROZEN" if group.frozen == group.count else f"{group.frozen} frozen")
    return " · ".join(about)


def commands(group: CardGroup) -> list[tuple[str, str]]:
    """What can be typed. A label that could be anything but a name is in no command: somebody will paste it in a shell."""
    plain = label(group.agent) == group.agent
    stop = f"runplane freeze --agent {group.agent}" if plain else "runplane approvals watch, look at the group, f"
    return [
        ("deny all", f"runplane deny --group {group.handle} --as NAME"),
        ("stop the agent", stop),
        ("look through", f"runplane approvals list --group {group.handle}"),
    ]


def group_json(group: CardGroup) -> dict[str, Json]:
    """The group for programs. `digest` is SHA-256 over the sorted digests of `members`, each with a newline."""
    from runplane_mcp.cli.output import iso

    return {
        "group": group.handle,
        "digest": group.digest,
        "fingerprint": group.fingerprint,
        "agent": group.agent,
        "principal": group.principal,
        "cause": {"source": group.cause.source, "id": group.cause.id, "why": group.cause.why},
        "count": group.count,
        "money": [{"amount": amount, "currency": currency} for currency, amount in group.money],
        "unknown_amounts": group.unknown_amounts,
        "actions": list(group.actions),
        "customers": group.customers,
        "oldest": iso(group.oldest),
        "newest": iso(group.newest),
        "expires_at": iso(group.expires_at),
        "frozen": group.frozen,
        "voted": group.voted,
        "members": [
            {"request_id": card.request_id, "reference": card.reference, "digest": card.digest} for card in group.cards
        ],
    }


def handles(groups: Sequence[CardGroup]) -> dict[str, str]:
    """The handle of each grouped request, by its id."""
    return {card.request_id: group.handle for group in groups for card in group.cards}


def _about(group: CardGroup) -> list[tuple[str, str]]:
    from runplane_mcp.cli.output import moment, money

    pairs = [("Together", money(amount, currency)) for currency, amount in group.money]
    if group.unknown_amounts:
        pairs.append(("Of an unknown amount", f"{group.unknown_amounts}"))
    pairs.append(("What they do", _some(group.actions)))
    if group.customers:
        pairs.append(("Different customers", f"{group.customers}"))
    return [*pairs, ("First asked", moment(group.oldest)), ("Last asked", moment(group.newest))]


def _warnings(group: CardGroup) -> list[str]:
    """What stands on all of the cards stands on this one; beside it, what a no would undo."""
    common = [each for each in group.cards[0].warnings if all(each in card.warnings for card in group.cards)]
    if group.voted:
        common.append(f"Somebody has said yes to {group.voted} of these already; one no is stronger.")
    return common


def _member(card: Card) -> str:
    from runplane_mcp.cli.output import brief, money

    return f"{card.reference}  {money(card.amount, card.currency)}  {card.action}  asked {brief(card.created_at)}"


def _some(words: Sequence[str]) -> str:
    more = len(words) - 3
    return ", ".join(words[:3]) + (f" and {more} more" if more > 0 else "")


def _named(words: Sequence[str], more: str) -> list[str]:
    """The first and the last of many."""
    if len(words) <= _MOST_NAMED:
        return list(words)
    half = _MOST_NAMED // 2
    return [*words[:half], f"… {len(words) - 2 * half} {more}", *words[-half:]]


# ── what is done about it ─────────────────────────────────────────────────────────────────────────────────────────────


def deny_group_command(
    settings: Settings,
    handle: str,
    digest: str | None,
    name: str | None,
    note: str | None,
    *,
    secret_stdin: bool,
    as_json: bool,
) -> None:
    """`runplane deny --group`: on a terminal it is what was just shown, scripts name the group's digest."""
    from runplane_mcp.cli.output import print_json
    from runplane_mcp.cli.secrets import Asked, read_secrets
    from runplane_mcp.cli.voters import ask_name, require
    from runplane_mcp.gate.group_denial import deny_group, find_group

    asking = sys.stdin.isatty() and not as_json and not secret_stdin
    if not asking:
        require(digest, name, source="runplane approvals list --groups --json")
    group = at_desk(settings, lambda desk: find_group(desk, handle, digest=digest))
    if asking and digest is None:
        _ask(group)
    voter = name if name is not None else ask_name(settings)
    secret = read_secrets([Asked(voter)], from_stdin=secret_stdin)[0]

    async def deny(desk: Desk) -> GroupDenial:
        return await deny_group(desk, group, person=voter, secret=secret, note=note)

    done = at_desk(settings, deny)
    if as_json:
        print_json(denial_json(done))
    else:
        _tell(done)


def denial_json(done: GroupDenial) -> dict[str, Json]:
    return {
        "group": done.group.handle,
        "digest": done.group.digest,
        "denied": list(done.denied),
        "left_alone": [
            {"request_id": each.request_id, "reference": each.reference, "code": each.code, "message": each.message}
            for each in done.left
        ],
    }


def denial_words(done: GroupDenial) -> str:
    """What came of it, in a sentence or two."""
    said = f"Denied {len(done.denied)} of {done.group.count}: they will not run."
    if not done.left:
        return f"Denied all {done.group.count} of {done.group.handle}. They will not run."
    left = _named([f"{each.reference} ({_short(each)})" for each in done.left], "more")
    return f"{said} Left alone: {', '.join(left)}."


def _short(left: LeftAlone) -> str:
    return left.code.partition(".")[2].replace("_", " ")


def _tell(done: GroupDenial) -> None:
    from runplane_mcp.cli.output import say

    say(denial_words(done), "yellow" if done.left else "red")
    stop = commands(done.group)[1][1]
    say(f"More of it may come; to stop the agent: {stop}", "dim")


def _ask(group: CardGroup) -> None:
    from runplane_mcp.cli.output import console, say

    console().print(group_view(group, ways=False))
    say()
    if not typer.confirm(f"Deny all {group.count} of these?", default=False):
        raise ApprovalError(
            "approval.not_given",
            f"No vote was given; {group.handle} still waits.",
            next_step=f"Look through: runplane approvals list --group {group.handle}",
        )
