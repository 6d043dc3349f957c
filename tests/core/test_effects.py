"""Effects over all kinds: exactly the facts an operation has, never an exception, and the request that then runs."""

from __future__ import annotations

from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runplane_mcp.core.effect import UNAVAILABLE, Effect, Looked, LookedUp
from runplane_mcp.core.effects import MOST_STAGES, effect_of, effective, reads, unknown_effect
from runplane_mcp.core.exposure.cells import MAY_BE_NONE
from runplane_mcp.core.facts import NONE, UNKNOWN
from runplane_mcp.core.money import Money
from runplane_mcp.core.operation import EFFECT_FACTS, Classified, EffectKind
from runplane_mcp.errors import InternalError, ParameterError
from tests.core.stripe_objects import (
    CATALOG,
    GONE,
    account,
    balance,
    bank,
    charge,
    classified,
    coupon,
    effect,
    intent,
    invoice,
    item,
    listing,
    subscription,
)

ASKED = (
    classified("PostRefunds", charge="ch_1"),
    classified("PostRefunds", payment_intent="pi_1", amount=100),
    classified("PostRefunds", origin="customer_balance", customer="cus_1", amount=5, currency="usd"),
    classified("PostPayouts", amount=100, currency="usd"),
    classified("PostPayouts", amount=100, currency="usd", destination="ba_1", method="instant"),
    classified("PostTransfers", amount=100, currency="usd", destination="acct_1"),
    classified("PostTransfers", currency="usd", destination="acct_1", source_transaction="ch_1"),
    classified("PostPayoutsPayoutCancel", payout="po_1"),
    classified("PostTransfersIdReversals", id="tr_1"),
    classified("PostTransfersIdReversals", id="tr_1", amount=5, refund_application_fee=True),
    classified("PostPaymentIntentsIntentCapture", intent="pi_1"),
    classified("PostPaymentIntentsIntentCapture", intent="pi_1", amount_to_capture=5, application_fee_amount=1),
    classified("PostPaymentIntentsIntentCancel", intent="pi_1"),
    classified("PostCreditNotes", invoice="in_1", refund_amount=5, credit_amount=5),
    classified("DeleteSubscriptionsSubscriptionExposedId", subscription_exposed_id="sub_1", prorate=True),
    classified("PostSubscriptionsSubscriptionExposedId", subscription_exposed_id="sub_1", cancel_at_period_end=True),
    classified("PostSubscriptionsSubscriptionExposedId", subscription_exposed_id="sub_1", items=[{"id": "si_1"}]),
    classified("DeleteCustomersCustomer", customer="cus_1"),
    classified("PostDisputesDispute", dispute="dp_1", evidence={"uncategorized_text": "x"}),
    classified("PostDisputesDispute", dispute="dp_1", evidence={"uncategorized_text": "x"}, submit=False),
    classified("PostPaymentLinks", line_items=[{"price": "price_1", "quantity": 2}]),
    classified("PostPaymentLinks", line_items=[{"price_data": {"unit_amount": 1}}], transfer_data={"destination": "a"}),
    classified("PostPaymentLinksPaymentLink", payment_link="plink_1", line_items=[{"id": "li_1", "quantity": 3}]),
    classified("PostPaymentLinksPaymentLink", payment_link="plink_1", active=False, transfer_data=""),
    classified("PostChargesChargeDisputeClose", charge="ch_1"),
    classified("PostDisputesDisputeClose", dispute="dp_1"),
    classified("PostChargesChargeCapture", charge="ch_1"),
    classified("PostChargesChargeCapture", charge="ch_1", amount=5, transfer_data={"amount": 5}),
    classified("PostPaymentIntentsIntent", intent="pi_1", amount=5, customer="cus_2", transfer_data={"amount": 5}),
    classified("PostCheckoutSessions", customer="cus_1", line_items=[{"price": "price_1", "quantity": 2}]),
    classified("PostCheckoutSessions", mode="setup", setup_intent_data={"on_behalf_of": "acct_1"}),
    classified("PostCheckoutSessionsSession", session="cs_1", line_items=[{"price": "price_1", "quantity": 2}]),
    classified("PostTerminalReadersReaderRefundPayment", reader="tmr_1", payment_intent="pi_1"),
    classified("PostCustomers", name="Nia"),
    classified("PostCustomers", balance=-500),
    classified("PostCustomersCustomer", customer="cus_1", balance=-500),
    classified("PostCustomersCustomer", customer="cus_1", source="tok_visa", balance=5),
    classified("PostCreditNotes", invoice="in_1", credit_amount=5),
    classified("PostCreditNotes", invoice="in_1", lines=[{"type": "invoice_line_item", "invoice_line_item": "il_1"}]),
    classified(
        "PostSubscriptionsSubscriptionExposedId",
        subscription_exposed_id="sub_1",
        items=[{"id": "si_1", "price": "price_2", "quantity": 3}, {"price": "price_3"}],
        discounts=[{"coupon": "twenty"}],
        proration_behavior="always_invoice",
    ),
    classified("PostSubscriptionsSubscriptionExposedId", subscription_exposed_id="sub_1", trial_end=1_900_000_000),
    classified("PostSubscriptionsSubscriptionExposedId", subscription_exposed_id="sub_1", pause_collection=""),
    classified("PostInvoices", customer="cus_1"),
    classified("PostInvoices", customer="cus_1", pending_invoice_items_behavior="include", auto_advance=True),
    classified("PostInvoices", customer="cus_1", transfer_data={"destination": "acct_1"}),
    classified("PostInvoiceitems", customer="cus_1", amount=-500, currency="usd"),
    classified("PostInvoiceitems", customer="cus_1", invoice="in_1", pricing={"price": "price_1"}, quantity=2),
    classified("PostInvoicesInvoiceFinalize", invoice="in_1"),
    classified("PostInvoicesInvoicePay", invoice="in_1"),
    classified("PostInvoicesInvoicePay", invoice="in_1", forgive=True),
    classified("PostInvoicesInvoiceVoid", invoice="in_1"),
    classified("PostCoupons", percent_off=25, duration="forever"),
    classified("PostCoupons", amount_off=500, currency="usd", id="five-off"),
    classified("PostProducts", name="Beans", default_price_data={"currency": "usd", "unit_amount": 500}),
    classified("PostPrices", currency="usd", product="prod_1", unit_amount=500, recurring={"interval": "month"}),
    classified("PostPrices", currency="usd", product_data={"name": "Beans"}, unit_amount=0),
    classified(
        "PostSubscriptions",
        customer="cus_1",
        items=[{"price": "price_2", "quantity": 3}],
        discounts=[{"promotion_code": "promo_1"}],
        add_invoice_items=[{"price": "price_3"}],
    ),
    classified(
        "PostSubscriptions", customer="cus_1", items=[{"price_data": {"unit_amount": 1}}], on_behalf_of="acct_1"
    ),
    classified("PostSubscriptionItems", subscription="sub_1", price="price_2", quantity=2),
    classified("PostSubscriptionItemsItem", item="si_1", price="price_2", discounts=[{"coupon": "twenty"}]),
    classified("PostSubscriptionItemsItem", item="si_1", metadata={"a": "b"}),
    classified("DeleteSubscriptionItemsItem", item="si_1", clear_usage=True),
    classified("PostSubscriptionSchedules", customer="cus_1", phases=[{"items": [{"price": "price_2"}]}]),
    classified("PostSubscriptionSchedules", from_subscription="sub_1"),
    classified("PostSubscriptionSchedulesSchedule", schedule="sched_1", end_behavior="cancel"),
    classified("PostSubscriptionSchedulesSchedule", schedule="sched_1", phases=[{"items": [{"price": "price_2"}]}]),
    classified("PostSubscriptionSchedulesScheduleCancel", schedule="sched_1"),
    classified("PostSubscriptionSchedulesScheduleRelease", schedule="sched_1"),
    classified("DeleteSubscriptionsSubscriptionExposedIdDiscount", subscription_exposed_id="sub_1"),
    classified("DeleteCustomersCustomerDiscount", customer="cus_1"),
    classified("PostSubscriptionsSubscriptionPause", subscription="sub_1"),
    classified("PostSubscriptionsSubscriptionResume", subscription="sub_1"),
    classified("PostInvoiceitemsInvoiceitem", invoiceitem="ii_1", amount=-500),
    classified("DeleteInvoiceitemsInvoiceitem", invoiceitem="ii_1"),
    classified("PostInvoicesInvoiceAddLines", invoice="in_1", lines=[{"amount": -500}]),
    classified("PostInvoicesInvoiceUpdateLines", invoice="in_1", lines=[{"id": "il_1", "amount": 5}]),
    classified("PostInvoicesInvoiceRemoveLines", invoice="in_1", lines=[{"id": "il_1", "behavior": "delete"}]),
    classified("PostInvoicesInvoiceLinesLineItemId", invoice="in_1", line_item_id="il_1", amount=5),
    classified("PostQuotesQuoteAccept", quote="qt_1"),
    classified("PostQuotesQuoteCancel", quote="qt_1"),
    classified("PostQuotesQuoteFinalize", quote="qt_1"),
    classified("PostPromotionCodes", promotion={"type": "coupon", "coupon": "twenty"}, customer="cus_1"),
    classified("PostPromotionCodesPromotionCode", promotion_code="promo_1", active=True),
    classified("PostPricesPrice", price="price_1", lookup_key="standard", transfer_lookup_key=True),
    classified("PostProductsId", id="prod_1", default_price="price_2"),
    classified("PostPlans", currency="usd", product="prod_1", amount=500, interval="month"),
    classified("GetBalance"),
    classified("GetChargesCharge", charge="ch_1"),
)

