"""`runplane audit prove` of a read: its record under the event that speaks for it and others."""

from __future__ import annotations

import hashlib
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from runplane_mcp.app import open_gate
from runplane_mcp.check_receipt import check, grew, within
from runplane_mcp.core.decision import Outcome
from runplane_mcp.core.merkle import consistency_proof, inclusion_proof, leaf_hash, root
from runplane_mcp.core.request import ActionRequest, Kind, State
from runplane_mcp.gate.view import RequestView, Submission
from runplane_mcp.settings import load_settings
from runplane_mcp.simulator import SEED
from runplane_mcp.store.base import Transaction
from tests.cli.conftest import DANA, DANAS, Ask, Run, balance, refund
from tests.cli.doctoring import write
from tests.cli.receipts import Receipt, assert_nothing_can_be_changed, holds, holds_with_a_bit_flipped
from tests.homes import new_home_of_dana
from tests.store.things import NOW, a_decision, a_request

SECRET = f"{DANAS}\n"


def ben(agent: str = "support-bot") -> Submission:
    return Submission("stdio", agent, "mcp", "GetCustomersCustomer", {"customer": SEED.customer_ben})


@pytest.fixture
def asked(ask: Ask) -> list[RequestView]:
    """Three reads under one event, and a write before the last of them."""
    return [*ask(balance(), ben("bot\x1b[2J"), refund(SEED.payment_intent_40), balance())]


@pytest.fixture
def proved(asked: list[RequestView], run: Run) -> Callable[..., Receipt]:
    """The receipt of one of them by its place."""

    def prove(place: int, *options: str) -> Receipt:
        content: Receipt = run("audit", "prove", asked[place].request_id, *options).json
        return content

    return prove


def test_a_read_is_proved_under_the_event_that_speaks_for_it(
    asked: list[RequestView], proved: Callable[..., Receipt], run: Run, home: Path, tmp_path: Path
) -> None:
    told, left = check(proved(1))
    text = "\n".join(told)
    [policy] = [hashlib.sha256(each.encode()).hexdigest() for each in proved(1)["policies"]]
    for words in (
        f"of {asked[1].request_id}: reads.",
        "speaks for this read, number 2: none before.",
        f": allow, by policy {policy}, which was put in force by first.",
        f"The digest decided on is of GET /v1/customers/{SEED.customer_ben} with the bytes b'': what was to run.",
        "'bot\\x1b[2J' of 'stdio' asked at ",
        ": GetCustomersCustomer.",
        "It is succeeded; req_",
    ):
        assert words in text
    assert "and what it answered" in left[0]
    assert not any("leaves out" in each for each in left)

    without = proved(1, "--without-payloads")
    assert without["payloads"] == without["policies"] == []
    assert without["read"] == proved(1)["read"]
    assert "What 2 payloads say, which this receipt leaves out." in check(without)[1]

    older, newer = tmp_path / "older", tmp_path / "newer"
    older.write_bytes((home / "runplane.db.checkpoint").read_bytes())
    run("freeze")
    newer.write_text(run("audit", "checkpoint").out)
    both = proved(1, "--from-checkpoint", str(older), "--checkpoint", str(newer))
    assert both["checkpoint"] == newer.read_text()
    assert any("The log only grew since it had" in each for each in check(both)[0])
    assert both["read"] == proved(1)["read"]


def test_no_part_of_a_reads_receipt_can_be_changed_or_taken_away(proved: Callable[..., Receipt]) -> None:
    receipt = proved(1)
    assert_nothing_can_be_changed(receipt)
    for name in receipt["read"]:
        fewer = {key: value for key, value in receipt["read"].items() if key != name}
        assert not holds({**receipt, "read": fewer}), name
    record, decision = receipt["read"]["rows"]
    hashed = receipt["read"]["proof"]
    for name, value in (
        ("rows", []),
        ("rows", [record]),
        ("rows", [decision, record]),
        ("rows", [record, decision, decision]),
        ("proof", hashed[:-1]),
        ("proof", [*hashed, hashed[0]]),
        ("proof", [*reversed(hashed)]),
    ):
        assert not holds({**receipt, "read": {**receipt["read"], name: value}}), (name, value)
    dice = random.Random(20)
    for _ in range(100):
        byte, bit = dice.randrange(2**20), dice.randrange(8)
        assert not holds_with_a_bit_flipped(receipt, byte, bit), (byte, bit)


