"""Quotes: what would be sold at which price, offered, and with acceptance an invoice or a subscription.

Source: https://docs.stripe.com/api/quotes
"""

from __future__ import annotations

from runplane_mcp.simulator import clockwork
from runplane_mcp.simulator.lists import PAGING, equals, list_route, page
from runplane_mcp.simulator.objects import Obj, Params, list_object, merge_metadata, new_id
from runplane_mcp.simulator.parameters import array, currency, integer, mapping, metadata, one_of, positive, text, word
from runplane_mcp.simulator.refusal import Refusal, invalid
from runplane_mcp.simulator.resources.discounts import discount_object
from runplane_mcp.simulator.resources.prices import AMOUNT, RHYTHM, TAX_BEHAVIOR
from runplane_mcp.simulator.resources.quote_acceptance import accept, asked_again
from runplane_mcp.simulator.resources.sold import Sold, details, read_lines, store_lines, take_off
from runplane_mcp.simulator.resources.subscription_changes import percent_of
from runplane_mcp.simulator.routes import Route, retrieve_route
from runplane_mcp.simulator.transaction import Transaction

_DAY = 86_400


def _create(tx: Transaction, params: Params) -> Obj:
    id = new_id("qt")
    quote: Obj = {
        "id": id,
        "object": "quote",
        "amount_subtotal": 0,
        "amount_total": 0,
        "application": None,
        "application_fee_amount": None,
        "application_fee_percent": None,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "collection_method": "charge_automatically",
        "computed": {
            "recurring": None,
            "upfront": {"amount_subtotal": 0, "amount_total": 0, "total_details": details([])},
        },
        "created": tx.now,
        "currency": None,
        "customer": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "expires_at": tx.now + 30 * _DAY,
        "footer": None,
        "from_quote": None,
        "header": None,
        "invoice": None,
        "invoice_settings": {"days_until_due": None, "issuer": {"type": "self"}},
        "livemode": False,
        "metadata": {},
        "number": None,
        "on_behalf_of": None,
        "status": "draft",
        "status_transitions": {"accepted_at": None, "canceled_at": None, "finalized_at": None},
        "subscription": None,
        "subscription_data": {
            "billing_mode": {"type": "flexible"},
            "description": None,
            "effective_date": None,
            "metadata": {},
            "trial_period_days": None,
        },
        "subscription_schedule": None,
        "test_clock": None,
        "total_details": details([]),
        "transfer_data": None,
    }
    tx.insert(quote)
    _apply(tx, quote, params)
    tx.emit("quote.created", quote)
    return quote


def _apply(tx: Transaction, quote: Obj, params: Params) -> None:
    if "customer" in params:
        quote["customer"] = tx.require("customer", params["customer"], "customer")["id"]
    if "collection_method" in params:
        quote["collection_method"] = params["collection_method"]
    days = params.get("invoice_settings", {}).get("days_until_due", quote["invoice_settings"]["days_until_due"])
    if quote["collection_method"] == "send_invoice" and days is None:
        days = 30
    quote["invoice_settings"]["days_until_due"] = days
    for name in ("description", "footer", "header"):
        if name in params:
            quote[name] = params[name] or None
    if "expires_at" in params:
        _set_end(tx, quote, params["expires_at"])
    if "metadata" in params:
        quote["metadata"] = merge_metadata(quote["metadata"], params["metadata"])
    for name, value in params.get("subscription_data", {}).items():
        quote["subscription_data"][name] = value
    for name, account in (
        ("on_behalf_of", params.get("on_behalf_of")),
        ("transfer_data[destination]", params.get("transfer_data", {}).get("destination")),
    ):
        if account:
            tx.require("account", account, name, account=tx.platform)
    for name in ("on_behalf_of", "transfer_data"):
        if name in params:
            quote[name] = params[name] or None
    if "line_items" in params or "discounts" in params:
        _reckon(tx, quote, params)
    tx.save(quote)


def _set_end(tx: Transaction, quote: Obj, at: int) -> None:
    if at <= tx.now:
        raise Refusal("A quote expires in the future.", param="expires_at")
    quote["expires_at"] = at


def _reckon(tx: Transaction, quote: Obj, params: Params) -> None:
    """Works out what is offered: what is paid once, what is paid first, and what every interval."""
    discounts: list[Params] = params["discounts"] if "discounts" in params else asked_again(tx, quote)
    if "line_items" in params:
        lines = read_lines(tx, params["line_items"])
    else:
        lines = [Sold(item["price"], item["quantity"], item["amount_subtotal"]) for item in lines_of(tx, quote)]
    if discounts and not lines:
        raise invalid("There is nothing to discount yet.", "discounts")
    take_off(tx, lines, discounts, quote["customer"])
    for old in lines_of(tx, quote):
        tx.delete(old)
    store_lines(tx, lines, quote=quote["id"])
    upfront = _sums(lines)
    recurring = [line for line in lines if line.price["recurring"]]
    rhythm = recurring[0].price["recurring"] if recurring else {}
    quote.update(
        amount_subtotal=upfront["amount_subtotal"],
        amount_total=upfront["amount_total"],
        currency=lines[0].price["currency"] if lines else None,
        discounts=[_offer(tx, quote, each) for each in discounts],
        total_details=upfront["total_details"],
        computed={
            "recurring": {
                **_sums(recurring),
                "interval": rhythm["interval"],
                "interval_count": rhythm["interval_count"],
            }
            if recurring
            else None,
            "upfront": upfront,
        },
    )