REALISTIC = (
    charge(), intent(charge()), intent("ch_1"), balance(usd=5), account(bank()), listing(subscription()), subscription(),
    listing(charge()), invoice(), invoice(status="draft"), item()["price"], coupon(),
    coupon(percent_off=None, amount_off=500),
    listing({"id": "ii_1", "object": "invoiceitem", "amount": -500, "currency": "usd"}),
    {"id": "cus_1", "object": "customer", "name": "Ada"}, {"object": "credit_note", "amount": 5, "currency": "usd"},
    {"id": "pi_1", "amount": 9, "amount_capturable": 7, "currency": "usd", "customer": None, "transfer_data": None,
     "status": "requires_capture"},
    {"id": "po_1", "amount": 9, "currency": "usd", "destination": "ba_1", "status": "pending"},
    {"id": "tr_1", "amount": 9, "amount_reversed": 2, "currency": "usd", "destination": "acct_1"},
    {"id": "dp_1", "amount": 9, "currency": "usd", "charge": charge(), "status": "needs_response",
     "evidence": {"uncategorized_text": "x", "receipt": None}},
    {"id": "price_1", "active": True, "billing_scheme": "per_unit", "currency": "usd", "custom_unit_amount": None,
     "recurring": None, "transform_quantity": None, "unit_amount": 5},
    {"id": "cus_1", "object": "customer", "balance": -5, "currency": "usd"}, {"id": "acct_1", "default_currency": "usd"},
    item(id="price_2", billing_scheme="tiered", unit_amount=None, tiers_mode="graduated", tiers=[
        {"up_to": 5, "unit_amount": 100, "flat_amount": 50}, {"up_to": None, "unit_amount_decimal": "0.5"}])["price"],
    {**item(), "object": "subscription_item", "subscription": "sub_1"},
    {"id": "sched_1", "customer": "cus_1", "status": "active", "subscription": subscription(), "end_behavior": "release",
     "phases": [{"items": [item()]}, {"items": [item(5_000)]}]},
    {"id": "qt_1", "status": "open", "customer": "cus_1", "currency": "usd", "amount_total": 900, "amount_subtotal": 1_000,
     "total_details": {"amount_discount": 100}, "transfer_data": None, "on_behalf_of": None,
     "application_fee_amount": None, "application_fee_percent": None},
    {"id": "promo_1", "code": "SALE", "customer": None, "promotion": {"type": "coupon", "coupon": coupon()}},
    listing({"id": "il_1", "object": "line_item", "amount": 500, "currency": "usd"}),
    {"object": "list", "data": [item()["price"]], "has_more": False},
    {"id": "prod_1", "object": "product", "name": "Beans", "default_price": item()["price"]},
    {"id": "ii_1", "object": "invoiceitem", "amount": 500, "currency": "usd", "customer": "cus_1", "invoice": None},
    subscription(discounts=[{"id": "di_1", "source": {"type": "coupon", "coupon": "twenty"}}]),
    {"id": "cus_1", "object": "customer", "discount": {"id": "di_1", "source": {"type": "coupon", "coupon": "twenty"}}},
)  # fmt: skip
# fmt: off
_NAMES = [
    "id", "object", "amount", "amount_refunded", "amount_reversed", "currency",
    "customer", "data", "deleted", "destination", "disputed", "has_more",
    "items", "latest_charge", "price", "recurring", "interval", "interval_count",
    "quantity", "status", "source_types", "available", "external_accounts", "default_for_currency",
    "unit_amount", "unit_amount_decimal", "billing_scheme", "usage_type", "transfer_data", "fingerprint",
    "balance", "default_currency", "amount_capturable", "active", "custom_unit_amount", "charge", "evidence",
    "current_period_end", "payment_method_details", "type", "card", "transform_quantity",
    "amount_due", "amount_remaining", "total", "percent_off", "amount_off", "auto_advance",
    "pre_payment_credit_notes_amount", "post_payment_credit_notes_amount", "on_behalf_of",
    "tiers", "tiers_mode", "up_to", "flat_amount", "phases", "subscription", "promotion", "coupon", "end_behavior",
    "default_price", "amount_total", "amount_subtotal", "total_details", "amount_discount", "invoice",
]
# fmt: on
scraps = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=6),
    st.sampled_from(
        [
            "usd",
            "JPY",
            "ch_1",
            "cus_1",
            "in_1",
            "price_2",
            "draft",
            "open",
            "month",
            "per_unit",
            "licensed",
            "\ud800",
            "1e9",
            "card",
        ]
    ),
)  # fmt: skip
junk = st.recursive(
    scraps, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=6),
    max_leaves=12,
)  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn) -> object:
    """One of Stripe's objects with a few fields, at any depth, replaced or gone."""

    def damage(value: object) -> object:
        if draw(st.integers(0, 9)) == 0:
            return draw(junk)
        if isinstance(value, dict):
            return {name: damage(item) for name, item in value.items() if draw(st.integers(0, 19))}
        return [damage(item) for item in value] if isinstance(value, list) else value

    return damage(draw(st.sampled_from(REALISTIC)))


