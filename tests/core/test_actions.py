"""Names of actions: by rule, Stripe's own where Stripe has one, and the same tomorrow as today.

A policy names actions, and limits are kept under them: a name that changes unseen opens what it closed. So all names stand
in a file that a person has read, and a rename is a line of a diff. `RUNPLANE_GOLDEN=write` writes it anew.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runplane_mcp.core.actions import action_of, is_verb, singular
from runplane_mcp.core.catalog import load
from runplane_mcp.core.policy.condition_reader import ACTION_NAME
from runplane_mcp.core.wire import path_parameters

GOLDEN = Path(__file__).parent / "golden" / "actions.txt"
OPERATIONS = [each for each in load().operations if each.alias_of is None]

WORDS = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=20).filter(lambda word: word.strip("_") == word)
STEPS = st.one_of(
    WORDS,
    WORDS.map(lambda word: f"{{{word}}}"),
    st.sampled_from(["refunds", "cancel", "mark_uncollectible", "settings", "me", "credit_notes", "search", "v2"]),
)
PATHS = st.lists(STEPS, min_size=1, max_size=6).map(lambda steps: "/v1/" + "/".join(steps))
METHODS = st.sampled_from(["GET", "POST", "DELETE"])


def test_every_name_is_one_that_a_person_has_read() -> None:
    lines = "".join(f"{each.action:<60} {each.method:<6} {each.path}\n" for each in OPERATIONS)
    if os.environ.get("RUNPLANE_GOLDEN") == "write":
        GOLDEN.write_text(lines, encoding="utf-8")

    assert lines.splitlines() == GOLDEN.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(
    ("method", "path", "action"),
    [
        # Names of Stripe's own approvals.
        ("POST", "/v1/refunds", "refund.create"),
        ("POST", "/v1/payouts", "payout.create"),
        ("POST", "/v1/transfers", "transfer.create"),
        ("POST", "/v1/disputes/{dispute}/close", "dispute.close"),
        ("POST", "/v1/subscriptions/{subscription_exposed_id}", "subscription.update"),
        ("POST", "/v1/payment_intents", "payment_intent.create"),
        ("POST", "/v1/topups", "topup.create"),
        # Names of its libraries' methods, the resource in the singular.
        ("DELETE", "/v1/subscriptions/{subscription_exposed_id}", "subscription.cancel"),
        ("DELETE", "/v1/customers/{customer}", "customer.delete"),
        ("GET", "/v1/customers/{customer}", "customer.retrieve"),
        ("GET", "/v1/customers", "customer.list"),
        ("GET", "/v1/customers/search", "customer.search"),
        ("GET", "/v1/balance", "balance.retrieve"),
        ("POST", "/v1/balance_settings", "balance_settings.update"),
        ("POST", "/v1/payment_intents/{intent}/capture", "payment_intent.capture"),
        ("POST", "/v1/invoices/{invoice}/mark_uncollectible", "invoice.mark_uncollectible"),
        ("POST", "/v1/invoices/create_preview", "invoice.create_preview"),
        ("POST", "/v1/transfers/{id}/reversals", "transfer_reversal.create"),
        ("POST", "/v1/customers/{customer}/balance_transactions", "customer_balance_transaction.create"),
        ("POST", "/v1/billing/credit_grants", "billing_credit_grant.create"),
        ("POST", "/v1/credit_notes/{id}/void", "credit_note.void"),
        ("POST", "/v1/apps/secrets/delete", "apps_secret.delete"),
        ("GET", "/v2/network/business_profiles/me", "network_business_profile.retrieve"),
        ("POST", "/v1/test_helpers/refunds/{refund}/expire", "test_helpers_refund.expire"),
        ("POST", "/oauth/token", "oauth_token.create"),
        # What it can make no sense of has a name all the same.
        ("POST", "/", "stripe.create"),
        ("", "", "stripe.create"),
        ("POST", "/v1/cancel", "cancel.create"),
    ],
)
def test_names_are_stripes_own_where_stripe_has_one(method: str, path: str, action: str) -> None:
    assert action_of(method, path) == action


@given(st.text(max_size=60), st.text(max_size=200))
def test_anything_has_a_name(method: str, path: str) -> None:
    resource, dot, verb = action_of(method, path).rpartition(".")

    assert (bool(resource), dot, bool(verb)) == (True, ".", True)


@given(METHODS, PATHS)
@example("GET", "/v1/s/cancel/a")
def test_every_path_has_a_name_that_a_policy_can_write(method: str, path: str) -> None:
    assert ACTION_NAME.fullmatch(action_of(method, path))


@given(METHODS, PATHS, WORDS)
def test_what_stripe_calls_a_value_in_the_path_changes_no_name(method: str, path: str, word: str) -> None:
    renamed = re.sub(r"\{[^}]*\}", f"{{{word}}}", path)

    assert action_of(method, renamed) == action_of(method, path)


@given(METHODS, PATHS)
def test_a_read_is_never_called_as_a_write_is(method: str, path: str) -> None:
    """But for verbs that stand in the path itself, which the catalog's own names are checked for below."""
    verb = action_of(method, path).rpartition(".")[2]
    last = path.rpartition("/")[2]

    if not is_verb(last):
        assert (verb in {"list", "retrieve"}) == (method == "GET") or verb == "cancel"


