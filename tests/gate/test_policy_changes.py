"""What a changed policy file does by itself, and what the enforced policy is believed for."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing

import pytest

from runplane_mcp.app.policy_file import PolicyFile, default_policy_text
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.catalog import load as load_catalog
from runplane_mcp.core.request import State
from runplane_mcp.errors import PolicyError
from runplane_mcp.gate.policies import Policies, note_real_money
from runplane_mcp.simulator import SEED
from runplane_mcp.store.base import Store, Transaction
from runplane_mcp.store.records import EnforcedPolicy
from runplane_mcp.store.sqlite import open_store
from tests.gate.conftest import SECRET, House, refund, submission

SHIPPED = default_policy_text()
OVER_500 = "amount: {over: 500}}"
TIGHTER = SHIPPED.replace(OVER_500, "amount: {over: 400}}", 1)
LOOSER = SHIPPED.replace(OVER_500, "amount: {over: 900}}", 1)
SHADOWED = SHIPPED.replace("then: block", "then: block\n    mode: shadow", 1)


async def offered(house: House, text: str, *, simulated: bool = False) -> str:
    """The version that is enforced after a gate process with this file has started. By default one that is not about
    simulated money."""
    house.settings.policy_file.write_text(text)
    async with _watching(house, simulated=simulated) as (watch, store, policies):
        await watch.start()
        return (await store.read(policies.enforced)).text


class _watching:
    def __init__(self, house: House, *, simulated: bool = False) -> None:
        self.store = open_store(house.settings.database)
        self.policies = Policies(load_catalog())
        self.watch = PolicyFile(house.settings, self.store, self.policies, house.clock, simulated=simulated)

    async def __aenter__(self) -> tuple[PolicyFile, Store, Policies]:
        return self.watch, self.store, self.policies

    async def __aexit__(self, *_: object) -> None:
        await self.store.close()


async def events(house: House) -> list[tuple[str, dict[str, Json]]]:
    async with house.desk() as desk:
        found = await desk.store.read(lambda reader: reader.policy_events())
    return [(event.type, json.loads(event.body)) for event in reversed(found)]


async def activate(house: House, text: str) -> EnforcedPolicy:
    async with house.desk() as desk:
        return await desk.activate_policy(text, file="policies.yaml", as_person="maria", secret=f"{SECRET} maria")


def by_hand(house: House, *statements: tuple[str, tuple[object, ...]]) -> None:
    with closing(sqlite3.connect(house.settings.database)) as connection, connection:
        for statement, values in statements:
            connection.execute(statement, values)


async def test_what_was_compared_with_another_policy_is_not_put_in_force(house: House) -> None:
    await house.enrol()
    shown = (await activate(house, SHIPPED)).version
    await activate(house, TIGHTER)
    async with house.desk() as desk:
        with pytest.raises(PolicyError) as refused:
            await desk.activate_policy(
                LOOSER, file="policies.yaml", as_person="maria", secret=f"{SECRET} maria", over=shown
            )
        enforced = await desk.enforced_policy()

    assert refused.value.code == "policy.changed"
    assert enforced is not None
    assert enforced.text == TIGHTER


async def test_a_file_that_is_provably_tighter_puts_itself_in_force(house: House) -> None:
    await house.enrol()

    assert await offered(house, TIGHTER) == TIGHTER
    type, body = (await events(house))[-1]
    versions = [body["from"], body["version"]]
    assert (type, body["by"]) == ("policy.activated", "tighter")
    async with house.desk() as desk:
        home = await desk.status()
        texts = [await desk.store.read(lambda reader, each=each: reader.policy_text(each)) for each in versions]  # type: ignore[misc]
    assert texts == [SHIPPED, TIGHTER]
    assert home.policy is not None
    assert (home.policy.by, home.policy.who()) == ("tighter", "by itself, being only tighter than the one before")
    assert home.proposed is None


@pytest.mark.parametrize(
    "text", [LOOSER, SHADOWED, SHIPPED.replace("currency: usd", "currency: gbp", 1).replace(", gbp: 1.27", "")]
)
async def test_a_file_that_is_looser_or_swapped_for_a_shadow_stays_proposed(house: House, text: str) -> None:
    """THREATS 20."""
    await house.enrol()

    assert await offered(house, text) == SHIPPED
    async with house.desk() as desk:
        proposed = await desk.proposed_policy()
    assert proposed is not None
    assert proposed.text == text
    await activate(house, text)
    assert await offered(house, text) == text


async def test_a_loosening_among_tightenings_stays_proposed(house: House) -> None:
    """THREATS 20."""
    text = LOOSER.replace("amount: {over: 100}}", "amount: {over: 50}}", 1).replace(
        "reads: allow", "reads: require_approval"
    )

    assert await offered(house, text) == SHIPPED


async def test_a_broken_file_leaves_the_last_good_one_and_is_said_loudly_but_noted_once(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """THREATS 20."""
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            assert await offered(house, SHIPPED + "rules: []\n") == SHIPPED
    assert await offered(house, "nonsense: [") == SHIPPED
    found = [body["code"] for type, body in await events(house) if type == "policy.refused"]

    assert found == ["policy.invalid", "policy.invalid"]
    assert caplog.text.count("the last good policy stays enforced") == 4


async def test_a_file_that_changes_under_a_running_gate_is_taken_over_or_not(house: House) -> None:
    async with _watching(house) as (watch, store, policies):
        await watch.start()

        async def written(text: str) -> str:
            house.settings.policy_file.write_text(text)
            watch.look()
            watch.look()  # a tick later nothing happens twice
            assert watch._offering is not None
            await watch._offering
            return (await store.read(policies.enforced)).text

        assert await written(LOOSER) == SHIPPED
        assert await written("broken") == SHIPPED
        assert await written(TIGHTER + "\n") == TIGHTER + "\n"


async def test_an_old_file_neither_loosens_nor_tightens_back_what_was_changed_since(house: House) -> None:
    """THREATS 20: two processes with different files; the newer word of an administrator stands."""
    await house.enrol()
    assert await offered(house, TIGHTER) == TIGHTER
    assert await offered(house, SHIPPED) == TIGHTER
    await activate(house, SHIPPED)

    assert await offered(house, TIGHTER) == SHIPPED
    for _ in range(2):
        assert await offered(house, LOOSER) == SHIPPED
        assert await offered(house, TIGHTER) == SHIPPED
    told = [body["version"] for type, body in await events(house) if type == "policy.proposed"]
    assert len(told) == 3  # each once for each policy that it was proposed against


async def test_two_processes_that_start_at_once_with_different_files_agree(house: House) -> None:
    tightest = TIGHTER.replace("amount: {over: 400}}", "amount: {over: 300}}", 1)
    async with _watching(house) as (_, store, one), _watching(house) as (_, again, other):
        await asyncio.gather(
            store.write(lambda tx: one.offer(tx, TIGHTER, at=house.clock.wall(), simulator=False)),
            again.write(lambda tx: other.offer(tx, tightest, at=house.clock.wall(), simulator=False)),
        )
        found = [(await each.read(both.enforced)).text for each, both in ((store, one), (again, other))]

    assert found == [tightest, tightest]


async def test_the_simulator_puts_any_file_in_force_until_there_was_real_money(house: House) -> None:
    assert await offered(house, LOOSER, simulated=True) == LOOSER
    async with house.desk() as desk:
        await desk.store.write(lambda tx: note_real_money(tx, at=house.clock.wall()))

    assert await offered(house, SHADOWED, simulated=True) == LOOSER


# -- what is believed --------------------------------------------------------------------------------------------------


async def _swapped_row(house: House, version: str) -> None:
    by_hand(house, ("UPDATE enforced_policy SET version = ?", (version,)))


async def _swapped_text(house: House, version: str) -> None:
    by_hand(
        house,
        ("DROP TRIGGER policy_update", ()),
        ("UPDATE policy SET text = ? WHERE version = (SELECT version FROM enforced_policy)", (LOOSER,)),
    )


async def _no_row(house: House, version: str) -> None:
    by_hand(house, ("DELETE FROM enforced_policy", ()))


async def _activated(house: House, version: str, **body: Json) -> None:
    """As somebody would write it who has the program, the database and nobody's secret."""
    async with house.desk() as desk:

        def work(tx: Transaction) -> None:
            tx.append("policy.activated", {"version": version, **body}, at=1)
            tx.activate_policy(EnforcedPolicy(version, LOOSER, 1, str(body["by"])))

        await desk.store.write(work)


