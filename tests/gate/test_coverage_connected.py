"""Connected accounts: what goes around Runplane there is found as on the own account, and nothing is counted twice."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runplane_mcp.core.coverage.accounts import NOT_MORE, Wanted, wanted
from runplane_mcp.core.coverage.boxes import Box
from runplane_mcp.core.coverage.listings import LISTINGS_THERE
from runplane_mcp.core.request import State
from runplane_mcp.core.wire import Parameters, WireRequest, encode
from runplane_mcp.errors import StripeError
from runplane_mcp.gate.coverage import accounts as connected_accounts
from runplane_mcp.gate.coverage import window as coverage_window
from runplane_mcp.gate.coverage.everywhere import AccountCoverage, Everywhere, Reading
from runplane_mcp.gate.coverage.rounds import PER_TURN, Rounds
from runplane_mcp.gate.coverage.second_api import SecondApi, second_api
from runplane_mcp.gate.coverage.state import UNEXPLAINED, beside, name_of, states
from runplane_mcp.gate.coverage.watch import Watch
from runplane_mcp.gate.pipeline import Gate
from runplane_mcp.simulator import SEED, Bypass, Fault, FaultKind, Planted
from runplane_mcp.stripe_api.answers import Done, NotSent
from runplane_mcp.stripe_api.client import StripeConnection
from runplane_mcp.stripe_api.connected import OnAccount
from runplane_mcp.stripe_api.history import HistoryFolder, Span
from tests.gate.conftest import House, submission, until

DAY_MS = 86_400_000
BAKERY, PRINTER = SEED.connected_account_paid, SEED.connected_account_new
ACCOUNTS = (BAKERY, PRINTER)
#: What is planted on each account, and the box that it belongs in.
PLANTED = {
    Planted.OTHER_KEY: Box.ANOTHER_KEY,
    Planted.DASHBOARD: Box.DASHBOARD,
    Planted.DISPUTE: Box.AUTOMATIC,
    Planted.FEE: Box.AUTOMATIC,
    Planted.SILENT: Box.UNEXPLAINED,
    Planted.FORGED_KEY: Box.UNEXPLAINED,
    Planted.OTHER_KEY_PAYOUT: Box.ANOTHER_KEY,
    Planted.AUTOMATIC_PAYOUT: Box.AUTOMATIC,
}


async def by_another(gate: Gate, path: str, parameters: Parameters, *, account: str | None = None, key: str) -> str:
    """Somebody else's request; the id of what it made."""
    answer = await gate.connection.send(encode("POST", path, parameters), idempotency_key=key, account=account)
    assert isinstance(answer, Done), answer
    return str(answer.body["id"])


async def key_of(gate: Gate, transfer: str) -> str:
    """As whoever may read the events can read it."""
    wire = encode("GET", "/v1/events", {"type": "transfer.created", "limit": 100})
    answer = await gate.connection.send(wire, idempotency_key=None)
    assert isinstance(answer, Done)
    events: Any = answer.body["data"]
    return next(str(each["request"]["idempotency_key"]) for each in events if each["data"]["object"]["id"] == transfer)


async def approved(house: House, gate: Gate, operation: str, parameters: dict[str, object]) -> str:
    view = await gate.submit(submission(operation, parameters))
    if view.status is State.WAITING:
        await house.vote(view)
        view = await until(gate, view, State.SUCCEEDED)
    assert view.result is not None, view.failure
    return str(view.result["id"])


async def read(house: House, gate: Gate, folder: Path, since: int, accounts: tuple[str, ...] = ACCOUNTS) -> Everywhere:
    identity, now = await gate.identity(), house.clock.policy() // 1000
    span = Span(identity.target, identity.account, identity.livemode, since, now + 1)
    reading = Reading(gate.store, gate.catalog, gate.connection, identity, HistoryFolder(folder), span, now)
    return await reading.read(accounts, progress=lambda *_: None)


def boxes(account: AccountCoverage) -> dict[str, Box]:
    return {each.line.object_id or each.line.id: each.box for each in account.placed if each.line.kind != "fee"}


