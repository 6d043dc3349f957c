"""Every endpoint of the simulated Stripe, one file per resource. Adding one is a function and a row in its `ROUTES`."""

from runplane_mcp.simulator.resources import (
    accounts,
    balance,
    captures,
    coupons,
    credit_notes,
    customer_balance,
    customers,
    disputes,
    events,
    invoice_items,
    invoice_payments,
    invoices,
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
        coupons,
        credit_notes,
        customer_balance,
        customers,
        disputes,
        events,
        invoice_items,
        invoice_payments,
        invoices,
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
