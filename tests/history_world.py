"""A simulated company with ninety days behind it: refunds, payouts, transfers, cancellations, all done by people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runplane_mcp.simulator import SEED, Simulator
from runplane_mcp.simulator.seed import ORDER_PAYMENTS
from tests.simulator.world import DAY, Clock, World

#: Noon in New York on Tuesday 3 March 2026: the end of the history.
END = 1_772_557_200
DAYS = 90


def ninety_days(path: Path, *, days: int = DAYS) -> dict[str, int]:
    """Makes the world in `path` and returns how often each thing was done."""
    clock = Clock(END - days * DAY)
    simulator = Simulator(path, now=clock)
    world = World(simulator, clock)
    done = dict.fromkeys(("refunds", "payouts", "transfers", "reversals", "cancellations"), 0)

    def post(what: str, path: str, **parameters: object) -> Any:
        status, body = world.ask("POST", path, **parameters)  # type: ignore[arg-type]
        if status == 200:
            done[what] += 1
        return body

    payments = [f"pi_{each.name}" for each in ORDER_PAYMENTS]
    for day in range(days):
        clock.now = END - (days - day) * DAY + 2 * 3600
        for number in range(1 + day % 3):
            clock.now += 1800
            amount = (2_000, 9_000, 23_500)[(day + number) % 3]
            post("refunds", "/v1/refunds", payment_intent=payments[(day * 3 + number) % len(payments)], amount=amount)
        if day == 40:  # an afternoon on which many parcels were lost
            for number in range(9):
                clock.now += 300
                post("refunds", "/v1/refunds", payment_intent=payments[-1 - number], amount=23_500)
        if day % 14 == 3:
            post("payouts", "/v1/payouts", amount=50_000 + day * 100, currency="usd")
        if day % 30 == 10:
            sent = post(
                "transfers", "/v1/transfers", amount=12_000, currency="usd", destination=SEED.connected_account_paid
            )
            if "id" in sent and day == 40:
                post("reversals", f"/v1/transfers/{sent['id']}/reversals", amount=2_000)
        if day == 20:
            post("refunds", "/v1/refunds", payment_intent="pi_emile_eur", amount=5_000)
        if day == 60:
            status, _ = world.ask("DELETE", f"/v1/subscriptions/{SEED.subscription_office}")
            done["cancellations"] += status == 200
    clock.now = END
    simulator.close()
    return done
