"""The request: its table of states, its ids, and the digest of exactly what people approve."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runplane_mcp.core.request import (
    CROCKFORD,
    FINAL,
    HELD,
    TRANSITIONS,
    Precondition,
    State,
    StripeIdentity,
    changed,
    compute_digest,
    fingerprint,
    may_follow,
    reference,
    request_id,
    same_digest,
    sameness,
    stripe_key,
)
from runplane_mcp.core.wire import WireRequest, encode
from tests.store.things import WAYS, a_request

ENDS = {"succeeded", "blocked", "denied", "expired", "canceled", "replaced", "failed"}


def test_the_states_that_end_a_request_are_these() -> None:
    assert {state.value for state in FINAL} == ENDS
    assert all(a_request(state=state).final == (state.value in ENDS) for state in State)


@given(st.sampled_from(sorted(FINAL)), st.sampled_from(State))
def test_nothing_follows_an_end(before: State, after: State) -> None:
    assert not may_follow(before, after)


@given(st.lists(st.sampled_from(State), max_size=40))
def test_however_hard_it_is_pushed_a_request_that_ended_stays_ended(pushes: list[State]) -> None:
    state = State.RECEIVED
    ended: State | None = None
    for push in pushes:
        if may_follow(state, push):
            state = push
        if state in FINAL:
            ended = ended or state
        assert ended is None or state is ended


@given(st.lists(st.tuples(st.sampled_from(State), st.booleans()), max_size=40))
def test_whatever_is_restored_when_an_end_stays_an_end_and_what_was_set_aside_never_runs(
    pushes: list[tuple[State, bool]],
) -> None:
    """Some pushes come with a restore of a higher epoch, as from a copy of the store as it is then."""
    state, restored, epoch = State.RECEIVED, None, 1
    for push, restores in pushes:
        epoch += restores
        now = epoch if restores else restored
        if not may_follow(state, push, was=restored, now=now):
            continue
        assert state not in FINAL
        if restored is not None:
            assert push in {State.OUTCOME_UNKNOWN, State.SUCCEEDED, State.FAILED, State.CANCELED}
        state, restored = push, now
    assert restored is None or state in {State.OUTCOME_UNKNOWN, State.SUCCEEDED, State.FAILED, State.CANCELED}


@given(st.sampled_from(State), st.sampled_from(State), st.none() | st.integers(2, 5), st.none() | st.integers(-1, 5))
def test_only_a_higher_epoch_sets_aside_and_nothing_takes_that_back(
    before: State, after: State, was: int | None, now: int | None
) -> None:
    if was != now and may_follow(before, after, was=was, now=now):
        assert now is not None
        assert now > (was or 1)
        assert after is State.OUTCOME_UNKNOWN
        assert before not in FINAL


def test_every_state_can_be_reached_and_left_towards_an_end() -> None:
    assert all(
        may_follow(before, after)
        for way in WAYS.values()
        for before, after in itertools.pairwise((State.RECEIVED, *way))
    )
    assert WAYS.keys() == set(State)
    assert all(after & FINAL for after in TRANSITIONS.values())


def test_nothing_comes_before_received() -> None:
    assert not any(State.RECEIVED in after for after in TRANSITIONS.values())


def test_only_what_was_allowed_released_or_approved_comes_to_run() -> None:
    # Waiting is not among them: a request that people have not answered never runs.
    assert {before.value for before in State if may_follow(before, State.EXECUTING)} == {
        "received",
        "scheduled",
        "approved",
        "executing",
        "outcome_unknown",
    }


def test_an_approval_comes_from_people_or_from_a_send_that_never_happened() -> None:
    assert {before for before in State if may_follow(before, State.APPROVED)} == {State.WAITING, State.EXECUTING}


def test_success_needs_an_execution() -> None:
    assert {before for before in State if may_follow(before, State.SUCCEEDED)} == {
        State.EXECUTING,
        State.OUTCOME_UNKNOWN,
    }


def test_people_can_stop_whatever_is_held() -> None:
    assert all(may_follow(state, State.DENIED) and may_follow(state, State.CANCELED) for state in HELD)


def test_what_may_have_happened_is_never_canceled_denied_or_expired() -> None:
    stopped = {State.CANCELED, State.DENIED, State.EXPIRED, State.BLOCKED, State.REPLACED}

    assert not any(may_follow(state, end) for state in (State.EXECUTING, State.OUTCOME_UNKNOWN) for end in stopped)


@given(st.binary(min_size=16, max_size=16))
def test_an_id_is_its_random_bits(random: bytes) -> None:
    made = request_id(random)
    number = 0
    for digit in made.removeprefix("rpr_"):
        number = number * 32 + CROCKFORD.index(digit)

    assert re.fullmatch(rf"rpr_[{CROCKFORD}]{{26}}", made)
    assert number == int.from_bytes(random, "big")


@given(st.binary(min_size=16, max_size=16))
def test_a_key_for_stripe_is_its_random_bits(random: bytes) -> None:
    assert stripe_key(random) == f"rp_{random.hex()}"


@pytest.mark.parametrize("make", [request_id, stripe_key])
@pytest.mark.parametrize("length", [0, 15, 17])
def test_an_id_of_less_randomness_is_refused(make: Callable[[bytes], str], length: int) -> None:
    with pytest.raises(ValueError):
        make(bytes(length))


@given(st.binary(min_size=8, max_size=8), st.integers(min_value=4, max_value=8))
def test_a_reference_is_short_and_easy_to_read_aloud(random: bytes, length: int) -> None:
    made = reference(random, length)

    assert re.fullmatch(r"RP-[0-9A-Z]+", made)
    assert len(made) == 3 + length
    assert not set(made[3:]) & set("ILOU")


IDENTITY = StripeIdentity("stripe", "acct_1", livemode=True)
WIRE = WireRequest("POST", "/v1/refunds", "", b"amount=90000&charge=ch_1", "form")


@dataclass(frozen=True)
class Seen:
    """All that a digest covers."""

    request_id: str = "rpr_1"
    nonce: str = "00" * 16
    identity: StripeIdentity = IDENTITY
    api_version: str = "2026-10-28.endive"
    wire: WireRequest = WIRE
    principal: str = "stdio"
    preconditions: tuple[Precondition, ...] = (Precondition("remaining", "at_least", 90_000),)

    def digest(self) -> str:
        return compute_digest(
            request_id=self.request_id,
            nonce=self.nonce,
            identity=self.identity,
            api_version=self.api_version,
            wire=self.wire,
            principal=self.principal,
            preconditions=self.preconditions,
        )


def other_than(seen: Seen) -> list[Seen]:
    """What was seen, with one thing changed at a time."""
    wire, identity = seen.wire, seen.identity
    return [
        replace(seen, request_id="rpr_2"),
        replace(seen, nonce="01" + "00" * 15),
        replace(seen, api_version="2026-11-01.endive"),
        replace(seen, principal="agent:1"),
        replace(seen, identity=replace(identity, target="simulator:w1")),
        replace(seen, identity=replace(identity, account="acct_2")),
        replace(seen, identity=replace(identity, livemode=not identity.livemode)),
        replace(seen, wire=replace(wire, method="DELETE")),
        replace(seen, wire=replace(wire, path="/v1/payouts")),
        replace(seen, wire=replace(wire, query="amount=90000")),
        replace(seen, wire=replace(wire, body=b"amount=90001&charge=ch_1")),
        replace(seen, wire=replace(wire, content_type="application/json")),
        replace(seen, preconditions=()),
        replace(seen, preconditions=(Precondition("remaining", "at_least", 90_001),)),
        replace(seen, preconditions=(Precondition("remaining", "equal", 90_000),)),
        replace(seen, preconditions=(Precondition("remaining", "at_least", "90000"),)),
        replace(seen, preconditions=(Precondition("available", "at_least", 90_000),)),
        replace(seen, preconditions=seen.preconditions * 2),
    ]


def test_any_change_of_what_people_saw_is_another_digest() -> None:
    digests = [seen.digest() for seen in (Seen(), *other_than(Seen()))]

    assert len(set(digests)) == len(digests)
    assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in digests)


def test_the_same_is_the_same_digest_in_every_process_and_version() -> None:
    # Written down: a digest that changes with a release would void every approval that waits.
    assert Seen().digest() == Seen().digest() == "6f7a863c6339344bff298bafdeea39f21d32285c16e3a8ed1d16a3d20575a048"


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_two_bodies_share_a_digest_only_when_they_are_equal(one: bytes, other: bytes) -> None:
    digests = [replace(Seen(), wire=replace(Seen().wire, body=body)).digest() for body in (one, other)]

    assert (digests[0] == digests[1]) == (one == other)


@given(st.text(max_size=12), st.text(max_size=12), st.text(max_size=12), st.text(max_size=12))
def test_text_cannot_move_from_one_field_of_the_digest_to_its_neighbour(a: str, b: str, c: str, d: str) -> None:
    one = replace(Seen(), request_id=a, principal=b)
    other = replace(Seen(), request_id=c, principal=d)

    assert (one.digest() == other.digest()) == ((a, b) == (c, d))


def test_digests_compare_in_any_case_of_letters_but_only_whole() -> None:
    digest = Seen().digest()

    assert same_digest(digest, digest.upper())
    assert not same_digest(digest, digest[:-1])
    assert not same_digest(digest, "")


@given(st.integers(min_value=0, max_value=2**256 - 1))
def test_a_fingerprint_shows_the_first_eighty_bits(number: int) -> None:
    digest = f"{number:064x}"
    shown = fingerprint(digest)
    read = 0
    for digit in shown.replace("-", ""):
        read = read * 32 + CROCKFORD.index(digit)

    assert re.fullmatch(r"(?:[0-9A-Z]{4}-){3}[0-9A-Z]{4}", shown)
    assert read == number >> (256 - 80)


def test_sameness_follows_what_is_asked_where_and_by_whom() -> None:
    wire = encode("POST", "/v1/refunds", {"charge": "ch_1", "amount": 500})
    here = StripeIdentity("stripe", "acct_1", livemode=True)
    same = sameness("PostRefunds", here, wire, "stdio")
    others = [
        sameness("PostPayouts", here, wire, "stdio"),
        sameness("PostRefunds", replace(here, target="simulator:w1"), wire, "stdio"),
        sameness("PostRefunds", replace(here, account="acct_2"), wire, "stdio"),
        # One account has one id in live and test mode: a test request must not stand for a live one.
        sameness("PostRefunds", replace(here, livemode=False), wire, "stdio"),
        sameness("PostRefunds", here, encode("POST", "/v1/refunds", {"charge": "ch_1", "amount": 501}), "stdio"),
        sameness("PostRefunds", here, wire, "agent:1"),
    ]

    assert same == sameness(
        "PostRefunds", here, encode("POST", "/v1/refunds", {"amount": 500, "charge": "ch_1"}), "stdio"
    )
    assert same not in others
    assert len(set(others)) == len(others)


@pytest.mark.parametrize(
    ("precondition", "now", "holds"),
    [
        (Precondition("currency", "equal", "usd"), "usd", True),
        (Precondition("currency", "equal", "usd"), "eur", False),
        (Precondition("currency", "equal", "usd"), None, False),
        (Precondition("quantity", "equal", 2), 2, True),
        (Precondition("remaining", "at_least", 90_000), 90_000, True),
        (Precondition("remaining", "at_least", 90_000), 95_000, True),
        (Precondition("remaining", "at_least", 90_000), 89_999, False),
        (Precondition("remaining", "at_least", 90_000), None, False),
        (Precondition("remaining", "at_least", 90_000), "95000", False),
    ],
)
def test_a_precondition_holds_only_for_what_was_looked_up_and_still_fits(
    precondition: Precondition, now: str | int | None, holds: bool
) -> None:
    assert precondition.holds(now) is holds


def test_a_precondition_reads_as_people_would_write_it() -> None:
    assert Precondition("remaining", "at_least", 90_000).sentence() == "remaining >= 90000"
    assert Precondition("currency", "equal", "usd").sentence() == "currency = usd"


def test_a_changed_request_is_what_replace_gives_and_the_one_before_stays() -> None:
    before = a_request()
    as_it_was = replace(before)
    after = changed(before, state=State.EXECUTING, version=2)

    assert after == replace(before, state=State.EXECUTING, version=2)
    assert (after.state, after.version, after.id) == (State.EXECUTING, 2, before.id)
    assert before == as_it_was


def test_a_request_has_no_other_fields_than_its_own() -> None:
    with pytest.raises(TypeError, match="status"):
        changed(a_request(), status="executing")
