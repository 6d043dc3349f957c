"""An approval is spent on what people saw: whatever a look-up told of how much leaves, and to whom, is looked at again
before it runs (THREATS 8)."""

from __future__ import annotations

import pytest

from runplane_mcp.core.catalog import load
from runplane_mcp.core.operation import Operation
from tests.core.stripe_objects import effect

#: Of each operation that sends money out by what its own line declares.
DECLARED = [
    each
    for each in load().operations
    if each.judged and each.alias_of is None and each.declaration is not None
    if each.money_out
]


@pytest.mark.parametrize("operation", DECLARED, ids=lambda each: each.operation_id)
def test_what_was_looked_up_of_money_that_leaves_is_held(operation: Operation) -> None:
    declared = operation.declaration
    assert declared is not None
    sums = [term.path for each in declared.amount for term in each]
    looked = [path for path in (*sums, *declared.destination) if path.look]
    held = {*declared.holds, *(term.path for term in declared.most)}

    assert [path.name for path in looked if path not in held] == []


def test_a_payout_that_was_approved_does_not_leave_over_another_amount() -> None:
    def payout(amount: int) -> dict[str, object]:
        money = {"value": amount, "currency": "usd"}
        return {"id": "poi_1", "status": "requires_confirmation", "amount": money, "to": {"recipient": "acct_1"}}

    seen = effect("PostV2MoneyManagementPayoutIntentsIdConfirm", {"intent": payout(5_000)}, id="poi_1")
    then = effect("PostV2MoneyManagementPayoutIntentsIdConfirm", {"intent": payout(900_000)}, id="poi_1")
    broken = [each.name for each in seen.preconditions if not each.holds(then.observed.get(each.name))]

    assert broken == ["intent_amount_value"]


@pytest.mark.parametrize("verb", ["CollectPaymentMethod", "ConfirmPaymentIntent", "ProcessPaymentIntent"])
def test_a_payment_at_a_reader_does_not_get_another_fee_or_seller(verb: str) -> None:
    def intent(**changes: object) -> dict[str, object]:
        nothing = dict.fromkeys(("application_fee_amount", "customer", "on_behalf_of", "transfer_data"))
        return {"id": "pi_1", "amount": 5_000, "currency": "usd", "status": "requires_action", **nothing, **changes}

    asked: dict[str, object] = {"reader": "tmr_1", "payment_intent": "pi_1"}
    seen = effect(f"PostTerminalReadersReader{verb}", {"intent": intent()}, **asked)
    other = intent(application_fee_amount=4_900, on_behalf_of="acct_9", customer="cus_9")
    then = effect(f"PostTerminalReadersReader{verb}", {"intent": other}, **asked)
    broken = [each.name for each in seen.preconditions if not each.holds(then.observed.get(each.name))]

    assert broken == ["intent_application_fee_amount", "intent_customer", "intent_on_behalf_of"]


@pytest.mark.parametrize(
    ("operation", "asked", "look", "before", "after"),
    [
        (
            "PostQuotesQuoteAccept",
            {"quote": "qt_1"},
            "quote",
            {"id": "qt_1", "status": "open", "transfer_data": None, "on_behalf_of": None},
            {"transfer_data": {"destination": "acct_9"}},
        ),
        (
            "PostPaymentIntentsIntent",
            {"intent": "pi_1", "amount": 500},
            "payment_intent",
            {"id": "pi_1", "amount": 400, "currency": "usd", "customer": None, "transfer_data": None},
            {"transfer_data": {"destination": "acct_9"}},
        ),
        (
            "PostPaymentIntentsIntentCapture",
            {"intent": "pi_1"},
            "payment_intent",
            {"id": "pi_1", "amount_capturable": 400, "currency": "usd", "transfer_data": None},
            {"transfer_data": {"destination": "acct_9"}},
        ),
        (
            "PostWebhookEndpointsWebhookEndpoint",
            {"webhook_endpoint": "we_1", "disabled": False},
            "endpoint",
            {"id": "we_1", "status": "disabled", "url": "https://ours.example/hook"},
            {"url": "https://theirs.example/hook"},
        ),
    ],
    ids=lambda each: each if isinstance(each, str) and each.startswith("Post") else "",
)
def test_where_it_goes_must_not_come_out_of_nothing_or_become_another(
    operation: str, asked: dict[str, object], look: str, before: dict[str, object], after: dict[str, object]
) -> None:
    """People saw that nobody else gets the money, or where the events go."""
    seen = effect(operation, {look: before}, **asked)
    then = effect(operation, {look: before | after}, **asked)

    assert len([each for each in seen.preconditions if not each.holds(then.observed.get(each.name))]) == 1
