"""What payments, and what stands round them, are judged to be: each side door of theirs by its parameters (THREATS 4)."""

from __future__ import annotations

from fractions import Fraction

import pytest

from runplane_mcp.core.catalog import load
from runplane_mcp.core.effect import UNAVAILABLE, Looked
from runplane_mcp.core.effects import broken, reads
from runplane_mcp.core.facts import NONE, UNKNOWN, FactValue
from runplane_mcp.core.money import Money
from runplane_mcp.core.request import Kind
from tests.core.stripe_objects import GONE, charge, classified, effect

CATALOG = load()
NOTHING: frozenset[str] = frozenset()
CHARGES = frozenset({"charges"})
BLINDS = frozenset({"access"})


def intent(**changes: object) -> dict[str, object]:
    """A payment of $500.00 that nobody has confirmed."""
    return {
        "id": "pi_1",
        "object": "payment_intent",
        "amount": 50_000,
        "application_fee_amount": None,
        "currency": "usd",
        "customer": "cus_1",
        "description": None,
        "on_behalf_of": None,
        "payment_method": "pm_1",
        "status": "requires_confirmation",
        "transfer_data": None,
        **changes,
    }


SALE = {"amount": 5_000, "currency": "usd"}
TO_ANOTHER = {"transfer_data": {"destination": "acct_9"}}


