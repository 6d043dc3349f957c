"""`runplane approve`, `deny`, `approvals list show`: people look at cards and answer them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.home import at_desk, settings_of_home
from runplane_mcp.cli.options import JsonFlag, RequestArgument, SecretStdin
from runplane_mcp.core.approval import Answer
from runplane_mcp.core.card import Card
from runplane_mcp.core.request import State
from runplane_mcp.errors import ApprovalError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runplane_mcp.gate.desk import Desk, VoteResult
    from runplane_mcp.settings import Settings

approvals = typer.Typer(help="What waits for people.", no_args_is_help=True)

#: Of many frozen requests, so many are named below a listing.
_MOST_NAMED = 8
LIST_EXAMPLES = examples(
    ("runplane approvals list", "what waits, oldest first"),
    ("runplane approvals list --json", "the whole cards, with the digests that votes name"),
    ("runplane approvals list --group G-7F3K", "look through the requests of one cause"),
    ("runplane approvals list --groups --json", "the groups, with the digests that denials name"),
)
SHOW_EXAMPLES = examples(
    ("runplane approvals show", "the newest card"),
    ("runplane approvals show RP-7F3K", "this one"),
    ("runplane approvals show RP-7F3K --details", "also risk factors, facts and the exact request"),
)
APPROVE_EXAMPLES = examples(
    ("runplane approve", "the newest card: shows it, asks, takes your passphrase"),
    ("runplane approve RP-7F3K --as maria", "this one, as maria"),
    (
        "runplane approve RP-7F3K --digest $DIGEST --as maria --secret-stdin --json < secret",
        "for scripts: exactly the card with this digest",
    ),
)
DENY_EXAMPLES = examples(
    ("runplane deny RP-7F3K --as maria", "shows the card, asks, takes your passphrase"),
    (
        "runplane deny RP-7F3K --as maria --note 'Ask for the order number.'",
        "the agent reads these words as a person's",
    ),
    ("runplane deny --group G-7F3K --as maria", "all of one cause that wait, after showing what they are"),
)

Digest = Annotated[
    str | None, typer.Option("--digest", metavar="D", help="The full digest that was seen. Scripts must give it.")
]
AsVoter = Annotated[str | None, typer.Option("--as", metavar="NAME", help="Who votes.")]
Note = Annotated[str | None, typer.Option("--note", help="Words to the agent, shown as a person's.")]


@approvals.command("list", epilog=LIST_EXAMPLES)
def list_(
    group: Annotated[str | None, typer.Option("--group", metavar="G", help="Only the requests of this group.")] = None,
    groups_only: Annotated[
        bool, typer.Option("--groups", help="Only the groups: what one cause holds of one agent.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """List what waits for a yes or a no, oldest first, and what is scheduled.

    What is scheduled needs nobody's yes: it runs by itself when its time comes, unless it is stopped.

    Where one cause holds three or more requests of an agent, they stand together as a group, before the others. A group
    can be denied as a whole; a yes is given to one request at a time.
    """
    from runplane_mcp.cli.card import card_json
    from runplane_mcp.cli.card_table import card_table
    from runplane_mcp.cli.groups import group_json, handles, print_group
    from runplane_mcp.cli.output import Column, brief, console, print_json, say
    from runplane_mcp.cli.scheduled import print_scheduled
    from runplane_mcp.core.grouping import group_named, grouped
    from runplane_mcp.gate.stopping import scheduled_cards

    async def look(desk: Desk) -> tuple[Sequence[Card], Sequence[Card], int]:
        return await desk.cards(), await scheduled_cards(desk), desk.clock.policy()

    cards, later, now = at_desk(settings_of_home(), look)
    groups, single = grouped(cards)
    if group is not None:
        groups = (group_named(groups, group),)
        cards = single = groups[0].cards
        later = ()
    if as_json and groups_only:
        print_json([group_json(each) for each in groups])
        return
    if as_json:
        named = handles(groups)
        print_json([{**card_json(card), "group": named.get(card.request_id)} for card in (*cards, *later)])
        return
    if not cards or (groups_only and not groups):
        say("Nothing waits for approval." if not cards else "No three requests wait for one reason.")
        print_scheduled(() if groups_only else later, now)
        return
    if group is None:
        for each in groups:
            print_group(each)
    if groups_only or not single:
        print_scheduled(() if groups_only else later, now)
        return
    console().print(card_table(single, Column("EXPIRES"), lambda card: brief(card.expires_at)))
    if stopped := [card.reference for card in single if card.frozen]:
        which = "All of these" if len(stopped) == len(single) else ", ".join(stopped[:_MOST_NAMED])
        more = f" and {len(stopped) - _MOST_NAMED} more" if _MOST_NAMED < len(stopped) < len(single) else ""
        say(f"{which}{more}: held by a freeze, whoever says yes. See: runplane status", "bold red")
    say("Look at one: runplane approvals show REQUEST", "dim")
    print_scheduled(later, now)


@approvals.command("show", epilog=SHOW_EXAMPLES)
def show(
    request: RequestArgument = None,
    details: Annotated[bool, typer.Option("--details", help="Factors, facts, raw parameters, full digest.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Show the card of one request, before a yes or a no."""
    from runplane_mcp.cli.card import card_json, card_view
    from runplane_mcp.cli.output import console, print_json, say

    card = at_desk(settings_of_home(), lambda desk: desk.card(request))
    if as_json:
        print_json(card_json(card))
        return
    console().print(card_view(card, details=details))
    if card.status == State.SCHEDULED:
        say()
        say(f"Stop it: runplane stop {card.reference}   or, for good: runplane deny {card.reference} --as NAME", "dim")
    if card.status == State.WAITING:
        say()
        say(
            f"Answer: runplane approve {card.reference} --as NAME   or   runplane deny {card.reference} --as NAME",
            "dim",
        )


