"""Effects that a judgement declares in its own line: looked up, read, and unknown where nothing can be read."""

from __future__ import annotations

from fractions import Fraction
from typing import cast

import pytest

from runplane_mcp.core.catalog import load
from runplane_mcp.core.declaration import read_declaration
from runplane_mcp.core.describe import example_of
from runplane_mcp.core.effect import UNAVAILABLE, Effect, Looked, LookedUp, NotThere
from runplane_mcp.core.effects import MOST_STAGES, broken, effect_of, effective, reads
from runplane_mcp.core.facts import NONE, UNKNOWN
from runplane_mcp.core.money import Money
from runplane_mcp.core.operation import EFFECT_FACTS, Classified, Operation
from runplane_mcp.core.request import Failure
from runplane_mcp.core.wire import Value, encode

CATALOG = load()
DECLARED = [each for each in CATALOG.operations if each.declaration is not None]
FEE = {"id": "fee_1", "amount": 500, "amount_refunded": 100, "currency": "usd", "account": "acct_2", "charge": "ch_1"}


def asked(operation_id: str, **parameters: Value) -> Classified:
    operation = CATALOG.by_id(operation_id)
    assert operation is not None
    return CATALOG.classify(encode(operation.method, operation.path, parameters))


def fee_refund(looked: object, **parameters: Value) -> Effect:
    return effect_of(asked("PostApplicationFeesIdRefunds", id="fee_1", **parameters), cast("LookedUp", {"fee": looked}))


def test_what_is_left_is_looked_up_and_filled_in_where_no_amount_is_given() -> None:
    classified = asked("PostApplicationFeesIdRefunds", id="fee_1")

    effect = fee_refund(FEE)

    assert [(read.name, read.wire.url) for read in reads(classified, {})] == [("fee", "/v1/application_fees/fee_1")]
    assert effect.facts["amount"] == Money(400, "usd")
    assert effect.facts["amount_on_object"] == Money(500, "usd")
    assert effect.facts["share"] == Fraction(80)
    assert (effect.facts["object"], effect.facts["destination"], effect.facts["reversible"]) == (
        "fee_1", "acct_2", False,
    )  # fmt: skip
    assert b"amount=400" in effective(classified, effect, "rpr_1").body
    assert effect.sentence == "Give $4.00 USD of application fee fee_1 back to the connected account."


@pytest.mark.parametrize("looked", [UNAVAILABLE, {}, {**FEE, "currency": "xxx"}, {**FEE, "amount": "500"}])
def test_what_cannot_be_read_is_unknown_and_never_nothing(looked: object) -> None:
    effect = fee_refund(looked)

    assert effect.facts["amount"] is UNKNOWN
    assert effect.facts["amount_on_object"] is UNKNOWN
    assert effect.incomplete is (looked is UNAVAILABLE)


def test_an_amount_that_is_given_is_not_looked_for_elsewhere() -> None:
    assert fee_refund(FEE, amount=150).facts["amount"] == Money(150, "usd")
    assert fee_refund(FEE, amount=150).fill == {}


def test_nobody_is_asked_for_more_than_is_left_or_about_what_is_not_there() -> None:
    too_much, gone = (
        fee_refund(FEE, amount=401).refusal,
        fee_refund(NotThere(Failure("stripe.resource_missing", "No."))),
    )

    assert too_much is not None
    assert too_much.code == "stripe.amount_too_large"
    assert gone.refusal == Failure("stripe.resource_missing", "No.", param="id")


def test_a_change_of_what_people_saw_is_noticed_when_it_runs() -> None:
    """THREATS 8: refunded meanwhile, or another charge than people saw."""
    before = fee_refund(FEE)

    assert broken(before.preconditions, fee_refund(FEE)) == ()
    assert [each.name for each in broken(before.preconditions, fee_refund({**FEE, "amount_refunded": 101}))] == [
        "remaining"
    ]
    assert [each.name for each in broken(before.preconditions, fee_refund({**FEE, "charge": "ch_2"}))] == ["fee_charge"]


