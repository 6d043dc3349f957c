"""Accounts, ways in, records, cards of ours, financial accounts and v2: who gets in, and where money goes (THREATS 4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import pytest

from runplane_mcp.core.effect import Effect, Looked, LookedUp, NotThere
from runplane_mcp.core.effects import MOST_STAGES, effect_of, reads
from runplane_mcp.core.facts import UNKNOWN
from runplane_mcp.core.money import Money
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.request import Failure, Kind
from runplane_mcp.core.wire import Value
from tests.core.stripe_objects import CATALOG, classified


def effect(seen: Classified, found: Mapping[str, object]) -> Effect:
    looked: dict[str, Looked] = {}
    for _ in range(MOST_STAGES):
        for read in reads(seen, looked):
            looked[read.name] = cast("Looked", found[read.name])
    return effect_of(seen, cast("LookedUp", looked))


ACCOUNT: dict[str, Value] = {"account": "acct_1"}
BANK: dict[str, Value] = {**ACCOUNT, "external_account": "btok_1"}
TRANSFERS: dict[str, Value] = {**ACCOUNT, "capability": "transfers"}
IMPORT: dict[str, Value] = {"feed_type": "product", "mode": "upsert", "metadata": {"a": "b"}}
LINK: dict[str, Value] = {**ACCOUNT, "type": "account_onboarding", "return_url": "https://a.example"}
ENDPOINT: dict[str, Value] = {"webhook_endpoint": "we_1"}


@pytest.mark.parametrize(
    ("operation_id", "asked", "groups", "facts"),
    [
        # Where payouts go, and when.
        ("PostAccountsAccountExternalAccounts", BANK, "bank_details", "redirects_funds"),
        ("PostAccountExternalAccounts", {"external_account": "btok_1"}, "bank_details", "redirects_funds"),
        ("PostAccountsAccountBankAccounts", BANK, "bank_details", "redirects_funds"),
        ("PostAccountsAccount", BANK, "bank_details", "redirects_funds"),
        ("PostAccount", {"external_account": "btok_1"}, "bank_details", "redirects_funds"),
        (
            "PostAccountsAccount",
            {**ACCOUNT, "settings": {"payouts": {"schedule": {"interval": "daily"}}}},
            "bank_details",
            "redirects_funds",
        ),
        ("PostAccountsAccount", {**ACCOUNT, "default_currency": "eur"}, "bank_details", "redirects_funds"),
        ("PostAccountsAccount", {**ACCOUNT, "settings": {"branding": {"primary_color": "#ff0000"}}}, "", ""),
        ("PostAccountsAccount", {**ACCOUNT, "metadata": {"a": "b"}}, "", ""),
        (
            "PostAccountsAccountExternalAccountsId",
            {**ACCOUNT, "id": "ba_1", "default_for_currency": True},
            "bank_details",
            "redirects_funds",
        ),
        ("PostAccountsAccountExternalAccountsId", {**ACCOUNT, "id": "ba_1", "account_holder_name": "A"}, "", ""),
        ("DeleteAccountsAccountExternalAccountsId", {**ACCOUNT, "id": "ba_1"}, "bank_details", "redirects_funds"),
        ("PostAccounts", {"type": "express"}, "bank_details", "redirects_funds"),
        ("PostV2CoreAccountsId", {"id": "acct_1", "defaults": {"currency": "eur"}}, "bank_details", "redirects_funds"),
        ("PostV2CoreVaultUsBankAccounts", {"account_number": "1", "currency": "usd"}, "bank_details", "redirects_funds"),
        ("PostV2MoneyManagementPayoutMethodsIdUnarchive", {"id": "pm_1"}, "bank_details", "redirects_funds"),
        # Our money leaves.
        (
            "PostTreasuryOutboundPayments",
            {"amount": 500, "currency": "usd", "financial_account": "fa_1", "destination_payment_method": "pm_1"},
            "payouts",
            "amount destination destination_paid_before",
        ),
        (
            "PostTreasuryOutboundTransfers",
            {
                "amount": 500,
                "currency": "usd",
                "financial_account": "fa_1",
                "destination_payment_method_data": {"type": "us_bank_account"},
            },
            "bank_details payouts",
            "amount redirects_funds",
        ),
        ("PostTreasuryCreditReversals", {"received_credit": "rc_1"}, "payouts", "amount"),
        ("PostIssuingAuthorizationsAuthorizationApprove", {"authorization": "iauth_1"}, "payouts", "amount"),
        (
            "PostV2MoneyManagementOutboundPayments",
            {
                "amount": {"value": 500, "currency": "usd"},
                "from": {"currency": "usd", "financial_account": "fa_1"},
                "to": {"recipient": "acct_1", "payout_method": "pm_1"},
            },
            "payouts",
            "amount destination destination_paid_before",
        ),
        ("PostV2MoneyManagementPayoutIntentsIdConfirm", {"id": "pi_1"}, "payouts", "amount destination"),
        (
            "PostV2MoneyManagementPayoutIntentsId",
            {"id": "pi_1", "to": {"payout_method": "pm_9"}},
            "bank_details payouts",
            "redirects_funds",
        ),
        ("PostV2MoneyManagementPayoutIntentsId", {"id": "pi_1", "description": "x"}, "", "amount"),
        # Ways in, ways out for data, and what blinds people.
        ("PostAccountLinks", LINK, "access", "url_hosts"),
        ("PostAccountsAccountLoginLinks", ACCOUNT, "access", "gives_access"),
        ("PostAccountLoginLinks", {}, "access", "gives_access"),
        ("PostAccountsAccount", {**ACCOUNT, "email": "a@b.example"}, "access", "gives_access"),
        ("PostAccountsAccountCapabilitiesCapability", {**TRANSFERS, "requested": True}, "access", ""),
        ("PostAccountsAccountCapabilitiesCapability", {**TRANSFERS, "requested": False}, "access", "gives_access"),
        ("PostEphemeralKeys", {"customer": "cus_1"}, "access", "gives_access customer"),
        ("PostFileLinks", {"file": "file_1"}, "access", "gives_access"),
        (
            "PostWebhookEndpoints",
            {"url": "https://evil.example/x", "enabled_events": ["*"]},
            "access",
            "gives_access url_hosts",
        ),
        ("PostWebhookEndpointsWebhookEndpoint", {**ENDPOINT, "disabled": True}, "access", "gives_access"),
        ("PostWebhookEndpointsWebhookEndpoint", {**ENDPOINT, "url": "https://evil.example"}, "access", "url_hosts"),
        ("PostWebhookEndpointsWebhookEndpoint", {**ENDPOINT, "description": "x"}, "", ""),
        ("DeleteWebhookEndpointsWebhookEndpoint", ENDPOINT, "access deletions", "gives_access"),
        ("PostV2CoreEventDestinationsIdDisable", {"id": "ed_1"}, "access", "gives_access"),
        (
            "PostForwardingRequests",
            {
                "payment_method": "pm_1",
                "replacements": ["card_number"],
                "request": {"body": "x"},
                "url": "https://evil.example",
            },
            "access",
            "gives_access url_hosts",
        ),
        ("PostIssuingCards", {"currency": "usd", "type": "virtual"}, "access", "gives_access"),
        ("PostIssuingCardsCard", {"card": "ic_1", "status": "active"}, "access", "gives_access"),
        ("PostIssuingCardsCard", {"card": "ic_1", "status": "inactive"}, "", ""),
        ("PostIssuingCardsCard", {"card": "ic_1", "status": "canceled"}, "deletions", ""),
        ("GetAppsSecretsFind", {"name": "key", "scope": {"type": "account"}}, "access", "gives_access"),
        ("PostReportingReportRuns", {"report_type": "balance.summary.1"}, "access", "gives_access"),
        # Gone for good, or many at once.
        ("DeleteAccountsAccount", ACCOUNT, "deletions", ""),
        ("PostV2CoreAccountsIdClose", {"id": "acct_1"}, "deletions", ""),
        ("PostIdentityVerificationSessionsSessionRedact", {"session": "vs_1"}, "deletions", ""),
        ("PostV2CommerceProductCatalogImports", IMPORT, "discounts", "bulk"),
        ("DeleteTestHelpersTestClocksTestClock", {"test_clock": "clock_1"}, "deletions", "bulk"),
    ],
)  # fmt: skip
def test_each_side_door_is_in_its_group(operation_id: str, asked: Mapping[str, Value], groups: str, facts: str) -> None:
    seen = classified(operation_id, **asked)

    assert seen.groups == set(groups.split())
    assert set(facts.split()) <= seen.facts
    if "redirects_funds" not in facts:
        assert "redirects_funds" not in seen.facts


def test_what_stops_money_is_in_no_group_that_holds_it_up() -> None:
    for operation_id in (
        "PostTreasuryOutboundPaymentsIdCancel",
        "PostTreasuryInboundTransfersInboundTransferCancel",
        "PostV2MoneyManagementOutboundPaymentsIdCancel",
        "PostV2MoneyManagementPayoutIntentsIdCancel",
        "PostIssuingAuthorizationsAuthorizationDecline",
    ):
        operation = CATALOG.by_id(operation_id)
        assert operation is not None
        assert operation.groups == frozenset(), operation_id


def test_an_approved_purchase_is_what_was_asked_for_when_no_amount_is_given() -> None:
    seen = classified("PostIssuingAuthorizationsAuthorizationApprove", authorization="iauth_1")
    pending = {"id": "iauth_1", "status": "pending", "card": {"id": "ic_1"}, "currency": "usd"}

    known = effect(seen, {"auth": {**pending, "pending_request": {"amount": 700, "currency": "eur"}}})
    unknown = effect(seen, {"auth": {**pending, "pending_request": None}})

    assert (known.facts["amount"], known.facts["destination"]) == (Money(700, "eur"), "ic_1")
    assert unknown.facts["amount"] is UNKNOWN


def test_a_payment_of_v2_says_to_whom_and_how_much() -> None:
    asked: Mapping[str, Value] = {
        "amount": {"value": 500, "currency": "usd"},
        "from": {"currency": "usd", "financial_account": "fa_1"},
        "to": {"recipient": "acct_1"},
    }
    there: dict[str, object] = {"recipient": {"id": "acct_1"}, "account": {"id": "fa_1"}}

    found = effect(classified("PostV2MoneyManagementOutboundPayments", **asked), there)
    gone = effect(
        classified("PostV2MoneyManagementOutboundPayments", **asked),
        {**there, "recipient": NotThere(Failure("gone", "No."))},
    )

    assert (found.facts["amount"], found.facts["destination"]) == (Money(500, "usd"), "acct_1")
    assert found.facts["destination_paid_before"] is UNKNOWN
    assert found.sentence == "Pay $5.00 USD to acct_1."
    assert gone.refusal == Failure("gone", "No.", param="to.recipient")


def test_what_is_changed_meanwhile_is_seen_before_a_payout_is_confirmed() -> None:
    seen = classified("PostV2MoneyManagementPayoutIntentsIdConfirm", id="pi_1")
    intent = {
        "id": "pi_1",
        "status": "pending",
        "amount": {"value": 5, "currency": "usd"},
        "to": {"payout_method": "pm_1"},
    }

    before, after = (effect(seen, {"intent": each}) for each in (intent, {**intent, "to": {"payout_method": "pm_2"}}))

    assert [each.name for each in before.preconditions if not each.holds(after.observed.get(each.name))] == [
        "intent_to_payout_method"
    ]


def test_reads_that_show_a_way_in_are_access() -> None:
    found = {each.operation_id for each in CATALOG.operations if each.kind is Kind.READ and "access" in each.groups}

    assert found >= {"GetAppsSecretsFind", "GetFileLinks", "GetFileLinksLink", "GetV2CoreVaultUsBankAccounts"}


def test_a_card_number_in_the_answer_makes_a_read_access() -> None:
    plain = classified("GetIssuingCardsCard", card="ic_1", expand=["cardholder"])
    asked = classified("GetIssuingCardsCard", card="ic_1", expand=["number", "cvc"])

    found = effect(asked, {})

    assert (plain.groups, "gives_access" in plain.facts) == (frozenset(), False)
    assert asked.groups == {"access"}
    assert found.facts["gives_access"] is True
    assert found.sentence.endswith("The answer shows cvc, number.")
