"""What the simulator's tests share: a clock to set, a plain client without comforts, and the audit of the books."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import stripe

from runplane_mcp.simulator import SIMULATOR_KEY, Simulator
from runplane_mcp.simulator.exchange import Answer, Asked
from tests.simulator.movements import audit_movements

#: A Monday in November 2026.
NOW = 1_795_426_000
DAY = 86_400

FORM = "application/x-www-form-urlencoded"


@dataclass
class Clock:
    """The world's clock and the real one, both still until a test moves them."""

    now: int = NOW
    wall: float = 1000.0

    def __call__(self) -> int:
        return self.now

    def real(self) -> float:
        return self.wall


def flattened(name: str, value: object) -> Iterator[tuple[str, object]]:
    """A parameter as form-encoded pairs: `a[b][c]`, and `a[]` for what is in a list."""
    if isinstance(value, dict):
        for inner, each in value.items():
            yield from flattened(f"{name}[{inner}]", each)
    elif isinstance(value, list):
        yield from ((f"{name}[]", each) for each in value)
    else:
        yield name, str(value).lower() if isinstance(value, bool) else value


@dataclass
class World:
    """A simulator asked in the same thread, without HTTP between."""

    simulator: Simulator
    clock: Clock = field(default_factory=Clock)

    def ask(
        self,
        method: str,
        path: str,
        /,
        *,
        key: str | None = None,
        account: str | None = None,
        **parameters: object,
    ) -> tuple[int, Any]:
        """Status and decoded body. Parameters are form-encoded as given; `expand` may be a list."""
        answer = self.answer(method, path, key=key, account=account, **parameters)
        return answer.status, json.loads(answer.body)

    def answer(
        self, method: str, path: str, /, *, key: str | None = None, account: str | None = None, **parameters: object
    ) -> Answer:
        pairs = [pair for name, value in parameters.items() for pair in flattened(name, value)]
        encoded = urlencode(pairs)
        headers = {"authorization": f"Bearer {SIMULATOR_KEY}", "content-type": FORM}
        if key is not None:
            headers["idempotency-key"] = key
        if account is not None:
            headers["stripe-account"] = account
        if method == "POST":
            return self.simulator.answer(Asked(method, path, "", headers, encoded.encode()))
        return self.simulator.answer(Asked(method, path, encoded, headers))

    def get(self, path: str, /, **parameters: object) -> Any:
        status, body = self.ask("GET", path, **parameters)  # type: ignore[arg-type]
        assert status == 200, body
        return body

    def post(self, path: str, /, **parameters: object) -> Any:
        status, body = self.ask("POST", path, **parameters)  # type: ignore[arg-type]
        assert status == 200, body
        return body

    def refused(self, method: str, path: str, /, **parameters: object) -> tuple[int, Any]:
        """Status and the `error` of an answer that must be one."""
        status, body = self.ask(method, path, **parameters)  # type: ignore[arg-type]
        assert status >= 400, body
        return status, body["error"]

    def available(self, currency: str = "usd", account: str | None = None) -> int:
        for entry in self.get("/v1/balance", account=account)["available"]:
            if entry["currency"] == currency:
                return int(entry["amount"])
        return 0


def stored(simulator: Simulator) -> str:
    """Every object of the world, as it is kept. (An idempotency key keeps its whole answer, as Stripe's do.)"""
    db = sqlite3.connect(simulator.path)
    try:
        return "\n".join(body for (body,) in db.execute("SELECT body FROM object"))
    finally:
        db.close()


def response_of(found: stripe.StripeObject) -> stripe.StripeResponse:
    """The HTTP answer that the SDK keeps with an object."""
    answer = found.last_response
    assert isinstance(answer, stripe.StripeResponse)
    return answer


def error_of(raised: stripe.StripeError) -> Any:
    """The `error` of the body that the SDK keeps with an exception."""
    body = raised.json_body
    assert isinstance(body, dict)
    return body["error"]


