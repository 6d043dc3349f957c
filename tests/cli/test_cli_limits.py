"""`runplane limits`: how full each limit is, for whom, what of it waits, and when there is room again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from runplane_mcp.simulator import SEED
from tests.cli.conftest import Ask, Run, refund


def one(run: Run, limit: str, *options: str) -> Any:
    (found,) = run("limits", limit, *options, "--json").json
    return found


def test_a_limit_says_what_is_used_what_of_it_waits_and_when_there_is_room(ask: Ask, run: Run) -> None:
    ask(*(refund(payment) for payment in SEED.payment_intents_235[:4]), refund())
    found = one(run, "refunds-an-hour")
    (agent,) = found["fullest"]

    assert found["sentence"].startswith("When refunds of one agent come to more than $1,000.00 or 15 requests")
    assert found["at_most"] == {"total": 100_000, "count": 15}
    assert agent["by"] == {"principal": "stdio"}
    assert agent["used"] == {"total": 4 * 23_500 + 90_000, "count": 5}
    assert agent["waiting"] == {"total": 90_000, "count": 1}
    assert agent["percent"] == 184
    # An hour after the first of the four: the waiting 900 and three of them are under 1,000 no sooner than all have left.
    assert re.fullmatch(r"2026-03-03T20:0\d:\d\dZ", agent["room_at"])


def test_only_people_make_room_where_what_waits_fills_a_limit_alone(ask: Ask, run: Run) -> None:
    ask(refund(SEED.payment_intents_235[0]), refund(), refund(SEED.payment_intent_disputed))
    told = run("limits", "refunds-an-hour")

    assert one(run, "refunds-an-hour")["fullest"][0]["room_at"] is None
    assert "when people have answered" in told.out


def test_the_fullest_come_first_and_a_key_finds_one_of_many(ask: Ask, run: Run) -> None:
    ask(*(refund(payment) for payment in (SEED.payment_intent_40, SEED.payment_intent_120)))
    every = one(run, "one-customer")["fullest"]
    customer = every[-1]["by"]["customer"]

    assert [each["percent"] for each in every] == sorted((each["percent"] for each in every), reverse=True)
    assert len(one(run, "one-customer", "--top", "1")["fullest"]) == 1
    assert [each["by"] for each in one(run, "one-customer", "--of", customer)["fullest"]] == [{"customer": customer}]
    assert one(run, "one-customer", "--of", customer[:-1])["fullest"] == []
    assert one(run, "refunds-a-day")["fullest"][0]["by"] == {}


def test_people_see_every_limit_and_status_the_fullest(ask: Ask, run: Run) -> None:
    ask(*(refund(payment) for payment in SEED.payment_intents_235[:4]))
    told, status = run("limits"), run("status")

    assert "principal stdio" in told.out
    assert "$940.00 of $1,000.00, 4 of 15 requests" in told.out
    assert "94 %" in told.out
    assert "credits-a-day: When credits of all agents together" in told.out
    assert "Nothing counts into it now." in told.out
    assert "refunds-an-hour 94 %: $940.00 of $1,000.00" in status.out
    assert run("status", "--json").json["fullest_limit"].startswith("refunds-an-hour 94 %")


def test_a_limit_that_there_is_not_is_said_with_those_there_are(home: Path, run: Run) -> None:
    unknown = run("limits", "refunds-a-year", "--json")

    assert (unknown.code, unknown.error) == (1, "policy.unknown_limit")
    assert "refunds-an-hour" in unknown.json["error"]["next_step"]
    assert run("status", "--json").json["fullest_limit"] is None
