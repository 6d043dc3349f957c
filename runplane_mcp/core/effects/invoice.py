"""An invoice's own steps: finalizing a draft, paying what is due, voiding what is owed.

Source: https://docs.stripe.com/api/invoices (finalize, pay, void) and https://docs.stripe.com/invoicing/overview. What
moves is what the invoice says remains; none of the three takes an amount, so that what people saw is held by
preconditions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from runplane_mcp.core.effect import Effect, LookedUp, MoneyLine, Read, StripeObject
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.facts import UNKNOWN, FactValue
from runplane_mcp.core.money import Money
from runplane_mcp.core.operation import Classified, EffectKind
from runplane_mcp.core.request import Failure
from runplane_mcp.core.wire import Text


@dataclass(frozen=True, slots=True)
class _Step:
    """A step: the statuses an invoice may have before it, and the field that tells how much money it is about."""

    before: frozenset[str]
    amount: str


_STEPS: Final = {
    EffectKind.INVOICE_FINALIZE: _Step(frozenset({"draft"}), "amount_due"),
    # Stripe finalizes a draft that is paid.
    EffectKind.INVOICE_PAY: _Step(frozenset({"draft", "open", "uncollectible"}), "amount_remaining"),
    EffectKind.INVOICE_VOID: _Step(frozenset({"open", "uncollectible"}), "amount_remaining"),
}
_STATUSES: Final = frozenset({"draft", "open", "paid", "uncollectible", "void"})


def reads(classified: Classified, looked: LookedUp) -> tuple[Read, ...]:
    """The invoice with its customer."""
    id = classified.parameters["invoice"]
    return () if looked or not o.is_id(id) else (look_at(id),)


def look_at(id: Text) -> Read:
    return o.look("invoice", "/v1/invoices/{invoice}", invoice=id, expand=["customer"])


def effect_of(classified: Classified, looked: LookedUp) -> Effect:
    asked, step = classified.parameters, _STEPS[classified.effect]
    invoice = o.seen(looked, "invoice")
    id = o.id_in(invoice) if o.id_in(invoice) == asked["invoice"] else None
    currency, customer, status = o.currency_in(invoice), o.id_in(invoice, "customer"), o.text(invoice, "status")
    amount = o.money_of(_amount(classified, invoice, step), currency)
    refusal = o.missing(looked, invoice="invoice") or _refused(status, step)
    if not o.is_id(asked["invoice"]):
        refusal = o.bad_id("invoice")
    observed = observe(invoice)
    if amount is not None:
        observed[step.amount] = amount.amount
    facts: dict[str, FactValue] = {
        "amount": amount or UNKNOWN,
        "currency": currency or UNKNOWN,
        "customer": customer or UNKNOWN,
        "object": id or UNKNOWN,
        "reversible": _reversible(classified, invoice),
    }
    whose = f" of customer {customer}" if customer else ""
    what = str(amount) if amount else "an amount that could not be found out"
    return Effect(
        sentence=_sentence(classified, invoice, f"invoice {o.shown(asked['invoice'])}{whose}", what),
        facts=facts,
        undo=_undo(classified, facts["reversible"]),
        to_whom=f"customer {customer}" if customer else None,
        preconditions=o.unchanged(observed),
        money_lines=_lines(classified, invoice, amount),
        refusal=refusal,
        quoted=quoted(invoice),
        observed=observed,
    )


def observe(invoice: StripeObject | None) -> dict[str, str | int]:
    """What must still be so when it runs: currency, status, and whose account the money is for."""
    observed: dict[str, str | int] = {}
    for name, value in (("currency", o.currency_in(invoice)), ("invoice_status", o.text(invoice, "status"))):
        if value is not None:
            observed[name] = value
    if invoice is not None:
        observed["transfer_destination"] = paid_to(invoice) or "none"
    return observed


def paid_to(invoice: StripeObject | None) -> str | None:
    """The connected account that an invoice's money goes to."""
    return o.id_in(o.child(invoice, "transfer_data"), "destination") or o.id_in(invoice, "on_behalf_of")


