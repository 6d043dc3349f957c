"""Every side door of money, and every other one that leads out of governance, under a policy that blocks its group and
allows all else (THREATS 4). Each is decided by the real `decide`, with nothing looked up; beside it stands what is no such
door, which the same rule lets be.
"""

from __future__ import annotations

from typing import Final

import pytest

from runplane_mcp.core.catalog import load
from runplane_mcp.core.compile import CompiledPolicy, compile_policy
from runplane_mcp.core.decide import decide
from runplane_mcp.core.decision import Outcome, Usage
from runplane_mcp.core.effects import effect_of
from runplane_mcp.core.facts import GROUPS, FactValue
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.policy import load as load_policy
from runplane_mcp.core.wire import encode
from tests.core.judged.doors import DOORS, Asked, Door
from tests.core.policies import HEAD

CATALOG = load()


def policy(group: str) -> CompiledPolicy:
    """Blocks one group, and nothing else that is judged."""
    body = f"""\
otherwise: {{reads: allow, writes: by_risk, unjudged: require_approval}}
rules:
  - id: door
    when: {{action: {group}}}
    then: block
    why: It is a door.
"""
    return compile_policy(load_policy(HEAD + body), actions=CATALOG.actions)


POLICIES: Final = {group: policy(group) for group in GROUPS}


def classified(operation_id: str, asked: Asked) -> Classified:
    operation = CATALOG.by_id(operation_id)
    assert operation is not None
    given: dict[str, object] = dict(asked)
    return CATALOG.classify(encode(operation.method, operation.path, given))  # type: ignore[arg-type]


def blocked_as_a_door(group: str, operation: str, asked: Asked) -> bool:
    seen = classified(operation, asked)
    facts: dict[str, FactValue] = {
        "agent": "support-bot",
        "agent_roles": frozenset(),
        "principal": "agt_1",
        "operation": operation,
        "action": seen.groups | {seen.action},
        "kind": seen.operation.kind.value,
        "known": True,
        "judged": seen.operation.judged,
        "hour": 14,
        "weekday": "tue",
        "date": "2026-03-03",
        "business_hours": True,
        "possible_duplicate": False,
        "refused_24h_agent": 0,
        "denied_24h_object": 0,
        **effect_of(seen, {}).facts,
    }
    compiled = POLICIES[group]
    decision = decide(compiled, facts, [Usage() for _ in compiled.buckets(facts)])
    by_rule = any(reason.id == "door" for reason in decision.reasons)
    assert by_rule == (decision.outcome is Outcome.BLOCK), decision.reasons
    return by_rule


def _name(door: Door) -> str:
    return f"{door[0]}-{door[1]}-{'-'.join(door[2])}"


@pytest.mark.parametrize("door", DOORS, ids=_name)
def test_a_rule_on_a_group_catches_each_of_its_side_doors(door: Door) -> None:
    group, operation, asked, harmless = door

    assert blocked_as_a_door(group, operation, asked)
    assert harmless is None or not blocked_as_a_door(group, operation, harmless)


@pytest.mark.parametrize("group", GROUPS)
def test_a_rule_on_a_group_lets_be_what_brings_money_back(group: str) -> None:
    """DECISIONS 18: a theft can be stopped at 2 am, whatever is closed."""
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
        assert not blocked_as_a_door(group, operation, asked)


def test_every_group_has_its_doors() -> None:
    assert {group for group, *_ in DOORS} == {*GROUPS}
