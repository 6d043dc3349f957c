"""Disputes, to look at. A disputed charge says so itself; refunding one can pay the customer twice."""

from __future__ import annotations

from runplane_mcp.simulator.lists import list_route
from runplane_mcp.simulator.objects import Obj
from runplane_mcp.simulator.parameters import word
from runplane_mcp.simulator.routes import retrieve_route

#: The statuses of an inquiry: no money was taken back yet, so the charge can still be refunded.
INQUIRIES = frozenset({"warning_needs_response", "warning_under_review", "warning_closed"})


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
        "evidence": {},
        "evidence_details": {
            "due_by": created + 10 * 86400,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": status in INQUIRIES,
        "livemode": False,
        "metadata": {},
        "network_reason_code": None,
        "payment_intent": charge["payment_intent"],
        "reason": reason,
        "status": status,
    }


ROUTES = (
    list_route("/v1/disputes", "dispute", {"charge": word, "payment_intent": word}),
    retrieve_route("/v1/disputes/{dispute}", "dispute"),
)
