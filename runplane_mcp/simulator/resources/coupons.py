"""Coupons: what may be taken off, how often and for how long. What redeeming one makes is in `discounts`."""

from __future__ import annotations

from runplane_mcp.simulator.lists import list_route
from runplane_mcp.simulator.objects import Obj, Params, merge_metadata, new_id
from runplane_mcp.simulator.parameters import (
    Raw,
    array,
    currency,
    integer,
    mapping,
    metadata,
    one_of,
    positive,
    text,
    word,
)
from runplane_mcp.simulator.refusal import Refusal, invalid
from runplane_mcp.simulator.resources.discounts import retired_id
from runplane_mcp.simulator.routes import Route, retrieve_route
from runplane_mcp.simulator.transaction import Transaction


def coupon_object(
    id: str,
    *,
    created: int,
    duration: str,
    percent: float | None = None,
    amount: int | None = None,
    code: str | None = None,
    months: int | None = None,
    name: str | None = None,
) -> Obj:
    return {
        "id": id,
        "object": "coupon",
        "amount_off": amount,
        "created": created,
        "currency": code,
        "duration": duration,
        "duration_in_months": months,
        "livemode": False,
        "max_redemptions": None,
        "metadata": {},
        "name": name,
        "percent_off": percent,
        "redeem_by": None,
        "times_redeemed": 0,
        "valid": True,
    }


def percent(value: Raw, name: str) -> float:
    given = word(value, name)
    try:
        share = float(given)
    except ValueError:
        share = 0.0
    if not 0 < share <= 100:
        raise invalid(f"'{name}' must be over 0 and at most 100.", name)
    return int(share) if share == int(share) else share


def _create(tx: Transaction, params: Params) -> Obj:
    if ("percent_off" in params) == ("amount_off" in params):
        raise invalid("Give 'percent_off' or 'amount_off', and only one.", "percent_off", "parameter_missing")
    if "amount_off" in params and "currency" not in params:
        raise invalid("'amount_off' needs a currency.", "currency", "parameter_missing")
    duration = params.get("duration", "once")
    if (duration == "repeating") != ("duration_in_months" in params):
        raise invalid("'duration_in_months' goes with a repeating coupon, and only there.", "duration_in_months")
    id = params.get("id") or new_id("coupon")
    before = tx.find(id)
    # An id is free again once its coupon is deleted.
    if before is not None and not before.get("deleted"):
        raise Refusal(f"There is a coupon '{id}' already.", code="resource_already_exists", param="id")
    coupon = coupon_object(
        id,
        created=tx.now,
        duration=duration,
        percent=params.get("percent_off"),
        amount=params.get("amount_off"),
        code=params.get("currency") if "amount_off" in params else None,
        months=params.get("duration_in_months"),
        name=params.get("name") or None,
    )
    coupon.update(max_redemptions=params.get("max_redemptions"), redeem_by=params.get("redeem_by"))
    coupon["metadata"] = merge_metadata({}, params.get("metadata", {}))
    if "applies_to" in params:
        coupon["applies_to"] = params["applies_to"]
    tx.insert_anew(coupon)
    tx.emit("coupon.created", coupon)
    return coupon


def _update(tx: Transaction, params: Params) -> Obj:
    coupon = tx.require("coupon", params["coupon"], "coupon", status=404)
    before = dict(coupon)
    if "name" in params:
        coupon["name"] = params["name"] or None
    if "metadata" in params:
        coupon["metadata"] = merge_metadata(coupon["metadata"], params["metadata"])
    tx.save(coupon)
    tx.emit("coupon.updated", coupon, before=before)
    return coupon


def _delete(tx: Transaction, params: Params) -> Obj:
    coupon = tx.require("coupon", params["coupon"], "coupon", status=404)
    # Who redeemed it before keeps the discount: https://docs.stripe.com/api/coupons/delete
    tx.put({**coupon, "id": retired_id(coupon["id"]), "object": "retired_coupon"})
    gone = tx.delete(coupon)
    tx.emit("coupon.deleted", coupon)
    return gone


ROUTES = (
    list_route("/v1/coupons", "coupon"),
    Route(
        "POST",
        "/v1/coupons",
        _create,
        {
            "amount_off": positive,
            "applies_to": mapping({"products": array(word)}),
            "currency": currency,
            "duration": one_of("once", "repeating", "forever"),
            "duration_in_months": positive,
            "id": word,
            "max_redemptions": positive,
            "metadata": metadata,
            "name": text,
            "percent_off": percent,
            "redeem_by": integer,
        },
    ),
    retrieve_route("/v1/coupons/{coupon}", "coupon"),
    Route("POST", "/v1/coupons/{coupon}", _update, {"metadata": metadata, "name": text}),
    Route("DELETE", "/v1/coupons/{coupon}", _delete),
)
