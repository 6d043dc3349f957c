"""`runplane policy`: rules said back, files put in force, and what would be decided."""

from __future__ import annotations

from pathlib import Path

import pytest

from runplane_mcp.app import default_policy_text
from runplane_mcp.core.facts import REGISTRY
from tests.cli.conftest import DANA, DANAS, Run

SMALL = """
version: 1
currency: usd
approval: {from: leads}
rules:
  - id: refunds
    when: {action: refunds, amount: {over: 50}}
    then: require_approval
    from: {group: finance, people: 2}
tests:
  - it: asks about $60
    given: {action: refund.create, amount: 60}
    then: require_approval
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(SMALL, encoding="utf-8")
    return path


# ── check ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_rule_is_said_back_with_who_can_approve_it(home: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPLANE_SIMULATOR_NOW", "2026-11-20T14:00")  # when the rates of the shipped policy are fresh
    checked = run("policy", "check")

    assert checked.code == 0
    assert "When refunds are over $500.00, one person of finance must say yes. (large-refunds) Can approve: dana." in (
        checked.out
    )
    assert "ok    blocks a $15,000 payout at 2 am" in checked.out
    assert "WARNING" not in checked.out


def test_too_few_people_is_a_loud_warning_and_no_error(home: Path, file: Path, run: Run) -> None:
    checked, as_json = run("policy", "check", str(file)), run("policy", "check", str(file), "--json")

    assert checked.code == 0
    assert "WARNING  1 enrolled of the 2 that are needed: 2 people of finance." in checked.out
    assert "WARNING  Nobody enrolled of the 1 that are needed: leads." in checked.out
    assert "Can approve: dana, too few." in checked.out
    assert as_json.json["ok"] is True
    assert as_json.json["rules"][0]["can_approve"] == ["dana"]
    assert len(as_json.json["warnings"]) == 3


def test_a_good_file_that_is_not_enforced_says_so(home: Path, file: Path, run: Run) -> None:
    assert "WARNING  This file is not enforced" in run("policy", "check", str(file)).out


def test_a_file_can_be_checked_where_there_is_no_home(environment: Path, file: Path, run: Run) -> None:
    checked = run("policy", "check", str(file))

    assert checked.code == 0
    assert "no home here" in checked.out
    assert not environment.exists()


def test_a_broken_file_is_refused_with_every_place_and_what_to_write(file: Path, run: Run) -> None:
    file.write_text(SMALL.replace("amount:", "amonut:", 1).replace("then: require", "then: requier"), encoding="utf-8")
    broken, as_json = run("policy", "check", str(file)), run("policy", "check", str(file), "--json")

    assert broken.code == as_json.code == 1
    assert f"{file}:7:" in broken.err
    assert "Did you mean amount?" in broken.err
    assert "policy.invalid" in broken.err
    assert as_json.error == "policy.invalid"
    assert as_json.json["ok"] is False
    assert [problem["line"] for problem in as_json.json["problems"]] == [7, 8, 13]


def test_a_failing_test_of_the_file_fails_the_check(file: Path, run: Run) -> None:
    file.write_text(SMALL.replace("amount: 60", "amount: 40"), encoding="utf-8")
    failed, as_json = run("policy", "check", str(file)), run("policy", "check", str(file), "--json")

    assert failed.code == as_json.code == 1
    assert "FAIL" in failed.out
    assert "expected require_approval, got allow" in failed.out
    assert as_json.json["tests"][0]["passed"] is False


def test_a_file_that_is_not_there_is_said(run: Run, tmp_path: Path) -> None:
    assert run("policy", "check", str(tmp_path / "none.yaml"), "--json").error == "policy.unreadable"


def test_what_is_no_text_file_is_said_in_words(run: Run, tmp_path: Path) -> None:
    picture = tmp_path / "picture.yaml"
    picture.write_bytes(b"rules: \xff\xd8")
    refused = [run("policy", "check", str(path)) for path in (tmp_path, picture)]

    assert all("[policy.unreadable]" in each.err for each in refused)
    assert "cannot be read: Is a directory. Name a file that you may read." in " ".join(refused[0].err.split())
    assert "no text in UTF-8: byte 8" in " ".join(refused[1].err.split())
    assert "Errno" not in refused[0].err


# ── activate ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_is_put_in_force_with_an_administrators_secret(home: Path, file: Path, run: Run) -> None:
    done = run("policy", "activate", str(file), "--as", DANA, "--secret-stdin", "--json", stdin=f"{DANAS}\n")
    status = run("status", "--json").json

    assert (done.code, done.json["by"]) == (0, DANA)
    assert status["policy"]["version"] == done.json["version"]
    assert status["nobody_can_meet"]


@pytest.mark.parametrize(
    ("options", "stdin", "code"),
    [
        ([], "", "policy.admin_needed"),
        (["--as", DANA], "a wrong secret\n", "person.secret"),
        (["--as", "eve"], f"{DANAS}\n", "person.unknown"),
    ],
)
def test_nothing_else_puts_a_file_in_force(
    options: list[str], stdin: str, code: str, home: Path, file: Path, run: Run
) -> None:
    """THREATS 11 and 20."""
    before = run("status", "--json").json["policy"]["version"]
    refused = run("policy", "activate", str(file), *options, "--secret-stdin", "--json", stdin=stdin)

    assert (refused.code, refused.error) == (1, code)
    assert run("status", "--json").json["policy"]["version"] == before


def test_a_broken_file_is_not_put_in_force(home: Path, file: Path, run: Run) -> None:
    file.write_text("version: 1", encoding="utf-8")
    refused = run("policy", "activate", str(file), "--as", DANA, "--secret-stdin", "--json", stdin=f"{DANAS}\n")

    assert (refused.code, refused.error) == (1, "policy.invalid")


# ── try ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("arguments", "outcome", "action"),
    [
        (["create_refund", "amount=4000"], "allow", "refund.create"),
        (["create_refund", "amount=65000"], "require_approval", "refund.create"),
        (["create_refund"], "require_approval", "refund.create"),
        (["PostRefunds", "amount=4000", "charge=ch_1"], "allow", "refund.create"),
        (["POST /v1/refunds", "amount=65000", "currency=eur"], "require_approval", "refund.create"),
        (["POST /v1/charges/ch_1/refund", "amount=65000"], "require_approval", "refund.create"),
        (["create_payout", "amount=1500000", "--at", "2026-03-03 02:00"], "block", "payout.create"),
        (["create_payout", "amount=1500000", "currency=usd"], "require_approval", "payout.create"),
        (["create_transfer", "amount=100", "destination_paid_before=no"], "require_approval", "transfer.create"),
        (["cancel_subscription"], "require_approval", "subscription.cancel"),
        (["cancel_subscription", "at_period_end=true"], "require_approval", "subscription.cancel"),
        (["create_refund", "amount=4000", "amount_on_object=unknown"], "require_approval", "refund.create"),
        (["create_refund", "amount=4000", "metadata[order]=7"], "allow", "refund.create"),
        (["retrieve_balance"], "allow", "balance.retrieve"),
        (["GET /v1/balance"], "allow", "balance.retrieve"),
        (["POST /v1/never/heard/of"], "block", "unknown"),
    ],
)
def test_what_would_be_decided(arguments: list[str], outcome: str, action: str, home: Path, run: Run) -> None:
    tried = run("policy", "try", *arguments, "--json")

    assert tried.code == 0
    assert (tried.json["outcome"], tried.json["action"]) == (outcome, action)
    assert tried.json["looked_up"] is False


def test_numbers_of_the_second_namespace_may_be_written_as_on_any_command_line(home: Path, run: Run) -> None:
    """There, a number in quotes would be another thing than a number."""
    payment = ["amount[value]=65000", "amount[currency]=usd", "to[recipient]=acct_1", "to[payout_method]=usba_1"]
    tried = run("policy", "try", "PostV2MoneyManagementOutboundPayments", *payment, "--json")
    refused = run("policy", "try", "PostV2MoneyManagementOutboundPayments", "amount[value]=1e5", *payment[1:], "--json")

    assert tried.code == 0
    assert (refused.code, refused.error) == (2, "parameter.type")


def test_both_readings_of_an_amount_and_what_was_assumed_are_said(home: Path, run: Run) -> None:
    tried, as_json = (
        run("policy", "try", "create_refund", "amount=65000"),
        run("policy", "try", "create_refund", "amount=65000", "--json"),
    )

    assert "$650.00 USD (65000)" in tried.out
    assert "Nothing was looked up. Taken as neutral:" in tried.out
    assert "customer" in as_json.json["assumed"]
    assert as_json.json["amounts"][0]["text"] == "$650.00 USD (65000)"
    assert as_json.json["at"] == "2026-03-03T19:00:00Z"
    assert as_json.json["requirement"][0]["can_approve"] == [DANA]
    assert {"large-refunds", "refunds-an-hour"} <= {rule["id"] for rule in as_json.json["rules"]}


@pytest.mark.parametrize(
    ("arguments", "code", "hint"),
    [
        (["create_refnud", "amount=4000"], "parameter.operation", "Did you mean create_refund?"),
        (["stripe_api_write", "amount=4000"], "parameter.operation", "Name the operation itself"),
        (["create_refund", "amount=$40"], "parameter.amount", "Write amount=4000 for $40.00 USD."),
        (["create_refund", "amount=40.00"], "parameter.amount", "amount=65000 for $650.00"),
        (["create_refund", "amuont=4000"], "parameter.unknown", "Did you mean amount"),
        (["create_refund", "amount"], "parameter.form", "amount=65000"),
        (["create_refund", "amount=1", "amount=2"], "parameter.twice", ""),
        (["create_refund", "amount=1", "disputed=maybe"], "parameter.fact", ""),
        (["create_refund", "risk=0"], "parameter.unknown", ""),
        (["create_refund", "metadata[a=1"], "parameter.name", ""),
        (["create_refund", "metadata[a]=1", "metadata[a][b]=1"], "parameter.twice", ""),
        (["create_payout"], "parameter.missing", "Give"),
        (["create_refund", "amount=1", "--at", "yesterday"], "parameter.time", ""),
    ],
)
def test_what_no_request_could_be_is_refused(arguments: list[str], code: str, hint: str, home: Path, run: Run) -> None:
    refused = run("policy", "try", *arguments, "--json")

    assert (refused.code, refused.error) == (2, code)
    assert hint in refused.json["error"]["next_step"]


def test_a_file_can_be_tried_before_it_is_enforced(file: Path, run: Run) -> None:
    tried = run("policy", "try", "create_refund", "amount=6000", "--file", str(file), "--json")

    assert tried.json["outcome"] == "require_approval"
    assert tried.json["policy"] == str(file)
    assert tried.json["requirement"] == [{"groups": ["finance"], "people": 2, "can_approve": []}]


# ── facts ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_all_facts_are_listed(run: Run) -> None:
    listed, as_json = run("policy", "facts"), run("policy", "facts", "--json").json

    assert [fact["name"] for fact in as_json] == list(REGISTRY)
    assert all(fact["sentence"] and fact["type"] and fact["source"] for fact in as_json)
    assert "refund.create" in next(fact["actions"] for fact in as_json if fact["name"] == "amount")
    assert all(name in listed.out for name in REGISTRY)


def test_the_homes_own_file_is_the_default(home: Path, run: Run) -> None:
    assert (home / "policies.yaml").read_text(encoding="utf-8") == default_policy_text()
    assert run("policy", "check", "--json").json["file"] == str(home / "policies.yaml")
