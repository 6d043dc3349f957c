"""`expand`: ids replaced by the objects they name, and the lists that an object carries along.

Source: https://docs.stripe.com/api/expanding_objects (four levels at most, `data.` for what is in a list).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from runplane_mcp.simulator.objects import Obj, list_object
from runplane_mcp.simulator.refusal import invalid
from runplane_mcp.simulator.transaction import Transaction

_DEEPEST = 4
#: What tells an account's own bank accounts and cards from those of its customers.
OF_ACCOUNT = "json_extract(body, '$.account') IS NOT NULL"

#: The fields of each kind that hold the id of another object of the same partition; with a dot what lies deeper in it.
EXPANDABLE: Mapping[str, frozenset[str]] = {
    kind: frozenset(fields.split())
    for kind, fields in {
        "application_fee": "account balance_transaction charge originating_transaction",
        "balance_transaction": "source",
        "billing.credit_balance_transaction": "credit_grant",
        "billing.credit_grant": "customer",
        "card": "account customer",
        "charge": "application_fee balance_transaction customer failure_balance_transaction on_behalf_of"
        " payment_intent review source_transfer transfer",
        "checkout.session": "customer invoice payment_intent setup_intent subscription",
        "credit_note": "customer customer_balance_transaction invoice",
        "customer_balance_transaction": "credit_note customer invoice",
        "discount": "customer promotion_code source.coupon",
        "dispute": "charge payment_intent",
        "fee_refund": "balance_transaction fee",
        "file_link": "file",
        "invoice": "customer discounts parent.subscription_details.subscription",
        "invoice_payment": "invoice payment.payment_intent",
        "invoiceitem": "customer discounts invoice",
        "issuing.card": "replaced_by replacement_for",
        "line_item": "discounts",
        "payment_intent": "customer latest_charge on_behalf_of payment_method review",
        "payment_method": "customer",
        "payout": "balance_transaction destination failure_balance_transaction original_payout reversed_by",
        "price": "product",
        "product": "default_price",
        "promotion_code": "customer promotion.coupon",
        "quote": "customer discounts invoice subscription subscription_schedule",
        "refund": "balance_transaction charge customer failure_balance_transaction payment_intent"
        " source_transfer_reversal transfer_reversal",
        "review": "charge payment_intent",
        "setup_intent": "customer on_behalf_of payment_method",
        "subscription": "customer discounts latest_invoice schedule",
        "subscription_item": "discounts",
        "subscription_schedule": "customer subscription",
        "topup": "balance_transaction",
        "transfer": "balance_transaction destination destination_payment source_transaction",
        "transfer_reversal": "balance_transaction source_refund transfer",
    }.items()
}


def _external_accounts(tx: Transaction, account: Obj) -> Obj:
    there = tx.on(account["id"])
    found = there.select([f"kind IN ('bank_account', 'card') AND {OF_ACCOUNT}"], [], "DESC", 11)
    return list_object(f"/v1/accounts/{account['id']}/external_accounts", found[:10], has_more=len(found) > 10)


def _reversals(tx: Transaction, transfer: Obj) -> Obj:
    found = tx.all("transfer_reversal", "transfer", transfer["id"])
    return list_object(f"/v1/transfers/{transfer['id']}/reversals", found[:10], has_more=len(found) > 10)


def _fee_refunds(tx: Transaction, fee: Obj) -> Obj:
    found = tx.all("fee_refund", "fee", fee["id"])
    return list_object(f"/v1/application_fees/{fee['id']}/refunds", found[:10], has_more=len(found) > 10)


def _refunds(tx: Transaction, charge: Obj) -> Obj:
    found = tx.all("refund", "charge", charge["id"])
    return list_object(f"/v1/charges/{charge['id']}/refunds", found[:10], has_more=len(found) > 10)


def _subscriptions(tx: Transaction, customer: Obj) -> Obj:
    found = [held for held in tx.all("subscription", "customer", customer["id"]) if held["status"] != "canceled"]
    return list_object(f"/v1/customers/{customer['id']}/subscriptions", found[:10], has_more=len(found) > 10)


def _line_items(tx: Transaction, link: Obj) -> Obj:
    found = tx.all("item", "payment_link", link["id"])
    return list_object(f"/v1/payment_links/{link['id']}/line_items", found)


def _lines_of_session(tx: Transaction, session: Obj) -> Obj:
    found = tx.all("item", "session", session["id"])[:10]
    return list_object(f"/v1/checkout/sessions/{session['id']}/line_items", found)


def _lines_of_quote(tx: Transaction, quote: Obj) -> Obj:
    found = tx.all("item", "quote", quote["id"])[:10]
    return list_object(f"/v1/quotes/{quote['id']}/line_items", found)


def _payments(tx: Transaction, invoice: Obj) -> Obj:
    found = tx.all("invoice_payment", "invoice", invoice["id"])
    return list_object(f"/v1/invoice_payments?invoice={invoice['id']}", found[:10], has_more=len(found) > 10)


def _tiers(tx: Transaction, price: Obj) -> list[Obj] | None:
    held = tx.find(f"{price['id']}/tiers")
    return None if held is None else list(held["tiers"])


_Lists = Mapping[tuple[str, str], Callable[[Transaction, Obj], Obj | list[Obj] | None]]
#: Lists that an object always carries, and those it carries only when asked to.
_CARRIED: _Lists = {
    ("account", "external_accounts"): _external_accounts,
    ("application_fee", "refunds"): _fee_refunds,
    ("transfer", "reversals"): _reversals,
}
_ON_REQUEST: _Lists = {
    ("charge", "refunds"): _refunds,
    ("checkout.session", "line_items"): _lines_of_session,
    ("customer", "subscriptions"): _subscriptions,
    ("payment_link", "line_items"): _line_items,
    ("invoice", "payments"): _payments,
    ("price", "tiers"): _tiers,
    ("quote", "line_items"): _lines_of_quote,
}


#: What an object shows only where it is asked for; its own route puts it there, or it cannot be had.
_REVEALED = frozenset({("apps.secret", "payload"), ("issuing.card", "cvc"), ("issuing.card", "number")})


def complete(tx: Transaction, obj: Obj) -> Obj:
    """Adds the lists that an object, or each object of a list, always carries."""
    if obj["object"] == "list":
        for inner in obj["data"]:
            complete(tx, inner)
    for (kind, field), load in _CARRIED.items():
        if obj["object"] == kind:
            obj[field] = load(tx, obj)
    return obj


def expand(tx: Transaction, obj: Obj, paths: list[str]) -> Obj:
    """The object with every path expanded in place. 400 for a path that cannot be expanded."""
    for path in paths:
        steps = path.split(".")
        if len(steps) > _DEEPEST:
            raise invalid(f"'{path}' goes deeper than {_DEEPEST} levels.", "expand")
        if (obj["object"], path) in _REVEALED and path in obj:
            continue
        _follow(tx, obj, steps, path)
    return obj


def _follow(tx: Transaction, obj: Obj, steps: list[str], path: str, kind: str = "", above: str = "") -> None:
    """`kind` and `above`: the object that `obj` is a part of, and the way from there."""
    field, rest = steps[0], steps[1:]
    if "object" in obj:
        kind, above = obj["object"], ""
    if kind == "list" and field == "data":
        for inner in obj["data"]:
            if rest:
                _follow(tx, inner, rest, path)
        return
    if (kind, field) in _ON_REQUEST and field not in obj:
        obj[field] = _ON_REQUEST[kind, field](tx, obj)
    value = obj.get(field)
    if above + field in EXPANDABLE.get(kind, ()):
        if isinstance(value, str):
            value = obj[field] = _loaded(tx, value)
        elif isinstance(value, list):
            obj[field] = [_loaded(tx, each) if isinstance(each, str) else each for each in value]
            for inner in obj[field]:
                if rest and isinstance(inner, dict):
                    _follow(tx, inner, rest, path)
    elif not rest and (kind, field) in {**_CARRIED, **_ON_REQUEST}:
        return
    elif not isinstance(value, dict) or not rest:
        raise invalid(f"'{path}' cannot be expanded.", "expand")
    if rest and isinstance(value, dict):
        _follow(tx, value, rest, path, kind, f"{above}{field}.")


def _loaded(tx: Transaction, id: str) -> Obj | str:
    """The object an id names. An account and a fee live with the platform, everything else in the partition itself,
    except a payment that a connected account got."""
    there = tx.on(tx.platform) if id.startswith(("acct_", "fee_")) else tx
    found = there.find(id)
    if found is None and id.startswith("py_") and tx.account == tx.platform:
        row = tx.db.execute("SELECT account FROM object WHERE id = ? AND kind = 'charge'", (id,)).fetchone()
        found = None if row is None else tx.find(id, account=row[0])
    return id if found is None else complete(there, found)
