"""Items by themselves, pauses of a whole subscription, and discounts in prorations."""

from __future__ import annotations

import pytest
import stripe

from runplane_mcp.simulator import SEED
from tests.simulator.world import DAY, Clock, World

OFFICE, ADA = f"/v1/subscriptions/{SEED.subscription_office}", f"/v1/subscriptions/{SEED.subscription_monthly}"
ITEM = "/v1/subscription_items/si_cleo_office_2"


def pending(world: World, customer: str) -> list[int]:
    return [item["amount"] for item in world.get("/v1/invoiceitems", customer=customer, pending=True)["data"]]


def test_the_sdk_adds_changes_lists_and_ends_items(sdk: stripe.StripeClient, world: World) -> None:
    """Twenty of thirty days are over: a third of each price is left."""
    added = sdk.v1.subscription_items.create(
        {
            "subscription": SEED.subscription_monthly,
            "price": SEED.price_seat,
            "quantity": 2,
            "proration_behavior": "none",
        }
    )
    changed = sdk.v1.subscription_items.update("si_cleo_office_2", {"quantity": 6, "metadata": {"a": "b"}})

    assert (added.quantity, added.price.id, added.subscription) == (2, SEED.price_seat, SEED.subscription_monthly)
    assert (changed.quantity, pending(world, "cus_cleo")) == (6, [1_800, -3_600])
    assert sdk.v1.subscription_items.retrieve(added.id).quantity == 2
    found = sdk.v1.subscription_items.list({"subscription": SEED.subscription_office, "limit": 1})
    assert ([item.id for item in found.data], found.has_more) == (["si_cleo_office_1"], True)
    assert sdk.v1.subscription_items.delete(added.id, {"proration_behavior": "none"}).deleted
    with pytest.raises(stripe.InvalidRequestError) as refused:
        sdk.v1.subscription_items.retrieve(added.id)
    assert refused.value.http_status == 404


def test_an_item_that_is_deleted_is_credited(world: World) -> None:
    assert world.ask("DELETE", ITEM)[1] == {"id": "si_cleo_office_2", "object": "subscription_item", "deleted": True}
    assert pending(world, "cus_cleo") == [-3_600]
    assert world.refused("DELETE", "/v1/subscription_items/si_cleo_office_1")[0] == 400


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/v1/subscription_items", {"price": SEED.price_seat}),
        ("/v1/subscription_items", {"subscription": SEED.subscription_canceled, "price": SEED.price_seat}),
        ("/v1/subscription_items", {"subscription": SEED.subscription_office, "price": SEED.price_seat}),
        (ITEM, {"price": SEED.price_monthly_eur}),
        (ITEM, {"quantity": "many"}),
        (ITEM, {"subscription": SEED.subscription_office}),
    ],
)
def test_an_item_that_can_not_be_is_refused(world: World, path: str, asked: dict[str, object]) -> None:
    before = world.get(OFFICE)

    assert world.refused("POST", path, **asked)[0] == 400
    assert world.get(OFFICE) == before


def test_prorations_are_after_the_discount(world: World) -> None:
    """Six of thirty days are over, at 20 % off: 80 % of $23.20 goes, 80 % of twice that comes."""
    world.post("/v1/subscription_items/si_nora_discounted_1", quantity=2)
    (charge, credit) = pending(world, "cus_nora")

    assert charge == -2 * credit
    assert abs(credit + 1_856) <= 40


def test_what_was_free_is_not_credited(world: World) -> None:
    world.post("/v1/coupons", id="FREE1", percent_off=100, duration="once")
    made = world.post(
        "/v1/subscriptions",
        customer="cus_ada",
        **{"items[0][price]": SEED.price_monthly, "discounts[0][coupon]": "FREE1"},
    )
    world.post(f"/v1/subscription_items/{made['items']['data'][0]['id']}", quantity=2)
    assert pending(world, "cus_ada") == [5_800]

    other = world.post(
        "/v1/subscriptions",
        customer="cus_ben",
        **{"items[0][price]": SEED.price_monthly, "discounts[0][coupon]": "FREE1"},
    )
    world.ask("DELETE", f"/v1/subscriptions/{other['id']}", prorate=True)
    assert (other["discounts"], pending(world, "cus_ben")) == ([], [])


