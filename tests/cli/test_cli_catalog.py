"""`runplane catalog`: every operation of Stripe's with how it is judged, for people, for pipes and for programs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace

import pexpect
import pytest
from rich.console import Console

from runplane_mcp.cli.catalog_page import groups_view, listing, operation_view
from runplane_mcp.core.catalog import load
from runplane_mcp.core.facts import GROUP_SENTENCES, GROUPS
from runplane_mcp.core.operation import Operation
from tests.cli.conftest import CHECKOUT, Run

CATALOG = load()


def printed(view: object, width: int) -> str:
    console = Console(width=width, markup=False, emoji=False, highlight=False, legacy_windows=False)
    with console.capture() as captured:
        console.print(view)
    return captured.get()


# ── list ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_listing_for_programs_holds_the_fields_that_scripts_are_written_against(run: Run) -> None:
    rows = run("catalog", "list", "--json").json

    assert len(rows) == len(CATALOG.operations) == 1129
    assert [row["operation_id"] for row in rows] == [each.operation_id for each in CATALOG.operations]
    refund = next(row for row in rows if row["operation_id"] == "PostRefunds")
    assert refund == {
        "method": "POST",
        "path": "/v1/refunds",
        "operation_id": "PostRefunds",
        "action": "refund.create",
        "groups": ["refunds"],
        "kind": "write",
        "effects": ["money out"],
        "reversible": False,
        "availability": "ga",
        "alias_of": None,
        "judged": True,
        "money_out": True,
        "secret_answer": False,
        "reason": "Gives a charge's money back, all that remains if no amount is given. Cannot be undone.",
    }


def test_groups_are_all_that_parameters_can_make_of_an_operation(run: Run) -> None:
    rows = run("catalog", "list", "--group", "cancellations", "--json").json

    assert "PostSubscriptionsSubscriptionExposedId" in {row["operation_id"] for row in rows}
    assert all("cancellations" in row["groups"] for row in rows)


@pytest.mark.parametrize(
    ("arguments", "operation_id", "other"),
    [
        (["--group", "refunds"], "PostChargesChargeRefund", "PostPayouts"),
        (["--action", "subscription.cancel"], "PostSubscriptionsSubscriptionExposedId", "PostRefunds"),
        (["--kind", "read"], "GetBalance", "PostRefunds"),
        (["--judged"], "PostRefunds", "PostGiftCards"),
        (["--unjudged"], "PostGiftCards", "PostRefunds"),
        (["REFUND", "Gives", "back"], "PostRefunds", "GetRefunds"),
        (["create_refund"], "PostRefunds", "PostChargesChargeRefund"),
        (["topup", "--kind", "write"], "PostTopups", "GetTopups"),
    ],
)
def test_filters_keep_what_fits_and_nothing_else(run: Run, arguments: list[str], operation_id: str, other: str) -> None:
    found = {row["operation_id"] for row in run("catalog", "list", *arguments, "--json").json}

    assert operation_id in found
    assert other not in found


def test_judged_and_unjudged_are_all_there_is(run: Run) -> None:
    judged, unjudged = (len(run("catalog", "list", which, "--json").json) for which in ("--judged", "--unjudged"))

    assert judged + unjudged == len(CATALOG.operations)


def test_a_pipe_gets_one_plain_line_for_each_operation(run: Run) -> None:
    lines = run("catalog", "list").out.splitlines()

    assert len(lines) == len(CATALOG.operations)
    assert all(each.path in line for each, line in zip(CATALOG.operations, lines, strict=True))
    assert "refund.create                        POST   /v1/refunds" in "\n".join(lines)
    assert not any("\x1b" in line or line != line.rstrip() for line in lines)


def test_a_reader_that_closes_the_pipe_early_is_no_failure() -> None:
    listed = subprocess.Popen(
        [sys.executable, "-m", "runplane_mcp", "catalog", "list"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=CHECKOUT,
        env=os.environ,
    )
    assert listed.stdout is not None
    assert listed.stderr is not None
    first = listed.stdout.readline()
    listed.stdout.close()
    complaint = listed.stderr.read()
    listed.stderr.close()
    listed.wait(timeout=30)

    assert first.startswith(b"oauth.deauthorize")
    assert complaint == b""


@pytest.mark.parametrize("width", [80, 120])
def test_a_listing_fits_the_terminal_and_loses_nothing(width: int) -> None:
    text = printed(listing(CATALOG.operations), width)
    run_together = "".join(text.split())

    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    assert all(each.method in run_together for each in CATALOG.operations)
    assert "refund.create" in text
    assert "/v1/refunds" in text


def test_a_terminal_gets_a_table_and_where_to_go_from_there() -> None:
    command = ["-m", "runplane_mcp", "catalog", "list", "--group", "payouts"]
    terminal = pexpect.spawn(sys.executable, command, cwd=str(CHECKOUT), encoding="utf-8", timeout=30)
    terminal.expect("ACTION")
    terminal.expect("payout.create")
    terminal.expect("[0-9]+ of 1,129 operations. One of them: runplane catalog show NAME")
    terminal.expect(pexpect.EOF)
    terminal.close()

    assert terminal.exitstatus == 0


def test_everyday_words_that_nothing_holds_list_what_they_probably_mean(run: Run) -> None:
    rows = run("catalog", "list", "end", "somebody's", "subscription", "--json").json
    writes = run("catalog", "list", "give", "my", "money", "back", "--kind", "read", "--json").json

    assert "DeleteSubscriptionsSubscriptionExposedId" in [row["operation_id"] for row in rows[:3]]
    assert len(rows) <= 10
    assert {row["kind"] for row in writes} == {"read"}


def test_nothing_found_is_said(run: Run) -> None:
    assert run("catalog", "list", "qqqq-zzzz").out == "There is no such operation.\n"
    assert run("catalog", "list", "qqqq-zzzz", "--json").json == []


@pytest.mark.parametrize(
    ("arguments", "code", "nearest"),
    [
        (["list", "--group", "refund"], "usage.group", "Did you mean refunds?"),
        (["list", "--action", "refund.creat"], "usage.action", "Did you mean refund.create?"),
        (["show", "create_refnd"], "usage.operation", "Did you mean create_refund?"),
        (["show", "PostRefund"], "usage.operation", "Did you mean PostRefunds?"),
        (["show", "refund.creat"], "usage.operation", "Did you mean refund.create?"),
        (["show", "POST", "/v1/refund"], "usage.operation", "Did you mean POST /v1/refunds?"),
        (["show", "refunds"], "usage.operation", "runplane catalog list --group refunds"),
        (["show", "list_requests"], "usage.operation", "a tool for an agent's own requests"),
        (["show", "stripe_api_write"], "usage.operation", "a tool for any operation"),
        (["show", "stripe_api_search"], "usage.operation", "a tool for any operation"),
        (["show", "\x1b[2J\u202e" + "x" * 100_000], "usage.operation", "runplane catalog list"),
    ],
)
def test_a_name_that_there_is_not_is_answered_with_the_nearest(
    run: Run, arguments: list[str], code: str, nearest: str
) -> None:
    refused, as_json = run("catalog", *arguments), run("catalog", *arguments, "--json")

    assert refused.code == as_json.code == 2
    assert as_json.error == code
    assert nearest in refused.err
    assert "\x1b" not in refused.err
    assert len(refused.err) < 400


# ── show ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (["PostRefunds"], ["PostRefunds"]),
        (["create_refund"], ["PostRefunds"]),
        (["refund.create"], ["PostRefunds"]),
        (["POST", "/v1/refunds"], ["PostRefunds"]),
        (["POST /v1/charges/{charge}/refund"], ["PostChargesChargeRefund"]),
        (["post", "/v1/charges/ch_1/refund"], ["PostChargesChargeRefund"]),
        (
            ["cancel_subscription"],
            ["DeleteSubscriptionsSubscriptionExposedId", "PostSubscriptionsSubscriptionExposedId"],
        ),
        (
            ["subscription.cancel"],
            ["DeleteSubscriptionsSubscriptionExposedId", "PostSubscriptionsSubscriptionExposedId"],
        ),
    ],
)
def test_an_operation_is_found_by_each_of_its_names(run: Run, name: list[str], found: list[str]) -> None:
    assert [each["operation_id"] for each in run("catalog", "show", *name, "--json").json] == found


def test_a_page_holds_all_that_is_known(run: Run) -> None:
    page = run("catalog", "show", "PostSubscriptionsSubscriptionExposedId").out
    words = " ".join(page.split())

    for known in (
        "POST /v1/subscriptions/{subscription_exposed_id}",
        "Action subscription.update",
        "Groups cancellations, charges, credits, discounts",
        "Effects revenue lost, redirects funds",
        "Can be undone it depends",
        "Tools cancel_subscription, update_subscription",
        "Other paths POST /v1/customers/{customer}/subscriptions/{subscription_exposed_id}",
        "subscription_exposed_id string path, required",
        "cancel_at integer or string or unset body",
        "mrr_lost Recurring revenue lost each month.",
        "When cancel_at_period_end is true",
        "Then it is subscription.cancel",
    ):
        assert known in words


def test_a_page_for_programs_holds_the_same(run: Run) -> None:
    [shown] = run("catalog", "show", "DeleteSubscriptionsSubscriptionExposedId", "--json").json

    assert shown["parameters"][0] == {
        "name": "subscription_exposed_id", "type": "string", "required": True, "in": "path",
    }  # fmt: skip
    assert shown["effect"] == "subscription_cancel"
    assert "mrr_lost" in shown["facts"]
    assert shown["variants"][0]["groups"] == ["cancellations"]
    assert shown["variants"][0]["if_given"] == {"invoice_now": "false", "prorate": "false"}
    assert shown["aliases"] == ["DELETE /v1/customers/{customer}/subscriptions/{subscription_exposed_id}"]
    assert shown["tools"] == ["cancel_subscription"]


def test_what_nobody_judged_says_so_and_what_that_means(run: Run) -> None:
    page = " ".join(run("catalog", "show", "PostGiftCards").out.split())

    assert "Nobody has judged it yet." in page
    assert "it counts as the worst" in page
    assert "Can be undone" not in page


def widest(operation: Operation, width: int) -> int:
    return max(map(len, printed(operation_view(CATALOG, operation), width).splitlines()))


@pytest.mark.slow
@pytest.mark.parametrize("width", [80, 120])
def test_the_fullest_pages_and_every_seventh_fit_the_terminal(width: int) -> None:
    for number, operation in enumerate(CATALOG.operations):
        if number % 7 == 0 or len(operation.params) > 30 or len(operation.path) > 80:
            assert widest(operation, width) <= width, operation.operation_id


@pytest.mark.slow
@pytest.mark.parametrize("width", [80, 120])
def test_every_page_fits_the_terminal(width: int) -> None:
    for operation in CATALOG.operations:
        assert widest(operation, width) <= width, operation.operation_id


def test_a_reason_is_never_cut() -> None:
    operation = replace(CATALOG.operations[0], judged=True, reason="why " * 100 + "end.")

    assert "end." in printed(operation_view(CATALOG, operation), 80)


# ── groups ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_group_is_shown_with_what_it_means_and_what_is_in_it(run: Run) -> None:
    shown, as_json = run("catalog", "groups").out, run("catalog", "groups", "--json").json

    assert [each["group"] for each in as_json] == list(GROUPS)
    for name, sentence in GROUP_SENTENCES.items():
        assert f"{name}\n{sentence}\n" in shown
    refunds = as_json[0]
    assert {"credit_note.create", "refund.create"} <= set(refunds["actions"])
    assert {"PostCreditNotes", "PostRefunds"} <= set(refunds["operations"])
    assert re.search(
        r"subscription\.cancel, subscription\.update +POST /v1/subscriptions/\{subscription_exposed_id\}", shown
    )


@pytest.mark.parametrize("width", [80, 120])
def test_the_groups_fit_the_terminal(width: int) -> None:
    assert max(map(len, printed(groups_view(CATALOG), width).splitlines())) <= width


def test_the_catalog_needs_no_home(run: Run) -> None:
    assert run("catalog", "groups").code == 0
    assert run("catalog", "show", "PostRefunds").code == 0
