"""`runplane requests`: every attempt, and the whole life of one."""

from __future__ import annotations

from pathlib import Path

from runplane_mcp.simulator import SEED
from tests.cli.conftest import DANA, DANAS, Ask, Run, balance, refund


def test_one_request_from_first_to_last(ask: Ask, run: Run) -> None:
    (held,) = ask(refund(words="The parcel never arrived."))
    digest = run("approvals", "show", "--json").json["digest"]
    vote = ("approve", held.reference, "--digest", digest, "--as", DANA, "--secret-stdin", "--json")
    run(*vote, stdin=f"{DANAS}\n")
    ask(balance())  # a gate that lives again runs what was approved
    life = run("requests", "show", held.reference, "--json").json

    assert life["request_id"] == held.request_id
    assert life["request"]["not_checked"]["justification"] == "The parcel never arrived."
    assert life["decisions"][0]["outcome"] == "require_approval"
    assert life["decisions"][0]["digest"] == digest
    assert life["decisions"][0]["facts"]["amount"] == {"amount": 90_000, "currency": "usd"}
    assert [(vote["person"], vote["answer"], vote["digest"]) for vote in life["votes"]] == [(DANA, "yes", digest)]
    assert [event["type"] for event in life["events"]][:5] == [
        "request.received",
        "decision",
        "request.waiting",
        "vote",
        "request.approved",
    ]


def test_an_executed_request_shows_what_stripe_did(ask: Ask, run: Run) -> None:
    (done,) = ask(refund(SEED.payment_intent_40))
    life = run("requests", "show", done.reference, "--json").json
    told = run("requests", "show", done.reference)

    assert life["status"] == "succeeded"
    assert life["execution"]["attempts"] == 1
    assert life["execution"]["result"]["amount"] == 4_000
    assert life["execution"]["object_id"].startswith("re_")
    assert life["execution"]["object_id"] in told.out
    assert "$40.00 USD" in told.out


def test_the_list_is_newest_first_and_can_be_narrowed(ask: Ask, run: Run) -> None:
    held, read = ask(refund(), balance())
    every = run("requests", "list", "--json").json

    assert [each["request_id"] for each in every] == [read.request_id, held.request_id]
    assert [each["status"] for each in run("requests", "list", "--state", "waiting", "--json").json] == ["waiting"]
    assert [each["kind"] for each in run("requests", "list", "--kind", "read", "--json").json] == ["read"]
    assert len(run("requests", "list", "--limit", "1", "--json").json) == 1
    assert run("requests", "list", "--action", "payout.create", "--json").json == []


def test_an_agents_name_does_nothing_to_the_screen(ask: Ask, run: Run) -> None:
    """THREATS 14."""
    (held,) = ask(refund(agent="bot\x1b[2J\u202e", words="\x1b]0;approved\x07"))
    listed, shown = run("requests", "list"), run("requests", "show", held.reference)
    as_json = run("requests", "show", held.reference, "--json")

    for screen in (listed.out, shown.out, as_json.out):
        assert "\x1b" not in screen
        assert "\u202e" not in screen
    assert "⟨U+001B⟩[2J⟨U+202E⟩" in listed.out
    assert as_json.json["request"]["agent"] == "bot\x1b[2J\u202e"


def test_an_unknown_request_is_said(home: Path, run: Run) -> None:
    assert run("requests", "show", "RP-ZZZZ", "--json").error == "request.not_found"
    assert run("requests", "show", "rpr_nothing", "--json").error == "request.not_found"
    assert "There are no such requests." in run("requests", "list").out
