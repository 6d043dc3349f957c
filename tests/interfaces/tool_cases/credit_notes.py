from __future__ import annotations

from fractions import Fraction

from runplane_mcp.core.money import Money
from runplane_mcp.simulator import SEED
from tests.interfaces.tool_cases.case import MONEY, Case, read

PAID, OPEN = SEED.invoice_paid, SEED.invoice_open

CASES = (
    Case(
        tool="create_credit_note",
        given={"invoice": PAID, "refund_amount": 6_000, "reason": "duplicate", "memo": "Sorry", "email_type": "none"},
        sends=f"POST /v1/credit_notes email_type=none&invoice={PAID}&memo=Sorry&reason=duplicate&refund_amount=6000",
        action="credit_note.create",
        asks=lambda v1, made: v1.credit_notes.retrieve(made["id"]),
        hints=MONEY,
        groups=frozenset({"refunds"}),
        facts={
            "amount": Money(6_000, "usd"),
            "amount_on_object": Money(10_000, "usd"),
            "share": Fraction(25),
            "customer": "cus_quentin",
            "object": PAID,
            "reversible": False,
        },
        changed={
            "/v1/charges/ch_quentin_240": {"amount_refunded": 6_000},
            f"/v1/invoices/{PAID}": {"post_payment_credit_notes_amount": 10_000},
        },
        also=(
            (
                {
                    "invoice": "in_1",
                    "amount": 5,
                    "credit_amount": 2,
                    "out_of_band_amount": 3,
                    "metadata": {"a": "b"},
                    "lines": [
                        {"type": "invoice_line_item", "invoice_line_item": "il_1", "amount": 2, "quantity": 1},
                        {"type": "custom_line_item", "description": "x", "quantity": 1, "unit_amount": 3},
                    ],
                },
                "POST /v1/credit_notes amount=5&credit_amount=2&invoice=in_1&lines[0][amount]=2"
                "&lines[0][invoice_line_item]=il_1&lines[0][quantity]=1&lines[0][type]=invoice_line_item"
                "&lines[1][description]=x&lines[1][quantity]=1&lines[1][type]=custom_line_item&lines[1][unit_amount]=3"
                "&metadata[a]=b&out_of_band_amount=3",
            ),
        ),
    ),
    Case(
        name="large",
        tool="create_credit_note",
        given={"invoice": PAID, "credit_amount": 15_000},
        sends=f"POST /v1/credit_notes credit_amount=15000&invoice={PAID}",
        action="credit_note.create",
        asks=lambda v1, made: v1.credit_notes.retrieve(made["id"]),
        hints=MONEY,
        groups=frozenset({"credits"}),
        facts={"amount": Money(15_000, "usd")},
        decision="require_approval",
        changed={"/v1/customers/cus_quentin": {"balance": -19_000}},
    ),
    Case(
        name="lines",
        tool="create_credit_note",
        given={"invoice": OPEN, "lines": [{"type": "custom_line_item", "unit_amount": 900, "quantity": 2}]},
        sends=f"POST /v1/credit_notes invoice={OPEN}&lines[0][quantity]=2&lines[0][type]=custom_line_item"
        "&lines[0][unit_amount]=900",
        action="credit_note.create",
        asks=lambda v1, made: v1.credit_notes.retrieve(made["id"]),
        hints=MONEY,
        groups=frozenset({"credits", "refunds", "write_offs"}),
        facts={"amount": Money(1_800, "usd")},
        changed={f"/v1/invoices/{OPEN}": {"amount_remaining": 46_200}},
    ),
    read(
        "retrieve_credit_note",
        "credit_note.retrieve",
        {"credit_note": SEED.credit_note},
        f"GET /v1/credit_notes/{SEED.credit_note}",
        lambda v1, _: v1.credit_notes.retrieve(SEED.credit_note),
        object=SEED.credit_note,
    ),
    read(
        "list_credit_notes",
        "credit_note.list",
        {"invoice": PAID},
        f"GET /v1/credit_notes invoice={PAID}",
        lambda v1, _: v1.credit_notes.list({"invoice": PAID}),
        ({"customer": "cus_1", "limit": 3}, "GET /v1/credit_notes customer=cus_1&limit=3"),
        ({"starting_after": "a"}, "GET /v1/credit_notes starting_after=a"),
        ({"ending_before": "b"}, "GET /v1/credit_notes ending_before=b"),
    ),
)
