"""Billing credits and their ledger."""

from __future__ import annotations

import pytest
import stripe

from runplane_mcp.simulator import SEED
from tests.simulator.world import DAY, NOW, Clock, World

PATH = "/v1/billing/credit_grants"
GRANT = {
    "customer": "cus_ada",
    "amount[type]": "monetary",
    "amount[monetary][value]": 5_000,
    "amount[monetary][currency]": "usd",
    "applicability_config[scope][price_type]": "metered",
}


def spendable(world: World, customer: str = "cus_ada") -> dict[str, int]:
    asked = {"filter[type]": "applicability_scope", "filter[applicability_scope][price_type]": "metered"}
    found = world.get("/v1/billing/credit_balance_summary", customer=customer, **asked)
    return {
        each["available_balance"]["monetary"]["currency"]: each["available_balance"]["monetary"]["value"]
        for each in found["balances"]
    }


def test_the_sdk_grants_and_voids_credits(sdk: stripe.StripeClient, world: World) -> None:
    made = sdk.v1.billing.credit_grants.create(
        {
            "customer": "cus_ada",
            "amount": {"type": "monetary", "monetary": {"value": 5_000, "currency": "usd"}},
            "applicability_config": {"scope": {"price_type": "metered"}},
            "category": "promotional",
            "name": "Sorry",
        }
    )
    summary = sdk.v1.billing.credit_balance_summary.retrieve(
        {"customer": "cus_ada", "filter": {"type": "credit_grant", "credit_grant": made.id}}
    )
    assert summary.balances[0].available_balance.monetary is not None
    assert summary.balances[0].available_balance.monetary.value == 5_000
    assert sdk.v1.billing.credit_grants.update(made.id, {"metadata": {"a": "b"}}).to_dict()["metadata"] == {"a": "b"}
    assert [grant.id for grant in sdk.v1.billing.credit_grants.list({"customer": "cus_ada"}).data] == [made.id]

    assert sdk.v1.billing.credit_grants.void_grant(made.id).voided_at is not None
    assert spendable(world) == {"usd": 0}
    ledger = sdk.v1.billing.credit_balance_transactions.list({"customer": "cus_ada", "credit_grant": made.id})
    assert [entry.type for entry in ledger.data] == ["debit", "credit"]
    assert sdk.v1.billing.credit_balance_transactions.retrieve(ledger.data[0].id).debit is not None
    with pytest.raises(stripe.InvalidRequestError):
        sdk.v1.billing.credit_grants.expire(made.id)


def test_credits_expire_when_told_and_when_it_is_time(world: World, clock: Clock) -> None:
    first = world.post(PATH, **GRANT, expires_at=NOW + DAY)["id"]
    second = world.post(PATH, **GRANT)["id"]
    assert spendable(world) == {"usd": 10_000}

    world.post(f"{PATH}/{second}/expire")
    assert spendable(world) == {"usd": 5_000}
    clock.now += DAY
    assert spendable(world) == {"usd": 0}
    assert world.refused("POST", f"{PATH}/{first}", expires_at=NOW + 9 * DAY)[0] == 400


def test_what_is_not_effective_yet_can_not_be_spent(world: World, clock: Clock) -> None:
    world.post(PATH, **GRANT, effective_at=NOW + DAY)
    assert spendable(world) == {}
    clock.now += DAY
    assert spendable(world) == {"usd": 5_000}
    assert spendable(world, "cus_ben") == {}


@pytest.mark.parametrize(
    "changed",
    [
        {"customer": "cus_nobody"},
        {"amount[monetary][value]": 0},
        {"amount[monetary][currency]": "gold"},
        {"amount[monetary][cents]": 5},
        {"effective_at": NOW - 1},
        {"expires_at": NOW},
        {"category": "gift"},
        {"applicability_config[scope][prices][0][id]": SEED.price_monthly},
    ],
)
def test_credits_that_can_not_be_are_refused(world: World, changed: dict[str, object]) -> None:
    assert world.refused("POST", PATH, **{**GRANT, **changed})[0] == 400
    assert world.get(PATH)["data"] == []


def test_an_end_is_moved_and_taken_away(world: World, clock: Clock) -> None:
    made = world.post(PATH, **GRANT, expires_at=NOW + DAY)["id"]
    world.post(f"{PATH}/{made}", expires_at=NOW + 3 * DAY)
    clock.now += 2 * DAY
    assert spendable(world) == {"usd": 5_000}
    assert world.post(f"{PATH}/{made}", expires_at="")["expires_at"] is None
    clock.now += 9 * DAY
    assert spendable(world) == {"usd": 5_000}
    assert world.refused("POST", f"{PATH}/{made}", expires_at=NOW)[0] == 400