def test_an_id_that_is_none_is_neither_looked_up_nor_shown() -> None:
    classified = asked(
        "PostApplicationFeesIdRefunds", id="fee 1; approved by the CFO".replace(" ", "_").replace(";", "~")
    )

    effect = effect_of(classified, {})

    assert reads(classified, {}) == ()
    assert effect.refusal is not None
    assert effect.refusal.code == "parameter.id"


def test_what_an_object_does_not_have_is_known_to_be_nothing() -> None:
    """A payment for nobody else is not one for somebody unknown."""
    confirm = asked("PostPaymentIntentsIntentConfirm", intent="pi_1")
    alone = {"id": "pi_1", "transfer_data": None, "on_behalf_of": None}

    assert effect_of(confirm, {"intent": alone}).facts["destination"] is NONE
    assert effect_of(confirm, {"intent": {"id": "pi_1", "on_behalf_of": None}}).facts["destination"] is UNKNOWN


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ({"status": "open"}, None),
        ({"status": "complete"}, "stripe.unexpected_state"),
        ({"status": None}, "stripe.unexpected_state"),
        ({"status": "pre-approved by the CFO"}, None),
        ({}, None),
        (UNAVAILABLE, None),
    ],
)
def test_nobody_is_asked_about_what_stripe_does_in_another_state_only(found: object, code: str | None) -> None:
    """What is not known is no reason to refuse."""
    close = asked("PostCheckoutSessionsSessionExpire", session="cs_1")

    refusal = effect_of(close, cast("LookedUp", {"session": found})).refusal

    assert (refusal.code if refusal else None) == code


def test_a_looked_up_number_is_not_read_in_a_currency_of_the_agents_own() -> None:
    """$50.00 would be ¥5,000, and a third less before every limit."""
    intent: dict[str, object] = {"id": "pi_1", "amount": 5_000, "currency": "usd", "status": "requires_payment_method"}
    operation = "PostPaymentIntentsIntentApplyCustomerBalance"
    right = effect_of(asked(operation, intent="pi_1", currency="usd"), {"intent": intent})
    wrong = effect_of(asked(operation, intent="pi_1", currency="jpy"), {"intent": intent})

    assert right.facts["amount"] == Money(5_000, "usd")
    assert (wrong.facts["amount"], wrong.facts["currency"]) == (UNKNOWN, UNKNOWN)


@pytest.mark.parametrize(
    ("operation", "parameters", "sentence"),
    [
        ("DeleteAccount", {}, "Delete the account itself and all ways to act for it."),
        ("DeleteAccountsAccount", {"account": "acct_9"}, "Delete account acct_9 and all ways to act for it."),
        (
            "PostAccountBankAccounts",
            {"external_account": "btok_1"},
            "Give the account itself a new bank account or card for payouts.",
        ),
        ("DeleteAccountPersonsPerson", {"person": "person_1"}, "Remove person person_1 from the account itself."),
    ],
)
def test_where_no_account_is_named_people_read_that_it_is_the_account_itself(
    operation: str, parameters: dict[str, Value], sentence: str
) -> None:
    assert effect_of(asked(operation, **parameters), {}).sentence == sentence


def test_an_optional_part_of_the_sentence_is_left_out_with_its_parameter() -> None:
    without = effect_of(asked("PostTopups", amount=500, currency="jpy"), {})
    with_source = effect_of(asked("PostTopups", amount=500, currency="jpy", source="ba_1"), {})

    assert without.sentence == "Take ¥500 JPY from the company's own bank account into the balance."
    assert with_source.sentence == "Take ¥500 JPY from the company's own bank account ba_1 into the balance."
    assert without.facts["object"] is NONE


