"""Looking up effects in a Stripe that answers, fails, or answers nonsense. THREATS rows 1, 19 and 21."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from runplane_mcp.core import effects
from runplane_mcp.core.catalog import load
from runplane_mcp.core.effect import UNAVAILABLE, Effect, NotThere
from runplane_mcp.core.effects import broken, effective
from runplane_mcp.core.facts import NONE, UNKNOWN
from runplane_mcp.core.money import Money
from runplane_mcp.core.operation import EFFECT_FACTS, Classified
from runplane_mcp.core.request import Failure
from runplane_mcp.core.wire import Parameters, encode
from runplane_mcp.simulator import SEED, SIMULATOR_KEY, Fault, FaultKind, Simulator, SimulatorServer
from runplane_mcp.stripe_api.client import Busy, Done, Lost, NotSent, Refused, StripeConnection
from runplane_mcp.stripe_api.resolve import looked_up, resolve

CATALOG = load()


def classified(operation_id: str, parameters: Parameters) -> Classified:
    operation = CATALOG.by_id(operation_id)
    assert operation is not None
    CATALOG.check(operation, parameters)
    return CATALOG.classify(encode(operation.method, operation.path, parameters))


async def resolved(connection: StripeConnection, operation_id: str, parameters: Parameters) -> Effect:
    return await resolve(connection, classified(operation_id, parameters))


@pytest.mark.parametrize(
    ("operation_id", "parameters", "facts"),
    [
        (
            "PostRefunds",
            {"payment_intent": SEED.payment_intent_900},
            {
                "amount": Money(90_000, "usd"),
                "object": SEED.charge_900,
                "customer": SEED.customer_ada,
                "disputed": False,
            },
        ),
        (
            "PostRefunds",
            {"charge": SEED.charge_partly_refunded},
            {"amount": Money(18_000, "usd"), "amount_on_object": Money(30_000, "usd")},
        ),
        ("PostRefunds", {"charge": SEED.charge_jpy}, {"amount": Money(12_000, "jpy"), "currency": "jpy"}),
        ("PostRefunds", {"charge": SEED.charge_guest}, {"customer": NONE, "guest": SEED.guest_fingerprint}),
        ("PostRefunds", {"charge": SEED.charge_transferred}, {"platform_loss": Money(20_000, "usd")}),
        ("PostRefunds", {"charge": SEED.charge_disputed}, {"disputed": True}),
        (
            "PostPayouts",
            {"amount": 5_000, "currency": "usd"},
            {"destination": SEED.bank_account_usd, "destination_paid_before": True, "reversible": True},
        ),
        (
            "PostPayouts",
            {"amount": 5_000, "currency": "eur"},
            {"destination": SEED.bank_account_eur, "destination_paid_before": False},
        ),
        (
            "PostTransfers",
            {"amount": 5_000, "currency": "usd", "destination": SEED.connected_account_new},
            {"destination": SEED.connected_account_new, "destination_paid_before": False},
        ),
        (
            "PostTransfers",
            {"amount": 5_000, "currency": "usd", "destination": SEED.connected_account_paid},
            {"destination_paid_before": True},
        ),
        (
            "DeleteSubscriptionsSubscriptionExposedId",
            {"subscription_exposed_id": SEED.subscription_office},
            {"mrr_lost": Money(13_700, "usd"), "ends": "now", "customer": SEED.customer_cleo},
        ),
        (
            "PostSubscriptionsSubscriptionExposedId",
            {"subscription_exposed_id": SEED.subscription_yearly, "cancel_at_period_end": True},
            {"mrr_lost": Money(2_417, "usd"), "ends": "period_end"},
        ),
        ("DeleteCustomersCustomer", {"customer": SEED.customer_cleo}, {"mrr_lost": Money(13_700, "usd")}),
        ("GetBalance", {}, {}),
    ],
)
async def test_effects_are_looked_up(
    connection: StripeConnection, operation_id: str, parameters: Parameters, facts: Mapping[str, object]
) -> None:
    seen = await resolved(connection, operation_id, parameters)

    assert {name: seen.facts[name] for name in facts} == facts
    assert UNKNOWN not in seen.facts.values()
    assert seen.refusal is None
    assert not seen.incomplete


@pytest.mark.parametrize(
    ("operation_id", "parameters", "param"),
    [
        ("PostRefunds", {"charge": "ch_none"}, "charge"),
        ("PostRefunds", {"payment_intent": "pi_none"}, "payment_intent"),
        ("PostTransfers", {"amount": 5, "currency": "usd", "destination": "acct_none"}, "destination"),
        (
            "DeleteSubscriptionsSubscriptionExposedId",
            {"subscription_exposed_id": "sub_none"},
            "subscription_exposed_id",
        ),
        ("DeleteCustomersCustomer", {"customer": "cus_none"}, "customer"),
    ],
)
async def test_what_does_not_exist_is_refused_before_a_person_is_asked(
    connection: StripeConnection, operation_id: str, parameters: Parameters, param: str
) -> None:
    """THREATS row 21."""
    seen = await resolved(connection, operation_id, parameters)

    assert seen.refusal is not None
    assert (seen.refusal.code, seen.refusal.param) == ("stripe.resource_missing", param)
    assert not seen.incomplete


async def test_another_accounts_objects_are_not_there(connection: StripeConnection) -> None:
    """THREATS row 21: what belongs elsewhere."""
    asked = classified("PostRefunds", {"charge": SEED.charge_900})
    seen = await resolve(connection, asked, account=SEED.connected_account_new)

    assert seen.refusal is not None
    assert seen.facts["amount"] is UNKNOWN


@pytest.mark.parametrize(
    "fault",
    [
        Fault(FaultKind.DROP_REQUEST, times=9),
        Fault(FaultKind.DROP_ANSWER, times=9),
        Fault(FaultKind.RESET, times=9),
        Fault(FaultKind.GARBAGE, times=9),
        Fault(FaultKind.GARBAGE, times=9, body='{"object": "charge", "amount": 1}'),
        Fault(FaultKind.ERROR_500, times=9),
        Fault(FaultKind.LIMIT_429, times=9),
        Fault(FaultKind.CONFLICT_409, times=9),
        Fault(FaultKind.DELAY, times=9, seconds=60),
    ],
    ids=lambda fault: fault.kind.value,
)
async def test_a_look_up_that_fails_leaves_unknown_facts(
    server: SimulatorServer, world: Simulator, fault: Fault
) -> None:
    """THREATS row 19: always closed."""
    world.add_fault(fault)
    asked = classified("PostRefunds", {"charge": SEED.charge_900})
    async with StripeConnection(SIMULATOR_KEY, base=server.base_url) as connection:
        await connection.prepare()
        seen = await resolve(connection, asked, timeout=0.5)

    assert seen.facts["amount"] is UNKNOWN
    assert seen.facts["customer"] is UNKNOWN
    assert seen.refusal is None
    assert seen.fill == {}


async def test_one_slow_read_does_not_take_the_others_along(server: SimulatorServer, world: Simulator) -> None:
    world.add_fault(Fault(FaultKind.DELAY, path_prefix="/v1/balance", seconds=60))
    asked = classified("PostTransfers", {"amount": 5, "currency": "usd", "destination": SEED.connected_account_paid})
    async with StripeConnection(SIMULATOR_KEY, base=server.base_url) as connection:
        await connection.prepare()
        seen = await resolve(connection, asked, timeout=0.5)

    assert seen.incomplete
    assert seen.facts["destination"] == SEED.connected_account_paid
    assert seen.preconditions == ()


async def test_a_stripe_that_is_not_there_leaves_everything_unknown() -> None:
    asked = classified("PostRefunds", {"charge": SEED.charge_900})
    async with StripeConnection(SIMULATOR_KEY, base="http://127.0.0.1:1") as nobody:
        seen = await resolve(nobody, asked)

    assert seen.incomplete
    assert seen.facts["amount"] is UNKNOWN


async def test_a_fault_of_ours_holds_the_request(connection: StripeConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken_reader(*_: object) -> Effect:
        raise ZeroDivisionError("nobody thought of this")

    monkeypatch.setattr(effects, "effect_of", broken_reader)
    seen = await resolved(connection, "PostRefunds", {"charge": SEED.charge_900})

    assert set(seen.facts) == classified("PostRefunds", {"charge": "ch_1"}).facts & EFFECT_FACTS
    assert set(seen.facts.values()) == {UNKNOWN}
    assert seen.incomplete


async def test_a_look_up_can_be_given_up(server: SimulatorServer, world: Simulator) -> None:
    world.add_fault(Fault(FaultKind.DELAY, seconds=60))
    asked = classified("PostRefunds", {"charge": SEED.charge_900})
    async with StripeConnection(SIMULATOR_KEY, base=server.base_url) as connection:
        await connection.prepare()
        looking = asyncio.create_task(resolve(connection, asked))
        await asyncio.sleep(0)
        looking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await looking


async def test_a_charge_refunded_meanwhile_shows_at_the_second_look(connection: StripeConnection) -> None:
    """THREATS row 8."""
    asked = classified("PostRefunds", {"charge": SEED.charge_120})
    before = await resolve(connection, asked)
    runs = CATALOG.classify(effective(asked, before, "rpr_1"))
    await connection.send(
        encode("POST", "/v1/refunds", {"charge": SEED.charge_120, "amount": 1}), idempotency_key="rp_1"
    )
    after = await resolve(connection, runs)

    assert [each.name for each in broken(before.preconditions, after)] == ["remaining"]
    assert after.refusal is not None
    assert after.refusal.code == "stripe.amount_too_large"


@pytest.mark.parametrize(
    ("status", "code", "gone"),
    [
        (404, "stripe.resource_missing", True),
        (400, "stripe.resource_missing", True),
        (403, "stripe.account_invalid", True),
        (403, "stripe.invalid_request_error", False),  # a restricted key that may not read this
        (404, "stripe.invalid_request_error", False),  # no such address
        (401, "stripe.invalid_request_error", False),
        (400, "stripe.parameter_unknown", False),
    ],
)
def test_only_stripes_own_word_is_a_definite_no(status: int, code: str, gone: bool) -> None:
    failure = Failure(code, "No.")

    assert looked_up(Refused(status, failure, "invalid_request_error", {})) == (
        NotThere(failure) if gone else UNAVAILABLE
    )


@pytest.mark.parametrize("answer", [Lost("x"), Lost("x", 500), Busy(429, "x", limited=True), NotSent("x")])
def test_everything_else_tells_nothing(answer: Busy | Lost | NotSent) -> None:
    assert looked_up(answer) is UNAVAILABLE
    assert looked_up(Done(200, {"object": "charge"}, None, replayed=False)) == {"object": "charge"}
