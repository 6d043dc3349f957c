"""A payment link: an address at which anybody can pay, again and again. What they pay is price × quantity as looked up;
where the payer chooses, or codes and trials come in, nobody can tell.

Source: https://docs.stripe.com/api/payment-link/create
"""

from __future__ import annotations

from collections.abc import Mapping

from runplane_mcp.core.effect import Effect, LookedUp, MoneyLine, Read
from runplane_mcp.core.effects import destinations
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.effects.addresses import hosts_in
from runplane_mcp.core.effects.lines import (
    Line,
    Prices,
    fingerprint,
    lines_of,
    price_reads,
    prices_in,
    quoted,
    refused,
    said,
    total,
)
from runplane_mcp.core.facts import UNKNOWN, FactValue
from runplane_mcp.core.money import Money
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.wire import Text

_REDIRECTS = ("application_fee_amount", "application_fee_percent", "on_behalf_of", "transfer_data")
#: With any of these the payer pays something else than the prices say.
_OTHERWISE = frozenset({"allow_promotion_codes", "currency", "optional_items", "shipping_options", "subscription_data"})


def reads(classified: Classified, looked: LookedUp) -> tuple[Read, ...]:
    """All prices at once."""
    return () if looked else price_reads(lines_of(classified.parameters.get("line_items")))


def effect_of(classified: Classified, looked: LookedUp) -> Effect:
    asked = classified.parameters
    lines = lines_of(asked.get("line_items"))
    prices = prices_in(lines, looked)
    amount = _amount(asked, lines, prices)
    redirects = _redirects(asked)
    destination = destinations.asked(asked)
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
    if held := fingerprint(prices):
        observed["prices"] = held
    return Effect(
        sentence=_sentence(asked, lines, amount, destination, hosts, redirects=redirects is not False),
        facts=facts,
        undo="The link can be switched off; what was paid by it stays paid.",
        preconditions=o.unchanged(observed),
        money_lines=(MoneyLine("Paid each time", amount),) if amount else (),
        refusal=refused(looked, prices),
        quoted=quoted(prices),
        observed=observed,
    )


def _amount(asked: Mapping[str, Text], lines: tuple[Line, ...] | None, prices: Prices) -> Money | None:
    """What is paid each time, of the first period where it recurs."""
    return total(lines, prices) if not _OTHERWISE & asked.keys() else None


def _redirects(asked: Mapping[str, Text]) -> FactValue:
    """Whether somebody else gets the money, or the payer is sent on to an address that the agent has named."""
    if any(name in asked for name in _REDIRECTS):
        return True
    after = asked.get("after_completion")
    if after is None:
        return False
    return not (isinstance(after, dict) and after.get("type") == "hosted_confirmation" and "redirect" not in after)


def _sentence(
    asked: Mapping[str, Text],
    lines: tuple[Line, ...] | None,
    amount: Money | None,
    destination: FactValue,
    hosts: FactValue,
    *,
    redirects: bool,
) -> str:
    pays = str(amount) if amount else "an amount that could not be found out"
    to = f", which goes to account {destination}" if isinstance(destination, str) else ""
    shared = [name for name in _REDIRECTS if name in asked and (not to or name.startswith("application_fee"))]
    on = f", shared or sent on by {' and '.join(shared)}" if shared else ""
    if isinstance(hosts, frozenset) and hosts:
        on += f", with web addresses at {', '.join(sorted(hosts)[:3])}"
    elif redirects and not on and not to:
        on = ", with addresses that send payers elsewhere"
    what = said(lines) or "lines that could not be read"
    return f"Make a payment link for {what}: whoever opens it can pay {pays}{to}{on}."
