"""Disputes: the money of a charge that a customer takes back through their bank, unless the bank is shown why not.

The bank takes one answer. As in Stripe's own test mode, the words `winning_evidence` and `losing_evidence` as
`uncategorized_text` decide at once. A disputed charge says so itself; refunding one can pay the customer twice.
"""

from __future__ import annotations

from copy import deepcopy

from runplane_mcp.simulator.lists import list_route
from runplane_mcp.simulator.objects import Obj, Params, merge_metadata, new_id
from runplane_mcp.simulator.parameters import Raw, boolean, mapping, metadata, word
from runplane_mcp.simulator.refusal import Refusal, invalid
from runplane_mcp.simulator.routes import Route, retrieve_route
from runplane_mcp.simulator.transaction import Transaction

#: The statuses of an inquiry: no money was taken back yet, so the charge can still be refunded.
INQUIRIES = frozenset({"warning_needs_response", "warning_under_review", "warning_closed"})

_EVIDENCE = (
    *("access_activity_log", "billing_address", "cancellation_policy", "cancellation_policy_disclosure"),
    *("cancellation_rebuttal", "customer_communication", "customer_email_address", "customer_name"),
    *("customer_purchase_ip", "customer_signature", "duplicate_charge_documentation", "duplicate_charge_explanation"),
    *("duplicate_charge_id", "product_description", "receipt", "refund_policy", "refund_policy_disclosure"),
    *("refund_refusal_explanation", "service_date", "service_documentation", "shipping_address", "shipping_carrier"),
    *(
        "shipping_date",
        "shipping_documentation",
        "shipping_tracking_number",
        "uncategorized_file",
        "uncategorized_text",
    ),
)
_WAITS = {"needs_response": "under_review", "warning_needs_response": "warning_under_review"}
_LONGEST_EVIDENCE = 150_000
#: What a dispute costs, in minor units.
_FEE = 1_500


def dispute_object(id: str, *, charge: Obj, created: int, status: str, reason: str) -> Obj:
    return {
        "id": id,
        "object": "dispute",
        "amount": charge["amount"],
        "balance_transactions": [],
        "charge": charge["id"],
        "created": created,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {**dict.fromkeys(_EVIDENCE), "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": created + 10 * 86400,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        "intended_submission_method": None,
        "is_charge_refundable": status in INQUIRIES,
        "livemode": False,
        "metadata": {},
        "network_reason_code": None,
        "payment_intent": charge["payment_intent"],
        "reason": reason,
        "status": status,
    }


def open_dispute(tx: Transaction, charge: Obj, *, status: str, reason: str = "fraudulent") -> Obj:
    """The customer takes the money of a charge back, or (an inquiry) asks what it was for. The charge is stored."""
    dispute = dispute_object(new_id("dp"), charge=charge, created=tx.now, status=status, reason=reason)
    charge["disputed"] = True
    tx.save(charge)
    if status not in INQUIRIES:
        taken = tx.post(
            "adjustment", dispute["id"], -charge["amount"], charge["currency"], fee=_FEE, category="dispute"
        )
        dispute["balance_transactions"] = [tx.require("balance_transaction", taken, "id")]
    tx.insert(dispute)
    tx.schedule(dispute["evidence_details"]["due_by"], dispute["id"])
    # The customer's bank does this, whatever request the payment was made with.
    bank = tx.at(tx.now, tx.account)
    bank.emit("charge.dispute.created", dispute)
    if dispute["balance_transactions"]:
        bank.emit("charge.dispute.funds_withdrawn", dispute)
    return dispute


def _close(tx: Transaction, params: Params) -> Obj:
    """Gives the dispute up: the customer keeps the money, an inquiry ends."""
    dispute = tx.require("dispute", params["dispute"], "dispute", status=404)
    if dispute["status"] not in _WAITS:
        raise Refusal(f"A dispute that is {dispute['status']} cannot be closed.", param="dispute")
    before = deepcopy(dispute)
    dispute["status"] = "lost" if dispute["status"] == "needs_response" else "warning_closed"
    tx.save(dispute)
    tx.emit("charge.dispute.closed", dispute, before=before)
    return dispute


def _long_text(value: Raw, name: str) -> str:
    """Evidence is longer than other texts; all of it together has a bound."""
    if not isinstance(value, str):
        raise invalid(f"'{name}' must be a string.", name)
    return value


def _update(tx: Transaction, params: Params) -> Obj:
    dispute = tx.require("dispute", params["dispute"], "dispute", status=404)
    before = deepcopy(dispute)
    given = params.get("evidence", {})
    submits = params.get("submit", bool(given))
    if (given or submits) and dispute["status"] not in _WAITS:
        raise Refusal(f"A dispute that is {dispute['status']} takes no evidence.", param="evidence")
    for name, value in given.items():
        dispute["evidence"][name] = value or None
    held = [dispute["evidence"][name] for name in _EVIDENCE if dispute["evidence"][name]]
    if sum(map(len, held)) > _LONGEST_EVIDENCE:
        raise invalid(f"Evidence may have {_LONGEST_EVIDENCE} characters in all.", "evidence")
    dispute["evidence_details"]["has_evidence"] = bool(held)
    if "metadata" in params:
        dispute["metadata"] = merge_metadata(dispute["metadata"], params["metadata"])
    if submits:
        dispute["evidence_details"]["submission_count"] += 1
        dispute["evidence_details"]["submission_method"] = "manual"
        dispute["status"] = _WAITS[dispute["status"]]
    tx.save(dispute)
    tx.emit("charge.dispute.updated", dispute, before=before)
    if submits:
        _decide(tx, dispute)
    return dispute


def _decide(tx: Transaction, dispute: Obj) -> None:
    """What the bank says at once to the words that stand for its verdict."""
    verdict = {"winning_evidence": "won", "losing_evidence": "lost"}.get(
        dispute["evidence"]["uncategorized_text"] or ""
    )
    if verdict is None:
        return
    before = deepcopy(dispute)
    inquiry = dispute["status"] in INQUIRIES
    dispute["status"] = "warning_closed" if inquiry else verdict
    if verdict == "won" and not inquiry:
        back = tx.post("adjustment", dispute["id"], dispute["amount"], dispute["currency"], category="dispute_reversal")
        dispute["balance_transactions"].append(tx.require("balance_transaction", back, "id"))
    tx.save(dispute)
    if verdict == "won" and not inquiry:
        tx.emit("charge.dispute.funds_reinstated", dispute, before=before)
    tx.emit("charge.dispute.closed", dispute, before=before)


ROUTES = (
    list_route("/v1/disputes", "dispute", {"charge": word, "payment_intent": word}),
    retrieve_route("/v1/disputes/{dispute}", "dispute"),
    Route(
        "POST",
        "/v1/disputes/{dispute}",
        _update,
        {"evidence": mapping(dict.fromkeys(_EVIDENCE, _long_text)), "metadata": metadata, "submit": boolean},
    ),
    Route("POST", "/v1/disputes/{dispute}/close", _close),
)
