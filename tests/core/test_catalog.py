"""The catalog: every operation in it is judged, and a wire request is classified by its bytes alone.

THREATS row 4 (another way to the same money), row 5 (an operation nobody has heard of), row 6 (exact bytes).
"""

from __future__ import annotations

import copy
import json
import os
import re
from pathlib import Path

import pytest

from runplane_mcp.core.catalog import Catalog, load, read_catalog, texts
from runplane_mcp.core.facts import GROUPS, REGISTRY
from runplane_mcp.core.operation import EFFECT_FACTS, Classified, EffectKind, Operation
from runplane_mcp.core.request import Kind
from runplane_mcp.core.wire import Parameters, Text, Value, WireRequest, encode
from runplane_mcp.errors import ParameterError

CATALOG = load()
#: What Stripe publishes, and what we judged, one row an operation.
TEXTS = texts()
PUBLISHED, JUDGED = TEXTS.published, TEXTS.judged
GROUPS_READ = Path(__file__).parent / "golden" / "groups.txt"
ROWS = [row for text in JUDGED for row in json.loads(text)["judgements"]]


def published(method: str, path: str, operation_id: str) -> dict[str, object]:
    """A row of an operation that nobody has judged."""
    row: dict[str, object] = {
        "method": method,
        "path": path,
        "operation_id": operation_id,
        "alias_of": None,
        "params": {},
        "required": [],
    }
    return {**row, "host": "api", "api_version": "v1", "availability": "ga"}


def catalog_of(*rows: dict[str, object]) -> Catalog:
    return read_catalog(json.dumps({"operations": rows}), json.dumps({"judgements": []}))


def classified(operation_id: str, **parameters: object) -> Classified:
    operation = CATALOG.by_id(operation_id)
    assert operation is not None
    asked: Parameters = parameters  # type: ignore[assignment]
    CATALOG.check(operation, asked)
    return CATALOG.classify(encode(operation.method, operation.path, asked))


def test_every_operation_and_every_judgement_is_one_line() -> None:
    judgements = [line for text in JUDGED for line in text.splitlines()]

    assert sum(line.startswith('{"method"') for line in PUBLISHED.splitlines()) == len(CATALOG.operations) == 1129
    assert sum(line.startswith('{"operation_id"') for line in judgements) == len(ROWS)


def test_every_operation_says_why_and_every_judged_one_its_own_reason() -> None:
    assert all(operation.reason.endswith(".") for operation in CATALOG.operations)
    assert {
        operation.reason for operation in CATALOG.operations if not operation.judged and operation.alias_of is None
    } == {"Nobody has judged it yet."}


def test_an_operation_has_its_name_before_anybody_judges_it() -> None:
    operation = CATALOG.by_id("PostGiftCards")

    assert operation is not None
    assert (operation.action, operation.judged) == ("gift_card.create", False)


def test_an_id_is_its_method_and_path() -> None:
    for operation in CATALOG.operations:
        words = [step.strip("{}") for step in operation.path.split("/") if step != "v1"]
        camel = "".join(part[:1].upper() + part[1:] for step in words for part in re.split("[_.-]", step))
        assert operation.operation_id == operation.method.capitalize() + camel


def test_groups_and_facts_are_those_of_the_registry() -> None:
    for operation in CATALOG.operations:
        for judged in operation.judgements:
            assert judged.groups <= set(GROUPS)
            assert judged.facts <= REGISTRY.keys()
            assert judged.facts <= operation.facts or judged.effect is not operation.effect


def test_each_group_holds_the_actions_that_a_person_has_read() -> None:
    """All ways to the same thing (THREATS 4), one a line: what comes or goes is a line of a diff. `RUNPLANE_GOLDEN=write`
    writes it anew."""
    groups = CATALOG.groups()
    judged = {each.action for operation in CATALOG.operations if operation.judged for each in operation.judgements}
    lines = "".join(f"{group} {each}\n" for group, actions in groups.items() for each in actions if each in judged)
    if os.environ.get("RUNPLANE_GOLDEN") == "write":
        GROUPS_READ.write_text(lines, encoding="utf-8")

    assert tuple(groups) == GROUPS
    assert lines.splitlines() == GROUPS_READ.read_text(encoding="utf-8").splitlines()


