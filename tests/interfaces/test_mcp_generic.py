"""The generic tools over the real gate: what may not be asked of them is said, recorded and never sent (THREATS 6), and
whatever an operation is, it is judged."""

from __future__ import annotations

from typing import Any, TypeAlias

import pytest

from runplane_mcp.core.approval import Answer
from runplane_mcp.core.catalog import load as load_catalog
from runplane_mcp.core.describe import example_of
from runplane_mcp.core.operation import Operation
from runplane_mcp.core.request import State
from runplane_mcp.interfaces.mcp.fields import OWN_WORDS
from runplane_mcp.simulator import SEED
from tests.interfaces.conftest import Answered, Company, Connected
from tests.interfaces.test_mcp_listing import start_with
from tests.interfaces.test_tool_table import ENVELOPE

CATALOG = load_catalog()
Sent: TypeAlias = dict[str, Any]
REFUND: Sent = {"payment_intent": SEED.payment_intent_40, "amount": 1_000}
DEEP: Any = "x"
for _ in range(30):
    DEEP = {"a": DEEP}
#: Not quite so deep: what the arguments may be, but no parameter of Stripe's.
NESTED: Any = "x"
for _ in range(10):
    NESTED = {"a": NESTED}


def write(parameters: Any = None, operation: Any = "PostRefunds", **more: Any) -> dict[str, Any]:
    sent = {"stripe_api_operation_id": operation, **more}
    return sent if parameters is None else {**sent, "parameters": parameters}


async def check_refused(
    company: Company, connected: Connected, tool: str, sent: Sent, status: str, code: str
) -> Answered:
    answer = await connected.call(tool, **sent)
    recorded = await connected.gate.get("stdio", answer.request_id)

    assert (answer.status, answer.code, answer.result.is_error) == (status, code, True), (sent, answer.text)
    assert list(ENVELOPE.iter_errors(answer.envelope)) == []
    assert answer.text == answer.envelope["message"]
    assert recorded.status is State(status)
    assert company.writes() == 0
    return answer


# ── what cannot be a request ──────────────────────────────────────────────────────────────────────────────────────────

