"""What a payout or transfer would really do: how much of which balance, to whom, and whether money went there before."""

from __future__ import annotations

import pytest

from runplane_mcp.core.effect import UNAVAILABLE, Effect, Looked
from runplane_mcp.core.effects import broken, reads
from runplane_mcp.core.facts import NONE, UNKNOWN
from runplane_mcp.core.money import Money
from tests.core.stripe_objects import GONE, account, balance, bank, charge, classified, effect, listing

PAID = listing({"id": "po_1", "object": "payout", "destination": "ba_1", "status": "paid"})


def payout(looked: dict[str, object] | None = None, **parameters: object) -> Effect:
    found: dict[str, object] = {"balance": balance(usd=500_000), "account": account(bank()), "paid_before": PAID}
    asked = {"amount": 100_000, "currency": "usd", **parameters}
    return effect("PostPayouts", {**found, **(looked or {})}, **asked)  # type: ignore[dict-item]


def transfer(looked: dict[str, object] | None = None, **parameters: object) -> Effect:
    found: dict[str, object] = {
        "balance": balance(usd=500_000),
        "destination": account(id="acct_2"),
        "sent_before": listing(),
    }
    asked = {"currency": "usd", "destination": "acct_2", **parameters}
    return effect("PostTransfers", {**found, **(looked or {})}, **asked)  # type: ignore[dict-item]


# ── payouts ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_payout_without_destination_goes_to_the_default_account_which_is_filled_in() -> None:
    seen = payout({"account": account(bank("ba_eur", "eur"), bank("ba_old", default=False), bank("ba_1"))})

    assert seen.facts["destination"] == "ba_1"
    assert seen.fill == {"destination": "ba_1"}
    assert seen.facts["destination_paid_before"] is True
    assert seen.sentence == "Pay out $1,000.00 USD to bank account ba_1."
    assert ("bank", "First Harbor Bank") in seen.quoted


@pytest.mark.parametrize(
    "held",
    [
        UNAVAILABLE,
        account(),
        account(bank(currency="eur")),
        account(bank("ba_1"), bank("ba_2")),
        account(bank(default=False)),
        {"id": "acct_1", "object": "account"},
        {"external_accounts": {"data": "none"}},
        account({"id": "ba_\u202e", "currency": "usd", "default_for_currency": True}),
    ],
)
def test_a_default_account_that_can_not_be_found_is_unknown(held: object) -> None:
    seen = payout({"account": held, "paid_before": UNAVAILABLE})

    assert seen.facts["destination"] is UNKNOWN
    assert seen.facts["destination_paid_before"] is UNKNOWN
    assert seen.fill == {}


def test_a_destination_that_was_given_is_kept() -> None:
    seen = payout({"paid_before": listing()}, destination="ba_9")

    assert (seen.facts["destination"], seen.fill) == ("ba_9", {})
    assert seen.facts["destination_paid_before"] is False
    assert seen.sentence == "Pay out $1,000.00 USD to account ba_9, never paid before."


def test_a_payout_to_an_account_that_is_none_of_ours_is_refused_before_a_person_is_asked() -> None:
    """THREATS 21. Only where the list that Stripe gave is whole and not empty."""
    held = account(bank("ba_1"))
    whole = payout({"account": held}, destination="ba_theirs")
    cut = {**held, "external_accounts": {**listing(bank("ba_1")), "has_more": True}}

    assert whole.refusal is not None
    assert (whole.refusal.code, whole.refusal.param) == ("stripe.resource_missing", "destination")
    assert payout({"account": held}, destination="ba_1").refusal is None
    for unsure in (cut, account(), {"id": "acct_1", "object": "account"}, UNAVAILABLE):
        assert payout({"account": unsure}, destination="ba_theirs").refusal is None


def test_two_destinations_are_none() -> None:
    assert payout(destination="ba_1", payout_method="pm_1").facts["destination"] is UNKNOWN
    assert payout(payout_method="pm_1").facts["destination"] == "pm_1"
    assert payout(payout_method="pm_1").fill == {}


