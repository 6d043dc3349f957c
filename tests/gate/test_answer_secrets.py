"""A secret in an answer is handed to the call that waits for it, once, and kept nowhere. THREATS 23.

Which operations answer with a secret the catalog says; here canceling a payment does, whose answer holds its client secret.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import replace

import pytest

from runplane_mcp.app import default_policy_text
from runplane_mcp.cli.attempt import attempt
from runplane_mcp.core.catalog import Catalog
from runplane_mcp.core.catalog import load as load_catalog
from runplane_mcp.core.decision import Outcome
from runplane_mcp.core.operation import Operation
from runplane_mcp.core.redact import WITHHELD, withheld
from runplane_mcp.core.request import State
from runplane_mcp.gate import pipeline
from runplane_mcp.gate.answer_secrets import HANDED_OVER, with_secret
from runplane_mcp.gate.pipeline import Gate
from runplane_mcp.gate.policies import Policies
from runplane_mcp.gate.view import AnswerSecret, RequestView
from runplane_mcp.simulator import SEED, Fault, FaultKind
from runplane_mcp.store.verify import verify, verify_requests
from tests.gate.conftest import AFTERNOON, House, submission, until

CANCEL = "PostPaymentIntentsIntentCancel"
READ = "GetPaymentIntentsIntent"
PAYMENT = SEED.payment_intent_unpaid
SECRET = f"{PAYMENT}_secret_simulator"
CANCELING = submission(CANCEL, {"intent": PAYMENT})
ALLOWED = """
version: 1
currency: usd
timezone: America/New_York
business_hours: {days: mon-fri, open: 09:00, close: 17:00}
approval: {from: finance, expires_in: 24h}
rules:
  - id: cancelations
    when: {action: payment_intent.cancel}
    then: allow
"""


@asynccontextmanager
async def gate_where(house: House, *, allowed: bool = True, **changes: object) -> AsyncIterator[Gate]:
    """A gate by whose catalog canceling and reading a payment are as `changes` say, and whose policy lets it be done
    where it is `allowed`."""
    if allowed:
        await allow(house)
    async with house.gate() as gate:

        def judged(operation: Operation) -> Operation:
            wanted = operation.operation_id in {CANCEL, READ}
            return replace(operation, **changes) if wanted else operation  # type: ignore[arg-type]

        gate.catalog = Catalog(map(judged, gate.catalog.operations))
        gate.executor = replace(gate.executor, catalog=gate.catalog)
        yield gate


async def allow(house: House) -> None:
    house.settings.policy_file.write_text(ALLOWED)
    async with house.desk() as desk:
        await desk.activate_policy(ALLOWED, file="policies.yaml")


def answers_a_secret(house: House) -> AbstractAsyncContextManager[Gate]:
    return gate_where(house, secret_answer=True)


def kept(house: House) -> bytes:
    """Every byte of the house but for the simulated Stripe's own."""
    files = [path for path in house.home.rglob("*") if path.is_file() and "simulator" not in path.name]
    return b"".join(path.read_bytes() for path in files)


def events(house: House, view: RequestView) -> list[str]:
    with closing(sqlite3.connect(house.settings.database)) as store:
        rows = store.execute("SELECT type FROM event WHERE request_id = ? ORDER BY seq", (view.request_id,))
        return [type for (type,) in rows]


def shown(view: RequestView) -> object:
    assert view.result is not None
    return view.result["client_secret"]


async def test_the_call_that_waits_gets_the_secret_and_nobody_gets_it_again(house: House) -> None:
    async with answers_a_secret(house) as gate, house.gate() as other:
        first = await gate.submit(CANCELING)
        again = await gate.get("stdio", first.request_id)
        elsewhere = await other.get("stdio", first.request_id)
        asked_again = await gate.submit(CANCELING)
    async with house.desk() as desk:
        life = await desk.life(first.request_id)

    assert (first.status, first.secret, shown(first)) == (State.SUCCEEDED, AnswerSecret.HERE, SECRET)
    for later in (again, elsewhere):
        assert shown(later) == WITHHELD
    assert again.secret is AnswerSecret.GONE
    assert "_secret_" not in str(asked_again)
    assert events(house, first).count(HANDED_OVER) == 1
    assert [event.type for event in life.events][-1] == HANDED_OVER
    assert verify(house.settings.database).ok
    assert verify_requests(house.settings.database, [first.request_id])[first.request_id].ok
    assert SECRET not in repr(life)
    assert SECRET.encode() not in kept(house)


