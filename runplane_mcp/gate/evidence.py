"""Asking Stripe what became of a request whose answer was lost: what is known of its sends, and where it is looked for."""

from __future__ import annotations

from functools import partial

from runplane_mcp.core.catalog import Catalog
from runplane_mcp.core.effects import deletion_of
from runplane_mcp.core.operation import Operation
from runplane_mcp.core.request import ActionRequest
from runplane_mcp.gate.leases import LEASE_MS
from runplane_mcp.gate.records import snapshot_from
from runplane_mcp.store.base import Store
from runplane_mcp.stripe_api.budget import ReadBudget
from runplane_mcp.stripe_api.client import StripeConnection
from runplane_mcp.stripe_api.evidence import Evidence, Turn, at_once
from runplane_mcp.stripe_api.reconcile import CLOCKS_DIFFER, EVENTS_COME, evidence
from runplane_mcp.stripe_api.second import Second


async def evidence_of(
    request: ActionRequest,
    operation: Operation,
    *,
    store: Store,
    connection: StripeConnection,
    catalog: Catalog,
    budget: ReadBudget,
) -> Evidence | None:
    """Within the agent's budget of reads; the simulator's are nobody's to be used up. None for what was never sent."""
    wire = request.effective
    if wire is None or request.stripe_key is None:
        return None
    # By Stripe's clock, which in the simulator is the policy's.
    ahead = request.policy_at - request.created_at
    since, until = (request.first_attempt_at or 0) + ahead, request.changed_at + LEASE_MS + ahead
    second = Second.of(
        catalog,
        operation,
        wire,
        request.id,
        since=since // 1000 - CLOCKS_DIFFER,
        until=until // 1000 + EVENTS_COME,
    )
    turn: Turn = at_once if request.identity.simulator else partial(budget.turn, request.principal)
    deletion = before = None
    if wire.method == "DELETE":
        deletion = deletion_of(catalog.classify(wire))
        records = await store.read(lambda reader: reader.decisions(request.id))
        before = snapshot_from(records[-1].detail)
    return await evidence(
        connection,
        wire,
        operation,
        request.stripe_key,
        since,
        until=until,
        deletion=deletion,
        before=before,
        second=second,
        turn=turn,
    )