answers = st.one_of(
    damaged().filter(lambda value: isinstance(value, dict)),
    st.dictionaries(st.sampled_from(_NAMES), junk, max_size=8),
    st.just(UNAVAILABLE),
    st.just(GONE),
)


@given(st.sampled_from(ASKED), st.data())
@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_stripe_answers_there_is_an_effect_with_exactly_its_facts(
    asked: Classified, data: st.DataObject
) -> None:
    """THREATS row 1: what cannot be read is unknown; never an exception, and never absent because of a look-up."""
    looked: dict[str, Looked] = {}
    for _ in range(MOST_STAGES):
        for read in reads(asked, looked):
            looked[read.name] = cast("Looked", data.draw(answers, label=read.name))
    seen = effect_of(asked, looked)

    assert reads(asked, looked) == ()
    assert set(seen.facts) == asked.facts & EFFECT_FACTS
    assert seen.incomplete == (UNAVAILABLE in looked.values())
    for name, value in seen.facts.items():
        assert not isinstance(value, Money) or value.amount >= 0
        assert value is not NONE or name in MAY_BE_NONE, "the worst case takes it that there always is one"
    if asked.operation.reversible is False:
        assert seen.facts.get("reversible", UNKNOWN) is not True, "the worst case takes the judgement's word"
    assert all(name not in asked.parameters for name in seen.fill)
    assert seen.sentence.isprintable()


