"""Promotion codes: words that customers type to redeem a coupon.

Source: https://docs.stripe.com/api/promotion_codes
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from runplane_mcp.simulator.lists import Clause, equals, list_route
from runplane_mcp.simulator.objects import Obj, Params, merge_metadata, new_id
from runplane_mcp.simulator.parameters import (
    Raw,
    boolean,
    currency,
    integer,
    mapping,
    metadata,
    one_of,
    positive,
    word,
)
from runplane_mcp.simulator.refusal import Refusal, invalid
from runplane_mcp.simulator.resources.discounts import redeemable
from runplane_mcp.simulator.routes import Route, retrieve_route
from runplane_mcp.simulator.transaction import Transaction

_CODE = re.compile(r"[A-Za-z0-9-]{1,500}")


def _create(tx: Transaction, params: Params) -> Obj:
    coupon = tx.require("coupon", params["promotion"]["coupon"], "promotion[coupon]")
    if not redeemable(tx, coupon):
        raise Refusal("The coupon cannot be redeemed any more.", code="coupon_expired", param="promotion[coupon]")
    customer = params.get("customer")
    if customer is not None:
        tx.require("customer", customer, "customer")
    asked = params.get("restrictions", {})
    if ("minimum_amount" in asked) != ("minimum_amount_currency" in asked):
        raise invalid("A least amount has a currency.", "restrictions[minimum_amount_currency]", "parameter_missing")
    _refuse_beyond_coupon(tx, coupon, params)
    active = params.get("active", True)
    code = params.get("code") or os.urandom(4).hex().upper()
    if active:
        _refuse_taken(tx, code, customer)
    promotion: Obj = {
        "id": new_id("promo"),
        "object": "promotion_code",
        "active": active,
        "code": code,
        "created": tx.now,
        "customer": customer,
        "expires_at": params.get("expires_at"),
        "livemode": False,
        "max_redemptions": params.get("max_redemptions"),
        "metadata": merge_metadata({}, params.get("metadata", {})),
        "promotion": {"coupon": coupon["id"], "type": "coupon"},
        "restrictions": {
            "first_time_transaction": asked.get("first_time_transaction", False),
            "minimum_amount": asked.get("minimum_amount"),
            "minimum_amount_currency": asked.get("minimum_amount_currency"),
        },
        "times_redeemed": 0,
    }
    tx.insert(promotion)
    tx.emit("promotion_code.created", promotion)
    return promotion


def _refuse_beyond_coupon(tx: Transaction, coupon: Obj, params: Params) -> None:
    """A code lives no longer, and is redeemed no more often, than its coupon."""
    until, most = params.get("expires_at"), params.get("max_redemptions")
    if until is not None and (until <= tx.now or (coupon["redeem_by"] is not None and until > coupon["redeem_by"])):
        raise Refusal("A code expires in the future, and not after its coupon.", param="expires_at")
    if most is not None and coupon["max_redemptions"] is not None and most > coupon["max_redemptions"]:
        raise Refusal("A code is redeemed at most as often as its coupon.", param="max_redemptions")


def _refuse_taken(tx: Transaction, code: str, customer: str | None, *, but: str | None = None) -> None:
    """Whatever its case, an active code is one of a kind for each customer."""
    for held in tx.select(
        ["kind = 'promotion_code'", "lower(json_extract(body, '$.code')) = ?"], [code.lower()], "DESC", -1
    ):
        same = held["customer"] is None or customer is None or held["customer"] == customer
        if held["active"] and same and held["id"] != but:
            raise Refusal("An active promotion code has this code already.", param="code")


def _update(tx: Transaction, params: Params) -> Obj:
    promotion = tx.require("promotion_code", params["promotion_code"], "promotion_code", status=404)
    before = dict(promotion)
    if params.get("active") and not promotion["active"]:
        if promotion["expires_at"] is not None and promotion["expires_at"] <= tx.now:
            raise Refusal("A code that has expired stays inactive.", param="active")
        _refuse_taken(tx, promotion["code"], promotion["customer"], but=promotion["id"])
    if "active" in params:
        promotion["active"] = params["active"]
    if "metadata" in params:
        promotion["metadata"] = merge_metadata(promotion["metadata"], params["metadata"])
    tx.save(promotion)
    tx.emit("promotion_code.updated", promotion, before=before)
    return promotion


def _wanted(_tx: Transaction, params: Params) -> Iterable[Clause]:
    if "code" in params:
        yield "lower(json_extract(body, '$.code')) = ?", [params["code"].lower()]
    if "coupon" in params:
        yield equals("promotion.coupon", params["coupon"])


def _code(value: Raw, name: str) -> str:
    given = word(value, name)
    if _CODE.fullmatch(given) is None:
        raise invalid(f"'{name}' has letters, digits and dashes only.", name)
    return given


ROUTES = (
    list_route(
        "/v1/promotion_codes",
        "promotion_code",
        {"active": boolean, "customer": word},
        special={"code": word, "coupon": word},
        clauses=_wanted,
    ),
    Route(
        "POST",
        "/v1/promotion_codes",
        _create,
        {
            "active": boolean,
            "code": _code,
            "customer": word,
            "expires_at": integer,
            "max_redemptions": positive,
            "metadata": metadata,
            "promotion": mapping({"coupon": word, "type": one_of("coupon")}, required=("coupon", "type")),
            "restrictions": mapping(
                {"first_time_transaction": boolean, "minimum_amount": positive, "minimum_amount_currency": currency}
            ),
        },
        required=("promotion",),
    ),
    retrieve_route("/v1/promotion_codes/{promotion_code}", "promotion_code"),
    Route("POST", "/v1/promotion_codes/{promotion_code}", _update, {"active": boolean, "metadata": metadata}),
)
