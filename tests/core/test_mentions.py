"""The ids that a request speaks of: found in every part of it, and nothing else taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runplane_mcp.core.mentions import MOST, findable, in_object, in_values, in_wire, is_id
from runplane_mcp.core.wire import Parameters, encode


@pytest.mark.parametrize(
    "text",
    ["pi_3MtwBwLkdIwHu7ix28a3tqPd", "cs_test_a1YS1URlnyQCN5fU", "req_Fj0BNPtS2SDmmt", "cus_ada", "acct_maple_bakery"],
)
def test_an_id_of_stripe_is_one(text: str) -> None:
    assert is_id(text)


@pytest.mark.parametrize(
    "text",
    [
        "requested_by_customer",
        "at_period_end",
        "us_bank_account",
        "usd",
        "4000",
        "A-17",
        "pi_",
        "",
        "cus_ada\n",
        "CUS_ada",
    ],
)
def test_a_word_of_an_enumeration_is_none(text: str) -> None:
    assert not is_id(text)


def test_path_query_and_body_are_looked_through() -> None:
    read = encode("GET", "/v1/refunds", {"charge": "ch_ada_900", "limit": 3, "expand": ["data.charge"]})
    deleted = encode("DELETE", "/v1/customers/{customer}", {"customer": "cus_ada"})
    asked: Parameters = {
        "charge": "ch_1AbC",
        "reason": "requested_by_customer",
        "amount": 500,
        "metadata": {"order": "A1"},
    }
    nested: Parameters = {
        "id": "sub_1",
        "items": [{"price": "price_club_monthly"}, {"id": "si_9xY"}],
        "discounts": [{"coupon": "SUMMER25"}],
    }

    assert in_wire(read) == ("ch_ada_900",)
    assert in_wire(deleted) == ("cus_ada",)
    assert in_wire(encode("POST", "/v1/refunds", asked)) == ("ch_1AbC",)
    assert set(in_wire(encode("POST", "/v1/subscriptions/{id}", nested))) == {
        "sub_1",
        "si_9xY",
        "price_club_monthly",
        "SUMMER25",
    }


def test_the_words_of_a_path_are_no_ids_and_what_companies_name_is() -> None:
    path = "/v1/payment_intents/{intent}/apply_customer_balance"

    assert in_wire(encode("POST", path, {"intent": "pi_1"})) == ("pi_1",)
    assert in_wire(encode("DELETE", "/v1/coupons/{coupon}", {"coupon": "VIP-2"})) == ("VIP-2",)
    assert in_wire(encode("GET", "/v1/balance", {})) == ()


@pytest.mark.parametrize(
    ("text", "noun", "found"),
    [
        ("cus_ada", "customer", True),
        ("plink_club", "payment_link", True),
        ("VIP-2", "coupon", True),
        ("VIP-2", "customer", False),
        ("ada@example.com", "customer", False),
        ("Adä", "coupon", False),
        ("sk_live_" + "a1b2c3d4", "customer", False),
    ],
)
def test_what_an_agent_wrote_in_an_ids_place_is_kept_where_it_is_one(text: str, noun: str, found: bool) -> None:
    """THREATS 23: names and addresses stand in nothing but payloads."""
    assert findable(text, noun) is found
    assert (text in in_wire(encode("GET", f"/v1/{noun}s/{{id}}", {"id": text}))) is (found and text != "plink_club")


def test_an_answer_names_its_own_object_and_those_it_belongs_to() -> None:
    refund = {
        "id": "re_1A",
        "object": "refund",
        "status": "succeeded",
        "amount": 500,
        "charge": {"id": "ch_1A", "object": "charge"},
        "payment_intent": "pi_1A",
        "metadata": {"runplane_request": "rpr_1"},
        "reason": None,
    }

    assert in_object(refund) == ("re_1A", "ch_1A", "pi_1A")


def test_what_has_the_shape_of_a_secret_is_never_kept() -> None:
    """THREATS 23: an index is read by whoever looks for ids."""
    secrets = ["sk_live_a1b2c3d4", "rk_runplane_1234", "pi_1AbCd_secret_2B3cD"]
    sent = encode(
        "POST", "/v1/customers/{customer}", {"customer": secrets[0], "coupon": secrets[1], "name": secrets[2]}
    )

    assert in_wire(sent) == ()
    assert in_values(secrets) == ()


def test_a_bulk_request_is_bounded_and_each_id_stands_once() -> None:
    many = [f"ch_{number}" for number in range(3 * MOST)]

    assert len(in_wire(encode("POST", "/v1/things", {"charges": many}))) == MOST
    assert in_values(["ch_1", "ch_2", "ch_1", None, 7]) == ("ch_1", "ch_2")


@given(st.dictionaries(st.sampled_from(["name", "coupon", "charge"]), st.text(max_size=300)))
def test_whatever_an_agent_sends_only_harmless_short_texts_are_kept(parameters: dict[str, str]) -> None:
    kept = in_values(parameters.values())

    assert all(len(each) <= 255 and each.isascii() and each.isprintable() and " " not in each for each in kept)
