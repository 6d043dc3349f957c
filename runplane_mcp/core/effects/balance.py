"""What of the balance may be sent out, and whether money went to a place before."""

from __future__ import annotations

from runplane_mcp.core.effect import MoneyLine, StripeObject
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.money import Money
from runplane_mcp.core.request import Failure
from runplane_mcp.core.wire import Text


def available(
    balance: StripeObject | None, currency: str | None, source: Text | None, *, instant: bool = False
) -> int | None:
    """Minor units of `currency` that a payout or transfer may draw on; None where the balance does not say.

    Balances are kept per currency and `source_type` (card unless said); instant payouts have a balance of their own.
    """
    listed = o.listed({"data": balance.get("instant_available" if instant else "available")}) if balance else None
    if listed is None or currency is None:
        return None
    entries = [entry for entry in listed if o.currency_in(entry) == currency]
    if not entries:
        return 0 if all(o.currency_in(entry) for entry in listed) else None
    if len(entries) > 1:
        return None
    sources = o.child(entries[0], "source_types")
    if sources is None:
        return o.number(entries[0], "amount") if source is None else None
    wanted = source if isinstance(source, str) else "card"
    # A negative part is owed to Stripe: nothing of it can be sent.
    value = sources.get(wanted, 0)
    return max(value, 0) if type(value) is int else None


def insufficient(held: int | None, amount: Money | None) -> Failure | None:
    """Stripe's certain no to sending more than there is."""
    if held is None or amount is None or amount.amount <= held:
        return None
    there = Money(held, amount.currency)
    return Failure("stripe.balance_insufficient", f"Only {there} is available.", param="amount")


def lines(label: str, held: int | None, amount: Money | None) -> tuple[MoneyLine, ...]:
    if amount is None:
        return ()
    if held is None:
        return (MoneyLine(label, amount),)
    return (
        MoneyLine("Available now", Money(held, amount.currency)),
        MoneyLine(label, amount),
        MoneyLine("Available after it", Money(max(held - amount.amount, 0), amount.currency)),
    )
