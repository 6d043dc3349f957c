"""The card on a terminal: its order, its fences, and that nothing foreign escapes them (THREATS 13 and 14)."""

from __future__ import annotations

import io
import json
import re
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from runplane_mcp.cli.card import card_json, card_view, fact_text
from runplane_mcp.core.card import Card, VoteLine

CARD = Card(
    request_id="rpr_0123456789ABCDEFGHJKMNPQRS",
    reference="RP-7F3K",
    status="waiting",
    simulator=True,
    mode="trial",
    headline="Refund $900.00 USD, all that remains of charge ch_ada_900",
    to_whom="customer cus_ada",
    money_lines=(("Charged", "$900.00 USD"), ("Given back before", "$0.00 USD"), ("Left after this", "$0.00 USD")),
    undo="No: Stripe cannot take a refund back.",
    why=("Large refunds need a person. (rule: large-refunds)",),
    needs=("finance",),
    votes=(VoteLine("dana", "yes", 1_772_546_400_000),),
    needed=1,
    changed=("Only $860.00 USD can still be refunded; it was to be $900.00 USD.",),
    history=("This agent: 12 requests in 24 hours, 1 of them blocked or denied.",),
    denials=("Asked again after a denial: people denied or lowered once what is about the same object in 24 hours.",),
    warnings=("One-person mode: only one person is enrolled.",),
    quoted=(("customer name", "ACME (pre-approved by CFO)"),),
    agent="support-bot",
    justification="The parcel never arrived.",
    ticket="CASE-17",
    action="refund.create",
    operation_id="PostRefunds",
    amount=90_000,
    currency="usd",
    customer="cus_ada",
    risk=45,
    risk_level="medium",
    risk_factors=("cannot be undone (+25)",),
    digest="ab" * 32,
    fingerprint="7F3K-AAAA-BBBB-CCCC",
    round=2,
    created_at=1_772_546_400_000,
    expires_at=1_772_632_800_000,
    method="POST",
    url="/v1/refunds",
    parameters=(("amount", "90000"), ("charge", "ch_ada_900")),
    preconditions=("At least $900.00 USD can still be refunded.",),
    facts={
        "action": {"set": ["refund.create", "refunds"]},
        "amount": {"amount": 90_000, "currency": "usd"},
        "destination": {"missing": "unknown"},
        "guest": {"missing": "none"},
        "share": {"fraction": "100"},
        "reversible": False,
    },
    policy_version="f" * 64,
)

HOSTILE = (
    "APPROVED\u202e by CFO\x1b[2J\x1b[1A\x9b2K\u200b\r[bold]x[/bold] :smile: [link=https://evil]y[/link]\n└──\nwhat" * 3
)


def shown(card: Card, width: int = 80, *, details: bool = False, terminal: bool = False) -> str:
    stream = io.StringIO()
    console = Console(
        file=stream,
        width=width,
        markup=False,
        emoji=False,
        highlight=False,
        force_terminal=terminal,
        legacy_windows=False,
    )
    console.print(card_view(card, details=details))
    return stream.getvalue()


def test_the_card_keeps_the_order_of_all_channels() -> None:
    text = shown(CARD)
    order = [
        "One-person mode",
        "Refund $900.00 USD",
        "To customer cus_ada",
        "Left after this",
        "Can it be undone?",
        "Why you are asked",
        "Needs a yes from finance: 1 more",
        "What changed",
        "This agent's day",
        "Earlier denials",
        "NOT CHECKED: the words of the agent",
        "NOT CHECKED: texts in Stripe",
        "Fingerprint  7F3K-AAAA-BBBB-CCCC",
    ]
    places = [text.find(each) for each in order]

    assert -1 not in places
    assert places == sorted(places)


def test_the_card_says_which_money_it_is_and_what_the_mode_promises() -> None:
    assert "simulator" in shown(CARD).splitlines()[0]
    assert "trial" in shown(CARD).splitlines()[0]
    assert "simulator" not in shown(replace(CARD, simulator=False))


@pytest.mark.parametrize("width", [60, 120])
@pytest.mark.parametrize("details", [False, True])
def test_no_line_is_wider_than_the_terminal(width: int, details: bool) -> None:
    long = replace(CARD, headline="Refund " + "ch_" + "x" * 300, justification="y" * 900, url="/v1/" + "z" * 300)
    text = shown(long, width, details=details)

    assert max(map(len, text.splitlines())) <= width


def test_an_empty_section_is_left_out() -> None:
    bare = replace(CARD, changed=(), denials=(), history=(), quoted=(), warnings=(), votes=(), ticket=None)
    text = shown(replace(bare, justification=None))

    assert "What changed" not in text
    assert "Earlier denials" not in text
    assert "(the agent gave no reason)" in text


