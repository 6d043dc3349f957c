"""Whatever is asked in whatever order, the books balance: `audit` adds them up after each of these worlds."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from runplane_mcp.simulator import SEED
from tests.simulator.world import DAY, World

BAKERY, PRINTER = SEED.connected_account_paid, SEED.connected_account_new
CARDS = ("visa", "bypassPending", "createDispute", "pendingRefund", "refundFail", "riskLevelElevated", "chargeDeclined")

Step = Callable[["Walk"], object]


class Walk:
    """A walk through a world that remembers what it made, and asks on whether Stripe says yes or no."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.random = random.Random(seed)
        self.answers: list[int] = []

    def amount(self) -> int:
        return self.random.choice((1, 50, 999, 10_000, 65_000, 900_000))

    def maybe_amount(self) -> dict[str, Any]:
        return {"amount": self.amount()} if self.random.random() < 0.5 else {}

    def some(self, path: str, **parameters: Any) -> dict[str, Any]:
        found = self.world.get(path, limit=12, **parameters)["data"]
        return self.random.choice(found) if found else {"id": "nothing", "refunds": {"data": []}}

    def ask(self, path: str, account: str | None = None, **parameters: Any) -> None:
        status, _ = self.world.ask("POST", path, account=account, **parameters)
        assert status in (200, 400, 402, 404)
        self.answers.append(status)

    def parts(self, amount: int) -> dict[str, Any]:
        return self.random.choice(
            (
                {},
                {"transfer_data": {"destination": self.random.choice((BAKERY, PRINTER))}},
                {"transfer_data": {"destination": PRINTER}, "application_fee_amount": amount // 3},
                {"transfer_data": {"destination": PRINTER, "amount": amount // 2 + 1}},
            )
        )


def pay(walk: Walk) -> None:
    amount, card = walk.amount(), walk.random.choice(CARDS)
    walk.ask(
        "/v1/payment_intents",
        amount=amount,
        currency="usd",
        confirm=True,
        payment_method=f"pm_card_{card}",
        capture_method=walk.random.choice(("automatic", "manual")),
        **walk.parts(amount),
    )


def charge_directly(walk: Walk) -> None:
    amount = walk.amount()
    source = f"tok_{walk.random.choice(CARDS)}"
    account = walk.random.choice((BAKERY, None))
    fee = {"application_fee_amount": amount // 4} if account else {}
    walk.ask("/v1/charges", account=account, amount=amount, currency="usd", source=source, **fee)


def refund(walk: Walk) -> None:
    asked: dict[str, Any] = {"charge": walk.some("/v1/charges")["id"]}
    for name, value in (("amount", walk.amount()), ("reverse_transfer", True), ("refund_application_fee", True)):
        if walk.random.random() < 0.4:
            asked[name] = value
    walk.ask("/v1/refunds", **asked)


def capture(walk: Walk) -> None:
    held = [each for each in walk.world.get("/v1/payment_intents", limit=100)["data"] if each["amount_capturable"]]
    if held:
        intent = walk.random.choice(held)
        part: dict[str, Any] = {"amount_to_capture": 1 + intent["amount"] // 2} if walk.random.random() < 0.5 else {}
        walk.ask(f"/v1/payment_intents/{intent['id']}/{walk.random.choice(('capture', 'cancel'))}", **part)


STEPS: tuple[Step, ...] = (
    pay,
    pay,
    charge_directly,
    refund,
    refund,
    capture,
    lambda walk: walk.ask("/v1/transfers", amount=walk.amount(), currency="usd", destination=PRINTER),
    lambda walk: walk.ask(
        f"/v1/transfers/{walk.some('/v1/transfers')['id']}/reversals",
        **({"amount": walk.amount()} if walk.random.random() < 0.5 else {"refund_application_fee": True}),
    ),
    lambda walk: walk.ask(
        f"/v1/application_fees/{walk.some('/v1/application_fees')['id']}/refunds",
        **walk.maybe_amount(),
    ),
    lambda walk: walk.ask("/v1/topups", amount=walk.amount(), currency="usd"),
    lambda walk: walk.ask(f"/v1/topups/{walk.some('/v1/topups')['id']}/cancel"),
    lambda walk: walk.ask(
        "/v1/payouts",
        account=walk.random.choice((BAKERY, None)),
        amount=walk.amount(),
        currency="usd",
        method=walk.random.choice(("standard", "instant")),
    ),
    lambda walk: walk.ask(f"/v1/payouts/{walk.some('/v1/payouts')['id']}/{walk.random.choice(('cancel', 'reverse'))}"),
    lambda walk: walk.ask(f"/v1/disputes/{walk.some('/v1/disputes')['id']}/close"),
    lambda walk: walk.ask(
        "/v1/balance_settings",
        account=BAKERY,
        payments={"payouts": {"schedule": {"interval": walk.random.choice(("daily", "manual"))}}},
    ),
    lambda walk: setattr(walk.world.clock, "now", walk.world.clock.now + walk.random.choice((3600, DAY, 3 * DAY))),
)


@pytest.mark.parametrize("seed", range(6))
def test_no_order_of_requests_unbalances_the_books(world: World, seed: int) -> None:
    walk = Walk(world, seed)

    for _ in range(120):
        walk.random.choice(STEPS)(walk)
    world.clock.now += 30 * DAY
    world.get("/v1/balance")

    assert walk.answers.count(200) > 20
    assert len(set(walk.answers)) > 1
