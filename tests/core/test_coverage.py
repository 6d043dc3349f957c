"""Each money line in exactly one box, to the cent, by evidence that nobody can write who was not it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runplane_mcp.core.coverage.boxes import Box, Made, Placed, Records, not_there, place, sides
from runplane_mcp.core.coverage.lines import Lines, lines_of
from runplane_mcp.core.coverage.listings import DAY, LISTINGS, LISTINGS_THERE, Source
from runplane_mcp.core.coverage.sums import books_of, held, ties_of
from runplane_mcp.core.coverage.traces import Traces, trace_of
from runplane_mcp.core.listing import pruned
from runplane_mcp.core.request import State
from runplane_mcp.errors import StripeError

NOW = 1_795_000_000
SINCE = NOW - 20 * DAY
KEY = "rp_" + "ab" * 16
Pages = dict[Source, list[dict[str, Any]]]


def booking(id: str, kind: str, amount: int, source: str | None = None, **fields: Any) -> dict[str, Any]:
    line: dict[str, Any] = {
        "id": id,
        "type": kind,
        "created": NOW - DAY,
        "amount": amount,
        "fee": 0,
        "currency": "usd",
        "source": source,
    }
    line |= fields
    return {"net": line["amount"] - line["fee"], **line}


def event(
    type: str, about: dict[str, Any], request: Any = None, *, id: str | None = None, **fields: Any
) -> dict[str, Any]:
    data: dict[str, Any] = {"object": about}
    base = {"id": id or f"evt_{type}_{about['id']}", "type": type, "created": NOW - DAY, "data": data}
    return {**base, "request": request, **fields}


def by(request_id: str | None, key: str | None) -> dict[str, Any]:
    return {"id": request_id, "idempotency_key": key}


SHOP, PERSON, NOBODY = by("req_shop", "0b7e-uuid"), by("req_person", None), by(None, None)
REFUND = {"id": "re_1", "object": "refund", "balance_transaction": "txn_1", "amount": 4_000, "currency": "usd"}


def made(**fields: Any) -> Made:
    base: dict[str, Any] = {
        "request_id": "rpr_1",
        "reference": "RP-AAAA",
        "agent": "support-bot",
        "action": "refund.create",
        "state": State.SUCCEEDED,
        "at": NOW - DAY,
        "stripe_key": KEY,
        "stripe_request_id": "req_ours",
        "object_id": "re_1",
        "answers": frozenset({"refund"}),
        "made": frozenset({"re_1"}),
        "money": (4_000, "usd"),
    }
    return Made(**{**base, **fields})


def placed(pages: Pages, *requests: Made, told_since: int = SINCE) -> tuple[Placed, ...]:
    return place(lines_of(pages, SINCE, NOW).lines, traces(pages), Records(requests), told_since=told_since)


def traces(pages: Pages) -> Traces:
    found = [trace_of(each) for source in (Source.MOVES, Source.WAIVERS) for each in pages.get(source, ())]
    return Traces(each for each in found if each is not None)


def one(*requests: Made, caused: Any = "no event", line: Mapping[str, Any] | None = None, **kwargs: Any) -> Placed:
    """The box of a refund of $40.00 whose event names `caused`."""
    events = [] if caused == "no event" else [event("refund.created", REFUND, caused)]
    lines = [booking("txn_1", "refund", -4_000, "re_1") | dict(line or {})]
    [found] = placed({Source.LINES: lines, Source.REFUNDS: [REFUND], Source.MOVES: events}, *requests, **kwargs)
    return found


def test_a_line_is_in_the_box_of_who_made_it() -> None:
    ours = by("req_ours", KEY)

    assert (Box.ALLOWED, "RP-AAAA, refund.create") == (one(made(), caused=ours).box, one(made(), caused=ours).why)
    assert ("approved by dana, maria",) == (one(made(approved_by=("dana", "maria")), caused=ours).words,)
    assert Box.ANOTHER_KEY is one(caused=SHOP).box
    assert Box.DASHBOARD is one(caused=PERSON).box
    assert Box.AUTOMATIC is one(caused=NOBODY).box
    assert Box.AUTOMATIC is one(caused=None).box, "older versions of the API have null instead of an object"
    assert Box.DASHBOARD is one(caused="req_1").box, "and the oldest the request's id alone"
    assert Box.UNEXPLAINED is one().box
    assert Box.NO_LONGER_KNOWN is one(told_since=NOW).box


def test_our_record_alone_explains_what_stripe_has_forgotten() -> None:
    assert Box.ALLOWED is one(made(), told_since=NOW).box
    assert Box.ALLOWED is one(made(stripe_key=None), caused=by("req_ours", None)).box, "a DELETE has no key"


@pytest.mark.parametrize("state", sorted(set(State) - {State.SUCCEEDED, State.EXECUTING, State.OUTCOME_UNKNOWN}))
def test_what_was_never_to_run_is_unexplained_where_it_happened(state: State) -> None:
    """THREATS 12: denied, expired or canceled requests that ran all the same."""
    found = one(made(state=state), caused=by("req_ours", KEY))

    assert Box.UNEXPLAINED is found.box
    assert state.value in found.why


@pytest.mark.parametrize(
    ("request_", "caused"),
    [
        (made(problem="No decision allowed it."), by("req_ours", KEY)),
        # A row that was written past Runplane claims what another key made.
        (made(), SHOP),
        (made(), PERSON),
        (made(money=(400, "usd")), by("req_ours", KEY)),
        (made(money=(4_000, "eur")), by("req_ours", KEY)),
        # Our key, read off Stripe's events and used once more after Stripe had forgotten it.
        (made(at=NOW - 4 * DAY), by("req_again", KEY)),
        (made(object_id="re_other", made=frozenset({"re_other"})), by("req_again", KEY)),
        # A key of our form that no request of this home has.
        (made(), by("req_lost", "rp_" + "cd" * 16)),
        (made(object_id="re_2", made=frozenset({"re_2"})), by("req_lost", "rp_" + "cd" * 16)),
        (made(object_id="re_2", made=frozenset()), "no event"),
    ],
)
def test_what_the_record_and_stripe_say_otherwise_is_unexplained(request_: Made, caused: Any) -> None:
    assert Box.UNEXPLAINED is one(request_, caused=caused).box


def test_an_event_that_says_nothing_of_a_request_explains_nothing() -> None:
    silent = event("refund.created", REFUND)
    del silent["request"]
    [found] = placed({Source.LINES: [booking("txn_1", "refund", -4_000, "re_1")], Source.MOVES: [silent]})

    assert Box.UNEXPLAINED is found.box


def test_nobodys_words_are_kept_so_that_metadata_is_no_evidence() -> None:
    claims = {**REFUND, "metadata": {"runplane_request": "rpr_1", "approved": "yes"}, "description": "by Runplane"}
    listed = {source: pruned(claims, LISTINGS[source].keep) for source in Source}
    told = pruned(event("refund.created", claims, SHOP), LISTINGS[Source.MOVES].keep)

    assert "rpr_1" not in json.dumps(listed) + json.dumps(told)
    assert Box.ANOTHER_KEY is one(made(object_id=None, made=frozenset()), caused=SHOP).box


def test_a_request_that_is_not_finished_is_named_as_what_may_have_made_it() -> None:
    running = made(state=State.OUTCOME_UNKNOWN, object_id=None, made=frozenset(), money=None)
    later, payout = made(state=State.EXECUTING, at=NOW, object_id=None), frozenset({"payout"})

    assert ("RP-AAAA", Box.UNEXPLAINED) == (one(running).may_be, one(running).box)
    assert Box.ALLOWED is one(running, caused=by("req_x", KEY)).box, "its key tells, as soon as Stripe's event is there"
    assert one(later).may_be is None
    assert one(made(state=State.EXECUTING, object_id=None, made=payout, answers=payout)).may_be is None


def test_payouts_by_schedule_are_automatic_for_ever_and_others_are_not() -> None:
    def payout(automatic: bool, caused: Any = "no event", **fields: Any) -> Box:
        about = {"id": "po_1", "created": NOW - DAY, "amount": 9_000, "currency": "usd", "balance_transaction": "txn_1"}
        events = [] if caused == "no event" else [event("payout.created", about, caused)]
        lines = [booking("txn_1", "payout", -9_000, "po_1")]
        pages: Pages = {Source.LINES: lines, Source.PAYOUTS: [about | {"automatic": automatic}], Source.MOVES: events}
        return placed(pages, **fields)[0].box

    assert Box.AUTOMATIC is payout(True, NOBODY)
    assert Box.AUTOMATIC is payout(True, told_since=NOW)
    assert Box.DASHBOARD is payout(False, PERSON)
    assert Box.UNEXPLAINED is payout(False, NOBODY), "somebody asked for it, and nobody did"
    assert Box.UNEXPLAINED is payout(False)


def test_each_reversal_of_a_transfer_has_its_own_maker() -> None:
    first = {"id": "trr_1", "balance_transaction": "txn_1"}
    second = {"id": "trr_2", "balance_transaction": "txn_2"}
    events = [  # newest first, and all in one second
        event("transfer.reversed", {"id": "tr_1", "reversals": {"data": [second, first]}}, SHOP, id="evt_0"),
        event("transfer.reversed", {"id": "tr_1", "reversals": {"data": [first]}}, PERSON, id="evt_9"),
    ]
    lines = [booking("txn_1", "transfer_refund", 500, "trr_1"), booking("txn_2", "transfer_refund", 700, "trr_2")]

    found = placed({Source.LINES: lines, Source.MOVES: events})

    assert [Box.DASHBOARD, Box.ANOTHER_KEY] == [each.box for each in found]


def test_a_top_up_is_whosever_asked_for_it_not_his_bank() -> None:
    events = [
        event("topup.succeeded", {"id": "tu_1", "balance_transaction": "txn_1"}, NOBODY),
        event("topup.created", {"id": "tu_1", "balance_transaction": None}, PERSON),
    ]
    [found] = placed({Source.LINES: [booking("txn_1", "topup", 100, "tu_1")], Source.MOVES: events})

    assert Box.DASHBOARD is found.box


def test_what_stripe_takes_stands_apart_from_what_it_was_taken_for() -> None:
    fees = [{"amount": 300, "type": "application_fee"}, {"amount": 61, "type": "stripe_fee"}]
    charge = booking("txn_1", "charge", 5_000, "ch_1", fee=361, fee_details=fees)
    pages: Pages = {Source.LINES: [charge], Source.MOVES: [event("charge.succeeded", {"id": "ch_1"}, SHOP)]}

    found = {each.line.id: (each.line.amount, each.box) for each in placed(pages)}

    assert {"txn_1": (4_700, Box.ANOTHER_KEY), "txn_1 fee": (-61, Box.AUTOMATIC)} == found


def test_a_customers_own_payment_is_nobodys_in_the_dashboard() -> None:
    charge = {Source.LINES: [booking("txn_1", "charge", 5_000, "ch_1")]}
    [found] = placed({**charge, Source.MOVES: [event("charge.succeeded", {"id": "ch_1"}, PERSON)]})

    assert Box.ANOTHER_KEY is found.box


@pytest.mark.parametrize("kind", ["adjustment", "stripe_fee", "payout_failure", "reserve_transaction"])
def test_what_only_stripe_can_do_is_automatic(kind: str) -> None:
    [found] = placed({Source.LINES: [booking("txn_1", kind, -1_500, "dp_1")]})

    assert Box.AUTOMATIC is found.box


def test_a_kind_of_line_that_stripe_adds_one_day_is_unexplained() -> None:
    [found] = placed({Source.LINES: [booking("txn_1", "quantum_payout", -1, "qp_1", currency="xxx")]})

    assert (Box.UNEXPLAINED, "xxx") == (found.box, found.line.currency)


def test_credit_and_what_is_given_up_have_lines_beside_the_balance() -> None:
    def credited(id: str, caused: Any, before: int, after: int) -> dict[str, Any]:
        told = event("customer.updated", {"id": id, "balance": after, "currency": "usd"}, caused)
        return told | {"data": {**told["data"], "previous_attributes": {"balance": before}}}

    note = {"id": "cn_1", "created": NOW - DAY, "amount": 900, "currency": "usd", "status": "issued"}
    note["refunds"] = [{"amount_refunded": 400, "refund": "re_9"}]
    pending = {"id": "re_2", "created": NOW - DAY, "amount": 700, "currency": "usd", "status": "pending"}
    pages: Pages = {
        Source.CREDIT_NOTES: [note, note | {"id": "cn_2", "status": "void"}],
        Source.REFUNDS: [pending | {"balance_transaction": None}, pending | {"id": "re_3", "status": "failed"}],
        Source.MOVES: [event("refund.created", {"id": "re_2"}, SHOP)],
        Source.WAIVERS: [
            event("credit_note.created", {"id": "cn_1", "customer": "cus_1"}, PERSON),
            credited("cus_1", PERSON, 0, -500),  # what the credit note gave: its own line says so
            credited("cus_2", SHOP, -100, -350),
            credited("cus_3", SHOP, -100, 0),  # spent on an invoice: nothing was given
            event("invoice.voided", {"id": "in_1", "amount_remaining": 4_200, "currency": "usd"}, SHOP),
            event("invoice.marked_uncollectible", {"id": "in_2", "amount_remaining": 300, "currency": "usd"}, NOBODY),
            event(
                "billing.credit_grant.created",
                {"id": "credgr_1", "amount": {"monetary": {"value": 50, "currency": "usd"}}},
                by("r", KEY),
            ),
        ],
    }
    grant = made(object_id="credgr_1", made=frozenset({"credgr_1"}), answers=frozenset({"billing.credit_grant"}))

    found = {(each.line.kind, each.line.amount, each.box) for each in placed(pages, grant)}

    assert {
        ("refund not booked", -700, Box.ANOTHER_KEY),
        ("credit note", -500, Box.DASHBOARD),
        ("customer credit", -250, Box.ANOTHER_KEY),
        ("invoice voided", -4_200, Box.ANOTHER_KEY),
        ("invoice given up", -300, Box.AUTOMATIC),
        ("credit grant", -50, Box.ALLOWED),
    } == found


def test_what_was_recorded_as_done_and_is_not_at_stripe_is_claimed() -> None:
    there, gone = made(), made(request_id="rpr_2", reference="RP-BBBB", object_id="re_9", made=frozenset({"re_9"}))
    pages: Pages = {Source.LINES: [booking("txn_1", "refund", -4_000, "re_1")], Source.REFUNDS: [REFUND]}
    lines = lines_of(pages, SINCE, NOW)
    found = place(lines.lines, traces(pages), Records([there, gone]), told_since=SINCE)
    # Another line has its key, and it is listed all the same.
    earlier = made(request_id="rpr_6", object_id="re_5", made=frozenset({"re_5"}))
    pages[Source.REFUNDS].append(REFUND | {"id": "re_5", "created": SINCE - 5})
    lines = lines_of(pages, SINCE, NOW)
    others = [
        earlier,
        made(request_id="rpr_3", object_id="re_8", state=State.FAILED),
        made(request_id="rpr_4", object_id="re_7", made=frozenset()),  # an update
        made(request_id="rpr_5", object_id="pi_1", answers=frozenset({"payment_intent"})),  # in no list that is read
    ]

    assert (gone,) == not_there(lines, found, [there, gone, *others])


@pytest.mark.parametrize("field", ["id", "created", "amount", "fee", "net", "currency"])
def test_a_line_that_cannot_be_read_is_an_error_and_never_left_out(field: str) -> None:
    broken = booking("txn_1", "refund", -4_000, "re_1")
    broken[field] = None

    with pytest.raises(StripeError) as raised:
        lines_of({Source.LINES: [broken]}, SINCE, NOW)
    assert raised.value.code == "stripe.bad_answer"


def test_a_line_whose_parts_do_not_come_to_its_net_is_an_error() -> None:
    with pytest.raises(StripeError):
        lines_of({Source.LINES: [booking("txn_1", "refund", -4_000, "re_1") | {"net": -3_999}]}, SINCE, NOW)


def test_the_balance_at_both_ends_ties_or_says_that_it_does_not() -> None:
    pages: Pages = {Source.LINES: [booking("txn_1", "topup", 900, "tu_1"), booking("txn_2", "payout", -300, "po_1")]}
    lines = lines_of(pages, SINCE, NOW)
    books = books_of(place(lines.lines, traces(pages), Records([]), told_since=0))

    def tie(now: dict[str, int] | None, *, whole: bool) -> tuple[int | None, int | None, bool, bool]:
        [found] = ties_of(books, lines, now=now, after={"usd": 50}, whole=whole)
        return found.opening, found.closing, found.checked, found.ties

    assert (0, 600, True, True) == tie({"usd": 650}, whole=True)
    assert (0, 601, True, False) == tie({"usd": 651}, whole=True), "a cent that no line tells of"
    assert (400, 1_000, False, True) == tie({"usd": 1_050}, whole=False)
    assert (None, None, False, True) == tie(None, whole=True)
    assert {"usd": 700} == held(
        {"available": [{"amount": 900, "currency": "usd"}], "pending": [{"amount": -200, "currency": "usd"}]}
    )
    assert held({"available": [{"amount": "9", "currency": "usd"}], "pending": []}) is None


def test_stripe_takes_at_most_twenty_types_of_events_at_once() -> None:
    for source in (Source.MOVES, Source.WAIVERS):
        types = LISTINGS[source].parameters["types"]
        assert isinstance(types, list)
        assert 0 < len(types) <= 20


KINDS = {
    "refund": "refund.created",
    "payout": "payout.created",
    "transfer": "transfer.created",
    "charge": "charge.succeeded",
}


@st.composite
def companies(draw: st.DrawFn) -> tuple[Pages, list[Made]]:
    """Some lines, each with an event or none, some of them made by requests in any state."""
    pages: Pages = {source: [] for source in Source}
    requests = []
    for number in range(draw(st.integers(0, 12))):
        kind = draw(st.sampled_from([*KINDS, "adjustment", "new_one"]))
        amount, fee = draw(st.integers(-50_000, 50_000)), draw(st.integers(0, 300))
        created = NOW - draw(st.integers(1, 25 * DAY))
        id, about = f"txn_{number}", f"xx_{number}"
        currency = draw(st.sampled_from(["usd", "eur", "jpy"]))
        extra = {"fee": fee, "created": created, "currency": currency}
        extra["balance_type"] = draw(st.sampled_from(["payments", "issuing"]))
        pages[Source.LINES].append(booking(id, kind, amount, about, **extra))
        key = "rp_" + f"{number:02x}" * 16
        if kind in KINDS and draw(st.booleans()):
            caused = draw(st.sampled_from([SHOP, PERSON, NOBODY, by(f"req_{number}", key), None]))
            told = event(KINDS[kind], {"id": about, "balance_transaction": id}, caused, created=created)
            pages[Source.MOVES].append(told)
        if draw(st.booleans()):
            state, names = draw(st.sampled_from(list(State))), draw(st.sampled_from([(), ("dana",), ("dana", "maria")]))
            fields: dict[str, Any] = {"request_id": f"rpr_{number}", "state": state, "stripe_key": key, "at": created}
            fields |= {"object_id": about, "made": frozenset({about}), "answers": frozenset({kind}), "money": None}
            requests.append(made(**fields, approved_by=names, stripe_request_id=f"req_{number}"))
    return pages, requests


@settings(max_examples=40)
@given(companies(), st.integers(0, 2**32))
def test_every_line_is_in_one_box_the_sums_tie_and_no_order_matters(
    company: tuple[Pages, list[Made]], seed: int
) -> None:
    pages, requests = company
    lines = lines_of(pages, SINCE, NOW)
    found = placed(pages, *requests)
    mixed = {source: Random(seed).sample(each, len(each)) for source, each in pages.items()}
    other = placed(mixed, *Random(seed).sample(requests, len(requests)))
    books = books_of(found)

    within = [each for each in pages[Source.LINES] if SINCE <= each["created"] < NOW]
    assert sorted(line.id for line in lines.lines) == sorted(each.line.id for each in found)
    assert {each["id"] for each in within} == {each.line.transaction for each in found}
    assert found == other
    assert sum(book.total.lines for book in books) == len(found)
    for book in books:
        stripes = [each for each in within if (each["balance_type"], each["currency"]) == (book.balance, book.currency)]
        assert sum(each["net"] for each in stripes) == book.total.net == sum(each.net for each in book.boxes.values())
    assert all(tie.ties for tie in ties_of(books, lines, now=None, after=None, whole=False))


@settings(max_examples=25)
@given(companies())
def test_nothing_is_governed_but_by_a_request_that_may_have_run(company: tuple[Pages, list[Made]]) -> None:
    pages, requests = company
    may_have_run = {each.request_id for each in requests if each.state in {"succeeded", "executing", "outcome_unknown"}}

    for each in placed(pages, *requests):
        if each.box in {Box.ALLOWED, Box.APPROVED}:
            assert each.made is not None
            assert each.made.request_id in may_have_run
            assert (each.box is Box.APPROVED) == bool(each.people)


def there(kind: str, amount: int, source: Any, **fields: Any) -> dict[str, Any]:
    """A line of a connected account as it is kept."""
    line = booking("txn_there", kind, amount, **fields) | {"source": source}
    return dict(pruned(line, LISTINGS_THERE[Source.LINES].keep))


@pytest.mark.parametrize(
    ("kind", "source", "platforms"),
    [
        ("payment", {"id": "py_1", "source_transfer": "tr_1"}, ("transfer", "tr_1")),
        ("payment_refund", {"id": "pyr_1", "source_transfer_reversal": "trr_1"}, ("transfer_refund", "trr_1")),
        # The platform takes from the account.
        ("transfer", {"id": "tr_9", "destination_payment": "py_9"}, ("payment", "py_9")),
        ("transfer_refund", {"id": "trr_9", "destination_payment_refund": "pyr_9"}, ("payment_refund", "pyr_9")),
        ("adjustment", "fr_1", ("application_fee_refund", "fr_1")),
    ],
)
def test_what_moves_between_two_accounts_is_judged_on_the_platform_alone(
    kind: str, source: Any, platforms: tuple[str, str]
) -> None:
    here: Pages = {Source.LINES: [booking("txn_1", platforms[0], -700, platforms[1])]}
    on_platform = placed(here)
    lines = lines_of({Source.LINES: [there(kind, 700, source)]}, SINCE, NOW).lines
    [found] = place(lines, traces({}), Records([]), told_since=SINCE, platform=sides(on_platform))
    [alone] = place(lines, traces({}), Records([]), told_since=SINCE, platform={"tr_other": "allowed by policy"})

    assert [Box.UNEXPLAINED] == [each.box for each in on_platform]
    assert Box.OTHER_SIDE is found.box
    assert platforms[1] in found.why
    assert alone.box is (Box.AUTOMATIC if kind == "adjustment" else Box.UNEXPLAINED), "it came with nothing of ours"


def test_the_platforms_key_explains_nothing_on_another_account() -> None:
    """Keys of two accounts are not the same: whoever read ours off an event could send it there as if it were new."""
    payout = {"id": "po_1", "balance_transaction": "txn_1"}
    pages: Pages = {
        Source.LINES: [booking("txn_1", "payout", -700, "po_1")],
        Source.MOVES: [event("payout.created", payout, by("req_thief", KEY))],
    }
    lines = lines_of(pages, SINCE, NOW).lines
    [found] = place(lines, traces(pages), Records([]), told_since=SINCE, platform={"re_1": "allowed by policy"})

    assert Box.UNEXPLAINED is found.box


def test_a_line_outside_the_period_is_none_of_it() -> None:
    lines: Lines = lines_of({Source.LINES: [booking("txn_1", "refund", -1, "re_1", created=NOW)]}, SINCE, NOW)

    assert () == lines.lines
    assert {"re_1"} <= lines.objects