def _offer(tx: Transaction, quote: Obj, asked: Params) -> str:
    """A discount as it is offered: nothing is redeemed before the quote is accepted."""
    code = asked.get("promotion_code")
    coupon = asked.get("coupon") or tx.require("promotion_code", str(code), "discounts")["promotion"]["coupon"]
    discount = discount_object(coupon, customer=quote["customer"], start=tx.now, end=None)
    discount["promotion_code"] = code
    tx.insert(discount)
    return str(discount["id"])


def _sums(lines: list[Sold]) -> Obj:
    return {
        "amount_subtotal": sum(line.amount for line in lines),
        "amount_total": sum(line.total for line in lines),
        "total_details": details(lines),
    }


def lines_of(tx: Transaction, quote: Obj) -> list[Obj]:
    """In the order they were asked for."""
    return tx.all("item", "quote", quote["id"])[::-1]


def _require(tx: Transaction, params: Params, *statuses: str) -> Obj:
    quote = tx.require("quote", params["quote"], "quote", status=404)
    if quote["status"] not in statuses:
        raise Refusal(f"The quote is {quote['status']}; this needs one that is {' or '.join(statuses)}.", param="quote")
    return quote


def _update(tx: Transaction, params: Params) -> Obj:
    """A draft changes; of one that is open only what is said about it."""
    changed = set(params) - {"quote", "expand", "metadata"}
    quote = _require(tx, params, "draft") if changed else tx.require("quote", params["quote"], "quote", status=404)
    _apply(tx, quote, params)
    return quote


def _finalize(tx: Transaction, params: Params) -> Obj:
    quote = _require(tx, params, "draft")
    if quote["customer"] is None or not lines_of(tx, quote):
        raise Refusal("A quote needs a customer and something that is sold.", param="quote")
    before = dict(quote)
    _set_end(tx, quote, params["expires_at"] if "expires_at" in params else quote["expires_at"])
    quote.update(status="open", number=f"QT-{quote['id'].removeprefix('qt_')[:8].upper()}-0001-1")
    tx.schedule(quote["expires_at"], quote["id"])
    return _moved(tx, quote, "finalized", before)


def _accept(tx: Transaction, params: Params) -> Obj:
    quote = _require(tx, params, "open")
    before = dict(quote)
    quote["status"] = "accepted"
    accept(tx, quote, lines_of(tx, quote))
    return _moved(tx, quote, "accepted", before)


def _cancel(tx: Transaction, params: Params) -> Obj:
    quote = _require(tx, params, "draft", "open")
    before = dict(quote)
    quote["status"] = "canceled"
    return _moved(tx, quote, "canceled", before)


def _moved(tx: Transaction, quote: Obj, to: str, before: Obj) -> Obj:
    quote["status_transitions"] = {**quote["status_transitions"], f"{to}_at": tx.now}
    tx.save(quote)
    tx.emit(f"quote.{to}", quote, before=before)
    return quote


def _on_time(tx: Transaction, quote: Obj) -> None:
    if quote["status"] == "open" and quote["expires_at"] <= tx.now:
        before = dict(quote)
        quote["status"] = "canceled"
        _moved(tx, quote, "canceled", before)


def _lines(tx: Transaction, params: Params) -> Obj:
    quote = tx.require("quote", params["quote"], "quote", status=404)["id"]
    return page(tx, f"/v1/quotes/{quote}/line_items", "item", params, [equals("quote", quote)])


def _upfront(tx: Transaction, params: Params) -> Obj:
    """What is paid first: with a trial only what is paid once."""
    quote = tx.require("quote", params["quote"], "quote", status=404)
    trial = quote["subscription_data"]["trial_period_days"]
    lines = [line for line in lines_of(tx, quote) if not (trial and line["price"]["recurring"])]
    return list_object(f"/v1/quotes/{quote['id']}/computed_upfront_line_items", lines)


clockwork.on_time("quote", _on_time)

_PRICE_DATA = mapping(
    {
        **AMOUNT,
        "currency": currency,
        "product": word,
        "recurring": RHYTHM,
        "tax_behavior": TAX_BEHAVIOR,
    },
    required=("currency", "product"),
)
_CHANGES = {
    "collection_method": one_of("charge_automatically", "send_invoice"),
    "customer": word,
    "description": text,
    "discounts": array(mapping({"coupon": word, "promotion_code": word}), most=20),
    "expires_at": integer,
    "footer": text,
    "header": text,
    "invoice_settings": mapping({"days_until_due": positive}),
    "line_items": array(mapping({"price": word, "price_data": _PRICE_DATA, "quantity": positive})),
    "metadata": metadata,
    "on_behalf_of": text,
    "subscription_data": mapping({"description": text, "metadata": metadata, "trial_period_days": positive}),
    "transfer_data": mapping(
        {"amount": positive, "amount_percent": percent_of, "destination": word}, required=("destination",)
    ),
}

ROUTES = (
    list_route("/v1/quotes", "quote", {"customer": word, "status": one_of("accepted", "canceled", "draft", "open")}),
    Route("POST", "/v1/quotes", _create, _CHANGES),
    retrieve_route("/v1/quotes/{quote}", "quote"),
    Route("POST", "/v1/quotes/{quote}", _update, _CHANGES),
    Route("POST", "/v1/quotes/{quote}/finalize", _finalize, {"expires_at": integer}),
    Route("POST", "/v1/quotes/{quote}/accept", _accept),
    Route("POST", "/v1/quotes/{quote}/cancel", _cancel),
    Route("GET", "/v1/quotes/{quote}/line_items", _lines, PAGING),
    Route("GET", "/v1/quotes/{quote}/computed_upfront_line_items", _upfront),
)
