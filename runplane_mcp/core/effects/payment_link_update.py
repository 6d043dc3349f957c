"""Changing a payment link that customers already have: where money and payers go, how many are sold, whether it is open.

Source: https://docs.stripe.com/api/payment-link/update
"""

from __future__ import annotations

from collections.abc import Mapping

from runplane_mcp.core.amounts import amount_of
from runplane_mcp.core.effect import Effect, LookedUp, MoneyLine, Read, StripeObject
from runplane_mcp.core.effects import destinations
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.effects.addresses import hosts_in
from runplane_mcp.core.effects.lines import Line, price_of_one, total
from runplane_mcp.core.facts import NONE, UNKNOWN, FactValue
from runplane_mcp.core.money import Money
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.told import also_said
from runplane_mcp.core.wire import Text

#: With any of these the payer pays something else than the prices say.
_OTHERWISE = ("allow_promotion_codes", "optional_items", "shipping_options", "subscription_data")


def reads(classified: Classified, looked: LookedUp) -> tuple[Read, ...]:
    """The link with what it sells."""
    link = classified.parameters["payment_link"]
    if looked or not o.is_id(link):
        return ()
    return (o.look("payment_link", "/v1/payment_links/{payment_link}", payment_link=link, expand=["line_items"]),)


def effect_of(classified: Classified, looked: LookedUp) -> Effect:
    asked, link = classified.parameters, o.seen(looked, "payment_link")
    id = asked["payment_link"]
    amount = _amount(asked, link)
    destination = destinations.asked(asked)
    if destination is NONE:
        destination = UNKNOWN  # the link may have one already
    facts: dict[str, FactValue] = {
        "amount": amount or UNKNOWN,
        "currency": amount.currency if amount else UNKNOWN,
        "destination": destination,
        "discount_percent": UNKNOWN,
        "object": o.same_id(link, id) or UNKNOWN,
        "redirects_funds": True,
        "reversible": True,
        "url_hosts": hosts_in(asked),
    }
    active = o.flag(link, "active")
    observed: dict[str, str | int] = {} if active is None else {"open": "yes" if active else "no"}
    if amount is not None:
        observed["paid_each_time"] = amount.amount
    return Effect(
        sentence=_sentence(asked, amount, destination) + also_said(classified.added),
        facts=facts,
        undo="Can be changed back; what was paid meanwhile stays paid.",
        preconditions=o.unchanged(observed),
        money_lines=(MoneyLine("Paid each time", amount),) if amount else (),
        refusal=o.bad_id("payment_link") if not o.is_id(id) else o.missing(looked, payment_link="payment_link"),
        observed=observed,
    )


def _amount(asked: Mapping[str, Text], link: StripeObject | None) -> Money | None:
    """What is paid each time from now on, of the first period where it recurs."""
    held = o.child(link, "line_items")
    items = o.listed(held)
    if items is None or not o.complete(held) or any(name in asked for name in _OTHERWISE):
        return None
    if not _plain(link):
        return None
    wanted = _quantities(asked.get("line_items"))
    if wanted is None or not wanted.keys() <= {o.id_in(item) for item in items}:
        return None
    lines = tuple(_line(item, wanted) for item in items)
    return total(lines, {})


def _plain(link: StripeObject | None) -> bool:
    """Whether a link had no codes, trials, offers or shipping before."""
    trial = o.child(link, "subscription_data")
    return (
        o.flag(link, "allow_promotion_codes") is False
        and (trial is None or o.is_null(trial, "trial_period_days"))
        and not any(link.get(name) for name in ("optional_items", "shipping_options") if link is not None)
    )


def _line(item: StripeObject, wanted: Mapping[str, int | None]) -> Line:
    price, adjustable = o.child(item, "price"), o.child(item, "adjustable_quantity")
    id = o.id_in(item) or ""
    fixed = (
        o.is_null(item, "adjustable_quantity")
        or "adjustable_quantity" not in item
        or o.flag(adjustable, "enabled") is False
    )
    quantity = wanted[id] if id in wanted else o.number(item, "quantity") if fixed else None
    return Line(None, price_of_one(price, o.id_in(price)), quantity)


def _quantities(given: Text | None) -> dict[str, int | None] | None:
    """The new quantity of each line that is named, None where the payer may choose it; None where they cannot be read."""
    if given is None:
        return {}
    found: dict[str, int | None] = {}
    for line in given if isinstance(given, list) else [""]:
        id = line.get("id") if isinstance(line, dict) else None
        if not isinstance(line, dict) or not isinstance(id, str) or id in found:
            return None
        found[id] = amount_of(line.get("quantity")) if "adjustable_quantity" not in line else None
    return found


def _sentence(asked: Mapping[str, Text], amount: Money | None, destination: FactValue) -> str:
    done = {"true": "Open", "false": "Close"}.get(str(asked.get("active")), "Change")
    link = f"payment link {o.shown(asked['payment_link'])}"
    pays = f": {amount} are paid by it each time" if amount and done != "Close" else ""
    to = f", and its money goes to account {destination}" if isinstance(destination, str) else ""
    return f"{done} {link}{pays}{to}."