def test_the_reads_of_a_payout_are_two_stages_at_most() -> None:
    asked = classified("PostPayouts", amount=100, currency="usd")
    first = reads(asked, {})
    looked: dict[str, Looked] = {"balance": balance(usd=1), "account": account(bank())}
    second = reads(asked, looked)

    assert [read.wire.url for read in first] == ["/v1/balance", "/v1/account"]
    assert [read.wire.url for read in second] == ["/v1/payouts?destination=ba_1&limit=3&status=paid"]
    assert reads(asked, {**looked, "paid_before": PAID}) == ()
    assert reads(asked, {"balance": UNAVAILABLE, "account": UNAVAILABLE}) == ()
    assert len(reads(classified("PostPayouts", amount=100, currency="usd", destination="ba_1"), {})) == 3


@pytest.mark.parametrize("status", ["pending", "in_transit", "failed", "canceled", None])
def test_only_a_payout_that_arrived_counts_as_paid_before(status: object) -> None:
    before = listing({"id": "po_1", "destination": "ba_1", "status": status})

    assert payout({"paid_before": before}).facts["destination_paid_before"] is False


def test_a_payout_to_another_account_proves_nothing() -> None:
    before = listing({"id": "po_1", "destination": "ba_2", "status": "paid"})

    assert payout({"paid_before": before}).facts["destination_paid_before"] is False


@pytest.mark.parametrize(
    ("held", "parameters", "refused"),
    [
        (balance(usd=100_000), {}, False),
        (balance(usd=99_999), {}, True),
        (balance(eur=10**9), {}, True),
        (balance(usd=-5), {}, True),
        (balance(usd=500_000), {"source_type": "bank_account"}, True),
        (balance(usd=500_000), {"source_type": "card"}, False),
        (UNAVAILABLE, {}, False),
        ({"available": "much"}, {}, False),
        ({"available": [{"amount": 5.0, "currency": "usd"}]}, {}, False),
        ({"available": [{"amount": 5, "currency": "usd"}, {"amount": 6, "currency": "usd"}]}, {}, False),
        ({"available": [{"amount": 5, "currency": "usd"}]}, {}, True),
    ],
)
def test_a_balance_that_is_certainly_too_small_is_stripes_no(
    held: object, parameters: dict[str, object], refused: bool
) -> None:
    seen = payout({"balance": held}, **parameters)

    assert (seen.refusal is not None) == refused
    assert not refused or seen.refusal.code == "stripe.balance_insufficient"  # type: ignore[union-attr]


def test_the_balance_must_still_be_there_when_it_runs() -> None:
    seen = payout()

    assert {each.sentence() for each in seen.preconditions} == {
        "available >= 100000",
        "destination = ba_1",
        "destination_fingerprint = fp_ba_1",
    }
    assert broken(seen.preconditions, seen) == ()
    assert [each.name for each in broken(seen.preconditions, payout({"balance": balance(usd=5)}))] == ["available"]
    other = payout({"account": account(bank() | {"fingerprint": "fp_changed"})})
    assert [each.name for each in broken(seen.preconditions, other)] == ["destination_fingerprint"]


@pytest.mark.parametrize(
    ("method", "reversible"), [(None, True), ("standard", True), ("instant", False), ("later", UNKNOWN)]
)
def test_an_instant_payout_can_not_be_undone(method: str | None, reversible: object) -> None:
    parameters: dict[str, object] = {"method": method} if method else {}
    seen = payout(None, **parameters)

    assert seen.facts["reversible"] is reversible


def test_an_instant_payout_draws_on_its_own_balance() -> None:
    held = {**balance(usd=500_000), "instant_available": []}

    assert payout({"balance": held}, method="instant").refusal is not None
    assert payout({"balance": held}).refusal is None


@pytest.mark.parametrize(
    ("currency", "amount", "refused"), [("huf", 150, True), ("huf", 200, False), ("isk", 150, True)]
)
def test_currencies_without_small_units_are_paid_out_whole(currency: str, amount: int, refused: bool) -> None:
    """THREATS row 17."""
    seen = payout({"balance": balance(**{currency: 10_000})}, currency=currency, amount=amount)

    assert (seen.refusal is not None) == refused


def test_a_currency_that_stripe_does_not_have_is_unknown() -> None:
    seen = payout(currency="doge")

    assert seen.facts["amount"] is UNKNOWN
    assert seen.facts["currency"] is UNKNOWN


def test_a_destination_that_is_not_there_is_refused() -> None:
    for seen in (payout({"paid_before": GONE}, destination="ba_9"), payout(destination="a/b")):
        assert seen.refusal is not None
        assert seen.refusal.param == "destination"