async def test_a_month_of_a_platform_and_two_connected_accounts_is_explained_to_the_cent(
    house: House, tmp_path: Path
) -> None:
    since = house.clock.policy() // 1000 + 1
    everyone = (SEED.account, *ACCOUNTS)
    before = {each: house.world.summary()["balance"].get(each, {}) for each in everyone}
    expected: dict[str, dict[str, Box]] = {each: {} for each in everyone}
    await house.enrol()
    async with house.gate() as gate:
        house.clock.forward(1_000)
        transfer = await approved(
            house, gate, "PostTransfers", {"amount": 30_000, "currency": "usd", "destination": PRINTER}
        )
        reversal = await approved(house, gate, "PostTransfersIdReversals", {"id": transfer, "amount": 7_000})
        # The shop's destination charge, and its direct one, both with a fee for the platform; and what is given back.
        shared: Parameters = {
            "amount": 10_000,
            "currency": "usd",
            "source": "tok_bypassPending",
            "application_fee_amount": 900,
        }
        bought = await by_another(
            gate, "/v1/charges", {**shared, "transfer_data": {"destination": BAKERY}}, key="shop-1"
        )
        direct = await by_another(gate, "/v1/charges", shared, account=BAKERY, key="shop-2")
        back: Parameters = {"charge": bought, "amount": 4_000, "reverse_transfer": True, "refund_application_fee": True}
        await by_another(gate, "/v1/refunds", back, key="shop-3")
        # A key of ours, read off the platform's events, used on an account where Stripe does not know it.
        sale: Parameters = {"amount": 2_000, "currency": "usd", "source": "tok_bypassPending"}
        sold = await by_another(gate, "/v1/charges", sale, account=PRINTER, key="shop-4")
        key = await key_of(gate, transfer)
        stolen = await by_another(gate, "/v1/refunds", {"charge": sold}, account=PRINTER, key=key)
        expected[PRINTER][stolen] = Box.UNEXPLAINED
        for kind, box in PLANTED.items():
            house.clock.forward(3 * DAY_MS)
            for each in everyone:
                there = None if each == SEED.account else each
                for id in house.world.plant(Bypass(kind, amount=1_000 + len(expected[each]), account=there)):
                    expected[each][id] = box
        found = await read(house, gate, tmp_path / "coverage", since)

    after = house.world.summary()["balance"]
    for account in (found.own, *found.connected):
        placed = boxes(account)
        assert {id: placed.get(id) for id in expected[account.account]} == expected[account.account]
        assert {id for id, box in placed.items() if box is Box.UNEXPLAINED} == {
            id for id, box in expected[account.account].items() if box is Box.UNEXPLAINED
        }
        sums = Counter[str]()
        for line in (each.line for each in account.placed):
            sums[line.currency] += line.amount
        for tie in account.ties:
            held = [each.get(tie.currency, {}) for each in (before[account.account], after[account.account])]
            gone, now = (each.get("available", 0) + each.get("pending", 0) for each in held)
            assert (tie.ties, tie.opening, tie.closing, tie.boxes) == (True, gone, now, sums[tie.currency])
    connected = {each.account: each for each in found.connected}
    mirrored = {each.line.amount: each.why for each in connected[PRINTER].placed if each.box is Box.OTHER_SIDE}
    assert set(mirrored) == {30_000, -7_000}
    assert transfer in mirrored[30_000]
    assert reversal in mirrored[-7_000]
    assert all("approved by maria" in why or "allowed by policy" in why for why in mirrored.values())
    assert boxes(connected[BAKERY])[direct] is Box.ANOTHER_KEY
    shares = [each.line.amount for each in connected[BAKERY].placed if each.box is Box.OTHER_SIDE]
    assert sorted(shares) == [-4_000, 360, 9_100], "what the bakery got, and gave back, of the shared charge"
    assert (found.unread, found.also_paid) == ((), ())


