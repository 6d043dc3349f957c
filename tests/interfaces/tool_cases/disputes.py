from __future__ import annotations

from runplane_mcp.core.money import Money
from runplane_mcp.interfaces.mcp.tools.disputes import Evidence
from runplane_mcp.simulator import SEED
from tests.interfaces.tool_cases.case import MONEY, Case, read

EVERYTHING = dict.fromkeys(sorted(Evidence.__annotations__), "x")
EVERYTHING_SENT = "&".join(f"evidence[{name}]=x" for name in EVERYTHING)

CASES = (
    read(
        "list_disputes",
        "dispute.list",
        {"charge": SEED.charge_disputed},
        f"GET /v1/disputes charge={SEED.charge_disputed}",
        lambda v1, _: v1.disputes.list({"charge": SEED.charge_disputed}),
        ({}, "GET /v1/disputes"),
        ({"payment_intent": "pi_1", "limit": 3}, "GET /v1/disputes limit=3&payment_intent=pi_1"),
        ({"starting_after": "dp_a"}, "GET /v1/disputes starting_after=dp_a"),
        ({"ending_before": "dp_b"}, "GET /v1/disputes ending_before=dp_b"),
    ),
    read(
        "retrieve_dispute",
        "dispute.retrieve",
        {"dispute": SEED.dispute},
        f"GET /v1/disputes/{SEED.dispute}",
        lambda v1, _: v1.disputes.retrieve(SEED.dispute),
        object=SEED.dispute,
    ),
    Case(
        tool="update_dispute",
        given={"dispute": SEED.dispute, "evidence": {"uncategorized_text": "She ordered it.", "customer_name": "Jude"}},
        sends=f"POST /v1/disputes/{SEED.dispute} evidence[customer_name]=Jude"
        "&evidence[uncategorized_text]=She ordered it.",
        action="dispute.update",
        asks=lambda v1, made: v1.disputes.retrieve(made["id"]),
        hints=MONEY,
        groups=frozenset({"disputes"}),
        facts={
            "amount": Money(41_000, "usd"),
            "customer": "cus_jude",
            "object": SEED.dispute,
            "reversible": False,
        },
        decision="require_approval",
        changed={
            f"/v1/disputes/{SEED.dispute}": {"status": "under_review", "evidence.uncategorized_text": "She ordered it."}
        },
        also=(
            (
                {"dispute": "dp_1", "evidence": EVERYTHING, "submit": True, "metadata": {"a": "b"}},
                f"POST /v1/disputes/dp_1 {EVERYTHING_SENT}&metadata[a]=b&submit=true",
            ),
        ),
    ),
    Case(
        name="set_aside",
        tool="update_dispute",
        given={"dispute": SEED.dispute, "evidence": {"shipping_carrier": "Pony"}, "submit": False},
        sends=f"POST /v1/disputes/{SEED.dispute} evidence[shipping_carrier]=Pony&submit=false",
        action="dispute.update",
        asks=lambda v1, made: v1.disputes.retrieve(made["id"]),
        hints=MONEY,
        facts={"customer": "cus_jude", "object": SEED.dispute, "reversible": True, "amount": None},
        changed={
            f"/v1/disputes/{SEED.dispute}": {
                "evidence.shipping_carrier": "Pony",
                "evidence_details.has_evidence": True,
                "evidence_details.submission_count": 0,
                "status": "needs_response",
            }
        },
    ),
)
