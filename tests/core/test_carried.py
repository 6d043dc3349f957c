"""What a request may not carry, and that nothing it may carry is lost in the record. THREATS 23."""

from __future__ import annotations

import re
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runplane_mcp.core.carried import refuse_secrets
from runplane_mcp.core.catalog import load
from runplane_mcp.core.redact import redact
from runplane_mcp.core.wire import Text
from runplane_mcp.errors import ParameterError
from tests.core.secret_answers import CARD, IBAN, KEY

PEOPLE = "/v1/accounts/{account}/persons"


@pytest.mark.parametrize(
    ("parameters", "named", "helps"),
    [
        ({"card": {"number": "4000", "exp_year": "2031"}}, "card[number]", "pm_…"),
        ({"payment_method_data": {"card": {"cvc": "1"}}}, "payment_method_data[card][cvc]", "pm_…"),
        ({"source": CARD}, "source", "tok_…"),
        ({"description": f"paid with {CARD}"}, "description", "tok_…"),
        ({"metadata": {"note": "4242 4242 4242 4242"}}, "metadata[note]", "tok_…"),
        ({"metadata": {CARD: "x"}}, "metadata", "tok_…"),
        (
            {"external_account": {"account_number": "000123", "country": "US"}},
            "external_account[account_number]",
            "btok_…",
        ),
        ({"payment_method_data": {"sepa_debit": {"iban": "AT61"}}}, "payment_method_data[sepa_debit][iban]", "btok_…"),
        ({"statement_descriptor": IBAN}, "statement_descriptor", "btok_…"),
        ({"id_number": "123456789"}, "id_number", "cpt_…"),
        ({"individual": {"ssn_last_4": "6789"}}, "individual[ssn_last_4]", "cpt_…"),
        (
            {"identity": {"individual": {"id_numbers": [{"type": "us_ssn", "value": "1"}]}}},
            "id_numbers][0][value]",
            "cpt_…",
        ),
        ({"pin": {"encrypted_number": "x"}}, "pin[encrypted_number]", "page of Stripe's"),
        ({"url": "https://ada:pw@example.com/hook"}, "url", "signature"),
        ({"url": "https://example.com/hook?token=abcd1234"}, "url", "signature"),
        ({"metadata": {"key": KEY}}, "metadata[key]", "rolled"),
        ({"client_secret": "pi_1_secret_2"}, "client_secret", "own key"),
        ({"account_number": ["1"]}, "account_number", "btok_…"),
        ({"account_number": {"value": "1"}}, "account_number", "btok_…"),
    ],
)
def test_a_secret_is_refused_with_the_way_to_do_without(parameters: dict[str, Text], named: str, helps: str) -> None:
    with pytest.raises(ParameterError) as refused:
        refuse_secrets(PEOPLE, parameters)

    error = refused.value
    assert error.code == "parameter.secret"
    assert named in str(error.param)
    assert helps in error.next_step
    for secret in (CARD, IBAN, KEY, "abcd1234", "123456789"):
        assert secret not in f"{error.message} {error.param} {error.next_step}"


def test_what_an_app_hides_is_no_parameter_and_a_meters_payload_is() -> None:
    refuse_secrets("/v1/billing/meter_events", {"payload": {"value": "25"}})

    with pytest.raises(ParameterError):
        refuse_secrets("/v1/apps/secrets", {"payload": "anything", "name": "theirs"})


@pytest.mark.parametrize(
    "parameters",
    [
        {"payment_intent": "pi_3MtwBwLkdIwHu7ix28a3tqPa", "amount": "4000", "metadata": {"order": "N4242424242424242"}},
        {"source": "tok_visa", "external_account": "btok_us_verified", "payment_method": "pm_card_visa"},
        {"card": {"token": "tok_visa"}, "account_token": "ct_1", "person_token": "cpt_1", "iban": ""},
        {"dob": {"day": "1", "month": "2", "year": "1990"}, "routing_number": "110000000", "pin": {"status": "x"}},
        {"url": "https://example.com/hook", "success_url": "https://example.com/?session_id={CHECKOUT_SESSION_ID}"},
        {"metadata": {"account_number": "A-1234"}, "name": "Ada Lovelace", "email": "ada@example.com"},
        {"tax_id_data": [{"type": "eu_vat", "value": "DE123456789"}], "phone": "+4915112345679"},
    ],
)
def test_tokens_ids_names_and_what_is_public_are_no_secrets(parameters: dict[str, Text]) -> None:
    refuse_secrets(PEOPLE, parameters)


_TEXTS: st.SearchStrategy[Text] = st.recursive(
    st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from([CARD, IBAN, KEY, "x"]),
    lambda inner: cast(
        "st.SearchStrategy[Text]",
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["number", "card", "iban", "pin", "secret", "metadata", "value", "a"]), inner
        ),
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from(["card", "account_number", "metadata", "secret", "id_numbers", "a", "b"]), _TEXTS)
)
def test_what_is_let_through_holds_nothing_that_the_record_would_leave_out(parameters: dict[str, Text]) -> None:
    """One component decides both, so what runs, what is stored and what people see are the same."""
    try:
        refuse_secrets(PEOPLE, parameters)
    except ParameterError:
        return
    assert redact(parameters) == parameters


#: Declared parameters that sound like secrets and are none: Stripe's own tokens, which open nothing without the company's
#: key; yes or no; what a check found; names that companies give; ids of files and credentials.
NO_SECRETS = """
account_token bank_account_token confirmation_token cvc_token customer_session person_token
shared_payment_issued_token token
cvc_check cvc_failure disable_stripe_user_authentication require_cvc_recollection require_id_number
invalid_account_number_decline_rate_past_hour invalid_credentials_decline_rate_past_hour
setup_credential_usage stored_credential_usage token_currency token_details
event_payload event_payload_key key lookup_key transfer_lookup_key private_key_file credential public_key
""".split()
#: What holds others, and is looked into; a meter's numbers; how many instalments, and which invoice.
LOOKED_INTO = ["cvc_update", "id_numbers"]
HARMLESS = ["billing/meter_event", "future_usage.installment.number", "/v1/invoices"]
_SOUNDS = re.compile(
    r"secret|token|passw|passcode|(?:^|_)pin$|cvc|account_number|(?:^|_)iban|id_number|ssn|key$|cryptogram|credential"
)
_ALSO = re.compile(r"payload$|^number$|plaintext|private")


def test_every_parameter_of_stripes_that_sounds_like_a_secret_is_refused_or_known_to_be_none() -> None:
    """When Stripe adds one, somebody has to say which it is."""
    catalog = load()
    undecided = set()
    for operation in catalog.operations:
        paths = {*catalog.shapes.paths(operation.target_id), *operation.params}
        for steps in (re.sub(r"\[\]|\[[0-9]+\]", "", path).split(".") for path in paths):
            name = steps[-1]
            if not (_SOUNDS.search(name) or _ALSO.search(name)) or name in NO_SECRETS or name in LOOKED_INTO:
                continue
            value: Text = "1"
            for step in reversed(steps):
                value = {step: value}
            try:
                refuse_secrets(operation.path, cast("dict[str, Text]", value))
            except ParameterError:
                continue
            what = f"{operation.path} {'.'.join(steps)}"
            if not any(each in what for each in HARMLESS):
                undecided.add(what)

    assert undecided == set()
