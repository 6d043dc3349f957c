"""The side doors of money and the ways out of governance, each with what opens it: a table for `test_side_doors.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from runplane_mcp.core.facts import GROUPS

Asked = Mapping[str, object]
#: A door: which group, the operation, the parameters that open it, and those that do not (None where it is always open).
Door = tuple[str, str, Asked, "Asked | None"]

ACCOUNT: Final = {"destination": "acct_9"}
#: Everything that is sold, billed or paid, and how each is asked for with nothing that leads money elsewhere.
SALES: Final[Mapping[str, Asked]] = {
    "PostCharges": {"amount": 5_000, "currency": "usd"},
    "PostCheckoutSessions": {"line_items": [{"price": "price_1", "quantity": 1}]},
    "PostInvoices": {"customer": "cus_1"},
    "PostPaymentIntents": {"amount": 5_000, "currency": "usd"},
    "PostPaymentIntentsIntent": {"intent": "pi_1", "receipt_email": "a@example.com"},
    "PostPaymentLinks": {"line_items": [{"price": "price_1", "quantity": 1}]},
    "PostPaymentLinksPaymentLink": {"payment_link": "plink_1", "metadata": {"a": "b"}},
    "PostQuotes": {"customer": "cus_1"},
    "PostQuotesQuote": {"quote": "qt_1", "header": "x"},
    "PostSubscriptionSchedules": {"customer": "cus_1"},
    "PostSubscriptions": {"customer": "cus_1", "items": [{"price": "price_1"}]},
}
#: Where each lets the money be sent on, in whole or in part.
SENT_ON: Final[Mapping[str, tuple[Asked, ...]]] = {
    "PostCharges": (
        {"transfer_data": ACCOUNT},
        {"on_behalf_of": "acct_9"},
        {"application_fee_amount": 5},
        {"destination": {"account": "acct_9"}},
    ),
    "PostCheckoutSessions": (
        {"payment_intent_data": {"transfer_data": ACCOUNT}},
        {"payment_intent_data": {"on_behalf_of": "acct_9"}},
        {"payment_intent_data": {"application_fee_amount": 5}},
        {"subscription_data": {"transfer_data": ACCOUNT}},
        {"subscription_data": {"application_fee_percent": 5}},
    ),
    "PostInvoices": (
        {"transfer_data": ACCOUNT},
        {"on_behalf_of": "acct_9"},
        {"application_fee_amount": 5},
    ),
    "PostPaymentIntents": (
        {"transfer_data": ACCOUNT},
        {"on_behalf_of": "acct_9"},
        {"application_fee_amount": 5},
    ),
    "PostPaymentIntentsIntent": ({"transfer_data": {"amount": 5}}, {"application_fee_amount": 5}),
    "PostPaymentLinks": (
        {"transfer_data": ACCOUNT},
        {"on_behalf_of": "acct_9"},
        {"application_fee_amount": 5},
        {"application_fee_percent": "5"},
    ),
    "PostPaymentLinksPaymentLink": (
        {"transfer_data": ACCOUNT},
        {"on_behalf_of": "acct_9"},
        {"application_fee_amount": 5},
    ),
    "PostQuotes": ({"transfer_data": ACCOUNT}, {"on_behalf_of": "acct_9"}, {"application_fee_amount": 5}),
    "PostQuotesQuote": ({"transfer_data": ACCOUNT}, {"on_behalf_of": "acct_9"}, {"application_fee_amount": 5}),
    "PostSubscriptionSchedules": (
        {"default_settings": {"transfer_data": ACCOUNT}},
        {"phases": [{"items": [{"price": "price_1"}], "transfer_data": ACCOUNT}]},
        {"phases": [{"items": [{"price": "price_1"}], "application_fee_percent": 5}]},
    ),
    "PostSubscriptions": (
        {"transfer_data": ACCOUNT},
        {"on_behalf_of": "acct_9"},
        {"application_fee_percent": 5},
    ),
}
#: Where each lets somebody pay less.
LESS: Final[Mapping[str, tuple[Asked, ...]]] = {
    "PostCheckoutSessions": (
        {"discounts": [{"coupon": "co_1"}]},
        {"allow_promotion_codes": True},
        {"line_items": [{"price_data": {"currency": "usd", "unit_amount": 1}}]},
        {"subscription_data": {"trial_period_days": 700}},
        {"subscription_data": {"billing_cycle_anchor": 2_000_000_000, "proration_behavior": "none"}},
    ),
    "PostInvoices": ({"discounts": [{"coupon": "co_1"}]},),
    "PostPaymentIntentsIntent": ({"amount": 1},),
    "PostPaymentLinks": ({"allow_promotion_codes": True}, {"subscription_data": {"trial_period_days": 700}}),
    "PostPaymentLinksPaymentLink": ({"allow_promotion_codes": True},),
    "PostQuotes": (
        {"discounts": [{"coupon": "co_1"}]},
        {"line_items": [{"price": "p_1", "discounts": [{"coupon": "co_1"}]}]},
    ),
    "PostSubscriptionSchedules": (
        {"phases": [{"items": [{"price": "price_1"}], "discounts": [{"coupon": "co_1"}]}]},
        {"phases": [{"items": [{"price": "price_1"}], "trial_end": 2_000_000_000}]},
    ),
    "PostSubscriptions": (
        {"discounts": [{"coupon": "co_1"}]},
        {"items": [{"price": "price_1", "discounts": [{"coupon": "co_1"}]}]},
        {"items": [{"price_data": {"currency": "usd", "product": "prod_1", "recurring": {"interval": "month"}}}]},
        {"trial_end": 2_000_000_000},
        {"trial_period_days": 700},
        {"billing_cycle_anchor": 2_000_000_000, "proration_behavior": "none"},
    ),
}
SUBSCRIPTION: Final = {"subscription_exposed_id": "sub_1"}
WORDS: Final = {**SUBSCRIPTION, "description": "x"}

DOORS: Final[tuple[Door, ...]] = (
    # Money that a customer has paid.
    ("refunds", "PostRefunds", {"charge": "ch_1"}, None),
    ("refunds", "PostChargesChargeRefund", {"charge": "ch_1"}, None),
    ("refunds", "PostChargesChargeRefunds", {"charge": "ch_1"}, None),
    ("refunds", "PostTerminalRefunds", {"charge": "ch_1"}, None),
    ("refunds", "PostTerminalReadersReaderRefundPayment", {"reader": "tmr_1"}, None),
    ("refunds", "PostCreditNotes", {"invoice": "in_1", "refund_amount": 5}, {"invoice": "in_1", "credit_amount": 5}),
    ("refunds", "PostCreditNotes", {"invoice": "in_1", "amount": 5}, None),
    ("refunds", "PostApplicationFeesIdRefunds", {"id": "fee_1"}, None),
    ("refunds", "PostApplicationFeesIdRefund", {"id": "fee_1"}, None),
    ("refunds", "PostTransfersIdReversals", {"id": "tr_1", "refund_application_fee": True}, {"id": "tr_1"}),
    # Money to spend later.
    ("credits", "PostCreditNotes", {"invoice": "in_1", "credit_amount": 5}, {"invoice": "in_1", "refund_amount": 5}),
    ("credits", "PostCustomers", {"balance": -5}, {"name": "Ada"}),
    ("credits", "PostCustomersCustomer", {"customer": "cus_1", "balance": -5}, {"customer": "cus_1", "name": "Ada"}),
    (
        "credits",
        "PostCustomersCustomerBalanceTransactions",
        {"customer": "cus_1", "amount": -5, "currency": "usd"},
        {"customer": "cus_1", "amount": 5, "currency": "usd"},
    ),
    (
        "credits",
        "PostBillingCreditGrants",
        {"amount": {"type": "monetary"}, "applicability_config": {"scope": {"price_type": "metered"}}},
        None,
    ),
    (
        "credits",
        "PostInvoiceitems",
        {"customer": "cus_1", "amount": -5, "currency": "usd"},
        {"amount": 5, "currency": "usd"},
    ),
    ("credits", "PostInvoicesInvoiceUpdateLines", {"invoice": "in_1", "lines": [{"id": "il_1", "amount": 1}]}, None),
    ("credits", "PostBillingMeterEvents", {"event_name": "x", "payload": {"value": "-5"}}, None),
    ("credits", "PostV2BillingMeterEvents", {"event_name": "x", "payload": {"value": "-5"}}, None),
    (
        "credits",
        "PostSubscriptionsSubscriptionExposedId",
        {**SUBSCRIPTION, "items": [{"id": "si_1", "quantity": 1}]},
        WORDS,
    ),
    # Paying less from now on.
    ("discounts", "PostCoupons", {"percent_off": 100, "duration": "forever"}, None),
    ("discounts", "PostPromotionCodes", {"promotion": {"type": "coupon", "coupon": "co_1"}}, None),
    (
        "discounts",
        "PostPrices",
        {"currency": "usd", "product": "prod_1", "unit_amount": 1},
        {"currency": "usd", "product_data": {"name": "new"}, "unit_amount": 1},
    ),
    ("discounts", "PostPlans", {"currency": "usd", "interval": "month", "product": "prod_1", "amount": 1}, None),
    ("discounts", "PostPricesPrice", {"price": "price_1", "lookup_key": "x"}, {"price": "price_1", "nickname": "x"}),
    ("discounts", "PostProductsId", {"id": "prod_1", "default_price": "price_1"}, {"id": "prod_1", "name": "x"}),
    (
        "discounts",
        "PostV2CommerceProductCatalogImports",
        {"feed_type": "price", "mode": "upsert", "metadata": {}},
        None,
    ),
    ("discounts", "PostInvoiceitems", {"discounts": [{"coupon": "co_1"}]}, {"amount": 5, "currency": "usd"}),
    (
        "discounts",
        "PostSubscriptionItems",
        {"subscription": "sub_1", "proration_behavior": "none"},
        {"subscription": "sub_1"},
    ),
    *(
        ("discounts", "PostSubscriptionsSubscriptionExposedId", {**SUBSCRIPTION, **given}, WORDS)
        for given in (
            {"items": [{"id": "si_1", "price": "price_2"}]},
            {"items": [{"id": "si_1", "quantity": 1}]},
            {"discounts": [{"coupon": "co_1"}]},
            {"trial_end": 2_000_000_000},
        )
    ),
    ("discounts", "PostSubscriptionItemsItem", {"item": "si_1", "price": "price_2"}, {"item": "si_1"}),
    (
        "discounts",
        "PostSubscriptionSchedulesSchedule",
        {"schedule": "sub_sched_1", "phases": [{"items": [{"price": "price_2"}]}]},
        None,
    ),
    ("discounts", "PostQuotesQuoteAccept", {"quote": "qt_1"}, None),
    ("discounts", "PostCustomersCustomerTaxIds", {"customer": "cus_1", "type": "eu_vat", "value": "x"}, None),
    *(("discounts", sale, {**SALES[sale], **given}, SALES[sale]) for sale, some in LESS.items() for given in some),
    # Our balance, or a share of a payment.
    ("payouts", "PostPayouts", {"amount": 5, "currency": "usd"}, None),
    ("payouts", "PostTreasuryOutboundPayments", {"amount": 5, "currency": "usd", "financial_account": "fa_1"}, None),
    ("payouts", "PostTreasuryOutboundTransfers", {"amount": 5, "currency": "usd", "financial_account": "fa_1"}, None),
    ("payouts", "PostTreasuryCreditReversals", {"received_credit": "rc_1"}, None),
    ("payouts", "PostIssuingAuthorizationsAuthorizationApprove", {"authorization": "iauth_1"}, None),
    ("payouts", "PostClimateOrders", {"product": "climsku_1", "amount": 5, "currency": "usd"}, None),
    ("transfers", "PostTransfers", {"amount": 5, "currency": "usd", "destination": "acct_9"}, None),
    ("transfers", "PostQuotesQuoteAccept", {"quote": "qt_1"}, None),
    *(("transfers", sale, {**SALES[sale], **given}, SALES[sale]) for sale, some in SENT_ON.items() for given in some),
    ("transfers", "PostSubscriptionsSubscriptionExposedId", {**SUBSCRIPTION, "transfer_data": ACCOUNT}, WORDS),
    (
        "transfers",
        "PostPaymentIntentsIntentCapture",
        {"intent": "pi_1", "application_fee_amount": 5},
        {"intent": "pi_1"},
    ),
    # Where money goes from now on, and a new place for it.
    *(
        ("bank_details", operation, asked, None)
        for operation, asked in (
            ("PostAccountsAccountExternalAccounts", {"account": "acct_9", "external_account": "btok_1"}),
            ("PostAccountsAccountBankAccounts", {"account": "acct_9", "external_account": "btok_1"}),
            ("PostAccountExternalAccounts", {"external_account": "btok_1"}),
            ("PostAccountBankAccounts", {"external_account": "btok_1"}),
            ("PostExternalAccounts", {"external_account": {"type": "x"}}),
            ("PostAccounts", {}),
            ("PostBalanceSettings", {"payments": {"payouts": {"schedule": {"interval": "daily"}}}}),
            ("PostV2MoneyManagementOutboundSetupIntents", {"usage_intent": "payment"}),
        )
    ),
    *(
        ("bank_details", operation, {**id, "default_for_currency": True}, {**id, "name": "x"})
        for operation, id in (
            ("PostAccountsAccountExternalAccountsId", {"account": "acct_9", "id": "ba_1"}),
            ("PostAccountsAccountBankAccountsId", {"account": "acct_9", "id": "ba_1"}),
            ("PostAccountExternalAccountsId", {"id": "ba_1"}),
            ("PostAccountBankAccountsId", {"id": "ba_1"}),
        )
    ),
    *(
        ("bank_details", operation, {**id, **given}, {**id, "metadata": {"a": "b"}})
        for operation, id in (("PostAccountsAccount", {"account": "acct_9"}), ("PostAccount", {}))
        for given in (
            {"external_account": "btok_1"},
            {"settings": {"payouts": {"schedule": {"interval": "daily"}}}},
            {"default_currency": "eur"},
        )
    ),
    ("bank_details", "PostSetupIntents", {"attach_to_self": True}, {"customer": "cus_1"}),
    # What is owed to us and given up.
    ("write_offs", "PostInvoicesInvoiceVoid", {"invoice": "in_1"}, None),
    ("write_offs", "PostInvoicesInvoiceMarkUncollectible", {"invoice": "in_1"}, None),
    ("write_offs", "PostInvoicesInvoicePay", {"invoice": "in_1", "paid_out_of_band": True}, {"invoice": "in_1"}),
    ("write_offs", "PostInvoicesInvoicePay", {"invoice": "in_1", "forgive": True}, {"invoice": "in_1"}),
    (
        "write_offs",
        "PostInvoicesInvoiceAttachPayment",
        {"invoice": "in_1", "payment_record": "pr_1"},
        {"invoice": "in_1", "payment_intent": "pi_1"},
    ),
    ("write_offs", "PostPaymentIntentsIntentCancel", {"intent": "pi_1"}, None),
    ("write_offs", "PostPaymentIntentsIntentCapture", {"intent": "pi_1", "amount_to_capture": 1}, None),
    ("write_offs", "PostChargesChargeCapture", {"charge": "ch_1", "amount": 1}, None),
    ("write_offs", "PostDisputesDisputeClose", {"dispute": "dp_1"}, None),
    (
        "write_offs",
        "PostV2BillingMeterEventAdjustments",
        {"cancel": {"identifier": "x"}, "event_name": "x", "type": "cancel"},
        None,
    ),
    ("disputes", "PostDisputesDisputeClose", {"dispute": "dp_1"}, None),
    ("disputes", "PostChargesChargeDisputeClose", {"charge": "ch_1"}, None),
    (
        "disputes",
        "PostDisputesDispute",
        {"dispute": "dp_1", "evidence": {"product_description": "x"}},
        {"dispute": "dp_1", "evidence": {"product_description": "x"}, "submit": False},
    ),
    # Customers charged with nobody there to agree.
    ("charges", "PostPaymentIntents", {**SALES["PostPaymentIntents"], "confirm": True, "off_session": True}, None),
    (
        "charges",
        "PostPaymentIntentsIntentConfirm",
        {"intent": "pi_1", "payment_method_options": {"card": {"moto": True}}},
        None,
    ),
    ("charges", "PostInvoicesInvoicePay", {"invoice": "in_1"}, None),
    (
        "charges",
        "PostTestHelpersTestClocksTestClockAdvance",
        {"test_clock": "clock_1", "frozen_time": 2_000_000_000},
        None,
    ),
    # Revenue that ends, pauses or shrinks.
    ("cancellations", "DeleteSubscriptionsSubscriptionExposedId", SUBSCRIPTION, None),
    (
        "cancellations",
        "DeleteCustomersCustomerSubscriptionsSubscriptionExposedId",
        {**SUBSCRIPTION, "customer": "cus_1"},
        None,
    ),
    ("cancellations", "DeleteCustomersCustomer", {"customer": "cus_1"}, None),
    ("cancellations", "DeleteSubscriptionItemsItem", {"item": "si_1"}, None),
    ("cancellations", "PostSubscriptionSchedulesScheduleCancel", {"schedule": "sub_sched_1"}, None),
    ("cancellations", "PostSubscriptionSchedules", {"from_subscription": "sub_1"}, {"customer": "cus_1"}),
    ("cancellations", "PostSubscriptionSchedules", {"end_behavior": "cancel"}, {"customer": "cus_1"}),
    ("cancellations", "PostBillingMetersIdDeactivate", {"id": "mtr_1"}, None),
    *(
        ("cancellations", "PostSubscriptionsSubscriptionExposedId", {**SUBSCRIPTION, **given}, WORDS)
        for given in (
            {"cancel_at_period_end": True},
            {"cancel_at": 2_000_000_000},
            {"pause_collection": {"behavior": "void"}},
            {"items": [{"id": "si_1", "deleted": True}]},
        )
    ),
    ("cancellations", "PostSubscriptionsSubscriptionPause", {"subscription": "sub_1", "type": "subscription"}, None),
    # Data and secrets that leave.
    ("access", "PostWebhookEndpoints", {"url": "https://evil.test", "enabled_events": ["*"]}, None),
    (
        "access",
        "PostWebhookEndpointsWebhookEndpoint",
        {"webhook_endpoint": "we_1", "url": "https://evil.test"},
        {"webhook_endpoint": "we_1"},
    ),
    (
        "access",
        "PostV2CoreEventDestinations",
        {"enabled_events": ["x"], "name": "x", "event_payload": "thin", "type": "webhook_endpoint"},
        None,
    ),
    ("access", "PostFileLinks", {"file": "file_1"}, None),
    ("access", "PostReportingReportRuns", {"report_type": "payouts.summary.1"}, None),
    (
        "access",
        "PostForwardingRequests",
        {"payment_method": "pm_1", "replacements": ["card_number"], "request": {"body": "x"}, "url": "https://evil.test"},
        None,
    ),
    ("access", "GetIssuingCardsCard", {"card": "ic_1", "expand": ["number"]}, {"card": "ic_1"}),
    ("access", "GetAppsSecretsFind", {"name": "x", "scope": {"type": "account"}}, None),
    # Ways out of governance.
    ("access", "PostOauthToken", {}, None),
    ("access", "PostV2IamApiKeys", {"type": "secret_key"}, None),
    ("access", "PostEphemeralKeys", {"customer": "cus_1"}, None),
    ("access", "PostAccountLinks", {"account": "acct_9", "type": "account_onboarding"}, None),
    ("access", "PostAccountSessions", {"account": "acct_9", "components": {"payouts": {"enabled": True}}}, None),
    ("access", "PostAccountsAccountLoginLinks", {"account": "acct_9"}, None),
    ("access", "PostAccountLoginLinks", {}, None),
    ("access", "PostBillingPortalSessions", {"customer": "cus_1"}, None),
    ("access", "PostCustomerSessions", {"customer": "cus_1", "components": {"pricing_table": {"enabled": True}}}, None),
    ("access", "PostAppsInstalls", {"app": "com.example.app"}, None),
    ("access", "PostTerminalConnectionTokens", {}, None),
    # What may be spent with our cards.
    ("access", "PostIssuingCards", {"currency": "usd", "type": "virtual"}, None),
    *(
        ("access", "PostIssuingCardsCard", {"card": "ic_1", **given}, {"card": "ic_1", "metadata": {"a": "b"}})
        for given in (
            {"spending_controls": {"blocked_categories": ["x_1"]}},
            {"status": "active"},
            {"pin": {"encrypted_number": "x"}},
        )
    ),
    (
        "access",
        "PostIssuingCardholdersCardholder",
        {"cardholder": "ich_1", "spending_controls": {"blocked_categories": ["x_1"]}},
        {"cardholder": "ich_1"},
    ),
    # What an account may do, both ways.
    *(
        (
            "access",
            operation,
            {**id, "capability": "transfers", "requested": requested},
            {**id, "capability": "transfers"},
        )
        for operation, id in (
            ("PostAccountsAccountCapabilitiesCapability", {"account": "acct_9"}),
            ("PostAccountCapabilitiesCapability", {}),
        )
        for requested in (True, False)
    ),
    # People blinded.
    (
        "access",
        "PostWebhookEndpointsWebhookEndpoint",
        {"webhook_endpoint": "we_1", "disabled": True},
        {"webhook_endpoint": "we_1"},
    ),
    ("access", "DeleteWebhookEndpointsWebhookEndpoint", {"webhook_endpoint": "we_1"}, None),
    ("access", "PostV2CoreEventDestinationsIdDisable", {"id": "ed_1"}, None),
    ("access", "PostRadarValueListItems", {"value_list": "rsl_1", "value": "x"}, None),
    ("access", "DeleteRadarValueListItemsItem", {"item": "rsli_1"}, None),
    ("access", "PostReviewsReviewApprove", {"review": "prv_1"}, None),
    ("access", "PostBillingAlertsIdArchive", {"id": "alrt_1"}, None),
    ("access", "PostChargesCharge", {"charge": "ch_1", "fraud_details": {"user_report": "safe"}}, {"charge": "ch_1"}),
    *(
        (
            "access",
            operation,
            {**id, "settings": {"card_payments": {"decline_on": {"cvc_failure": False}}}},
            {**id, "settings": {"branding": {"primary_color": "#000000"}}},
        )
        for operation, id in (("PostAccountsAccount", {"account": "acct_9"}), ("PostAccount", {}))
    ),
    # Destroyed for good.
    ("deletions", "DeleteCustomersCustomer", {"customer": "cus_1"}, None),
    ("deletions", "DeleteAccountsAccount", {"account": "acct_9"}, None),
    ("deletions", "DeleteAccount", {}, None),
    ("deletions", "PostV2CoreAccountsIdClose", {"id": "acct_9"}, None),
    ("deletions", "PostIdentityVerificationSessionsSessionRedact", {"session": "vs_1"}, None),
    ("deletions", "PostPaymentMethodsPaymentMethodDetach", {"payment_method": "pm_1"}, None),
    # Indirection: one request that runs others, of whatever kind.
    *(
        (group, operation, asked, None)
        for group in GROUPS
        for operation, asked in (
            ("PostV2CoreBatchJobs", {"endpoint": {}, "skip_validation": True}),
            ("PostV2ExtendWorkflowsIdInvoke", {"id": "wkfl_1", "input_parameters": {}}),
        )
    ),
)  # fmt: skip
