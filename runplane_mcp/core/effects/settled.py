"""What an answer of Stripe says really moved, so that limits hold what was spent instead of what was expected."""

from __future__ import annotations

from typing import Final

from runplane_mcp.core.effect import StripeObject
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.money import LARGEST_AMOUNT, Money

#: By action: which object the answer is, and where in it the amount stands that the fact `amount` foretold. An action that
#: is not here has an answer that tells no such amount, or only that of several requests together (captures of one payment).
_AMOUNTS: Final = {
    "application_fee_refund.create": ("fee_refund", "amount"),
    "charge.capture": ("charge", "amount_captured"),
    "charge.create": ("charge", "amount"),
    "credit_note.create": ("credit_note", "amount"),
    "payout.create": ("payout", "amount"),
    "refund.create": ("refund", "amount"),
    "topup.create": ("topup", "amount"),
    "transfer.create": ("transfer", "amount"),
    "transfer_reversal.create": ("transfer_reversal", "amount"),
}


def moved(action: str, answer: StripeObject) -> Money | None:
    """The money that `action` has moved by Stripe's own answer, None where the answer does not tell: then what was reserved
    stays counted. A refund that Stripe makes later (`pending`) has moved for this purpose."""
    kind, name = _AMOUNTS.get(action, ("", ""))
    if not kind or answer.get("object") != kind:
        return None
    amount = o.number(answer, name)
    # Nothing moved, or an amount that no request can have: an answer like that proves nothing.
    if amount is None or not 0 < amount <= LARGEST_AMOUNT:
        return None
    return o.money_of(amount, o.currency_in(answer))
