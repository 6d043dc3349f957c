"""A transfer: balance of the platform to a connected account.

Source: https://docs.stripe.com/api/transfers/create
"""

from __future__ import annotations

from collections.abc import Mapping

from runplane_mcp.core.amounts import amount_of
from runplane_mcp.core.effect import Effect, LookedUp, MoneyLine, Read, StripeObject
from runplane_mcp.core.effects import balance as b
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.facts import NONE, UNKNOWN, FactValue
from runplane_mcp.core.money import Money
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.request import Failure, Precondition
from runplane_mcp.core.wire import Text


def reads(classified: Classified, looked: LookedUp) -> tuple[Read, ...]:
    """All at once: the account, earlier transfers to it, and the balance or the charge that is passed on."""
    asked = classified.parameters
    if looked or _refused_as_asked(asked) is not None:
        return ()
    destination, source = asked["destination"], asked.get("source_transaction")
    wanted = [
        o.look("destination", "/v1/accounts/{account}", account=destination),
        o.look("sent_before", "/v1/transfers", destination=destination, limit=10),
    ]
    if source is None:
        wanted.append(o.look("balance", "/v1/balance"))
    else:
        wanted.append(o.look("charge", "/v1/charges/{charge}", charge=source))
    return tuple(wanted)


def effect_of(classified: Classified, looked: LookedUp) -> Effect:
    asked = classified.parameters
    passed_on = "source_transaction" in asked
    charge, account = o.seen(looked, "charge"), o.seen(looked, "destination")
    currency = o.currency_of(asked.get("currency"))
    charged = o.number(charge, "amount")
    if "amount" in asked:
        amount = o.money_of(amount_of(asked["amount"]), currency)
    else:
        amount = o.money_of(charged, currency) if o.currency_in(charge) == currency else None
    source = o.id_in(charge)
    held = None if passed_on else b.available(o.seen(looked, "balance"), currency, asked.get("source_type"))
    refusal = (
        _refused_as_asked(asked)
        or o.missing(looked, destination="destination", charge="source_transaction", sent_before="destination")
        or _refused_by_charge(charge, amount)
        or b.insufficient(held, amount)
    )
    given = asked.get("destination")
    destination = o.id_in(account) if o.id_in(account) == given else None
    before = _sent_before(o.seen(looked, "sent_before"), destination)
    facts: dict[str, FactValue] = {
        "amount": amount or UNKNOWN,
        "currency": currency or UNKNOWN,
        "reversible": True,
        "object": (source or UNKNOWN) if passed_on else NONE,
        "destination": destination or UNKNOWN,
        "destination_paid_before": before,
    }
    observed: dict[str, str | int] = {}
    preconditions: list[Precondition] = []
    if held is not None and amount is not None:
        observed["available"] = held
        preconditions.append(Precondition("available", "at_least", amount.amount))
    if charged is not None and amount is not None:
        observed["charged"] = charged
        preconditions.append(Precondition("charged", "at_least", amount.amount))
    what = str(amount) if amount else "an amount that could not be found out"
    known = ", never sent anything before" if before is False else ""
    of = f" of charge {source or o.shown(asked['source_transaction'])}" if passed_on else ""
    return Effect(
        sentence=f"Transfer {what}{of} to account {o.shown(given)}{known}.",
        facts=facts,
        undo="Can be reversed while the account still has the money.",
        to_whom=f"connected account {o.shown(given)}",
        fill={"amount": amount.amount} if amount and "amount" not in asked and amount.amount > 0 else {},
        preconditions=tuple(preconditions),
        money_lines=(MoneyLine("This transfer", amount),)
        if passed_on and amount
        else b.lines("This transfer", held, amount),
        refusal=refusal,
        quoted=o.quotes(
            ("account name", o.text(o.child(account, "business_profile"), "name")),
            ("account email", o.text(account, "email")),
        ),
        observed=observed,
    )


def _refused_as_asked(asked: Mapping[str, Text]) -> Failure | None:
    if not o.is_id(asked.get("destination")):
        return o.bad_id("destination")
    if "source_transaction" in asked and not o.is_id(asked["source_transaction"]):
        return o.bad_id("source_transaction")
    if "amount" not in asked and "source_transaction" not in asked:
        return Failure(
            "parameter.missing", "Give `amount`, or `source_transaction` for a whole charge.", param="amount"
        )
    return None


def _refused_by_charge(charge: StripeObject | None, amount: Money | None) -> Failure | None:
    if o.text(charge, "status") == "failed":
        return Failure("stripe.charge_failed", "The charge failed: there is nothing to pass on.", "source_transaction")
    charged = o.money_of(o.number(charge, "amount"), o.currency_in(charge))
    if charged and amount and charged.currency == amount.currency and amount.amount > charged.amount:
        return Failure("stripe.amount_too_large", f"The charge was only {charged}.", param="amount")
    return None


def _sent_before(sent: StripeObject | None, destination: str | None) -> FactValue:
    """Whether any transfer to this account was ever kept, not reversed."""
    transfers = o.listed(sent)
    if transfers is None or destination is None:
        return UNKNOWN
    for each in transfers:
        amount, reversed_ = o.number(each, "amount"), o.number(each, "amount_reversed")
        if o.id_in(each, "destination") == destination and amount and reversed_ is not None and reversed_ < amount:
            return True
    return False if o.complete(sent) else UNKNOWN