def test_what_was_paid_in_full_is_credited_in_full(world: World) -> None:
    """A discount that came later is not in what was paid, but in what comes instead."""
    world.post(OFFICE, **{"discounts[0][coupon]": SEED.coupon_forever})
    world.post(ITEM, quantity=6)

    assert pending(world, "cus_cleo") == [1_440, -3_600]


def test_an_item_has_discounts_of_its_own(world: World) -> None:
    world.post(ITEM, **{"discounts[0][coupon]": SEED.coupon_forever}, proration_behavior="none")
    preview = world.post("/v1/invoices/create_preview", subscription=SEED.subscription_office)

    assert [line["amount"] for line in preview["lines"]["data"]] == [2_900, 10_800]
    assert (preview["subtotal"], preview["total"]) == (2_900 + 8_640, 2_900 + 8_640)


def test_prorations_are_worked_out_for_another_moment(world: World, clock: Clock) -> None:
    start = world.get(OFFICE)["items"]["data"][0]["current_period_start"]
    world.post(ITEM, quantity=24, proration_date=start)

    assert pending(world, "cus_cleo") == [21_600, -10_800]
    assert world.refused("POST", ITEM, quantity=3, proration_date=clock.now + 90 * DAY)[0] == 400


def test_a_paused_subscription_costs_nothing_until_it_is_resumed(
    sdk: stripe.StripeClient, world: World, clock: Clock
) -> None:
    paused = sdk.v1.subscriptions.pause(SEED.subscription_office)
    assert (paused.status, sorted(pending(world, "cus_cleo"))) == ("paused", [-3_600, -967])
    clock.now += 60 * DAY
    assert world.get("/v1/invoices", subscription=SEED.subscription_office)["data"] == []

    resumed = sdk.v1.subscriptions.resume(SEED.subscription_office, {"expand": ["latest_invoice"]})
    assert resumed.status == "active"
    assert isinstance(resumed.latest_invoice, stripe.Invoice)
    assert (resumed.latest_invoice.status, resumed.latest_invoice.total) == ("paid", 13_700 - 4_567)
    with pytest.raises(stripe.InvalidRequestError):
        sdk.v1.subscriptions.resume(SEED.subscription_office)


def test_resuming_may_wait_for_the_payment(world: World) -> None:
    world.post(ADA, default_payment_method="pm_card_chargeDeclined")
    world.post(f"{ADA}/pause", **{"bill_for[unused_time_from][type]": "none"})
    found = world.post(f"{ADA}/resume", payment_behavior="resume_on_payment_success")
    assert (found["status"], pending(world, "cus_ada")) == ("paused", [])

    world.post(f"/v1/invoices/{found['latest_invoice']}/pay", payment_method="pm_card_visa")
    assert world.get(ADA)["status"] == "active"


def test_an_earlier_bill_that_is_paid_does_not_end_a_pause(world: World, clock: Clock) -> None:
    clock.now = world.get(ADA)["items"]["data"][0]["current_period_end"]
    world.post(f"{ADA}/pause")
    clock.now += 3_600
    found = world.get(ADA, expand=["latest_invoice"])

    assert (found["latest_invoice"]["status"], found["status"]) == ("paid", "paused")


def test_resuming_where_it_was_charges_only_what_is_left(world: World) -> None:
    world.post(f"{OFFICE}/pause")
    found = world.post(f"{OFFICE}/resume", **{"billing_cycle_anchor[type]": "unchanged"})

    assert found["status"] == "active"
    assert sum(pending(world, "cus_cleo")) == 0


def test_what_can_not_be_paused_is_refused(world: World) -> None:
    assert world.refused("POST", f"/v1/subscriptions/{SEED.subscription_canceled}/pause")[0] == 400
    assert world.refused("POST", f"{ADA}/resume")[0] == 400
    assert world.refused("POST", f"{ADA}/pause", until=5)[1]["code"] == "parameter_unknown"
    world.post("/v1/subscription_schedules", from_subscription=SEED.subscription_monthly)
    assert world.refused("POST", f"{ADA}/pause")[0] == 400


