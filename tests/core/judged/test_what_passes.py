"""What the policy that comes with Runplane lets pass with nobody asked has been read by a person.

Each write of the catalog with nothing but what it needs, and whatever Stripe would say of it unknown: what passes then
moves nothing, or nothing without more parameters, or only lets a customer be charged by a request of its own.
`RUNPLANE_GOLDEN=write` writes the list anew; what comes or goes is a line of a diff.
"""

from __future__ import annotations

import os
from pathlib import Path

from runplane_mcp.core.decision import Outcome
from runplane_mcp.core.describe import example_of
from runplane_mcp.core.effect import UNAVAILABLE, Looked
from runplane_mcp.core.effects import reads
from runplane_mcp.core.request import Kind
from runplane_mcp.core.wire import encode
from tests.core.judged.shipped import outcome_of
from tests.core.stripe_objects import CATALOG

READ = Path(__file__).parents[1] / "golden" / "passes.txt"


def test_what_passes_with_nobody_asked_has_been_read_by_a_person() -> None:
    passed = []
    for operation in CATALOG.operations:
        if operation.kind is not Kind.WRITE or operation.alias_of is not None:
            continue
        seen = CATALOG.classify(encode(operation.method, operation.path, example_of(CATALOG, operation)))
        looked: dict[str, Looked] = {read.name: UNAVAILABLE for read in reads(seen, {})}
        if outcome_of(seen, looked)[0] is Outcome.ALLOW:
            passed.append(f"{operation.operation_id} {operation.action}")
    if os.environ.get("RUNPLANE_GOLDEN") == "write":
        READ.write_text("".join(f"{each}\n" for each in passed), encoding="utf-8")

    assert passed == READ.read_text(encoding="utf-8").splitlines()
