"""Whether a send may still follow its claim, by clocks of which any one may be wrong. THREATS 16 and 18."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runplane_mcp.core.request import ActionRequest
from runplane_mcp.gate.leases import BEGIN_MS, LEASE_MS, LONGEST_SEND_MS, SAFE_REPEAT_MS, Leases
from runplane_mcp.stripe_api.client import TIMEOUT
from tests.gate.conftest import FakeClock
from tests.store.things import a_request

DAY = 24 * 3_600_000
MOVES = st.sampled_from([-DAY, -3_600_000, 0, BEGIN_MS - 1_000, LEASE_MS, 22 * 3_600_000, SAFE_REPEAT_MS, 3 * DAY])


def claimed(clock: FakeClock) -> tuple[Leases, ActionRequest]:
    leases = Leases(clock, "gate-1")
    return leases, replace(a_request(), attempt=1, **leases.first_send())


def test_a_lease_outlives_every_send_that_may_begin_in_it() -> None:
    assert LONGEST_SEND_MS == TIMEOUT * 1000 == 30_000
    assert BEGIN_MS + LONGEST_SEND_MS <= LEASE_MS == 60_000


@pytest.mark.parametrize("clock", ["wall_ms", "boot_ms"])
def test_a_first_send_begins_soon_by_both_clocks_or_not_at_all(clock: str) -> None:
    time = FakeClock()
    leases, request = claimed(time)

    assert leases.may_send(request, None)
    setattr(time, clock, getattr(time, clock) + BEGIN_MS + 1)
    assert not leases.may_send(request, None)


def test_nobody_sends_by_the_lease_of_another_or_by_none() -> None:
    leases, request = claimed(FakeClock())

    assert not leases.may_send(replace(request, lease_owner="gate-2"), None)
    assert not leases.may_send(replace(request, lease_owner=None), 0)
    assert not leases.may_send(replace(request, lease_until=None), 0)
    assert not leases.may_send(replace(request, first_attempt_at=None), 0)


def test_a_wall_clock_that_was_put_right_does_not_stop_a_first_send() -> None:
    """It ran three days ahead when the log's newest event was written."""
    leases, request = claimed(FakeClock())
    ahead = (request.first_attempt_at or 0) + 3 * DAY

    assert leases.may_send(request, None)
    assert not leases.may_send(request, ahead), "a repeat is not sent: nobody can tell it from three days that passed"


@given(wall=MOVES, boot=MOVES, log=MOVES, rebooted=st.booleans())
def test_a_repeat_goes_by_whichever_clock_says_most(wall: int, boot: int, log: int, rebooted: bool) -> None:
    clock = FakeClock()
    leases, request = claimed(clock)
    first = request.first_attempt_at or 0
    clock.wall_ms += wall
    clock.boot_ms += boot
    if rebooted:
        clock.boot_name = "boot-2"
    again = replace(request, attempt=2, **leases.lease())
    said = max(wall, log, 0 if rebooted else boot)

    # The fake clock ticks a little at each look.
    assert leases.may_send(again, first + log) == (said + 100 < SAFE_REPEAT_MS)
