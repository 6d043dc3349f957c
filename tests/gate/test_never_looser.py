"""However an agent asks for the same money again, it never gets more out of it than one that asks once.

The policy here allows every refund outright: what holds, holds without any rule or limit. THREATS row 2.
"""

from __future__ import annotations

import itertools

import pytest

from runplane_mcp.core.approval import Answer
from runplane_mcp.core.request import State
from runplane_mcp.gate.pipeline import Gate
from runplane_mcp.gate.view import RequestView, Submission
from runplane_mcp.simulator import SEED
from tests.gate.conftest import House, submission
from tests.gate.repeating import effects, own

AMOUNT = 1000
#: Whether a key of its own comes along, and what `repeat_of` names.
EXTRAS = ((False, "nothing"), (True, "nothing"), (False, "another"), (False, "bogus"), (True, "the first"))
NOT_DONE = {State.WAITING, State.DENIED, State.FAILED}
FREE = """
version: 1
currency: usd
timezone: America/New_York
business_hours: {days: mon-fri, open: 09:00, close: 17:00}
approval: {from: finance, expires_in: 24h}
rules:
  - id: refunds-are-free
    when: {action: refunds}
    then: allow
"""


def spellings(payment_intent: str, charge: str) -> dict[str, Submission]:
    """The same refund: first as it was asked for, then in every way that means no other money."""
    plain: dict[str, object] = {"payment_intent": payment_intent, "amount": AMOUNT}
    by_charge: dict[str, object] = {"charge": charge, "amount": AMOUNT}
    return {
        "again": submission("PostRefunds", plain),
        "charge": submission("PostRefunds", by_charge),
        "alias": submission("PostChargesChargeRefund", by_charge),
        "other alias": submission("PostChargesChargeRefunds", by_charge),
        "metadata": submission("PostRefunds", {**plain, "metadata": {"attempt": "2"}}),
        "reason": submission("PostRefunds", {**plain, "reason": "requested_by_customer"}),
        "defaults": submission("PostRefunds", {**plain, "reverse_transfer": False, "refund_application_fee": False}),
        "expand": submission("PostRefunds", {**plain, "expand": ["charge"]}),
    }


@pytest.mark.slow
async def test_no_way_of_asking_again_moves_money_again(house: House) -> None:
    (house.home / "policies.yaml").write_text(FREE)
    await house.enrol()
    async with house.gate() as gate:
        other = await gate.submit(submission("PostRefunds", {"payment_intent": SEED.payment_intent_40, "amount": 100}))
        cases = itertools.product(("done", "waiting", "denied"), spellings("", ""), EXTRAS)
        orders = zip(cases, SEED.payment_intents_235, SEED.charges_235, strict=False)
        for (state, spelling, (key, named)), payment_intent, charge in orders:
            asked = spellings(payment_intent, charge)
            before = effects(house)
            first = await gate.submit(asked["again"])
            assert first.status is State.SUCCEEDED
            held = await _held(house, gate, asked["again"], state)

            again = asked[spelling]
            if key:
                again = own(again, idempotency_key=payment_intent)
            names = {"another": other.request_id, "bogus": "RP-NONE", "the first": first.reference}
            if named in names:
                again = own(again, repeat_of=names[named])
            views = [await gate.submit(again) for _ in range(2)]

            where = (state, spelling, key, named)
            meant = named == "the first" and held is None
            assert effects(house) - before == (2 if meant else 1), (where, views)
            assert meant or all(view.status in NOT_DONE for view in views), where


async def _held(house: House, gate: Gate, again: Submission, state: str) -> RequestView | None:
    if state == "done":
        return None
    held = await gate.submit(again)
    assert held.status is State.WAITING
    if state == "denied":
        await house.vote(held, Answer.NO)
    return held