def test_a_change_may_add_something_paid_once(world: World) -> None:
    added = {"add_invoice_items[0][price]": SEED.price_beans, "add_invoice_items[0][quantity]": 2}
    world.post(ADA, **added)
    assert pending(world, "cus_ada") == [3_600]
    found = world.post(ADA, **added, proration_behavior="always_invoice", expand=["latest_invoice"])

    assert found["latest_invoice"]["amount_paid"] == 7_200
    assert world.refused("POST", ADA, **{"add_invoice_items[0][price]": SEED.price_seat})[0] == 400


def test_billing_can_begin_anew_today(world: World) -> None:
    found = world.post(OFFICE, **{"billing_cycle_anchor[type]": "now"}, expand=["latest_invoice"])

    assert {item["current_period_start"] for item in found["items"]["data"]} == {found["billing_cycle_anchor"]}
    assert sorted(line["amount"] for line in found["latest_invoice"]["lines"]["data"]) == [-3_600, -967, 2_900, 10_800]


def test_a_declined_change_leaves_everything_as_it_was(world: World) -> None:
    world.post(ADA, default_payment_method="pm_card_chargeDeclined")
    before = world.get(ADA)
    asked = {"items[0][id]": before["items"]["data"][0]["id"], "items[0][quantity]": 5}
    how = {"payment_behavior": "error_if_incomplete", "proration_behavior": "always_invoice"}

    assert world.refused("POST", ADA, **asked, **how)[0] == 402
    assert world.get(ADA) == before
    assert pending(world, "cus_ada") == []

    behind = world.post(ADA, **asked, proration_behavior="always_invoice")
    assert behind["status"] == "past_due"


def test_discounts_that_are_named_again_stay(world: World) -> None:
    path = f"/v1/subscriptions/{SEED.subscription_discounted}"
    (held,) = world.get(path)["discounts"]
    found = world.post(path, **{"discounts[0][discount]": held, "discounts[1][coupon]": SEED.coupon_amount})
    assert found["discounts"][0] == held
    assert world.post("/v1/invoices/create_preview", subscription=SEED.subscription_discounted)["total"] == 1_320
    assert world.refused("POST", ADA, **{"discounts[0][discount]": held})[1]["code"] == "resource_missing"

    item = world.get(path)["items"]["data"][0]["id"]
    world.post(f"/v1/subscription_items/{item}", **{"discounts[0][coupon]": SEED.coupon_months})
    world.post(f"/v1/subscription_items/{item}", discounts="")
    world.post(path, discounts="")
    assert world.post("/v1/invoices/create_preview", subscription=SEED.subscription_discounted)["total"] == 2_900


def test_how_it_is_collected_changes(world: World) -> None:
    found = world.post(
        ADA,
        collection_method="send_invoice",
        days_until_due=7,
        description="Club",
        application_fee_percent="2.5",
        **{"payment_settings[save_default_payment_method]": "on_subscription"},
    )
    assert (found["collection_method"], found["days_until_due"], found["application_fee_percent"]) == (
        "send_invoice",
        7,
        2.5,
    )
    back = world.post(ADA, collection_method="charge_automatically", application_fee_percent="", description="")
    assert (back["days_until_due"], back["application_fee_percent"], back["description"]) == (None, None, None)
    for wrong in ({"days_until_due": 7}, {"application_fee_percent": 101}, {"application_fee_percent": "nan"}):
        assert world.refused("POST", ADA, **wrong)[0] == 400


def test_an_unpaid_start_keeps_its_items(world: World) -> None:
    new = world.post("/v1/customers")["id"]
    made = world.post(
        "/v1/subscriptions",
        customer=new,
        payment_behavior="default_incomplete",
        **{"items[0][price]": SEED.price_monthly},
    )
    item = made["items"]["data"][0]["id"]

    assert world.refused("POST", f"/v1/subscription_items/{item}", quantity=2)[0] == 400
    assert world.post(f"/v1/subscriptions/{made['id']}", metadata={"a": "b"})["metadata"] == {"a": "b"}


def test_migrating_to_how_all_of_them_bill_already_is_refused(sdk: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        sdk.v1.subscriptions.migrate(SEED.subscription_monthly, {"billing_mode": {"type": "flexible"}})

    assert refused.value.param == "billing_mode"
