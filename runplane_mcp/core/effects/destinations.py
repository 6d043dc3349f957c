"""The connected account or bank account that money goes to: as parameters name it, or as a payment has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from runplane_mcp.core.effect import StripeObject
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.facts import NONE, UNKNOWN, FactValue
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.told import Added
from runplane_mcp.core.wire import Text


def named(added: Iterable[Added]) -> FactValue:
    """The only one that is named; unknown among several, and where none can be read."""
    found: set[object] = set()
    for each in added:
        if "destination" in each.addition.facts:
            inner = each.value
            if isinstance(inner, dict):
                inner = inner.get("destination", inner.get("account", ""))
            found.add(inner if isinstance(inner, str) else "")
    only = found.pop() if len(found) == 1 else None
    return only if isinstance(only, str) and o.is_id(only) else UNKNOWN


def asked(parameters: Mapping[str, Text]) -> FactValue:
    """The connected account that payments are for by `transfer_data` and `on_behalf_of`, if any; unknown among two, and
    where one is taken away."""
    found: set[Text | None] = set()
    if "transfer_data" in parameters:
        transfer = parameters["transfer_data"]
        inner = transfer.get("destination") if isinstance(transfer, dict) else None
        found.add(inner if isinstance(inner, str) else None)
    if "on_behalf_of" in parameters:
        account = parameters["on_behalf_of"]
        found.add(account if isinstance(account, str) else None)
    if not found:
        return NONE
    only = found.pop() if len(found) == 1 else None
    return only if isinstance(only, str) and o.is_id(only) else UNKNOWN


def passed_on(payment: StripeObject | None) -> FactValue:
    """The connected account that the money of a payment is passed on to, if any."""
    if o.is_null(payment, "transfer_data"):
        return NONE
    return o.id_in(o.child(payment, "transfer_data"), "destination") or UNKNOWN


def said(classified: Classified) -> str:
    """Whose the money is, where parameters make it somebody else's."""
    if "destination" not in classified.facts:
        return ""
    to = named(classified.added)
    return f" The money is for {f'account {to}' if isinstance(to, str) else 'an account that could not be found out'}."
