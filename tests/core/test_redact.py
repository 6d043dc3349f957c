"""What has the shape of a secret, or stands in a secret's field, is taken out; what only looks long is left alone.
THREATS 23."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from runplane_mcp.core import secret_text
from runplane_mcp.core.redact import (
    LEFT_OUT,
    MOST_DEPTH,
    REDACTED,
    WITHHELD,
    delivered,
    redact,
    redact_text,
    secret_name,
    withheld,
)
from runplane_mcp.core.secret_text import without_secrets
from tests.core.secret_answers import ANSWERS, CARD, IBAN, KEY, NEVER_SHOWN

SECRETS = [
    KEY,
    "rk_test_" + "a1b2c3d4",
    "sk_org_live_" + "a1b2c3d4",
    "rk_runplane_" + "a1b2c3d4",
    "pk_live_" + "a1b2c3d4",
    "uk_live_" + "a1b2c3d4",
    "pst_test_" + "a1b2c3d4",
    "whsec_" + "a1b2c3d4",
    "ek_live_" + "a1b2c3d4",
    "pi_3Abc_secret_d4e5f6",
    "vs_1Abc_secret_d4e5f6",
    "accs_secret__NXr6nkJ0zwvN",
    "cuss_secret_NXr6nkJ0zwvN",
    "src_client_secret_mL7bQ0xyz",
    "fcsess_client_secret_mL7bQ0xyz",
    CARD,
    "4242 4242 4242 4242",
    "4242-4242-4242-4242",
    "4242.4242.4242.4242",
    "4242\u00a04242\u00a04242\u00a04242",
    "3782 822463 10005",
    "6011000990139424",
    "2223003122003222",
    "４２４２４２４２４２４２４２４２",
    IBAN,
    "DE89 3704 0044 0532 0130 00",
    "gb82west12345698765432",
    "123-45-6789",
    "AKIA" + "IOSFODNN7EXAMPLE",
    "ghp_" + "a1b2c3d4e5f6a1b2c3d4e5f6",
    "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n-----END PRIVATE KEY-----",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmN",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_taken_out_wherever_it_stands(secret: str) -> None:
    for text in (
        secret,
        f"it is {secret}.",
        f"({secret})",
        f"7 {secret} 12",
        f"a_{secret}\n",
        f"é{secret},",
        f"x={secret}",
    ):
        assert REDACTED in redact_text(text)
        assert secret not in redact_text(text)


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("https://ada:hunter2@example.com/hook", "hunter2"),
        ("https://example.com/hook?token=abcd1234&x=1", "abcd1234"),
        ("https://example.com/hook?a=1&X-Amz-Signature=abcd1234", "abcd1234"),
        ("https://connect.stripe.com/setup/e/acct_1/abcd", "acct_1/abcd"),
        ("https://billing.stripe.com/p/session/live_abcd", "live_abcd"),
        ("https://hooks.slack.com/services/T0/B0/abcd", "T0/B0/abcd"),
        ("the password: hunter2 works", "hunter2"),
        ('{"api_key": "abcd1234"}', "abcd1234"),
        ("Authorization: Basic abcd1234", "abcd1234"),
        ("Bearer abcd1234efgh5678", "abcd1234efgh5678"),
        ("cvc 371, expires 12/31", "371"),
        ("PIN: 9071", "9071"),
        ('{"account_number": "000123456"}', "000123456"),
        ("bank account no. 0001 234567", "0001 234567"),
        ("her SSN is no good, SSN: 536228791", "536228791"),
    ],
)
def test_what_is_called_a_secret_is_taken_out_of_a_text(text: str, gone: str) -> None:
    assert gone not in redact_text(text)
    assert REDACTED in redact_text(text)


HARMLESS = [
    "+4915112345679",  # telephone numbers have up to fifteen digits
    "1772564400000",  # milliseconds
    "1772564400000000",  # microseconds
    "2026-11-26T04:08:47.123456Z",
    "2026-11-26 04:08:47",
    "20261126040847",
    "order 1000200030004",
    "N4242424242424242",  # how to write an order number that passes for a card
    "12345678901234567890123456",
    "4999 5000 2500",
    "re_5ef6014dfd5aa31a2563789b",
    "pi_3MtwBwLkdIwHu7ix28a3tqPa",
    "cs_test_a1YS1URlnyQCN5fUUduORoQ7Pw41PJqDWkIVQCpJPqkfIhd6tVY8XB1OLY",
    "tok_visa",
    "btok_us_verified",
    "pm_card_visa",
    "rp_0123456789abcdef0123456789abcdef",
    "rpr_3TN4HH73EHR1DXG44791F4TZQT",
    "a secret_ingredient",
    "the customer's password: ",
    "https://example.com/orders/42?session_id={CHECKOUT_SESSION_ID}",
    "https://pay.stripe.com/invoice/acct_1/live_abcd",
    "ada@example.com",
    "DE89 is a road",
    "a bearer of good news",
    "pin 12 to the wall",
    "Bengaluru, PIN 560001",
    "account number 12345678",  # a customer's, more often than a bank's
    "ID number 4471",
    "card no show",
    "000-12-3456",
    "sk_live",
    "110000000",
]


@pytest.mark.parametrize("harmless", HARMLESS)
def test_what_is_only_long_is_left_alone(harmless: str) -> None:
    assert redact_text(harmless) == harmless


def test_what_is_remembered_to_be_no_secret_is_never_one() -> None:
    for text in [*SECRETS, "pi_3MtwBwLkdIwHu7ix", "Ada Lovelace", "ada@example.com", "4111", "x" * 65]:
        assert without_secrets(text) == without_secrets(text)

    assert "pi_3MtwBwLkdIwHu7ix" in secret_text._CLEAN
    assert secret_text._CLEAN.isdisjoint([*SECRETS, "Ada Lovelace", "ada@example.com", "4111", "x" * 65])


def test_what_is_remembered_to_be_no_secret_is_bounded() -> None:
    for number in range(secret_text._MOST_CLEAN + 1):
        without_secrets(f"cus_{number}")

    assert len(secret_text._CLEAN) <= secret_text._MOST_CLEAN


def test_only_the_secret_goes_and_the_rest_of_the_text_stays() -> None:
    assert (
        redact_text(f"Order 7, card {CARD}, $12.50; key {KEY}!") == "Order 7, card [redacted], $12.50; key [redacted]!"
    )
    assert redact_text("https://ada:pw@example.com/x") == "https://[redacted]@example.com/x"


@pytest.mark.parametrize("name", ANSWERS)
def test_each_of_stripes_answers_that_holds_a_secret_comes_without_it(name: str) -> None:
    answer, secrets = ANSWERS[name]
    stored = json.dumps(redact(answer))

    assert withheld(redact(answer))
    for secret in secrets:
        assert secret in json.dumps(answer)
        assert secret not in stored
    for field in answer:
        assert field in stored, "a field stays, for whoever reads it"


#: Fields of Stripe's objects that sound like secrets and are none: what a check found, yes or no, last digits, ids, names
#: of fields and of methods, numbers of invoices and of meters, a key that is public, the tax office's number of a company.
NO_SECRETS = """
account_number_last4 account_numbers cvc_check cvc_failure iban_last4 id_number_provided id_number_secondary_provided
id_number_type id_numbers password_provided require_cvc_recollection require_id_number ssn_last_4_provided
bank_account_token confirmation_tokens cvc_token network_token private_key_file token token_currency token_reference_id
token_requestor_id token_requestor_name token_risk_score token_type tokenization_method tokens
setup_credential_usage stored_credential_usage event_payload event_payload_key idempotency_key key localization_key
lookup_key number payload stripe_publishable_key tax_deduction_account_number
""".split()
_SOUNDS = re.compile(
    r"secret|token|passw|passcode|(?:^|_)pin$|cvc|account_number|(?:^|_)iban|clabe|id_number|ssn|key$|cryptogram|credential"
    r"|plaintext|private|payload$|^number$|auth_code|emv_"
)


def test_every_field_of_stripes_objects_that_sounds_like_a_secret_is_one_or_known_to_be_none() -> None:
    """When Stripe's SDK brings a new one, somebody has to say which it is."""
    undecided = set()
    for file in Path(stripe.__file__).parent.rglob("*.py"):
        if "params" not in file.parts and not file.name.endswith("_service.py"):
            fields = re.findall(r"^ {4,}(\w+): (?!.*ClassVar)", file.read_text(encoding="utf-8"), re.MULTILINE)
            undecided |= {name for name in fields if _SOUNDS.search(name) and secret_name(name) is None}

    assert undecided - set(NO_SECRETS) == set()