# ── transfers ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_transfer_says_to_whom_and_that_it_is_the_first() -> None:
    seen = transfer(amount=15_000)

    assert seen.facts["amount"] == Money(15_000, "usd")
    assert seen.facts["destination"] == "acct_2"
    assert seen.facts["destination_paid_before"] is False
    assert seen.facts["reversible"] is True
    assert seen.facts["object"] is NONE
    assert seen.sentence == "Transfer $150.00 USD to account acct_2, never sent anything before."
    assert ("account name", "Maple Bakery") in seen.quoted


def test_a_transfer_of_a_charge_takes_all_of_it_and_fills_that_in() -> None:
    seen = transfer({"charge": charge()}, source_transaction="ch_1")

    assert seen.facts["amount"] == Money(90_000, "usd")
    assert seen.fill == {"amount": 90_000}
    assert seen.facts["object"] == "ch_1"
    assert [each.sentence() for each in seen.preconditions] == ["charged >= 90000"]


@pytest.mark.parametrize(
    ("looked", "parameters", "code"),
    [
        ({}, {}, "parameter.missing"),
        ({}, {"amount": 1, "destination": "../x"}, "parameter.id"),
        ({}, {"amount": 1, "source_transaction": "a b"}, "parameter.id"),
        ({"destination": GONE}, {"amount": 1}, "stripe.resource_missing"),
        ({"balance": balance(usd=5)}, {"amount": 6}, "stripe.balance_insufficient"),
        ({"charge": charge(status="failed")}, {"source_transaction": "ch_1"}, "stripe.charge_failed"),
        ({"charge": charge()}, {"source_transaction": "ch_1", "amount": 90_001}, "stripe.amount_too_large"),
        ({"charge": GONE}, {"source_transaction": "ch_1"}, "stripe.resource_missing"),
    ],
)
def test_stripes_certain_no_to_a_transfer_is_known_before_a_person_is_asked(
    looked: dict[str, object], parameters: dict[str, object], code: str
) -> None:
    """THREATS row 21."""
    seen = transfer(looked, **parameters)

    assert seen.refusal is not None
    assert seen.refusal.code == code


def test_the_whole_charge_in_another_currency_is_unknown() -> None:
    seen = transfer({"charge": charge(currency="jpy")}, source_transaction="ch_1")

    assert seen.facts["amount"] is UNKNOWN
    assert seen.fill == {}


@pytest.mark.parametrize(
    ("sent", "before"),
    [
        (listing({"destination": "acct_2", "amount": 500, "amount_reversed": 0}), True),
        (listing({"destination": "acct_2", "amount": 500, "amount_reversed": 499}), True),
        (listing({"destination": "acct_2", "amount": 500, "amount_reversed": 500}), False),
        (listing({"destination": "acct_2", "amount": 500, "amount_reversed": 500}, has_more=True), UNKNOWN),
        (listing({"destination": "acct_3", "amount": 500, "amount_reversed": 0}), False),
        (listing({"destination": "acct_2", "amount": None, "amount_reversed": 0}), False),
        (UNAVAILABLE, UNKNOWN),
        ({"data": None}, UNKNOWN),
    ],
)
def test_money_that_was_sent_and_kept_counts_as_paid_before(sent: object, before: object) -> None:
    assert transfer({"sent_before": sent}, amount=1).facts["destination_paid_before"] is before


def test_an_account_that_could_not_be_read_is_unknown() -> None:
    seen = transfer({"destination": UNAVAILABLE}, amount=1)

    assert seen.facts["destination"] is UNKNOWN
    assert seen.incomplete


def test_the_reads_of_a_transfer_are_one_stage() -> None:
    plain = classified("PostTransfers", amount=1, currency="usd", destination="acct_2")
    of_charge = classified("PostTransfers", currency="usd", destination="acct_2", source_transaction="ch_1")

    assert [read.wire.url for read in reads(plain, {})] == [
        "/v1/accounts/acct_2",
        "/v1/transfers?destination=acct_2&limit=10",
        "/v1/balance",
    ]
    assert reads(of_charge, {})[2].wire.url == "/v1/charges/ch_1"
    assert reads(plain, {"balance": UNAVAILABLE}) == ()
    assert reads(classified("PostTransfers", currency="usd", destination="acct_2"), {}) == ()