@pytest.mark.parametrize(
    ("operation", "asked", "groups", "facts"),
    [
        # Charging somebody, by every way to it, and for whom.
        ("PostCharges", {**SALE, "customer": "cus_1"}, CHARGES, {"amount": Money(5_000, "usd"), "customer": "cus_1"}),
        (
            "PostCharges",
            {**SALE, **TO_ANOTHER},
            CHARGES | {"transfers"},
            {"destination": "acct_9", "redirects_funds": True},
        ),
        (
            "PostCharges",
            {**SALE, "destination": {"account": "acct_9"}},
            CHARGES | {"transfers"},
            {"destination": "acct_9"},
        ),
        ("PostCharges", {**SALE, "on_behalf_of": "acct_9"}, CHARGES | {"transfers"}, {"redirects_funds": True}),
        ("PostCharges", {**SALE, "application_fee_amount": 1}, CHARGES | {"transfers"}, {"redirects_funds": True}),
        ("PostCharges", {"currency": "usd"}, CHARGES, {"amount": UNKNOWN}),
        ("PostPaymentIntents", SALE, CHARGES, {"amount": Money(5_000, "usd"), "customer": NONE}),
        (
            "PostPaymentIntents",
            {**SALE, "confirm": True, "off_session": True},
            CHARGES,
            {"amount": Money(5_000, "usd")},
        ),
        ("PostPaymentIntents", {**SALE, **TO_ANOTHER}, CHARGES | {"transfers"}, {"destination": "acct_9"}),
        (
            "PostPaymentIntents",
            {**SALE, **TO_ANOTHER, "on_behalf_of": "acct_8"},
            CHARGES | {"transfers"},
            {"destination": UNKNOWN},
        ),
        (
            "PostPaymentIntents",
            {**SALE, "confirm": True, "return_url": "https://evil.test/x"},
            CHARGES,
            {"url_hosts": frozenset({"evil.test"})},
        ),
        (
            "PostPaymentIntents",
            {
                **SALE,
                "payment_method_options": {"acss_debit": {"mandate_options": {"custom_mandate_url": "//evil.test"}}},
            },
            CHARGES,
            {"url_hosts": UNKNOWN},
        ),
        ("PostPaymentIntents", {"amount": 5_000, "currency": "doge"}, CHARGES, {"amount": UNKNOWN}),
        ("PostSourcesSource", {"source": "src_1", "mandate": {"acceptance": {"status": "accepted"}}}, CHARGES, {}),
        ("PostSourcesSource", {"source": "src_1", "owner": {"email": "a@b.test"}}, NOTHING, {}),
        ("PostSetupIntents", {"customer": "cus_1"}, NOTHING, {"customer": "cus_1"}),
        (
            "PostSetupIntents",
            {"confirm": True, "mandate_data": {"customer_acceptance": {"type": "offline"}}},
            CHARGES,
            {},
        ),
        ("PostSetupIntents", {"attach_to_self": True}, {"bank_details"}, {"redirects_funds": True}),
        ("PostSetupIntents", {"flow_directions": ["outbound"]}, {"bank_details"}, {"redirects_funds": True}),
        ("PostSetupIntents", {"on_behalf_of": "acct_9"}, {"transfers"}, {"destination": "acct_9"}),
        (
            "PostSetupIntentsIntent",
            {"intent": "seti_1", "attach_to_self": True},
            {"bank_details"},
            {"redirects_funds": True},
        ),
        ("PostSetupIntentsIntent", {"intent": "seti_1", "metadata": {"a": "b"}}, NOTHING, {"object": "seti_1"}),
        (
            "PostPaymentMethodsPaymentMethodAttach",
            {"payment_method": "pm_1", "customer": "cus_1"},
            CHARGES,
            {"customer": "cus_1"},
        ),
        ("PostPaymentMethodsPaymentMethodDetach", {"payment_method": "pm_1"}, {"deletions"}, {"reversible": False}),
        # Making people blind, or letting somebody in.
        ("PostReviewsReviewApprove", {"review": "prv_1"}, BLINDS, {"gives_access": True, "amount": UNKNOWN}),
        ("PostRadarValueListItems", {"value_list": "rsl_1", "value": "a@evil.test"}, BLINDS, {"object": "rsl_1"}),
        ("DeleteRadarValueListItemsItem", {"item": "rsli_1"}, {"access", "deletions"}, {"gives_access": True}),
        ("DeleteRadarValueListsValueList", {"value_list": "rsl_1"}, {"access", "deletions"}, {"bulk": True}),
        ("PostRadarValueLists", {"alias": "allow", "name": "Allow"}, BLINDS, {"gives_access": True}),
        ("PostRadarValueListsValueList", {"value_list": "rsl_1", "alias": "x"}, BLINDS, {"bulk": True}),
        ("PostRadarValueListsValueList", {"value_list": "rsl_1", "metadata": {"a": "b"}}, NOTHING, {}),
        (
            "PostChargesCharge",
            {"charge": "ch_1", "fraud_details": {"user_report": "safe"}},
            BLINDS,
            {"gives_access": True},
        ),
        ("PostChargesCharge", {"charge": "ch_1", "fraud_details": {"user_report": "fraudulent"}}, NOTHING, {}),
        ("PostChargesCharge", {"charge": "ch_1", "customer": "cus_9"}, CHARGES, {"object": "ch_1"}),
        ("PostApplePayDomains", {"domain_name": "evil.test"}, BLINDS, {"gives_access": True}),
        ("PostPaymentMethodDomains", {"domain_name": "evil.test"}, BLINDS, {"gives_access": True}),
        (
            "PostPaymentMethodDomainsPaymentMethodDomain",
            {"payment_method_domain": "pmd_1", "enabled": True},
            BLINDS,
            {"gives_access": True},
        ),
        (
            "PostPaymentMethodConfigurationsConfiguration",
            {"configuration": "pmc_1", "card": {"display_preference": {"preference": "off"}}},
            CHARGES,
            {"bulk": True},
        ),
        # What is only written down, and what of it settles a debt.
        (
            "PostPaymentRecordsReportPayment",
            {
                "amount_requested": {"value": 9_900, "currency": "usd"},
                "initiated_at": 1,
                "payment_method_details": {"type": "custom"},
            },
            NOTHING,
            {"amount": Money(9_900, "usd"), "reversible": False},
        ),
        (
            "PostPaymentRecordsReportPayment",
            {
                "amount_requested": {"value": 9_900, "currency": "usd"},
                "initiated_at": 1,
                "payment_method_details": {"type": "custom"},
                "outcome": "guaranteed",
            },
            {"write_offs"},
            {"amount": Money(9_900, "usd")},
        ),
        (
            "PostPaymentRecordsIdReportPaymentAttempt",
            {"id": "pr_1", "initiated_at": 1, "outcome": "failed"},
            NOTHING,
            {},
        ),
        (
            "PostPaymentRecordsIdReportPaymentAttempt",
            {"id": "pr_1", "initiated_at": 1, "outcome": "guaranteed"},
            {"write_offs"},
            {},
        ),
        (
            "PostPaymentRecordsIdReportPaymentAttemptGuaranteed",
            {"id": "pr_1", "guaranteed_at": 1},
            {"write_offs"},
            {"amount": UNKNOWN},
        ),
        # Prices that stand somewhere already.
        ("PostShippingRates", {"display_name": "Post", "fixed_amount": {"amount": 0, "currency": "usd"}}, NOTHING, {}),
        (
            "PostShippingRatesShippingRateToken",
            {"shipping_rate_token": "shr_1", "fixed_amount": {"currency_options": {"eur": {"amount": 0}}}},
            {"discounts"},
            {"discount_percent": UNKNOWN},
        ),
        ("PostRefundsRefund", {"refund": "re_1", "metadata": {"a": "b"}}, NOTHING, {"object": "re_1"}),
        ("PostTokens", {"bank_account": {"country": "US"}}, NOTHING, {}),
    ],
)
def test_what_parameters_make_of_it(
    operation: str, asked: dict[str, object], groups: frozenset[str], facts: dict[str, FactValue]
) -> None:
    found = effect(operation, {}, **asked)

    assert set(classified(operation, **asked).groups) == set(groups)
    assert {name: found.facts.get(name) for name in facts} == facts


