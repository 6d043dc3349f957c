"""Making or changing a customer: mostly who they are and how to reach them; but a balance is money, and what is not told
apart (sources, invoice settings, taxes) may be.

A balance is what the customer owes with the next invoice; below zero it is credit.
Source: https://docs.stripe.com/api/customers/update
"""

from __future__ import annotations

from collections.abc import Mapping

from runplane_mcp.core.amounts import number_of
from runplane_mcp.core.effect import Effect, LookedUp, MoneyLine, Read, StripeObject
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.facts import NONE, UNKNOWN, FactValue
from runplane_mcp.core.money import Money
from runplane_mcp.core.operation import Classified, EffectKind
from runplane_mcp.core.request import Failure
from runplane_mcp.core.wire import Text

#: Texts that say who somebody is. They are shown as they would become.
_SHOWN = ("name", "email", "phone", "description")


def reads(classified: Classified, looked: LookedUp) -> tuple[Read, ...]:
    """The customer; then the account, where only its default currency can say what a balance is in."""
    asked = classified.parameters
    if classified.effect is EffectKind.CUSTOMER_UPDATE:
        if not o.is_id(asked["customer"]):
            return ()
        if "customer" not in looked:
            return (o.look("customer", "/v1/customers/{customer}", customer=asked["customer"]),)
        if not o.is_null(o.seen(looked, "customer"), "currency"):
            return ()
    if "balance" not in asked or "account" in looked:
        return ()
    return (o.look("account", "/v1/account"),)


def effect_of(classified: Classified, looked: LookedUp) -> Effect:
    asked = classified.parameters
    new = classified.effect is EffectKind.CUSTOMER_CREATE
    customer = None if new else o.seen(looked, "customer")
    id = o.id_in(customer) if not new and o.id_in(customer) == asked["customer"] else None
    # Whatever is not contact data or the balance may be charged or credited by an amount that nobody can tell.
    plain = "redirects_funds" not in classified.facts
    before = 0 if new else o.signed(customer, "balance")
    after = number_of(asked.get("balance")) if "balance" in asked else before
    currency = o.currency_in(customer) or (
        o.currency_in(o.seen(looked, "account"), "default_currency") if new or o.is_null(customer, "currency") else None
    )
    moved = o.money_of(abs(after - before), currency) if after is not None and before is not None else None
    facts: dict[str, FactValue] = {
        "amount": (moved or UNKNOWN) if plain else UNKNOWN,
        "currency": (currency or UNKNOWN) if plain else UNKNOWN,
        "customer": NONE if new else id or UNKNOWN,
        "object": id or UNKNOWN,
        "reversible": True if plain else UNKNOWN,
        "redirects_funds": "invoice_settings" in asked,
    }
    observed: dict[str, str | int] = {}
    lines: tuple[MoneyLine, ...] = ()
    if "balance" in asked:
        if before is not None and not new:
            observed["balance"] = before
        lines = tuple(_line(when, value, currency) for when, value in (("before", before), ("after it", after))
                      if value is not None and currency is not None)  # fmt: skip
    who = f"a customer{_with(classified, plain=plain)}" if new else f"customer {o.shown(asked['customer'])}"
    return Effect(
        sentence=f"{_what(classified, new=new)} {who}{_credit(asked, before, after, moved)}.",
        facts=facts,
        undo=_undo(plain=plain, balance="balance" in asked, new=new),
        to_whom=None if new else who,
        preconditions=o.unchanged(observed),
        money_lines=lines,
        refusal=None if new else _refused(asked, customer, looked),
        quoted=(*o.customer_quotes(customer), *_quoted(asked)),
        observed=observed,
    )


def _refused(asked: Mapping[str, Text], customer: StripeObject | None, looked: LookedUp) -> Failure | None:
    if not o.is_id(asked["customer"]):
        return o.bad_id("customer")
    if o.flag(customer, "deleted"):
        return Failure("stripe.resource_missing", "The customer has been deleted.", param="customer")
    return o.missing(looked, customer="customer")


def _what(classified: Classified, *, new: bool) -> str:
    if new:
        return "Make"
    names = sorted(name for name in classified.parameters if name not in {"customer", "balance", "expand"})
    if not names:
        return "Change the balance of" if "balance" in classified.parameters else "Change nothing of"
    return f"Change {', '.join(names)} of"


def _with(classified: Classified, *, plain: bool) -> str:
    """What a new customer comes with that is not told apart."""
    names = sorted(name for name in classified.parameters if name not in {*_SHOWN, "balance", "expand", "metadata"})
    return "" if plain else f" with {', '.join(names)}"


def _credit(asked: Mapping[str, Text], before: int | None, after: int | None, moved: Money | None) -> str:
    """What setting the balance means for the next invoices."""
    if "balance" not in asked:
        return ""
    if before is None or after is None or moved is None:
        return ", with credit or debt that could not be found out"
    if after == before:
        return "; the balance stays as it is"
    return f", giving {moved} of credit" if after < before else f", who owes {moved} more"


def _line(when: str, value: int, currency: str) -> MoneyLine:
    return MoneyLine(f"{'Credit' if value < 0 else 'Owed'} {when}", Money(abs(value), currency))


def _undo(*, plain: bool, balance: bool, new: bool) -> str:
    if not plain:
        return "Can partly be changed back; what was charged or credited meanwhile stays so."
    if balance:
        return "Can be set back until an invoice has used it."
    return "Can be deleted again." if new else "Can be changed back."


def _quoted(asked: Mapping[str, Text]) -> tuple[tuple[str, str], ...]:
    given = [(f"new {name}", asked.get(name)) for name in _SHOWN]
    return o.quotes(*((label, value if isinstance(value, str) else None) for label, value in given))
