"""THREATS 8: what was approved, and then changed at Stripe by somebody else before it could run.

Each row is one operation as people meet it: asked for, approved, meddled with over Stripe's API by another key, and back
before people with the difference in words. A second yes runs it, once.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import stripe
from rich.console import Console

from runplane_mcp.cli.card import card_view
from runplane_mcp.cli.why_page import page
from runplane_mcp.core.approval import Answer
from runplane_mcp.core.card import Card
from runplane_mcp.core.request import State
from runplane_mcp.core.wire import Value
from runplane_mcp.gate.desk import Desk
from runplane_mcp.gate.view import RequestView, Submission
from runplane_mcp.interfaces.mcp.messages import words_for
from runplane_mcp.simulator import SEED, SIMULATOR_KEY, Fault, FaultKind, SimulatorServer
from runplane_mcp.store.verify import RequestProof, verify
from tests.gate.conftest import SECRET, House, refund, refund_behind_our_back, submission, until

#: Everything is asked about and nothing is limited: what is tested is what comes after a yes.
POLICY = """
version: 1
currency: usd
timezone: America/New_York
business_hours: {days: mon-fri, open: 09:00, close: 17:00}
approval: {from: finance, expires_in: 24h}
otherwise: {reads: allow, writes: require_approval, unjudged: block}
repeat_window: 10m
"""
PROOF = RequestProof(ok=True, seqs=(), leaf="", first_bad=None, problem=None)
ENDS = (State.SUCCEEDED, State.FAILED, State.BLOCKED)
WELCOME: list[Value] = [{"coupon": SEED.coupon_once}]
#: One write of somebody else's: method, path and parameters.
Act = tuple[str, str, dict[str, Any]]


@dataclass(frozen=True)
class Row:
    """What is asked for, what somebody else does to it, and what people must read of that."""

    ask: Submission
    meddled: tuple[Act, ...]
    says: str


def post(path: str, **parameters: Any) -> Act:
    return ("post", path, parameters)


ROWS: dict[str, Row] = {
    "refund": Row(
        refund(SEED.payment_intent_900),
        (post("/v1/refunds", charge=SEED.charge_900, amount=4_000),),
        "Only $860.00 USD can still be refunded; it was to be $900.00 USD.",
    ),
    "transfer reversal": Row(
        submission("PostTransfersIdReversals", {"id": SEED.transfer_past}),
        (post(f"/v1/transfers/{SEED.transfer_past}/reversals", amount=10_000),),
        "Only $400.00 USD of the transfer can still be taken back; it was to be $500.00 USD.",
    ),
    "payout whose bank account is gone": Row(
        submission("PostPayouts", {"amount": 100_000, "currency": "eur"}),
        (
            post(
                "/v1/accounts/{account}/external_accounts",
                external_account={
                    "object": "bank_account",
                    "country": "DE",
                    "currency": "eur",
                    "account_number": "DE89370400440532013000",
                },
                default_for_currency=True,
            ),
            ("delete", f"/v1/accounts/{{account}}/external_accounts/{SEED.bank_account_eur}", {}),
        ),
        f"; it was {SEED.bank_account_eur}.",
    ),
    "subscription canceled now": Row(
        submission("DeleteSubscriptionsSubscriptionExposedId", {"subscription_exposed_id": SEED.subscription_office}),
        (post(f"/v1/subscriptions/{SEED.subscription_office}", items=[{"id": "si_cleo_office_2", "quantity": 90}]),),
        "The prices, quantities or items of the subscription changed since.",
    ),
    "subscription canceled at its period's end": Row(
        submission(
            "PostSubscriptionsSubscriptionExposedId",
            {"subscription_exposed_id": SEED.subscription_monthly, "cancel_at_period_end": True},
        ),
        (post(f"/v1/subscriptions/{SEED.subscription_monthly}", items=[{"price": SEED.price_seat, "quantity": 2}]),),
        "The prices, quantities or items of the subscription changed since.",
    ),
    "subscription discounted": Row(
        submission(
            "PostSubscriptionsSubscriptionExposedId",
            {"subscription_exposed_id": SEED.subscription_yearly, "discounts": WELCOME},
        ),
        (
            ("delete", f"/v1/coupons/{SEED.coupon_once}", {}),
            post("/v1/coupons", id=SEED.coupon_once, percent_off=90, duration="forever"),
        ),
        f"The coupon {SEED.coupon_once} changed since.",
    ),
    "invoice voided": Row(
        submission("PostInvoicesInvoiceVoid", {"invoice": SEED.invoice_open}),
        (post("/v1/credit_notes", invoice=SEED.invoice_open, amount=8_000),),
        "The amount that is still to be paid of the invoice is $400.00 USD now; it was $480.00 USD.",
    ),
    "invoice finalized": Row(
        submission("PostInvoicesInvoiceFinalize", {"invoice": SEED.invoice_draft}),
        (
            post(
                "/v1/invoiceitems",
                customer="cus_petra",
                invoice=SEED.invoice_draft,
                amount=70_000,
                currency="usd",
            ),
        ),
        "The amount that is due on the invoice is $880.00 USD now; it was $180.00 USD.",
    ),
    "dispute answered": Row(
        submission(
            "PostDisputesDispute",
            {"dispute": SEED.dispute, "evidence": {"customer_name": "Jude Walker"}, "submit": True},
        ),
        (post(f"/v1/disputes/{SEED.dispute}", evidence={"refund_policy_disclosure": "None."}, submit=False),),
        "The evidence set aside for the dispute changed since.",
    ),
    "inquiry closed": Row(
        submission("PostDisputesDisputeClose", {"dispute": SEED.inquiry}),
        (post(f"/v1/disputes/{SEED.inquiry}", evidence={"refund_policy_disclosure": "None."}, submit=False),),
        "The evidence set aside for the dispute changed since.",
    ),
    "payment changed": Row(
        submission("PostPaymentIntentsIntent", {"intent": SEED.payment_intent_unpaid, "amount": 9_000}),
        (post(f"/v1/payment_intents/{SEED.payment_intent_unpaid}", amount=500_000),),
        "The amount of the payment is $5,000.00 USD now; it was $75.00 USD.",
    ),
    "credit note": Row(
        submission("PostCreditNotes", {"invoice": SEED.invoice_paid, "amount": 5_000, "refund_amount": 5_000}),
        (post("/v1/credit_notes", invoice=SEED.invoice_paid, amount=1_000, credit_amount=1_000),),
        "The amount credited on the invoice before is $50.00 USD now; it was $40.00 USD.",
    ),
    "default price of a product": Row(
        submission("PostProductsId", {"id": SEED.product_club, "default_price": SEED.price_yearly}),
        (post(f"/v1/products/{SEED.product_club}", default_price=SEED.price_monthly_eur),),
        "The default price of the product changed since.",
    ),
    "promotion code": Row(
        submission("PostPromotionCodes", {"promotion": {"type": "coupon", "coupon": SEED.coupon_forever}}),
        (
            ("delete", f"/v1/coupons/{SEED.coupon_forever}", {}),
            post("/v1/coupons", id=SEED.coupon_forever, percent_off=95, duration="forever"),
        ),
        f"The coupon {SEED.coupon_forever} changed since.",
    ),
    "credit of a customer": Row(
        submission("PostCustomersCustomer", {"customer": "cus_theo", "balance": -5_000}),
        (post("/v1/customers/cus_theo", balance=-4_000),),
        "The balance of the customer (credit, where it is below zero) is -$40.00 USD now; it was $0.00 USD.",
    ),
    "customer deleted": Row(
        submission("DeleteCustomersCustomer", {"customer": "cus_uma"}),
        (post("/v1/subscriptions", customer="cus_uma", items=[{"price": SEED.price_yearly}]),),
        "The subscriptions of the customer, or what they cost changed since.",
    ),
}


#: What nobody can say yes to any more: Stripe's certain no ends it, and nobody is asked again.
OVER: dict[str, Row] = {
    "transfer without a balance": Row(
        submission("PostTransfers", {"amount": 250_000, "currency": "eur", "destination": SEED.connected_account_paid}),
        (post("/v1/payouts", amount=1_100_000, currency="eur"),),
        "Only €1,500.00 EUR is available.",
    ),
    "refund of an amount": Row(
        refund(SEED.payment_intent_900, 90_000),
        (post("/v1/refunds", charge=SEED.charge_900, amount=1),),
        "Only $899.99 USD of the charge is left to refund.",
    ),
    "invoice that was paid": Row(
        submission("PostInvoicesInvoiceVoid", {"invoice": SEED.invoice_open}),
        (post(f"/v1/invoices/{SEED.invoice_open}/pay", paid_out_of_band=True),),
        "The invoice is paid",
    ),
    "hold that was captured": Row(
        submission(
            "PostPaymentIntentsIntentCapture", {"intent": SEED.payment_intent_held_900, "amount_to_capture": 100}
        ),
        (post(f"/v1/payment_intents/{SEED.payment_intent_held_900}/capture"),),
        "A payment that is succeeded cannot be captured.",
    ),
    "charge that was captured": Row(
        submission("PostChargesChargeCapture", {"charge": SEED.charge_held_180, "amount": 100}),
        (post(f"/v1/payment_intents/{SEED.payment_intent_held_180}/capture"),),
        "The charge is captured already.",
    ),
    "dispute that was accepted": Row(
        submission(
            "PostDisputesDispute", {"dispute": SEED.dispute, "evidence": {"customer_name": "Jude"}, "submit": True}
        ),
        (post(f"/v1/disputes/{SEED.dispute}/close"),),
        "lost",
    ),
}
#: What somebody else did, and enough is left or it is as it was.
HARMLESS: dict[str, tuple[Submission, Act]] = {
    "refund of a part": (
        refund(SEED.payment_intent_900, 60_000),
        post("/v1/refunds", charge=SEED.charge_900, amount=30_000),
    ),
    "payout of a part": (
        submission("PostPayouts", {"amount": 100_000, "currency": "eur"}),
        post("/v1/payouts", amount=100_000, currency="eur"),
    ),
    "subscription with another description": (
        submission("DeleteSubscriptionsSubscriptionExposedId", {"subscription_exposed_id": SEED.subscription_office}),
        post(f"/v1/subscriptions/{SEED.subscription_office}", description="approved by the CFO"),
    ),
    "payment with other metadata": (
        submission("PostPaymentIntentsIntent", {"intent": SEED.payment_intent_unpaid, "amount": 9_000}),
        post(f"/v1/payment_intents/{SEED.payment_intent_unpaid}", metadata={"approved_by": "the CFO"}),
    ),
}


@contextmanager
def somebody_else(house: House) -> Iterator[Callable[[Act], None]]:
    """Another key's way to the same Stripe."""
    with SimulatorServer(house.world) as server:
        client = stripe.StripeClient(SIMULATOR_KEY, base_addresses={"api": server.base_url})

        def act(each: Act) -> None:
            method, path, parameters = each
            client.raw_request(method, path.format(account=SEED.account), **parameters)

        yield act


