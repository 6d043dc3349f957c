"""Every endpoint of the simulated Stripe, one file per resource. Adding one is a function and a row in its `ROUTES`."""

from runplane_mcp.simulator.resources import (
    accounts,
    balance,
    captures,
    customers,
    disputes,
    events,
    payment_links,
    payments,
    payouts,
    products,
    refunds,
    subscriptions,
    transfers,
)
from runplane_mcp.simulator.routes import RouteTable

TABLE = RouteTable(
    route
    for resource in (
        accounts,
        balance,
        captures,
        customers,
        disputes,
        events,
        payment_links,
        payments,
        payouts,
        products,
        refunds,
        subscriptions,
        transfers,
    )
    for route in resource.ROUTES
)

__all__ = ["TABLE"]