async def test_an_account_that_cannot_be_read_is_told_and_the_others_are_read(house: House, tmp_path: Path) -> None:
    async with house.gate() as gate:
        with sqlite3.connect(house.world.path) as world:
            world.execute("UPDATE object SET body = json_set(body, '$.net', 5) WHERE account = ?", (BAKERY,))
        world.close()
        found = await read(house, gate, tmp_path / "coverage", 1, (BAKERY, "acct_gone", PRINTER))

    why = {each.account: each.why for each in found.unread}
    assert set(why) == {BAKERY, "acct_gone"}
    assert ("not connected, or no longer" in why["acct_gone"], "sums without it would be wrong" in why[BAKERY]) == (
        True,
        True,
    )
    assert [each.account for each in found.connected] == [PRINTER]


async def test_a_reading_that_was_ended_goes_on_at_the_account_where_it_was(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runplane_mcp.stripe_api.history.MOST_TRIES", 1)
    monkeypatch.setattr("runplane_mcp.stripe_api.history.FIRST_WAIT", 0.0)
    folder = tmp_path / "coverage"

    def stamps() -> dict[Path, int]:
        return {each: each.stat().st_mtime_ns for each in sorted((folder / BAKERY).glob("*.json"))}

    async with house.gate() as gate:
        send = OnAccount.send

        async def cut(self: OnAccount, wire: WireRequest, *, idempotency_key: str | None) -> Any:
            if self.account == PRINTER:
                return NotSent("the network is gone")
            return await send(self, wire, idempotency_key=idempotency_key)

        with monkeypatch.context() as patch:
            patch.setattr(OnAccount, "send", cut)
            with pytest.raises(StripeError, match="network"):
                await read(house, gate, folder, 1)
        before = stamps()
        found = await read(house, gate, folder, 1)
        after = stamps()
        await read(house, gate, folder, 1, (PRINTER,))

    assert len(before) > len(LISTINGS_THERE)
    assert before == after, "what was read is not read again"
    assert [each.account for each in found.connected] == list(ACCOUNTS)
    assert not (folder / BAKERY).exists(), "nothing stays of an account that is not read any more"


def rounds_of(house: House, gate: Gate, of: Wanted, most: int = 10) -> Rounds:
    return Rounds(Watch(gate.store, gate.catalog, gate.connection, house.clock, pause=0.0), of, most)


def came_with_another_platforms(house: House, transfer: str) -> str:
    """The payment that a transfer became, as if a platform of others had sent it."""
    with sqlite3.connect(house.world.path) as world:
        where = "account = ? AND json_extract(body, '$.source_transfer') = ?"
        (id,) = world.execute(f"SELECT id FROM object WHERE {where}", (BAKERY, transfer)).fetchone()
        change = "UPDATE object SET body = json_set(body, '$.source_transfer', 'tr_foreign') WHERE id = ?"
        world.execute(change, (id,))
    world.close()
    return str(id)


async def test_the_alarm_goes_round_the_accounts_and_none_is_forgotten(house: House) -> None:
    async with house.gate() as gate:
        identity = await gate.identity()
        rounds = rounds_of(house, gate, wanted(["all", "acct_gone", f"-{SEED.account}"]), most=1)
        for _ in range(3):  # a first look at each
            await rounds.turn(identity)
        to_bakery: Parameters = {"amount": 500, "currency": "usd", "destination": BAKERY}
        foreign = await by_another(gate, "/v1/transfers", {**to_bakery, "amount": 600}, key="shop-0")
        planted = {house.world.plant(Bypass(Planted.SILENT, account=each))[0]: each for each in ACCOUNTS}
        await by_another(gate, "/v1/transfers", to_bakery, key="shop-1")
        planted[came_with_another_platforms(house, foreign)] = BAKERY
        house.clock.forward(60_000)
        turns = [(await rounds.turn(identity)).new for _ in range(3)]
        again = [(await rounds_of(house, gate, wanted(ACCOUNTS)).turn(identity)).new for _ in range(2)]
        known = await gate.store.read(states)
        log = await gate.store.read(lambda reader: reader.events(0, 1_000))
    raised = [json.loads(each.body) for each in log if each.type == UNEXPLAINED]

    assert sorted(len(each) for each in turns) == [0, 1, 2], "one account a turn, and one of them cannot be read"
    assert {(each["object"], each["account"]) for each in raised} == set(planted.items())
    assert again == [(), ()]
    assert set(known[name_of(identity)].accounts) == set(ACCOUNTS)
    assert "not connected" in known[name_of(replace(identity, account="acct_gone"))].problem
    assert {each.object_id for each in known[name_of(replace(identity, account=BAKERY))].standing.values()} == {
        id for id, account in planted.items() if account == BAKERY
    }


async def test_a_look_at_a_connected_account_is_bounded_and_goes_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coverage_window, "MOST_ASKED", 1)
    async with house.gate() as gate:
        identity = await gate.identity()
        there = replace(identity, account=BAKERY)
        rounds = rounds_of(house, gate, wanted([BAKERY]))
        await rounds.turn(identity)
        for number in range(3):
            house.clock.forward(DAY_MS // 3)
            paths = "/v1/transfers", f"/v1/transfers/{SEED.transfer_past}/reversals"
            await by_another(gate, paths[1], {"amount": 100}, key=f"shop-{number}")
        house.clock.forward(60_000)
        looks = 0
        while (await gate.store.read(states))[name_of(there)].behind or looks == 0:
            await rounds.turn(identity)
            looks += 1
            assert looks < 40
        state = (await gate.store.read(states))[name_of(there)]

    assert looks > 2
    assert (state.standing, (state.until or 0) > house.clock.policy() // 1000 - 60) == ({}, True)


async def test_all_accounts_are_listed_up_to_a_bound_that_is_told(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connected_accounts, "MOST_PAGES", 1)
    monkeypatch.setattr("runplane_mcp.stripe_api.history.PAGE", 1)
    monkeypatch.setattr("runplane_mcp.stripe_api.history.MOST_TRIES", 1)
    monkeypatch.setattr("runplane_mcp.stripe_api.history.FIRST_WAIT", 0.0)
    async with house.gate() as gate:
        identity = await gate.identity()
        await rounds_of(house, gate, wanted(["all"])).turn(identity)
        state = (await gate.store.read(states))[name_of(identity)]
        house.world.add_fault(Fault(FaultKind.GARBAGE, method="GET", path_prefix="/v1/accounts", body="{}"))
        await rounds_of(house, gate, wanted(["all", PRINTER])).turn(identity)
        failed = (await gate.store.read(states))[name_of(identity)]

    assert (len(state.accounts), state.cut) == (1, True)
    assert "could not be listed" in failed.problem
    assert set(failed.accounts) == {*state.accounts, PRINTER}


async def test_money_of_the_second_api_is_said_to_be_unread_where_there_is_or_may_be_some(house: House) -> None:
    async with house.gate() as gate:
        held = await second_api(gate.connection)
        none = await second_api(OnAccount(gate.connection, PRINTER))
        house.world.add_fault(Fault(FaultKind.LIMIT_429, method="GET", path_prefix="/v2/"))
        unknown = await second_api(gate.connection)

    assert (held, none, unknown) == (SecondApi.HELD, SecondApi.NONE, SecondApi.UNKNOWN)


async def test_a_turn_costs_stripe_the_same_however_many_accounts_there_are(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """THREATS 26: the rate limit is the whole company's."""
    asked: list[str | None] = []
    send = StripeConnection.send

    async def counted(self: StripeConnection, wire: WireRequest, **options: Any) -> Any:
        asked.append(options.get("account"))
        return await send(self, wire, **options)

    monkeypatch.setattr(StripeConnection, "send", counted)
    many = [f"acct_{number:03d}" for number in range(90)]
    async with house.gate() as gate:
        identity = await gate.identity()
        await rounds_of(house, gate, NOT_MORE).watch.look(identity)
        rounds, turns = rounds_of(house, gate, wanted([BAKERY, *many])), []
        for _ in range(3):
            asked.clear()
            await rounds.turn(identity)
            turns.append(Counter(asked))
        found = beside(await gate.store.read(states))[name_of(identity)]

    assert {len(each) for each in turns} == {PER_TURN}
    assert len(turns[0] + turns[1] + turns[2]) == 3 * PER_TURN, "each time others"
    assert max(sum(each.values()) for each in turns) <= PER_TURN * 12
    assert (len(found.unread), len(found.waiting)) == (3 * PER_TURN, len(many) + 1 - 3 * PER_TURN)
    assert not found.whole