def asks_about_everything(house: House) -> None:
    (house.home / "policies.yaml").write_text(POLICY)


async def say_yes(desk: Desk, view: RequestView) -> Card:
    """Their card as they saw it."""
    card = await desk.card(view.request_id)
    await desk.vote(view.request_id, digest=card.digest, person="maria", secret=f"{SECRET} maria", answer=Answer.YES)
    return card


def printed(what: Any, width: int = 200) -> str:
    written = io.StringIO()
    Console(file=written, width=width, no_color=True).print(what)
    return written.getvalue()


async def test_what_changed_behind_an_approval_is_shown_to_people_and_runs_once_they_say_yes_again(
    house: House,
) -> None:
    """THREATS 8 and 9."""
    asks_about_everything(house)
    await house.enrol()
    async with house.gate() as gate:
        views = {name: await gate.submit(row.ask) for name, row in ROWS.items()}
    with somebody_else(house) as act:
        for row in ROWS.values():
            for each in row.meddled:
                act(each)
    theirs = house.world.summary()["effects"]
    async with house.desk() as desk:
        seen = {name: await say_yes(desk, view) for name, view in views.items()}

    async with house.gate() as gate, house.desk() as desk:
        told = {name: await until(gate, view, *ENDS, State.WAITING) for name, view in views.items()}
        cards = {name: await desk.card(view.request_id) for name, view in views.items()}
        lives = {name: await desk.life(view.request_id) for name, view in views.items()}
        effects_before = house.world.summary()["effects"]

        assert {name: view.status for name, view in told.items()} == dict.fromkeys(ROWS, State.WAITING)
        read = {name: " ".join(card.changed) for name, card in cards.items()}
        assert {name: read[name] for name, row in ROWS.items() if row.says not in read[name]} == {}
        assert {card.round for card in cards.values()} == {2}
        assert not {card.digest for card in cards.values()} & {card.digest for card in seen.values()}
        assert {card.votes for card in cards.values()} == {()}
        for name, row in ROWS.items():
            people_read = (printed(card_view(cards[name])), printed(page(lives[name], (), PROOF)))
            assert [row.says in text for text in people_read] == [True, True], name
            message = words_for(told[name], now=0, tool="get_request", waited=True).message
            assert message.startswith("NOW WAITING FOR A PERSON"), name
            assert row.says not in message
        assert effects_before == theirs

        for view in views.values():
            await say_yes(desk, view)
        done = {name: await until(gate, view, *ENDS) for name, view in views.items()}
        attempts = {name: (await desk.life(view.request_id)).request.attempt for name, view in views.items()}

    assert {name: view.status for name, view in done.items()} == dict.fromkeys(ROWS, State.SUCCEEDED)
    assert house.world.summary()["effects"] == theirs + len(ROWS)
    assert set(attempts.values()) == {1}
    assert told["refund"].result is None
    assert done["refund"].result is not None
    assert done["refund"].result["amount"] == 86_000


