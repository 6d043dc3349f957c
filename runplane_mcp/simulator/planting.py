"""What others do on the account, past every gate: another key, a person in the Dashboard, a bank, Stripe itself. For
showing and testing that it is seen.

What the web shop or a person does is a request like any other; its event shows what Stripe shows of such a request: an
idempotency key with a request of a program, none with one of the Dashboard.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlencode

from runplane_mcp.errors import ParameterError
from runplane_mcp.simulator.exchange import SIMULATOR_KEY, Asked, answer
from runplane_mcp.simulator.objects import Obj, new_id
from runplane_mcp.simulator.resources.automatic_payouts import pay_out
from runplane_mcp.simulator.resources.disputes import open_dispute
from runplane_mcp.simulator.seed import ORDER_PAYMENTS, SEED
from runplane_mcp.simulator.transaction import Transaction


class Planted(StrEnum):
    """Who does what."""

    OTHER_KEY = "other-key"  # a refund by another key
    DASHBOARD = "dashboard"  # a refund by a person in the Dashboard
    OTHER_KEY_PAYOUT = "other-key-payout"
    DASHBOARD_PAYOUT = "dashboard-payout"
    AUTOMATIC_PAYOUT = "automatic-payout"  # what the account's schedule sends: everything that is available
    DISPUTE = "dispute"  # a customer's bank takes a payment back
    FEE = "fee"  # Stripe takes something for itself
    SILENT = "silent"  # a refund that no event tells of
    FORGED_KEY = "forged-key"  # a refund with an idempotency key of Runplane's form


_REFUNDS: Final = frozenset({Planted.OTHER_KEY, Planted.DASHBOARD, Planted.SILENT, Planted.FORGED_KEY})
_SMALL: Final = 5_000


@dataclass(frozen=True, slots=True)
class Bypass:
    """One thing to plant. `charge` is for refunds and disputes (None: an order of the seeded company that has enough left),
    `amount` minor units of US dollars. `account` is the connected account that it happens on, None for the company's own;
    there, where no charge is named, its shop sells something first."""

    kind: Planted
    charge: str | None = None
    amount: int = _SMALL
    account: str | None = None

    def __post_init__(self) -> None:
        if type(self.amount) is not int or not 1 <= self.amount <= 10**9:
            raise ParameterError("parameter.bypass", "An amount is a whole number of cents, one at least.")
        if not isinstance(self.charge, str | None) or not isinstance(self.account, str | None):
            raise ParameterError("parameter.bypass", "A charge or an account is named by its id.")


def bypass_from_json(given: Any) -> Bypass:
    """As the control route takes it: `{"kind", "charge"?, "amount"?, "account"?}`."""
    if not isinstance(given, dict):
        raise ParameterError("parameter.bypass", "A bypass is a JSON object.")
    fields = dict(given)
    try:
        return Bypass(kind=Planted(fields.pop("kind", None)), **fields)
    except (TypeError, ValueError) as error:
        kinds = ", ".join(Planted)
        raise ParameterError("parameter.bypass", f"That is no bypass: {error}. Its kind is one of {kinds}.") from error


def plant(db: sqlite3.Connection, bypass: Bypass, *, now: int, wall: float) -> list[Obj]:
    """Does it, and returns what it made. ParameterError `parameter.bypass` where the account does not let it happen."""
    platform = Transaction(db, now=now, platform=SEED.account, account=SEED.account)
    account = platform.find(bypass.account or SEED.account)
    if account is None or account["object"] != "account" or account.get("deleted"):
        raise ParameterError("parameter.bypass", f"There is no account {str(bypass.account)[:80]!r}.")
    tx, others = platform.on(account["id"]), _Others(db, bypass, now, wall)
    match bypass.kind:
        case Planted.AUTOMATIC_PAYOUT:
            made = pay_out(platform, account)
        case Planted.DISPUTE:
            made = [open_dispute(tx, _charge(tx, others), status="needs_response")]
        case Planted.FEE:
            id = tx.post("stripe_fee", None, -bypass.amount, "usd", category="fee", description="Radar")
            made = [tx.require("balance_transaction", id, "id")]
        case Planted.OTHER_KEY_PAYOUT | Planted.DASHBOARD_PAYOUT:
            made = [others.ask("/v1/payouts", {"amount": bypass.amount, "currency": "usd"})]
        case _:
            made = [others.ask("/v1/refunds", {"charge": _charge(tx, others)["id"], "amount": bypass.amount})]
    if not made:
        raise ParameterError("parameter.bypass", "There is nothing available to pay out.")
    return made


@dataclass(frozen=True, slots=True)
class _Others:
    """Requests of others."""

    db: sqlite3.Connection
    bypass: Bypass
    now: int
    wall: float

    def ask(self, path: str, parameters: dict[str, Any], *, kind: Planted | None = None) -> Obj:
        kind = kind or self.bypass.kind
        headers = {"authorization": f"Bearer {SIMULATOR_KEY}", "content-type": "application/x-www-form-urlencoded"}
        if self.bypass.account is not None:
            headers["stripe-account"] = self.bypass.account
        if kind is Planted.FORGED_KEY:
            headers["idempotency-key"] = new_id("rp") + "00000000"
        elif kind not in {Planted.DASHBOARD, Planted.DASHBOARD_PAYOUT}:
            headers["idempotency-key"] = new_id("shop")
        asked = Asked("POST", path, "", headers, urlencode(parameters).encode())
        done = answer(self.db, asked, now=self.now, wall=self.wall)
        body: Obj = json.loads(done.body)
        if done.status != 200:
            raise ParameterError("parameter.bypass", f"It was refused: {body['error']['message']}")
        if kind is Planted.SILENT:
            self.db.execute(
                "DELETE FROM object WHERE kind = 'event' AND json_extract(body, '$.request.id') = ?",
                (done.headers["Request-Id"],),
            )
        return body


def _charge(tx: Transaction, others: _Others) -> Obj:
    """The charge that is named, or an order that nobody has touched yet, the last ones first; on a connected account a
    new one."""
    bypass = others.bypass
    if bypass.charge is not None:
        found = tx.find(bypass.charge)
        if found is None or found["object"] != "charge":
            raise ParameterError("parameter.bypass", f"There is no charge {bypass.charge[:80]!r}.")
        return found
    if bypass.account is not None:
        sale = {"amount": max(bypass.amount, _SMALL), "currency": "usd", "source": "tok_bypassPending"}
        sold = others.ask("/v1/charges", sale, kind=Planted.OTHER_KEY)
        return tx.require("charge", sold["id"], "charge")
    needed = 1 if bypass.kind not in _REFUNDS else bypass.amount
    for payment in reversed(ORDER_PAYMENTS):
        charge = tx.find(payment.charge)
        if charge is not None and not charge["disputed"] and charge["amount"] - charge["amount_refunded"] >= needed:
            return charge
    raise ParameterError("parameter.bypass", "No order has so much left.")
