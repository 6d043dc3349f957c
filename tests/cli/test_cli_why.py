"""`runplane why ID`: one page for any id, and whether the log bears it out."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from runplane_mcp.app import open_desk, open_gate
from runplane_mcp.cli.output import console
from runplane_mcp.cli.why_page import page
from runplane_mcp.core.request import State
from runplane_mcp.gate.desk import Life
from runplane_mcp.gate.resolution import Resolution
from runplane_mcp.gate.view import RequestView, Submission
from runplane_mcp.settings import Settings, load_settings
from runplane_mcp.simulator import SEED
from runplane_mcp.store.verify import RequestProof
from tests.cli.conftest import DANA, DANAS, Ask, OpenGate, Run, refund

SECRET = f"{DANAS}\n"


@pytest.fixture
def approved(ask: Ask, gate: OpenGate, run: Run) -> dict[str, Any]:
    """Ada's $900.00, held, approved by Dana and made: its life as `requests show` has it."""
    (held,) = ask(refund(words="The parcel never arrived."))
    answer(run, "approve", held, note="Fine with me.")

    async def until_made() -> None:
        async with gate() as living:  # a gate that lives again runs what was approved
            with anyio.fail_after(20):
                while (await living.wait("stdio", held.request_id, 5)).status is not State.SUCCEEDED:
                    pass

    anyio.run(until_made)
    life: dict[str, Any] = run("requests", "show", held.reference, "--json").json
    assert life["status"] == "succeeded"
    return life


def answer(run: Run, word: str, held: RequestView, *, note: str) -> None:
    digest = run("approvals", "show", held.reference, "--json").json["digest"]
    vote = (word, held.reference, "--digest", digest, "--as", DANA, "--note", note, "--secret-stdin", "--json")
    assert run(*vote, stdin=SECRET).code == 0


async def at_night() -> RequestView:
    """A payout at the time that is set now."""
    async with open_gate(load_settings(), simulator=True) as living:
        return await living.submit(
            Submission("stdio", "treasury", "mcp", "PostPayouts", {"amount": 250_000, "currency": "usd"})
        )


def damage(home: Path, *statements: str) -> None:
    """Changes the database as its owner could, triggers or not."""
    with sqlite3.connect(home / "runplane.db", isolation_level=None) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            assert connection.execute(statement).rowcount == 1
    connection.close()


def test_a_refund_is_found_by_every_id_that_people_meet_it_under(approved: dict[str, Any], run: Run) -> None:
    execution = approved["execution"]
    ids = {
        "ours": approved["request_id"],
        "reference": approved["reference"].lower(),
        "what the agent named": SEED.payment_intent_900,
        "the charge behind it": SEED.charge_900,
        "the customer": SEED.customer_ada,
        "what Stripe made": execution["object_id"],
        "Stripe's own request": execution["stripe_request_id"],
        "our key at Stripe": execution["idempotency_key"],
        "the line in the balance": execution["result"]["balance_transaction"],
        "a page's address": f"https://dashboard.stripe.com/test/payments/{SEED.payment_intent_900}?tab=timeline",
    }

    found = {name: run("why", id, "--json").json["requests"] for name, id in ids.items()}

    assert {name: [each["request_id"] for each in requests] for name, requests in found.items()} == {
        name: [approved["request_id"]] for name in ids
    }


def test_one_page_tells_it_from_the_question_to_the_proof(approved: dict[str, Any], run: Run) -> None:
    page = run("why", SEED.payment_intent_900).out
    order = [
        "Refund $900.00 USD of charge ch_ada_900",
        "Asked by",
        "agent     support-bot",
        "Runplane filled in amount = 90000",
        "NOT CHECKED",
        "payment_intent = pi_ada_900",
        "NOT CHECKED",
        "The parcel never arrived.",
        "Looked up",
        "Charged: $900.00 USD",
        "customer cus_ada",
        "to run: At least $900.00 USD can still be refunded.",
        "Decided",
        "rule large-refunds: needs approval. Large refunds need a person.",
        "risk +10 amount: The amount is over $500.00 USD.",
        "limit refunds-an-hour: $900.00",
        "needs a yes from finance",
        "Decided again before it ran",
        "Approved by",
        "dana said yes",
        "the signature verifies “Fine with me.”",
        "Done",
        "sent to Stripe once",
        f"Stripe's request {approved['execution']['stripe_request_id']}",
        f"Stripe's object {approved['execution']['object_id']}, succeeded",
        "Proof",
        f"audit events {approved['events'][0]['seq']}-",
        "newest leaf " + approved["events"][-1]["leaf"],
        "the log verifies for them",
    ]

    place = 0
    for words in order:
        assert words in page[place:], words
        place = page.index(words, place) + len(words)
    assert "\x1b" not in page


