"""Act 2: a day in support. A small refund passes; one without an amount is looked up, waits and is decided by a person;
a payout at night is blocked; a transfer is denied with words; and the power fails in the middle of a refund."""

from __future__ import annotations

import json
from collections.abc import Mapping

import anyio

from runplane_mcp.cli.card import card_view
from runplane_mcp.cli.demo import finance
from runplane_mcp.cli.demo.agent import Agent, Answer, agent_at
from runplane_mcp.cli.demo.finance import Person, Ruling
from runplane_mcp.cli.demo.report import Report
from runplane_mcp.cli.demo.stage import AFTERNOON, PATIENCE, Home, Stage
from runplane_mcp.core import approval
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.money import Money
from runplane_mcp.errors import InternalError
from runplane_mcp.simulator import SEED, SIMULATOR_KEY, Fault, FaultKind, Simulator
from runplane_mcp.simulator.exchange import Asked

NIGHT = "2026-03-04T02:00"
MORNING = "2026-03-04T10:00"
#: How long the answer of the refund in the power cut would take: the server is dead long before (seconds).
UNTIL_THE_ANSWER = 20.0
#: The words of a person that reach the agent.
NO_TO_THE_REFUND = "Not yet. Please ask Ada for a photo of the broken grinder first."
NO_TO_THE_TRANSFER = "We have no contract with this printer. Ask Tom before you promise money."


async def act_two(report: Report, stage: Stage, *, asking: bool) -> tuple[Home, str]:
    """Returns the home, for the viewer to look around in, and the reference of the request that they saw the card of."""
    report.act(2, "A day in support, with Runplane")
    report.set_up("a home of its own, with the policy that every new home starts with")
    home = stage.home("act-2")
    await home.create()
    report.set_up("maria and tom of finance, each with a secret of their own")
    maria, tom = await finance.enrol(home)
    with home.world() as world:
        report.moment("Tuesday, 3 March 2026, 2:00 pm in New York")
        async with agent_at(home, AFTERNOON) as agent:
            await _small_refund(report, world, agent)
            reference, approved = await _whole_payment(report, home, agent, maria, asking=asking)
        report.moment("Wednesday, 4 March 2026, 2:00 am")
        async with agent_at(home, NIGHT) as agent:
            await _payout_at_night(report, world, agent)
        report.moment("Wednesday, 4 March 2026, 10:00 am")
        async with agent_at(home, MORNING) as agent:
            await _transfer(report, home, world, agent, tom)
            await _power_cut(report, world, agent)
        async with agent_at(home, MORNING) as agent:
            await _after_the_power_cut(report, home, world, agent)
        await _books(report, home, world, approved=approved)
    return home, reference


async def _small_refund(report: Report, world: Simulator, agent: Agent) -> None:
    report.scene(f"A small refund: {_usd(4_000)}")
    answer = await _call(
        report,
        agent,
        "create_refund",
        payment_intent=SEED.payment_intent_40,
        amount=4_000,
        justification="Ben was sent the wrong filter papers.",
    )
    report.check(
        "a small refund is made at once",
        {"status": "succeeded", "refunded": {"count": 1, "total": {"usd": 4_000}}},
        {"status": answer.status, "refunded": world.summary()["refunds"]},
        shown="small enough: it is made at once",
    )


