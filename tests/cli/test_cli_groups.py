"""What one cause holds is one block, and one no, on the command line: $47,000 over 200 customers is one thing to read.

THREATS rows 13, 15.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys

import pexpect
import pytest

from runplane_mcp.core.request import State
from runplane_mcp.simulator import SEED
from tests.cli.conftest import CHECKOUT, DANA, DANAS, Ask, Run, cancellation, refund

SECRET = f"{DANAS}\n"
#: The shipped policy lets so many refunds of $235 pass in an hour.
PASS = 4


def test_the_hundred_and_ninety_six_are_one_group_and_one_process_denies_them(ask: Ask, run: Run, process: Run) -> None:
    views = ask(*(refund(each) for each in SEED.payment_intents_235))
    held = [view for view in views if view.status is State.WAITING]
    (group,) = run("approvals", "list", "--groups", "--json").json
    deny = ("deny", "--group", group["group"], "--digest", group["digest"], "--as", DANA, "--note", "Not these.")
    done = process(*deny, "--secret-stdin", "--json", stdin=SECRET)
    lives = [run("requests", "show", view.request_id, "--json").json for view in (held[0], held[-1])]
    states = run("requests", "list", "--state", "denied", "--limit", "500", "--json").json
    audit = run("audit", "verify", "--json")

    assert (len(held), group["count"], group["money"]) == (196, 196, [{"amount": 4_606_000, "currency": "usd"}])
    assert (group["cause"]["source"], group["cause"]["id"]) == ("limit", "refunds-an-hour")
    assert (group["customers"], group["actions"], group["agent"]) == (196, ["refund.create"], "support-bot")
    assert done.code == 0
    assert set(done.json["denied"]) == {view.request_id for view in held}
    assert done.json["left_alone"] == []
    assert len(states) == 196
    assert [(life["votes"][0]["person"], life["votes"][0]["note"]) for life in lives] == [(DANA, "Not these.")] * 2
    assert len({life["votes"][0]["digest"] for life in lives}) == 2
    assert (audit.code, audit.json["ok"]) == (0, True)
    assert run("approvals", "list", "--json").json == []


def test_the_list_is_cards_as_ever_and_each_says_its_group(ask: Ask, run: Run) -> None:
    asked = [refund(each) for each in SEED.payment_intents_235[: PASS + 3]]
    *_, alone = ask(*asked, cancellation())
    cards = run("approvals", "list", "--json").json
    (group,) = run("approvals", "list", "--groups", "--json").json
    within = run("approvals", "list", "--group", group["group"].lower(), "--json").json

    named = {card["reference"]: card["group"] for card in cards}
    assert named.pop(alone.reference) is None
    assert set(named.values()) == {group["group"]}
    assert [each["reference"] for each in group["members"]] == list(named) == [each["reference"] for each in within]
    digests = sorted(each["digest"] for each in group["members"])
    assert hashlib.sha256("".join(f"{each}\n" for each in digests).encode()).hexdigest() == group["digest"]


def test_people_read_the_group_first_and_what_they_can_do_about_it(ask: Ask, run: Run) -> None:
    asked = [refund(each) for each in SEED.payment_intents_235[: PASS + 3]]
    *_, alone = ask(*asked, cancellation())
    listed = run("approvals", "list").out
    handle = re.search(r"^(G-\w+)  3 requests of support-bot", listed, re.MULTILINE)
    assert handle is not None
    through = run("approvals", "list", "--group", handle[1]).out
    groups = run("approvals", "list", "--groups").out

    assert "$705.00 USD" in listed
    assert "(refunds-an-hour)" in listed
    assert f"deny all: runplane deny --group {handle[1]} --as NAME" in listed
    assert "stop the agent: runplane freeze --agent support-bot" in listed
    assert f"look through: runplane approvals list --group {handle[1]}" in listed
    assert listed.count("RP-") == 1
    assert listed.index(handle[1]) < listed.index(alone.reference)
    assert len(re.findall(r"^RP-", through, re.MULTILINE)) == 3
    assert "RP-" not in groups
    assert "approve" not in groups


def test_without_three_of_a_kind_there_is_no_group(ask: Ask, run: Run) -> None:
    ask(refund())

    assert run("approvals", "list", "--groups", "--json").json == []
    assert "No three requests" in run("approvals", "list", "--groups").out
    assert run("approvals", "list", "--group", "G-7F3K", "--json").error == "approval.no_group"


@pytest.mark.parametrize(
    ("options", "stdin", "code", "exit_code"),
    [
        (["--as", DANA], SECRET, "usage.digest_missing", 2),
        (["--digest", "RIGHT"], SECRET, "usage.voter_missing", 2),
        (["--as", DANA, "--digest", "ab" * 32], SECRET, "approval.changed", 1),
        (["--as", DANA, "--digest", "RIGHT"], "a wrong secret\n", "person.secret", 1),
        (["RP-7F3K", "--as", DANA, "--digest", "RIGHT"], SECRET, "usage.one_or_all", 2),
        (["--as", DANA, "--digest", "RIGHT", "--note", "x" * 600], SECRET, "approval.note", 1),
    ],
)
def test_a_no_that_cannot_count_is_refused_and_all_of_it_waits(
    options: list[str], stdin: str, code: str, exit_code: int, ask: Ask, run: Run
) -> None:
    """THREATS 9."""
    ask(*(refund(each) for each in SEED.payment_intents_235[: PASS + 3]))
    (group,) = run("approvals", "list", "--groups", "--json").json
    given = [group["digest"] if each == "RIGHT" else each for each in options]
    refused = run("deny", "--group", group["group"], *given, "--secret-stdin", "--json", stdin=stdin)

    assert (refused.code, refused.error) == (exit_code, code)
    assert len(run("approvals", "list", "--json").json) == 3


def test_no_option_approves_a_group(run: Run, home: object) -> None:
    """A yes is for one request, whatever a group is of."""
    refused = run("approve", "--group", "G-7F3K", "--as", DANA, "--digest", "ab" * 32, "--secret-stdin", stdin=SECRET)

    assert refused.code == 2
    assert "--group" not in run("approve", "--help").out


def test_an_agents_name_in_a_group_is_shown_and_is_in_no_command(ask: Ask, run: Run) -> None:
    """THREATS 14: somebody will paste the command into a shell."""
    name = "bot; runplane approve\u202e\x1b[2J"
    ask(*(refund(each, agent=name) for each in SEED.payment_intents_235[: PASS + 3]))
    listed = run("approvals", "list").out

    assert "freeze --agent" not in listed
    assert "“bot; runplane approve⟨U+202E⟩⟨U+001B⟩[2J”" in listed
    assert not {"\u202e", "\x1b"} & set(listed)


def test_on_a_terminal_it_is_what_was_just_shown(ask: Ask, run: Run) -> None:
    ask(*(refund(each) for each in SEED.payment_intents_235[: PASS + 12]))
    (group,) = run("approvals", "list", "--groups", "--json").json
    child = pexpect.spawn(
        sys.executable,
        ["-m", "runplane_mcp", "deny", "--group", group["group"]],
        cwd=str(CHECKOUT),
        env={**os.environ, "TERM": "xterm"},
        encoding="utf-8",
        timeout=50,
        dimensions=(60, 100),
    )
    try:
        child.expect_exact("12 requests of support-bot wait for one reason")
        child.expect_exact(group["members"][0]["reference"])
        child.expect_exact("4 in between")
        child.expect_exact(group["fingerprint"])
        child.expect_exact("Deny all 12 of these?")
        child.sendline("y")
        child.expect_exact("Your name [dana]")
        child.sendline("")
        child.expect_exact("Secret of dana")
        child.sendline(DANAS)
        child.expect_exact(f"Denied all 12 of {group['group']}.")
        child.expect(pexpect.EOF)
    finally:
        child.close(force=True)

    assert child.exitstatus == 0
    assert run("approvals", "list", "--json").json == []
