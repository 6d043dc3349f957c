"""Tokens: a card or bank account by one word, which serves once."""

from __future__ import annotations

from runplane_mcp.simulator.objects import Obj, Params, new_id
from runplane_mcp.simulator.refusal import invalid
from runplane_mcp.simulator.resources.bank_accounts import BANK_DATA, CARD_DATA, bank_from, card_from
from runplane_mcp.simulator.routes import Route, retrieve_route
from runplane_mcp.simulator.transaction import Transaction


def _create(tx: Transaction, params: Params) -> Obj:
    if ("bank_account" in params) == ("card" in params):
        raise invalid("Give a bank account or a card, and only one of them.", "card", "parameter_missing")
    kind = "card" if "card" in params else "bank_account"
    held = card_from(params[kind], kind) if kind == "card" else bank_from(params[kind], kind)
    token: Obj = {
        "id": new_id("tok" if kind == "card" else "btok"),
        "object": "token",
        kind: held,
        "client_ip": None,
        "created": tx.now,
        "livemode": False,
        "type": kind,
        "used": False,
    }
    tx.insert(token)
    return token


ROUTES = (
    Route("POST", "/v1/tokens", _create, {"bank_account": BANK_DATA, "card": CARD_DATA}),
    retrieve_route("/v1/tokens/{token}", "token"),
)