async def _whole_payment(report: Report, home: Home, agent: Agent, person: Person, *, asking: bool) -> tuple[str, bool]:
    """Returns the request's reference and whether it was approved. Either is as it should be; what follows is checked."""
    report.scene(f"A refund that names no amount, of a payment of {_usd(90_000)}")
    asked = await _call(
        report,
        agent,
        "create_refund",
        payment_intent=SEED.payment_intent_900,
        justification="Ada says the grinder arrived broken. She wants her money back.",
        ticket="CASE-17",
    )
    async with home.desk() as desk:
        card = await desk.card(asked.request_id)
    report.check(
        "a refund without an amount waits, and people see the amount that was looked up",
        {"status": "waiting", "amount": 90_000, "currency": "usd"},
        {"status": asked.status, "amount": card.amount, "currency": card.currency},
        shown=f"looked up: it would give back all {_usd(90_000)}, so a person is asked",
    )
    outcome: list[Answer] = []
    async with anyio.create_task_group() as tasks:

        async def wait() -> None:
            outcome.append(await agent.wait(asked.request_id))

        report.line("agent", f"wait_for_request {asked.reference}")
        tasks.start_soon(wait)
        report.say()
        if asking:
            ruling = await finance.ask_viewer(report, card, otherwise=NO_TO_THE_REFUND)
        else:
            report.show(card_view(card))
            ruling = Ruling(approval.Answer.YES)
        report.say()
        status = await finance.vote(home, report, card, person, ruling, by_viewer=asking)
    heard = outcome[0]
    if heard.status == "waiting":
        # The viewer took longer than an agent may wait; it looks again, as it was told.
        heard = await agent.wait(asked.request_id)
    report.line("Runplane", heard.headline)
    yes = ruling.answer is approval.Answer.YES
    async with home.desk() as desk:
        votes = (await desk.life(asked.request_id)).votes
    signed: list[Json] = [
        {"person": vote.person, "answer": vote.answer.value, "signed": vote.proof_kind, "digest": vote.digest}
        for vote in votes
    ]
    report.check(
        "the answer of a person is a signature over what they saw",
        {
            "status": "approved" if yes else "denied",
            "votes": [
                {"person": person.name, "answer": ruling.answer.value, "signed": "ed25519", "digest": card.digest}
            ],
        },
        {"status": status, "votes": signed},
        shown=f"{person.name}'s {ruling.answer.value} is a signature over the fingerprint {card.fingerprint}",
    )
    if yes:
        report.check(
            "the agent that waited sees the refund of the whole payment",
            {"status": "succeeded", "amount": 90_000},
            {"status": heard.status, "amount": heard.amount},
            shown=f"the agent, which waited, sees it done: {_usd(90_000)}",
        )
    else:
        report.check(
            "the agent that waited reads the words of the person",
            {"status": "denied", "words": True},
            {"status": heard.status, "words": NO_TO_THE_REFUND in heard.message},
            shown="the agent, which waited, reads your no; nothing was refunded",
        )
    return asked.reference, yes


async def _payout_at_night(report: Report, world: Simulator, agent: Agent) -> None:
    report.scene(f"A payout of {_usd(1_500_000)} in the middle of the night")
    answer = await _call(report, agent, "create_payout", amount=1_500_000, currency="usd")
    report.check(
        "a payout at two in the morning is blocked",
        {"status": "blocked", "payouts": 0},
        {"status": answer.status, "payouts": world.summary()["payouts"]["count"]},
        shown="blocked: the policy pays out in business hours only, and no money moved",
    )


async def _transfer(report: Report, home: Home, world: Simulator, agent: Agent, person: Person) -> None:
    report.scene(f"A transfer of {_usd(240_000)} to somebody new")
    asked = await _call(
        report,
        agent,
        "create_transfer",
        amount=240_000,
        currency="usd",
        destination=SEED.connected_account_new,
        justification="The printer says the invoice is overdue and must be paid today.",
    )
    report.check("a transfer waits for a person", "waiting", asked.status, shown="transfers always wait for a person")
    async with home.desk() as desk:
        card = await desk.card(asked.request_id)
    await finance.vote(home, report, card, person, Ruling(approval.Answer.NO, NO_TO_THE_TRANSFER))
    heard = await agent.wait(asked.request_id)
    report.line("Runplane", heard.message)
    report.check(
        "a denied transfer is not made, and the words of the person reach the agent",
        {"status": "denied", "words": True, "transfers": 0},
        {
            "status": heard.status,
            "words": NO_TO_THE_TRANSFER in heard.message,
            "transfers": world.summary()["transfers"]["count"],
        },
        shown="denied: no money moved, and the agent has the words of the person",
    )


