"""Every side door of money, and every other one that leads out of governance, under a policy that blocks its group and
allows all else (THREATS 4). Each is decided by the real `decide`, with nothing looked up; beside it stands what is no such
door, which the same rule lets be.
"""

from __future__ import annotations

from typing import Final

import pytest

from runplane_mcp.core.compile import CompiledPolicy, compile_policy
from runplane_mcp.core.decision import Outcome
from runplane_mcp.core.effects import effect_of
from runplane_mcp.core.facts import GROUPS
from runplane_mcp.core.policy import load as load_policy
from tests.core.judged.doors import DOORS, Asked, Door
from tests.core.policies import HEAD, decided, facts_around
from tests.core.stripe_objects import CATALOG, classified


def policy(condition: str) -> CompiledPolicy:
    """Blocks what meets one condition, and nothing else that is judged."""
    body = f"""\
otherwise: {{reads: allow, writes: by_risk, unjudged: require_approval}}
rules:
  - id: door
    when: {{{condition}}}
    then: block
    why: It is a door.
"""
    return compile_policy(load_policy(HEAD + body), actions=CATALOG.actions)


POLICIES: Final = {group: policy(f"action: {group}") for group in GROUPS}
FACTS: Final = {fact: policy(f"{fact}: true") for fact in ("bulk", "redirects_funds")}
LINES: Final = [{"price": "price_1", "quantity": 1}]


def blocked_as_a_door(compiled: CompiledPolicy, operation: str, asked: Asked) -> bool:
    given: dict[str, object] = dict(asked)
    seen = classified(operation, **given)
    decision = decided(compiled, facts_around(seen, effect_of(seen, {})))
    by_rule = any(reason.id == "door" for reason in decision.reasons)
    assert by_rule == (decision.outcome is Outcome.BLOCK), decision.reasons
    return by_rule


def _name(door: Door) -> str:
    return f"{door[0]}-{door[1]}-{'-'.join(door[2])}"


@pytest.mark.parametrize("door", DOORS, ids=_name)
def test_a_rule_on_a_group_catches_each_of_its_side_doors(door: Door) -> None:
    group, operation, asked, harmless = door

    assert blocked_as_a_door(POLICIES[group], operation, asked)
    assert harmless is None or not blocked_as_a_door(POLICIES[group], operation, harmless)


@pytest.mark.parametrize("group", GROUPS)
def test_a_rule_on_a_group_lets_be_what_brings_money_back(group: str) -> None:
    """A theft can be stopped at 2 am, whatever is closed."""
    for operation, asked in (
        ("PostPayoutsPayoutCancel", {"payout": "po_1"}),
        ("PostTransfersIdReversals", {"id": "tr_1"}),
        ("PostRefundsRefundCancel", {"refund": "re_1"}),
        ("PostTopupsTopupCancel", {"topup": "tu_1"}),
        ("PostTreasuryOutboundPaymentsIdCancel", {"id": "obp_1"}),
        ("PostTreasuryOutboundTransfersOutboundTransferCancel", {"outbound_transfer": "obt_1"}),
        ("PostV2MoneyManagementOutboundPaymentsIdCancel", {"id": "obp_1"}),
        ("PostV2MoneyManagementPayoutIntentsIdCancel", {"id": "pi_1"}),
        ("PostClimateOrdersOrderCancel", {"order": "climorder_1"}),
        ("PostIssuingAuthorizationsAuthorizationDecline", {"authorization": "iauth_1"}),
    ):
        assert not blocked_as_a_door(POLICIES[group], operation, asked)


@pytest.mark.parametrize(
    ("fact", "operation", "asked", "harmless"),
    [
        # One request that acts on many things, now or later.
        ("bulk", "PostV2CoreBatchJobs", {"endpoint": {}, "skip_validation": True}, None),
        ("bulk", "PostV2ExtendWorkflowsIdInvoke", {"id": "wkfl_1", "input_parameters": {}}, None),
        ("bulk", "PostV2CommerceProductCatalogImports", {"feed_type": "x", "mode": "upsert", "metadata": {}}, None),
        ("bulk", "PostV2BillingMeterEventStream", {"events": [{"event_name": "x", "payload": {}}]}, None),
        (
            "bulk",
            "PostTestHelpersTestClocksTestClockAdvance",
            {"test_clock": "c_1", "frozen_time": 2_000_000_000},
            None,
        ),
        ("bulk", "PostBillingMetersIdDeactivate", {"id": "mtr_1"}, None),
        ("bulk", "PostProductsProductFeatures", {"product": "prod_1", "entitlement_feature": "feat_1"}, None),
        ("bulk", "DeleteRadarValueListsValueList", {"value_list": "rsl_1"}, None),
        (
            "bulk",
            "PostBillingPortalConfigurationsConfiguration",
            {"configuration": "bpc_1", "features": {"subscription_cancel": {"enabled": True}}},
            {"configuration": "bpc_1", "features": {"invoice_history": {"enabled": True}}},
        ),
        ("bulk", "PostPaymentMethodConfigurationsConfiguration", {"configuration": "pmc_1"}, None),
        # Payers who are sent, or asked to pay, elsewhere.
        (
            "redirects_funds",
            "PostCheckoutSessions",
            {"line_items": LINES, "success_url": "https://evil.test"},
            {"line_items": LINES},
        ),
        (
            "redirects_funds",
            "PostCheckoutSessions",
            {"line_items": LINES, "custom_text": {"submit": {"message": "Pay again at evil.test"}}},
            {"line_items": LINES},
        ),
        (
            "redirects_funds",
            "PostPaymentLinks",
            {"line_items": LINES, "after_completion": {"type": "redirect", "redirect": {"url": "https://evil.test"}}},
            {"line_items": LINES, "after_completion": {"type": "hosted_confirmation"}},
        ),
        (
            "redirects_funds",
            "PostPaymentLinksPaymentLink",
            {"payment_link": "plink_1", "inactive_message": "Pay at evil.test"},
            {"payment_link": "plink_1", "active": False},
        ),
    ],
)
def test_a_rule_on_a_fact_catches_what_acts_on_many_things_or_leads_payers_elsewhere(
    fact: str, operation: str, asked: Asked, harmless: Asked | None
) -> None:
    assert blocked_as_a_door(FACTS[fact], operation, asked)
    assert harmless is None or not blocked_as_a_door(FACTS[fact], operation, harmless)


def test_every_group_has_its_doors() -> None:
    assert {group for group, *_ in DOORS} == {*GROUPS}