def test_what_brings_money_back_is_not_held_up_by_what_holds_up_sending_it_out() -> None:
    for name in ("payout.cancel", "topup.cancel"):
        assert not CATALOG.actions[name].groups & {"payouts", "transfers"}


#: POSTs that only read, and aliases of them. No other is a read.
ONLY_READ = frozenset(
    {
        "PostReportingReportRuns",  # an export; it is in `access`
        "PostInvoicesCreatePreview",  # no invoice is made
        "PostInvoicesUpcoming",
        "PostTaxCalculations",  # nothing is billed or reported
        "PostRadarPaymentEvaluations",  # a score; nothing is charged or stopped by it
    }
)


def test_reads_change_nothing_and_writes_say_what_they_take() -> None:
    for operation in CATALOG.operations:
        reads = operation.method == "GET" or operation.operation_id in ONLY_READ
        assert (operation.kind is Kind.READ) == reads
        assert (operation.effect is EffectKind.READ) == (operation.kind is Kind.READ and operation.judged)
        assert operation.takes_metadata == (operation.kind is Kind.WRITE and "metadata" in operation.params)
        assert operation.kind is Kind.WRITE or not (operation.groups - {"access"} or operation.money_out)


def test_reads_have_no_history() -> None:
    facts = CATALOG.actions["balance.retrieve"].facts

    assert "agent" in facts
    assert "possible_duplicate" not in facts
    assert not facts & EFFECT_FACTS


ALIASES = [each for each in CATALOG.operations if each.alias_of is not None]


@pytest.mark.parametrize("alias", ALIASES, ids=lambda each: each.operation_id)
def test_an_alias_is_what_it_aliases(alias: Operation) -> None:
    """THREATS row 4: Stripe still serves older paths to the same thing, which no SDK uses."""
    target = CATALOG.by_id(alias.target_id)

    assert target is not None
    assert f"{target.method} {target.path}" == alias.alias_of
    for name in (
        "judged", "action", "groups", "facts", "effect", "kind", "reversible", "money_out", "money_in", "secret_answer",
        "takes_metadata", "answers", "variants", "least", "declaration",
    ):  # fmt: skip
        assert getattr(alias, name) == getattr(target, name), name
    assert set(alias.params) == set(target.params) - set(alias.path_parameters)


@pytest.mark.parametrize("alias", ALIASES, ids=lambda each: each.operation_id)
def test_each_parameter_makes_of_an_alias_what_it_makes_of_its_target(alias: Operation) -> None:
    target = CATALOG.by_id(alias.target_id)
    assert target is not None
    tried: tuple[Text, ...] = ("", "true", "-5", {"transfer_data": {"destination": "acct_1"}}, ["x"])
    for name in alias.params:
        for value in tried:
            assert alias.judge({name: value})[0] == target.judge({name: value})[0], name


def test_there_are_as_many_aliases_as_stripe_still_serves() -> None:
    assert len(ALIASES) == 41
    refunds = {each.path for each in ALIASES if each.target_id == "PostRefunds"}
    assert refunds == {"/v1/charges/{charge}/refund", "/v1/charges/{charge}/refunds", "/v1/terminal/refunds"}


def test_an_alias_carries_its_variants_along() -> None:
    seen = classified(
        "PostCustomersCustomerSubscriptionsSubscriptionExposedId",
        customer="cus_1",
        subscription_exposed_id="sub_1",
        cancel_at_period_end=True,
    )

    assert (seen.action, set(seen.groups)) == ("subscription.cancel", {"cancellations"})