def test_no_effect_that_is_judged_never_to_be_undone_is_left_out_above() -> None:
    """Declared ones say what their judgement says."""
    writes = [each for each in CATALOG.operations if each.judged and each.alias_of is None and each.reversible is False]
    own = {each.operation_id for each in writes if each.effect is not EffectKind.DECLARED}

    assert own <= {each.operation.operation_id for each in ASKED}


#: Parameters that hold objects and lists: what is inside is the agent's, and nobody has checked it.
NESTED: dict[str, tuple[dict[str, object], list[str]]] = {
    "PostSubscriptionsSubscriptionExposedId": (
        {"subscription_exposed_id": "sub_1"},
        ["items", "discounts", "add_invoice_items", "billing_cycle_anchor", "pause_collection", "invoice_settings"],
    ),
    "PostCheckoutSessions": (
        {},
        ["line_items", "payment_intent_data", "subscription_data", "automatic_tax", "discounts", "shipping_options"],
    ),
    "PostCheckoutSessionsSession": ({"session": "cs_1"}, ["line_items", "shipping_options", "payment_intent_data"]),
    "PostPaymentLinksPaymentLink": (
        {"payment_link": "plink_1"},
        ["line_items", "transfer_data", "after_completion", "subscription_data", "optional_items"],
    ),
    "PostPaymentIntentsIntent": (
        {"intent": "pi_1"},
        ["transfer_data", "payment_method_options", "payment_method_data"],
    ),
    "PostInvoices": ({"customer": "cus_1"}, ["discounts", "from_invoice", "issuer", "transfer_data"]),
    "PostInvoiceitems": ({"customer": "cus_1"}, ["pricing", "price_data", "discounts", "period"]),
    "PostCreditNotes": ({"invoice": "in_1"}, ["lines", "refunds", "shipping_cost"]),
    "PostCoupons": ({"percent_off": 5}, ["applies_to", "currency_options"]),
    "PostProducts": ({"name": "Beans"}, ["default_price_data", "marketing_features"]),
    "PostSubscriptions": (
        {"customer": "cus_1"},
        ["items", "add_invoice_items", "discounts", "transfer_data", "invoice_settings", "billing_schedules"],
    ),
    "PostSubscriptionItemsItem": ({"item": "si_1"}, ["discounts", "price_data", "current_trial"]),
    "PostSubscriptionSchedules": ({"from_subscription": "sub_1"}, ["phases", "default_settings", "pause_schedules"]),
    "PostSubscriptionSchedulesSchedule": ({"schedule": "sched_1"}, ["phases", "default_settings"]),
    "PostInvoicesInvoiceAddLines": ({"invoice": "in_1"}, ["lines", "invoice_metadata"]),
    "PostInvoicesInvoiceUpdateLines": ({"invoice": "in_1"}, ["lines"]),
    "PostInvoicesInvoiceRemoveLines": ({"invoice": "in_1"}, ["lines"]),
    "PostInvoiceitemsInvoiceitem": ({"invoiceitem": "ii_1"}, ["price_data", "pricing", "discounts"]),
    "PostPromotionCodes": ({}, ["promotion", "restrictions"]),
    "PostPromotionCodesPromotionCode": ({"promotion_code": "promo_1"}, ["restrictions"]),
    "PostPlans": ({"currency": "usd", "interval": "month"}, ["product", "tiers", "transform_usage"]),
    "PostPrices": ({"currency": "usd"}, ["recurring", "product_data", "tiers", "transform_quantity"]),
}
_INSIDE = [*_NAMES, "unit_amount", "coupon", "promotion_code", "trial", "discounts", "up_to", "issuer"]
nested = st.recursive(
    st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.sampled_from(["usd", "price_2", "si_1", "twenty", "month", "x y"]),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3)
        | st.dictionaries(st.sampled_from(_INSIDE), inner, min_size=1, max_size=4)
    ),
    max_leaves=8,
)


