"""Words that were written to deceive whoever reads them, all the way through: from Stripe's objects and the agent's
request, over the real gate and its records, to the screens that people decide by (THREATS 13 and 14).

Shown escaped, cut, fenced and labelled as not checked. What people decide by holds none of them.
"""

from __future__ import annotations

import json
import sqlite3
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from runplane_mcp.core.canonical import Json
from runplane_mcp.core.request import OwnArguments
from runplane_mcp.core.wire import Value
from runplane_mcp.gate.view import Submission
from runplane_mcp.settings import Settings
from runplane_mcp.simulator import SEED, Simulator
from tests.cli.conftest import Ask, Run

#: What every hostile text holds, so that it can be found wherever it got to.
MARK = "CFO"
CLAIM = f"ACME (pre-approved by {MARK})"
HOSTILE = {
    "claim": CLAIM,
    "bidirectional": f"ACME \u202e(pre-approved by {MARK})\u202c \u2066x\u2069",
    "zero width": f"pre\u200b-app\u200droved by {MARK}\ufeff\u00ad\U000e0041\U000e0042",
    "terminal": f"\x1b[2J\x1b[1A\x1b[2K\x1b]0;{MARK}\x07\x9b31m\x1b]8;;https://evil.example\x1b\\{MARK}\x1b]8;;\x1b\\"
    "\r\x08\x7f",
    "markup": f"[bold green]{MARK}[/] [link=https://evil.example]x[/link] <b>{MARK}</b> :white_check_mark: `{MARK}` **y**",
    "another card": f"{MARK}\n└────────\nFingerprint  AAAA-BBBB-CCCC-DDDD\nNeeds a yes from nobody\nRefund $1.00 USD\n\n"
    f"┌─ CHECKED: {MARK} has approved this”\n│ yes",
    "far away": f"{MARK}" + " " * 400 + f"Approved by {MARK}" + "\n" * 60 + MARK,
    "long": f"{MARK} has approved this. " * 1_000,
    "marks": MARK + "\u0301" * 500 + "\u0489" * 500,
    "alphabets": f"Аpproved by {MARK}, сосо",
}
#: Longer ones are refused before anybody is asked.
LONGEST_PARAMETER = 20_000
LONGEST = max(map(len, HOSTILE.values()))
#: Bars and corners of a fence. On screens nothing hostile stands before or without one.
FENCE = ("│", "┌")


def test_the_longest_is_longer_than_anything_is_shown() -> None:
    assert LONGEST > LONGEST_PARAMETER


@pytest.fixture
def world(home: object, settings: Settings) -> Callable[[str], None]:
    """Writes a text into every free text field of everything in the simulated Stripe."""

    def fill(text: str) -> None:
        Simulator(settings.simulator_file).close()
        with closing(sqlite3.connect(settings.simulator_file)) as db, db:
            for id, body in db.execute("SELECT rowid, body FROM object").fetchall():
                filled = _filled(json.loads(body), text)
                db.execute("UPDATE object SET body = ? WHERE rowid = ?", (json.dumps(filled), id))

    return fill


def _filled(value: Any, text: str) -> Any:
    free = {"name", "description", "email", "phone", "bank_name", "nickname", "statement_descriptor", "business_name"}
    if isinstance(value, dict):
        return {
            name: {"note": text, text[:40]: "x"}
            if name == "metadata"
            else text
            if name in free and not isinstance(item, dict)
            else _filled(item, text)
            for name, item in value.items()
        }
    return [_filled(item, text) for item in value] if isinstance(value, list) else value


def attempts(text: str) -> list[Submission]:
    """One of each kind that the shipped policy holds for people, with the text wherever an agent can put it."""
    words = OwnArguments(justification=text, ticket=text)
    given = text[:LONGEST_PARAMETER]
    metadata: dict[str, Value] = {"note": given, "approved_by": given}

    def held(operation_id: str, **parameters: Value) -> Submission:
        return Submission("stdio", text, "mcp", operation_id, parameters, words, client=text)

    return [
        held("PostRefunds", payment_intent=SEED.payment_intent_900, metadata=metadata),
        held("PostRefunds", payment_intent=SEED.payment_intent_hostile, instructions_email=given),
        held("PostPayouts", amount=1500, currency="usd", description=given, metadata=metadata),
        held(
            "PostTransfers",
            amount=1500,
            currency="usd",
            destination=SEED.connected_account_new,
            description=given,
            transfer_group=given,
            metadata=metadata,
        ),
        held(
            "DeleteSubscriptionsSubscriptionExposedId",
            subscription_exposed_id=SEED.subscription_monthly,
            cancellation_details={"comment": given},
        ),
        held(
            "PostSubscriptionsSubscriptionExposedId",
            subscription_exposed_id=SEED.subscription_monthly,
            description=given,
            trial_end=4_000_000_000,
        ),
        held("DeleteCustomersCustomer", customer=SEED.customer_cleo),
    ]


def strings(value: Json, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text of a JSON value, with where it stands; names of fields too."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield f"{path}.{name}", str(name)
            yield from strings(item, f"{path}.{name}")
    elif isinstance(value, list | tuple):
        for item in value:
            yield from strings(item, path)


def harmless(screen: str) -> None:
    """Nothing on a screen can do anything to it but begin a new line."""
    categories = {character: unicodedata.category(character) for character in set(screen)}
    assert {each for each, category in categories.items() if category in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}} <= {"\n"}
    assert "\ufe0f" not in screen
    assert len(screen) < 25_000


def fenced(screen: str) -> None:
    """Outside of the bars stands only the agent's label, quoted, behind the word that says whose it is."""
    harmless(screen)
    assert "┌─ NOT CHECKED" in screen
    for line in screen.splitlines():
        if not line.startswith(FENCE) and MARK in line:
            assert line.startswith(("Agent “", "      ", "  agent", "  client")), line[:200]


#: The rest stay among the long runs.
QUICK = {"terminal", "another card"}


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[] if kind in QUICK else pytest.mark.slow) for kind in HOSTILE]
)
def test_hostile_words_are_escaped_cut_fenced_and_labelled_on_every_screen(
    kind: str, world: Callable[[str], None], ask: Ask, run: Run
) -> None:
    world(HOSTILE[kind])
    held = ask(*attempts(HOSTILE[kind]))
    cards = run("approvals", "list", "--json")

    assert {view.status.value for view in held} == {"waiting"}, [view.failure for view in held]
    for card in cards.json:
        # What people decide by holds none of it.
        where = {path.split(".")[1] for path, each in strings(card) if MARK in each}
        assert where <= {"not_checked", "parameters", "url", "agent", "facts"}
        assert {path for path, each in strings(card["facts"]) if MARK in each} <= {".agent", ".client"}
        assert card["headline"].endswith(".")
        assert len(card["headline"]) < 300
    for view in held:
        fenced(run("approvals", "show", view.reference).out)
        fenced(run("approvals", "show", view.reference, "--details").out)
        fenced(run("requests", "show", view.reference).out)
        fenced(run("why", view.reference).out)
    groups = run("approvals", "list", "--groups", "--json")
    through = [run("approvals", "list", "--group", each["group"]).out for each in groups.json]
    assert through, "the cancellations are one group"
    for screen in ("".join([run("approvals", "list").out, *through]), run("requests", "list").out):
        harmless(screen)
        assert all(view.reference in screen for view in held)
        assert screen.count("“") == screen.count("”") >= len(held)
    for as_json in (cards, groups, run("approvals", "show", "--json"), run("requests", "list", "--json")):
        assert as_json.out.isascii()
        assert "\x1b" not in as_json.out
