from __future__ import annotations

from typing import Any

import pytest
import stripe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runplane_mcp.simulator import SEED
from tests.simulator.world import World


def test_a_refund_without_an_amount_returns_the_whole_charge(sdk: stripe.StripeClient) -> None:
    refund = sdk.v1.refunds.create({"payment_intent": SEED.payment_intent_900})

    assert refund.amount == 90_000
    assert refund.charge == SEED.charge_900
    assert refund.status == "succeeded"
    charge = sdk.v1.charges.retrieve(SEED.charge_900)
    assert (charge.amount_refunded, charge.refunded) == (90_000, True)


def test_partial_refunds_add_up_and_the_last_takes_what_remains(world: World) -> None:
    for amount in (10_000, 25_000):
        world.post("/v1/refunds", charge=SEED.charge_900, amount=amount)

    last = world.post("/v1/refunds", charge=SEED.charge_900)

    assert last["amount"] == 55_000
    assert world.get(f"/v1/charges/{SEED.charge_900}")["refunded"] is True


def test_a_refund_beyond_what_remains_is_refused(sdk: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        sdk.v1.refunds.create({"charge": SEED.charge_partly_refunded, "amount": 18_001})

    assert refused.value.http_status == 400
    assert refused.value.param == "amount"
    assert "$180.01" in str(refused.value)
    assert "$180.00" in str(refused.value)


def test_a_refunded_charge_is_not_refunded_again(sdk: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        sdk.v1.refunds.create({"payment_intent": SEED.payment_intent_refunded})

    assert refused.value.code == "charge_already_refunded"


def test_a_refund_draws_on_the_available_balance(world: World) -> None:
    before = world.available()

    refund = world.post("/v1/refunds", charge=SEED.charge_120)

    assert world.available() == before - 12_000
    transaction = world.get(f"/v1/balance_transactions/{refund['balance_transaction']}")
    assert (transaction["type"], transaction["net"], transaction["source"]) == ("refund", -12_000, refund["id"])


@pytest.mark.parametrize(
    ("intent", "amount", "currency"),
    [
        (SEED.payment_intent_eur, 7_500, "eur"),
        (SEED.payment_intent_gbp, 6_000, "gbp"),
        (SEED.payment_intent_jpy, 12_000, "jpy"),
    ],
)
def test_a_refund_has_the_currency_of_its_charge(world: World, intent: str, amount: int, currency: str) -> None:
    before = world.available(currency)

    refund = world.post("/v1/refunds", payment_intent=intent)

    assert (refund["amount"], refund["currency"]) == (amount, currency)
    assert world.available(currency) == before - amount


def test_a_chargeback_is_not_refunded_and_an_inquiry_is(world: World) -> None:
    status, error = world.refused("POST", "/v1/refunds", payment_intent=SEED.payment_intent_disputed)

    assert (status, error["code"]) == (400, "charge_disputed")
    assert world.get(f"/v1/charges/{SEED.charge_inquiry}")["disputed"] is True
    assert world.post("/v1/refunds", charge=SEED.charge_inquiry)["amount"] == 9_500


@pytest.mark.parametrize("param", ["charge", "payment_intent"])
def test_a_refund_of_what_is_not_there_names_the_parameter(sdk: stripe.StripeClient, param: str) -> None:
    asked: Any = {param: "xx_nobody"}
    with pytest.raises(stripe.InvalidRequestError) as refused:
        sdk.v1.refunds.create(asked)

    assert refused.value.http_status == 404
    assert (refused.value.code, refused.value.param) == ("resource_missing", param)


@pytest.mark.parametrize(
    ("parameters", "code", "param"),
    [
        ({}, "parameter_missing", "payment_intent"),
        ({"charge": SEED.charge_900, "amount": "0"}, "parameter_invalid_integer", "amount"),
        ({"charge": SEED.charge_900, "amount": "-5"}, "parameter_invalid_integer", "amount"),
        ({"charge": SEED.charge_900, "amount": "10.0"}, "parameter_invalid_integer", "amount"),
        ({"charge": SEED.charge_900, "amount": "1e3"}, "parameter_invalid_integer", "amount"),
        ({"charge": SEED.charge_900, "amount": "٣"}, "parameter_invalid_integer", "amount"),
        ({"charge": SEED.charge_900, "amount": "9" * 30}, "parameter_invalid_integer", "amount"),
        ({"charge": SEED.charge_900, "amount": ""}, "parameter_invalid_empty", "amount"),
        ({"charge": SEED.charge_900, "amonut": "5"}, "parameter_unknown", "amonut"),
        ({"charge": SEED.charge_900, "justification": "please"}, "parameter_unknown", "justification"),
    ],
)
def test_a_refund_with_wrong_parameters_says_which(
    world: World, parameters: dict[str, str], code: str, param: str
) -> None:
    status, error = world.refused("POST", "/v1/refunds", **parameters)

    assert (status, error["type"]) == (400, "invalid_request_error")
    assert (error["code"], error["param"]) == (code, param)


def test_charge_and_payment_intent_together_are_refused(world: World) -> None:
    both = {"charge": SEED.charge_900, "payment_intent": SEED.payment_intent_120}
    status, _ = world.refused("POST", "/v1/refunds", **both)

    assert status == 400


def test_every_alias_of_a_refund_moves_the_same_money(world: World) -> None:
    charge = world.post(f"/v1/charges/{SEED.charge_900}/refund", amount=1_000)
    refund = world.post(f"/v1/charges/{SEED.charge_900}/refunds", amount=2_000)

    assert (charge["object"], charge["amount_refunded"]) == ("charge", 1_000)
    assert refund["object"] == "refund"
    listed = world.get(f"/v1/charges/{SEED.charge_900}/refunds")
    assert [each["amount"] for each in listed["data"]] == [2_000, 1_000]
    assert world.get(f"/v1/charges/{SEED.charge_900}")["amount_refunded"] == 3_000


def test_refunds_are_listed_by_charge_and_by_payment_intent(sdk: stripe.StripeClient) -> None:
    made = sdk.v1.refunds.create({"charge": SEED.charge_900, "amount": 500})

    by_charge = sdk.v1.refunds.list({"charge": SEED.charge_900})
    by_intent = sdk.v1.refunds.list({"payment_intent": SEED.payment_intent_partly_refunded})

    assert [refund.id for refund in by_charge.data] == [made.id]
    assert [refund.id for refund in by_intent.data] == [SEED.refund_partial]


def test_metadata_of_a_refund_is_merged_and_unset(sdk: stripe.StripeClient) -> None:
    refund = sdk.v1.refunds.create({"charge": SEED.charge_900, "amount": 500, "metadata": {"a": "1", "b": "2"}})

    changed = sdk.v1.refunds.update(refund.id, {"metadata": {"b": "", "c": "3"}})
    emptied = sdk.v1.refunds.update(refund.id, {"metadata": ""})

    assert changed.metadata is not None
    assert changed.metadata.to_dict() == {"a": "1", "c": "3"}
    assert emptied.metadata is not None
    assert emptied.metadata.to_dict() == {}


def test_the_platform_pays_for_a_refund_unless_the_transfer_is_reversed_too(world: World) -> None:
    platform = world.available()
    bakery = world.available(account=SEED.connected_account_paid)

    world.post("/v1/refunds", charge=SEED.charge_transferred, amount=4_000)
    refund = world.post("/v1/refunds", charge=SEED.charge_transferred, amount=8_000, reverse_transfer=True)

    reversal = world.get(f"/v1/transfers/{SEED.transfer_of_charge}/reversals/{refund['transfer_reversal']}")
    assert (reversal["amount"], reversal["source_refund"]) == (6_000, refund["id"])
    assert world.available() == platform - 12_000 + 6_000
    assert world.available(account=SEED.connected_account_paid) == bakery - 6_000


def test_the_last_refund_takes_back_all_that_is_left_of_the_transfer(world: World) -> None:
    world.post("/v1/refunds", charge=SEED.charge_transferred, amount=3_333, reverse_transfer=True)
    world.post("/v1/refunds", charge=SEED.charge_transferred, reverse_transfer=True)

    transfer = world.get(f"/v1/transfers/{SEED.transfer_of_charge}")
    assert (transfer["amount_reversed"], transfer["reversed"]) == (15_000, True)


def test_a_refund_is_not_changed_under_another_charge(world: World) -> None:
    path = f"/v1/charges/{SEED.charge_900}/refunds/{SEED.refund_partial}"

    assert world.refused("POST", path, metadata={"a": "1"})[0] == 404


@pytest.mark.parametrize("option", ["reverse_transfer", "refund_application_fee"])
def test_options_of_connected_charges_need_a_connected_charge(world: World, option: str) -> None:
    status, error = world.refused("POST", "/v1/refunds", charge=SEED.charge_900, **{option: True})

    assert (status, error["param"]) == (400, option)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(amounts=st.lists(st.integers(min_value=1, max_value=9_000), max_size=6))
def test_no_sequence_of_refunds_returns_more_than_was_paid(world: World, amounts: list[int]) -> None:
    intent = world.post(
        "/v1/payment_intents", amount=12_000, currency="usd", confirm=True, payment_method="pm_card_visa"
    )
    left = 12_000
    for amount in amounts:
        status, _ = world.ask("POST", "/v1/refunds", payment_intent=intent["id"], amount=amount)
        assert (status == 200) == (amount <= left)
        left -= amount if status == 200 else 0

    charge = world.get(f"/v1/charges/{intent['latest_charge']}")
    assert charge["amount"] - charge["amount_refunded"] == left
