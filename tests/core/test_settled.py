"""What Stripe's answers say has moved."""

from __future__ import annotations

import pytest

from runplane_mcp.core.effects.settled import moved
from runplane_mcp.core.money import LARGEST_AMOUNT, Money

REFUND = {"object": "refund", "id": "re_1", "amount": 1500, "currency": "usd"}


@pytest.mark.parametrize(
    ("action", "answer", "said"),
    [
        ("refund.create", REFUND, Money(1500, "usd")),
        ("refund.create", {**REFUND, "currency": "JPY"}, Money(1500, "jpy")),
        ("payout.create", {**REFUND, "object": "payout"}, Money(1500, "usd")),
        ("transfer.create", {**REFUND, "object": "transfer"}, Money(1500, "usd")),
        ("charge.capture", {"object": "charge", "amount": 9, "amount_captured": 7, "currency": "usd"}, Money(7, "usd")),
        # An answer of another kind, or one that proves nothing: what was reserved stays.
        ("refund.create", {**REFUND, "object": "charge"}, None),
        ("subscription.cancel", REFUND, None),
        ("refund.create", {}, None),
        *(
            ("refund.create", {**REFUND, "amount": amount}, None)
            for amount in (0, -1, "1500", 15.0, True, None, LARGEST_AMOUNT + 1)
        ),
        ("refund.create", {**REFUND, "currency": "xxq"}, None),
        ("refund.create", {**REFUND, "currency": None}, None),
    ],
)
def test_only_a_whole_answer_of_the_right_kind_tells_what_moved(
    action: str, answer: dict[str, object], said: Money | None
) -> None:
    assert moved(action, answer) == said
