"""Asking for a secret is asking for access, and every secret that Stripe can be asked for is on the list.

THREATS row 4 (another way in), row 6 (games with parameters), row 23 (stealing keys).
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import stripe
from hypothesis import given, settings
from hypothesis import strategies as st

from runplane_mcp.core.catalog import load
from runplane_mcp.core.expansions import SECRET_NAMES, secret_expansions
from runplane_mcp.core.redact import redact
from runplane_mcp.core.wire import encode

from .test_wire import junk

CATALOG = load()


@pytest.mark.parametrize(
    "path",
    [
        *("number", "cvc", "data.number", "card.cvc", "latest_invoice.confirmation_secret", "client_secret"),
        *("latest_invoice.payment_intent.client_secret", "financial_addresses.aba.account_number", "payload"),
        *("verified_outputs", "verified_outputs.dob", "last_verification_report.document.number", "secret"),
        *("last_verification_report.id_number.id_number", "data.verified_outputs.id_number", "wifi.password"),
        *("webhook_endpoint.signing_secret", "webhook_endpoint", "CVC", "some_new_secret", "secret.value"),
    ],
)
@pytest.mark.parametrize("asking", ["expand", "include"])
def test_an_expansion_that_brings_a_secret_is_named(path: str, asking: str) -> None:
    assert secret_expansions({asking: ["customer", path], "limit": "3"}) == (path,)


@pytest.mark.parametrize(
    "path",
    [
        *("customer", "data.customer", "latest_charge", "latest_invoice.payment_intent", "refunds", "identity"),
        *("webhook_endpoint.url", "configuration.merchant", "default_payment_method", "data.balance_transaction"),
        *("account", "line_items", "tax_ids", "token", "invoice.lines", "phone_numbers", "discounts", "requirements"),
    ],
)
def test_other_expansions_are_no_access(path: str) -> None:
    assert secret_expansions({"expand": [path], "include": [path]}) == ()


def test_only_what_asks_for_more_counts() -> None:
    assert secret_expansions({"number": "1", "metadata": {"expand": "cvc"}, "description": "cvc"}) == ()
    assert secret_expansions({}) == ()


def test_several_are_named_once_each_in_order() -> None:
    given_ = {"expand": ["number", "cvc", "number", "cardholder"], "include": ["cvc"]}

    assert secret_expansions(given_) == ("cvc", "number")


@pytest.mark.parametrize("value", ["cvc", {"0": "cvc"}, [["cvc"]], [{"a": "cvc"}], ("cvc",)])
def test_a_shape_that_is_refused_elsewhere_hides_nothing(value: object) -> None:
    assert secret_expansions({"expand": value}) == ("cvc",)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["expand", "include", "x"]), junk))
def test_whatever_is_given_it_answers(parameters: dict[str, object]) -> None:
    assert isinstance(secret_expansions(parameters), tuple)


def test_it_reads_the_same_before_and_after_the_wire() -> None:
    asked = {"card": "ic_1", "expand": ["cardholder", "cvc"]}
    found = CATALOG.classify(encode("GET", "/v1/issuing/cards/{card}", asked))

    assert secret_expansions(found.parameters) == secret_expansions(asked) == ("cvc",)


# ── the list against what is installed ───────────────────────────────────────────────────────────────────────────────


def test_whatever_is_redacted_by_name_is_asked_for_as_access() -> None:
    fields = {name for name in SECRET_NAMES | {"client_secret", "signing_secret"} if redact({name: "x"}) != {name: "x"}}

    assert {"cvc", "iban", "account_number", "client_secret", "signing_secret", "api_key", "plaintext"} <= fields
    assert all(secret_expansions({"expand": [name]}) for name in fields)


def sdk_modules() -> list[ModuleType]:
    found = pkgutil.walk_packages(stripe.__path__, "stripe.")
    return [importlib.import_module(each.name) for each in found if "http_client" not in each.name]


def test_every_field_that_stripe_gives_only_when_asked_is_judged() -> None:
    """Their descriptions say "explicitly request", and `include` has a list of what it takes: each is secret, or on the
    list of those that a person has found harmless."""
    on_request: set[str] = set()
    included: set[str] = set()
    for module in sdk_modules():
        text = Path(str(module.__file__)).read_text(encoding="utf-8")
        on_request.update(
            match.group(1) for match in re.finditer(r'\n +(\w+): [^\n]+\n +"""\n[^"]*explicitly request it', text)
        )
        for value in vars(module).values():
            hint = getattr(value, "__annotations__", {}).get("include") if isinstance(value, type) else None
            if hint is not None:
                included.update(re.findall(r"'([a-z_.]+)'", str(hint)) or re.findall(r'"([a-z_.]+)"', str(hint)))
    harmless = {
        *("configuration.customer", "configuration.merchant", "configuration.recipient", "defaults", "identity"),
        *("future_requirements", "requirements", "storage.deposit_insurance_eligibility", "webhook_endpoint.url"),
    }

    assert on_request == {"number", "cvc"}
    assert {path for path in included if not secret_expansions({"include": [path]})} == harmless
    assert included - harmless == {"webhook_endpoint.signing_secret"}


def test_every_field_of_stripes_objects_that_is_called_a_secret_is_one() -> None:
    names: set[str] = set()
    for module in sdk_modules():
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, stripe.StripeObject):
                names.update(field for each in _with_inner(value) for field in inspect.get_annotations(each))
    told = {name for name in names if re.search(r"secret|password|(?:^|_)cvc$|^iban$|account_number$", name)}
    found = {name for name in told if secret_expansions({"expand": [name]})}

    assert len(names) > 2_000
    assert found >= {"client_secret", "confirmation_secret", "signing_secret", "cvc", "iban", "account_number"}
    # These say whose bank it was, of money that has come in: nothing can be done with them here.
    assert told - found == {"sender_account_number", "tax_deduction_account_number"}


def _with_inner(kind: type) -> Iterator[type]:
    yield kind
    for inner in vars(kind).values():
        if isinstance(inner, type) and inner.__qualname__.startswith(kind.__qualname__ + "."):
            yield from _with_inner(inner)