@given(st.sampled_from(sorted(NESTED)), st.data())
@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_an_agent_nests_there_is_an_effect_with_exactly_its_facts(
    operation_id: str, data: st.DataObject
) -> None:
    given_too, names = NESTED[operation_id]
    parameters = {name: data.draw(nested, label=name) for name in data.draw(st.sets(st.sampled_from(names)))}
    try:
        asked = classified(operation_id, **given_too, **parameters)
    except ParameterError:
        return
    looked: dict[str, Looked] = {}
    for read in reads(asked, looked):
        looked[read.name] = cast("Looked", data.draw(answers, label=read.name))
    seen = effect_of(asked, looked)

    assert set(seen.facts) == asked.facts & EFFECT_FACTS
    assert {name for name, value in seen.facts.items() if value is NONE} <= MAY_BE_NONE
    assert seen.sentence.isprintable()
    effective(asked, seen, "rpr_1")


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.operation.operation_id)
def test_nothing_is_known_when_nothing_could_be_looked_up(asked: Classified) -> None:
    looked: LookedUp = {read.name: UNAVAILABLE for read in reads(asked, {})}
    seen = effect_of(asked, looked)

    assert {each.name for each in seen.preconditions} <= {"destination"} & asked.parameters.keys()
    assert seen.fill == {}
    assert seen.refusal is None
    assert seen.incomplete == bool(looked)