async def test_what_cannot_be_done_any_more_ends_without_asking_anybody_again(house: House) -> None:
    """THREATS 8 and 21."""
    asks_about_everything(house)
    await house.enrol()
    async with house.gate() as gate:
        views = {name: await gate.submit(row.ask) for name, row in OVER.items()}
    with somebody_else(house) as act:
        for row in OVER.values():
            for each in row.meddled:
                act(each)
    theirs = house.world.summary()["effects"]
    async with house.desk() as desk:
        for view in views.values():
            await say_yes(desk, view)

    async with house.gate() as gate:
        told = {name: await until(gate, view, *ENDS, State.WAITING) for name, view in views.items()}

    assert {name: view.status for name, view in told.items()} == dict.fromkeys(OVER, State.FAILED)
    why = {name: view.failure.message if view.failure is not None else "" for name, view in told.items()}
    assert {name: why[name] for name, row in OVER.items() if row.says not in why[name]} == {}
    assert house.world.summary()["effects"] == theirs


async def test_a_change_that_does_not_matter_voids_no_approval(house: House) -> None:
    asks_about_everything(house)
    await house.enrol()
    async with house.gate() as gate:
        views = {name: await gate.submit(ask) for name, (ask, _) in HARMLESS.items()}
    with somebody_else(house) as act:
        for _, each in HARMLESS.values():
            act(each)
    async with house.desk() as desk:
        for view in views.values():
            await say_yes(desk, view)

    async with house.gate() as gate:
        told = {name: await until(gate, view, *ENDS, State.WAITING) for name, view in views.items()}

    assert {name: view.status for name, view in told.items()} == dict.fromkeys(HARMLESS, State.SUCCEEDED)


