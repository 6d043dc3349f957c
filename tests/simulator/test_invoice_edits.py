"""Lines of a draft come, change and go; items change; payments made elsewhere count."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from runplane_mcp.simulator import SEED
from tests.simulator.world import World

DRAFT = f"/v1/invoices/{SEED.invoice_draft}"


def line(world: World) -> Any:
    (only,) = world.get(DRAFT)["lines"]["data"]
    return only


def test_the_sdk_adds_changes_and_removes_lines(sdk: stripe.StripeClient, world: World) -> None:
    added = sdk.v1.invoices.add_lines(
        SEED.invoice_draft,
        {
            "lines": [
                {"amount": 2_000, "description": "Delivery"},
                {"pricing": {"price": SEED.price_beans}, "quantity": 2},
                {"price_data": {"currency": "usd", "product": SEED.product_beans, "unit_amount": 150}, "quantity": 3},
            ],
            "invoice_metadata": {"order": "9"},
        },
    )
    assert (added.total, [each.amount for each in added.lines.data]) == (24_050, [18_000, 2_000, 3_600, 450])
    assert added.to_dict()["metadata"] == {"order": "9"}
    delivery, beans = added.lines.data[1], added.lines.data[2]
    changed = sdk.v1.invoices.update_lines(
        SEED.invoice_draft, {"lines": [{"id": delivery.id, "amount": 1_000}, {"id": beans.id, "quantity": 1}]}
    )
    assert changed.total == 18_000 + 1_000 + 1_800 + 450
    assert (
        sdk.v1.invoices.line_items.update(SEED.invoice_draft, delivery.id, {"description": "Post"}).description
        == "Post"
    )
    left = sdk.v1.invoices.remove_lines(
        SEED.invoice_draft,
        {"lines": [{"id": delivery.id, "behavior": "delete"}, {"id": beans.id, "behavior": "unassign"}]},
    )

    assert left.total == 18_450
    assert [item["amount"] for item in world.get("/v1/invoiceitems", customer="cus_petra", pending=True)["data"]] == [
        1_800
    ]


def test_an_item_that_waits_is_put_on_a_draft(world: World) -> None:
    item = world.post("/v1/invoiceitems", customer="cus_petra", amount=700, currency="usd")["id"]
    found = world.post(f"{DRAFT}/add_lines", **{"lines[0][invoice_item]": item})

    assert found["total"] == 18_700
    assert world.refused("POST", f"{DRAFT}/add_lines", **{"lines[0][invoice_item]": item})[0] == 400


def test_an_item_is_changed_where_it_stands(sdk: stripe.StripeClient, world: World) -> None:
    item = line(world)["parent"]["invoice_item_details"]["invoice_item"]
    changed = sdk.v1.invoice_items.update(item, {"amount": 9_000, "description": "Fewer", "metadata": {"a": "b"}})

    assert (changed.amount, changed.description) == (9_000, "Fewer")
    assert (world.get(DRAFT)["total"], line(world)["description"]) == (9_000, "Fewer")
    waiting = sdk.v1.invoice_items.update(SEED.invoice_item_pending, {"discounts": [{"coupon": SEED.coupon_once}]})
    invoice = world.post("/v1/invoices", customer="cus_sofia", pending_invoice_items_behavior="include")
    assert len(waiting.discounts or []) == 1
    assert (invoice["subtotal"], invoice["total"]) == (3_240, 3_240)


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        (f"{DRAFT}/add_lines", {"lines[0][amount]": 5, "lines[0][currency]": "usd"}),
        (f"{DRAFT}/add_lines", {"lines[0][pricing][price]": SEED.price_monthly}),
        (f"{DRAFT}/add_lines", {"lines[0][invoice_item]": SEED.invoice_item_pending}),
        (f"{DRAFT}/add_lines", {}),
        (f"{DRAFT}/update_lines", {"lines[0][id]": "il_nobody", "lines[0][amount]": 5}),
        (f"{DRAFT}/remove_lines", {"lines[0][id]": "il_nobody", "lines[0][behavior]": "delete"}),
        (f"{DRAFT}/remove_lines", {"lines[0][id]": "il_nobody"}),
        (f"/v1/invoices/{SEED.invoice_open}/add_lines", {"lines[0][amount]": 5}),
        (f"/v1/invoices/{SEED.invoice_open}/attach_payment", {"payment_intent": SEED.payment_intent_900}),
        (f"/v1/invoices/{SEED.invoice_open}/attach_payment", {"payment_intent": SEED.payment_intent_held_900}),
        (f"{DRAFT}/attach_payment", {"payment_intent": SEED.payment_intent_unpaid}),
    ],
)
def test_what_can_not_be_is_refused_and_changes_nothing(world: World, path: str, asked: dict[str, object]) -> None:
    before = world.get(DRAFT), world.get(f"/v1/invoices/{SEED.invoice_open}")

    assert world.refused("POST", path, **asked)[0] == 400
    assert before == (world.get(DRAFT), world.get(f"/v1/invoices/{SEED.invoice_open}"))


def paid(world: World, amount: int) -> str:
    return str(
        world.post(
            "/v1/payment_intents",
            amount=amount,
            currency="usd",
            customer="cus_omar",
            payment_method="pm_card_visa",
            confirm=True,
        )["id"]
    )


def test_a_payment_made_elsewhere_counts(sdk: stripe.StripeClient, world: World) -> None:
    part = sdk.v1.invoices.attach_payment(SEED.invoice_open, {"payment_intent": paid(world, 40_000)})
    assert (part.status, part.amount_paid, part.amount_remaining) == ("open", 40_000, 8_000)

    rest = paid(world, 9_000)
    whole = sdk.v1.invoices.attach_payment(SEED.invoice_open, {"payment_intent": rest})
    assert (whole.status, whole.amount_remaining, whole.amount_overpaid) == ("paid", 0, 1_000)
    assert world.get("/v1/customers/cus_omar")["balance"] == -1_000
    with pytest.raises(stripe.InvalidRequestError):
        sdk.v1.invoices.attach_payment(SEED.invoice_eur, {"payment_intent": rest})


def test_an_invoice_takes_what_waits_for_a_subscription(world: World) -> None:
    world.post("/v1/subscription_items/si_cleo_office_2", quantity=24)
    invoice = world.post("/v1/invoices", customer="cus_cleo", subscription=SEED.subscription_office)

    assert (invoice["total"], invoice["parent"]["type"]) == (3_600, "subscription_details")
    again = world.refused("POST", "/v1/invoices", customer="cus_cleo", subscription=SEED.subscription_office)[1]
    assert again["code"] == "invoice_no_subscription_line_items"


def test_a_line_of_a_subscription_keeps_its_amount(world: World) -> None:
    sent = {"collection_method": "send_invoice", "days_until_due": 9}
    made = world.post("/v1/subscriptions", customer="cus_ada", **sent, **{"items[0][price]": SEED.price_monthly})
    path = f"/v1/invoices/{made['latest_invoice']}"
    (only,) = world.get(path)["lines"]["data"]

    assert world.refused("POST", f"{path}/lines/{only['id']}", amount=5)[0] == 400
    assert (
        world.refused("POST", f"{path}/remove_lines", **{"lines[0][id]": only["id"], "lines[0][behavior]": "delete"})[0]
        == 400
    )
    changed = world.post(
        f"{path}/lines/{only['id']}",
        description="Club",
        metadata={"a": "b"},
        **{"discounts[0][coupon]": SEED.coupon_once},
    )
    assert (changed["description"], changed["metadata"], world.get(path)["total"]) == ("Club", {"a": "b"}, 2_610)


def test_items_have_prices_of_every_kind(world: World) -> None:
    unit = world.post("/v1/invoiceitems", customer="cus_ada", currency="usd", unit_amount_decimal="0.25", quantity=10)
    assert (unit["amount"], unit["quantity"]) == (3, 10)
    priced = world.post("/v1/invoiceitems", customer="cus_ada", **{"pricing[price]": SEED.price_beans})
    changed = world.post(f"/v1/invoiceitems/{priced['id']}", quantity=3)
    assert (changed["amount"], changed["quantity_decimal"]) == (5_400, "3")
    of = world.post(
        "/v1/invoiceitems", customer="cus_ada", amount=5, currency="usd", subscription=SEED.subscription_monthly
    )
    assert of["parent"]["subscription_details"]["subscription"] == SEED.subscription_monthly
    other = {"customer": "cus_ben", "amount": 5, "currency": "usd", "subscription": SEED.subscription_monthly}
    assert world.refused("POST", "/v1/invoiceitems", **other)[0] == 400
    assert world.refused("POST", f"/v1/invoiceitems/{unit['id']}", quantity=3)[0] == 400
    assert world.post(f"/v1/invoiceitems/{unit['id']}", amount=-50)["discountable"] is False
