"""The second API: JSON in and out, its own lists, errors and idempotency, and money that leaves a financial account."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest
import stripe

from runplane_mcp.simulator import SEED, Fault, FaultKind, Simulator
from tests.simulator.world import DAY, Clock, World, stored

PAYMENTS = "/v2/money_management/outbound_payments"
DESTINATIONS = "/v2/core/event_destinations"
BAKERY = SEED.connected_account_paid


def asked(value: int = 10_000, **more: Any) -> dict[str, Any]:
    return {
        "from": {"financial_account": SEED.financial_account, "currency": "usd"},
        "to": {"recipient": BAKERY},
        "amount": {"value": value, "currency": "usd"},
        **more,
    }


def balance(http: httpx2.Client) -> tuple[int, int]:
    """Minor units available, and on their way out."""
    found = http.get(f"/v2/money_management/financial_accounts/{SEED.financial_account}").json()["balance"]
    return found["available"]["usd"]["value"], found["outbound_pending"]["usd"]["value"]


def post(http: httpx2.Client, path: str, body: Any = None, key: str | None = None) -> tuple[int, Any]:
    headers = {"Content-Type": "application/json", **({"Idempotency-Key": key} if key else {})}
    answer = http.post(path, content=b"" if body is None else json.dumps(body), headers=headers)
    return answer.status_code, answer.json()


def test_an_outbound_payment_leaves_the_financial_account(
    sdk: stripe.StripeClient, http: httpx2.Client, clock: Clock
) -> None:
    payment = sdk.v2.money_management.outbound_payments.create(
        {
            "from": {"financial_account": SEED.financial_account, "currency": "usd"},
            "to": {"recipient": BAKERY},
            "amount": {"value": 10_000, "currency": "usd"},
            "description": "flour",
            "metadata": {"a": "1"},
        }
    )

    assert (payment.status, payment.cancelable, payment.to.payout_method) == ("processing", True, "ba_maple_usd")
    assert (payment.amount.value, payment.from_.financial_account) == (10_000, SEED.financial_account)
    assert balance(http) == (SEED.financial_account_usd - 10_000, 10_000)
    clock.now += DAY
    posted = sdk.v2.money_management.outbound_payments.retrieve(payment.id)
    assert (posted.status, posted.cancelable) == ("posted", False)
    assert balance(http) == (SEED.financial_account_usd - 10_000, 0)
    with pytest.raises(stripe.NotCancelableError):
        sdk.v2.money_management.outbound_payments.cancel(payment.id)


def test_a_canceled_one_comes_back_and_once_only(sdk: stripe.StripeClient, http: httpx2.Client) -> None:
    made = json.loads(sdk.raw_request("post", PAYMENTS, **asked()).body)

    canceled = sdk.v2.money_management.outbound_payments.cancel(made["id"])

    assert canceled.status == "canceled"
    assert balance(http) == (SEED.financial_account_usd, 0)
    with pytest.raises(stripe.AlreadyCanceledError):
        sdk.v2.money_management.outbound_payments.cancel(made["id"])
    events = sdk.v2.core.events.list({"object_id": made["id"]}).data
    assert [event.type.rpartition(".")[2] for event in events] == ["canceled", "created"]


def test_more_than_there_is_is_refused(sdk: stripe.StripeClient, http: httpx2.Client) -> None:
    with pytest.raises(stripe.InsufficientFundsError):
        sdk.v2.money_management.outbound_payments.create(
            {
                "from": {"financial_account": SEED.financial_account, "currency": "usd"},
                "to": {"recipient": BAKERY},
                "amount": {"value": SEED.financial_account_usd + 1, "currency": "usd"},
            }
        )

    assert balance(http) == (SEED.financial_account_usd, 0)


@pytest.mark.parametrize(
    ("body", "status", "type", "code"),
    [
        (asked(color="red"), 400, "invalid_request_error", "unknown_field"),
        (asked(to={"recipient": BAKERY, "color": "red"}), 400, "invalid_request_error", "unknown_field"),
        ({"amount": {"value": 1, "currency": "usd"}}, 400, "invalid_request_error", "missing_field"),
        (asked(amount={"value": 1}), 400, "invalid_request_error", "missing_field"),
        (asked(amount={"value": "1", "currency": "usd"}), 400, "invalid_request_error", "invalid_fields"),
        (asked(amount={"value": True, "currency": "usd"}), 400, "invalid_request_error", "invalid_fields"),
        (asked(amount={"value": 1.0, "currency": "usd"}), 400, "invalid_request_error", "invalid_fields"),
        (asked(amount={"value": 0, "currency": "usd"}), 400, "invalid_request_error", "invalid_fields"),
        (asked(amount={"value": 1, "currency": "xxx"}), 400, "invalid_request_error", "invalid_fields"),
        (asked(amount={"value": 1, "currency": "eur"}), 400, "feature_not_enabled", "invalid_fields"),
        (asked(to={"recipient": "acct_nobody"}), 400, "invalid_request_error", "not_found"),
        (asked(to={"recipient": BAKERY, "payout_method": "ba_checking_usd"}), 400, "invalid_payout_method", None),
        (
            asked() | {"from": {"financial_account": "fa_no", "currency": "usd"}},
            400,
            "invalid_request_error",
            "not_found",
        ),
        ([1], 400, "invalid_request_error", "invalid_fields"),
    ],
)
def test_a_wrong_payment_is_refused_in_the_words_of_the_second_api(
    http: httpx2.Client, body: Any, status: int, type: str, code: str | None
) -> None:
    got, answer = post(http, PAYMENTS, body)

    assert (got, answer["error"]["type"]) == (status, type)
    assert code is None or answer["error"]["code"] == code
    assert set(answer["error"]) == {"type", "code", "message"}
    assert balance(http) == (SEED.financial_account_usd, 0)


def test_a_form_is_no_body_of_the_second_api(http: httpx2.Client) -> None:
    assert http.post(PAYMENTS, data={"amount": "1"}).status_code == 400
    bad = http.post(PAYMENTS, content=b"{", headers={"Content-Type": "application/json"})
    assert bad.json()["error"]["message"] == "The body of the request is not JSON."
    assert http.get(f"{PAYMENTS}/obp_nobody").status_code == 404
    assert http.get("/v2/nothing").json()["error"]["type"] == "invalid_request_error"
    assert http.get(PAYMENTS, params={"expand[0]": "to"}).status_code == 400


def test_a_key_replays_what_succeeded_for_thirty_days(http: httpx2.Client, clock: Clock) -> None:
    first = post(http, PAYMENTS, asked(), "k1")
    again = post(http, PAYMENTS, asked(), "k1")
    other = post(http, PAYMENTS, asked(20_000), "k1")
    clock.now += 30 * DAY - 1
    late = post(http, PAYMENTS, asked(), "k1")

    assert first == again == late
    assert (other[0], other[1]["error"]["type"]) == (400, "idempotency_error")
    clock.now += 1
    assert post(http, PAYMENTS, asked(), "k1")[1]["id"] != first[1]["id"]
    assert balance(http)[0] == SEED.financial_account_usd - 20_000


def test_a_key_tries_again_what_failed(http: httpx2.Client, simulator: Simulator) -> None:
    first = post(http, PAYMENTS, asked(SEED.financial_account_usd), "k0")
    refused = post(http, PAYMENTS, asked(), "k1")
    http.post(f"{PAYMENTS}/{first[1]['id']}/cancel")

    retried = post(http, PAYMENTS, asked(), "k1")

    assert (refused[0], refused[1]["error"]["type"], retried[0]) == (400, "insufficient_funds", 200)
    simulator.add_fault(Fault(FaultKind.ERROR_500, path_prefix="/v2/", effect=True))
    lost = post(http, PAYMENTS, asked(700), "k2")
    found = post(http, PAYMENTS, asked(700), "k2")
    assert (lost[0], found[0]) == (500, 200)
    assert balance(http)[0] == SEED.financial_account_usd - 10_700


def test_keys_of_the_two_apis_are_not_the_same(http: httpx2.Client) -> None:
    assert http.post("/v1/customers", data={}, headers={"Idempotency-Key": "k1"}).status_code == 200
    assert post(http, PAYMENTS, asked(), "k1")[0] == 200


def test_pages_lead_to_one_another(sdk: stripe.StripeClient, http: httpx2.Client) -> None:
    made = [post(http, PAYMENTS, asked(100 + number))[1]["id"] for number in range(5)]

    listed = sdk.v2.money_management.outbound_payments.list({"limit": 2, "status": ["processing"]})
    first = http.get(PAYMENTS, params={"limit": "2"}).json()
    second = http.get(first["next_page_url"]).json()

    assert [payment.id for payment in listed.auto_paging_iter()] == made[::-1]
    assert set(first) == {"data", "next_page_url", "previous_page_url"}
    assert [found["id"] for found in second["data"]] == [made[2], made[1]]
    assert http.get(second["previous_page_url"]).json()["data"] == first["data"]
    assert http.get(PAYMENTS, params={"recipient": "acct_other"}).json()["data"] == []
    assert http.get(PAYMENTS, params={"created[gt]": "2030-01-01T00:00:00Z"}).json()["data"] == []
    for wrong in ({"limit": "0"}, {"limit": "101"}, {"page": "2"}, {"created[gt]": "soon"}, {"status[0]": "x"}):
        assert http.get(PAYMENTS, params=wrong).status_code == 400


def test_a_financial_account_shows_its_balance_and_movements(sdk: stripe.StripeClient, http: httpx2.Client) -> None:
    (account,) = sdk.v2.money_management.financial_accounts.list().data
    payment = post(http, PAYMENTS, asked())[1]
    (moved,) = sdk.v2.money_management.transactions.list({"flow": payment["id"]}).data

    assert (account.id, account.balance.available["usd"].value) == (SEED.financial_account, 2_500_000)
    assert (moved.amount.value, moved.status, moved.category) == (-10_000, "pending", "outbound_payment")
    renamed = sdk.v2.money_management.financial_accounts.update(account.id, {"display_name": "Rent"})
    assert renamed.display_name == "Rent"


def test_the_second_api_shows_the_same_accounts(sdk: stripe.StripeClient) -> None:
    listed = sdk.v2.core.accounts.list({"applied_configurations": ["recipient"]})
    one = sdk.v2.core.accounts.retrieve(BAKERY, {"include": ["identity", "configuration.recipient"]})

    assert {account.id for account in listed.data} == {BAKERY, SEED.connected_account_new}
    assert (one.display_name, one.identity and one.identity.country) == ("Maple Bakery", "us")
    with pytest.raises(stripe.InvalidRequestError):
        sdk.v2.core.accounts.retrieve("acct_nobody")


def test_a_context_acts_in_another_account(sdk: stripe.StripeClient) -> None:
    there = sdk.v2.money_management.outbound_payments.list({}, {"stripe_context": BAKERY})

    assert there.data == []
    with pytest.raises(stripe.PermissionError):
        sdk.v2.money_management.outbound_payments.list({}, {"stripe_context": "acct_nobody"})


def test_the_signing_secret_of_a_destination_is_told_once(sdk: stripe.StripeClient, world: World) -> None:
    made = sdk.v2.core.event_destinations.create(
        {
            "name": "mine",
            "type": "webhook_endpoint",
            "event_payload": "thin",
            "enabled_events": ["v2.core.event_destination.ping"],
            "webhook_endpoint": {"url": "https://example.com/in"},
            "include": ["webhook_endpoint.signing_secret", "webhook_endpoint.url"],
        }
    )
    again = sdk.v2.core.event_destinations.retrieve(made.id, {"include": ["webhook_endpoint.url"]})
    bare = sdk.v2.core.event_destinations.retrieve(made.id)

    assert made.webhook_endpoint is not None
    assert again.webhook_endpoint is not None
    assert bare.webhook_endpoint is not None
    assert str(made.webhook_endpoint.signing_secret).startswith("whsec_")
    assert (again.webhook_endpoint.signing_secret, again.webhook_endpoint.url) == (None, "https://example.com/in")
    assert bare.webhook_endpoint.url is None
    assert str(made.webhook_endpoint.signing_secret) not in stored(world.simulator)


def test_a_destination_is_changed_stopped_and_removed(sdk: stripe.StripeClient, http: httpx2.Client) -> None:
    status, made = post(
        http,
        DESTINATIONS,
        {
            "name": "mine",
            "type": "amazon_eventbridge",
            "event_payload": "snapshot",
            "enabled_events": ["charge.refunded"],
            "amazon_eventbridge": {"aws_account_id": "123456789012", "aws_region": "us-east-1"},
        },
    )
    destinations = sdk.v2.core.event_destinations

    changed = destinations.update(made["id"], {"enabled_events": ["payout.paid"], "name": "yours"})
    disabled = destinations.disable(made["id"])
    enabled = destinations.enable(made["id"])
    gone = destinations.delete(made["id"])

    assert (status, made["status"], made["webhook_endpoint"]) == (200, "enabled", None)
    assert (changed.name, changed.enabled_events) == ("yours", ["payout.paid"])
    assert (disabled.status, enabled.status, gone.id) == ("disabled", "enabled", made["id"])
    assert destinations.list().data == []
    with pytest.raises(stripe.InvalidRequestError):
        destinations.retrieve(made["id"])


@pytest.mark.parametrize(
    "change",
    [
        {"enabled_events": []},
        {"type": "pigeon"},
        {"webhook_endpoint": {"url": "ftp://example.com"}},
        {"webhook_endpoint": None},
        {"include": ["secrets"]},
        {"name": ""},
    ],
)
def test_a_wrong_destination_is_refused(http: httpx2.Client, change: dict[str, Any]) -> None:
    right = {
        "name": "mine",
        "type": "webhook_endpoint",
        "event_payload": "thin",
        "enabled_events": ["*"],
        "webhook_endpoint": {"url": "https://example.com"},
    }

    assert post(http, DESTINATIONS, {**right, **change})[0] == 400
    assert post(http, DESTINATIONS, right)[0] == 200


INTENTS = "/v2/money_management/payout_intents"


def test_an_intent_pays_when_it_is_confirmed(http: httpx2.Client, clock: Clock) -> None:
    waiting = post(http, INTENTS, asked(confirmation_method="manual"))[1]
    before = balance(http)
    going = post(http, f"{INTENTS}/{waiting['id']}/confirm", {})[1]

    assert (waiting["status"], waiting["next_action"]["type"]) == ("requires_action", "confirm")
    assert (before, going["status"]) == ((SEED.financial_account_usd, 0), "processing")
    assert balance(http) == (SEED.financial_account_usd - 10_000, 10_000)
    payment = http.get(f"{PAYMENTS}/{going['latest_payout']['outbound_payment']}").json()
    assert (payment["payout_intent"], payment["amount"]["value"]) == (waiting["id"], 10_000)
    clock.now += DAY
    assert http.get(f"{INTENTS}/{waiting['id']}").json()["status"] == "posted"
    for door in ("confirm", "cancel"):
        assert post(http, f"{INTENTS}/{waiting['id']}/{door}", {})[0] == 400


def test_an_intent_pays_by_itself_at_once_or_on_its_day(http: httpx2.Client, clock: Clock) -> None:
    now = post(http, INTENTS, asked(300))[1]
    later = post(http, INTENTS, asked(500, schedule_options={"execute_on": "2030-01-01"}))[1]

    assert (now["status"], later["status"]) == ("processing", "pending")
    assert balance(http)[0] == SEED.financial_account_usd - 300
    clock.now = 1_893_456_000
    assert http.get(f"{INTENTS}/{later['id']}").json()["status"] == "processing"
    assert balance(http)[0] == SEED.financial_account_usd - 800


def test_an_intent_without_money_waits_and_a_canceled_one_gives_it_back(http: httpx2.Client) -> None:
    short = post(http, INTENTS, asked(SEED.financial_account_usd + 1))[1]
    going = post(http, INTENTS, asked())[1]
    changed = post(http, f"{INTENTS}/{short['id']}", {"to": {"recipient": SEED.connected_account_new}})[1]
    gone = post(http, f"{INTENTS}/{going['id']}/cancel", {})[1]

    assert short["next_action"]["handle_failure"] == {"failure_reason": "insufficient_funds"}
    assert changed["to"]["recipient"] == SEED.connected_account_new
    assert (gone["status"], balance(http)) == ("canceled", (SEED.financial_account_usd, 0))
    assert post(http, f"{INTENTS}/{going['id']}/cancel", {})[1]["error"]["type"] == "already_canceled"
    assert post(http, f"{INTENTS}/{short['id']}/cancel", {})[1]["status"] == "canceled"
    assert post(http, INTENTS, asked(to={"recipient": "acct_nobody"}))[0] == 400
    assert len(http.get(INTENTS).json()["data"]) == 2
