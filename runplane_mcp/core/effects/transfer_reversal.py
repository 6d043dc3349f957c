"""Reversing a transfer: money of a connected account comes back to the platform, all that is left if no amount is given.
With `refund_application_fee` a fee goes the other way, by an amount that nobody tells.

Source: https://docs.stripe.com/api/transfer_reversals/create
"""

from __future__ import annotations

from fractions import Fraction

from runplane_mcp.core.amounts import amount_of
from runplane_mcp.core.effect import Effect, LookedUp, MoneyLine, Read
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.facts import UNKNOWN, FactValue
from runplane_mcp.core.money import Money
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.request import Failure, Precondition


def reads(classified: Classified, looked: LookedUp) -> tuple[Read, ...]:
    transfer = classified.parameters["id"]
    if looked or not o.is_id(transfer):
        return ()
    return (o.look("transfer", "/v1/transfers/{transfer}", transfer=transfer),)


def effect_of(classified: Classified, looked: LookedUp) -> Effect:
    asked, transfer = classified.parameters, o.seen(looked, "transfer")
    id = o.id_in(transfer) if o.id_in(transfer) == asked["id"] else None
    sent, before, currency = (
        o.number(transfer, "amount"),
        o.number(transfer, "amount_reversed"),
        o.currency_in(transfer),
    )
    left = sent - before if sent is not None and before is not None and sent >= before else None
    taken = amount_of(asked["amount"]) if "amount" in asked else left
    amount = o.money_of(taken, currency)
    # A narrow judgement has no refund of a fee.
    fee = asked.get("refund_application_fee", "false") != "false"
    destination = o.id_in(transfer, "destination")
    facts: dict[str, FactValue] = {
        "amount": amount if amount and not fee else UNKNOWN,
        "currency": currency or UNKNOWN,
        "object": id or UNKNOWN,
        "reversible": UNKNOWN if fee else True,
    }
    observed: dict[str, str | int] = {}
    preconditions: list[Precondition] = []
    lines: tuple[MoneyLine, ...] = ()
    if amount and sent and before is not None and left is not None:
        facts["amount_on_object"] = Money(before + amount.amount, amount.currency)
        facts["share"] = Fraction(100 * amount.amount, sent)
        observed = {"left": left, "currency": amount.currency}
        preconditions = [
            Precondition("left", "at_least", amount.amount),
            Precondition("currency", "equal", amount.currency),
        ]
        lines = (
            MoneyLine("Transferred", Money(sent, amount.currency)),
            MoneyLine("Taken back before", Money(before, amount.currency)),
            MoneyLine("This reversal", amount),
            MoneyLine("Left with the account", Money(max(left - amount.amount, 0), amount.currency)),
        )
    what = str(amount) if amount else "an amount that could not be found out"
    from_ = f" from account {destination}" if destination else ""
    also = ", and give an application fee back to it" if fee else ""
    return Effect(
        sentence=f"Take back {what} of transfer {o.shown(asked['id'])}{from_}{also}.",
        facts=facts,
        undo="Can be transferred again.",
        to_whom=f"connected account {destination}" if destination else None,
        fill={"amount": amount.amount} if amount and amount.amount and "amount" not in asked else {},
        preconditions=tuple(preconditions),
        money_lines=lines,
        refusal=_refused(asked["id"], left, amount) or o.missing(looked, transfer="id"),
        quoted=o.quotes(("transfer description", o.text(transfer, "description"))),
        observed=observed,
    )


def _refused(id: object, left: int | None, amount: Money | None) -> Failure | None:
    if not o.is_id(id):
        return o.bad_id("id")
    if left == 0:
        return Failure(
            "stripe.transfer_already_reversed", "The transfer has already been reversed in full.", param="id"
        )
    if left is not None and amount is not None and amount.amount > left:
        return Failure(
            "stripe.amount_too_large", f"Only {Money(left, amount.currency)} of the transfer is left.", param="amount"
        )
    return None