def test_the_charge_of_a_path_is_the_charge_of_the_body() -> None:
    seen = classified("PostChargesChargeRefund", charge="ch_1", amount=5)

    assert seen.parameters == {"charge": "ch_1", "amount": "5"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/refunds/"),
        ("POST", "/v1//refunds"),
        ("POST", "/V1/refunds"),
        ("POST", "/v1/Refunds"),
        ("post", "/v1/refunds"),
        ("PUT", "/v1/refunds"),
        ("POST", "/v1/%72efunds"),
        ("POST", "v1/refunds"),
        ("POST", "/v1/refunds?amount=1"),
        ("POST", "/v1/refunds;a=1"),
        ("POST", "/v1/charges//refund"),
        ("POST", "/v1/api_keys"),
        ("POST", "/v3/core/accounts"),
        ("DELETE", "/v1/refunds"),
        ("", ""),
    ],
)
def test_what_is_not_in_the_catalog_is_unknown(method: str, path: str) -> None:
    """THREATS row 5, and spellings of known paths that Stripe or a server between might read leniently."""
    assert CATALOG.find(method, path) is None
    with pytest.raises(ParameterError) as caught:
        CATALOG.classify(WireRequest(method, path))
    assert caught.value.code == "parameter.operation"


def test_what_is_written_out_goes_before_a_parameter() -> None:
    catalog = catalog_of(
        published("POST", "/v1/invoices/{invoice}", "PostInvoicesInvoice"),
        published("POST", "/v1/invoices/create_preview", "PostPreview"),
        published("POST", "/v1/invoices/{invoice}/pay", "PostPay"),
    )

    paths = ("/v1/invoices/create_preview", "/v1/invoices/in_1", "/v1/invoices/create_preview/pay")
    found = [catalog.find("POST", path) for path in paths]

    assert [each.operation_id for each in found if each] == ["PostPreview", "PostInvoicesInvoice", "PostPay"]


def test_two_operations_of_one_path_do_not_load() -> None:
    with pytest.raises(ValueError, match="same path"):
        catalog_of(published("POST", "/v1/a/{one}", "PostAOne"), published("POST", "/v1/a/{other}", "PostAOther"))


def test_a_value_in_the_path_can_not_hide_what_the_bytes_are() -> None:
    """The bytes of one operation's template may be another operation: the bytes decide."""
    catalog = catalog_of(published("POST", "/v1/a/{id}", "PostAId"), published("POST", "/v1/a/danger", "PostADanger"))

    seen = catalog.classify(encode("POST", "/v1/a/{id}", {"id": "danger"}))

    assert seen.operation.operation_id == "PostADanger"


def test_an_operation_that_nobody_judged_counts_as_the_worst() -> None:
    operation = catalog_of(published("POST", "/v1/new", "PostNew")).operations[0]

    assert (operation.judged, operation.effect) == (False, EffectKind.UNJUDGED)
    assert operation.facts >= EFFECT_FACTS
    assert operation.secret_answer
    assert operation.money_out


@pytest.mark.parametrize(
    "wrong",
    [
        {"groups": ["refund"]},
        {"facts": ["amout"]},
        {"effect": "magic"},
        {"kind": "read"},
        {"moneyout": True},
        {"operation_id": "PostRefunds"},
        {"operation_id": "PostNothing"},
        {"operation_id": "PostChargesChargeRefund"},
    ],
)
def test_a_judgement_that_names_what_there_is_not_does_not_load(wrong: dict[str, object]) -> None:
    rows = copy.deepcopy(ROWS)
    for row in rows:
        if row["operation_id"] == "PostSubscriptionsSubscriptionExposedId":
            row.update(wrong)

    with pytest.raises(ValueError):
        read_catalog(PUBLISHED, json.dumps({"judgements": rows}), meanings=TEXTS.meanings)


