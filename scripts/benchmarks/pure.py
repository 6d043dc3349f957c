"""The core alone, without any I/O: from an agent's parameters to a decision."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import cycle

from runplane_mcp.app import default_policy_text
from runplane_mcp.core.catalog import Catalog
from runplane_mcp.core.catalog import load as load_catalog
from runplane_mcp.core.decide import decide
from runplane_mcp.core.decision import Decision, Outcome, Usage
from runplane_mcp.core.facts import FactValue
from runplane_mcp.core.hours import clock_facts
from runplane_mcp.core.search import Search
from runplane_mcp.core.wire import encode
from runplane_mcp.gate.clock import SystemClock
from runplane_mcp.gate.deciding import standing_facts
from runplane_mcp.gate.policies import Policies
from runplane_mcp.interfaces.mcp.tools import callers_of
from runplane_mcp.stripe_api.resolve import resolve

from . import house
from .figures import Results

GROUP = "core, no I/O, shipped policy (refund, four limits)"
#: What the store would tell of an agent that has done nothing wrong.
HISTORY: dict[str, FactValue] = {
    "requests_24h_agent": 3,
    "refused_24h_agent": 0,
    "requests_7d_customer": 0,
    "denied_24h_object": 0,
    "possible_duplicate": False,
}
SEARCH = "search over all operations"
QUESTIONS = (
    "give money back to a customer",
    "the customer was charged twice, return the second payment",
    "add a bank account to a connected account",
    "cancle subscribtion",
    "which subscriptions end this month",
)


async def measure(results: Results, base: str, *, n: int) -> None:
    """Parsing and classifying, deciding, and both."""
    catalog = load_catalog()
    policy = Policies(catalog).compile(default_policy_text(), file="policies.yaml")
    asked = house.refund(0)
    operation = catalog.by_id(asked.operation_id)
    assert operation is not None
    clock = SystemClock()

    async with house.connection(base) as connection:
        identity = await connection.identity()
        classified = catalog.classify(encode(operation.method, operation.path, asked.parameters))
        effect = await resolve(connection, classified)

    def parse() -> None:
        catalog.check(operation, asked.parameters)
        catalog.classify(encode(operation.method, operation.path, asked.parameters))

    def judge() -> Decision:
        facts = standing_facts(
            principal=asked.principal,
            agent=asked.agent,
            via=asked.via,
            client=asked.client,
            identity=identity,
            classified=classified,
        )
        facts.update(effect.facts)
        facts.update(clock_facts(policy, clock.policy()))
        facts.update(HISTORY)
        return decide(policy, facts, [Usage() for _ in policy.buckets(facts)])

    def both() -> None:
        parse()
        judge()

    if judge().outcome is not Outcome.ALLOW:
        raise RuntimeError("the refund of the bench is not allowed, and an allowed one was to be measured")
    results.took(GROUP, "parse and classify", times(parse, n), unit="µs")
    results.took(GROUP, "facts and decide", times(judge, n), unit="µs")
    results.took(GROUP, "parse, classify and decide", times(both, n), unit="µs")
    _searches(results, catalog, n=n)


def _searches(results: Results, catalog: Catalog, *, n: int) -> None:
    """Finding an operation by everyday words, and making the index that the first question makes."""
    search = Search(catalog, callers_of)
    questions = cycle(QUESTIONS)

    results.took(SEARCH, "the index", times(lambda: Search(catalog, callers_of).meant("refund"), max(3, n // 100)))
    results.took(SEARCH, "a question", times(lambda: search.meant(next(questions)), n), unit="µs")


def times(work: Callable[[], object], n: int) -> list[float]:
    """Seconds of each of `n` calls, after as many again in tenths to warm up."""
    for _ in range(n // 10):
        work()
    each = []
    for _ in range(n):
        began = time.perf_counter()
        work()
        each.append(time.perf_counter() - began)
    return each
