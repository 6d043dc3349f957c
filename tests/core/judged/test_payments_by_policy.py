"""What the policy that comes with Runplane says of the side doors of payments, the balance and readers (THREATS 4): a rule
on a group catches each, and what is harmless passes."""

from __future__ import annotations

import pytest

from runplane_mcp.core.decision import Outcome
from runplane_mcp.core.effect import Looked
from tests.core.judged.shipped import outcome_of
from tests.core.judged.test_checkout import held, link
from tests.core.judged.test_payments import intent
from tests.core.stripe_objects import charge, classified
from tests.core.stripe_objects import intent as with_charge
from tests.core.test_effects_payment_link import PLAIN, price

ALLOW, ASK, BLOCK = Outcome.ALLOW, Outcome.REQUIRE_APPROVAL, Outcome.BLOCK
SALE = {"amount": 5_000, "currency": "usd"}
SETUP, LINK = "PostSetupIntents", "PostPaymentLinksPaymentLink"


@pytest.mark.parametrize(
    ("operation", "asked", "looked", "expected", "by"),
    [
        # Money that goes back, or out.
        (
            "PostTerminalReadersReaderRefundPayment",
            {"reader": "tmr_1", "payment_intent": "pi_1"},
            {"payment_intent": with_charge(charge())},
            ASK,
            "large-refunds",
        ),
        ("PostClimateOrders", {"product": "climsku_1", **SALE}, {}, ASK, "payouts"),
        # Money that somebody else gets.
        ("PostCharges", {**SALE, "destination": {"account": "acct_9"}}, {}, ASK, "transfers"),
        ("PostPaymentIntents", {**SALE, "transfer_data": {"destination": "acct_9"}}, {}, ASK, "transfers"),
        ("PostPaymentIntentsIntent", {"intent": "pi_1", "application_fee_amount": 5}, {}, ASK, "transfers"),
        (
            "PostCheckoutSessions",
            {"line_items": PLAIN, "payment_intent_data": {"on_behalf_of": "acct_9"}},
            {"price price_1": price()},
            ASK,
            "transfers",
        ),
        (LINK, {"payment_link": "plink_1", "transfer_data": {"destination": "acct_9"}}, {}, ASK, "transfers"),
        (
            "PostBalanceSettings",
            {"payments": {"payouts": {"schedule": {"interval": "daily"}}}},
            {},
            BLOCK,
            "bank-details",
        ),
        (SETUP, {"attach_to_self": True}, {}, BLOCK, "bank-details"),
        (SETUP, {"flow_directions": ["outbound"]}, {}, BLOCK, "bank-details"),
        # Paying less.
        (
            "PostPaymentIntentsIntent",
            {"intent": "pi_1", "amount": 5_000},
            {"payment_intent": intent()},
            ASK,
            "discounts",
        ),
        (
            "PostCheckoutSessionsSession",
            {"session": "cs_1", "line_items": PLAIN},
            {"session": held(), "price price_1": price()},
            ASK,
            "discounts",
        ),
        (
            "PostCheckoutSessions",
            {"line_items": [{"price_data": {"currency": "usd", "unit_amount": 1}, "quantity": 1}]},
            {},
            ASK,
            "discounts",
        ),
        (LINK, {"payment_link": "plink_1", "allow_promotion_codes": True}, {}, ASK, "discounts"),
        # What is lost.
        ("PostPaymentMethodsPaymentMethodDetach", {"payment_method": "pm_1"}, {}, ASK, "deletions"),
        ("DeleteTerminalReadersReader", {"reader": "tmr_1"}, {}, ASK, "deletions"),
        (
            "PostPaymentRecordsIdReportPaymentAttemptGuaranteed",
            {"id": "pr_1", "guaranteed_at": 1},
            {},
            ASK,
            "write-offs-a-day",
        ),
        # Who is let in, or made blind.
        ("PostReviewsReviewApprove", {"review": "prv_1"}, {}, BLOCK, "keys-and-webhooks"),
        ("PostRadarValueListItems", {"value_list": "rsl_1", "value": "x"}, {}, BLOCK, "keys-and-webhooks"),
        ("DeleteRadarValueListsValueList", {"value_list": "rsl_1"}, {}, BLOCK, "keys-and-webhooks"),
        ("PostTerminalConnectionTokens", {}, {}, BLOCK, "keys-and-webhooks"),
        ("PostTerminalConfigurations", {"wifi": {"type": "x"}}, {}, BLOCK, "keys-and-webhooks"),
    ],
)
def test_a_rule_on_a_group_catches_its_side_doors(
    operation: str, asked: dict[str, object], looked: dict[str, Looked], expected: Outcome, by: str
) -> None:
    found, reasons = outcome_of(classified(operation, **asked), looked)

    assert found is expected
    assert by in reasons


@pytest.mark.parametrize(
    ("operation", "asked", "looked"),
    [
        ("PostDisputesDisputeClose", {"dispute": "dp_1"}, {}),
        ("PostCharges", {"currency": "usd"}, {}),
        ("PostPaymentIntentsIntentConfirm", {"intent": "pi_1"}, {}),
        (
            LINK,
            {
                "payment_link": "plink_1",
                "after_completion": {"type": "redirect", "redirect": {"url": "https://evil.test"}},
            },
            {"payment_link": link()},
        ),
        (
            "PostCheckoutSessions",
            {"line_items": PLAIN, "success_url": "https://evil.test"},
            {"price price_1": price()},
        ),
        ("PostCheckoutSessions", {"line_items": PLAIN, "custom_text": {"submit": {"message": "pay here"}}}, {}),
        (
            "PostPaymentMethodConfigurationsConfiguration",
            {"configuration": "pmc_1", "card": {"display_preference": {"preference": "off"}}},
            {},
        ),
    ],
)
def test_what_no_rule_names_asks_by_its_risk(
    operation: str, asked: dict[str, object], looked: dict[str, Looked]
) -> None:
    assert outcome_of(classified(operation, **asked), looked)[0] is ASK


@pytest.mark.parametrize(
    ("operation", "asked", "looked"),
    [
        ("PostCharges", SALE, {}),
        ("PostPaymentIntents", {**SALE, "confirm": True}, {}),
        ("PostPaymentIntentsIntentConfirm", {"intent": "pi_1"}, {"intent": intent(amount=5_000)}),
        ("PostCheckoutSessions", {"line_items": PLAIN}, {"price price_1": price()}),
        ("PostRefundsRefund", {"refund": "re_1", "metadata": {"a": "b"}}, {}),
        ("PostTerminalReadersReaderCancelAction", {"reader": "tmr_1"}, {}),
        ("PostTransfersTransfer", {"transfer": "tr_1", "description": "x"}, {}),
        ("PostRadarPaymentEvaluations", {"customer_details": {"email": "a@b.test"}, "payment_details": SALE}, {}),
    ],
)
def test_what_is_small_or_only_a_label_passes(
    operation: str, asked: dict[str, object], looked: dict[str, Looked]
) -> None:
    assert outcome_of(classified(operation, **asked), looked)[0] is ALLOW
