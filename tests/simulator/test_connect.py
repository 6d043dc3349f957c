"""Connected accounts: opened, changed, given a bank account, paid out by themselves, rejected and closed."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
import stripe

from runplane_mcp.simulator import SEED, Simulator
from tests.simulator.world import DAY, NOW, World

BAKERY, PRINTER = SEED.connected_account_paid, SEED.connected_account_new
BANK = {"object": "bank_account", "country": "US", "currency": "usd", "routing_number": "110000000"}
TERMS = {"tos_acceptance[date]": NOW, "tos_acceptance[ip]": "203.0.113.7"}
TRANSFERS = {"capabilities[transfers][requested]": True}


def bank(number: str = "000123456789") -> dict[str, Any]:
    return {"external_account": {**BANK, "account_number": number}}


def test_a_new_account_takes_transfers_once_it_has_accepted_the_terms(sdk: stripe.StripeClient, world: World) -> None:
    account = sdk.v1.accounts.create(
        {
            "type": "custom",
            "country": "US",
            "email": "a@example.com",
            "capabilities": {"transfers": {"requested": True}},
        }
    )
    transfer = {"amount": 1_000, "currency": "usd", "destination": account.id}

    early = world.refused("POST", "/v1/transfers", **transfer)
    accepted = world.post(f"/v1/accounts/{account.id}", **TERMS)
    paid = world.post("/v1/transfers", **transfer)

    assert (account.payouts_enabled, early[1]["code"]) == (False, "insufficient_capabilities_for_transfer")
    assert (accepted["capabilities"], accepted["payouts_enabled"]) == ({"transfers": "active"}, True)
    assert (paid["destination"], world.available(account=account.id)) == (account.id, 1_000)
    listed = [found["id"] for found in world.get("/v1/accounts")["data"]]
    assert account.id in listed


def test_a_new_bank_account_then_an_automatic_payout(sdk: stripe.StripeClient, world: World) -> None:
    before = world.available(account=BAKERY)
    added = sdk.v1.accounts.external_accounts.create(
        BAKERY,
        {
            "external_account": {
                "object": "bank_account",
                "country": "US",
                "currency": "usd",
                "routing_number": "110000000",
                "account_number": "000999999999",
            },
            "default_for_currency": True,
        },
    )
    sdk.v1.balance_settings.update(
        {"payments": {"payouts": {"schedule": {"interval": "daily"}}}}, {"stripe_account": BAKERY}
    )

    world.clock.now += DAY

    (payout,) = world.get("/v1/payouts", account=BAKERY, limit=1)["data"]
    assert (payout["destination"], payout["amount"], payout["automatic"]) == (added.id, before, True)
    assert world.available(account=BAKERY) == 0
    (event,) = world.get("/v1/events", account=BAKERY, type="payout.created", limit=1)["data"]
    assert event["request"] == {"id": None, "idempotency_key": None}
    world.clock.now += 2 * DAY
    assert world.get(f"/v1/payouts/{payout['id']}", account=BAKERY)["status"] == "paid"


def test_the_platforms_own_money_goes_by_itself_too(sdk: stripe.StripeClient, world: World) -> None:
    before = world.available("usd")
    added = world.post("/v1/account/bank_accounts", **bank(), default_for_currency=True)
    sdk.v1.balance_settings.update(
        {"payments": {"payouts": {"schedule": {"interval": "daily"}, "minimum_balance_by_currency": {"usd": 1_000}}}}
    )

    world.clock.now += DAY - NOW % DAY

    dollars = world.get("/v1/payouts", destination=added["id"])["data"]
    assert [(payout["currency"], payout["automatic"]) for payout in dollars] == [("usd", True)]
    assert dollars[0]["amount"] >= before - 1_000
    assert (world.available("usd"), world.available("eur")) == (1_000, 0)


@pytest.mark.parametrize(
    ("schedule", "days"),
    [
        ({"interval": "weekly", "weekly_payout_days": ["thursday"]}, 3),
        ({"interval": "monthly", "monthly_payout_days": [31]}, 7),
        ({"interval": "daily"}, 1),
    ],
)
def test_a_schedule_pays_out_on_its_days(world: World, schedule: dict[str, Any], days: int) -> None:
    """The world begins on a Monday, the 23rd of a month of thirty days."""
    given = {f"settings[payouts][schedule][{name}]": value for name, value in schedule.items() if name == "interval"}
    for name, value in schedule.items():
        if isinstance(value, list):
            given.update({f"settings[payouts][schedule][{name}][0]": value[0]})
    world.post(f"/v1/accounts/{BAKERY}", **given)
    at_hand = world.available(account=BAKERY)
    midnight = NOW - NOW % DAY

    world.clock.now = midnight + days * DAY - 1
    assert world.available(account=BAKERY) == at_hand
    world.clock.now += 1
    assert world.available(account=BAKERY) == 0


def test_a_manual_schedule_sends_nothing_and_a_minimum_stays(world: World) -> None:
    path, daily = "/v1/balance_settings", "payments[payouts][schedule][interval]"
    world.post(path, account=BAKERY, **{daily: "daily"})
    world.post(path, account=BAKERY, **{daily: "manual"})
    world.clock.now += 2 * DAY
    assert world.available(account=BAKERY) == 65_000

    minimum = {"payments[payouts][minimum_balance_by_currency][usd]": 20_000}
    shown = world.post(path, account=BAKERY, **{daily: "daily"}, **minimum)
    world.clock.now += DAY

    assert shown["payments"]["payouts"]["minimum_balance_by_currency"] == {"usd": 20_000}
    assert world.available(account=BAKERY) == 20_000
    schedule = world.get(f"/v1/accounts/{BAKERY}")["settings"]["payouts"]["schedule"]
    assert schedule == {"delay_days": 2, "interval": "daily"}


def test_the_control_makes_automatic_payouts_at_once(simulator: Simulator, http: httpx2.Client, world: World) -> None:
    assert http.post("/_simulator/payouts").json() == {"payouts": []}

    world.post(f"/v1/accounts/{BAKERY}", **{"settings[payouts][schedule][interval]": "daily"})
    (sent,) = http.post("/_simulator/payouts").json()["payouts"]

    assert world.get(f"/v1/payouts/{sent}", account=BAKERY)["automatic"] is True
    assert simulator.summary()["payouts"]["total"] == {"usd": 65_000}


def test_bank_accounts_are_added_changed_and_removed(sdk: stripe.StripeClient, world: World) -> None:
    path = f"/v1/accounts/{PRINTER}/external_accounts"
    by_token = sdk.v1.accounts.external_accounts.create(PRINTER, {"external_account": "btok_us_verified"})
    by_number = world.post(f"/v1/accounts/{PRINTER}/bank_accounts", **bank(), metadata={"a": "1"})

    assert (by_token.to_dict()["default_for_currency"], by_number["default_for_currency"]) == (False, False)
    assert (by_number["last4"], by_number["status"], by_number["metadata"]) == ("6789", "new", {"a": "1"})
    assert "000123456789" not in str(by_number)
    changed = world.post(f"{path}/{by_number['id']}", default_for_currency=True, account_holder_name="Jo")
    assert (changed["default_for_currency"], changed["account_holder_name"]) == (True, "Jo")
    defaults = [held["id"] for held in world.get(path)["data"] if held["default_for_currency"]]
    assert defaults == [by_number["id"]]
    assert world.refused("DELETE", f"{path}/{by_number['id']}")[0] == 400
    assert world.ask("DELETE", f"{path}/ba_birch_usd")[1] == {
        "id": "ba_birch_usd",
        "object": "bank_account",
        "deleted": True,
    }
    assert world.refused("GET", f"{path}/ba_birch_usd")[0] == 404
    types = {event["type"] for event in world.get("/v1/events", account=PRINTER)["data"]}
    assert types == {f"account.external_account.{done}" for done in ("created", "updated", "deleted")}


def test_a_debit_card_takes_payouts_and_a_credit_card_does_not(world: World) -> None:
    path = f"/v1/accounts/{BAKERY}/external_accounts"

    card = world.post(path, external_account="tok_visa_debit")
    refused = world.refused("POST", path, external_account="tok_visa")
    payout = world.post(
        "/v1/payouts", account=BAKERY, amount=1_000, currency="usd", destination=card["id"], method="instant"
    )

    assert refused[1]["code"] == "invalid_card_type"
    assert (payout["type"], payout["destination"]) == ("card", card["id"])
    assert [held["id"] for held in world.get(path, object="card")["data"]] == [card["id"]]


@pytest.mark.parametrize(
    ("parameters", "param", "code"),
    [
        ({}, "external_account", "parameter_missing"),
        ({"external_account": "btok_nobody"}, "external_account", "resource_missing"),
        ({"external_account[object]": "purse"}, "external_account[object]", None),
        ({**{f"external_account[{k}]": v for k, v in BANK.items()}}, "external_account[account_number]", None),
        (
            {**bank(), "external_account[routing_number]": "12"},
            "external_account[routing_number]",
            "routing_number_invalid",
        ),
        ({**bank(), "external_account[color]": "red"}, "external_account[color]", "parameter_unknown"),
    ],
)
def test_a_bank_account_with_wrong_parameters_says_which(
    world: World, parameters: dict[str, Any], param: str, code: str | None
) -> None:
    flat = dict(parameters)
    if isinstance(flat.get("external_account"), dict):
        flat = {**{f"external_account[{k}]": v for k, v in flat.pop("external_account").items()}, **flat}

    status, error = world.refused("POST", f"/v1/accounts/{PRINTER}/external_accounts", **flat)

    assert (status, error["param"]) == (400, param)
    assert code is None or error["code"] == code


def test_an_accounts_external_account_replaces_the_default_one(world: World) -> None:
    account = world.post(f"/v1/accounts/{PRINTER}", external_account="btok_us_verified")

    (only,) = account["external_accounts"]["data"]
    assert (only["default_for_currency"], only["id"] != "ba_birch_usd") == (True, True)


def test_an_account_is_closed_when_nothing_is_in_it(sdk: stripe.StripeClient, world: World) -> None:
    assert world.refused("DELETE", f"/v1/accounts/{BAKERY}")[0] == 400

    gone = sdk.v1.accounts.delete(PRINTER)

    assert (gone.id, gone.deleted) == (PRINTER, True)
    assert world.refused("GET", f"/v1/accounts/{PRINTER}")[0] == 404
    assert world.refused("GET", "/v1/balance", account=PRINTER)[0] == 403
    destination = {"amount": 1, "currency": "usd", "destination": PRINTER}
    assert world.refused("POST", "/v1/transfers", **destination)[1]["code"] == "resource_missing"
    assert world.refused("DELETE", "/v1/account")[0] == 400


def test_a_rejected_account_neither_gets_nor_sends_money(sdk: stripe.StripeClient, world: World) -> None:
    rejected = sdk.v1.accounts.reject(BAKERY, {"reason": "fraud"})

    assert rejected.requirements is not None
    assert (rejected.requirements.disabled_reason, rejected.payouts_enabled) == ("rejected.fraud", False)
    refused = world.refused("POST", "/v1/payouts", account=BAKERY, amount=500, currency="usd")
    assert refused[1]["code"] == "payouts_not_allowed"
    destination = {"amount": 1, "currency": "usd", "destination": BAKERY}
    assert world.refused("POST", "/v1/transfers", **destination)[0] == 400


def test_capabilities_are_asked_for_and_given_back(sdk: stripe.StripeClient, world: World) -> None:
    made = world.post("/v1/accounts", type="custom", **TERMS, **TRANSFERS)

    cards = sdk.v1.accounts.capabilities.update(made["id"], "card_payments", {"requested": True})
    gone = sdk.v1.accounts.capabilities.update(made["id"], "transfers", {"requested": False})

    assert (cards.status, gone.status, gone.requested) == ("active", "unrequested", False)
    listed = world.get(f"/v1/accounts/{made['id']}/capabilities")["data"]
    assert [found["id"] for found in listed] == ["card_payments"]
    assert world.refused("GET", f"/v1/accounts/{made['id']}/capabilities/flying")[0] == 404


def test_persons_come_and_go_and_their_numbers_stay_in(sdk: stripe.StripeClient, world: World) -> None:
    path = f"/v1/accounts/{PRINTER}/persons"
    person = sdk.v1.accounts.persons.create(
        PRINTER, {"first_name": "Jo", "ssn_last_4": "1234", "id_number": "000001234", "relationship": {"owner": True}}
    )
    changed = world.post(f"/v1/accounts/{PRINTER}/people/{person.id}", last_name="Roe", metadata={"a": "1"})

    assert (person.ssn_last_4_provided, person.id_number_provided) == (True, True)
    assert "1234" not in str({**changed, "id": ""})
    assert (changed["first_name"], changed["last_name"], changed["relationship"]["owner"]) == ("Jo", "Roe", True)
    assert [found["id"] for found in world.get(path, relationship={"owner": True})["data"]] == [person.id]
    assert world.get(path, relationship={"director": True})["data"] == []
    assert world.ask("DELETE", f"{path}/{person.id}")[1]["deleted"] is True
    assert world.refused("GET", f"{path}/{person.id}")[0] == 404


def test_ways_into_an_account_look_like_secrets(sdk: stripe.StripeClient, world: World) -> None:
    link = sdk.v1.account_links.create(
        {
            "account": BAKERY,
            "type": "account_onboarding",
            "refresh_url": "https://example.com/again",
            "return_url": "https://example.com/done",
        }
    )
    login = sdk.v1.accounts.login_links.create(BAKERY)
    session = sdk.v1.account_sessions.create({"account": BAKERY, "components": {"payouts": {"enabled": True}}})

    assert link.url.startswith(f"https://connect.stripe.com/setup/e/{BAKERY}/")
    assert login.url.startswith("https://connect.stripe.com/express/")
    assert session.client_secret.startswith("accs_secret__")
    assert (session.components.payouts.enabled, session.components.payments.enabled) == (True, False)
    custom = world.post("/v1/accounts", type="custom")["id"]
    assert world.refused("POST", f"/v1/accounts/{custom}/login_links")[0] == 400
    with pytest.raises(stripe.InvalidRequestError) as refused:
        sdk.v1.account_sessions.create({"account": "acct_nobody", "components": {"payouts": {"enabled": True}}})
    assert refused.value.code == "resource_missing"


def test_a_connected_account_opens_no_other_and_sees_only_itself(world: World) -> None:
    assert world.refused("POST", "/v1/accounts", account=BAKERY)[0] == 403
    for path in (
        f"/v1/accounts/{PRINTER}",
        f"/v1/accounts/{PRINTER}/external_accounts",
        f"/v1/accounts/{PRINTER}/persons",
        f"/v1/accounts/{PRINTER}/capabilities",
    ):
        assert world.refused("GET", path, account=BAKERY)[0] == 403
    assert world.post("/v1/account/bank_accounts", account=BAKERY, external_account="btok_us")["account"] == BAKERY


@pytest.mark.parametrize(
    ("path", "parameters", "param"),
    [
        ("/v1/balance_settings", {"payments[payouts][schedule][interval]": "hourly"}, None),
        ("/v1/balance_settings", {"payments[payouts][schedule][interval]": "weekly"}, "weekly_payout_days"),
        ("/v1/balance_settings", {"payments[settlement_timing][delay_days_override]": 1}, None),
        ("/v1/balance_settings", {"payouts": 1}, "payouts"),
        (f"/v1/accounts/{PRINTER}", {"settings[payouts][schedule][monthly_anchor]": 32}, None),
        (f"/v1/accounts/{PRINTER}/reject", {"reason": "dislike"}, "reason"),
        ("/v1/accounts", {"type": "royal"}, "type"),
        ("/v1/accounts", {"type": "custom", "country": "Atlantis"}, "country"),
        ("/v1/account_sessions", {"components[flying][enabled]": True}, "account"),
    ],
)
def test_wrong_parameters_of_accounts_are_refused(
    world: World, path: str, parameters: dict[str, Any], param: str | None
) -> None:
    status, error = world.refused("POST", path, **parameters)

    assert status == 400
    assert param is None or error["param"] == param