@pytest.mark.parametrize("name", ANSWERS)
def test_whoever_waits_for_an_answer_gets_its_secrets_and_no_more(name: str) -> None:
    answer, secrets = ANSWERS[name]
    text = json.dumps(delivered({**answer, "description": f"a note with {KEY}"}))

    assert KEY not in text
    for secret in secrets:
        assert (secret in text) is (secret not in NEVER_SHOWN)


def test_what_kind_of_event_is_sent_is_no_secret_beside_one() -> None:
    destination = {"id": "ed_1", "event_payload": "thin", "webhook_endpoint": {"signing_secret": "whsec_1Abcdefgh"}}

    kept = redact(destination, opens=True)

    assert kept == {**destination, "webhook_endpoint": {"signing_secret": WITHHELD}}


def test_what_is_public_about_an_account_stays() -> None:
    account = {
        "object": "bank_account",
        "routing_number": "110000000",
        "last4": "6789",
        "sort_code": "108800",
        "iban_last4": "3000",
        "fingerprint": "1JWtPxqbdX5Gamtz",
        "number": "ABCD-0001",
        "url": "https://example.com",
        "tracking_number": "1Z999AA10123456784",
        "cvc_check": "pass",
        "ssn_last_4_provided": True,
        "secret": None,
        "metadata": {"account_number": "A-1234"},
    }

    assert redact(account) == account
    assert not withheld(redact(account))