def approve(
    request: RequestArgument = None,
    digest: Digest = None,
    name: AsVoter = None,
    note: Note = None,
    secret_stdin: SecretStdin = False,
    as_json: JsonFlag = False,
) -> None:
    """Say yes to a held request.

    On a terminal it shows the card and asks; scripts name the digest that was seen. With --secret-stdin the
    first line on stdin is the voter's secret.
    """
    _answer(Answer.YES, request, digest, name, note, secret_stdin=secret_stdin, as_json=as_json)


def deny(
    request: RequestArgument = None,
    digest: Digest = None,
    name: AsVoter = None,
    note: Note = None,
    group: Annotated[
        str | None,
        typer.Option("--group", metavar="G", help="All requests of a group; --digest is then the group's."),
    ] = None,
    secret_stdin: SecretStdin = False,
    as_json: JsonFlag = False,
) -> None:
    """Say no to a held request, or to all of a group.

    One no is enough; the note reaches the agent as your words. Of a group exactly those are denied that were shown;
    what came or changed since is left alone. With --secret-stdin the first line on stdin is the voter's secret.
    """
    if group is not None:
        if request is not None:
            raise UsageError("usage.one_or_all", "Name a request or a group.", next_step="Leave one of them out.")
        from runplane_mcp.cli.groups import deny_group_command

        deny_group_command(settings_of_home(), group, digest, name, note, secret_stdin=secret_stdin, as_json=as_json)
        return
    _answer(Answer.NO, request, digest, name, note, secret_stdin=secret_stdin, as_json=as_json)


def _answer(
    answer: Answer,
    request: str | None,
    digest: str | None,
    name: str | None,
    note: str | None,
    *,
    secret_stdin: bool,
    as_json: bool,
) -> None:
    from runplane_mcp.cli.output import iso, print_json
    from runplane_mcp.cli.secrets import Asked, read_secrets
    from runplane_mcp.cli.voters import ask_name, require

    settings = settings_of_home()
    asking = sys.stdin.isatty() and not as_json and not secret_stdin
    if not asking:
        require(digest, name, source="runplane approvals list --json")
    if request is None or (digest is None and asking):
        card = at_desk(settings, lambda desk: desk.card(request))
        if card.status != State.WAITING and not (card.status == State.SCHEDULED and answer is Answer.NO):
            raise ApprovalError(
                "approval.not_waiting",
                f"{card.reference} is {card.status}: there is nothing to decide.",
                next_step=f"What became of it: runplane why {card.reference}",
            )
        # Held by its id from here on: the newest card may be another one by the time the person has read this one.
        request = card.request_id
        if asking and digest is None:
            digest = _seen(card, answer)
    voter = name if name is not None else ask_name(settings)
    secret = read_secrets([Asked(voter)], from_stdin=secret_stdin)[0]
    asked, seen = request, digest or ""

    async def vote(desk: Desk) -> VoteResult:
        return await desk.vote(asked, digest=seen, person=voter, secret=secret, answer=answer, note=note)

    result = at_desk(settings, vote)
    if as_json:
        print_json(
            {
                "request_id": result.request_id,
                "reference": result.reference,
                "status": result.status.value,
                "votes": result.votes,
                "needed": result.needed,
                "gates_running": result.gates_running,
                "frozen": result.frozen,
                "expires_at": iso(result.expires_at),
            }
        )
        return
    _tell(result, settings)


def _seen(card: Card, answer: Answer) -> str:
    """Shows the card, asks, and returns the digest of exactly the card that was shown."""
    from runplane_mcp.cli.card import card_view
    from runplane_mcp.cli.output import console, say

    console().print(card_view(card))
    say()
    question = f"{'Approve' if answer is Answer.YES else 'Deny'} exactly this?"
    if not typer.confirm(question, default=False):
        raise ApprovalError(
            "approval.not_given",
            f"No vote was given; {card.reference} still waits.",
            next_step=f"Look again: runplane approvals show {card.reference}",
        )
    return card.digest


def _tell(result: VoteResult, settings: Settings) -> None:
    from runplane_mcp.cli.output import moment, say

    if result.status is State.DENIED:
        say(f"Denied. {result.reference} will not run.", "red")
    elif result.status is State.WAITING:
        say(f"Your yes counts. {result.reference} needs {result.needed} more.", "yellow")
    elif result.frozen:
        say(f"Approved, but frozen. {result.reference} does not run until an administrator lifts it.", "bold red")
        say(f"The approval ends {moment(result.expires_at)}. See: runplane status")
    elif result.gates_running:
        say(f"Approved. {result.reference} runs now: runplane requests show {result.reference}", "green")
    else:
        say(f"Approved. {result.reference} runs when `runplane mcp` next runs for this home.", "green")
        say(f"None runs now for {settings.home}. The approval ends {moment(result.expires_at)}.")
