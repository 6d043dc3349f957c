from __future__ import annotations

import pytest
import stripe

from runplane_mcp.simulator import SEED
from tests.simulator.world import DAY, World


def answer(sdk: stripe.StripeClient, id: str, text: str, *, submit: bool | None = None) -> stripe.Dispute:
    if submit is None:
        return sdk.v1.disputes.update(id, {"evidence": {"uncategorized_text": text}})
    return sdk.v1.disputes.update(id, {"evidence": {"uncategorized_text": text}, "submit": submit})


def test_evidence_is_set_aside_changed_and_then_sent_once(sdk: stripe.StripeClient) -> None:
    first = answer(sdk, SEED.dispute, "weak", submit=False)
    second = sdk.v1.disputes.update(SEED.dispute, {"evidence": {"receipt": "file_1"}, "submit": False})
    sent = sdk.v1.disputes.update(SEED.dispute, {"submit": True})

    assert (first.status, first.evidence_details.has_evidence, first.evidence_details.submission_count) == (
        "needs_response",
        True,
        0,
    )
    assert (second.evidence.uncategorized_text, second.evidence.receipt) == ("weak", "file_1")
    assert (sent.status, sent.evidence_details.submission_count) == ("under_review", 1)
    with pytest.raises(stripe.InvalidRequestError):
        answer(sdk, SEED.dispute, "better")


def test_evidence_without_a_word_on_submitting_is_submitted(sdk: stripe.StripeClient) -> None:
    assert answer(sdk, SEED.dispute, "weak").status == "under_review"
    assert answer(sdk, SEED.inquiry, "weak").status == "warning_under_review"


def test_metadata_alone_submits_nothing(sdk: stripe.StripeClient) -> None:
    changed = sdk.v1.disputes.update(SEED.dispute, {"metadata": {"case": "7"}})

    assert (changed.status, changed.metadata["case"]) == ("needs_response", "7")


def test_winning_brings_the_money_back_and_losing_does_not(world: World) -> None:
    before = world.available()
    won = world.post(f"/v1/disputes/{SEED.dispute}", evidence={"uncategorized_text": "winning_evidence"})

    assert won["status"] == "won"
    assert world.available() == before + 41_000
    assert [each["amount"] for each in won["balance_transactions"]] == [-41_000, 41_000]
    assert world.post("/v1/refunds", charge=SEED.charge_disputed)["amount"] == 41_000
    events = {event["type"] for event in world.get("/v1/events")["data"]}
    assert {"charge.dispute.closed", "charge.dispute.funds_reinstated", "charge.dispute.updated"} <= events


def test_losing_leaves_the_money_where_it_is(world: World) -> None:
    before = world.available()
    lost = world.post(f"/v1/disputes/{SEED.dispute}", evidence={"uncategorized_text": "losing_evidence"})

    assert (lost["status"], world.available()) == ("lost", before)
    assert world.refused("POST", "/v1/refunds", charge=SEED.charge_disputed)[1]["code"] == "charge_disputed"


def test_a_dispute_that_nobody_answers_is_lost(world: World) -> None:
    world.clock.now += 9 * DAY

    assert world.get(f"/v1/disputes/{SEED.dispute}")["status"] == "lost"
    assert world.get(f"/v1/disputes/{SEED.inquiry}")["status"] == "warning_closed"
    status, _ = world.refused("POST", f"/v1/disputes/{SEED.dispute}", evidence={"uncategorized_text": "late"})
    assert status == 400


def test_evidence_has_a_bound_and_known_names(world: World) -> None:
    long = {"uncategorized_text": "x" * 150_001}

    assert world.refused("POST", f"/v1/disputes/{SEED.dispute}", evidence=long)[0] == 400
    assert (
        world.refused("POST", f"/v1/disputes/{SEED.dispute}", evidence={"lies": "x"})[1]["code"] == "parameter_unknown"
    )