def test_a_name_deep_inside_can_rule_a_variant_out() -> None:
    """THREATS row 4: what is left out of a list of names at the top can still stand in an object within a list."""
    row = {**published("POST", "/v1/links", "PostLinks"), "params": {"items": "array"}}
    variant = {"only": ["items"], "lacks": ["price_data"], "groups": ["charges"]}
    judged = {"operation_id": "PostLinks", "groups": ["charges", "discounts"], "effect": "refund", "answers": "link",
              "reason": "Makes a link.", "variants": [variant]}  # fmt: skip
    catalog = read_catalog(json.dumps({"operations": [row]}), json.dumps({"judgements": [judged]}))

    def groups(items: object) -> set[str]:
        return set(catalog.classify(encode("POST", "/v1/links", {"items": items})).groups)  # type: ignore[dict-item]

    assert groups([{"price": "price_1", "quantity": 2}]) == {"charges"}
    assert groups([{"price": "price_data"}]) == {"charges"}
    assert groups([{"price": "price_1"}, {"price_data": {"unit_amount": 1}}]) == {"charges", "discounts"}
    assert groups([{"a": [{"b": {"price_data": "x"}}]}]) == {"charges", "discounts"}


def test_a_variant_may_need_names_and_amounts_above_zero() -> None:
    """THREATS row 4: an amount below zero gives money back, so only one above is told apart."""
    row = {**published("POST", "/v1/items", "PostItems"), "params": {"amount": "integer", "price": "string"}}
    variants = [
        {"only": ["amount"], "positive": ["amount"], "groups": ["charges"]},
        {"only": ["price"], "given": ["price"], "groups": []},
    ]
    judged = {"operation_id": "PostItems", "groups": ["charges", "credits"], "effect": "refund", "answers": "item",
              "reason": "Puts an item.", "types": {"amount": "signed"}, "variants": variants}  # fmt: skip
    catalog = read_catalog(json.dumps({"operations": [row]}), json.dumps({"judgements": [judged]}))

    def groups(**given: Value) -> set[str]:
        return set(catalog.classify(encode("POST", "/v1/items", given)).groups)

    assert groups(amount=5) == {"charges"}
    assert groups(amount=0) == groups(amount=-5) == groups() == groups(amount=5, price="p") == {"charges", "credits"}
    assert groups(price="p") == set()


MONEY = {"cancellations", "charges", "credits", "discounts"}
WIDE = {*MONEY, "transfers"}


@pytest.mark.parametrize(
    ("parameters", "action", "groups"),
    [
        ({"cancel_at_period_end": True}, "subscription.cancel", {"cancellations"}),
        ({"cancel_at_period_end": True, "metadata": {"a": "b"}}, "subscription.cancel", {"cancellations"}),
        (
            {"cancel_at_period_end": True, "cancellation_details": {"comment": "x"}},
            "subscription.cancel",
            {"cancellations"},
        ),
        ({"cancel_at_period_end": True, "expand": ["customer"]}, "subscription.cancel", {"cancellations"}),
        ({"cancel_at_period_end": False}, "subscription.update", {"charges"}),
        ({"metadata": {"a": "b"}}, "subscription.update", set()),
        ({}, "subscription.update", set()),
        ({"cancel_at_period_end": True, "items": [{"price": "p"}]}, "subscription.update", MONEY),
        ({"items": [{"price": "price_cheap"}]}, "subscription.update", MONEY),
        ({"discounts": [{"coupon": "free"}]}, "subscription.update", {"discounts"}),
        ({"discounts": [{"coupon": "free"}], "trial_end": 4102444800}, "subscription.update", MONEY),
        ({"transfer_data": {"destination": "acct_evil"}}, "subscription.update", WIDE),
        ({"items": [{"price": "p"}], "on_behalf_of": "acct_evil"}, "subscription.update", WIDE),
        ({"invoice_settings": {"issuer": {"type": "account", "account": "a"}}}, "subscription.update", WIDE),
        ({"invoice_settings": {"account_tax_ids": ["txi_1"]}}, "subscription.update", MONEY),
        ({"automatic_tax": {"liability": {"type": "account"}}}, "subscription.update", WIDE),
        ({"trial_end": 4102444800}, "subscription.update", MONEY),
        ({"pause_collection": {"behavior": "void"}}, "subscription.update", {"cancellations"}),
        ({"pause_collection": ""}, "subscription.update", {"charges"}),
        ({"cancel_at": 1800000000}, "subscription.update", MONEY),
        ({"description": ""}, "subscription.update", set()),
    ],
)
def test_a_subscriptions_change_is_told_apart_only_where_its_parameters_prove_it(
    parameters: dict[str, object], action: str, groups: set[str]
) -> None:
    seen = classified("PostSubscriptionsSubscriptionExposedId", subscription_exposed_id="sub_1", **parameters)

    assert (seen.action, set(seen.groups)) == (action, groups)


