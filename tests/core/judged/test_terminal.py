"""Card readers: other paths to a payment and to a refund, and what stands on a device that people trust (THREATS 4)."""

from __future__ import annotations

import pytest

from runplane_mcp.core.catalog import load
from runplane_mcp.core.effect import UNAVAILABLE, Looked
from runplane_mcp.core.effects import broken, effective, reads
from runplane_mcp.core.facts import NONE, UNKNOWN, FactValue
from runplane_mcp.core.money import Money
from tests.core.stripe_objects import GONE, charge, classified, effect
from tests.core.stripe_objects import intent as with_charge

CATALOG = load()
REFUND = "PostTerminalReadersReaderRefundPayment"
INTENT = {
    "id": "pi_1",
    "amount": 50_000,
    "currency": "usd",
    "customer": None,
    "customer_account": None,
    "on_behalf_of": None,
    "status": "requires_payment_method",
    "transfer_data": None,
}
AT = {"reader": "tmr_1", "payment_intent": "pi_1"}
PAYS = (
    "PostTerminalReadersReaderProcessPaymentIntent",
    "PostTerminalReadersReaderConfirmPaymentIntent",
    "PostTerminalReadersReaderCollectPaymentMethod",
)


def test_a_refund_at_a_reader_is_a_refund_of_all_that_is_left() -> None:
    asked = classified(REFUND, **AT)
    looked: dict[str, Looked] = {"payment_intent": with_charge(charge(amount_refunded=30_000))}
    found = effect(REFUND, looked, **AT)

    assert asked.groups == {"refunds"}
    assert asked.operation.money_out
    assert (found.facts["amount"], found.facts["amount_on_object"], found.facts["customer"]) == (
        Money(60_000, "usd"), Money(90_000, "usd"), "cus_1",
    )  # fmt: skip
    assert found.sentence == ("Refund $600.00 USD of charge ch_1 to customer cus_1 at reader tmr_1: all that remains.")
    assert b"amount=60000" in effective(asked, found, "rpr_1").body
    assert (
        broken(found.preconditions, effect(REFUND, {"payment_intent": with_charge(charge(amount_refunded=1))}, **AT))
        == ()
    )
    assert broken(
        found.preconditions, effect(REFUND, {"payment_intent": with_charge(charge(amount_refunded=30_001))}, **AT)
    )


@pytest.mark.parametrize("name", ["amount", "charge", "payment_intent", "reverse_transfer"])
def test_a_refund_at_a_reader_has_the_facts_of_any_other(name: str) -> None:
    ours, other = CATALOG.by_id(REFUND), CATALOG.by_id("PostRefunds")

    assert ours is not None
    assert other is not None
    assert name in ours.params
    assert (ours.facts, ours.effect, ours.groups) == (other.facts, other.effect, other.groups)


@pytest.mark.parametrize(
    ("asked", "looked", "code"),
    [
        ({"reader": "tmr_1"}, {}, "parameter.missing"),
        ({**AT, "charge": "ch_1"}, {}, "parameter.conflict"),
        ({"reader": "tmr~1", "charge": "ch_1"}, {}, "parameter.id"),
        ({"reader": "tmr_1", "charge": "ch_1", "amount": 90_001}, {"charge": charge()}, "stripe.amount_too_large"),
        (
            {"reader": "tmr_1", "charge": "ch_1"},
            {"charge": charge(amount_refunded=90_000)},
            "stripe.charge_already_refunded",
        ),
        ({"reader": "tmr_1", "charge": "ch_1"}, {"charge": GONE}, "stripe.resource_missing"),
    ],
)
def test_a_refund_at_a_reader_that_can_not_be_is_refused(
    asked: dict[str, object], looked: dict[str, Looked], code: str
) -> None:
    refusal = effect(REFUND, looked, **asked).refusal

    assert refusal is not None
    assert refusal.code == code


@pytest.mark.parametrize("operation", PAYS)
@pytest.mark.parametrize(
    ("held", "facts"),
    [
        (INTENT, {"amount": Money(50_000, "usd"), "customer": NONE, "destination": NONE, "object": "pi_1"}),
        ({**INTENT, "customer": "cus_1"}, {"customer": "cus_1"}),
        ({**INTENT, "transfer_data": {"destination": "acct_9"}}, {"destination": "acct_9"}),
        (UNAVAILABLE, {"amount": UNKNOWN, "customer": UNKNOWN, "destination": UNKNOWN}),
    ],
)
def test_a_reader_is_another_way_to_make_a_payment(operation: str, held: Looked, facts: dict[str, FactValue]) -> None:
    found = effect(operation, {"intent": held}, **AT)

    assert classified(operation, **AT).groups == {"charges"}
    assert {name: found.facts[name] for name in facts} == facts


