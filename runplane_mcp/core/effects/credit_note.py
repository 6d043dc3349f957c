"""A credit note: takes back a part of an invoice. Before it is paid, less is owed; afterwards it is a refund, credit to the
customer, or paid back elsewhere.

Source: https://docs.stripe.com/api/credit_notes/create. Plain amounts are summed up; for lines, shipping and linked refunds
Stripe's own preview tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from runplane_mcp.core.amounts import amount_of
from runplane_mcp.core.effect import Effect, LookedUp, MoneyLine, Read, StripeObject
from runplane_mcp.core.effects import invoice as invoices
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.facts import UNKNOWN, FactValue
from runplane_mcp.core.money import LARGEST_AMOUNT, Money
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.request import Failure
from runplane_mcp.core.wire import Text

_PARTS = ("refund_amount", "credit_amount", "out_of_band_amount")
_NOT_SUMMED = frozenset({"lines", "shipping_cost", "refunds"})
#: What decides the amount: the preview is asked with these, and nothing an agent wrote for others.
_PREVIEWED = ("invoice", "amount", *_PARTS, *sorted(_NOT_SUMMED))


def reads(classified: Classified, looked: LookedUp) -> tuple[Read, ...]:
    """The invoice with its customer, and the preview where plain amounts do not tell."""
    asked = classified.parameters
    invoice = asked.get("invoice")
    if looked or not isinstance(invoice, str) or not o.is_id(invoice):
        return ()
    wanted = [invoices.look_at(invoice)]
    if _NOT_SUMMED & asked.keys():
        parameters = {name: asked[name] for name in _PREVIEWED if name in asked}
        wanted.append(o.look("preview", "/v1/credit_notes/preview", **parameters))
    return tuple(wanted)


def effect_of(classified: Classified, looked: LookedUp) -> Effect:
    asked = classified.parameters
    invoice = o.seen(looked, "invoice")
    refusal = o.missing(looked, invoice="invoice", preview="invoice")
    if not o.is_id(asked.get("invoice")):
        refusal = o.bad_id("invoice")
    id = o.id_in(invoice) if o.id_in(invoice) == asked.get("invoice") else None
    currency, customer = o.currency_in(invoice), o.id_in(invoice, "customer")
    amount = o.money_of(_amount(asked, looked, currency), currency)
    before, total = _credited(invoice), o.number(invoice, "total")
    facts: dict[str, FactValue] = {
        "amount": amount or UNKNOWN,
        "currency": currency or UNKNOWN,
        "reversible": False,
        "customer": customer or UNKNOWN,
        "object": id or UNKNOWN,
    }
    observed = invoices.observe(invoice)
    lines: list[MoneyLine] = [MoneyLine("This credit note", amount)] if amount else []
    if before is not None:
        observed["credited"] = before
    if amount is not None and before is not None and before + amount.amount <= LARGEST_AMOUNT:
        facts["amount_on_object"] = Money(before + amount.amount, amount.currency)
        if total:
            facts["share"] = Fraction(100 * amount.amount, total)
            lines = [
                MoneyLine("Invoiced", Money(total, amount.currency)),
                MoneyLine("Credited before", Money(before, amount.currency)),
                *lines,
                MoneyLine("Left after it", Money(max(total - before - amount.amount, 0), amount.currency)),
            ]
        if "preview" in looked:
            observed["preview"] = amount.amount
    what = str(amount) if amount else "an amount that could not be found out"
    whose = f" for customer {customer}" if customer else ""
    return Effect(
        sentence=f"Issue a credit note of {what} on invoice {o.shown(asked.get('invoice'))}{whose}"
        f"{_as(asked, invoice, currency)}.",
        facts=facts,
        undo="A refund made by it cannot be undone.",
        to_whom=f"customer {customer}" if customer else None,
        preconditions=o.unchanged(observed),
        money_lines=tuple(lines),
        refusal=refusal or _refused(invoice, amount),
        quoted=invoices.quoted(invoice),
        observed=observed,
    )


def _credited(invoice: StripeObject | None) -> int | None:
    """What credit notes took back of the invoice so far."""
    parts = [o.number(invoice, f"{when}_payment_credit_notes_amount") for when in ("pre", "post")]
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def _amount(asked: Mapping[str, Text], looked: LookedUp, currency: str | None) -> int | None:
    """The sum of the parts, or the plain amount; None where both are given and differ, or neither can be read. With
    lines it is what the preview says, unless that contradicts a plain amount."""
    plain = _plain_amount(asked)
    if not _NOT_SUMMED & asked.keys():
        return plain
    preview = o.seen(looked, "preview")
    said = o.number(preview, "amount") if o.currency_in(preview) == currency else None
    contradicted = (plain is not None or "amount" in asked) and plain != said
    return None if contradicted else said


def _plain_amount(asked: Mapping[str, Text]) -> int | None:
    parts = [amount_of(asked[name]) for name in _PARTS if name in asked]
    known = [part for part in parts if part is not None]
    if len(known) != len(parts):
        return None
    total = sum(known)
    if "amount" not in asked:
        return total or None
    plain = amount_of(asked["amount"])
    return plain if not parts or plain == total or _NOT_SUMMED & asked.keys() else None


def _refused(invoice: StripeObject | None, amount: Money | None) -> Failure | None:
    """Stripe's certain no: only an open or a paid invoice, and never more than is left of its total."""
    status = o.text(invoice, "status")
    if status in {"draft", "void", "uncollectible"}:
        return Failure(
            "stripe.invoice_not_editable", f"The invoice is {status}: nothing of it can be credited.", "invoice"
        )
    if amount is None:
        return None
    if status == "open" and (left := o.number(invoice, "amount_remaining")) is not None and amount.amount > left:
        return _too_much(left, amount)
    before, total = _credited(invoice), o.number(invoice, "total")
    if total is not None and before is not None and amount.amount > total - before:
        return _too_much(max(total - before, 0), amount)
    return None


def _too_much(left: int, amount: Money) -> Failure:
    return Failure("stripe.amount_too_large", f"Only {Money(left, amount.currency)} of it is left.", param="amount")


def _as(asked: Mapping[str, Text], invoice: StripeObject | None, currency: str | None) -> str:
    """What becomes of the money, as far as parameters and the invoice say."""
    if o.text(invoice, "status") == "open":
        return ": that much less is owed"
    words = {"refund_amount": "as refund", "credit_amount": "as credit", "out_of_band_amount": "paid back elsewhere"}
    parts = []
    for name, what in words.items():
        money = o.money_of(amount_of(asked.get(name)), currency)
        if name in asked:
            parts.append(f"{money or 'something'} {what}")
    return f": {', '.join(parts)}" if parts else ""
