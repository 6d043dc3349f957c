"""Payment links: addresses at which anybody could pay. Nobody does: the simulated company's customers do not click."""

from __future__ import annotations

from urllib.parse import urlsplit

from runplane_mcp.simulator.lists import list_route
from runplane_mcp.simulator.objects import Obj, Params, merge_metadata, new_id
from runplane_mcp.simulator.parameters import Raw, array, boolean, mapping, metadata, one_of, positive, text, word
from runplane_mcp.simulator.refusal import Refusal, invalid
from runplane_mcp.simulator.resources.pricing import amount_of
from runplane_mcp.simulator.routes import Route, retrieve_route
from runplane_mcp.simulator.transaction import Transaction


def payment_link_object(id: str, *, code: str) -> Obj:
    return {
        "id": id,
        "object": "payment_link",
        "active": True,
        "after_completion": {
            "hosted_confirmation": {"custom_message": None},
            "redirect": None,
            "type": "hosted_confirmation",
        },
        "allow_promotion_codes": False,
        "application": None,
        "application_fee_amount": None,
        "application_fee_percent": None,
        "automatic_tax": {"enabled": False, "liability": None},
        "billing_address_collection": "auto",
        "consent_collection": None,
        "currency": code,
        "custom_fields": [],
        "custom_text": {
            "after_submit": None,
            "shipping_address": None,
            "submit": None,
            "terms_of_service_acceptance": None,
        },
        "customer_creation": "if_required",
        "inactive_message": None,
        "invoice_creation": None,
        "livemode": False,
        "metadata": {},
        "on_behalf_of": None,
        "payment_intent_data": None,
        "payment_method_collection": "always",
        "payment_method_types": None,
        "phone_number_collection": {"enabled": False},
        "restrictions": None,
        "shipping_address_collection": None,
        "shipping_options": [],
        "submit_type": "auto",
        "subscription_data": None,
        "tax_id_collection": {"enabled": False, "required": "never"},
        "transfer_data": None,
        "url": f"https://buy.stripe.com/test_{id.removeprefix('plink_')}",
    }


def add_line(tx: Transaction, link: str, price: Obj, quantity: int, *, id: str | None = None) -> None:
    """One line of what a link sells."""
    product = tx.require("product", price["product"], "product")
    # What the payer chooses is not known yet.
    total = 0 if price["custom_unit_amount"] is not None else amount_of(tx, price, quantity)
    tx.insert(
        {
            "id": id or new_id("li"),
            "object": "item",
            "adjustable_quantity": None,
            "amount_discount": 0,
            "amount_subtotal": total,
            "amount_tax": 0,
            "amount_total": total,
            "currency": price["currency"],
            "description": product["name"],
            "metadata": {},
            "payment_link": link,
            "price": price,
            "quantity": quantity,
        }
    )


def _create(tx: Transaction, params: Params) -> Obj:
    lines = params["line_items"]
    if not lines:
        raise invalid("A payment link sells something.", "line_items", "parameter_missing")
    prices = [_price(tx, line, number) for number, line in enumerate(lines)]
    if len({price["currency"] for price in prices}) > 1:
        raise Refusal("All prices of a payment link have one currency.", param="line_items")
    link = payment_link_object(new_id("plink"), code=prices[0]["currency"])
    recurring = any(price["recurring"] for price in prices)
    if recurring:
        link["customer_creation"] = "always"
    for name in ("allow_promotion_codes", "billing_address_collection", "phone_number_collection", "restrictions",
                 "submit_type"):  # fmt: skip
        if name in params:
            link[name] = params[name]
    if "after_completion" in params:
        link["after_completion"] = _after(params["after_completion"])
    _connect(tx, link, params)
    link["metadata"] = merge_metadata({}, params.get("metadata", {}))
    tx.insert(link)
    for line, price in zip(lines, prices, strict=True):
        add_line(tx, link["id"], price, line["quantity"])
    tx.emit("payment_link.created", link)
    return link


def _price(tx: Transaction, line: Params, number: int) -> Obj:
    param = f"line_items[{number}][price]"
    price = tx.require("price", line["price"], param)
    if not price["active"]:
        raise Refusal(f"The price {price['id']} is inactive: only an active one can be sold.", param=param)
    return price


def _after(given: Params) -> Obj:
    """What the payer sees at last: a confirmation, or another address."""
    if given["type"] == "hosted_confirmation":
        message = given.get("hosted_confirmation", {}).get("custom_message") or None
        return {"hosted_confirmation": {"custom_message": message}, "redirect": None, "type": "hosted_confirmation"}
    if "redirect" not in given:
        raise invalid("Say where to redirect to.", "after_completion[redirect]", "parameter_missing")
    return {"hosted_confirmation": None, "redirect": given["redirect"], "type": "redirect"}


def _connect(tx: Transaction, link: Obj, params: Params) -> None:
    """Whose the money is: another account's, with a fee for the platform."""
    for name, id in (
        ("on_behalf_of", params.get("on_behalf_of")),
        ("transfer_data[destination]", params.get("transfer_data", {}).get("destination")),
    ):
        if id is not None:
            tx.require("account", id, name, account=tx.platform)
    if "application_fee_amount" in params and "transfer_data" not in params:
        raise Refusal("A fee is taken of what is transferred: give transfer_data.", param="application_fee_amount")
    for name in ("application_fee_amount", "on_behalf_of", "transfer_data"):
        if name in params:
            link[name] = params[name]


def _update(tx: Transaction, params: Params) -> Obj:
    link = tx.require("payment_link", params["payment_link"], "payment_link", status=404)
    before = dict(link)
    if "active" in params:
        link["active"] = params["active"]
    if "metadata" in params:
        link["metadata"] = merge_metadata(link["metadata"], params["metadata"])
    tx.save(link)
    tx.emit("payment_link.updated", link, before=before)
    return link


def web_address(value: Raw, name: str) -> str:
    given = word(value, name)
    parts = urlsplit(given)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise invalid(f"'{given}' is not a web address.", name, "url_invalid")
    return given


_LINE = mapping({"price": word, "quantity": positive}, required=("price", "quantity"))
_AFTER = mapping(
    {
        "hosted_confirmation": mapping({"custom_message": text}),
        "redirect": mapping({"url": web_address}, required=("url",)),
        "type": one_of("hosted_confirmation", "redirect"),
    },
    required=("type",),
)

ROUTES = (
    list_route("/v1/payment_links", "payment_link", {"active": boolean}),
    Route(
        "POST",
        "/v1/payment_links",
        _create,
        {
            "after_completion": _AFTER,
            "allow_promotion_codes": boolean,
            "application_fee_amount": positive,
            "billing_address_collection": one_of("auto", "required"),
            "line_items": array(_LINE, most=20),
            "metadata": metadata,
            "on_behalf_of": word,
            "phone_number_collection": mapping({"enabled": boolean}, required=("enabled",)),
            "restrictions": mapping(
                {"completed_sessions": mapping({"limit": positive}, required=("limit",))},
                required=("completed_sessions",),
            ),
            "submit_type": one_of("auto", "book", "donate", "pay", "subscribe"),
            "transfer_data": mapping({"amount": positive, "destination": word}, required=("destination",)),
        },
        required=("line_items",),
    ),
    retrieve_route("/v1/payment_links/{payment_link}", "payment_link"),
    Route("POST", "/v1/payment_links/{payment_link}", _update, {"active": boolean, "metadata": metadata}),
    list_route("/v1/payment_links/{payment_link}/line_items", "item"),
)