def test_what_proves_one_read_proves_no_other_and_no_write(
    proved: Callable[..., Receipt], run: Run, ask: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A record in another receipt, a proof for another place, the event of another batch or another log."""
    first, second, wrote, third = (proved(place) for place in range(4))
    [after] = ask(balance())
    later = run("audit", "prove", after.reference).json
    monkeypatch.setenv("RUNPLANE_HOME", str(tmp_path / "another"))
    new_home_of_dana(tmp_path / "another")

    async def work() -> str:
        async with open_gate(load_settings(), simulator=True) as gate:
            return (await gate.submit(balance())).reference

    elsewhere = run("audit", "prove", anyio.run(work)).json

    assert all(map(holds, (first, second, wrote, third, later, elsewhere)))
    for other in (second, third, later, elsewhere):
        assert not holds({**first, "read": other["read"]})
        assert not holds({**first, "request_id": other["request_id"]})
        for name in ("number", "rows", "proof"):
            if first["read"][name] != other["read"][name]:
                assert not holds({**first, "read": {**first["read"], name: other["read"][name]}}), name
    for other in (later, elsewhere):
        assert not holds({**first, "events": other["events"]})
        assert not holds({**first, "events": [*first["events"][:-1], other["events"][-1]]})
        assert not holds({**first, "events": [*first["events"], other["events"][-1]]})
    assert not holds({**first, "checkpoint": elsewhere["checkpoint"], "log_key": elsewhere["log_key"]})
    assert not holds({**wrote, "read": first["read"]})
    assert not holds({**wrote, "events": [*wrote["events"], first["events"][-1]]})
    assert not holds({**wrote, "events": first["events"], "read": first["read"]})


def running(tx: Transaction) -> ActionRequest:
    policy = tx.enforced_version()
    assert policy is not None
    read = tx.insert_request(a_request(kind=Kind.READ), event={}, quiet=True)
    record = a_decision(read, outcome=Outcome.ALLOW, round=0)
    tx.add_decision(replace(record, policy_version=policy))
    return tx.move(
        read,
        State.EXECUTING,
        at=NOW,
        event={},
        effective=read.as_asked,
        digest=record.digest,
        attempt=1,
        stripe_key="rp_1",
        first_attempt_at=NOW,
    )


def test_a_read_that_no_event_speaks_for_yet_is_to_be_asked_for_again(ask: Ask, home: Path, run: Run) -> None:
    ask(balance())
    requests: list[ActionRequest] = []
    write(home, lambda tx: requests.append(running(tx)))
    runs = run("audit", "prove", requests[0].id, "--json")
    write(home, lambda tx: requests.append(tx.move(requests[0], State.SUCCEEDED, at=NOW, event={})))
    ended = run("audit", "prove", requests[0].id, "--json")
    write(home, lambda tx: tx.batch_reads(at=NOW))
    spoken_for = run("audit", "prove", requests[0].id)

    for refused, words in ((runs, "still runs"), (ended, "has ended")):
        assert (refused.code, refused.error) == (1, "request.read_pending")
        assert words in refused.json["error"]["message"]
        assert "again in a second" in refused.json["error"]["next_step"]
    assert (spoken_for.code, spoken_for.json["request_id"]) == (0, requests[0].id)


def test_what_was_erased_of_a_read_is_proved_to_have_been(
    asked: list[RequestView], proved: Callable[..., Receipt], run: Run
) -> None:
    before = proved(1)["payloads"]
    run("erase", "--customer", SEED.customer_ben, "--as", DANA, "--secret-stdin", stdin=SECRET)
    content = proved(1)
    told, left = check(content)

    assert any(f"{DANA} erased 2 payloads" in each for each in told)
    assert content["payloads"] == []
    assert not holds({**content, "payloads": before[:1]}), "whoever kept it shows it, and not with this receipt"
    assert any("It is succeeded; req_" in each for each in told)
    assert not any("leaves out" in each for each in left)


def test_a_read_that_was_changed_behind_our_back_has_no_receipt(asked: list[RequestView], home: Path, run: Run) -> None:
    with closing(sqlite3.connect(home / "runplane.db")) as forger:
        for [name] in forger.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            forger.execute(f'DROP TRIGGER "{name}"')
        forger.execute("UPDATE request SET agent = 'somebody else' WHERE id = ?", (asked[0].request_id,))
        forger.execute("UPDATE read SET leaf = zeroblob(32) WHERE n = 3")
        forger.commit()
    for read in (asked[0], asked[1], asked[3]):
        refused = run("audit", "prove", read.request_id, "--json")
        assert (refused.code, refused.error) == (1, "store.corrupt")


def trees() -> Iterator[list[str]]:
    yield from ([f"leaf {place}" for place in range(size)] for size in (1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 16, 17, 21))


def test_the_checker_goes_up_trees_of_every_form_as_the_log_does() -> None:
    """Its few lines take exactly the proofs that the log makes."""
    for texts in trees():
        leaves = [leaf_hash(text.encode()) for text in texts]
        size, top = len(leaves), root(leaves)
        for place, text in enumerate(texts):
            proof = [each.hex() for each in inclusion_proof(leaves, place)]
            for number in range(-1, size + 2):
                assert takes(within, top, 5 + number, 5, 4 + size, text, proof) == (number == place)
            assert not takes(within, top, 5 + place, 5, 4 + size, text, [*proof, proof[0] if proof else "00" * 32])
            assert not takes(within, top, 5 + place, 5, 4 + size, "another", proof)
        for first in range(size + 1):
            old, proof = root(leaves[:first]), [each.hex() for each in consistency_proof(leaves, first)]
            assert takes(grew, first, old, size, top, proof)
            assert not takes(grew, first, old, size, top, [*proof, "00" * 32])
            for another in (first - 1, first + 1):
                assert not takes(grew, another, old, size, top, proof) or another == 0
            assert not takes(grew, first, bytes(32), size, top, proof) or first == 0


def takes(check: Callable[..., bool], *arguments: object) -> bool:
    try:
        return check(*arguments)
    except ValueError:
        return False