BAD_IDS: tuple[Any, ...] = (
    ".", "..", "a/b", "../refunds", "%2e%2e", "po_1?x=1", "po_1#x", "po 1", "po_1\n", "\u202epo", 5, [], {},
)  # fmt: skip
WRONG: dict[str, tuple[Sent, str]] = {
    # `parameters` is an object and nothing near it
    "json text": (write('{"payment_intent": "pi_1"}'), "parameter.type"),
    "other text": (write("payment_intent=pi_1"), "parameter.type"),
    "a list": (write([REFUND]), "parameter.type"),
    "pairs": (write([["amount", 5]]), "parameter.type"),
    "a number": (write(5), "parameter.type"),
    "a boolean": (write(False), "parameter.type"),
    "null": ({"stripe_api_operation_id": "PostRefunds", "parameters": None}, "parameter.null"),
    "too deep": (write({"metadata": DEEP}), "parameter.too_deep"),
    "deeper than Stripe takes": (write({**REFUND, "metadata": NESTED}), "parameter.too_deep"),
    "huge": (write({"reason": "x" * 300_000}), "parameter.too_long"),
    "a huge text": (write({**REFUND, "reason": "x" * 30_000}), "parameter.too_long"),
    "many": (write({**REFUND, "metadata": {f"k{n}": "x" for n in range(1_500)}}), "parameter.too_many"),
    # our own grammar goes for what is inside
    "amount as text": (write({**REFUND, "amount": "1000"}), "parameter.type"),
    "amount with a point": (write({**REFUND, "amount": 1000.0}), "parameter.type"),
    "amount true": (write({**REFUND, "amount": True}), "parameter.type"),
    "amount null": (write({**REFUND, "amount": None}), "parameter.null"),
    "amount empty": (write({**REFUND, "amount": ""}), "parameter.empty"),
    "amount in a list": (write({**REFUND, "amount": [1000]}), "parameter.type"),
    "amount below zero": (write({**REFUND, "amount": -1}), "parameter.amount"),
    "amount of nothing": (write({**REFUND, "amount": 0}), "parameter.amount"),
    "amount beyond numbers": (write({**REFUND, "amount": 2**70}), "parameter.amount"),
    "an empty object": (write({**REFUND, "metadata": {}}), "parameter.empty"),
    "an empty list": (write({**REFUND, "expand": []}), "parameter.empty"),
    "null inside": (write({**REFUND, "metadata": {"a": None}}), "parameter.null"),
    "a half character": (write({**REFUND, "reason": "\x00"}), "parameter.text"),
    "brackets as a name": (write({**REFUND, "transfer_data][destination": "acct_1"}), "parameter.unknown"),
    "brackets as a name inside": (write({**REFUND, "metadata": {"a][b": "x"}}), "parameter.name"),
    "a name with an index": (write({**REFUND, "amount[0]": 1000}), "parameter.unknown"),
    "another spelling": (write({**REFUND, "amout": 1000}), "parameter.unknown"),
    "another case": (write({**REFUND, "Amount": 1000}), "parameter.unknown"),
    "a blank in a name": (write({**REFUND, "amount ": 1000}), "parameter.unknown"),
    "metadata of ours": (write({**REFUND, "metadata": {"runplane_request": "rpr_X"}}), "parameter.reserved"),
    # our own words are no parameters of Stripe's
    "justification inside": (write({**REFUND, "justification": "because"}), "parameter.unknown"),
    "key inside": (write({**REFUND, "idempotency_key": "k"}), "parameter.unknown"),
    # Stripe's parameters are none of the tool's
    "beside": (write(None, **REFUND), "parameter.unknown"),
    "an option beside": (write(REFUND, stripe_account="acct_1"), "parameter.unknown"),
    "a key beside": (write(REFUND, api_key="rk_test_x"), "parameter.unknown"),
    # no id
    "no operation": ({"parameters": REFUND}, "parameter.missing"),
    "operation null": (write(REFUND, None), "parameter.null"),
    "operation a list": (write(REFUND, ["PostRefunds"]), "parameter.type"),
    "operation an object": (write(REFUND, {"id": "PostRefunds"}), "parameter.type"),
    "operation empty": (write(REFUND, ""), "parameter.empty"),
    "operation long": (write(REFUND, "PostRefunds" * 40), "parameter.too_long"),
    # ids in the path
    **{f"path {id!r}": (write({"payout": id}, "PostPayoutsPayoutCancel"), "parameter.path_value") for id in BAD_IDS},
    "path null": (write({"payout": None}, "PostPayoutsPayoutCancel"), "parameter.null"),
    "path empty": (write({"payout": ""}, "PostPayoutsPayoutCancel"), "parameter.path_value"),
    "path left out": (write({}, "PostPayoutsPayoutCancel"), "parameter.missing"),
}


async def test_what_cannot_be_a_request_is_said_recorded_and_never_sent(company: Company, era: str) -> None:
    async with company.connected(mode=era) as connected:
        for sent, code in WRONG.values():
            answer = await check_refused(company, connected, "stripe_api_write", sent, "failed", code)

            assert answer.text.startswith("NOT DONE. No money moved.")
            assert "call stripe_api_write once more" in answer.text


#: Every option of Stripe's SDK that it would take out of an agent's parameters.
OPTIONS = """
api_key stripe_account stripe_context stripe_version headers base api_mode usage max_network_retries method url path params
options content_type account key
""".split()


async def test_no_option_of_the_sdk_is_a_parameter(company: Company) -> None:
    async with company.connected() as connected:
        for option in OPTIONS:
            for value in ("acct_other", {"Authorization": "Bearer x"}, ["x"]):
                sent = write({**REFUND, option: value})
                await check_refused(company, connected, "stripe_api_write", sent, "failed", "parameter.unknown")


async def test_the_answer_says_what_to_send_instead(company: Company) -> None:
    async with company.connected() as connected:
        text = await connected.call("stripe_api_write", **write('{"payment_intent": "pi_1"}'))
        beside = await connected.call("stripe_api_write", **write(None, **REFUND))
        spelt = await connected.call("stripe_api_write", **write({**REFUND, "amout": 5}))
        own = await connected.call("stripe_api_write", **write({**REFUND, "ticket": "T-1"}))

    assert "Send the object itself, not its JSON text." in text.text
    assert "Stripe's own parameters go into `parameters`." in beside.text
    assert "Did you mean `amount`?" in spelt.text
    assert "It goes beside `parameters`." in own.text


# ── operations that there are not ─────────────────────────────────────────────────────────────────────────────────────