def audit(path: Path) -> None:
    """The books of a world balance: whatever a test did to it."""
    db = sqlite3.connect(path)
    try:
        audit_movements(db)
        held = {
            (account, currency): (available, pending)
            for account, currency, available, pending in db.execute(
                "SELECT account, currency, available, pending FROM balance"
            )
        }
        booked = {
            (account, currency): (available, pending)
            for account, currency, available, pending in db.execute(
                "SELECT account, json_extract(body, '$.currency'),"
                " sum(CASE json_extract(body, '$.status') WHEN 'available' THEN json_extract(body, '$.net') ELSE 0 END),"
                " sum(CASE json_extract(body, '$.status') WHEN 'pending' THEN json_extract(body, '$.net') ELSE 0 END)"
                " FROM object WHERE kind = 'balance_transaction' GROUP BY 1, 2"
            )
        }
        refunds = dict(
            db.execute(
                "SELECT json_extract(body, '$.charge'), sum(json_extract(body, '$.amount')) FROM object"
                " WHERE kind = 'refund' AND json_extract(body, '$.status') NOT IN ('failed', 'canceled') GROUP BY 1"
            ).fetchall()
        )
        reversals = dict(
            db.execute(
                "SELECT json_extract(body, '$.transfer'), sum(json_extract(body, '$.amount')) FROM object"
                " WHERE kind = 'transfer_reversal' GROUP BY 1"
            ).fetchall()
        )
        charges, invoices, transfers, customers, subscriptions, balances, payments, grants, credits = (
            _all(db, kind)
            for kind in (
                "charge",
                "invoice",
                "transfer",
                "customer",
                "subscription",
                "customer_balance_transaction",
                "invoice_payment",
                "billing.credit_grant",
                "billing.credit_balance_transaction",
            )
        )
    finally:
        db.close()

    assert booked == held
    for charge in charges:
        # What was held and never taken counts as given back, once that is certain.
        released = charge["amount_refunded"] - refunds.get(charge["id"], 0)
        uncaptured = charge["amount"] - charge["amount_captured"]
        assert released == uncaptured if charge["captured"] else released in (0, uncaptured)
        assert 0 <= charge["amount_refunded"] <= charge["amount"]
        assert charge["refunded"] == (charge["amount_refunded"] == charge["amount"])
    for transfer in transfers:
        assert transfer["amount_reversed"] == reversals.get(transfer["id"], 0)
        assert 0 <= transfer["amount_reversed"] <= transfer["amount"]
    for customer in customers:
        mine = [each["amount"] for each in balances if each["customer"] == customer["id"]]
        assert customer["balance"] == sum(mine)
    for invoice in invoices:
        _audit_invoice(invoice, [each for each in payments if each["invoice"] == invoice["id"]])
    for grant in grants:
        entries = [each["credit"] or each["debit"] for each in credits if each["credit_grant"] == grant["id"]]
        values = [each["amount"]["monetary"]["value"] for each in entries]
        assert max(values) == grant["amount"]["monetary"]["value"]
        assert 2 * max(values) - sum(values) >= 0
        assert grant["voided_at"] is None or 2 * max(values) == sum(values)
    for subscription in subscriptions:
        items = subscription["items"]["data"]
        assert items
        assert {item["price"]["currency"] for item in items} == {subscription["currency"]}
        assert len({item["price"]["id"] for item in items}) == len(items)
        assert all(item["current_period_start"] < item["current_period_end"] for item in items)


def _all(db: sqlite3.Connection, kind: str) -> list[dict[str, Any]]:
    return [json.loads(body) for (body,) in db.execute("SELECT body FROM object WHERE kind = ?", (kind,))]


def _audit_invoice(invoice: dict[str, Any], payments: list[dict[str, Any]]) -> None:
    """An invoice adds up, and what was paid of it is what was taken for it."""
    lines = invoice["lines"]["data"]
    taken = sum(each["amount"] for each in invoice["total_discount_amounts"])
    shares = [each for line in lines for each in line["discount_amounts"]]
    own = sum(
        each["amount"] for line in lines for each in line["discount_amounts"] if each["discount"] in line["discounts"]
    )
    whole = sum(line["amount"] for line in lines)
    taxes = sum(each["amount"] for each in invoice["total_taxes"] if each["tax_behavior"] == "exclusive")
    credited = invoice["pre_payment_credit_notes_amount"] + invoice["post_payment_credit_notes_amount"]
    assert taken == sum(each["amount"] for each in shares)
    assert all(sum(each["amount"] for each in line["discount_amounts"]) <= max(line["amount"], 0) for line in lines)
    assert invoice["subtotal"] == whole - own
    assert invoice["total"] == whole - taken + taxes
    assert invoice["amount_remaining"] == invoice["amount_due"] - invoice["amount_paid"] >= 0
    assert credited <= max(invoice["total"], 0)
    assert (invoice["status"] == "paid") <= (invoice["amount_remaining"] == 0)
    through_stripe = invoice["amount_paid"] + invoice["amount_overpaid"] - invoice["amount_paid_off_stripe"]
    assert through_stripe == sum(each["amount_paid"] for each in payments)
