from __future__ import annotations

import pytest
import stripe

from runplane_mcp.simulator import SEED
from runplane_mcp.simulator.seed import HOSTILE_NAME
from tests.simulator.world import World


def test_a_customer_is_created_changed_and_found_by_email(sdk: stripe.StripeClient) -> None:
    made = sdk.v1.customers.create({"name": "Nia", "email": "nia@example.com", "metadata": {"tier": "gold"}})
    changed = sdk.v1.customers.update(made.id, {"name": "", "phone": "+1 555 0100", "address": {"city": "Oslo"}})

    assert (changed.name, changed.phone, changed.email) == (None, "+1 555 0100", "nia@example.com")
    assert changed.address is not None
    assert changed.address.city == "Oslo"
    assert [found.id for found in sdk.v1.customers.list({"email": "nia@example.com"}).data] == [made.id]


def test_the_first_balance_settles_a_customers_currency(sdk: stripe.StripeClient) -> None:
    made = sdk.v1.customers.create({"name": "Nia"})
    credited = sdk.v1.customers.update(made.id, {"balance": -2_500})
    cleared = sdk.v1.customers.update(made.id, {"balance": 0})

    assert (made.balance, made.currency) == (0, None)
    assert (credited.balance, credited.currency) == (-2_500, "usd")
    assert (cleared.balance, cleared.currency) == (0, "usd")


def test_a_customer_has_an_address_to_ship_to_and_languages(sdk: stripe.StripeClient) -> None:
    made = sdk.v1.customers.create(
        {
            "shipping": {"name": "Nia", "address": {"line1": "1 Main St", "country": "US"}},
            "preferred_locales": ["de", "en"],
            "tax_exempt": "reverse",
        }
    )

    assert made.shipping is not None
    assert made.shipping.address is not None
    assert (made.shipping.name, made.shipping.address.line1) == ("Nia", "1 Main St")
    assert (made.preferred_locales, made.tax_exempt) == (["de", "en"], "reverse")


def test_deleting_a_customer_ends_the_subscriptions_and_stays_visible_as_deleted(sdk: stripe.StripeClient) -> None:
    gone = sdk.v1.customers.delete(SEED.customer_cleo)

    assert (gone.id, gone.deleted) == (SEED.customer_cleo, True)
    assert sdk.v1.subscriptions.retrieve(SEED.subscription_office).status == "canceled"
    assert sdk.v1.customers.retrieve(SEED.customer_cleo).deleted is True
    listed = sdk.v1.customers.list({"limit": 100})
    assert SEED.customer_cleo not in {customer.id for customer in listed.auto_paging_iter()}
    with pytest.raises(stripe.InvalidRequestError) as refused:
        sdk.v1.customers.update(SEED.customer_cleo, {"name": "back"})
    assert refused.value.http_status == 404


def test_a_deleted_customer_keeps_its_charges(world: World) -> None:
    world.ask("DELETE", f"/v1/customers/{SEED.customer_ada}")

    charge = world.get(f"/v1/charges/{SEED.charge_900}", expand=["customer"])

    assert charge["customer"] == {"id": SEED.customer_ada, "object": "customer", "deleted": True}
    assert world.post("/v1/refunds", charge=SEED.charge_900)["amount"] == 90_000


def test_a_name_written_to_deceive_comes_through_as_it_is(sdk: stripe.StripeClient) -> None:
    assert sdk.v1.customers.retrieve(SEED.customer_hostile).name == HOSTILE_NAME
    assert "\u202e" in HOSTILE_NAME
    assert "\u001b" in HOSTILE_NAME


def test_metadata_has_bounds(world: World) -> None:
    for metadata in ({"k" * 41: "v"}, {"k": "v" * 501}, {f"k{n}": "v" for n in range(51)}):
        status, _ = world.refused("POST", "/v1/customers", metadata=metadata)
        assert status == 400