UNKNOWN = {
    "PostRefund": "PostRefunds",
    "postrefunds": "PostRefunds",
    "PostRefunds ": "PostRefunds",
    "create_refund": "PostRefunds",
    "refund.create": "PostRefunds",
    "POST /v1/refunds": "PostRefunds",
    "../PostRefunds": "PostRefunds",
    "GetCustomer": "GetCustomers",
    "\u202eGetBalance": "GetBalance",
    "stripe_api_write": "",
    "__class__": "",
    "*": "",
}


@pytest.mark.parametrize("tool", ["stripe_api_read", "stripe_api_write"])
async def test_an_operation_that_there_is_not_is_blocked_with_the_nearest(
    company: Company, tool: str, era: str
) -> None:
    async with company.connected(mode=era) as connected:
        for operation, nearest in UNKNOWN.items():
            sent = write({}, operation)
            answer = await check_refused(company, connected, tool, sent, "blocked", "operation.unknown")

            assert nearest in answer.text
            assert answer.envelope["next"] == {"do": "call", "tool": "stripe_api_search"}
            assert "\u202e" not in answer.text


@pytest.mark.parametrize(
    ("tool", "operation", "other"),
    [
        ("stripe_api_read", "PostRefunds", "stripe_api_write"),
        ("stripe_api_read", "DeleteCustomersCustomer", "stripe_api_write"),
        ("stripe_api_read", "PostTopups", "stripe_api_write"),
        ("stripe_api_write", "GetBalance", "stripe_api_read"),
    ],
)
async def test_the_tool_for_the_other_kind_says_which_to_use(
    company: Company, tool: str, operation: str, other: str, era: str
) -> None:
    async with company.connected(mode=era) as connected:
        sent = write({}, operation)
        answer = await check_refused(company, connected, tool, sent, "failed", "parameter.kind")

    assert f"call {other} once more" in answer.text
    assert answer.envelope["next"] == {"do": "call", "tool": other}
    known = CATALOG.by_id(operation)
    assert known is not None
    assert answer.envelope["action"] == known.action


async def test_a_read_takes_none_of_our_own_words(company: Company, era: str) -> None:
    async with company.connected(mode=era) as connected:
        for own in sorted(OWN_WORDS):
            sent = {"stripe_api_operation_id": "GetBalance", own: "x"}
            await check_refused(company, connected, "stripe_api_read", sent, "failed", "parameter.unknown")


# ── what is judged ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_is_called_by_its_operation_is_done_asked_or_blocked_like_any_other(
    company: Company, era: str
) -> None:
    large = {"payment_intent": SEED.payment_intent_900}
    async with company.connected(mode=era) as connected:
        small = await connected.call("stripe_api_write", **write(REFUND), justification="broken", ticket="T-9")
        asked = await connected.call("stripe_api_write", **write(large))
        before = company.refunds()
        await company.vote(asked.request_id, Answer.YES)
        done = await connected.call("wait_for_request", request_id=asked.request_id, seconds=20)
        read = await connected.call("stripe_api_read", stripe_api_operation_id="GetBalance")
        listed = await connected.call("stripe_api_read", **write({"limit": 2}, "GetCustomers"))

    assert (small.status, asked.status, done.status, read.status, listed.status) == (
        "succeeded",
        "waiting",
        "succeeded",
        "succeeded",
        "succeeded",
    )
    assert before == {"count": 1, "total": {"usd": 1_000}}
    assert company.refunds() == {"count": 2, "total": {"usd": 91_000}}
    assert small.envelope["action"] == "refund.create"
    assert read.envelope["result"]["object"] == "balance"
    assert len(listed.envelope["result"]["data"]) == 2
    assert "starting_after=" in listed.text


async def test_another_path_to_the_same_is_judged_as_the_same(company: Company, era: str) -> None:
    alias = {"charge": SEED.charge_900}
    async with company.connected(mode=era) as connected:
        answer = await connected.call("stripe_api_write", **write(alias, "PostChargesChargeRefund"))

    assert (answer.status, answer.envelope["action"]) == ("waiting", "refund.create")
    assert company.writes() == 0


def unjudged(availability: str, kind: str) -> Operation:
    """One of the first namespace that nobody has judged."""
    return next(
        each
        for each in CATALOG.operations
        if not each.judged
        and (each.availability, each.kind.value, each.host, each.api_version) == (availability, kind, "api", "v1")
    )


