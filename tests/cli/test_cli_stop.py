"""What is scheduled on the command line: seen with its time, apart from what waits, and stopped without a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from runplane_mcp.gate.view import Submission
from runplane_mcp.simulator import SEED
from tests.cli.conftest import DANA, DANAS, Ask, Run, refund
from tests.gate.scheduling import held_back


@pytest.fixture
def later(home: Path) -> Path:
    held_back(home)
    return home


def small(number: int) -> Submission:
    return refund(SEED.payment_intents_235[number])


@pytest.mark.usefixtures("later")
def test_what_is_scheduled_is_listed_apart_with_its_time(ask: Ask, run: Run) -> None:
    one, two = ask(small(0), small(1))
    listed, shown, status = run("approvals", "list"), run("approvals", "show", one.reference), run("status")
    cards = run("approvals", "list", "--json").json

    assert "Nothing waits for approval." in listed.out
    assert "2 scheduled: $470.00 USD, next in " in listed.out
    assert "Nobody is asked" in shown.out
    assert f"runplane stop {one.reference}" in shown.out
    assert "2 scheduled: $470.00 USD" in status.out
    assert [card["reference"] for card in cards] == [one.reference, two.reference]
    assert {card["status"] for card in cards} == {"scheduled"}
    assert cards[0]["release_at"].startswith("2026-03-03T19:1")
    assert run("status", "--json").json["scheduled"]["totals"] == [{"amount": 47_000, "currency": "usd"}]
    assert run("requests", "show", one.reference, "--json").json["request"]["release_at"] == cards[0]["release_at"]
    assert "runs by itself later" in run("why", one.reference).out
    assert "Decision 1 (first, round 1): allow, after " in run("requests", "show", one.reference).out


@pytest.mark.usefixtures("later")
def test_anybody_stops_one_without_a_secret_and_the_record_says_so(ask: Ask, run: Run) -> None:
    """THREATS 12."""
    one, two = ask(small(0), small(1))
    stopped = run("stop", one.reference, "--reason", "wrong order", "--json")
    again = run("stop", one.reference, "--json")
    left = run("approvals", "list", "--json").json

    assert (stopped.code, stopped.json[0]["status"]) == (0, "canceled")
    assert (again.code, again.error) == (1, "request.not_scheduled")
    assert [card["reference"] for card in left] == [two.reference]
    assert "People stopped it before it ran." in run("why", one.reference).out
    assert run("audit", "verify").code == 0


@pytest.mark.usefixtures("later")
def test_all_of_one_agent_are_stopped_at_once(ask: Ask, run: Run) -> None:
    ask(small(0), small(1))
    other = run("stop", "--all", "--agent", "nobody", "--json")
    stopped = run("stop", "--all", "--json")

    assert other.json == []
    assert len(stopped.json) == 2
    assert run("approvals", "list", "--json").json == []


@pytest.mark.usefixtures("later")
def test_a_yes_is_refused_and_a_signed_no_counts(ask: Ask, run: Run) -> None:
    (one,) = ask(small(0))
    digest = run("approvals", "list", "--json").json[0]["digest"]
    vote = (one.reference, "--digest", digest, "--as", DANA, "--secret-stdin", "--json")
    yes = run("approve", *vote, stdin=f"{DANAS}\n")
    no = run("deny", *vote, stdin=f"{DANAS}\n")

    assert (yes.code, yes.error) == (1, "approval.scheduled")
    assert (no.code, no.json["status"]) == (0, "denied")


@pytest.mark.parametrize("arguments", [[], ["RP-1", "--all"], ["RP-1", "--agent", "a"]])
@pytest.mark.usefixtures("later")
def test_what_to_stop_has_to_be_said(run: Run, arguments: list[str]) -> None:
    assert run("stop", *arguments, "--json").code == 2