async def _power_cut(report: Report, world: Simulator, agent: Agent) -> None:
    report.scene(f"A refund of {_usd(12_000)}, and the power fails in the middle of it")
    before = world.summary()["effects"]
    heard: list[Answer] = []

    async def refund() -> None:
        try:
            heard.append(
                await _call(report, agent, "create_refund", payment_intent=SEED.payment_intent_120, amount=12_000)
            )
        except InternalError:
            report.line("agent", "gets no answer: the connection is lost")

    world.add_fault(Fault(FaultKind.DELAY, method="POST", path_prefix="/v1/refunds", seconds=UNTIL_THE_ANSWER))
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(refund)
            with anyio.fail_after(PATIENCE):
                while world.summary()["effects"] == before:  # noqa: ASYNC110 - another process makes it true
                    await anyio.sleep(0.01)
            agent.kill()
            report.line("kill -9", "Stripe has made the refund; before its answer arrives, Runplane is gone")
    finally:
        world.clear_faults()
    report.check(
        "the refund is made, and Runplane dies before it hears of it",
        {"effects": before + 1, "answers": 0},
        {"effects": world.summary()["effects"], "answers": len(heard)},
        shown="the money has moved, and nobody on this side knows",
    )


async def _after_the_power_cut(report: Report, home: Home, world: Simulator, agent: Agent) -> None:
    report.line("restart", "Runplane comes back, and the agent looks for what it had asked for")
    listed = await agent.call("list_requests", limit=1)
    await agent.wait(_newest(listed))
    found = await _call(report, agent, "get_request", request_id=_newest(listed))
    report.check(
        "after the restart the agent learns what became of the refund",
        {"status": "succeeded", "amount": 12_000},
        {"status": found.status, "amount": found.amount},
        shown="Runplane has found out by itself, and did not refund again",
    )
    async with home.desk() as desk:
        key = (await desk.life(found.request_id)).request.stripe_key
    report.check(
        "the power cut refunded once",
        {"refunds_of_the_payment": 1, "effects_of_the_key": 1},
        {
            "refunds_of_the_payment": refunds_of_payment(world, SEED.payment_intent_120),
            "effects_of_the_key": world.summary()["effects_by_key"].get(key, 0),
        },
        shown="Stripe counts one refund of this payment, not two",
    )


async def _books(report: Report, home: Home, world: Simulator, *, approved: bool) -> None:
    report.scene("The books")
    done = world.summary()
    report.totals["act_2"] = {kind: done[kind] for kind in ("refunds", "payouts", "transfers")}
    refunded = 4_000 + 12_000 + (90_000 if approved else 0)
    report.check(
        "Stripe's books hold what was allowed or approved, and nothing else",
        {"refunds": {"count": 2 + approved, "total": {"usd": refunded}}, "payouts": 0, "transfers": 0},
        {
            "refunds": done["refunds"],
            "payouts": done["payouts"]["count"],
            "transfers": done["transfers"]["count"],
        },
        shown=f"Stripe made {2 + approved} refunds, {_usd(refunded)}, no payout and no transfer",
    )
    report.line("auditor", "runplane audit verify")
    verified = await home.command("audit", "verify")
    report.totals["audit"] = {"events": verified["events"], "root": verified["root"]}
    report.check(
        "the audit log is whole",
        {"ok": True, "first_bad": None},
        {"ok": verified["ok"], "first_bad": verified["first_bad"]},
        shown=f"{verified['events']} events, each where it belongs, and every table agrees with them",
    )


async def _call(report: Report, agent: Agent, tool: str, **arguments: str | int) -> Answer:
    """One call of the agent, told in two lines: what it asked for and how the answer begins."""
    given = " ".join(
        f"{name}={value}" if isinstance(value, int) or " " not in value else f'{name}="{value}"'
        for name, value in arguments.items()
    )
    report.line("agent", f"{tool} {given}")
    answer = await agent.call(tool, **arguments)
    report.line("Runplane", answer.headline)
    return answer


def _newest(listed: Answer) -> str:
    """The id of the newest request in an answer of list_requests."""
    result = listed.envelope.get("result")
    requests = result.get("requests") if isinstance(result, Mapping) else None
    if not isinstance(requests, list) or not requests:
        raise InternalError("internal.demo", "The agent finds none of its requests.")
    return str(requests[0]["request_id"])


def refunds_of_payment(world: Simulator, payment_intent: str) -> int:
    """How many refunds a simulated Stripe lists for a payment."""
    asked = Asked(
        "GET",
        "/v1/refunds",
        f"payment_intent={payment_intent}&limit=100",
        {"authorization": f"Bearer {SIMULATOR_KEY}"},
    )
    return len(json.loads(world.answer(asked).body)["data"])


def _usd(amount: int) -> str:
    return str(Money(amount, "usd"))
