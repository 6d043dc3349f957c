from __future__ import annotations

from runplane_mcp.core.money import Money
from runplane_mcp.simulator import SEED
from tests.interfaces.tool_cases.case import CREATE, Case, read

CASES = (
    Case(
        tool="create_payment_link",
        given={"price": SEED.price_monthly, "quantity": 2},
        sends=f"POST /v1/payment_links line_items[0][price]={SEED.price_monthly}&line_items[0][quantity]=2",
        action="payment_link.create",
        asks=lambda v1, made: v1.payment_links.retrieve(made["id"]),
        hints=CREATE,
        groups=frozenset({"charges"}),
        facts={"amount": Money(5_800, "usd"), "currency": "usd", "reversible": True, "redirects_funds": None},
        changed={"/v1/events?type=payment_link.created": {"data.0.data.object.active": True}},
        also=(
            (
                {"price": "p", "quantity": 1, "redirect_url": "https://example.com/x?y=1", "metadata": {"a": "b"}},
                "POST /v1/payment_links after_completion[redirect][url]=https://example.com/x?y=1"
                "&after_completion[type]=redirect&line_items[0][price]=p&line_items[0][quantity]=1&metadata[a]=b",
            ),
        ),
    ),
    Case(
        name="redirecting",
        tool="create_payment_link",
        given={"price": SEED.price_yearly, "quantity": 1, "redirect_url": "https://Pay.Example.com/done"},
        sends="POST /v1/payment_links after_completion[redirect][url]=https://Pay.Example.com/done"
        f"&after_completion[type]=redirect&line_items[0][price]={SEED.price_yearly}&line_items[0][quantity]=1",
        action="payment_link.create",
        asks=lambda v1, made: v1.payment_links.retrieve(made["id"]),
        hints=CREATE,
        groups=frozenset({"charges"}),
        facts={
            "amount": Money(29_000, "usd"),
            "redirects_funds": True,
            "url_hosts": frozenset({"pay.example.com"}),
            "reversible": True,
        },
        decision="require_approval",
        changed={"/v1/events?type=payment_link.created": {"data.0.data.object.after_completion.type": "redirect"}},
    ),
    read(
        "retrieve_payment_link",
        "payment_link.retrieve",
        {"payment_link": SEED.payment_link_club},
        f"GET /v1/payment_links/{SEED.payment_link_club}",
        lambda v1, _: v1.payment_links.retrieve(SEED.payment_link_club),
        object=SEED.payment_link_club,
    ),
    read(
        "list_payment_links",
        "payment_link.list",
        {"active": True},
        "GET /v1/payment_links active=true",
        lambda v1, _: v1.payment_links.list({"active": True}),
        ({"limit": 3}, "GET /v1/payment_links limit=3"),
        ({"starting_after": "plink_a"}, "GET /v1/payment_links starting_after=plink_a"),
        ({"ending_before": "plink_b"}, "GET /v1/payment_links ending_before=plink_b"),
    ),
)
