"""Reviews: payments that a person is asked to look at. Approving one says that nothing is wrong with it."""

from __future__ import annotations

from runplane_mcp.simulator.lists import list_route
from runplane_mcp.simulator.objects import Obj, Params, new_id
from runplane_mcp.simulator.refusal import Refusal
from runplane_mcp.simulator.routes import Route, retrieve_route
from runplane_mcp.simulator.transaction import Transaction


def open_review(tx: Transaction, charge: Obj, intent: Obj | None) -> str:
    """Asks for a person's look at a charge that was made. Returns the review's id, which the charge keeps."""
    review: Obj = {
        "id": new_id("prv"),
        "object": "review",
        "billing_zip": None,
        "charge": charge["id"],
        "closed_reason": None,
        "created": tx.now,
        "ip_address": None,
        "ip_address_location": None,
        "livemode": False,
        "open": True,
        "opened_reason": "rule",
        "payment_intent": intent["id"] if intent is not None else None,
        "reason": "rule",
        "session": None,
    }
    charge["review"] = review["id"]
    charge["outcome"].update(risk_level="elevated", risk_score=68, type="manual_review")
    tx.insert(review)
    tx.save(charge)
    tx.emit("review.opened", review)
    return str(review["id"])


def close_review(tx: Transaction, id: str | None, reason: str) -> None:
    """Nobody has to look any more: `approved`, or what happened to the payment."""
    review = None if id is None else tx.require("review", id, "review", status=404)
    if review is None or not review["open"]:
        return
    before = dict(review)
    review.update(open=False, reason=reason, closed_reason=reason)
    tx.save(review)
    tx.emit("review.closed", review, before=before)


def _approve(tx: Transaction, params: Params) -> Obj:
    review = tx.require("review", params["review"], "review", status=404)
    if not review["open"]:
        raise Refusal("This review is closed already.", param="review")
    close_review(tx, review["id"], "approved")
    return tx.require("review", review["id"], "review")


ROUTES = (
    list_route("/v1/reviews", "review"),
    retrieve_route("/v1/reviews/{review}", "review"),
    Route("POST", "/v1/reviews/{review}/approve", _approve),
)
