"""A payout: balance to a bank account or card. Without a destination it goes to the currency's default account.

Source: https://docs.stripe.com/api/payouts/create
"""

from __future__ import annotations

from collections.abc import Mapping

from runplane_mcp.core.amounts import amount_of
from runplane_mcp.core.effect import Effect, LookedUp, Read, StripeObject
from runplane_mcp.core.effects import balance as b
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.facts import UNKNOWN, FactValue
from runplane_mcp.core.money import WHOLE_UNITS_IN_PAYOUTS, WHOLE_UNITS_ONLY, Money
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.request import Failure, Precondition
from runplane_mcp.core.wire import Text


def reads(classified: Classified, looked: LookedUp) -> tuple[Read, ...]:
    """Balance and bank accounts; then, or at once where the destination is given, earlier payouts to it."""
    asked = classified.parameters
    if "destination" in asked and not o.is_id(asked["destination"]):
        return ()
    wanted = []
    if "balance" not in looked:
        wanted += [o.look("balance", "/v1/balance"), o.look("account", "/v1/account")]
    destination = _destination(asked, o.seen(looked, "account"))
    if destination is not None and "paid_before" not in looked:
        wanted.append(o.look("paid_before", "/v1/payouts", destination=destination, status="paid", limit=3))
    return tuple(wanted)


def effect_of(classified: Classified, looked: LookedUp) -> Effect:
    asked = classified.parameters
    account = o.seen(looked, "account")
    currency = o.currency_of(asked.get("currency"))
    amount = o.money_of(amount_of(asked.get("amount")), currency)
    destination = _destination(asked, account)
    method = asked.get("method", "standard")
    held = b.available(o.seen(looked, "balance"), currency, asked.get("source_type"), instant=method == "instant")
    refusal = (
        o.missing(looked, paid_before="destination")
        or _not_ours(asked, account)
        or _odd_amount(amount)
        or b.insufficient(held, amount)
    )
    if "destination" in asked and not o.is_id(asked["destination"]):
        refusal = o.bad_id("destination")
    before = _paid_before(o.seen(looked, "paid_before"), destination)
    facts: dict[str, FactValue] = {
        "amount": amount or UNKNOWN,
        "currency": currency or UNKNOWN,
        "reversible": {"standard": True, "instant": False}.get(method, UNKNOWN) if isinstance(method, str) else UNKNOWN,
        "destination": destination or UNKNOWN,
        "destination_paid_before": before,
    }
    observed: dict[str, str | int] = {}
    preconditions: list[Precondition] = []
    if held is not None and amount is not None:
        observed["available"] = held
        preconditions.append(Precondition("available", "at_least", amount.amount))
    bank = _external_account(account, destination)
    if destination is not None:
        observed["destination"] = destination
        if fingerprint := o.text(bank, "fingerprint"):
            observed["destination_fingerprint"] = fingerprint
    preconditions += o.unchanged(observed, but="available")
    omitted = "destination" not in asked and "payout_method" not in asked
    to_whom = f"{_kind_of(bank)} {destination}" if destination else None
    return Effect(
        sentence=_sentence(amount, to_whom, before, instant=method == "instant"),
        facts=facts,
        undo="An instant payout cannot be undone."
        if method == "instant"
        else "Can be canceled only while it is pending.",
        to_whom=to_whom,
        fill={"destination": destination} if destination and omitted else {},
        preconditions=tuple(preconditions),
        money_lines=b.lines("This payout", held, amount),
        refusal=refusal,
        quoted=o.quotes(("bank", o.text(bank, "bank_name")), ("account ends in", o.text(bank, "last4"))),
        observed=observed,
    )


def _destination(asked: Mapping[str, Text], account: StripeObject | None) -> str | None:
    """Where the payout goes: as asked, or the account's default for the currency if there is exactly one."""
    given = [asked[name] for name in ("destination", "payout_method") if name in asked]
    if given:
        first = given[0]
        return first if len(given) == 1 and isinstance(first, str) and o.is_id(first) else None
    currency = o.currency_of(asked.get("currency"))
    found = [
        o.id_in(each)
        for each in o.listed(o.child(account, "external_accounts")) or ()
        if currency and o.currency_in(each) == currency and o.flag(each, "default_for_currency")
    ]
    return found[0] if len(found) == 1 else None


def _external_account(account: StripeObject | None, id: str | None) -> StripeObject | None:
    for each in o.listed(o.child(account, "external_accounts")) or ():
        if id is not None and o.id_in(each) == id:
            return each
    return None


def _not_ours(asked: Mapping[str, Text], account: StripeObject | None) -> Failure | None:
    """Nobody is asked about a payout to an account that is none of ours, where Stripe's list of ours has come whole.
    An empty one may only mean that this key is not shown it."""
    given, held = asked.get("destination"), o.child(account, "external_accounts")
    ours = [o.id_in(each) for each in o.listed(held) or ()]
    if not isinstance(given, str) or not o.is_id(given) or not ours or not all(ours) or not o.complete(held):
        return None
    if given in ours:
        return None
    return Failure("stripe.resource_missing", "The account has no such bank account or card.", param="destination")


def _paid_before(paid: StripeObject | None, destination: str | None) -> FactValue:
    """Whether a payout to this destination ever arrived. One that is only on its way, or came back, proves nothing."""
    payouts = o.listed(paid)
    if payouts is None or destination is None:
        return UNKNOWN
    return any(o.id_in(each, "destination") == destination and o.text(each, "status") == "paid" for each in payouts)


def _odd_amount(amount: Money | None) -> Failure | None:
    if amount is None or amount.currency not in WHOLE_UNITS_ONLY | WHOLE_UNITS_IN_PAYOUTS or amount.amount % 100 == 0:
        return None
    whole = amount.currency.upper()
    return Failure("stripe.invalid_amount", f"A payout in {whole} is a multiple of 100 minor units.", param="amount")


def _kind_of(bank: StripeObject | None) -> str:
    return {"bank_account": "bank account", "card": "card"}.get(o.text(bank, "object") or "", "account")


def _sentence(amount: Money | None, to_whom: str | None, before: FactValue, *, instant: bool) -> str:
    what = str(amount) if amount else "an amount that could not be found out"
    where = to_whom or "an account that could not be found out"
    known = {True: "", False: ", never paid before"}.get(before, "") if isinstance(before, bool) else ""
    return f"Pay out {what} {'instantly ' if instant else ''}to {where}{known}."