def test_programs_get_the_same_and_the_proof(approved: dict[str, Any], run: Run) -> None:
    told = run("why", approved["reference"], "--json").json
    (request,) = told["requests"]

    assert (told["id"], told["writes"], told["reads"]) == (approved["reference"], 1, 0)
    assert {name: request[name] for name in approved if name != "votes"} == {
        name: approved[name] for name in approved if name != "votes"
    }
    assert [(vote["person"], vote["signature_verifies"]) for vote in request["votes"]] == [(DANA, True)]
    assert request["proof"] == {
        "ok": True,
        "events": [event["seq"] for event in approved["events"]],
        "leaf": approved["events"][-1]["leaf"],
        "first_bad": None,
        "problem": None,
    }
    log = run("audit", "verify", "--json").json
    assert told["log"] == {"events": log["events"], "root": log["root"]}
    page = run("why", approved["reference"]).out
    assert f"root of all {log['events']:,} events {log['root']}" in page
    assert request["proof"]["leaf"] in page
    assert told["audit_log"] is None


def test_all_requests_about_one_id_come_newest_first_and_can_be_cut(ask: Ask, run: Run) -> None:
    first, second, third = ask(
        Submission("stdio", "support-bot", "mcp", "PostRefunds", {"charge": SEED.charge_900, "amount": 1_000}),
        Submission("stdio", "support-bot", "mcp", "PostRefunds", {"charge": SEED.charge_900, "amount": 2_000}),
        refund(),
    )
    told = run("why", SEED.customer_ada, "--json").json
    cut = run("why", SEED.customer_ada, "--limit", "1")

    assert [each["request_id"] for each in told["requests"]] == [
        third.request_id,
        second.request_id,
        first.request_id,
    ]
    assert "3 requests, newest first" in cut.out
    assert third.reference in cut.out
    assert first.reference not in cut.out
    assert "2 older ones are left out" in cut.out


def test_what_happened_is_found_under_any_number_of_attempts(ask: Ask, run: Run) -> None:
    made, *others = ask(
        Submission("stdio", "support-bot", "mcp", "PostRefunds", {"charge": SEED.charge_900, "amount": 1_000}),
        *(refund(agent=f"bot-{number}") for number in range(3)),
        *(
            Submission("stdio", "bot", "mcp", "PostRefunds", {"charge": SEED.charge_900, "amount": amount})
            for amount in range(90_000_000, 90_000_005)
        ),
    )
    told = run("why", SEED.charge_900, "--state", "succeeded", "--limit", "1", "--json").json
    nothing = run("why", SEED.charge_900, "--state", "canceled", "--json")

    assert len(others) == 8
    assert [each["request_id"] for each in told["requests"]] == [made.request_id]
    assert (told["writes"], told["reads"]) == (1, 0)
    assert (nothing.code, nothing.error) == (1, "request.not_found")
    assert "--state" in nothing.json["error"]["next_step"]


def test_reads_are_named_apart_and_never_crowd_out_what_was_changed(ask: Ask, run: Run) -> None:
    look = Submission("stdio", "support-bot", "mcp", "GetPaymentIntents", {"customer": SEED.customer_ada})
    made, *looks = ask(refund(), *[look] * 7)
    told = run("why", SEED.customer_ada, "--json").json
    page = run("why", SEED.customer_ada).out
    own = run("why", looks[0].reference)

    assert [each["request_id"] for each in told["requests"]] == [made.request_id]
    assert (told["reads"], len(told["newest_reads"])) == (7, 5)
    assert looks[-1].reference in page
    assert "and 2 reads before" in page
    assert "List payment intents." in own.out
    assert f"for somebody outside: runplane audit prove {looks[0].reference}" in own.out


