"""What others do past every gate: it looks as Stripe shows it, and the books balance all the same."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from runplane_mcp.errors import ParameterError
from runplane_mcp.simulator import SEED, Bypass, Planted, Simulator
from tests.simulator.world import NOW, World


def makers(world: World, id: str) -> list[dict[str, Any]]:
    """The requests that Stripe's events name for an object."""
    events = world.get("/v1/events", limit=100, created={"gte": NOW})["data"]
    return [each["request"] for each in events if each["data"]["object"]["id"] == id]


@pytest.mark.parametrize(
    ("kind", "has_request", "has_key"),
    [
        (Planted.OTHER_KEY, True, True),
        (Planted.OTHER_KEY_PAYOUT, True, True),
        (Planted.FORGED_KEY, True, True),
        (Planted.DASHBOARD, True, False),
        (Planted.DASHBOARD_PAYOUT, True, False),
        (Planted.AUTOMATIC_PAYOUT, False, False),
        (Planted.DISPUTE, False, False),
    ],
)
def test_events_show_of_each_what_stripe_shows(
    kind: Planted, has_request: bool, has_key: bool, world: World, simulator: Simulator
) -> None:
    for id in simulator.plant(Bypass(kind)):
        named = makers(world, id)

        assert named
        assert {(each["id"] is not None, each["idempotency_key"] is not None) for each in named} == {
            (has_request, has_key)
        }


def test_a_silent_refund_has_a_line_and_no_event(world: World, simulator: Simulator) -> None:
    [id] = simulator.plant(Bypass(Planted.SILENT, charge=SEED.charge_900, amount=1_234))

    assert makers(world, id) == []
    assert [each["amount"] for each in world.get("/v1/balance_transactions", source=id)["data"]] == [-1_234]


@pytest.mark.parametrize("kind", Planted)
def test_it_happens_on_a_connected_account_and_nothing_of_it_on_the_platforms(
    kind: Planted, world: World, simulator: Simulator
) -> None:
    before = world.get("/v1/balance_transactions", limit=100)["data"]
    [id] = simulator.plant(Bypass(kind, amount=1_500, account=SEED.connected_account_paid))
    lines = world.get("/v1/balance_transactions", limit=100, account=SEED.connected_account_paid)["data"]

    assert before == world.get("/v1/balance_transactions", limit=100)["data"]
    assert all(each["amount"] < 0 for each in lines if id in (each["id"], each["source"]))


def test_what_a_reversal_takes_is_a_refund_of_the_payment_that_the_account_got(world: World) -> None:
    there = SEED.connected_account_new
    transfer = world.post("/v1/transfers", amount=9_000, currency="usd", destination=there)
    reversal = world.post(f"/v1/transfers/{transfer['id']}/reversals", amount=4_000)
    lines = world.get("/v1/balance_transactions", account=there, expand=["data.source"])["data"]

    assert [(each["type"], each["amount"]) for each in lines] == [("payment_refund", -4_000), ("payment", 9_000)]
    assert lines[0]["source"]["source_transfer_reversal"] == reversal["id"]
    assert lines[1]["source"]["source_transfer"] == transfer["id"]
    assert (lines[1]["source"]["amount_refunded"], lines[1]["source"]["refunded"]) == (4_000, False)


def test_an_automatic_payout_sends_all_that_is_available_and_a_fee_is_stripes(
    world: World, simulator: Simulator
) -> None:
    simulator.plant(Bypass(Planted.FEE, amount=700))
    payouts = [world.get(f"/v1/payouts/{id}") for id in simulator.plant(Bypass(Planted.AUTOMATIC_PAYOUT))]

    assert {each["automatic"] for each in payouts} == {True}
    assert {"usd": SEED.available_usd - 700, "eur": SEED.available_eur} == {
        each["currency"]: each["amount"] for each in payouts
    }
    with pytest.raises(ParameterError):
        simulator.plant(Bypass(Planted.AUTOMATIC_PAYOUT))


def test_it_is_ordered_over_http_and_on_any_order_that_has_enough_left(http: httpx2.Client, world: World) -> None:
    for _ in range(3):
        planted = http.post("/_simulator/bypasses", content=json.dumps({"kind": "dashboard", "amount": 20_000}))
        assert planted.status_code == 200
    charges = [each["charge"] for each in world.get("/v1/refunds", limit=3)["data"]]

    assert len(set(charges)) == 3


@pytest.mark.parametrize(
    "body",
    ["", "[]", "{}", '{"kind": "theft"}', '{"kind": "dispute", "charge": 5}', '{"kind": "silent", "amount": 1.5}'],
)
def test_what_is_no_bypass_is_refused(body: str, http: httpx2.Client) -> None:
    answer = http.post("/_simulator/bypasses", content=body)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "parameter.bypass")


def test_what_stripe_refuses_is_said(simulator: Simulator) -> None:
    with pytest.raises(ParameterError, match="refused"):
        simulator.plant(Bypass(Planted.DASHBOARD, charge=SEED.charge_refunded))
    with pytest.raises(ParameterError, match="no charge"):
        simulator.plant(Bypass(Planted.DISPUTE, charge="ch_nothing"))
    with pytest.raises(ParameterError, match="no account"):
        simulator.plant(Bypass(Planted.FEE, account="acct_nobody"))
    with pytest.raises(ParameterError):
        Bypass(Planted.FEE, amount=0)


def test_the_seeded_past_tells_who_made_it(world: World) -> None:
    def maker(type: str, id: str) -> dict[str, Any]:
        found = world.get("/v1/events", type=type, limit=100)["data"]
        return next(each["request"] for each in found if each["data"]["object"]["id"] == id)

    assert maker("refund.created", SEED.refund_full)["idempotency_key"] is None
    assert maker("payout.created", SEED.payout_pending)["id"].startswith("req_")
    assert maker("charge.succeeded", SEED.charge_pending)["idempotency_key"]