def quoted(invoice: StripeObject | None) -> tuple[tuple[str, str], ...]:
    return (
        *o.customer_quotes(o.child(invoice, "customer")),
        *o.quotes(("invoice description", o.text(invoice, "description"))),
    )


def _amount(classified: Classified, invoice: StripeObject | None, step: _Step) -> int | None:
    amount, total = o.number(invoice, step.amount), o.signed(invoice, "total")
    if classified.effect is EffectKind.INVOICE_FINALIZE and total is not None and total < 0:
        # A draft with more credits than charges becomes credit of the customer when it is finalized.
        return -total
    return amount


def _refused(status: str | None, step: _Step) -> Failure | None:
    if status in _STATUSES and status not in step.before:
        return Failure(
            "stripe.invoice_not_editable", f"The invoice is {status}: that cannot be done with it.", "invoice"
        )
    return None


def _reversible(classified: Classified, invoice: StripeObject | None) -> FactValue:
    """Only a finalized invoice that nobody is charged for can be taken back: it can be voided."""
    if classified.effect is not EffectKind.INVOICE_FINALIZE:
        return False
    advances = advancing(classified.parameters, invoice)
    if advances is None:
        return UNKNOWN
    return not (advances and o.text(invoice, "collection_method") != "send_invoice")


def advancing(asked: Mapping[str, Text], invoice: StripeObject | None) -> bool | None:
    """Whether Stripe goes on by itself to charge or send it; None where nobody can tell."""
    return asked["auto_advance"] != "false" if "auto_advance" in asked else o.flag(invoice, "auto_advance")


def _sentence(classified: Classified, invoice: StripeObject | None, which: str, what: str) -> str:
    asked = classified.parameters
    account = paid_to(invoice)
    passed = f" The money is for account {account}." if account else ""
    if classified.effect is EffectKind.INVOICE_VOID:
        return f"Void {which}: {what} is no longer owed."
    if classified.effect is EffectKind.INVOICE_FINALIZE:
        if (o.signed(invoice, "total") or 0) < 0:
            return f"Finalize {which}: {what} becomes credit of the customer."
        charged = o.text(invoice, "collection_method") != "send_invoice" and advancing(asked, invoice) is not False
        then = f"{what} is due" + (", and Stripe charges it" if charged else "")
        return f"Finalize {which}: {then}.{passed}"
    if asked.get("paid_out_of_band", "false") != "false":
        return f"Mark {which} as paid elsewhere: {what} is no longer collected."
    rest = " What cannot be collected is forgiven." if asked.get("forgive", "false") != "false" else ""
    return f"Charge {what} for {which}.{rest}{passed}"


def _undo(classified: Classified, reversible: FactValue) -> str:
    if classified.effect is EffectKind.INVOICE_VOID:
        return "Cannot be undone: the invoice would have to be made again."
    if classified.effect is EffectKind.INVOICE_PAY:
        return "Cannot be undone; money that was charged can be refunded."
    return "Can be voided while nobody has paid." if reversible is True else "Cannot be undone once it was charged."


def _lines(classified: Classified, invoice: StripeObject | None, amount: Money | None) -> tuple[MoneyLine, ...]:
    if amount is None:
        return ()
    labels = {
        EffectKind.INVOICE_VOID: "Given up",
        EffectKind.INVOICE_PAY: "Due",
        EffectKind.INVOICE_FINALIZE: "Due",
    }
    total, paid = o.number(invoice, "total"), o.number(invoice, "amount_paid")
    lines = [MoneyLine(labels[classified.effect], amount)]
    if total is not None and paid:
        lines = [
            MoneyLine("Total", Money(total, amount.currency)),
            MoneyLine("Paid so far", Money(paid, amount.currency)),
            *lines,
        ]
    return tuple(lines)