@pytest.mark.parametrize(
    ("parameters", "groups", "has_amount"),
    [
        ({}, {"cancellations"}, False),
        ({"prorate": False, "invoice_now": False}, {"cancellations"}, False),
        ({"prorate": True}, {"cancellations", "credits", "charges"}, True),
        ({"invoice_now": True}, {"cancellations", "credits", "charges"}, True),
    ],
)
def test_ending_a_subscription_may_also_move_money(
    parameters: dict[str, object], groups: set[str], has_amount: bool
) -> None:
    seen = classified("DeleteSubscriptionsSubscriptionExposedId", subscription_exposed_id="sub_1", **parameters)

    assert (seen.action, set(seen.groups)) == ("subscription.cancel", groups)
    assert ("amount" in seen.facts) == has_amount


def test_an_action_is_in_every_group_that_any_of_its_operations_can_be_in() -> None:
    actions = CATALOG.actions

    assert actions["subscription.cancel"].groups == {"cancellations", "credits", "charges"}
    assert actions["subscription.cancel"].kind is Kind.WRITE
    assert {"mrr_lost", "ends", "agent", "risk", "possible_duplicate"} <= actions["subscription.cancel"].facts
    assert "amount" not in actions["customer.delete"].facts
    assert list(actions) == sorted(actions)


@pytest.mark.parametrize(
    "body",
    [
        b"amount=1e5&charge=ch_1",
        b"amount=&charge=ch_1",
        b"amount[0]=5&charge=ch_1",
        b"charge=",
        b"api_key=sk_test_x&charge=ch_1",
        b"charge=ch_1&reverse_transfer=yes",
        b"charge=ch_1&expand[0]=a%5Bb",
        b"charge=ch_1&metadata=",
    ],
)
def test_bytes_that_do_not_fit_the_operation_are_refused(body: bytes) -> None:
    wire = WireRequest("POST", "/v1/refunds", body=body, content_type="application/x-www-form-urlencoded")

    with pytest.raises(ParameterError):
        CATALOG.classify(wire)


def test_listings_say_what_an_operation_can_do() -> None:
    effects = {operation.operation_id: operation.effects for operation in CATALOG.operations}

    assert effects["PostRefunds"] == ("money out",)
    assert effects["DeleteCustomersCustomer"] == ("revenue lost", "destroys")
    assert effects["PostSubscriptionsSubscriptionExposedId"] == ("revenue lost", "redirects funds")
    assert effects["GetBalance"] == ()


def test_the_catalog_is_read_once() -> None:
    assert load() is CATALOG
    assert isinstance(CATALOG, Catalog)


def test_what_nobody_judged_is_in_the_groups_of_its_family_at_least() -> None:
    """Previews are named and coarse: a rule on a group catches them also where `otherwise.unjudged` only asks."""
    writes = [each for each in CATALOG.operations if not each.judged and each.kind is Kind.WRITE]

    assert [each.operation_id for each in writes if each.availability.endswith("preview") and not each.groups] == []
    assert CATALOG.by_id("PostV2CoreBatchJobs").groups == set(GROUPS)  # type: ignore[union-attr]


def test_all_that_is_generally_available_is_judged() -> None:
    assert [each.operation_id for each in CATALOG.operations if each.availability == "ga" and not each.judged] == []
