"""`runplane policy replay`, `backtest` and `tune`: what a policy would have meant, for people, for programs, as a page."""

from __future__ import annotations

import shutil
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pytest

from runplane_mcp.cli.policy.plots import Point, Series, bars, nice_ticks, points
from runplane_mcp.simulator import SEED
from tests.cli.conftest import Ask, Run, balance, refund
from tests.history_world import ninety_days

SMALL = """\
version: 1
currency: usd
timezone: America/New_York
approval: {from: finance, expires_in: 24h}
otherwise: {writes: require_approval}
rules:
  - {id: small-refunds, when: {action: refund.create, amount: {at_most: 600}}, then: allow}
  - {id: large-refunds, when: {action: refund.create, amount: {over: 100}}, then: require_approval}
limits:
  - {id: refunds-a-week, when: {action: refunds}, at_most: {total: 9000}, within: 7d}
"""


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("past") / "world.db"
    ninety_days(path)
    return path


@pytest.fixture
def company(home: Path, past: Path) -> Path:
    """A home whose simulated company has ninety days behind it."""
    shutil.copy(past, home / "simulator.db")
    return home


class Tags(HTMLParser):
    """What a browser makes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


# -- backtest --------------------------------------------------------------------------------------------------------


def test_the_accounts_own_past_says_how_often_people_would_have_been_asked(company: Path, run: Run) -> None:
    ran = run("policy", "backtest", "--json")

    told = ran.json
    assert 0 == ran.code, ran.out
    assert told["questions"] == sum(day["questions"] for day in told["days"])
    assert "2026-01-12" == told["largest_day"]["date"], "the day on which many parcels were lost"
    assert told["requests"] == sum(each["count"] for each in told["answers"].values())
    assert {"usd", "eur"} == {each["currency"] for each in told["answers"]["allow"]["money"]}


def test_a_reading_is_looked_at_again_without_asking_stripe(company: Path, run: Run) -> None:
    first = run("policy", "backtest", "--json").json
    pages = sorted((company / "history").iterdir())
    stamps = [each.stat().st_mtime_ns for each in pages]

    again = run("policy", "backtest", "--json").json

    assert first["questions"] == again["questions"]
    assert stamps == [each.stat().st_mtime_ns for each in pages]
    run("policy", "backtest", "--refresh", "--json")
    assert stamps != [each.stat().st_mtime_ns for each in pages]


def test_the_words_for_people_have_amounts_with_their_currency(company: Path, run: Run) -> None:
    ran = run("policy", "backtest")

    assert 0 == ran.code
    assert "You would have been asked" in ran.out
    assert "€50.00 EUR" in ran.out
    assert "Largest day: 2026-01-12" in ran.out
    assert "Nothing was changed at Stripe" in ran.out


def test_ordinary_days_are_not_held_up(company: Path, run: Run) -> None:
    """THREATS 15: who is asked about everything looks at nothing. Under the shipped policy the ordinary refunds of
    business days pass, and people are asked a few times a week."""
    told = run("policy", "backtest", "--json").json

    held = [
        each
        for each in told["not_allowed"]
        if each["action"] == "refund.create"
        and date.fromisoformat(each["at"][:10]).weekday() < 5
        and not each["at"].startswith(("2026-01-12", "2025-12-25"))
    ]
    assert told["answers"]["allow"]["count"] > 100
    assert [] == held
    assert float(told["questions_per_week"]) <= 3


def test_the_page_is_one_file_that_loads_and_runs_nothing_and_shows_no_markup_of_others(
    company: Path, run: Run, tmp_path: Path
) -> None:
    """THREATS 13 and 14: the file's name is somebody's, and so may anything be that Stripe's objects say."""
    hostile = tmp_path / "<img src=x onerror=alert(1)>\u202e.yaml"
    hostile.write_text(SMALL)
    page = tmp_path / "page.html"

    ran = run("policy", "backtest", str(hostile), "--html", str(page))

    text = page.read_text()
    seen = Tags(text)
    assert 0 == ran.code, ran.err
    assert seen.tags.isdisjoint({"script", "img", "link", "iframe", "object", "use", "image", "a", "form"})
    assert not any(name.startswith("on") or name in {"href", "src", "xlink:href"} for name, _ in seen.attributes)
    assert "url(" not in text
    assert "http:" not in text
    assert "https:" not in text
    assert "\u202e" not in text
    assert "onerror" in seen.text
    assert "default-src 'none'" in text
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text


