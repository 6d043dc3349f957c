"""What can stand anywhere inside of an operation's parameters is among what it can be (THREATS 4): nobody forgets a place
deep down where money, prices or payers are led elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from runplane_mcp.core.catalog import load
from runplane_mcp.core.operation import Operation
from runplane_mcp.core.request import Kind

CATALOG = load()
#: Names that lead money to another account, or lower what somebody pays.
SENT_ON = frozenset({"on_behalf_of", "transfer_data"})
LESS = frozenset({"coupon", "discounts", "promotion_code", "trial_end", "trial_period_days"})
#: Where such a name moves nothing: whom a link is for, and a product's own page.
NO_MONEY = frozenset({"PostBillingPortalSessions", "PostProducts", "PostTerminalOnboardingLinks"})


def places(names: frozenset[str]) -> Iterator[tuple[Operation, str]]:
    for operation in CATALOG.operations:
        if operation.judged and operation.kind is Kind.WRITE and operation.operation_id not in NO_MONEY:
            for path in CATALOG.shapes.paths(operation.target_id):
                if path.rpartition(".")[2] in names:
                    yield operation, path


@pytest.mark.parametrize(("names", "group"), [(SENT_ON, "transfers"), (LESS, "discounts")])
def test_what_leads_money_elsewhere_is_seen_at_any_depth(names: frozenset[str], group: str) -> None:
    assert [(each.operation_id, path) for each, path in places(names) if group not in each.groups] == []


def test_an_address_is_seen_at_any_depth() -> None:
    addresses = frozenset(
        name
        for operation in CATALOG.operations
        for path in CATALOG.shapes.paths(operation.target_id)
        if (name := path.rpartition(".")[2]) == "url" or name.endswith("_url")
    )

    assert [(each.operation_id, path) for each, path in places(addresses) if "url_hosts" not in each.facts] == []
