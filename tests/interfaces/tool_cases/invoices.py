from __future__ import annotations

from runplane_mcp.core.facts import NONE
from runplane_mcp.core.money import Money
from runplane_mcp.simulator import SEED
from tests.interfaces.tool_cases.case import CHANGE, CREATE, MONEY, Case, read

DRAFT, OPEN, PAID = SEED.invoice_draft, SEED.invoice_open, SEED.invoice_paid

CASES = (
    Case(
        tool="create_invoice",
        given={"customer": "cus_sofia", "days_until_due": 30, "description": "November"},
        sends="POST /v1/invoices auto_advance=false&collection_method=send_invoice&customer=cus_sofia"
        "&days_until_due=30&description=November&pending_invoice_items_behavior=exclude",
        action="invoice.create",
        asks=lambda v1, made: v1.invoices.retrieve(made["id"]),
        hints=CREATE,
        facts={"amount": NONE, "customer": "cus_sofia", "reversible": True},
        changed={"/v1/invoices?customer=cus_sofia": {"data.0.status": "draft", "data.0.amount_due": 0}},
        also=(
            (
                {
                    "customer": "cus_1",
                    "collection_method": "charge_automatically",
                    "currency": "eur",
                    "footer": "x",
                    "metadata": {"a": "b"},
                },
                "POST /v1/invoices collection_method=charge_automatically&currency=eur&customer=cus_1&footer=x"
                "&metadata[a]=b",
            ),
        ),
    ),
    Case(
        name="that_charges_by_itself",
        tool="create_invoice",
        given={"customer": "cus_sofia", "auto_advance": True, "pending_invoice_items_behavior": "include"},
        sends="POST /v1/invoices auto_advance=true&customer=cus_sofia&pending_invoice_items_behavior=include",
        action="invoice.create",
        asks=lambda v1, made: v1.invoices.retrieve(made["id"]),
        hints=CREATE,
        groups=frozenset({"charges"}),
        facts={"amount": Money(3_600, "usd"), "reversible": False},
        changed={"/v1/invoices?customer=cus_sofia": {"data.0.amount_due": 3_600, "data.0.auto_advance": True}},
    ),
    Case(
        tool="create_invoice_item",
        given={"customer": "cus_petra", "price": SEED.price_beans, "quantity": 2, "invoice": DRAFT},
        sends=f"POST /v1/invoiceitems customer=cus_petra&invoice={DRAFT}&pricing[price]={SEED.price_beans}&quantity=2",
        action="invoiceitem.create",
        asks=lambda v1, made: v1.invoice_items.retrieve(made["id"]),
        hints=CREATE,
        groups=frozenset({"charges"}),
        facts={"amount": Money(3_600, "usd"), "object": DRAFT, "customer": "cus_petra", "reversible": True},
        changed={f"/v1/invoices/{DRAFT}": {"amount_due": 21_600}},
        also=(
            (
                {
                    "customer": "cus_1",
                    "amount": 500,
                    "currency": "usd",
                    "description": "x",
                    "discountable": False,
                    "metadata": {"a": "b"},
                },
                "POST /v1/invoiceitems amount=500&currency=usd&customer=cus_1&description=x&discountable=false"
                "&metadata[a]=b",
            ),
        ),
    ),
    Case(
        name="credit",
        tool="create_invoice_item",
        given={"customer": "cus_petra", "amount": -12_000, "currency": "usd"},
        sends="POST /v1/invoiceitems amount=-12000&currency=usd&customer=cus_petra",
        action="invoiceitem.create",
        asks=lambda v1, made: v1.invoice_items.retrieve(made["id"]),
        hints=CREATE,
        groups=frozenset({"charges", "credits", "discounts"}),
        facts={"amount": Money(12_000, "usd"), "object": NONE},
        decision="require_approval",
        changed={"/v1/invoiceitems?customer=cus_petra&pending=true": {"data.0.amount": -12_000}},
    ),
    Case(
        tool="finalize_invoice",
        given={"invoice": DRAFT},
        sends=f"POST /v1/invoices/{DRAFT}/finalize",
        action="invoice.finalize",
        asks=lambda v1, made: v1.invoices.retrieve(made["id"]),
        hints=CHANGE,
        groups=frozenset({"charges"}),
        facts={"amount": Money(18_000, "usd"), "customer": "cus_petra", "object": DRAFT, "reversible": True},
        changed={f"/v1/invoices/{DRAFT}": {"status": "open"}},
        also=(({"invoice": "in_1", "auto_advance": True}, "POST /v1/invoices/in_1/finalize auto_advance=true"),),
    ),
    Case(
        tool="pay_invoice",
        given={"invoice": OPEN},
        sends=f"POST /v1/invoices/{OPEN}/pay",
        action="invoice.pay",
        asks=lambda v1, made: v1.invoices.retrieve(made["id"]),
        hints=MONEY,
        groups=frozenset({"charges"}),
        facts={"amount": Money(48_000, "usd"), "customer": "cus_omar", "object": OPEN, "reversible": False},
        changed={f"/v1/invoices/{OPEN}": {"status": "paid", "amount_paid": 48_000}},
        also=(
            (
                {"invoice": "in_1", "payment_method": "pm_1", "off_session": True, "forgive": False},
                "POST /v1/invoices/in_1/pay forgive=false&off_session=true&payment_method=pm_1",
            ),
        ),
    ),
    Case(
        name="elsewhere",
        tool="pay_invoice",
        given={"invoice": OPEN, "paid_out_of_band": True},
        sends=f"POST /v1/invoices/{OPEN}/pay paid_out_of_band=true",
        action="invoice.pay",
        asks=lambda v1, made: v1.invoices.retrieve(made["id"]),
        hints=MONEY,
        groups=frozenset({"write_offs"}),
        facts={"amount": Money(48_000, "usd")},
        decision="require_approval",
        changed={f"/v1/invoices/{OPEN}": {"status": "paid", "amount_paid_off_stripe": 48_000}},
    ),
    Case(
        tool="void_invoice",
        given={"invoice": OPEN},
        sends=f"POST /v1/invoices/{OPEN}/void",
        action="invoice.void",
        asks=lambda v1, made: v1.invoices.retrieve(made["id"]),
        hints=CHANGE,
        groups=frozenset({"write_offs"}),
        facts={"amount": Money(48_000, "usd"), "customer": "cus_omar", "object": OPEN, "reversible": False},
        decision="require_approval",
        changed={f"/v1/invoices/{OPEN}": {"status": "void"}},
    ),
    read(
        "retrieve_invoice",
        "invoice.retrieve",
        {"invoice": PAID},
        f"GET /v1/invoices/{PAID}",
        lambda v1, _: v1.invoices.retrieve(PAID),
        object=PAID,
    ),
    read(
        "list_invoices",
        "invoice.list",
        {"customer": "cus_omar", "status": "open"},
        "GET /v1/invoices customer=cus_omar&status=open",
        lambda v1, _: v1.invoices.list({"customer": "cus_omar", "status": "open"}),
        (
            {"subscription": "sub_1", "collection_method": "send_invoice", "limit": 3},
            "GET /v1/invoices collection_method=send_invoice&limit=3&subscription=sub_1",
        ),
        ({"starting_after": "a"}, "GET /v1/invoices starting_after=a"),
        ({"ending_before": "b"}, "GET /v1/invoices ending_before=b"),
    ),
)