def test_who_is_charged_unasked_is_said_in_the_sentence() -> None:
    asked = {**SALE, "customer": "cus_1", "confirm": True, "off_session": "recurring"}
    moto = effect("PostPaymentIntents", {}, **SALE, payment_method_options={"card": {"moto": True}})

    assert effect("PostPaymentIntents", {}, **asked).sentence == (
        "Make a payment of $50.00 USD by customer cus_1. `confirm` takes the money at once."
        " `off_session` charges somebody who is not there to agree."
    )
    assert "`moto` takes the card as if it was told by phone" in moto.sentence
    assert "off_session" not in effect("PostPaymentIntents", {}, **{**asked, "off_session": False}).sentence


CONFIRM = "PostPaymentIntentsIntentConfirm"


@pytest.mark.parametrize(
    ("held", "asked", "facts"),
    [
        (intent(), {}, {"amount": Money(50_000, "usd"), "customer": "cus_1", "destination": NONE}),
        (intent(), {"amount_to_confirm": 700}, {"amount": Money(700, "usd")}),
        (intent(currency="jpy"), {}, {"amount": Money(50_000, "jpy")}),
        (intent(transfer_data={"destination": "acct_9"}), {}, {"destination": "acct_9"}),
        (intent(on_behalf_of="acct_8"), {}, {"destination": "acct_8"}),
        (intent(customer=None, customer_account="acct_c"), {}, {"customer": "acct_c"}),
        (intent(customer=None, customer_account=None), {}, {"customer": NONE}),
        ({"id": "pi_1"}, {}, {"amount": UNKNOWN, "customer": UNKNOWN, "destination": UNKNOWN}),
        (intent(amount="500"), {}, {"amount": UNKNOWN, "currency": "usd"}),
        (UNAVAILABLE, {}, {"amount": UNKNOWN, "currency": UNKNOWN, "customer": UNKNOWN, "destination": UNKNOWN}),
    ],
)
def test_what_confirming_takes_and_for_whom_is_looked_up(
    held: Looked, asked: dict[str, object], facts: dict[str, FactValue]
) -> None:
    found = effect(CONFIRM, {"intent": held}, intent="pi_1", **asked)

    assert {name: found.facts[name] for name in facts} == facts


@pytest.mark.parametrize(
    "changed",
    [
        {"amount": 60_000},
        {"payment_method": "pm_2"},
        {"customer": "cus_2"},
        {"transfer_data": {"destination": "acct_9"}},
        {"on_behalf_of": "acct_9"},
        {"application_fee_amount": 40_000},
        {"status": "requires_action"},
    ],
)
def test_a_payment_that_was_changed_is_not_the_one_that_people_saw(changed: dict[str, object]) -> None:
    """THREATS 8."""
    before = effect(CONFIRM, {"intent": intent()}, intent="pi_1")

    assert broken(before.preconditions, effect(CONFIRM, {"intent": intent()}, intent="pi_1")) == ()
    assert len(broken(before.preconditions, effect(CONFIRM, {"intent": intent(**changed)}, intent="pi_1"))) == 1