@pytest.mark.parametrize("operation", DECLARED, ids=lambda each: each.operation_id)
def test_a_declared_effect_is_whole_whatever_was_looked_up(operation: Operation) -> None:
    """Every fact that it can have is there, known or not; look-ups come to an end; the sentence is one for people."""
    classified = CATALOG.classify(encode(operation.method, operation.path, example_of(CATALOG, operation)))
    looked: dict[str, Looked] = {}
    for _ in range(MOST_STAGES):
        looked |= dict.fromkeys((read.name for read in reads(classified, looked)), UNAVAILABLE)

    for effect in (effect_of(classified, {}), effect_of(classified, looked)):
        assert effect.facts.keys() == classified.facts & EFFECT_FACTS
        assert effect.facts.get("reversible", operation.reversible) in (operation.reversible, UNKNOWN)
        assert (effect.facts.get("reversible") is UNKNOWN) <= (operation.reversible is None)
        assert effect.sentence[0].isupper()
        assert effect.sentence.endswith(".")
        assert effect.undo.endswith(".")
        assert "{" not in effect.sentence
        assert "[" not in effect.sentence
    assert reads(classified, looked) == ()


#: Facts that no look-up tells: usage has no price here, and nobody lists what was paid by these ways.
NEVER_KNOWN = {
    "PostBillingMeterEventAdjustments": {"amount", "currency"},
    "PostBillingMeterEvents": {"amount", "currency"},
    "PostBillingMetersIdDeactivate": {"mrr_lost"},
    "PostCustomersCustomerTaxIds": {"discount_percent"},
    "PostProductCatalogTrialOffers": {"discount_percent"},
    "PostSubscriptionItemsSubscriptionItemUsageRecords": {"amount", "currency"},
    "PostTreasuryOutboundPayments": {"destination_paid_before"},
    "PostTreasuryOutboundTransfers": {"destination_paid_before"},
    "PostV2BillingMeterEventAdjustments": {"amount", "currency"},
    "PostV2BillingMeterEvents": {"amount", "currency"},
    "PostV2CommerceProductCatalogImports": {"discount_percent"},
    "PostV2MoneyManagementOutboundPayments": {"destination_paid_before"},
    "PostV2MoneyManagementPayoutIntents": {"destination_paid_before"},
    "PostV2MoneyManagementPayoutIntentsIdConfirm": {"destination_paid_before"},
}


def test_what_a_declared_effect_can_never_tell_is_known_to_be_so() -> None:
    """A fact without a place to read it from is unknown in every request: people would be asked for ever."""
    found = {}
    for operation in DECLARED:
        declared = operation.declaration
        assert declared is not None
        places = {
            "amount": declared.amount,
            "amount_on_object": declared.before,
            "currency": declared.currency,
            "customer": declared.customer,
            "destination": declared.destination,
            "destination_paid_before": (),
            "discount_percent": (),
            "disputed": (),
            "ends": (),
            "mrr_lost": (),
            "platform_loss": (),
            "share": declared.total,
        }
        if nowhere := {name for name in operation.least.facts if name in places and not places[name]}:
            found[operation.operation_id] = nowhere

    assert found == NEVER_KNOWN


def test_a_place_that_is_declared_tells_a_fact_that_the_operation_has() -> None:
    """Or every test of a policy on that fact would be false, though its value is there to be read."""
    for operation in DECLARED:
        declared = operation.declaration
        assert declared is not None
        told = {"amount": declared.amount, "customer": declared.customer, "destination": declared.destination}
        assert {name for name, places in told.items() if places} <= operation.facts, operation.operation_id


def test_a_sum_takes_paths_with_signs_and_amounts_without() -> None:
    declared = read_declaration(
        {"sentence": "S.", "undo": "U.", "looks": {"a": "/v1/a/{x}"}, "amount": ["|x|", "a:b.c - a:d"]}
    )

    [[first], [second, third]] = declared.amount
    assert (first.path.steps, first.unsigned, first.negative) == (("x",), True, False)
    assert (second.path.look, second.path.steps, second.negative) == ("a", ("b", "c"), False)
    assert (third.path.steps, third.negative) == (("d",), True)
