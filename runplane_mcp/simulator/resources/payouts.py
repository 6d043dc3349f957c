"""Payouts: money that leaves the balance for a bank account. They can be canceled while they are pending."""

from __future__ import annotations

from runplane_mcp.core.money import WHOLE_UNITS_IN_PAYOUTS, WHOLE_UNITS_ONLY, Money, exponent
from runplane_mcp.simulator.expansion import OF_ACCOUNT
from runplane_mcp.simulator.lists import list_route, within
from runplane_mcp.simulator.objects import Obj, Params, merge_metadata, new_id
from runplane_mcp.simulator.parameters import currency, metadata, one_of, positive, span, text, word
from runplane_mcp.simulator.refusal import Refusal, declined, invalid
from runplane_mcp.simulator.routes import Route, retrieve_route
from runplane_mcp.simulator.transaction import Transaction

#: A standard payout arrives two days later, an instant one after half an hour for one percent, fifty cents at least.
_STANDARD_TAKES = 2 * 86400
_INSTANT_TAKES = 1800


def payout_object(
    id: str, *, amount: int, code: str, destination: str, created: int, arrival: int, method: str = "standard"
) -> Obj:
    return {
        "id": id,
        "object": "payout",
        "amount": amount,
        "application_fee": None,
        "application_fee_amount": None,
        "arrival_date": arrival,
        "automatic": False,
        "balance_transaction": None,
        "created": created,
        "currency": code,
        "description": None,
        "destination": destination,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": {},
        "method": method,
        "original_payout": None,
        "payout_method": None,
        "reconciliation_status": "not_applicable",
        "reversed_by": None,
        "source_type": "card",
        "statement_descriptor": None,
        "status": "pending" if method == "standard" else "in_transit",
        "trace_id": None,
        "type": "bank_account",
    }


def _banks(tx: Transaction) -> list[Obj]:
    return tx.select([f"kind IN ('bank_account', 'card') AND {OF_ACCOUNT}"], [], "DESC", -1)


def default_bank(tx: Transaction, code: str) -> Obj | None:
    """Where payouts of a currency go if nothing else is said."""
    found = (bank for bank in _banks(tx) if bank["currency"] == code and bank["default_for_currency"])
    return next(found, None)


def _bank_account(tx: Transaction, code: str, wanted: str | None) -> Obj:
    """The bank account named, or the default one of the currency."""
    if wanted is None:
        chosen = default_bank(tx, code)
        if chosen is None:
            raise Refusal(f"There is no bank account for {code}.", param="currency")
        return chosen
    for bank in _banks(tx):
        if bank["id"] == wanted:
            if bank["currency"] != code:
                raise Refusal(f"That bank account takes {bank['currency']}, not {code}.", param="destination")
            return bank
    raise Refusal(f"There is no bank account '{wanted}'.", code="resource_missing", param="destination")


