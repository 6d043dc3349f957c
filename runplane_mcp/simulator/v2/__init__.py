"""Stripe's second API: JSON bodies, thin events, lists that say where the next page is. A file per resource."""

from runplane_mcp.simulator.v2 import (
    core_accounts,
    core_events,
    event_destinations,
    financial_accounts,
    outbound_payments,
    payout_intents,
)

ROUTES = tuple(
    route
    for resource in (
        core_accounts,
        core_events,
        event_destinations,
        financial_accounts,
        outbound_payments,
        payout_intents,
    )
    for route in resource.ROUTES
)

__all__ = ["ROUTES"]