def test_what_was_blocked_or_denied_says_that_nothing_was_sent(
    ask: Ask, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (held,) = ask(refund())
    answer(run, "deny", held, note="Ask for $450.")
    monkeypatch.setenv("RUNPLANE_SIMULATOR_NOW", "2026-03-03T02:00")
    blocked = anyio.run(at_night)
    denied, stopped = run("why", held.reference).out, run("why", blocked.reference).out

    assert "dana said no" in denied
    assert "Denied by a person." in denied
    assert "Nothing was sent to Stripe." in denied
    assert "rule payouts-out-of-hours: blocked. Payouts are made in business hours." in stopped
    assert "Nothing was sent to Stripe." in stopped
    assert "Approved by" not in denied + stopped


def test_a_freeze_and_a_lowering_are_part_of_it(ask: Ask, run: Run) -> None:
    held, other = ask(refund(), refund(SEED.payment_intent_hostile))
    digest = run("approvals", "show", held.reference, "--json").json["digest"]
    lowered = run(
        *("lower", held.reference, "--amount", "$600", "--digest", digest, "--as", DANA, "--secret-stdin", "--json"),
        stdin=SECRET,
    ).json
    run("freeze", "--action", "refunds", "--reason", "prices are wrong")
    before, after, frozen = (run("why", id) for id in (held.reference, lowered["request_id"], other.reference))

    assert f"runplane why {lowered['request_id']}" in before.out
    assert f"It took the place of {held.request_id}" in after.out
    assert "Frozen: refunds" in frozen.out
    assert "“prices are wrong”" in frozen.out
    assert (before.code, after.code, frozen.code) == (0, 0, 0)


def test_what_an_administrator_said_of_an_unknown_outcome_is_part_of_it(
    approved: dict[str, Any], settings: Settings
) -> None:
    async def life() -> Life:
        async with open_desk(settings) as desk:
            return await desk.life(approved["request_id"])

    said = Resolution("dana", State.SUCCEEDED, "re_1", "Seen in Stripe”. Approved by CFO\x1b[2J", 0)
    told = replace(anyio.run(life), resolution=said)
    out = console()
    with out.capture() as captured:
        out.print(page(told, [], RequestProof((1,), "ab", True, None, None)))

    assert "dana said on" in captured.get()
    assert 'that it succeeded: “Seen in Stripe". Approved by CFO⟨U+001B⟩[2J”' in " ".join(captured.get().split())


def test_an_unknown_id_was_not_made_through_runplane(home: Path, run: Run) -> None:
    told, as_json = run("why", "re_3MtwBwLkdIwHu7ix"), run("why", "re_3MtwBwLkdIwHu7ix", "--json")
    ours = run("why", "RP-ZZZZ")

    assert (told.code, told.out) == (1, "")
    assert "not made through Runplane" in told.err
    assert "https://dashboard.stripe.com/logs" in told.err
    assert (as_json.code, as_json.error) == (1, "request.not_found")
    assert "runplane requests list" in ours.err


@pytest.mark.parametrize("id", ["", " ", "\x1b[2J\u202e", "x" * 100_000, "https://", "https://[", "' OR 1=1 --"])
def test_an_odd_id_is_only_an_unknown_one(id: str, home: Path, run: Run) -> None:
    """THREATS 14."""
    told = run("why", "--", id)

    assert (told.code, told.out) == (1, "")
    assert "\x1b" not in told.err
    assert len(told.err) < 1_000


@pytest.mark.parametrize(
    "changed",
    [
        "UPDATE request SET object_id = 're_other' WHERE number = 1",
        "UPDATE decision SET risk = 0 WHERE n = 1 AND round = 1 AND kind = 'first'",
        "UPDATE vote SET answer = 'no'",
        "DELETE FROM event WHERE type = 'vote'",
    ],
)
def test_what_somebody_changed_afterwards_is_said_and_is_exit_3(
    changed: str, approved: dict[str, Any], home: Path, run: Run
) -> None:
    """THREATS 24."""
    damage(home, changed)
    page, as_json = run("why", approved["reference"]), run("why", approved["reference"], "--json")

    assert (page.code, as_json.code) == (3, 3)
    assert "THE LOG DOES NOT VERIFY" in page.out
    assert as_json.json["requests"][0]["proof"]["ok"] is False


def test_a_vote_whose_signature_is_another_ones_counts_for_nothing(
    approved: dict[str, Any], home: Path, run: Run
) -> None:
    """THREATS 9: a row in the database is no vote."""
    damage(home, f"UPDATE vote SET proof = '{'ab' * 64}'")
    page = run("why", approved["reference"])

    assert "THE SIGNATURE DOES NOT VERIFY" in page.out
    assert run("why", approved["reference"], "--json").json["requests"][0]["votes"][0]["signature_verifies"] is False


def test_the_whole_log_is_read_for_whoever_asks(approved: dict[str, Any], home: Path, run: Run) -> None:
    whole = run("why", approved["reference"], "--verify", "--json")
    root = run("audit", "verify", "--json").json["root"]
    shown = run("why", approved["reference"], "--verify").out
    damage(home, "UPDATE event SET at = at + 1 WHERE seq = 1")
    broken = run("why", approved["reference"], "--verify")

    assert whole.json["audit_log"]["root"] == root
    assert whole.json["audit_log"]["anchored"] is True
    assert root in shown
    assert broken.code == 3
    assert "The audit log does NOT verify" in broken.out


@pytest.mark.parametrize("width", ["40", "200"])
def test_hostile_words_stay_behind_their_fence_at_any_width(
    width: str, ask: Ask, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """THREATS 13 and 14."""
    monkeypatch.setenv("COLUMNS", width)
    words = "Fine.\nApproved by\n  - dana said yes; the signature verifies\x1b[2J\u202e\u200b" + "x" * 100_000
    (held,) = ask(refund(SEED.payment_intent_hostile, agent="bot\x1b]0;t\x07", words=words))
    page = run("why", held.reference).out
    fenced = [line for line in page.splitlines() if line.startswith(("┌", "│", "└"))]

    assert "\x1b" not in page
    assert "\u202e" not in page
    assert all("dana said yes" not in line for line in page.splitlines() if line not in fenced)
    assert max(len(line) for line in page.splitlines()) <= int(width)
    assert len(page) < 12_000
