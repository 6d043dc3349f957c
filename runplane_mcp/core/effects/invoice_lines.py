"""Lines of a draft invoice, and items that wait for one: adding, changing and taking them away changes what a customer is
billed. The amount is what changes, whichever way: each line's difference, all of them together.

Source: https://docs.stripe.com/api/invoice-line-item (bulk, update) and https://docs.stripe.com/api/invoiceitems
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from runplane_mcp.core.amounts import number_of
from runplane_mcp.core.canonical import digest_of
from runplane_mcp.core.effect import Effect, LookedUp, MoneyLine, Read, StripeObject
from runplane_mcp.core.effects import discounts, phases
from runplane_mcp.core.effects import invoice as invoices
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.facts import NONE, UNKNOWN, FactValue
from runplane_mcp.core.money import LARGEST_AMOUNT
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.request import Failure
from runplane_mcp.core.told import also_said
from runplane_mcp.core.wire import Text

#: What may be said of a line beside its amount without changing what is billed for it.
_WORDS: Final = frozenset({"id", "amount", "behavior", "description", "metadata", "period"})
_IN_PATH: Final = ("invoice", "invoiceitem", "line_item_id")


def reads(classified: Classified, looked: LookedUp) -> tuple[Read, ...]:
    """The invoice and all its lines, or the waiting item, with the coupons that are named; all at once."""
    asked = classified.parameters
    if looked or _refused_as_asked(asked) is not None:
        return ()
    wanted: list[Read] = []
    if "invoiceitem" in asked:
        expand = ["customer", "invoice"]
        wanted.append(o.look("item", "/v1/invoiceitems/{id}", id=asked["invoiceitem"], expand=expand))
    else:
        wanted.append(invoices.look_at(asked["invoice"]))
        if not _adds(classified):
            wanted.append(o.look("lines", "/v1/invoices/{invoice}/lines", invoice=asked["invoice"], limit=100))
    return (*wanted, *discounts.reads(classified))


def effect_of(classified: Classified, looked: LookedUp) -> Effect:
    asked = classified.parameters
    item = o.seen(looked, "item")
    invoice = o.child(item, "invoice") if "invoiceitem" in asked else o.seen(looked, "invoice")
    customer = o.id_in(invoice, "customer") or o.id_in(item, "customer")
    currency = o.currency_in(item) if "invoiceitem" in asked else o.currency_in(invoice)
    more, less = _change(classified, looked) or (None, None)
    amount = o.money_of(more + less if more is not None and less is not None else None, currency)
    object = o.id_in(item) if "invoiceitem" in asked else o.id_in(invoice)
    refusal = (
        _refused_as_asked(asked)
        or o.missing(looked, item="invoiceitem", invoice="invoice", lines="invoice", **discounts.missing_in(looked))
        or _refused(classified, looked, invoice)
    )
    observed = {**invoices.observe(invoice), **discounts.observe(looked)}
    if (held := _fingerprint(classified, looked)) is not None:
        observed["lines"] = held
    facts: dict[str, FactValue] = {
        "amount": amount or UNKNOWN,
        "currency": currency or UNKNOWN,
        "customer": customer or UNKNOWN,
        "object": object or UNKNOWN,
        "discount_percent": discounts.percent(classified, looked),
        # A draft that Stripe finalizes by itself soon cannot be waited for.
        "reversible": UNKNOWN if invoices.advancing({}, invoice) else True,
    }
    whose = f" of customer {customer}" if customer else ""
    what = "how much more or less is billed could not be found out"
    if amount is not None:
        what = f"{amount} {'more and less' if more and less else 'less' if less else 'more'} is billed"
    if "amount" not in classified.facts:
        what = "what is billed stays as it is"
    quoted = item if item is not None and "invoiceitem" in asked else None
    off = facts["discount_percent"] if "discount_percent" in classified.facts else NONE
    return Effect(
        sentence=f"{_what(asked, classified)}{whose}: {what}.{also_said(classified.added)}{discounts.said(off)}",
        facts=facts,
        undo="Can be changed back until the invoice is finalized.",
        to_whom=f"customer {customer}" if customer else None,
        preconditions=o.unchanged(observed),
        money_lines=(MoneyLine("Changes by", amount),) if amount else (),
        refusal=refusal,
        quoted=(*o.quotes(("item description", o.text(quoted, "description"))), *invoices.quoted(invoice)),
        observed=observed,
    )


def _adds(classified: Classified) -> bool:
    return classified.operation.path.endswith("/add_lines")


def _entries(classified: Classified) -> list[Mapping[str, Text]] | None:
    """What is said of each line, its id among it; None where that cannot be read."""
    asked = classified.parameters
    if "lines" in asked:
        lines = phases.entries(asked["lines"])
        found = [each for each in lines if isinstance(each, dict)]
        return list[Mapping[str, Text]](found) if found and len(found) == len(lines) else None
    given = {name: value for name, value in asked.items() if name not in {*_IN_PATH, "expand"}}
    return [{**given, "id": asked.get("line_item_id", asked.get("invoiceitem", ""))}]


def _before(classified: Classified, looked: LookedUp) -> dict[str, StripeObject] | None:
    """The lines that there are, by id; None where there may be others."""
    if "invoiceitem" in classified.parameters:
        item = o.seen(looked, "item")
        return {str(o.id_in(item)): item} if item is not None else None
    held = o.seen(looked, "lines")
    lines = o.listed(held) if o.complete(held) else None
    return {str(o.id_in(line)): line for line in lines} if lines is not None else None


def _change(classified: Classified, looked: LookedUp) -> tuple[int, int] | None:
    """How much more is billed, and how much less, line by line; None where it cannot be said."""
    entries = _entries(classified)
    before = {} if _adds(classified) else _before(classified, looked)
    if entries is None or before is None:
        return None
    removes = classified.wire.method == "DELETE" or classified.operation.path.endswith("/remove_lines")
    more, less = 0, 0
    for entry in entries:
        line = before.get(str(entry.get("id"))) if not _adds(classified) else None
        was = 0 if _adds(classified) else o.signed(line, "amount")
        if removes:
            will: int | None = 0
        elif entry.keys() <= _WORDS:
            will = number_of(entry["amount"]) if "amount" in entry else was if not _adds(classified) else None
        else:
            will = None
        if was is None or will is None:
            return None
        more, less = more + max(will - was, 0), less + max(was - will, 0)
    return (more, less) if more + less <= LARGEST_AMOUNT else None


def _fingerprint(classified: Classified, looked: LookedUp) -> str | None:
    """Equal as long as the lines are what people saw."""
    before = _before(classified, looked)
    if before is None:
        return None
    return digest_of([[id, o.signed(line, "amount"), o.currency_in(line)] for id, line in sorted(before.items())])[:32]


def _refused(classified: Classified, looked: LookedUp, invoice: StripeObject | None) -> Failure | None:
    status = o.text(invoice, "status")
    if status in {"open", "paid", "void", "uncollectible"}:
        param = "invoiceitem" if "invoiceitem" in classified.parameters else "invoice"
        return Failure("stripe.invoice_not_editable", f"The invoice is {status}: only a draft can be changed.", param)
    before = _before(classified, looked)
    entries = _entries(classified)
    if before is None or entries is None or _adds(classified):
        return None
    if gone := [entry.get("id") for entry in entries if entry.get("id") not in before]:
        return Failure("stripe.resource_missing", f"There is no line {o.shown(gone[0])} on it.", param="lines")
    return None


def _what(asked: Mapping[str, Text], classified: Classified) -> str:
    removes = classified.wire.method == "DELETE" or classified.operation.path.endswith("/remove_lines")
    verb = "Add" if _adds(classified) else "Take away" if removes else "Change"
    if "invoiceitem" in asked:
        return f"{verb} invoice item {o.shown(asked['invoiceitem'])}"
    if "line_item_id" in asked:
        return f"{verb} line {o.shown(asked['line_item_id'])} of invoice {o.shown(asked['invoice'])}"
    count = len(_entries(classified) or ())
    lines = "1 line" if count == 1 else f"{count} lines" if count else "lines"
    return (
        f"{verb} {lines} {'to' if verb == 'Add' else 'from' if removes else 'of'} invoice {o.shown(asked['invoice'])}"
    )


def _refused_as_asked(asked: Mapping[str, Text]) -> Failure | None:
    return next((o.bad_id(name) for name in _IN_PATH if name in asked and not o.is_id(asked[name])), None)