def test_no_action_both_reads_and_writes() -> None:
    kinds = defaultdict(set)
    for each in load().operations:
        for judged in each.judgements:
            kinds[judged.action].add(each.kind)

    assert [action for action, found in kinds.items() if len(found) > 1] == []


def test_a_name_stands_for_one_operation_or_for_two_that_do_the_same() -> None:
    """Where two share a name, a policy that names it means both: that must be said here."""
    routes = defaultdict(set)
    for each in OPERATIONS:
        routes[action_of(each.method, each.path)].add(f"{each.method} {each.path}")

    assert {action: found for action, found in routes.items() if len(found) > 1} == {
        "account.retrieve": {"GET /v1/account", "GET /v1/accounts/{account}"},
        "billing_meter_event.create": {"POST /v1/billing/meter_events", "POST /v2/billing/meter_events"},
        "billing_meter_event_adjustment.create": {
            "POST /v1/billing/meter_event_adjustments",
            "POST /v2/billing/meter_event_adjustments",
        },
        "network_business_profile.retrieve": {
            "GET /v2/network/business_profiles/me",
            "GET /v2/network/business_profiles/{id}",
        },
        "reporting_report_run.create": {"POST /v1/reporting/report_runs", "POST /v2/reporting/report_runs"},
        "reporting_report_run.retrieve": {
            "GET /v1/reporting/report_runs/{report_run}",
            "GET /v2/reporting/report_runs/{id}",
        },
    }


def test_a_verb_in_the_path_of_the_catalog_is_known_as_one() -> None:
    """A POST to something in the middle of which an id stands, whose last word is no plural, does something to it: if the
    rule took that word for a thing, its name would end in `create`."""
    wrong = [
        f"{each.method} {each.path}"
        for each in OPERATIONS
        if each.method == "POST"
        and path_parameters(each.path)
        and not each.path.endswith("}")
        and singular(last := each.path.rpartition("/")[2]) == last
        and each.action.endswith(".create")
    ]

    assert wrong == [
        "POST /v1/crypto/onramp_sessions/{id}/quote",
        "POST /v1/test_helpers/issuing/disputes/{dispute}/provisional_credit",
        "POST /v2/money_management/payout_intents/{id}/fx_quote",
    ]


@pytest.mark.parametrize(
    ("many", "one"),
    [
        ("reversals", "reversal"),
        ("batches", "batch"),
        ("taxes", "tax"),
        ("fee_entries", "fee_entry"),
        ("addresses", "address"),
        ("address", "address"),
        ("balance_settings", "balance_settings"),
        ("cash_balance", "cash_balance"),
        ("pdf", "pdf"),
        ("", ""),
    ],
)
def test_one_of_a_collection(many: str, one: str) -> None:
    assert singular(many) == one
