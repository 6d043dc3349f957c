"""Act 1: the same 200 refunds, once straight at Stripe and once through Runplane. What is counted is what the simulated
Stripe did, not what anybody was told."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import closing

import anyio

from runplane_mcp.cli.demo.agent import agent_at
from runplane_mcp.cli.demo.report import Report
from runplane_mcp.cli.demo.stage import Home, Stage, clean_environment, run_json, world_in
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.money import Money
from runplane_mcp.simulator import SEED, Simulator, SimulatorServer

AMOUNT = 23_500
CURRENCY = "usd"
CUSTOMERS = len(SEED.payment_intents_235)
#: What the policy of a new home lets one agent refund an hour: four of these, and the fifth would be too much.
AN_HOUR = 100_000
ALLOWED = AN_HOUR // AMOUNT
#: How many calls the agent has under way at once.
AT_ONCE = 8


async def act_one(report: Report, stage: Stage) -> None:
    report.act(1, f"An agent gone wrong refunds {_usd(AMOUNT)} to each of {CUSTOMERS} customers")
    report.set_up("a simulated coffee company, with nothing in front of its Stripe")
    with closing(world_in(stage.unguarded)) as world:
        await _without(report, world)
    home = stage.home("act-1")
    report.set_up("the same company again, with Runplane in front of its Stripe")
    await home.create()
    with home.world() as world:
        await _with(report, home, world)


async def _without(report: Report, world: Simulator) -> None:
    with report.busy(f"{CUSTOMERS} refunds, straight at Stripe"), SimulatorServer(world) as server:
        await run_json(
            [sys.executable, "-m", "runplane_mcp.cli.demo.unguarded", server.base_url], environment=clean_environment()
        )
    done = refunds_of(world)
    report.totals["without_runplane"] = done
    report.check(
        "without Runplane every refund is made",
        {"count": CUSTOMERS, "total": {CURRENCY: CUSTOMERS * AMOUNT}},
        done,
        shown=f"without Runplane: {done['count']} refunds are made, {_usd(_total(done))} are gone",
    )


async def _with(report: Report, home: Home, world: Simulator) -> None:
    statuses: Counter[str] = Counter()
    async with agent_at(home) as agent:
        limit = anyio.Semaphore(AT_ONCE)

        async def refund(payment_intent: str) -> None:
            async with limit:
                answer = await agent.call("create_refund", payment_intent=payment_intent, amount=AMOUNT)
            statuses[answer.status] += 1

        with report.busy(f"{CUSTOMERS} refunds, through Runplane"):
            async with anyio.create_task_group() as tasks:
                for each in SEED.payment_intents_235:
                    tasks.start_soon(refund, each)
    done = refunds_of(world)
    async with home.desk() as desk:
        waiting = len(await desk.cards())
    report.totals["with_runplane"] = {**done, "waiting": waiting}
    report.line("policy", f"one agent may refund {_usd(AN_HOUR)} an hour; what goes beyond waits for a person")
    report.check(
        "with Runplane refunds are made up to the limit",
        {"count": ALLOWED, "total": {CURRENCY: ALLOWED * AMOUNT}},
        done,
        shown=f"with Runplane: {done['count']} refunds are made, {_usd(_total(done))}",
    )
    report.check(
        "the others wait for a person",
        {"waiting": CUSTOMERS - ALLOWED, "told": {"succeeded": ALLOWED, "waiting": CUSTOMERS - ALLOWED}},
        {"waiting": waiting, "told": dict(statuses)},
        shown=f"the other {waiting} wait: {_usd(waiting * AMOUNT)} are still there",
    )


def refunds_of(world: Simulator) -> dict[str, Json]:
    """Count and totals by currency of the refunds that a simulated Stripe has really made."""
    return dict(world.summary()["refunds"])


def _total(done: dict[str, Json]) -> int:
    total = done["total"]
    amount = total.get(CURRENCY, 0) if isinstance(total, dict) else 0
    return amount if isinstance(amount, int) else 0


def _usd(amount: int) -> str:
    return str(Money(amount, CURRENCY))
