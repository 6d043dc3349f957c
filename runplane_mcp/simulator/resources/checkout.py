"""Checkout sessions: pages at which one customer could pay once. Nobody does: nobody clicks in this world.

Source: https://docs.stripe.com/api/checkout/sessions
"""

from __future__ import annotations

from runplane_mcp.simulator import clockwork
from runplane_mcp.simulator.lists import PAGING, equals, list_route, page
from runplane_mcp.simulator.objects import Obj, Params, merge_metadata, new_id
from runplane_mcp.simulator.parameters import (
    array,
    boolean,
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
from runplane_mcp.simulator.resources.payment_links import web_address
from runplane_mcp.simulator.resources.prices import AMOUNT, RHYTHM, TAX_BEHAVIOR
from runplane_mcp.simulator.resources.sold import Sold, details, read_lines, store_lines, take_off
from runplane_mcp.simulator.resources.subscription_changes import TRANSFER_DATA, percent_of
from runplane_mcp.simulator.routes import Route, retrieve_route
from runplane_mcp.simulator.transaction import Transaction

SESSION = "checkout.session"
#: Where a session is paid: a host that is nobody's.
HOST = "https://checkout.simulator.example"
_DAY = 86_400


def _create(tx: Transaction, params: Params) -> Obj:
    mode = params.get("mode")
    lines = read_lines(tx, params.get("line_items", []), params.get("currency") if mode != "setup" else None)
    if mode is None:
        mode = "subscription" if any(line.price["recurring"] for line in lines) else "payment"
        params = {**params, "mode": mode}
    _refuse_impossible(params, mode, lines)
    customer = params.get("customer")
    if customer is not None:
        tx.require("customer", customer, "customer")
    if lines:
        take_off(tx, lines, params.get("discounts", []), customer)
    _whose(tx, params)
    session = _session(tx, params, lines)
    tx.insert(session)
    store_lines(tx, lines, session=session["id"])
    tx.schedule(session["expires_at"], session["id"])
    return session


def _refuse_impossible(params: Params, mode: str, lines: list[Sold]) -> None:
    if mode == "setup" and (lines or "discounts" in params):
        raise invalid("A session that sets up a payment method sells nothing.", "line_items")
    if mode != "setup" and not lines:
        raise invalid("A session sells something.", "line_items", "parameter_missing")
    recurring = any(line.price["recurring"] for line in lines)
    if recurring and mode != "subscription":
        raise Refusal("A price that recurs is sold in the mode 'subscription'.", param="mode")
    if mode == "subscription" and not recurring:
        raise Refusal("A subscription has a price that recurs.", param="line_items")
    for name, other in (("payment_intent_data", "payment"), ("subscription_data", "subscription")):
        if name in params and mode != other:
            raise invalid(f"'{name}' goes with the mode '{other}'.", name)
    if params.get("ui_mode", "hosted_page") == "hosted_page" and "success_url" not in params:
        raise invalid("Say where the payer goes afterwards.", "success_url", "parameter_missing")
    if "customer" in params and "customer_email" in params:
        raise invalid("A customer has an address already.", "customer_email")
    if "discounts" in params and params.get("allow_promotion_codes"):
        raise invalid("Give discounts, or let the payer type codes.", "allow_promotion_codes")


def _whose(tx: Transaction, params: Params) -> None:
    """Whose the money would be: accounts that there are, and a fee only of what is transferred."""
    for name in ("payment_intent_data", "subscription_data"):
        data = params.get(name, {})
        destination = data.get("transfer_data", {}).get("destination")
        for field, id in (("on_behalf_of", data.get("on_behalf_of")), ("transfer_data[destination]", destination)):
            if id is not None:
                tx.require("account", id, f"{name}[{field}]", account=tx.platform)
        fee = "application_fee_amount" in data
        if fee and destination is None and tx.account == tx.platform:
            raise Refusal(
                "A fee is taken of what is transferred: give transfer_data.", param=f"{name}[application_fee_amount]"
            )


def _session(tx: Transaction, params: Params, lines: list[Sold]) -> Obj:
    id = new_id("cs_test")
    expires = params.get("expires_at", tx.now + _DAY)
    if not tx.now + 1_800 <= expires <= tx.now + _DAY:
        raise Refusal("A session expires in half an hour at least and a day at most.", param="expires_at")
    total = sum(line.total for line in lines)
    hosted = params.get("ui_mode", "hosted_page") == "hosted_page"
    return {
        "id": id,
        "object": SESSION,
        "allow_promotion_codes": params.get("allow_promotion_codes"),
        "amount_subtotal": sum(line.amount for line in lines) if lines else None,
        "amount_total": total if lines else None,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "billing_address_collection": params.get("billing_address_collection"),
        "cancel_url": params.get("cancel_url"),
        "client_reference_id": params.get("client_reference_id"),
        "client_secret": None if hosted else f"{id}_secret_simulator",
        "created": tx.now,
        "currency": lines[0].price["currency"] if lines else params.get("currency"),
        "custom_fields": [],
        "custom_text": {
            "after_submit": None,
            "shipping_address": None,
            "submit": None,
            "terms_of_service_acceptance": None,
        },
        "customer": params.get("customer"),
        "customer_creation": params.get("customer_creation", "if_required" if params["mode"] == "payment" else None),
        "customer_details": {"email": params["customer_email"]} if "customer_email" in params else None,
        "customer_email": params.get("customer_email"),
        "discounts": [
            {"coupon": each.get("coupon"), "promotion_code": each.get("promotion_code")}
            for each in params.get("discounts", [])
        ],
        "expires_at": expires,
        "invoice": None,
        "livemode": False,
        "locale": params.get("locale"),
        "metadata": merge_metadata({}, params.get("metadata", {})),
        "mode": params["mode"],
        "payment_intent": None,
        "payment_link": None,
        "payment_method_collection": params.get("payment_method_collection", "always"),
        "payment_method_types": ["card"],
        "payment_status": "no_payment_required" if params["mode"] == "setup" or total == 0 else "unpaid",
        "return_url": params.get("return_url"),
        "setup_intent": None,
        "shipping_options": [],
        "status": "open",
        "submit_type": params.get("submit_type"),
        "subscription": None,
        "success_url": params.get("success_url"),
        "total_details": details(lines) if lines else None,
        "ui_mode": params.get("ui_mode", "hosted_page"),
        "url": f"{HOST}/c/pay/{id}" if hosted else None,
    }


def _update(tx: Transaction, params: Params) -> Obj:
    session = tx.require(SESSION, params["session"], "session", status=404)
    if "metadata" in params:
        session["metadata"] = merge_metadata(session["metadata"], params["metadata"])
    tx.save(session)
    return session


def _expire(tx: Transaction, params: Params) -> Obj:
    session = tx.require(SESSION, params["session"], "session", status=404)
    if session["status"] != "open":
        raise Refusal(f"The session is {session['status']}: only an open one expires.", param="session")
    _end(tx, session)
    return session


def _end(tx: Transaction, session: Obj) -> None:
    before = dict(session)
    session.update(status="expired", url=None)
    tx.save(session)
    tx.emit("checkout.session.expired", session, before=before)


def _on_time(tx: Transaction, session: Obj) -> None:
    if session["status"] == "open" and session["expires_at"] <= tx.now:
        _end(tx, session)


def _lines(tx: Transaction, params: Params) -> Obj:
    session = tx.require(SESSION, params["session"], "session", status=404)["id"]
    return page(tx, f"{_PATH}/{session}/line_items", "item", params, [equals("session", session)])


clockwork.on_time(SESSION, _on_time)

_PATH = "/v1/checkout/sessions"
_PRODUCT = mapping({"description": text, "metadata": metadata, "name": word}, required=("name",))
_PRICE_DATA = mapping(
    {
        **AMOUNT,
        "currency": currency,
        "product": word,
        "product_data": _PRODUCT,
        "recurring": RHYTHM,
        "tax_behavior": TAX_BEHAVIOR,
    },
    required=("currency",),
)
_INTENT = mapping(
    {
        "application_fee_amount": positive,
        "capture_method": one_of("automatic", "automatic_async", "manual"),
        "description": text,
        "metadata": metadata,
        "on_behalf_of": word,
        "receipt_email": word,
        "setup_future_usage": one_of("off_session", "on_session"),
        "statement_descriptor": text,
        "statement_descriptor_suffix": text,
        "transfer_data": mapping({"amount": positive, "destination": word}, required=("destination",)),
        "transfer_group": word,
    }
)
_SUBSCRIPTION = mapping(
    {
        "application_fee_percent": percent_of,
        "description": text,
        "metadata": metadata,
        "on_behalf_of": word,
        "transfer_data": TRANSFER_DATA,
        "trial_end": integer,
        "trial_period_days": positive,
    }
)

ROUTES = (
    list_route(_PATH, SESSION, {"customer": word, "status": one_of("complete", "expired", "open")}),
    Route(
        "POST",
        _PATH,
        _create,
        {
            "allow_promotion_codes": boolean,
            "billing_address_collection": one_of("auto", "required"),
            "cancel_url": web_address,
            "client_reference_id": word,
            "currency": currency,
            "customer": word,
            "customer_creation": one_of("always", "if_required"),
            "customer_email": word,
            "discounts": array(mapping({"coupon": word, "promotion_code": word}), most=20),
            "expires_at": integer,
            "line_items": array(mapping({"price": word, "price_data": _PRICE_DATA, "quantity": positive})),
            "locale": word,
            "metadata": metadata,
            "mode": one_of("payment", "setup", "subscription"),
            "payment_intent_data": _INTENT,
            "payment_method_collection": one_of("always", "if_required"),
            "return_url": web_address,
            "submit_type": one_of("auto", "book", "donate", "pay", "subscribe"),
            "subscription_data": _SUBSCRIPTION,
            "success_url": web_address,
            "ui_mode": one_of("elements", "embedded_page", "form", "hosted_page"),
        },
    ),
    retrieve_route(f"{_PATH}/{{session}}", SESSION),
    Route("POST", f"{_PATH}/{{session}}", _update, {"metadata": metadata}),
    Route("POST", f"{_PATH}/{{session}}/expire", _expire),
    Route("GET", f"{_PATH}/{{session}}/line_items", _lines, PAGING),
)