@pytest.mark.parametrize(
    ("operation", "asked", "looked", "code"),
    [
        (CONFIRM, {"intent": "pi_1"}, {"intent": intent(status="succeeded")}, "stripe.unexpected_state"),
        (CONFIRM, {"intent": "pi_1"}, {"intent": GONE}, "stripe.resource_missing"),
        (CONFIRM, {"intent": "pi_1"}, {"intent": UNAVAILABLE}, None),
        (CONFIRM, {"intent": "pi~1"}, {}, "parameter.id"),
        (
            "PostPaymentIntentsIntentIncrementAuthorization",
            {"intent": "pi_1", "amount": 60_000},
            {"intent": intent()},
            "stripe.unexpected_state",
        ),
        (
            "PostPaymentIntentsIntentApplyCustomerBalance",
            {"intent": "pi_1", "amount": 50_001},
            {"intent": intent()},
            "stripe.amount_too_large",
        ),
        ("PostRefundsRefundCancel", {"refund": "re_1"}, {"refund": {"status": "succeeded"}}, "stripe.unexpected_state"),
        ("PostReviewsReviewApprove", {"review": "prv_1"}, {"review": {"open": False}}, "stripe.unexpected_state"),
        (
            "PostCheckoutSessionsSessionExpire",
            {"session": "cs_1"},
            {"session": {"status": "complete"}},
            "stripe.unexpected_state",
        ),
        ("PostCharges", {**SALE, "customer": "cus_9"}, {"customer": GONE}, "stripe.resource_missing"),
        ("PostPaymentIntents", {**SALE, "customer": "cus_9"}, {"customer": GONE}, "stripe.resource_missing"),
        ("PostPaymentIntents", {**SALE, **TO_ANOTHER}, {"account": GONE}, "stripe.resource_missing"),
        ("PostCharges", {**SALE, "destination": {"account": "acct_9"}}, {"receiver": GONE}, "stripe.resource_missing"),
        ("PostCharges", {**SALE, "on_behalf_of": "acct~9"}, {}, "parameter.id"),
        (
            "PostSetupIntentsIntentCancel",
            {"intent": "seti_1"},
            {"intent": {"status": "succeeded"}},
            "stripe.unexpected_state",
        ),
    ],
)
def test_nobody_is_asked_about_what_stripe_would_refuse(
    operation: str, asked: dict[str, object], looked: dict[str, Looked], code: str | None
) -> None:
    refusal = effect(operation, looked, **asked).refusal

    assert (refusal.code if refusal else None) == code


def test_more_may_be_held_only_up_to_what_people_see() -> None:
    found = effect(
        "PostPaymentIntentsIntentIncrementAuthorization",
        {"intent": intent(status="requires_capture")},
        intent="pi_1",
        amount=60_000,
    )

    assert (found.facts["amount"], found.facts["share"]) == (Money(60_000, "usd"), Fraction(120))
    assert found.sentence == "Raise what is held for payment pi_1 to $600.00 USD."
    assert {each.name for each in found.preconditions} == {"intent_amount", "intent_status"}


UPDATE = "PostPaymentIntentsIntent"


@pytest.mark.parametrize(
    ("asked", "groups", "percent"),
    [
        ({"amount": 5_000}, {"charges", "discounts"}, Fraction(90)),
        ({"amount": 70_000}, {"charges", "discounts"}, Fraction(0)),
        ({"currency": "jpy"}, {"charges", "discounts"}, UNKNOWN),
        ({"customer": "cus_2"}, {"charges"}, None),
        ({"payment_method": "pm_9"}, {"charges"}, None),
        ({"payment_method": ""}, {"charges"}, None),
        ({"transfer_data": {"amount": 49_000}}, {"transfers"}, None),
        ({"application_fee_amount": 49_000}, {"transfers"}, None),
        ({"description": "x", "metadata": {"a": "b"}, "shipping": ""}, set(), None),
    ],
)
def test_who_changes_a_payment_may_let_somebody_pay_less(
    asked: dict[str, object], groups: set[str], percent: FactValue | None
) -> None:
    found = effect(UPDATE, {"payment_intent": intent()}, intent="pi_1", **asked)

    assert set(classified(UPDATE, intent="pi_1", **asked).groups) == groups
    assert found.facts.get("discount_percent") == percent
    assert found.refusal is None