async def _claims_to_be_first(house: House, version: str) -> None:
    await _activated(house, version, by="first")


async def _claims_to_be_tighter(house: House, version: str) -> None:
    [*_, (_, body)] = [each for each in await events(house) if each[0] == "policy.activated"]
    await _activated(house, version, by="tighter", **{"from": str(body["version"])})


async def _claims_to_be_the_simulators(house: House, version: str) -> None:
    await _activated(house, version, by="simulator")


async def _signed_by_nobody(house: House, version: str) -> None:
    await _activated(house, version, by="maria", signed_at=1, signature="00" * 64)


async def _copied(house: House, version: str) -> None:
    """The same administrator's own activation of the same version, from earlier in the log."""
    [signed] = [body for _, body in await events(house) if body.get("version") == version and "signature" in body]
    await _activated(house, version, by="maria", signed_at=signed["signed_at"], signature=signed["signature"])


@pytest.mark.parametrize(
    "forge",
    [
        _swapped_row,
        _swapped_text,
        _no_row,
        _claims_to_be_first,
        _claims_to_be_tighter,
        _claims_to_be_the_simulators,
        _signed_by_nobody,
        _copied,
    ],
)
async def test_an_enforced_policy_that_the_log_does_not_bear_out_lets_nothing_run(
    house: House, forge: Callable[[House, str], Awaitable[None]]
) -> None:
    """THREATS 20: whoever can write the database but has no administrator's secret loosens nothing."""
    await house.enrol()
    looser = await activate(house, LOOSER)
    await activate(house, SHIPPED)
    async with house.desk() as desk:
        await desk.store.write(lambda tx: note_real_money(tx, at=house.clock.wall()))
    async with house.gate() as gate:
        assert (await gate.submit(submission("GetBalance", {}))).status.value == "succeeded"
        await forge(house, looser.version)

        held = await gate.submit(refund(SEED.payment_intent_900, 60_000))
    # A process that has read a policy does not read it again.
    assert held.status is (State.WAITING if forge is _swapped_text else State.BLOCKED)
    with pytest.raises(PolicyError) as starting:
        async with house.gate():
            pass
    async with house.desk() as desk:
        home = await desk.status()
    assert starting.value.code == "policy.unproven"
    assert home.policy is None
    assert home.policy_problem is not None
    if forge is not _swapped_text:
        await activate(house, SHIPPED + "# again\n")
        assert await offered(house, SHIPPED + "# again\n") == SHIPPED + "# again\n"


async def test_a_chain_of_tightenings_is_proven_again_from_the_log(house: House) -> None:
    """By a process that saw none of it happen."""
    for dollars in (450, 400, 350, 300):
        text = SHIPPED.replace(OVER_500, f"amount: {{over: {dollars}}}}}", 1)
        assert await offered(house, text) == text
    swap = "UPDATE policy SET text = text || '# swapped' WHERE instr(text, '{over: 400}}') > 0"
    by_hand(house, ("DROP TRIGGER policy_update", ()), (swap, ()))

    with pytest.raises(PolicyError):
        await offered(house, text)
