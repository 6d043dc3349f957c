"""Stripe's objects as it answers them, for the tests of effects; and the way from parameters to an effect."""

from __future__ import annotations

from collections.abc import Mapping

from runplane_mcp.core.catalog import load
from runplane_mcp.core.effect import Effect, Looked, NotThere
from runplane_mcp.core.effects import effect_of
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.request import Failure
from runplane_mcp.core.wire import encode

CATALOG = load()
GONE = NotThere(Failure("stripe.resource_missing", "There is no such object.", "id", "req_1"))


def classified(operation_id: str, **parameters: object) -> Classified:
    operation = CATALOG.by_id(operation_id)
    assert operation is not None
    CATALOG.check(operation, parameters)  # type: ignore[arg-type]
    return CATALOG.classify(encode(operation.method, operation.path, parameters))  # type: ignore[arg-type]


def effect(operation_id: str, looked: Mapping[str, Looked], **parameters: object) -> Effect:
    return effect_of(classified(operation_id, **parameters), looked)


def charge(**changes: object) -> dict[str, object]:
    """A card payment of $900.00 by a customer."""
    return {
        "id": "ch_1",
        "object": "charge",
        "amount": 90_000,
        "amount_captured": 90_000,
        "amount_refunded": 0,
        "billing_details": {"email": "ada@example.com", "name": "Ada Moreno"},
        "currency": "usd",
        "customer": {"id": "cus_1", "object": "customer", "name": "Ada Moreno", "email": "ada@example.com"},
        "description": "Order A-17",
        "disputed": False,
        "livemode": False,
        "payment_intent": "pi_1",
        "payment_method_details": {"card": {"fingerprint": "fp1", "last4": "4242"}, "type": "card"},
        "refunded": False,
        "status": "succeeded",
        "transfer_data": None,
        **changes,
    }


def intent(latest_charge: object) -> dict[str, object]:
    return {
        "id": "pi_1",
        "object": "payment_intent",
        "amount": 90_000,
        "currency": "usd",
        "latest_charge": latest_charge,
    }


def balance(**available: int) -> dict[str, object]:
    entries = [
        {"amount": amount, "currency": currency, "source_types": {"card": amount}}
        for currency, amount in available.items()
    ]
    return {"object": "balance", "available": entries, "instant_available": entries[:1], "livemode": False}


def account(*banks: Mapping[str, object], id: str = "acct_1") -> dict[str, object]:
    external = {"object": "list", "data": list(banks), "has_more": False}
    return {
        "id": id,
        "object": "account",
        "business_profile": {"name": "Maple Bakery"},
        "email": "a@example.com",
        "external_accounts": external,
    }


def bank(id: str = "ba_1", currency: str = "usd", *, default: bool = True) -> dict[str, object]:
    return {
        "id": id,
        "object": "bank_account",
        "bank_name": "First Harbor Bank",
        "currency": currency,
        "default_for_currency": default,
        "fingerprint": f"fp_{id}",
        "last4": "6789",
    }


def listing(*objects: Mapping[str, object], has_more: bool = False) -> dict[str, object]:
    return {"object": "list", "data": list(objects), "has_more": has_more, "url": "/v1/things"}


def item(
    amount: object = 2_900, quantity: object = 1, interval: str = "month", count: int = 1, **price: object
) -> dict[str, object]:
    return {
        "id": "si_1",
        "object": "subscription_item",
        "current_period_end": 1_796_340_320,
        "quantity": quantity,
        "price": {
            "id": "price_1",
            "object": "price",
            "billing_scheme": "per_unit",
            "currency": "usd",
            "recurring": {"interval": interval, "interval_count": count, "usage_type": "licensed"},
            "transform_quantity": None,
            "unit_amount": amount,
            "unit_amount_decimal": str(amount),
            **price,
        },
    }


def subscription(*items: Mapping[str, object], **changes: object) -> dict[str, object]:
    return {
        "id": "sub_1",
        "object": "subscription",
        "cancel_at_period_end": False,
        "currency": "usd",
        "customer": {"id": "cus_1", "object": "customer", "name": "Ada Moreno", "email": "ada@example.com"},
        "items": listing(*(items or (item(),))),
        "status": "active",
        **changes,
    }


def invoice(**changes: object) -> dict[str, object]:
    """An open invoice of $500.00, nothing paid."""
    return {
        "id": "in_1",
        "object": "invoice",
        "amount_due": 50_000,
        "amount_paid": 0,
        "amount_remaining": 50_000,
        "auto_advance": False,
        "collection_method": "charge_automatically",
        "currency": "usd",
        "customer": {"id": "cus_1", "object": "customer", "name": "Ada Moreno", "email": "ada@example.com"},
        "description": "November",
        "on_behalf_of": None,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "status": "open",
        "total": 50_000,
        "transfer_data": None,
        **changes,
    }


def coupon(**changes: object) -> dict[str, object]:
    """Twenty percent off, once."""
    return {
        "id": "twenty",
        "object": "coupon",
        "amount_off": None,
        "currency": None,
        "duration": "once",
        "percent_off": 20,
        **changes,
    }
