"""THREATS row 6: no option of Stripe's SDK is one when an agent sends it as a parameter. Given to the SDK as keywords,
these chose another key, another account, another host.

The names are asked of the installed SDK, so that one that a later version adds is tried too.
"""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from urllib.parse import parse_qs, parse_qsl

import pytest
import stripe
from stripe._api_requestor import _APIRequestor
from stripe._request_options import RequestOptions
from stripe._requestor_options import RequestorOptions

from runplane_mcp.core.catalog import load
from runplane_mcp.core.operation import Operation
from runplane_mcp.core.parameters import OPTIONS
from runplane_mcp.core.wire import Value, encode
from runplane_mcp.errors import ParameterError
from runplane_mcp.stripe_api.client import API_VERSION, StripeConnection
from tests.stripe_api.conftest import Recorder

CATALOG = load()
KEY = "sk_test_51AbCdEfGhIjKl"
EVIL = "evil_sk_test_acct_1"


def names_of(*callables: object) -> set[str]:
    return {name for each in callables for name in inspect.signature(each).parameters}  # type: ignore[arg-type]


def taken_out_by(method: object) -> set[str]:
    """What a method of the SDK takes out of the parameters for itself: `params.pop("base", …)`."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(method)))  # type: ignore[arg-type]
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args]
    pops = [node.args[0] for node in calls if isinstance(node.func, ast.Attribute) and node.func.attr == "pop"]
    return {str(name.value) for name in pops if isinstance(name, ast.Constant)}


#: The options of one call.
OF_A_CALL = {*RequestOptions.__annotations__, *taken_out_by(stripe.StripeClient.raw_request)}
#: Every name by which something of the SDK is set: calls, clients, the module itself.
NAMES = sorted(
    {
        *OF_A_CALL,
        *names_of(stripe.StripeClient, stripe.StripeClient.raw_request_async, RequestorOptions),
        *names_of(_APIRequestor.request_raw, _APIRequestor.request_raw_async, stripe.HTTPClient.request_async),
        *(
            name
            for name, value in vars(stripe).items()
            if name.islower() and not name.startswith("_") and not callable(value) and not inspect.ismodule(value)
        ),
        *(
            "authorization",
            "Authorization",
            "Stripe-Account",
            "Idempotency-Key",
            "Stripe-Version",
            "_request",
            "__class__",
        ),
    }
)
#: Those that are a parameter of Stripe's own too.
GENUINE = [(operation, name) for operation in CATALOG.operations for name in NAMES if name in operation.params]


def with_ids(operation: Operation, **more: Value) -> dict[str, Value]:
    return {**dict.fromkeys(operation.path_parameters, "id_1"), **more}


def refusal(operation: Operation, name: str) -> str | None:
    try:
        CATALOG.check(operation, with_ids(operation, **{name: EVIL}))
        CATALOG.classify(encode(operation.method, operation.path, with_ids(operation, **{name: EVIL})))
    except ParameterError as error:
        return error.code
    return None


def test_the_sdk_tells_its_options() -> None:
    assert {"api_key", "stripe_account", "stripe_context", "idempotency_key", "headers", "base", "usage"} <= OF_A_CALL
    assert {"base_addresses", "http_client", "proxy", "method_", "url_", "api_mode", "api_base", "params"} <= set(NAMES)


def test_an_option_of_a_call_is_refused_by_every_operation_with_the_reason() -> None:
    """`usage` alone is a parameter of Stripe's as well."""
    assert OPTIONS == OF_A_CALL - {"usage"}
    for operation in CATALOG.operations:
        for name in OPTIONS - set(operation.path_parameters):
            assert name not in operation.params
            with pytest.raises(ParameterError) as caught:
                CATALOG.check(operation, with_ids(operation, **{name: EVIL}))
            assert caught.value.code == "parameter.unknown"
            assert "set by Runplane" in caught.value.next_step


def test_every_other_name_is_unknown_too_where_stripe_has_no_such_parameter() -> None:
    for operation in CATALOG.operations:
        if operation.judged:
            for name in NAMES:
                if name not in operation.params and name not in operation.path_parameters:
                    assert refusal(operation, name) == "parameter.unknown"


def test_few_are_parameters_of_stripes_own() -> None:
    assert {name for _, name in GENUINE} <= {"usage", "url", "method", "options", "api_version", "params", "account"}
    assert {operation.operation_id for operation, name in GENUINE if name == "usage"} >= {"PostSetupIntents"}


@pytest.mark.parametrize("operations", ["genuine", "judged"])
async def test_whatever_it_is_it_goes_out_as_a_parameter_and_changes_nothing_else(
    recorder: Recorder, operations: str
) -> None:
    """Through the real SDK. What is checked before is left out here: even then nothing would come of it."""
    which = [operation for operation in CATALOG.operations if operation.judged]
    if operations == "genuine":
        which = [operation for operation, _ in GENUINE]
    evil: dict[str, Value] = dict.fromkeys([name for name in NAMES if name.isidentifier()], EVIL)
    evil |= {"headers": {"Authorization": EVIL, "Stripe-Account": EVIL}, "usage": [EVIL], "params": {"api_key": EVIL}}
    async with StripeConnection(KEY, base=recorder.base_url) as connection:
        for operation in which:
            wire = encode(operation.method, operation.path, {**evil, **with_ids(operation)})
            await connection.send(wire, idempotency_key="rp_1" if wire.keyed else None)
            first, headers, body = recorder.sent()

            assert first == f"{wire.method} {wire.url} HTTP/1.1"
            assert body == wire.body
            assert "evil" not in str(headers)
            assert headers["authorization"] == f"Bearer {KEY}"
            assert headers["stripe-version"] == API_VERSION
            assert headers.get("idempotency-key") == ("rp_1" if wire.keyed else None)
            assert not {"stripe-account", "stripe-context"} & headers.keys()
            assert headers["host"] == recorder.base_url.removeprefix("http://")
            assert (
                given_in(wire.query if wire.method != "POST" else body.decode(), json_body=wire.v2)["api_key"] == EVIL
            )

    assert len(recorder.requests) == len(which) > 5


def given_in(written: str, *, json_body: bool) -> dict[str, object]:
    """What another reader than ours finds in a query or a body."""
    if json_body and written.startswith("{"):
        found: dict[str, object] = json.loads(written)
        return found
    assert len(parse_qs(written)) == len(parse_qsl(written))
    return dict(parse_qsl(written))


async def test_a_parameter_that_is_called_like_an_option_reaches_stripe(recorder: Recorder) -> None:
    payout = encode("POST", "/v1/payouts", {"amount": 5, "currency": "usd", "method": "instant"})
    intent = encode("POST", "/v1/setup_intents", {"usage": "off_session"})
    async with StripeConnection(KEY, base=recorder.base_url) as connection:
        for wire in (payout, intent):
            await connection.send(wire, idempotency_key="rp_1")

    assert [recorder.sent(number)[2] for number in (0, 1)] == [
        b"amount=5&currency=usd&method=instant",
        b"usage=off_session",
    ]