def test_every_kind_of_effect_is_known() -> None:
    assert {asked.effect for asked in ASKED} | {EffectKind.UNJUDGED, EffectKind.DECLARED} == set(EffectKind)


def test_reads_do_nothing_and_need_no_look_up() -> None:
    seen = effect("GetChargesCharge", {}, charge="ch_1")

    assert seen.sentence == "Retrieve charge ch_1."
    assert dict(seen.facts) == {"object": "ch_1"}
    assert effect("GetPaymentIntents", {}, limit=3).sentence == "List payment intents."
    assert effect("GetBalance", {}).sentence == "Retrieve balance."


def test_an_effect_that_can_not_be_read_is_unknown_in_every_fact() -> None:
    seen = unknown_effect(ASKED[0])

    assert set(seen.facts.values()) == {UNKNOWN}
    assert set(seen.facts) == ASKED[0].facts & EFFECT_FACTS
    assert seen.incomplete


# ── what then runs ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_effective_request_has_what_was_filled_in_and_our_id() -> None:
    asked = classified("PostRefunds", charge="ch_1", metadata={"ticket": "T-1"}, reason="duplicate")
    wire = effective(asked, effect_of(asked, {"charge": charge()}), "rpr_1")

    assert wire.body == (
        b"amount=90000&charge=ch_1&metadata[runplane_request]=rpr_1&metadata[ticket]=T-1&reason=duplicate"
    )


def test_an_alias_runs_as_the_alias_it_was_asked_as() -> None:
    asked = classified("PostChargesChargeRefund", charge="ch_1")
    wire = effective(asked, effect_of(asked, {"charge": charge()}), "rpr_1")

    assert (wire.path, wire.body) == ("/v1/charges/ch_1/refund", b"amount=90000&metadata[runplane_request]=rpr_1")


def test_an_operation_without_metadata_runs_as_asked() -> None:
    asked = classified("DeleteCustomersCustomer", customer="cus_1")

    assert effective(asked, effect_of(asked, {}), "rpr_1") == asked.wire


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.operation.operation_id)
def test_what_runs_is_classified_as_what_was_asked(asked: Classified) -> None:
    looked: LookedUp = {
        "charge": charge(),
        "payment_intent": intent(charge()),
        "account": account(bank()),
        "balance": balance(usd=10**6),
        "subscription": subscription(),
        "invoice": invoice(status="draft"),
        "customer": {"id": "cus_1", "object": "customer"},
        "pending": listing(),
        "price": item()["price"],  # type: ignore[dict-item]
        "coupon:twenty": coupon(),
    }
    seen = effect_of(asked, looked)
    again = CATALOG.classify(effective(asked, seen, "rpr_1"))

    assert (again.operation, again.action, again.groups) == (asked.operation, asked.action, asked.groups)
    # What people saw is compared with a look at what runs, so both must show the same.
    assert effect_of(again, looked).facts == seen.facts
    assert effect_of(again, looked).preconditions == seen.preconditions


def test_nothing_the_agent_gave_is_ever_replaced() -> None:
    asked = classified("PostRefunds", charge="ch_1", amount=5)
    forged = Effect(sentence="", facts={}, undo="", fill={"amount": 90_000})

    with pytest.raises(InternalError) as caught:
        effective(asked, forged, "rpr_1")
    assert caught.value.code == "internal.fill"
