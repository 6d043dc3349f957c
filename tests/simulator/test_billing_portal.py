"""The customer portal, tax rates, and taking credit notes back."""

from __future__ import annotations

import pytest
import stripe

from runplane_mcp.simulator import SEED
from tests.simulator.world import World


def test_the_sdk_configures_the_portal_and_opens_it(sdk: stripe.StripeClient) -> None:
    made = sdk.v1.billing_portal.configurations.create(
        {
            "features": {
                "subscription_cancel": {"enabled": True, "mode": "immediately"},
                "invoice_history": {"enabled": True},
            }
        }
    )
    assert (made.is_default, made.features.subscription_cancel.mode) == (True, "immediately")
    session = sdk.v1.billing_portal.sessions.create({"customer": "cus_ada", "return_url": "https://example.com"})
    assert (session.configuration, session.customer) == (made.id, "cus_ada")
    assert session.url.startswith("https://billing.simulator.example/")
    other = sdk.v1.billing_portal.configurations.create({"features": {"invoice_history": {"enabled": False}}})
    assert sdk.v1.billing_portal.configurations.update(other.id, {"active": False, "name": "Old"}).active is False
    assert [each.id for each in sdk.v1.billing_portal.configurations.list({"active": True}).data] == [made.id]


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"customer": "cus_nobody"},
        {"customer": "cus_ada", "configuration": "bpc_nobody"},
        {"customer": "cus_ada", "return_url": "nowhere"},
        {"customer": "cus_ada", "retrun_url": "https://example.com"},
    ],
)
def test_a_portal_that_can_not_be_is_refused(world: World, asked: dict[str, object]) -> None:
    assert world.refused("POST", "/v1/billing_portal/sessions", **asked)[0] == 400


def test_the_default_configuration_stays_active(world: World) -> None:
    session = world.post("/v1/billing_portal/sessions", customer="cus_ada")

    assert (
        world.refused("POST", f"/v1/billing_portal/configurations/{session['configuration']}", active=False)[0] == 400
    )


def test_the_sdk_keeps_tax_rates(sdk: stripe.StripeClient, world: World) -> None:
    made = sdk.v1.tax_rates.create({"display_name": "VAT", "inclusive": False, "percentage": 7.25, "country": "DE"})
    assert (made.percentage, made.active) == (7.25, True)
    assert sdk.v1.tax_rates.update(made.id, {"active": False, "description": "Old"}).active is False
    assert sdk.v1.tax_rates.list({"active": True}).data == []
    assert sdk.v1.tax_rates.retrieve(made.id).description == "Old"
    asked = {"default_tax_rates[0]": made.id}
    assert world.refused("POST", "/v1/invoices", customer="cus_ada", **asked)[1]["param"] == "default_tax_rates"
    assert world.refused("POST", f"/v1/tax_rates/{made.id}", percentage=5)[1]["code"] == "parameter_unknown"
    assert world.refused("POST", "/v1/tax_rates", display_name="x", inclusive=True, percentage=101)[0] == 400


def test_a_credit_note_is_taken_back_while_the_invoice_is_open(sdk: stripe.StripeClient, world: World) -> None:
    note = sdk.v1.credit_notes.create({"invoice": SEED.invoice_open, "amount": 8_000})
    voided = sdk.v1.credit_notes.void_credit_note(note.id)

    assert (voided.status, voided.voided_at is not None) == ("void", True)
    invoice = world.get(f"/v1/invoices/{SEED.invoice_open}")
    assert (invoice["amount_remaining"], invoice["pre_payment_credit_notes_amount"]) == (48_000, 0)
    assert world.refused("POST", f"/v1/credit_notes/{note.id}/void")[0] == 400
    assert world.refused("POST", f"/v1/credit_notes/{SEED.credit_note}/void")[0] == 400


def test_the_lines_of_a_credit_note_are_listed(sdk: stripe.StripeClient, world: World) -> None:
    (line,) = world.get(f"/v1/invoices/{SEED.invoice_open}")["lines"]["data"]
    asked = {"lines[0][type]": "invoice_line_item", "lines[0][invoice_line_item]": line["id"], "lines[0][amount]": 700}
    seen = world.get("/v1/credit_notes/preview/lines", invoice=SEED.invoice_open, **asked)["data"]
    note = world.post("/v1/credit_notes", invoice=SEED.invoice_open, **asked)["id"]

    assert [each["amount"] for each in seen] == [700]
    assert [each.amount for each in sdk.v1.credit_notes.line_items.list(note).data] == [700]


def test_a_portal_can_have_its_own_login_and_words(world: World) -> None:
    made = world.post(
        "/v1/billing_portal/configurations",
        default_return_url="https://example.com/back",
        metadata={"a": "b"},
        **{
            "features[subscription_update][enabled]": True,
            "features[subscription_update][products][0][product]": SEED.product_club,
            "features[subscription_update][products][0][prices][0]": SEED.price_monthly,
            "business_profile[headline]": "Alder",
            "login_page[enabled]": True,
        },
    )
    session = world.post("/v1/billing_portal/sessions", customer="cus_ada", configuration=made["id"])

    assert made["login_page"]["url"].startswith("https://billing.simulator.example/p/login/")
    assert (made["business_profile"]["headline"], session["return_url"]) == ("Alder", "https://example.com/back")
    world.post("/v1/billing_portal/configurations", **{"features[invoice_history][enabled]": True})
    later = world.get("/v1/billing_portal/configurations", is_default=False)["data"][0]["id"]
    world.post(f"/v1/billing_portal/configurations/{later}", active=False)
    assert world.refused("POST", "/v1/billing_portal/sessions", customer="cus_ada", configuration=later)[0] == 400