async def test_a_secret_whose_caller_did_not_wait_goes_to_nobody(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The call took longer than an agent should wait: what comes after it is nobody's answer."""
    monkeypatch.setattr(pipeline, "PATIENCE", 1.5)
    house.world.add_fault(Fault(FaultKind.DELAY, method="POST", path_prefix="/v1/payment_intents", seconds=3.0))
    async with answers_a_secret(house) as gate:
        first = await gate.submit(CANCELING)
        done = await until(gate, first, State.SUCCEEDED)

    assert (first.status, first.secret) == (State.EXECUTING, None)
    assert (done.secret, shown(done)) == (AnswerSecret.MISSED, WITHHELD)
    assert HANDED_OVER not in events(house, first)
    assert SECRET.encode() not in kept(house)


async def test_an_answer_that_was_lost_is_asked_for_again_and_its_secret_handed_over(house: House) -> None:
    house.world.add_fault(Fault(FaultKind.DROP_ANSWER, method="POST", path_prefix="/v1/payment_intents"))
    async with answers_a_secret(house) as gate:
        gate.executor = replace(gate.executor, pauses=(0.0,))
        view = await gate.submit(CANCELING)

    assert (view.status, view.secret, shown(view)) == (State.SUCCEEDED, AnswerSecret.HERE, SECRET)


def test_where_only_traces_tell_of_a_success_its_secret_is_missed() -> None:
    operation = load_catalog().by_id(CANCEL)
    assert operation is not None
    view = RequestView("rpr_1", "RP-1", State.SUCCEEDED, CANCEL, "x", operation.kind, True, 1, 1, result={"id": "pi_1"})
    found = with_secret(view, replace(operation, secret_answer=True), {"id": "pi_1"}, opens=True)

    assert found.secret is AnswerSecret.MISSED
    assert found.result == {"id": "pi_1"}


async def test_a_secret_whose_caller_has_gone_goes_to_nobody(house: House) -> None:
    house.world.add_fault(Fault(FaultKind.DELAY, method="POST", path_prefix="/v1/payment_intents", seconds=0.5))
    async with answers_a_secret(house) as gate:
        call = asyncio.create_task(gate.submit(CANCELING))
        async with asyncio.timeout(20):
            while not (begun := await gate.recent("stdio")):
                await gate.change(0.1)
        call.cancel()
        done = await until(gate, begun[0], State.SUCCEEDED)

    assert (done.secret, shown(done)) == (AnswerSecret.MISSED, WITHHELD)
    assert SECRET.encode() not in kept(house)


async def test_a_secret_is_not_handed_over_unless_that_can_be_written_down(house: House) -> None:
    async with answers_a_secret(house) as gate:

        def full(point: str) -> None:
            if point == "execute.recorded":
                with closing(sqlite3.connect(house.settings.database)) as store, store:
                    store.execute(
                        f"CREATE TRIGGER no_more BEFORE INSERT ON event WHEN NEW.type = '{HANDED_OVER}'"
                        " BEGIN SELECT RAISE(FAIL, 'no'); END"
                    )

        gate.executor = replace(gate.executor, probe=full)
        view = await gate.submit(CANCELING)

    assert (view.status, view.secret, shown(view)) == (State.SUCCEEDED, AnswerSecret.MISSED, WITHHELD)


async def test_what_answers_with_a_secret_never_waits_for_people(house: House) -> None:
    """REQUESTS: by the time they have decided nobody would be there to take it."""
    async with house.gate() as gate:
        held = await gate.submit(CANCELING)
        await gate.cancel("stdio", held.request_id)
    async with gate_where(house, allowed=False, secret_answer=True) as gate:
        blocked = await gate.submit(CANCELING)

    assert held.status is State.WAITING
    assert blocked.status is State.BLOCKED
    assert blocked.failure is not None
    assert blocked.failure.code == "policy.secret"
    assert house.world.summary()["writes"]["received"] == 0


async def test_a_read_that_asks_for_a_secret_never_waits_for_people(house: House) -> None:
    """They would say yes to a card's number, and nobody would get it."""
    text = default_policy_text()
    text = text[: text.index("\ntests:")].replace(
        "when: {action: access}\n    then: block", "when: {action: access}\n    then: require_approval"
    )
    house.settings.policy_file.write_text(text)
    async with house.gate() as gate:
        card = await gate.submit(submission("GetIssuingCardsCard", {"card": "ic_1", "expand": ["number"]}))
        whose = await gate.submit(submission("GetIssuingCardsCard", {"card": "ic_1", "expand": ["cardholder"]}))
    policy = Policies(load_catalog()).compile(text, file="policies.yaml")
    given = {"card": "ic_1", "expand[0]": "number"}
    tried = attempt(policy, load_catalog(), "GetIssuingCardsCard", given, agent="bot", at=AFTERNOON)

    assert card.failure is not None
    assert (card.status, card.failure.code) == (State.BLOCKED, "policy.secret")
    assert whose.status is not State.BLOCKED
    assert tried.decision.outcome is Outcome.BLOCK


def test_trying_a_policy_says_the_same() -> None:
    catalog = Catalog(replace(each, secret_answer=True) for each in load_catalog().operations)
    policy = Policies(catalog).compile(default_policy_text(), file="policies.yaml")
    tried = attempt(policy, catalog, "PostPayouts", {"amount": "500000", "currency": "usd"}, agent="bot", at=AFTERNOON)

    assert tried.decision.outcome is Outcome.BLOCK
    assert tried.decision.decisive[0].source == "secret"


async def test_the_secret_that_a_payment_had_all_along_is_no_news(house: House) -> None:
    """Capturing or canceling answers with the payment's client secret, as every read of it does: it goes to nobody."""
    await allow(house)
    async with house.gate() as gate:
        view = await gate.submit(CANCELING)

    assert (view.status, view.secret, shown(view)) == (State.SUCCEEDED, None, WITHHELD)
    assert SECRET.encode() not in kept(house)


async def test_a_read_shows_no_secret_unless_it_is_one_that_the_policy_let_be_read(house: House) -> None:
    asked = submission(READ, {"intent": PAYMENT})
    async with house.gate() as gate:
        plain = await gate.submit(asked)
    async with gate_where(house, secret_answer=True) as gate:
        allowed = await gate.submit(asked)
    async with gate_where(house, secret_answer=True, judged=False) as gate:
        unjudged = await gate.submit(asked)

    assert (plain.secret, shown(plain)) == (None, WITHHELD)
    assert (allowed.secret, shown(allowed)) == (AnswerSecret.HERE, SECRET)
    assert HANDED_OVER in events(house, allowed)
    assert withheld(unjudged.result) or unjudged.result is None
    assert SECRET.encode() not in kept(house)


async def test_a_write_whose_answer_is_expanded_brings_no_secret_of_what_was_there_before(house: House) -> None:
    """Any write can be asked to answer with the payment beside what it made: a refund of one dollar would hand over the
    secret by which that payment is confirmed."""
    expand = ["payment_intent", "charge.payment_intent"]
    refund = submission("PostRefunds", {"payment_intent": SEED.payment_intent_40, "amount": 100, "expand": expand})
    made = submission("PostPaymentIntents", {"amount": 1000, "currency": "usd"})
    async with house.gate() as gate:
        refunded = await gate.submit(refund)
        later = await gate.get("stdio", refunded.request_id)
        created = await gate.submit(made)

    assert (refunded.status, refunded.secret) == (State.SUCCEEDED, None)
    assert later.secret is None, "it was never this request's to hand over, so nobody has missed it"
    assert refunded.result is not None
    assert isinstance(payment := refunded.result["payment_intent"], dict)
    assert payment["client_secret"] == WITHHELD
    assert "_secret_simulator" not in str(refunded)
    assert created.secret is AnswerSecret.HERE
    assert "_secret_simulator" in str(shown(created))