def test_a_page_that_cannot_be_written_is_an_error_with_a_code(company: Path, run: Run, tmp_path: Path) -> None:
    ran = run("policy", "backtest", "--html", str(tmp_path / "nowhere" / "page.html"), "--json")

    assert (2, "settings.output") == (ran.code, ran.error)


def test_without_a_home_there_is_no_account(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "new.yaml"
    file.write_text(SMALL)

    ran = run("policy", "backtest", str(file), "--json")

    assert (2, "settings.no_home") == (ran.code, ran.error)


# -- replay ----------------------------------------------------------------------------------------------------------


def test_a_replay_says_which_requests_would_have_been_another(home: Path, ask: Ask, run: Run, tmp_path: Path) -> None:
    held, passed, _ = ask(refund(), refund(SEED.payment_intent_40), balance())
    file = tmp_path / "new.yaml"
    file.write_text(SMALL.replace("over: 100", "over: 10").replace("at_most: 600", "at_most: 5000"))

    told = run("policy", "replay", str(file), "--json").json

    assert 3 == told["decisions"]
    assert [passed.reference] == [each["reference"] for each in told["flips"]["at_once"]]
    flip = told["flips"]["at_once"][0]
    assert ("allow", "require_approval", ["large-refunds"]) == (flip["from"], flip["to"], flip["by"])
    assert (4_000, "usd") == (flip["amount"], flip["currency"])
    assert (1, 2) == (told["before"]["questions"], told["after"]["at_once"]["questions"])
    assert held.reference in run("requests", "list").out


def test_a_replay_of_the_enforced_policy_flips_nothing(home: Path, ask: Ask, run: Run) -> None:
    ask(refund(), refund(SEED.payment_intent_40), refund(SEED.payment_intent_40), balance())

    told = run("policy", "replay", str(home / "policies.yaml"), "--json").json

    assert [] == told["flips"]["at_once"]
    assert [] == told["flips"]["never"]
    assert told["before"] == told["after"]["at_once"]


def test_a_replay_for_people(home: Path, ask: Ask, run: Run, tmp_path: Path) -> None:
    [held] = ask(refund())
    file = tmp_path / "new.yaml"
    file.write_text(SMALL.replace("over: 100", "over: 5000").replace("at_most: 600", "at_most: 5000"))

    ran = run("policy", "replay", str(file))

    assert 0 == ran.code
    assert "1 answer would be another: 0 stricter, 1 looser." in ran.out
    assert held.reference in ran.out
    assert "$900.00 USD" in ran.out


def test_a_replay_over_nothing_says_so(home: Path, run: Run) -> None:
    assert "Nothing was decided in that time" in run("policy", "replay", str(home / "policies.yaml")).out


def test_a_duration_that_is_none_is_an_error(home: Path, run: Run) -> None:
    ran = run("policy", "replay", str(home / "policies.yaml"), "--since", "soon", "--json")

    assert (2, "parameter.since") == (ran.code, ran.error)


# -- tune ------------------------------------------------------------------------------------------------------------


def test_a_tuning_proposes_lines_and_changes_nothing(company: Path, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "new.yaml"
    file.write_text(SMALL)
    page = tmp_path / "tune.html"

    ran = run("policy", "tune", str(file), "--asks-per-week", "3", "--html", str(page), "--json")

    told = ran.json
    assert 0 == ran.code, ran.out
    assert told["met"]
    assert float(told["proposed"]["questions_per_week"]) <= 3 < float(told["now"]["questions_per_week"])
    assert "-  - {id: large-refunds, when: {action: refund.create, amount: {over: 100}}" in told["diff"]
    assert ["large-refunds"] == [each["id"] for each in told["changes"] if each["threshold"] == "amount over"]
    assert SMALL == file.read_text()
    assert "At most 3 questions a week" in Tags(page.read_text()).text


# -- plots -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("largest", [0, 1, 4, 5, 9, 37, 41, 999, 1_000_000, 123_456_789])
def test_ticks_begin_at_zero_and_reach_over_everything(largest: int) -> None:
    ticks = nice_ticks(largest)

    assert 0 == ticks[0]
    assert ticks[-1] >= max(largest, 1)
    assert 2 <= len(ticks) <= 6


def test_plots_escape_what_they_are_told_and_draw_something_of_nothing() -> None:
    odd = "<script>"
    plot = bars(["2026-03-03"], [Series(odd, "asked", [3])], words=lambda value: f"{odd}{value}", what=odd)
    plot += points([Point(1.0, 5, odd, marked=True)], x_words=str, y_words=str, what=odd, x_name=odd)
    plot += bars([], [], words=str, what="nothing")

    assert "script" not in Tags(plot).tags
    assert 3 == plot.count("</svg>")
