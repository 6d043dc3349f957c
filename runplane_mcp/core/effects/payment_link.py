"""A payment link: an address at which anybody can pay, again and again. What they pay is price × quantity as looked up;
where the payer chooses, or codes, trials and prices of the moment come in, nobody can tell.

Source: https://docs.stripe.com/api/payment-link/create
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runplane_mcp.core.canonical import Json, digest_of
from runplane_mcp.core.effect import Effect, LookedUp, MoneyLine, Read, StripeObject
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.effects.addresses import hosts_in
from runplane_mcp.core.facts import NONE, UNKNOWN, FactValue
from runplane_mcp.core.money import LARGEST_AMOUNT, Money
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.parameters import amount_of
from runplane_mcp.core.request import Failure, Precondition
from runplane_mcp.core.wire import Text

#: As many as Stripe takes, and as many look-ups.
_MOST_LINES = 20
_REDIRECTS = ("application_fee_amount", "application_fee_percent", "on_behalf_of", "transfer_data")
#: With any of these the payer pays something else than the prices say.
_OTHERWISE = frozenset({"allow_promotion_codes", "currency", "optional_items", "shipping_options", "subscription_data"})


@dataclass(frozen=True, slots=True)
class _Line:
    """One line: a price, or one made for the moment (None), and how many of it; None where the payer may choose."""

    price: str | None
    quantity: int | None


def reads(classified: Classified, looked: LookedUp) -> tuple[Read, ...]:
    """All prices at once."""
    lines = _lines(classified.parameters)
    if looked or lines is None:
        return ()
    ids = dict.fromkeys(line.price for line in lines if line.price is not None)
    return tuple(o.look(_name(id), "/v1/prices/{price}", price=id) for id in ids if o.is_id(id))


def effect_of(classified: Classified, looked: LookedUp) -> Effect:
    asked = classified.parameters
    lines = _lines(asked)
    prices = {line.price: o.seen(looked, _name(line.price)) for line in lines or () if line.price is not None}
    amount = _amount(asked, lines, prices)
    redirects = _redirects(asked)
    destination = _destination(asked)
    hosts = hosts_in(asked)
    facts: dict[str, FactValue] = {
        "amount": amount or UNKNOWN,
        "currency": amount.currency if amount else UNKNOWN,
        "destination": destination,
        # Only the widest judgement has it.
        "discount_percent": UNKNOWN,
        "redirects_funds": redirects,
        "reversible": True,
        "url_hosts": hosts,
    }
    observed: dict[str, str | int] = {}
    if fingerprint := _fingerprint(prices):
        observed["prices"] = fingerprint
    return Effect(
        sentence=_sentence(lines, amount, destination, hosts, redirects=redirects is not False),
        facts=facts,
        undo="The link can be switched off; what was paid by it stays paid.",
        preconditions=tuple(Precondition(name, "equal", value) for name, value in observed.items()),
        money_lines=(MoneyLine("Paid each time", amount),) if amount else (),
        refusal=_refused(looked, prices),
        quoted=o.quotes(*((f"price {o.shown(id)}", o.text(price, "nickname")) for id, price in prices.items())),
        observed=observed,
    )


def _name(price: str) -> str:
    return f"price {price}"


def _lines(asked: Mapping[str, Text]) -> tuple[_Line, ...] | None:
    """The lines as asked for; None where they are none that can be read."""
    given = asked.get("line_items")
    if not isinstance(given, list) or not 0 < len(given) <= _MOST_LINES:
        return None
    found: list[_Line] = []
    for line in given:
        price = line.get("price") if isinstance(line, dict) else None
        if not isinstance(line, dict) or (price is not None and not isinstance(price, str)):
            return None
        quantity = amount_of(line.get("quantity"))
        adjustable = line.get("adjustable_quantity")
        fixed = adjustable is None or (isinstance(adjustable, dict) and adjustable.get("enabled") == "false")
        found.append(_Line(None if "price_data" in line else price, quantity if fixed else None))
    return tuple(found)


def _amount(
    asked: Mapping[str, Text], lines: tuple[_Line, ...] | None, prices: Mapping[str, StripeObject | None]
) -> Money | None:
    """What is paid each time, of the first period where it recurs."""
    if lines is None or _OTHERWISE & asked.keys():
        return None
    total, currencies = 0, set[str | None]()
    for line in lines:
        price = prices.get(line.price) if line.price is not None else None
        each = _unit_amount(price, line.price)
        if each is None or line.quantity is None:
            return None
        total += each * line.quantity
        currencies.add(o.currency_in(price))
    return o.money_of(total, currencies.pop()) if len(currencies) == 1 and total <= LARGEST_AMOUNT else None


def _unit_amount(price: StripeObject | None, id: str | None) -> int | None:
    """The price of one, where it is a plain one that neither the payer chooses nor a tier or a package changes."""
    if price is None or o.id_in(price) != id:
        return None
    plain = all(o.is_null(price, name) for name in ("custom_unit_amount", "transform_quantity"))
    recurring = o.child(price, "recurring")
    metered = recurring is not None and o.text(recurring, "usage_type") != "licensed"
    if not plain or metered or o.text(price, "billing_scheme") != "per_unit":
        return None
    return o.number(price, "unit_amount")


def _redirects(asked: Mapping[str, Text]) -> FactValue:
    """Whether somebody else gets the money, or the payer is sent on to an address that the agent has named."""
    if any(name in asked for name in _REDIRECTS):
        return True
    after = asked.get("after_completion")
    if after is None:
        return False
    return not (isinstance(after, dict) and after.get("type") == "hosted_confirmation" and "redirect" not in after)


def _destination(asked: Mapping[str, Text]) -> FactValue:
    """The connected account that the payments are for, if any."""
    transfer = asked.get("transfer_data")
    named = {transfer.get("destination") if isinstance(transfer, dict) else None} if transfer is not None else set()
    named |= {asked["on_behalf_of"]} if isinstance(asked.get("on_behalf_of"), str) else set()
    if not named and "on_behalf_of" not in asked:
        return NONE
    only = named.pop() if len(named) == 1 else None
    return only if isinstance(only, str) and o.is_id(only) else UNKNOWN


def _fingerprint(prices: Mapping[str, StripeObject | None]) -> str | None:
    """Equal as long as each price is what people saw."""
    found: list[Json] = []
    for id, price in sorted(prices.items()):
        if price is None:
            return None
        found.append([id, o.number(price, "unit_amount"), o.currency_in(price), o.flag(price, "active")])
    return digest_of(found)[:32] if found else None


def _refused(looked: LookedUp, prices: Mapping[str, StripeObject | None]) -> Failure | None:
    for id, price in prices.items():
        if not o.is_id(id):
            return o.bad_id("line_items")
        if o.flag(price, "active") is False:
            return Failure("stripe.price_inactive", f"The price {id} is not active.", param="line_items")
    return o.missing(looked, **{_name(id): "line_items" for id in prices})


def _sentence(
    lines: tuple[_Line, ...] | None, amount: Money | None, destination: FactValue, hosts: FactValue, *, redirects: bool
) -> str:
    named = [
        f"{line.quantity if line.quantity is not None else '?'} × {o.shown(line.price) if line.price else 'a new price'}"
        for line in lines or ()
    ]
    what = ", ".join(named[:3]) + (f" and {len(named) - 3} more" if len(named) > 3 else "")
    pays = str(amount) if amount else "an amount that could not be found out"
    to = f", which goes to account {destination}" if isinstance(destination, str) else ""
    on = ""
    if isinstance(hosts, frozenset) and hosts:
        on = f", with web addresses at {', '.join(sorted(hosts)[:3])}"
    elif redirects and not to:
        on = ", with fees or addresses that send money or payers elsewhere"
    return f"Make a payment link for {what or 'lines that could not be read'}: whoever opens it can pay {pays}{to}{on}."
