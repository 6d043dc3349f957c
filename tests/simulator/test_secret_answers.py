"""What Stripe's answers let out: signing secrets, card numbers, keys, secrets of apps, links to files."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from runplane_mcp.simulator import SEED
from tests.simulator.world import World, stored


def test_a_webhooks_secret_is_told_once(sdk: stripe.StripeClient, world: World) -> None:
    made = sdk.v1.webhook_endpoints.create({"url": "https://example.com/in", "enabled_events": ["*"]})

    changed = sdk.v1.webhook_endpoints.update(made.id, {"disabled": True, "enabled_events": ["charge.refunded"]})

    assert str(made.secret).startswith("whsec_")
    assert (changed.status, changed.enabled_events, getattr(changed, "secret", None)) == (
        "disabled",
        ["charge.refunded"],
        None,
    )
    assert [found.id for found in sdk.v1.webhook_endpoints.list().data] == [made.id]
    assert str(made.secret) not in stored(world.simulator)
    assert sdk.v1.webhook_endpoints.delete(made.id).deleted is True
    assert world.refused("POST", f"/v1/webhook_endpoints/{made.id}", disabled=False)[0] == 404


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"url": "https://example.com"}, "enabled_events"),
        ({"url": "example.com", "enabled_events": ["*"]}, "url"),
        ({"url": "https://example.com", "enabled_events": ["*"], "secret": "x"}, "secret"),
    ],
)
def test_a_wrong_webhook_says_why(world: World, parameters: dict[str, Any], param: str) -> None:
    status, error = world.refused("POST", "/v1/webhook_endpoints", **parameters)

    assert (status, error["param"]) == (400, param)


def test_a_cards_number_is_shown_only_to_who_asks_for_one(sdk: stripe.StripeClient, world: World) -> None:
    plain = world.get(f"/v1/issuing/cards/{SEED.issuing_card}")
    shown = sdk.v1.issuing.cards.retrieve(SEED.issuing_card, {"expand": ["number", "cvc"]})

    assert ("number" in plain, "cvc" in plain) == (False, False)
    assert (len(str(shown.number)), str(shown.number)[-4:], len(str(shown.cvc))) == (16, plain["last4"], 3)
    assert str(shown.number) not in stored(world.simulator)
    assert world.refused("GET", "/v1/issuing/cards", expand=["data.number"])[0] == 400
    assert world.refused("POST", f"/v1/issuing/cards/{SEED.issuing_card}", expand=["number"])[0] == 400


def test_a_card_is_made_limited_and_canceled_for_good(sdk: stripe.StripeClient, world: World) -> None:
    card = sdk.v1.issuing.cards.create(
        {
            "cardholder": SEED.cardholder,
            "currency": "usd",
            "type": "virtual",
            "status": "active",
            "spending_controls": {"spending_limits": [{"amount": 100, "interval": "daily"}]},
        }
    )
    path = f"/v1/issuing/cards/{card.id}"
    limits = {"spending_controls[spending_limits][0][interval]": "all_time"}

    raised = world.post(path, **limits, **{"spending_controls[spending_limits][0][amount]": 999_999})
    gone = world.post(path, status="canceled", cancellation_reason="lost")

    assert (card.status, raised["spending_controls"]["spending_limits"][0]["amount"]) == ("active", 999_999)
    assert (gone["status"], gone["cancellation_reason"]) == ("canceled", "lost")
    assert world.refused("POST", path, status="active")[0] == 400
    nobody = world.refused("POST", "/v1/issuing/cards", cardholder="ich_nobody", currency="usd", type="virtual")
    assert nobody[1]["code"] == "resource_missing"
    address = {"city": "Lyon", "country": "FR", "line1": "1 rue", "postal_code": "69001"}
    holder = world.post("/v1/issuing/cardholders", name="Zoé", billing={"address": address}, status="inactive")
    asked = {"cardholder": holder["id"], "currency": "usd", "type": "virtual", "status": "active"}
    assert world.refused("POST", "/v1/issuing/cards", **asked)[1]["param"] == "status"


def test_an_ephemeral_key_is_for_one_thing_and_ends(sdk: stripe.StripeClient, world: World) -> None:
    key = world.post("/v1/ephemeral_keys", customer=SEED.customer_ada)

    ended = world.ask("DELETE", f"/v1/ephemeral_keys/{key['id']}")[1]

    assert key["secret"].startswith("ek_test_")
    assert key["associated_objects"] == [{"id": SEED.customer_ada, "type": "customer"}]
    assert (ended["id"], "secret" in ended) == (key["id"], False)
    assert world.refused("DELETE", f"/v1/ephemeral_keys/{key['id']}")[0] == 400
    assert world.refused("POST", "/v1/ephemeral_keys")[1]["code"] == "parameter_missing"


def test_an_apps_secret_is_found_with_its_payload_only_where_asked(sdk: stripe.StripeClient, world: World) -> None:
    scope: dict[str, Any] = {"scope": {"type": "account"}}
    sdk.v1.apps.secrets.create({"name": "token", "payload": "s3cret", "scope": {"type": "account"}})

    bare = world.get("/v1/apps/secrets/find", name="token", **scope)
    whole = sdk.v1.apps.secrets.find({"name": "token", "scope": {"type": "account"}, "expand": ["payload"]})
    listed = world.get("/v1/apps/secrets", **scope)["data"]

    assert ("payload" in bare, whole.payload, "payload" in listed[0]) == (False, "s3cret", False)
    other = world.refused("GET", "/v1/apps/secrets/find", name="token", scope={"type": "user", "user": "u1"})
    assert other[0] == 404
    assert world.post("/v1/apps/secrets/delete", name="token", **scope)["deleted"] is True
    assert world.refused("POST", "/v1/apps/secrets/delete", name="token", **scope)[0] == 404
    assert world.refused("GET", "/v1/apps/secrets", scope={"type": "user"})[1]["param"] == "scope[user]"


def test_a_link_to_a_file_leads_out_until_it_expires(sdk: stripe.StripeClient, world: World) -> None:
    link = sdk.v1.file_links.create({"file": SEED.file, "expires_at": world.clock.now + 60})

    assert str(link.url).startswith("https://files.stripe.com/links/")
    world.clock.now += 60
    after = world.get(f"/v1/file_links/{link.id}")
    assert (after["expired"], after["url"]) == (True, None)
    assert [found["id"] for found in world.get("/v1/file_links", expired=True)["data"]] == [link.id]
    lasting = world.post("/v1/file_links", file=SEED.file)
    assert world.post(f"/v1/file_links/{lasting['id']}", expires_at="now")["expired"] is True
    assert world.refused("POST", "/v1/file_links", file="file_nobody")[1]["code"] == "resource_missing"
    assert world.refused("POST", "/v1/file_links", file=SEED.file, expires_at=1)[1]["param"] == "expires_at"


def test_events_are_filtered_by_whether_they_were_delivered(world: World) -> None:
    world.post("/v1/refunds", charge=SEED.charge_40)

    assert world.get("/v1/events", delivery_success=True, type="refund.*")["data"] != []
    assert world.get("/v1/events", delivery_success=False)["data"] == []
