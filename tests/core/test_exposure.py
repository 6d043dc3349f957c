"""The worst case in one number: answers computed by hand, and holes that make it unbounded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from runplane_mcp.core.catalog import Catalog
from runplane_mcp.core.compile import CompiledPolicy, compile_policy
from runplane_mcp.core.exposure import Exposure, exposure
from runplane_mcp.core.policy import load
from tests.core.policies import SHIPPED
from tests.core.stripe_objects import CATALOG

HOUR, DAY, WEEK = 3600, 86400, 604800
HEAD = """\
version: 1
currency: usd
timezone: America/New_York
business_hours: {days: mon-fri, open: 09:00, close: 17:00}
approval: {from: finance, expires_in: 24h}
"""
#: Every write is blocked that no rule allows, so that what is computed is about the rules of a case alone.
CLOSED = "otherwise: {writes: block}\n"
RATES = "rates: {as_of: 2026-03-01, eur: 1.10}\n"


def compiled(body: str, head: str = HEAD) -> CompiledPolicy:
    return compile_policy(load(head + body), actions=CATALOG.actions)


def of(body: str, principals: int = 1, head: str = HEAD) -> Exposure:
    return exposure(compiled(body, head), CATALOG, principals=principals)


def dollars(found: Exposure) -> tuple[float | None, ...]:
    """The total by hour, day and week in dollars, None where nothing ends it."""
    return tuple(None if bound.amount is None else bound.amount / 100 for bound in found.total.values())


@dataclass(frozen=True)
class Case:
    """`why` is how the answer was computed by hand."""

    name: str
    body: str
    answer: tuple[float | None, ...]
    why: str
    principals: int = 1


REFUNDS = "  - {id: some, when: {action: refund.create, amount: {at_most: 100}}, then: allow}\n"
CASES = [
    Case("nothing is allowed", CLOSED, (0, 0, 0), "Every write is blocked."),
    Case(
        "an amount without a limit",
        CLOSED + "rules:\n" + REFUNDS,
        (None, None, None),
        "Refunds of $100 pass as often as one likes.",
    ),
    Case(
        "a total an hour",
        CLOSED + "rules:\n" + REFUNDS + "limits:\n"
        "  - {id: l, when: {action: refunds}, at_most: {total: 1000}, within: 1h}\n",
        (1000, 24000, 168000),
        "1000 an hour; 24 and 168 hours of it.",
    ),
    Case(
        "a count a day",
        CLOSED + "rules:\n" + REFUNDS + "limits:\n"
        "  - {id: l, when: {action: refunds}, at_most: {count: 5}, within: 24h}\n",
        (500, 500, 3500),
        "5 of $100 each a day, all of them within an hour; 7 days of it.",
    ),
    Case(
        "a total and a count",
        CLOSED + "rules:\n" + REFUNDS + "limits:\n"
        "  - {id: l, when: {action: refunds}, at_most: {total: 450, count: 5}, within: 24h}\n",
        (450, 450, 3150),
        "5 of $100 would be 500; the total ends it before.",
    ),
    Case(
        "an hour, a day and a week",
        CLOSED + "rules:\n" + REFUNDS + "limits:\n"
        "  - {id: h, when: {action: refunds}, at_most: {total: 200}, within: 1h}\n"
        "  - {id: d, when: {action: refunds}, at_most: {total: 900}, within: 24h}\n"
        "  - {id: w, when: {action: refunds}, at_most: {total: 2000}, within: 7d}\n",
        (200, 900, 2000),
        "Each limit ends its own span.",
    ),
    Case(
        "a window that does not fit the span",
        CLOSED + "rules:\n" + REFUNDS + "limits:\n"
        "  - {id: l, when: {action: refunds}, at_most: {total: 100}, within: 10h}\n",
        (100, 300, 1700),
        "24 hours are three pieces of 10 hours or less, 168 are seventeen.",
    ),
    Case(
        "by customer alone",
        CLOSED + "rules:\n" + REFUNDS + "limits:\n"
        "  - {id: l, when: {action: refunds}, per: customer, at_most: {total: 100}, within: 7d}\n",
        (None, None, None),
        "The agent takes another customer each time.",
    ),
    Case(
        "by a customer who is named",
        CLOSED + "rules:\n"
        "  - {id: some, when: {action: refund.create, amount: {at_most: 100}, customer: [cus_1, cus_2]}, then: allow}\n"
        "limits:\n"
        "  - {id: l, when: {action: refunds}, per: customer, at_most: {total: 100}, within: 7d}\n",
        (200, 200, 200),
        "There are two customers, and $100 for each.",
    ),
    Case(
        "by agent",
        CLOSED + "rules:\n" + REFUNDS + "limits:\n"
        "  - {id: l, when: {action: refunds}, per: agent, at_most: {total: 100}, within: 24h}\n",
        (300, 300, 2100),
        "Three agents, $100 each a day.",
        principals=3,
    ),
    Case(
        "by agent and by all together",
        CLOSED + "rules:\n" + REFUNDS + "limits:\n"
        "  - {id: a, when: {action: refunds}, per: agent, at_most: {total: 100}, within: 24h}\n"
        "  - {id: l, when: {action: refunds}, at_most: {total: 250}, within: 24h}\n",
        (250, 250, 1750),
        "Three agents could 300; together they may 250.",
        principals=3,
    ),
    Case(
        "by agent, object and customer",
        CLOSED + "rules:\n" + REFUNDS + "limits:\n"
        "  - {id: l, when: {action: refunds}, per: [agent, object], at_most: {total: 100}, within: 24h}\n",
        (None, None, None),
        "Another charge each time.",
    ),
    Case(
        "under an amount",
        CLOSED + "rules:\n"
        "  - {id: some, when: {action: refund.create, amount: {under: 100}}, then: allow}\n"
        "limits:\n"
        "  - {id: l, when: {action: refunds}, at_most: {count: 1}, within: 7d}\n",
        (99.99, 99.99, 99.99),
        "Under $100 is $99.99.",
    ),
    Case(
        "under an amount, with rates",
        RATES + CLOSED + "rules:\n"
        "  - {id: some, when: {action: refund.create, amount: {under: 100}}, then: allow}\n"
        "limits:\n"
        "  - {id: l, when: {action: refunds}, at_most: {count: 1}, within: 7d}\n",
        (100, 100, 100),
        "€90.909 would be $99.9999: between two cents there are euros.",
    ),
    Case(
        "a restricting rule over an allowing one",
        CLOSED
        + "rules:\n"
        + REFUNDS
        + "  - {id: large, when: {action: refunds, amount: {over: 60}}, then: require_approval}\n"
        "limits:\n"
        "  - {id: l, when: {action: refunds}, at_most: {count: 2}, within: 7d}\n",
        (120, 120, 120),
        "Two of $60: the strictest wins.",
    ),
    Case(
        "an exception",
        CLOSED
        + "rules:\n"
        + REFUNDS
        + "  - {id: large, when: {action: refunds, amount: {over: 60}}, unless: {customer: cus_1}, then: block}\n"
        "limits:\n"
        "  - {id: l, when: {action: refunds}, at_most: {count: 2}, within: 7d}\n",
        (200, 200, 200),
        "Two of $100 to the customer who is excepted.",
    ),
    Case(
        "two ways under one count",
        CLOSED
        + "rules:\n"
        + REFUNDS
        + "  - {id: out, when: {action: payout.create, amount: {at_most: 1000}}, then: allow}\n"
        "limits:\n"
        "  - {id: l, when: {action: [refunds, payouts]}, at_most: {count: 4}, within: 7d}\n"
        "  - {id: p, when: {action: payouts}, at_most: {total: 2000}, within: 7d}\n",
        (2200, 2200, 2200),
        "Two payouts of $1000 fill their limit, and two requests are left for refunds of $100.",
    ),
    Case(
        "an exception for what has a limit",
        CLOSED + "rules:\n" + REFUNDS + "limits:\n"
        "  - {id: l, when: {action: refunds, amount: {over: 10}}, at_most: {total: 200}, within: 7d}\n",
        (None, None, None),
        "What is $10 or less counts nowhere.",
    ),
    Case(
        "amounts on one object",
        CLOSED + "rules:\n"
        "  - {id: some, when: {action: refund.create, amount_on_object: {at_most: 100}}, then: allow}\n"
        "limits:\n"
        "  - {id: l, when: {action: refunds}, at_most: {count: 3}, within: 7d}\n",
        (300, 300, 300),
        "A refund is at most what is given back of its charge in all.",
    ),
    Case(
        "in business hours",
        CLOSED + "rules:\n" + REFUNDS + "  - {id: night, when: {action: refunds, business_hours: false}, then: block}\n"
        "limits:\n"
        "  - {id: l, when: {action: refunds, business_hours: true}, at_most: {total: 300}, within: 24h}\n",
        (300, 300, 2100),
        "At night nothing, by day $300.",
    ),
    Case(
        "a limit of the day alone",
        CLOSED + "rules:\n" + REFUNDS + "limits:\n"
        "  - {id: l, when: {action: refunds, business_hours: true}, at_most: {total: 300}, within: 24h}\n",
        (None, None, None),
        "At night nothing counts.",
    ),
    Case(
        "by risk, with the share of a limit",
        "rules:\n"
        "  - {id: rest, when: {action: {none_in: [refund.create]}}, then: block}\n"
        "limits:\n"
        "  - {id: l, when: {action: refunds}, at_most: {total: 2000}, within: 7d}\n",
        (2000, 2000, 2000),
        "A refund of up to $1,000 is 10 + 5 + 10 = 25 points, with 75 % of the limit 30, which asks; of up to $500 it is"
        " 20 and 25. So small ones fill the limit.",
    ),
    Case(
        "what can never be undone, with the share of a limit",
        "rules:\n"
        "  - {id: rest, when: {action: {none_in: [invoice.void]}}, then: block}\n"
        "limits:\n"
        "  - {id: l, when: {action: write_offs}, at_most: {total: 1000}, within: 7d}\n",
        (749.99, 749.99, 749.99),
        "A voided invoice of up to $50 is 20 + 5 points, with 75 % of the limit 30, which asks.",
    ),
    Case(
        "what nobody can say whether it can be undone",
        CLOSED + "rules:\n"
        "  - {id: some, when: {action: money_management_outbound_payment.create, amount: {at_most: 100}, reversible: true},"
        " then: allow}\n"
        "limits:\n"
        "  - {id: l, when: {action: payouts}, at_most: {total: 100}, within: 7d}\n",
        (0, 0, 0),
        "It is unknown of every such payment, so that the rule covers none.",
    ),
    Case(
        "what is passed on and what is let go, by one capture",
        CLOSED + "rules:\n"
        "  - {id: some, when: {action: payment_intent.capture, amount: {at_most: 100}, amount_on_object: {at_most: 70},"
        " redirects_funds: true}, then: allow}\n"
        "limits:\n"
        "  - {id: l, when: {action: charges}, at_most: {count: 1}, within: 7d}\n",
        (170, 170, 170),
        "Of $170 that a card holds ready, $100 go to a connected account and $70 are released.",
    ),
    Case(
        "more texts than can be looked through",
        CLOSED + "rules:\n"
        "  - {id: some, when: {url_hosts: {any_in: [a.de, b.de, c.de, d.de, e.de, f.de, g.de]}}, then: allow}\n"
        "  - {id: holds, when: {action: payment_intent.capture}, then: block}\n"
        "limits:\n"
        "  - {id: l, when: {kind: write}, at_most: {total: 100}, within: 7d}\n",
        (100, 100, 100),
        "That its one test holds is taken for granted.",
    ),
    Case(
        "a rule in shadow",
        CLOSED + "rules:\n" + REFUNDS + "limits:\n"
        "  - {id: l, when: {action: refunds}, at_most: {total: 300}, within: 7d, mode: shadow}\n",
        (None, None, None),
        "A limit in shadow holds nobody back.",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_worst_case_is_what_a_person_computes(case: Case) -> None:
    assert dollars(of(case.body, case.principals)) == case.answer, case.why


def test_what_is_alike_but_for_the_revenue_that_it_loses_is_looked_at_apart() -> None:
    """A schedule can only add to what a customer pays, or take from it too."""
    rules = "  - {id: some, when: {action: transfers, redirects_funds: true, mrr_lost: {at_most: 50}}, then: allow}\n"
    limits = "  - {id: l, when: {action: transfers}, at_most: {count: 2}, within: 7d}\n"
    schedules = Catalog([each for each in CATALOG.operations if each.operation_id == "PostSubscriptionSchedules"])

    found = exposure(compiled(f"{CLOSED}rules:\n{rules}limits:\n{limits}"), schedules)

    assert found.revenue[HOUR].amount == 10_000


def test_the_policy_that_comes_with_runplane_has_a_finite_worst_case() -> None:
    found = exposure(compile_policy(load(Path(SHIPPED).read_text(encoding="utf-8")), actions=CATALOG.actions), CATALOG)

    assert dollars(found) == (3550, 5550, 27850)
    assert [bound.amount for bound in found.groups["refunds"].values()] == [100_000, 300_000, 1_000_000]
    assert [bound.amount for bound in found.groups["payouts"].values()] == [0, 0, 0]
    assert not found.unmeasured
    assert not found.doors


@pytest.mark.parametrize(
    ("left_out", "operation"),
    [
        (("refunds-an-hour", "refunds-a-day", "refunds-a-week"), "PostRefunds"),
        (("credits-a-day",), "PostCreditNotes"),
        (("partial-captures-a-day",), "PostChargesChargeCapture"),
    ],
)
def test_a_hole_in_the_policy_that_comes_with_runplane_is_named(left_out: tuple[str, ...], operation: str) -> None:
    policy = load(Path(SHIPPED).read_text(encoding="utf-8"))
    holed = replace(policy, limits=tuple(each for each in policy.limits if each.id not in left_out))
    found = exposure(compile_policy(holed, actions=CATALOG.actions), CATALOG)

    assert dollars(found) == (None, None, None)
    assert operation in found.total[HOUR].unbounded_by