async def test_the_third_change_ends_it_and_the_last_difference_is_kept(house: House) -> None:
    asks_about_everything(house)
    await house.enrol()
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
    statuses = []
    for _ in range(3):
        refund_behind_our_back(house, SEED.charge_900, 4_000)
        async with house.desk() as desk:
            await say_yes(desk, view)
        async with house.gate() as gate:
            after = await until(gate, view, *ENDS, State.WAITING)
            statuses.append(after.status)
    async with house.desk() as desk:
        life = await desk.life(view.request_id)

    assert statuses == [State.WAITING, State.WAITING, State.FAILED]
    assert after.failure is not None
    assert after.failure.code == "precondition.changed"
    assert "Only $780.00 USD can still be refunded; it was to be $820.00 USD." in printed(page(life, (), PROOF))
    assert house.world.summary()["refunds"]["count"] == 3
    assert verify(house.settings.database).ok


async def test_while_stripe_tells_nothing_it_stays_approved_until_it_expires(house: House) -> None:
    """A look that failed is no change, and no yes to what nobody could look at."""
    asks_about_everything(house)
    await house.enrol()
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
    async with house.desk() as desk:
        await say_yes(desk, view)
    for kind in (FaultKind.RESET, FaultKind.ERROR_500):
        house.world.add_fault(Fault(kind, method="GET", path_prefix="/v1/payment_intents", times=99))
    reached = asyncio.Event()
    async with house.gate(lambda point: reached.set() if point == "approved.untold" else None) as gate:
        async with asyncio.timeout(20):
            await reached.wait()
        meanwhile = await gate.get("stdio", view.request_id)
    house.clock.forward(25 * 3_600_000)
    async with house.gate() as gate:
        after = await until(gate, view, *ENDS, State.WAITING, State.EXPIRED)

    assert (meanwhile.status, after.status) == (State.APPROVED, State.EXPIRED)
    assert house.world.summary()["writes"]["received"] == 0


