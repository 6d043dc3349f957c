"""`runplane why` for what Runplane did not make: by whom, as far as Stripe tells."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import anyio
import pytest

from runplane_mcp.app.books import open_books
from runplane_mcp.core.coverage.boxes import Box
from runplane_mcp.core.wire import encode
from runplane_mcp.gate.coverage.elsewhere import Elsewhere, elsewhere
from runplane_mcp.gate.view import Submission
from runplane_mcp.settings import load_settings
from runplane_mcp.simulator import SEED
from runplane_mcp.stripe_api.answers import Done
from runplane_mcp.stripe_api.connected import OnAccount
from tests.cli.conftest import Ask, Run, refund


def planted_on(run: Run, account: str, *kinds: str) -> Any:
    words = [word for kind in kinds for word in ("--plant", kind)]
    return run("simulator", *words, "--account", account, "--json").json["planted"]


def planted(run: Run, *kinds: str) -> list[str]:
    told = run("simulator", *(word for kind in kinds for word in ("--plant", kind)), "--json").json["planted"]
    return [each["ids"][0] for each in told]


def test_it_says_by_which_key_or_person_or_that_nobody_asked(ask: Ask, run: Run) -> None:
    ask(refund())
    kinds = ("other-key", "dashboard", "silent", "dispute", "dashboard-payout", "automatic-payout")
    ids = planted(run, *kinds)
    told = [run("why", id, "--json") for id in ids]
    boxes = dict(zip(kinds, (each.json["elsewhere"]["box"] for each in told), strict=True))
    page = run("why", f"https://dashboard.stripe.com/test/refunds/{ids[1]}")
    request = told[0].json["elsewhere"]["stripe_request"]
    by_request = run("why", request, "--json").json["elsewhere"]

    assert boxes == {
        "other-key": "another_key",
        "dashboard": "dashboard",
        "silent": "unexplained",
        "dispute": "automatic",
        "dashboard-payout": "dashboard",
        "automatic-payout": "automatic",
    }
    assert {each.code for each in told} == {page.code} == {1}
    assert "was not made through Runplane" in page.out
    assert "refund, $50.00 USD, succeeded" in page.out
    assert "Made by a person in the Dashboard." in page.out
    assert (by_request["kind"], by_request["box"]) == ("request", "another_key")
    assert "refund.created" in by_request["why"]


def test_what_is_on_a_connected_account_that_is_looked_at_is_found_there(home: Path, run: Run) -> None:
    bakery = SEED.connected_account_paid
    [stolen] = [each["ids"][0] for each in planted_on(run, bakery, "silent")]
    unknown = run("why", stolen, "--json")
    run("audit", "coverage", "--alarm", "--account", bakery)
    told, page = run("why", stolen, "--json").json["elsewhere"], run("why", stolen)

    async def payment() -> Elsewhere | None:
        async with open_books(load_settings()) as books:
            asks = OnAccount(books.connection, bakery)
            listed = await books.connection.send(encode("GET", "/v1/transfers", {"limit": 1}), idempotency_key=None)
            assert isinstance(listed, Done)
            [transfer] = cast("list[dict[str, str]]", listed.body["data"])
            return await elsewhere(asks, transfer["destination_payment"], now=books.clock.policy() // 1000)

    came = anyio.run(payment)

    assert unknown.error == "request.not_found", "nobody has looked at that account"
    assert (told["account"], told["box"]) == (bakery, "unexplained")
    assert f"on connected account {bakery}" in " ".join(page.out.split())
    assert came is not None
    assert (came.box, "runplane why tr_" in came.why) == (Box.OTHER_SIDE, True)


def test_what_an_agent_only_names_was_not_made_by_it(ask: Ask, run: Run) -> None:
    """THREATS 13: whoever moved money by another key could name it to Runplane, for `why` to find a request of it."""
    (made,) = ask(refund(SEED.payment_intent_40))
    [stolen] = planted(run, "silent")
    ask(refund(stolen, words="It is mine."))
    page, told = run("why", stolen), run("why", stolen, "--json")
    own = run("why", str(made.result["id"]), "--json")  # type: ignore[index]

    assert (page.code, told.code, own.code) == (1, 1, 0)
    assert "It was NOT made through Runplane" in page.out
    assert "UNEXPLAINED" in page.out
    assert (told.json["only_named"], own.json["only_named"]) == (True, False)
    assert (told.json["writes"], told.json["elsewhere"]["box"]) == (1, "unexplained")


KINDS = {
    SEED.refund_full: "refund",
    SEED.charge_40: "charge",
    SEED.payment_intent_40: "payment",
    SEED.customer_ben: "customer",
    SEED.payout_pending: "payout",
    SEED.transfer_past: "transfer",
    SEED.subscription_monthly: "subscription",
    SEED.invoice_open: "invoice",
    SEED.dispute: "dispute",
    SEED.credit_note: "credit note",
    "txn_order_007": "line in the balance",
}


async def of_all(*ids: str) -> dict[str, Elsewhere | None]:
    async with open_books(load_settings()) as books:
        now = books.clock.policy() // 1000
        return {id: await elsewhere(books.connection, id, now=now) for id in ids}


def test_ids_of_every_kind_are_asked_for_and_what_is_none_is_not(ask: Ask, run: Run) -> None:
    ask(Submission("stdio", "support-bot", "mcp", "GetPayoutsPayout", {"payout": SEED.payout_pending}))
    told = {id: each for id, each in anyio.run(of_all, *KINDS).items() if each is not None}
    nothing = anyio.run(
        of_all, "re_nothing", "req_nothing", "xx_1", "re_", "re_..", "re_a/../../v1/customers", "txn", ""
    )
    unknown, only_read = run("why", "re_nothing", "--json"), run("why", SEED.payout_pending)

    assert {id: each.noun for id, each in told.items()} == KINDS
    assert told[SEED.payment_intent_40].box is told[SEED.charge_40].box is Box.ANOTHER_KEY
    assert told[SEED.transfer_past].box is told[SEED.customer_ben].box is Box.NO_LONGER_KNOWN
    assert told["txn_order_007"].source == "ch_order_007"
    assert set(nothing.values()) == {None}
    assert (unknown.code, unknown.error) == (1, "request.not_found")
    assert "https://dashboard.stripe.com/logs" in unknown.json["error"]["next_step"]
    assert only_read.code == 0
    assert "Looked at by" in only_read.out
    assert "Made by a person in the Dashboard." in only_read.out


def test_without_a_key_or_when_told_not_to_it_asks_nobody(ask: Ask, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(refund())
    [id] = planted(run, "other-key")
    offline = run("why", id, "--offline")
    monkeypatch.setenv("STRIPE_API_KEY", "sk_test_somebody_else")
    monkeypatch.setenv("RUNPLANE_STRIPE_API_BASE", "http://127.0.0.1:9")
    monkeypatch.delenv("RUNPLANE_SIMULATOR_NOW")
    unreachable = run("why", id)

    assert (offline.code, offline.out) == (1, "")
    assert "https://dashboard.stripe.com/logs" in offline.err
    assert unreachable.code == 1
    assert "Stripe could not be asked (stripe.unreachable)" in unreachable.err