@pytest.mark.parametrize("width", [60, 120])
def test_hostile_words_stay_behind_the_bar_and_do_nothing(width: int) -> None:
    hostile = replace(
        CARD, justification=HOSTILE, ticket=HOSTILE, quoted=(("customer name", HOSTILE), (HOSTILE, "x")), agent=HOSTILE
    )
    text = shown(hostile, width)
    start, end = text.index("┌─ NOT CHECKED"), text.rindex("└──")
    outside = text[:start] + text[end:]

    assert {unicodedata.category(character) for character in text} & {"Cc", "Cf"} == {"Cc"}
    assert {character for character in text if unicodedata.category(character) == "Cc"} == {"\n"}
    assert "⟨U+202E⟩" in text
    assert "[bold]x[/bold]:smile:" in re.sub(r"[│\s]+", "", text)
    assert all(line.startswith(("│", "┌", "└")) for line in text[start:end].splitlines())
    assert "└──\nwhat" not in outside


@pytest.mark.parametrize("label", ["bot", "support-bot", "billing.bot_2", "ops@acme/bot+1"])
def test_a_plain_label_of_an_agent_stands_as_it_is(label: str) -> None:
    assert f"\nAgent {label}\n" in shown(replace(CARD, agent=label))


@pytest.mark.parametrize(
    "label", ["bot · risk low", "bot” (checked)", "bоt", "b" * 100, "bot\u202e", "bot\nRefund", "low  risk", " ", ""]
)
@pytest.mark.parametrize("width", [40, 80])
def test_a_label_that_could_be_read_as_more_is_quoted_and_never_begins_a_line(label: str, width: int) -> None:
    lines = shown(replace(CARD, agent=label), width).splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("Agent "))
    quoted = lines[at]
    while not quoted.endswith("”"):
        at += 1
        assert lines[at].startswith("      ")
        quoted += lines[at]

    assert quoted.startswith("Agent “")
    assert (quoted.count("“"), quoted.count("”")) == (1, 1)


def test_what_is_sent_is_fenced_too_for_its_texts_are_the_agents() -> None:
    text = shown(replace(CARD, parameters=(("metadata[approved_by]", HOSTILE), ("amount", "90000"))), details=True)
    start = text.index("┌─ NOT CHECKED: texts among the parameters")
    fenced = text[start : text.index("\n└──", start)]

    assert "POST /v1/refunds" in fenced
    assert "amount = 90000" in fenced
    assert "approved_by" not in text.replace(fenced, "")


def test_a_terminal_gets_only_the_styles_that_code_put_on() -> None:
    hostile = replace(CARD, justification="\x1b[5;31mX\x1b]8;;https://evil\x07", headline="\x1b[2J")
    text = shown(hostile, terminal=True)
    sequences = set(re.findall(r"\x1b(?!\[[0-9;]*m)", text))

    assert sequences == set()
    assert "\x1b[5;31m" not in text
    assert "]8;;" in text.replace("\x1b]8;;", "")


@settings(deadline=None)
@given(st.text(max_size=80))
def test_no_text_anywhere_on_the_card_reaches_the_terminal_raw(text: str) -> None:
    everywhere = replace(
        CARD,
        headline=text,
        to_whom=text,
        undo=text,
        why=(text,),
        needs=(text,),
        changed=(text,),
        history=(text,),
        denials=(text,),
        warnings=(text,),
        quoted=((text, text),),
        agent=text,
        justification=text,
        ticket=text,
        money_lines=((text, text),),
        parameters=((text, text),),
        facts={"agent": text},
        url=text,
        action=text,
    )
    controls = {
        character
        for character in shown(everywhere, details=True)
        if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    }

    assert controls <= {"\n"}


def test_details_hold_what_a_careful_person_asks_for() -> None:
    brief, full = shown(CARD, 120), shown(CARD, 120, details=True)

    for each in (
        "cannot be undone (+25)",
        "can still be refunded",
        "POST /v1/refunds",
        "charge",
        CARD.digest,
        "f" * 64,
    ):
        assert each in full
    assert CARD.digest not in brief
    assert "$900.00 USD (90000)" in full


def test_the_card_as_json_has_the_contracts_fields() -> None:
    content = card_json(CARD)

    assert json.loads(json.dumps(content)) == content
    assert content["amount"] == 90_000
    assert content["currency"] == "usd"
    assert content["risk"] == "medium"
    assert content["digest"] == "ab" * 32
    assert content["expires_at"] == "2026-03-04T14:00:00Z"
    assert content["agent"] == "support-bot"


def test_recorded_facts_are_read_in_words() -> None:
    facts = {name: fact_text(value) for name, value in CARD.facts.items()}

    assert facts == {
        "action": "refund.create, refunds",
        "amount": "$900.00 USD (90000)",
        "destination": "unknown",
        "guest": "none",
        "share": "100",
        "reversible": "no",
    }
