"""Canceling a payout that is still pending: its money stays in the balance. No amount of money moves or is given up, so
there is none to decide by: who sees a theft at two in the morning must be able to stop it, however large.

Source: https://docs.stripe.com/api/payouts/cancel
"""

from __future__ import annotations

from runplane_mcp.core.effect import Effect, LookedUp, MoneyLine, Read, StripeObject
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.facts import UNKNOWN, FactValue
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.request import Failure, Precondition

#: States from which a payout does not come back.
_GONE = frozenset({"in_transit", "paid", "failed", "canceled"})


def reads(classified: Classified, looked: LookedUp) -> tuple[Read, ...]:
    payout = classified.parameters["payout"]
    if looked or not o.is_id(payout):
        return ()
    return (o.look("payout", "/v1/payouts/{payout}", payout=payout),)


def effect_of(classified: Classified, looked: LookedUp) -> Effect:
    asked, payout = classified.parameters["payout"], o.seen(looked, "payout")
    id = o.id_in(payout) if o.id_in(payout) == asked else None
    amount = o.money_of(o.number(payout, "amount"), o.currency_in(payout))
    destination, status = o.id_in(payout, "destination"), o.text(payout, "status")
    facts: dict[str, FactValue] = {"object": id or UNKNOWN, "reversible": True}
    what = f"payout {o.shown(asked)}{f' of {amount}' if amount else ''}{f' to {destination}' if destination else ''}"
    return Effect(
        sentence=f"Cancel {what}: its money stays in the balance.",
        facts=facts,
        undo="The money can be paid out again.",
        preconditions=(Precondition("status", "equal", status),) if status else (),
        money_lines=(MoneyLine("Stays in the balance", amount),) if amount else (),
        refusal=_refused(asked, status) or o.missing(looked, payout="payout"),
        quoted=_quoted(payout),
        observed={"status": status} if status else {},
    )


def _refused(asked: object, status: str | None) -> Failure | None:
    if not o.is_id(asked):
        return o.bad_id("payout")
    if status in _GONE:
        return Failure("stripe.payout_not_pending", f"A payout that is {status} cannot be canceled.", param="payout")
    return None


def _quoted(payout: StripeObject | None) -> tuple[tuple[str, str], ...]:
    return o.quotes(("payout description", o.text(payout, "description")))
