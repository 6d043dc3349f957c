"""Answering a dispute: the bank takes one answer, and `submit` left out submits."""

from __future__ import annotations

import pytest

from runplane_mcp.core.effect import UNAVAILABLE, Effect
from runplane_mcp.core.effects import broken, reads
from runplane_mcp.core.facts import NONE, UNKNOWN
from runplane_mcp.core.money import Money
from tests.core.stripe_objects import GONE, charge, classified, effect

TEXT = {"uncategorized_text": "They ordered it."}


def dispute(**changes: object) -> dict[str, object]:
    return {
        "id": "dp_1",
        "object": "dispute",
        "amount": 41_000,
        "charge": charge(),
        "currency": "usd",
        "evidence": {"receipt": None, "customer_name": "Ada"},
        "status": "needs_response",
        **changes,
    }


def seen(held: object = None, **asked: object) -> Effect:
    return effect("PostDisputesDispute", {"dispute": held or dispute()}, dispute="dp_1", **asked)  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("asked", "groups"),
    [
        ({"evidence": TEXT}, {"disputes"}),
        ({"evidence": TEXT, "submit": True}, {"disputes"}),
        ({"submit": True}, {"disputes"}),
        ({"metadata": {"a": "b"}}, {"disputes"}),
        ({"evidence": TEXT, "submit": False}, set()),
        ({"metadata": {"a": "b"}, "submit": False}, set()),
        ({"intended_submission_method": "smart_disputes", "submit": False}, {"disputes"}),
    ],
)
def test_only_what_says_so_is_not_submitted(asked: dict[str, object], groups: set[str]) -> None:
    """THREATS row 4: weak evidence that is submitted gives the money away."""
    found = classified("PostDisputesDispute", dispute="dp_1", **asked)

    assert set(found.groups) == groups
    assert ("amount" in found.facts) == bool(groups)


def test_an_answer_says_how_much_is_at_stake_and_that_it_is_the_only_one() -> None:
    found = seen(evidence=TEXT)

    assert found.facts["amount"] == Money(41_000, "usd")
    assert (found.facts["customer"], found.facts["object"]) == ("cus_1", "dp_1")
    assert found.facts["reversible"] is False
    assert found.sentence == (
        "Submit evidence (uncategorized_text) to the bank in dispute dp_1 over $410.00 USD of customer cus_1: "
        "the bank takes one answer only."
    )
    assert ("charge description", "Order A-17") in found.quoted


def test_what_is_set_aside_can_be_changed() -> None:
    found = seen(evidence=TEXT, submit=False)

    assert found.facts["reversible"] is True
    assert found.sentence.startswith("Set evidence (uncategorized_text) aside for dispute dp_1")
    assert found.preconditions == ()


def test_what_was_set_aside_is_submitted_too_and_must_be_what_people_saw() -> None:
    found = seen(submit=True)
    changed = seen(dispute(evidence={"customer_name": "Mallory"}), submit=True)
    same = seen(dispute(evidence={"customer_name": "Ada", "service_date": None}), submit=True)

    assert found.sentence.startswith("Submit what was set aside to the bank")
    assert {each.name for each in found.preconditions} == {"amount", "evidence", "status"}
    assert [each.name for each in broken(found.preconditions, changed)] == ["evidence"]
    assert broken(found.preconditions, same) == ()


@pytest.mark.parametrize("status", ["won", "lost", "warning_closed"])
def test_a_dispute_that_is_over_takes_no_evidence(status: str) -> None:
    refusal = seen(dispute(status=status), evidence=TEXT).refusal

    assert refusal is not None
    assert refusal.code == "stripe.dispute_closed"
    assert seen(dispute(status=status), metadata={"a": "b"}).refusal is None


def test_a_dispute_that_is_not_there_is_refused() -> None:
    assert seen(GONE, evidence=TEXT).refusal is not None
    assert effect("PostDisputesDispute", {}, dispute="dp(1", evidence=TEXT).refusal is not None
    assert reads(classified("PostDisputesDispute", dispute="dp(1"), {}) == ()


def test_whose_dispute_it_is_comes_from_its_charge() -> None:
    assert seen(dispute(charge=charge(customer=None)), evidence=TEXT).facts["customer"] is NONE
    assert seen(dispute(charge="ch_1"), evidence=TEXT).facts["customer"] is UNKNOWN
    assert seen(UNAVAILABLE, evidence=TEXT).facts["amount"] is UNKNOWN


def test_many_names_are_counted_not_listed() -> None:
    found = seen(
        evidence=dict.fromkeys(("receipt", "service_date", "shipping_date", "customer_name", "refund_policy"), "x")
    )

    assert "(customer_name, receipt, refund_policy, service_date and 1 more)" in found.sentence