async def test_a_payout_goes_where_people_saw_though_the_default_is_another_account_by_then(house: House) -> None:
    """THREATS 8: the destination is in the bytes, so that no look-up has to be in time."""
    asks_about_everything(house)
    await house.enrol()
    async with house.gate() as gate:
        view = await gate.submit(submission("PostPayouts", {"amount": 100_000, "currency": "eur"}))
    swapped = ROWS["payout whose bank account is gone"].meddled[0]

    def between_look_and_send(point: str) -> None:
        if point == "execute.before_send":
            with somebody_else(house) as act:
                act(swapped)

    async with house.desk() as desk:
        await say_yes(desk, view)
    async with house.gate(between_look_and_send) as gate:
        done = await until(gate, view, *ENDS, State.WAITING)

    assert done.result is not None
    assert done.result["destination"] == SEED.bank_account_eur


async def test_what_was_looked_up_before_the_machine_slept_is_not_acted_on_when_it_wakes(house: House) -> None:
    """THREATS 8: the lid closes between the look-up and the send, and the world goes on."""
    asks_about_everything(house)
    await house.enrol()
    async with house.gate() as gate:
        view = await gate.submit(refund(SEED.payment_intent_900))
    async with house.desk() as desk:
        await say_yes(desk, view)
    slept: list[str] = []

    def sleep_once(point: str) -> None:
        if point == "approved.looked_up" and not slept:
            slept.append(point)
            refund_behind_our_back(house, SEED.charge_900, 4_000)
            house.clock.boot_ms += 31_000  # the wall clock was set back meanwhile

    async with house.gate(sleep_once) as gate:
        after = await until(gate, view, *ENDS, State.WAITING)

    assert (slept, after.status) == (["approved.looked_up"], State.WAITING)
    assert house.world.summary()["refunds"]["count"] == 1


async def test_what_is_allowed_outright_is_looked_up_anew_too_where_the_machine_slept_before_it_was_decided(
    house: House,
) -> None:
    slept: list[str] = []

    def sleep_once(point: str) -> None:
        if point == "submit.received" and not slept:
            slept.append(point)
            refund_behind_our_back(house, SEED.charge_900, 89_000)
            house.clock.forward(3_600_000)

    async with house.gate(sleep_once) as gate:
        done = await gate.submit(refund(SEED.payment_intent_900))

    assert slept == ["submit.received"]
    assert done.status is State.SUCCEEDED
    assert done.result is not None
    assert done.result["amount"] == 1_000