@pytest.mark.parametrize("operation", PAYS)
def test_a_payment_that_is_over_or_a_reader_that_is_not_ours_comes_before_nobody(operation: str) -> None:
    over = effect(operation, {"intent": {**INTENT, "status": "canceled"}}, **AT).refusal
    gone = effect(operation, {"intent": INTENT, "reader": GONE}, **AT).refusal

    assert [read.wire.url for read in reads(classified(operation, **AT), {})] == [
        "/v1/payment_intents/pi_1",
        "/v1/terminal/readers/tmr_1",
    ]
    assert over is not None
    assert gone is not None
    assert (over.code, gone.code, gone.param) == ("stripe.unexpected_state", "stripe.resource_missing", "reader")


@pytest.mark.parametrize(
    ("operation", "asked", "groups", "facts"),
    [
        ("PostTerminalConnectionTokens", {}, {"access"}, {"gives_access": True}),
        (
            "PostTerminalOnboardingLinks",
            {
                "link_type": "apple_terms_and_conditions",
                "link_options": {"apple_terms_and_conditions": {"merchant_display_name": "Shop"}},
                "on_behalf_of": "acct_9",
            },
            {"access"},
            {"gives_access": True},
        ),
        ("PostTerminalReaders", {"registration_code": "apple-pear"}, {"access"}, {"gives_access": True}),
        (
            "PostTerminalReadersReaderCollectInputs",
            {"reader": "tmr_1", "inputs": [{"type": "numeric"}]},
            {"access"},
            {},
        ),
        (
            "PostTerminalReadersReaderProcessSetupIntent",
            {"reader": "tmr_1", "setup_intent": "seti_1", "allow_redisplay": "always"},
            {"charges"},
            {},
        ),
        ("PostTerminalConfigurations", {"name": "x", "tipping": {"usd": {"percentages": [10]}}}, set(), {}),
        (
            "PostTerminalConfigurations",
            {"reader_security": {"admin_menu_passcode": "000000"}},
            {"access"},
            {"gives_access": True},
        ),
        (
            "PostTerminalConfigurationsConfiguration",
            {"configuration": "tmc_1", "wifi": {"type": "personal_psk"}},
            {"access"},
            {"gives_access": True},
        ),
        (
            "PostTerminalConfigurationsConfiguration",
            {"configuration": "tmc_1", "wifi": ""},
            {"access"},
            {"gives_access": True},
        ),
        (
            "PostTerminalConfigurationsConfiguration",
            {"configuration": "tmc_1", "offline": {"enabled": True}},
            {"charges"},
            {"bulk": True},
        ),
        (
            "PostTerminalConfigurationsConfiguration",
            {"configuration": "tmc_1", "name": "x"},
            set(),
            {"object": "tmc_1"},
        ),
        (
            "PostTerminalLocationsLocation",
            {"location": "tml_1", "configuration_overrides": "tmc_2"},
            {"access"},
            {"bulk": True},
        ),
        ("PostTerminalLocationsLocation", {"location": "tml_1", "phone": ""}, set(), {}),
        ("PostTerminalReadersReader", {"reader": "tmr_1", "label": ""}, set(), {"object": "tmr_1"}),
        ("PostTerminalReadersReaderCancelAction", {"reader": "tmr_1"}, set(), {}),
        ("DeleteTerminalReadersReader", {"reader": "tmr_1"}, {"deletions"}, {"reversible": False}),
        ("DeleteTerminalLocationsLocation", {"location": "tml_1"}, {"deletions"}, {"reversible": False}),
        ("DeleteTerminalConfigurationsConfiguration", {"configuration": "tmc_1"}, {"deletions"}, {"reversible": False}),
    ],
)
def test_what_opens_a_reader_or_takes_it_away_is_seen(
    operation: str, asked: dict[str, object], groups: set[str], facts: dict[str, FactValue]
) -> None:
    found = effect(operation, {}, **asked)

    assert set(classified(operation, **asked).groups) == groups
    assert {name: found.facts.get(name) for name in facts} == facts


def test_what_hands_out_a_way_to_readers_is_a_secret_answer() -> None:
    opening = {
        each.operation_id
        for each in CATALOG.operations
        if each.secret_answer and "/terminal/" in each.path and each.judged
    }

    assert opening == {"PostTerminalConnectionTokens", "PostTerminalOnboardingLinks"}
