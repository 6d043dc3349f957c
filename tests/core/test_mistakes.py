"""What an agent reads when it asks wrongly: what is wrong, a stable code, and what to send instead.

All of it stands in a file that a person has read. `RUNPLANE_GOLDEN=write` writes it anew; look at what changed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, cast

import pytest

from runplane_mcp.core.catalog import load
from runplane_mcp.core.wire import FORM, Parameters, Value, WireRequest, encode
from runplane_mcp.errors import ParameterError

GOLDEN = Path(__file__).parent / "golden" / "mistakes.txt"
CATALOG = load()

_DEEP: Value = "x"
for _ in range(9):
    _DEEP = {"a": _DEEP}

#: What somebody wanted, the operation, and what they sent.
MISTAKES: Final[list[tuple[str, str, dict[str, object]]]] = [
    ("a letter missing", "PostRefunds", {"charg": "ch_1"}),
    ("another case", "PostRefunds", {"Charge": "ch_1"}),
    ("the plural", "PostRefunds", {"payment_intents": "pi_1"}),
    ("nothing like it", "PostRefunds", {"q": 1}),
    ("one of very many", "PostPaymentIntents", {"amount": 5, "currency": "usd", "qqq": 1}),
    ("an operation without parameters", "GetBalanceSettings", {"zzz": "x"}),
    ("nesting in the name", "PostRefunds", {"metadata[a]": "b"}),
    ("smuggled nesting", "PostRefunds", {"metadata": {"a][b": "c"}}),
    ("hidden characters", "PostRefunds", {"charge\u202e": "ch_1"}),
    ("an option of the SDK", "PostRefunds", {"stripe_account": "acct_1"}),
    ("an option of the SDK", "PostRefunds", {"headers": {"Stripe-Account": "acct_1"}}),
    ("an amount in quotes", "PostRefunds", {"amount": "60000"}),
    ("an amount with a comma", "PostRefunds", {"amount": "60,000"}),
    ("an amount in dollars", "PostRefunds", {"amount": 600.5}),
    ("an amount with a point", "PostRefunds", {"amount": 60000.0}),
    ("an amount below zero", "PostRefunds", {"amount": -5}),
    ("no amount", "PostRefunds", {"amount": 0}),
    ("an amount beyond all", "PostRefunds", {"amount": 2**70}),
    ("yes as an amount", "PostRefunds", {"amount": True}),
    ("an object as an amount", "PostRefunds", {"amount": {"value": 5, "currency": "usd"}}),
    ("null as an amount", "PostRefunds", {"amount": None}),
    ("an amount deep inside", "PostInvoicesInvoiceAddLines", {"invoice": "in_1", "lines": [{"amount": "1e5"}]}),
    ("an amount of v2 in quotes", "PostV2MoneyManagementOutboundPayments",
     {"amount": {"value": "5", "currency": "usd"}, "to": {"recipient": "acct_1"}}),
    ("an amount of v2 as in v1", "PostV2MoneyManagementOutboundPayments", {"amount": 5, "to": {"recipient": "acct_1"}}),
    ("null where it could be removed", "PostCustomersCustomer", {"customer": "cus_1", "description": None}),
    ("an empty object", "PostCustomersCustomer", {"customer": "cus_1", "address": {}}),
    ("all metadata", "PostRefunds", {"metadata": {}}),
    ("all metadata", "PostRefunds", {"metadata": ""}),
    ("one key of the metadata", "PostRefunds", {"metadata": {"a": None}}),
    ("a fraction in the metadata", "PostRefunds", {"metadata": {"a": 1.5}}),
    ("our own metadata", "PostRefunds", {"metadata": {"runplane_request": "rpr_1"}}),
    ("an empty id", "PostRefunds", {"charge": ""}),
    ("a number as an id", "PostRefunds", {"charge": 7}),
    ("yes in quotes", "PostRefunds", {"reverse_transfer": "true"}),
    ("one for yes", "PostInvoicesInvoicePay", {"invoice": "in_1", "paid_out_of_band": 1}),
    ("text for an object", "PostRefunds", {"metadata": '{"a": "b"}'}),
    ("text for a list", "PostRefunds", {"expand": "charge"}),
    ("an odd expansion", "PostRefunds", {"expand": ["Charge"]}),
    ("an odd inclusion", "PostV2CoreAccounts", {"include": ["configuration[merchant]"]}),
    ("too long a text", "PostRefunds", {"charge": "x" * 20_001}),
    ("too deep", "PostRefunds", {"metadata": _DEEP}),
    ("too many", "PostRefunds", {"metadata": {f"k{number}": "x" for number in range(1_001)}}),
    ("half a character", "PostRefunds", {"metadata": {"a": "\ud83d"}}),
    ("a number beyond 2^53", "PostRefunds", {"metadata": {"a": 2**53}}),
    ("without the id", "GetChargesCharge", {}),
    ("a path as an id", "GetChargesCharge", {"charge": "../refunds"}),
    ("a number as an id of the path", "GetChargesCharge", {"charge": 5}),
    ("two things as an id", "GetChargesCharge", {"charge": "ch_1?expand[]=x"}),
    ("without what is required", "PostPayouts", {"currency": "usd"}),
]  # fmt: skip
#: The same for requests that came as bytes.
FOREIGN: Final = [
    WireRequest("POST", "/v1/refunds/", "", b"charge=ch_1", FORM),
    WireRequest("POST", "//v1/refunds", "", b"charge=ch_1", FORM),
    WireRequest("POST", "/v1/Refunds", "", b"charge=ch_1", FORM),
    WireRequest("post", "/v1/refunds", "", b"charge=ch_1", FORM),
    WireRequest("PUT", "/v1/customers/cus_1", "", b"name=Ada", FORM),
    WireRequest("GET", "/v1/no_such_thing"),
    WireRequest("GET", "/v1/charges/\u202e%2e%2e"),
    WireRequest("POST", "/v1/refunds", "charge=ch_1", b"", FORM),
    WireRequest("POST", "/v1/refunds", "", b"{}", "application/json"),
    WireRequest("GET", "/v1/refunds", "", b"limit=3"),
    WireRequest("POST", "/v1/refunds", "", b"charge=ch_1&charge=ch_2", FORM),
    WireRequest("POST", "/v1/refunds", "", b"expand[]=charge", FORM),
    WireRequest("POST", "/v1/refunds", "", b"expand[1]=charge", FORM),
    WireRequest("POST", "/v2/core/accounts", "", b'{"include":[],"include":[]}', "application/json"),
    WireRequest("POST", "/v2/core/accounts", "", b'{"defaults":{"a":1.5}}', "application/json"),
]


def asked(operation_id: str, given: dict[str, object]) -> ParameterError:
    operation = CATALOG.by_id(operation_id)
    assert operation is not None
    parameters = cast("Parameters", given)

    def attempt() -> None:
        CATALOG.check(operation, parameters)
        CATALOG.classify(encode(operation.method, operation.path, parameters))

    with pytest.raises(ParameterError) as caught:
        attempt()
    return caught.value


def came(wire: WireRequest) -> ParameterError:
    with pytest.raises(ParameterError) as caught:
        CATALOG.classify(wire)
    return caught.value


def test_every_mistake_is_answered_in_words_that_a_person_has_read() -> None:
    lines = [f"{what}: {ascii(given)[:90]}\n    {asked(id, given)}" for what, id, given in MISTAKES]
    lines += [f"{wire.method} {ascii(wire.url)[1:-1]} {wire.body.decode()}\n    {came(wire)}" for wire in FOREIGN]
    written = "\n".join(lines) + "\n"
    if os.environ.get("RUNPLANE_GOLDEN") == "write":
        GOLDEN.write_text(written, encoding="utf-8")

    assert written.splitlines() == GOLDEN.read_text(encoding="utf-8").splitlines()


def test_every_answer_can_be_shown_and_says_what_to_do_next() -> None:
    """THREATS row 14: what was sent is shown escaped and cut."""
    for error in [*(asked(id, given) for _, id, given in MISTAKES), *map(came, FOREIGN)]:
        assert str(error).isascii()
        assert str(error).isprintable()
        assert len(str(error)) < 700
        assert error.next_step