def test_a_changed_payment_says_from_what_to_what() -> None:
    found = effect(UPDATE, {"payment_intent": intent()}, intent="pi_1", amount=5_000, customer="cus_2")

    assert found.sentence == (
        "Change what payment pi_1 asks for from $500.00 USD to $50.00 USD. `amount` changes what is to be paid."
        " `customer` makes it another customer's payment."
    )
    assert found.facts["customer"] == "cus_2"
    assert [read.wire.url for read in reads(classified(UPDATE, intent="pi_1", customer="cus_2"), {})] == [
        "/v1/payment_intents/pi_1?expand[0]=customer",
        "/v1/customers/cus_2",
    ]
    assert broken(
        found.preconditions, effect(UPDATE, {"payment_intent": intent(amount=1)}, intent="pi_1", amount=5_000)
    )


def test_who_gets_more_of_a_payment_is_looked_up() -> None:
    held = {"payment_intent": intent(transfer_data={"destination": "acct_9", "amount": 5})}
    options = {"us_bank_account": {"financial_connections": {"return_url": "https://evil.test"}}}
    found = effect(UPDATE, held, intent="pi_1", transfer_data={"amount": 49_000}, payment_method_options=options)

    assert found.facts["destination"] == "acct_9"
    assert found.facts["url_hosts"] == frozenset({"evil.test"})
    alone = effect(UPDATE, {"payment_intent": UNAVAILABLE}, intent="pi_1", transfer_data={"amount": 49_000})
    assert alone.facts["destination"] is UNKNOWN


def test_only_labels_of_a_payment_that_is_made_can_be_changed() -> None:
    paid = {"payment_intent": intent(status="succeeded")}

    assert effect(UPDATE, paid, intent="pi_1", metadata={"a": "b"}).refusal is None
    refusal = effect(UPDATE, paid, intent="pi_1", amount=5).refusal
    assert refusal is not None
    assert refusal.code == "stripe.payment_intent_unexpected_state"


def test_a_refund_that_is_written_down_moves_no_money_and_is_told_all_the_same() -> None:
    record = {
        "id": "pr_1",
        "amount_guaranteed": {"value": 9_000, "currency": "usd"},
        "amount_refunded": {"value": 4_000, "currency": "usd"},
        "amount_requested": {"value": 9_000, "currency": "usd"},
        "customer_details": {"customer": "cus_1"},
    }
    asked = {"id": "pr_1", "outcome": "refunded", "processor_details": {"type": "custom"}}

    found = effect("PostPaymentRecordsIdReportRefund", {"record": record}, **asked)

    assert (found.facts["amount"], found.facts["amount_on_object"], found.facts["customer"]) == (
        Money(5_000, "usd"), Money(9_000, "usd"), "cus_1",
    )  # fmt: skip
    assert classified("PostPaymentRecordsIdReportRefund", **asked).groups == set()


def test_a_review_is_looked_up_with_the_payment_that_it_holds() -> None:
    asked = classified("PostReviewsReviewApprove", review="prv_1")
    review: dict[str, Looked] = {"review": {"id": "prv_1", "open": True, "charge": "ch_1"}}

    assert [read.wire.url for read in reads(asked, review)] == ["/v1/charges/ch_1"]
    found = effect("PostReviewsReviewApprove", {**review, "charge": charge()}, review="prv_1")
    assert (found.facts["amount"], found.facts["customer"]) == (Money(90_000, "usd"), "cus_1")


def test_what_only_reads_is_a_read() -> None:
    evaluation = CATALOG.by_id("PostRadarPaymentEvaluations")

    assert evaluation is not None
    assert evaluation.kind is Kind.READ
    assert not evaluation.groups
