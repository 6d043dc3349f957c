from __future__ import annotations

from runplane_mcp.core.money import CURRENCIES
from runplane_mcp.simulator import SEED
from tests.simulator.world import World


def test_two_hundred_customers_paid_235_dollars_each(world: World) -> None:
    intents = [world.get(f"/v1/payment_intents/{id}") for id in SEED.payment_intents_235]

    assert len(intents) == 200
    assert {(intent["amount"], intent["currency"], intent["status"]) for intent in intents} == {
        (23_500, "usd", "succeeded")
    }
    assert {intent["customer"] for intent in intents} == set(SEED.customers_235)
    assert sum(intent["amount"] for intent in intents) == 4_700_000


def test_the_first_days_balance_is_round(world: World) -> None:
    assert {code: world.available(code) for code in ("usd", "eur", "gbp", "jpy")} == {
        "usd": SEED.available_usd,
        "eur": SEED.available_eur,
        "gbp": SEED.available_gbp,
        "jpy": SEED.available_jpy,
    }


def test_every_well_known_id_is_there(world: World) -> None:
    paths = {"pi": "payment_intents", "ch": "charges", "cus": "customers", "re": "refunds", "dp": "disputes",
             "sub": "subscriptions", "prod": "products", "price": "prices", "po": "payouts", "tr": "transfers",
             "acct": "accounts", "plink": "payment_links", "in": "invoices", "ii": "invoiceitems",
             "cn": "credit_notes"}  # fmt: skip
    known = [value for name in dir(SEED) if isinstance(value := getattr(SEED, name), str) and not name.startswith("_")]
    ids = [id for id in (*known, *SEED.payouts_past) if id.split("_")[0] in paths]

    assert len(ids) > 55
    for id in ids:
        assert world.get(f"/v1/{paths[id.split('_')[0]]}/{id}")["id"] == id


def test_bills_are_as_named(world: World) -> None:
    def invoice(id: str) -> tuple[str, int, int, str]:
        found = world.get(f"/v1/invoices/{id}")
        return found["status"], found["total"], found["amount_remaining"], found["currency"]

    assert invoice(SEED.invoice_draft) == ("draft", 18_000, 18_000, "usd")
    assert invoice(SEED.invoice_open) == ("open", 48_000, 48_000, "usd")
    assert invoice(SEED.invoice_paid) == ("paid", 24_000, 0, "usd")
    assert invoice(SEED.invoice_uncollectible) == ("uncollectible", 5_400, 5_400, "usd")
    assert invoice(SEED.invoice_eur) == ("open", 9_000, 9_000, "eur")
    for coupon in (SEED.coupon_once, SEED.coupon_months, SEED.coupon_amount, SEED.coupon_forever):
        assert world.get(f"/v1/coupons/{coupon}")["valid"]
    assert world.get("/v1/customers/cus_quentin")["balance"] == -4_000


def test_interesting_payments_are_as_named(world: World) -> None:
    def charge(id: str) -> tuple[int, str, str | None]:
        found = world.get(f"/v1/charges/{id}")
        return found["amount"], found["currency"], found["customer"]

    assert charge(SEED.charge_900) == (90_000, "usd", SEED.customer_ada)
    assert charge(SEED.charge_40) == (4_000, "usd", SEED.customer_ben)
    assert charge(SEED.charge_120) == (12_000, "usd", SEED.customer_cleo)
    assert charge(SEED.charge_jpy) == (12_000, "jpy", SEED.customer_jpy)
    assert charge(SEED.charge_guest) == (6_400, "usd", None)
    guest = world.get(f"/v1/charges/{SEED.charge_guest}")
    assert guest["payment_method_details"]["card"]["fingerprint"] == SEED.guest_fingerprint


def test_everything_has_a_currency_of_stripe(world: World) -> None:
    rows = world.simulator.summary()["balance"]

    assert {currency for balance in rows.values() for currency in balance} <= CURRENCIES


def test_the_transferred_charge_names_its_transfer(world: World) -> None:
    charge = world.get(f"/v1/charges/{SEED.charge_transferred}", expand=["transfer"])

    assert (charge["transfer"]["id"], charge["transfer"]["amount"]) == (SEED.transfer_of_charge, 15_000)
    assert charge["transfer_data"] == {"amount": 15_000, "destination": SEED.connected_account_paid}