def send_payout(
    tx: Transaction,
    *,
    amount: int,
    code: str,
    bank: Obj,
    method: str = "standard",
    automatic: bool = False,
    words: Obj | None = None,
) -> Obj:
    """Takes the money off the balance and sends it to the bank. 402 leaves a failed payout where that was ordered."""
    instant = method == "instant"
    fee = max(amount // 100, 10 ** exponent(code) // 2) if instant else 0
    payout = payout_object(
        new_id("po"),
        amount=amount,
        code=code,
        destination=bank["id"],
        created=tx.now,
        arrival=tx.now + (_INSTANT_TAKES if instant else _STANDARD_TAKES),
        method=method,
    )
    payout.update(words or {})
    payout.update(automatic=automatic, type=bank["object"])
    tx.need(amount + fee, code)
    if tx.declined:
        payout.update(status="failed", failure_code="declined", failure_message="The bank declined this payout.")
        tx.insert(payout)
        tx.emit("payout.failed", payout)
        raise declined("The bank declined this payout.", payout)
    payout["balance_transaction"] = tx.post("payout", payout["id"], -amount, code, fee=fee, description="STRIPE PAYOUT")
    tx.insert(payout)
    tx.schedule(payout["arrival_date"], payout["id"])
    tx.emit("payout.created", payout)
    return payout


def _create(tx: Transaction, params: Params) -> Obj:
    amount, code, method = params["amount"], params["currency"], params.get("method", "standard")
    smallest = 10 ** exponent(code)
    if amount < smallest:
        raise invalid(f"The smallest payout is {Money(smallest, code)}.", "amount", "amount_too_small")
    if code in WHOLE_UNITS_IN_PAYOUTS | WHOLE_UNITS_ONLY and amount % 100:
        raise invalid(f"A payout in {code} is a multiple of 100.", "amount", "parameter_invalid_integer")
    if not tx.require("account", tx.account, "account", account=tx.platform)["payouts_enabled"]:
        raise Refusal("This account may not pay out.", code="payouts_not_allowed")
    bank = _bank_account(tx, code, params.get("destination"))
    if method == "instant" and "instant" not in bank["available_payout_methods"]:
        raise Refusal("That bank account takes no instant payouts.", code="instant_payouts_unsupported", param="method")
    words = {
        "description": params.get("description") or None,
        "metadata": merge_metadata({}, params.get("metadata", {})),
        "statement_descriptor": params.get("statement_descriptor") or None,
    }
    return send_payout(tx, amount=amount, code=code, bank=bank, method=method, words=words)


def _cancel(tx: Transaction, params: Params) -> Obj:
    payout = tx.require("payout", params["payout"], "payout", status=404)
    if payout["status"] != "pending" or payout["amount"] < 0:
        raise Refusal(f"A payout that is {payout['status']} cannot be canceled.", param="payout")
    before = dict(payout)
    payout["status"] = "canceled"
    payout["failure_balance_transaction"] = tx.post(
        "payout_cancel", payout["id"], payout["amount"], payout["currency"], category="payout_reversal"
    )
    tx.save(payout)
    tx.emit("payout.canceled", payout, before=before)
    return payout


def _reverse(tx: Transaction, params: Params) -> Obj:
    """Debits the bank account again: a new payout of the negative amount, for a paid one to a US bank account."""
    payout = tx.require("payout", params["payout"], "payout", status=404)
    bank = tx.find(payout["destination"])
    if payout["status"] != "paid" or payout["amount"] < 0 or payout["reversed_by"]:
        raise Refusal("Only a paid payout that was not reversed yet can be reversed.", param="payout")
    if bank is None or bank.get("country") not in ("US", "CA"):
        raise Refusal("Only payouts to bank accounts in the US and Canada can be reversed.", param="payout")
    before = dict(payout)
    back = payout_object(
        new_id("po"),
        amount=-payout["amount"],
        code=payout["currency"],
        destination=payout["destination"],
        created=tx.now,
        arrival=tx.now + _STANDARD_TAKES,
    )
    back.update(original_payout=payout["id"], metadata=merge_metadata({}, params.get("metadata", {})))
    back["balance_transaction"] = tx.post(
        "payout", back["id"], payout["amount"], payout["currency"], available_on=back["arrival_date"]
    )
    payout["reversed_by"] = back["id"]
    tx.insert(back)
    tx.save(payout)
    tx.schedule(back["arrival_date"], back["id"])
    tx.emit("payout.created", back)
    tx.emit("payout.updated", payout, before=before)
    return back


def _update(tx: Transaction, params: Params) -> Obj:
    payout = tx.require("payout", params["payout"], "payout", status=404)
    before = dict(payout)
    if "metadata" in params:
        payout["metadata"] = merge_metadata(payout["metadata"], params["metadata"])
    tx.save(payout)
    tx.emit("payout.updated", payout, before=before)
    return payout


ROUTES = (
    Route(
        "POST",
        "/v1/payouts",
        _create,
        {
            "amount": positive,
            "currency": currency,
            "description": text,
            "destination": word,
            "metadata": metadata,
            "method": one_of("standard", "instant"),
            "source_type": one_of("card"),
            "statement_descriptor": text,
        },
        required=("amount", "currency"),
        leaves_failed=True,
    ),
    list_route(
        "/v1/payouts",
        "payout",
        {"destination": word, "status": word},
        special={"arrival_date": span},
        clauses=lambda _tx, params: within("json_extract(body, '$.arrival_date')", params.get("arrival_date", {})),
    ),
    retrieve_route("/v1/payouts/{payout}", "payout"),
    Route("POST", "/v1/payouts/{payout}", _update, {"metadata": metadata}),
    Route("POST", "/v1/payouts/{payout}/cancel", _cancel),
    Route("POST", "/v1/payouts/{payout}/reverse", _reverse, {"metadata": metadata}),
)