@pytest.mark.parametrize(
    "spelled",
    [
        "account_number",
        "accountNumber",
        "Account-Number",
        "bank_account[account_number]",
        "card[number]",
        "pin[number][]",
    ],
)
def test_however_a_name_is_spelled_what_it_holds_goes(spelled: str) -> None:
    assert redact({spelled: "7"}) == {spelled: WITHHELD}


def test_what_stands_inside_a_secret_goes_with_it_and_its_form_stays() -> None:
    assert redact({"secret": {"a": ["x", 1, None, True, ""]}}) == {
        "secret": {"a": [WITHHELD, WITHHELD, None, True, ""]}
    }


def test_of_an_answer_that_the_catalog_calls_secret_names_are_read_more_widely() -> None:
    answer = {"object": "something.new", "boot_token": "abcd", "id": "x_1", "lookup_key": "gold", "name": "Ada"}

    assert redact(answer) == answer
    assert redact(answer, opens=True) == {**answer, "boot_token": WITHHELD}
    assert delivered(answer, opens=True) == answer


def test_a_name_is_no_place_for_a_secret_either() -> None:
    assert redact({KEY: 1}) == {REDACTED: 1}


def test_a_card_number_is_one_as_a_number_too() -> None:
    assert redact({"n": [int(CARD), 10**12, 1_772_564_400_000]}) == {"n": [REDACTED, 10**12, 1_772_564_400_000]}
    assert redact(10**5000) == REDACTED


