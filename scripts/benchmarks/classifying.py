"""From the bytes of a wire request to what it is, and what the catalog costs at the start."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from runplane_mcp.core.catalog import load
from runplane_mcp.core.wire import Parameters, encode

from .figures import Aim, Figure, Results

GROUP = "wire requests"
#: What agents ask for, one of each form: a body, a query, a deletion, lists of objects, JSON.
TYPICAL: Final[dict[str, tuple[str, Parameters]]] = {
    "a refund with metadata": (
        "PostRefunds",
        {"payment_intent": "pi_1", "amount": 65_000, "reason": "requested_by_customer", "metadata": {"ticket": "A-1"}},
    ),
    "a list of charges": ("GetCharges", {"limit": 10, "customer": "cus_1"}),
    "a cancellation": (
        "DeleteSubscriptionsSubscriptionExposedId",
        {"subscription_exposed_id": "sub_1", "prorate": True},
    ),
    "a subscription's new quantity": (
        "PostSubscriptionsSubscriptionExposedId",
        {
            "subscription_exposed_id": "sub_1",
            "items": [{"id": "si_1", "price": "price_1", "quantity": 2}],
            "proration_behavior": "none",
        },
    ),
    "an outbound payment (JSON)": (
        "PostV2MoneyManagementOutboundPayments",
        {
            "amount": {"value": 65_000, "currency": "usd"},
            "to": {"recipient": "acct_1", "payout_method": "usba_1"},
            "description": "Rent",
            "metadata": {"order": "A-1"},
        },
    ),
}
#: A process of its own, since the catalog is read once: the modules are there, then the clock starts. The processor's time,
#: since other programs would count double in so few runs.
_LOAD: Final = """
import time
from runplane_mcp.core.catalog import load
began = time.process_time()
load()
print(time.process_time() - began)
"""


def measure(results: Results, *, n: int, starts: int) -> None:
    """Classifying each of the typical requests, writing one, and reading the catalog in a fresh process."""
    catalog = load()
    slowest: Figure | None = None
    for name, (operation_id, parameters) in TYPICAL.items():
        operation = catalog.by_id(operation_id)
        if operation is None:
            raise RuntimeError(f"the catalog has no {operation_id}")
        wire = encode(operation.method, operation.path, parameters)
        figure = results.took(GROUP, f"classify {name}", _times(partial(catalog.classify, wire), n), unit="µs")
        if slowest is None or figure.p50 > slowest.p50:
            slowest = figure
    if slowest is not None:
        results.aims.append(Aim("a wire request classified, the slowest of these", 30.0, slowest))
    loaded = results.took(
        GROUP, "load the catalog, processor time of a fresh process", [_loaded() for _ in range(starts)]
    )
    results.aims.append(Aim("the catalog loaded", 50.0, loaded))


def _loaded() -> float:
    ran = subprocess.run([sys.executable, "-c", _LOAD], check=True, capture_output=True, text=True, timeout=60)
    return float(ran.stdout)


def _times(work: Callable[[], object], n: int) -> list[float]:
    """Seconds of one call, `n` times, each the mean of ten: a clock's own tick is a good part of so little."""
    for _ in range(n):
        work()
    each = []
    for _ in range(n):
        began = time.perf_counter()
        for _ in range(10):
            work()
        each.append((time.perf_counter() - began) / 10)
    return each