async def test_what_nobody_has_judged_is_blocked_by_the_shipped_policy(company: Company, era: str) -> None:
    async with company.connected(mode=era) as connected:
        for availability in ("public_preview", "private_preview"):
            for tool, kind in (("stripe_api_write", "write"), ("stripe_api_read", "read")):
                operation = unjudged(availability, kind)
                sent = write(example_of(CATALOG, operation), operation.operation_id)
                answer = await connected.call(tool, **sent)

                assert (answer.status, answer.code) == ("blocked", "policy.blocked")
                assert "Do not retry, split, lower or reroute it." in answer.text
    assert company.writes() == 0


async def test_a_preview_that_the_policy_lets_people_decide_is_asked_about_and_sent(company: Company, era: str) -> None:
    start_with(company)
    text = company.settings.policy_file.read_text()
    company.settings.policy_file.write_text(text.replace("unjudged: block", "unjudged: require_approval"))
    preview = next(
        each
        for each in CATALOG.operations
        if not each.judged and each.groups == {"charges"} and each.api_version == "v1"
    )
    async with company.connected(mode=era) as connected:
        asked = await connected.call("stripe_api_write", **write(example_of(CATALOG, preview), preview.operation_id))
        before = company.writes()
        await company.vote(asked.request_id, Answer.YES)
        done = await connected.call("wait_for_request", request_id=asked.request_id, seconds=20)

    assert (asked.status, asked.envelope["action"], before) == ("waiting", preview.action, 0)
    # The simulated Stripe has no previews, and says so.
    assert (done.status, company.writes()) == ("failed", 1)


ELSEWHERE = [each for each in CATALOG.operations if each.host != "api"]


@pytest.mark.parametrize("operation", ELSEWHERE, ids=lambda each: each.operation_id)
async def test_what_lives_at_another_address_is_never_sent(company: Company, operation: Any) -> None:
    """Blocked where the policy blocks it, and where it does not, it fails with a reason: no person is asked in vain."""
    text = "\n".join(
        f"  - {{id: open-{number}, when: {{action: {action}}}, then: allow}}"
        for number, action in enumerate(sorted({each.action for each in ELSEWHERE}))
    )
    start_with(company, text + "\n")
    company.settings.policy_file.write_text(
        company.settings.policy_file.read_text().replace("unjudged: block", "unjudged: require_approval")
    )
    tool = "stripe_api_read" if operation.kind.value == "read" else "stripe_api_write"
    async with company.connected() as connected:
        answer = await connected.call(tool, **write(example_of(CATALOG, operation), operation.operation_id))

    blocked = "access" in operation.groups and not operation.path.startswith("/v1/files")
    expected = ("blocked", "policy.blocked") if blocked else ("failed", "operation.host")
    assert (answer.status, answer.code) == expected, answer.text
    assert blocked or "Runplane does not talk to" in answer.text
    assert company.writes() == 0


async def test_a_secret_among_the_parameters_reaches_no_store_and_no_answer(company: Company) -> None:
    secret = "sk_live_" + "q7w8e9r0t1y2u3i4"
    async with company.connected() as connected:
        answers = [
            await connected.call("stripe_api_write", **write({**REFUND, "api_key": secret})),
            await connected.call("stripe_api_write", **write({**REFUND, secret: 1})),
            await connected.call("stripe_api_write", **write({}, secret)),
            await connected.call("stripe_api_write", **write(f'{{"key": "{secret}"}}')),
            await connected.call("stripe_api_details", stripe_api_operation_id=secret),
            await connected.call("stripe_api_search", query=secret),
        ]

    assert secret.encode() not in company.stored()
    assert not any(secret in answer.text + str(answer.envelope) for answer in answers)


async def test_stripe_s_events_show_no_agent_the_keys_that_we_send(company: Company) -> None:
    """Who knows the key of a request whose answer was lost could use it up at Stripe, or pass for it."""
    async with company.connected() as connected:
        done = await connected.call("create_refund", payment_intent=SEED.payment_intent_40, amount=100)
        read = await connected.call("stripe_api_read", **write({"limit": 3}, "GetEvents"))

    made = company.look("/v1/events?limit=1")["data"][0]
    assert done.status == read.status == "succeeded"
    key = made["request"]["idempotency_key"]
    assert key.startswith("rp_")
    assert made["id"] in read.text
    assert key not in read.text
    assert key not in str(read.envelope)