def test_what_nests_without_end_is_left_out_at_some_depth() -> None:
    """Stripe's answer could be anybody's. A success must be recorded whatever hangs on it."""
    for kind in (redact, delivered):
        for holds in ("deep", "secret", "object", "name", "value"):
            deep: object = 1
            for _ in range(5_000):
                deep = [deep]
            text = json.dumps(kind({"id": "re_1", holds: deep}))

            assert LEFT_OUT in text
            assert text.count("[") <= MOST_DEPTH + 3


_JSON: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters()), inner, max_size=4),
    max_leaves=12,
)
_AROUND = st.text(st.characters(), max_size=12).filter(lambda text: not text[-1:].isalnum() and not text[:1].isalnum())


def _planted(secret: str) -> st.SearchStrategy[object]:
    """A JSON value with `secret` at some place of it, as a text of its own, in a text, or as a name."""
    texts = st.builds(lambda before, after: f"{before} {secret} {after}", _AROUND, _AROUND) | st.just(secret)
    around: Callable[[st.SearchStrategy[object]], st.SearchStrategy[object]] = lambda inner: st.one_of(  # noqa: E731
        st.builds(lambda item, others: [*others, item], inner, st.lists(_JSON, max_size=2)),
        st.builds(
            lambda name, item, others: {**others, name: item}, st.text(), inner, st.dictionaries(st.text(), _JSON)
        ),
        st.builds(lambda name: {name: 1}, texts),
    )
    return st.recursive(texts, around, max_leaves=6)


@given(st.sampled_from(SECRETS).flatmap(lambda secret: st.tuples(st.just(secret), _planted(secret))))
def test_a_planted_secret_never_survives(planted: tuple[str, object]) -> None:
    secret, value = planted
    for taken in (redact(value), redact(value, opens=True), delivered(value)):
        assert secret not in json.dumps(taken, ensure_ascii=False)
        assert json.dumps(secret)[1:-1] not in json.dumps(taken)


@given(_JSON, st.sampled_from([*SECRETS, ""]))
def test_doing_it_twice_changes_nothing(value: object, secret: str) -> None:
    once = redact({"any": value, "text": f"{value} {secret}", "secret": value, secret: secret})

    assert redact(once) == once


@given(_JSON)
def test_the_result_can_be_written_down_and_sent_on(value: object) -> None:
    for taken in (redact({"any": value, "secret": value}), delivered({"any": value, "secret": value})):
        json.dumps(taken, ensure_ascii=False).encode("utf-8")


@given(st.text(st.characters(categories=["Cs", "L"])))
def test_a_name_can_be_written_down_and_sent_on(name: str) -> None:
    json.dumps(redact({name: 1}), ensure_ascii=False).encode("utf-8")


_IDS = st.builds(
    lambda prefix, body: f"{prefix}_{body}",
    st.sampled_from("ch cus in pi po price re seti sub tr txn acct cs_test evt rpr".split()),
    # Digits alone can be a card's number; no id of Stripe's is that.
    st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", min_size=14, max_size=24).filter(
        lambda body: not body.isdigit()
    ),
)


@given(
    st.dictionaries(st.sampled_from(["id", "amount", "created", "charge", "balance"]), st.integers(-(10**12), 10**12)),
    st.lists(_IDS),
    st.datetimes(),
)
def test_ordinary_amounts_ids_and_times_survive(numbers: dict[str, int], ids: list[str], at: object) -> None:
    said = f"refund {numbers} of {', '.join(ids)} at {at}"
    value = {**numbers, "ids": ids, "said": said}

    assert redact(value) == value


@given(st.text(st.sampled_from("4 2-sk_livepstoken=:/?&.DE89eyJ\u00a0secret_[]"), max_size=400))
def test_no_text_makes_it_raise_and_what_is_left_holds_no_secret(text: str) -> None:
    assert without_secrets(without_secrets(text)) == without_secrets(text)
