"""`runplane lower`: a smaller request takes the place of one that waits."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from runplane_mcp.cli.approvals import AsVoter, Digest, Note
from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.home import at_desk, settings_of_home
from runplane_mcp.cli.options import JsonFlag, RequestArgument, SecretStdin
from runplane_mcp.core.card import Card
from runplane_mcp.core.money import CURRENCIES, Money, parse_money
from runplane_mcp.core.request import State
from runplane_mcp.errors import ApprovalError, UsageError

if TYPE_CHECKING:
    from runplane_mcp.gate.desk import Desk
    from runplane_mcp.gate.lowering import Lowered

EXAMPLES = examples(
    ("runplane lower RP-7F3K --amount '$650'", "shows the card, asks, takes your passphrase"),
    (
        "runplane lower RP-7F3K --amount '650 usd' --note 'Shipping is not refunded.'",
        "with words for the next approver",
    ),
    ("runplane lower RP-2M9X --at-period-end", "a cancellation: when the paid period ends"),
    (
        "runplane lower RP-7F3K --amount '$650' --digest $DIGEST --as maria --secret-stdin --json < secret",
        "for scripts: exactly the card with this digest",
    ),
)


def lower(
    request: RequestArgument = None,
    amount: Annotated[
        str | None,
        typer.Option("--amount", metavar="MONEY", help="The new amount with its currency: '$650', '650 usd'."),
    ] = None,
    at_period_end: Annotated[
        bool, typer.Option("--at-period-end", help="Instead: cancel a subscription when its paid period ends.")
    ] = False,
    digest: Digest = None,
    name: AsVoter = None,
    note: Note = None,
    secret_stdin: SecretStdin = False,
    as_json: JsonFlag = False,
) -> None:
    """Put a smaller request in the place of one that waits.

    The agent's request ends as replaced; the smaller one is looked up again and waits for at least the same people.
    Your yes to it counts, but is not enough alone. Anything but less is for the agent to ask: deny it and say what.
    With --secret-stdin the first line on stdin is the secret of who lowers.
    """
    from runplane_mcp.cli.output import print_json
    from runplane_mcp.cli.secrets import Asked, read_secrets

    settings = settings_of_home()
    asking = sys.stdin.isatty() and not as_json and not secret_stdin
    if not asking:
        _require(digest, name)
    if (amount is not None and at_period_end) or (not asking and amount is None and not at_period_end):
        raise UsageError("usage.lower_to", "Say what to lower it to.", next_step="Give --amount, or --at-period-end.")
    card = at_desk(settings, lambda desk: desk.card(request))
    if card.status != State.WAITING:
        raise ApprovalError("approval.not_waiting", f"{card.reference} is {card.status}: there is nothing to lower.")
    seen = digest
    if seen is None:
        _show(card)
    if amount is None and not at_period_end:
        amount, at_period_end = _ask(card)
    currency = card.currency if card.currency in CURRENCIES else None
    to = parse_money(amount or "", of=currency or "usd") if not at_period_end else None
    if seen is None:
        _confirm(card, to)
        seen = card.digest
    who = name if name is not None else typer.prompt("Your name").strip()
    secret = read_secrets([Asked(who)], from_stdin=secret_stdin)[0]
    asked, wanted, person = card.request_id, seen, who

    async def act(desk: Desk) -> Lowered:
        from runplane_mcp.gate.lowering import lower as lower_request

        return await lower_request(desk, asked, digest=wanted, person=person, secret=secret, to=to, note=note)

    done = at_desk(settings, act)
    if as_json:
        print_json(
            {
                "request_id": done.request.id,
                "reference": done.request.reference,
                "status": done.request.state.value,
                "replaces": done.replaces.id,
                "replaces_reference": done.replaces.reference,
                "amount": done.after.amount if done.after is not None else None,
                "currency": done.after.currency if done.after is not None else None,
                "others": list(done.others),
                "one_person": done.one_person,
                "gates_running": done.gates_running,
            }
        )
        return
    _tell(done, who)


def money_both(money: Money) -> str:
    """An amount as people read it, and in minor units: `$650.00 USD (65000)`."""
    return f"{money} ({money.amount})"


def _require(digest: str | None, name: str | None) -> None:
    if digest is None:
        raise UsageError(
            "usage.digest_missing",
            "Without a terminal, lowering must say what was seen.",
            next_step="Add --digest with the full digest from `runplane approvals list --json`.",
        )
    if name is None:
        raise UsageError(
            "usage.voter_missing", "Without a terminal, lowering must say who does it.", next_step="Add --as NAME."
        )


def _show(card: Card) -> None:
    from runplane_mcp.cli.card import card_view
    from runplane_mcp.cli.output import console, say

    console().print(card_view(card))
    say()


def _ask(card: Card) -> tuple[str | None, bool]:
    """What to lower it to: an amount as it was typed, or the end of its period."""
    if card.facts.get("ends") == "now" and card.amount is None:
        return None, True
    typed: str = typer.prompt("Lower it to (with its currency, like '$650')")
    return typed, False


def _confirm(card: Card, to: Money | None) -> None:
    """Asks with both amounts in both readings, so that cents are never taken for dollars."""
    if to is None:
        question = "Cancel at the end of the paid period instead?"
    elif card.amount is not None and card.currency in CURRENCIES:
        question = f"Lower {money_both(Money(card.amount, card.currency))} to {money_both(to)}?"
    else:
        question = f"Lower it to {money_both(to)}?"
    if not typer.confirm(question, default=False):
        raise ApprovalError("approval.not_given", f"Nothing was lowered; {card.reference} still waits.")


def _tell(done: Lowered, who: str) -> None:
    from runplane_mcp.cli.output import say

    new, old = done.request.reference, done.replaces.reference
    if done.before is not None and done.after is not None:
        say(f"Lowered from {money_both(done.before)} to {money_both(done.after)}.", "green")
    else:
        say("Lowered: it ends with its paid period.", "green")
    say(f"{new} takes the place of {old}, which is over. Nothing runs before people say yes to {new}.")
    if done.one_person:
        say("One-person mode: nobody else is enrolled, so your own yes will be enough.", "yellow")
    elif not done.others:
        say("Nobody else who is asked is enrolled: it cannot be approved until somebody is.", "bold yellow")
    else:
        say(f"Your yes alone is not enough ({who} lowered it): {', '.join(done.others)} can say it.")
    if done.gates_running:
        say(f"A gate looks it up now. See: runplane approvals show {new}", "dim")
    else:
        say("It is looked up, and shown, when `runplane mcp` next runs for this home.", "yellow")
