"""How long a claim on an execution lasts, and whether a send may still follow it.

A machine may sleep between a claim and its send, and any one clock may be wrong: so the most pessimistic of them counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypedDict

from runplane_mcp.core.request import ActionRequest
from runplane_mcp.gate.clock import Clock
from runplane_mcp.stripe_api.client import TIMEOUT

#: A lease outlives the longest send, so that nobody takes over while bytes may still be on their way (milliseconds).
LEASE_MS: Final = 60_000
LONGEST_SEND_MS: Final = int(TIMEOUT * 1000)
#: A send begins this soon after its claim, or not at all: it could outlive the lease.
BEGIN_MS: Final = LEASE_MS - LONGEST_SEND_MS
#: Stripe forgets keys after 24 hours; a repeat must be well within.
SAFE_REPEAT_MS: Final = 23 * 3600 * 1000


class Lease(TypedDict):
    """What a claim on an execution says of its request."""

    lease_owner: str
    lease_until: int


class FirstSend(Lease):
    """What the first claim says beside it: from when Stripe may remember our key, by two clocks."""

    first_attempt_at: int
    first_attempt_boot: str
    first_attempt_boot_ms: int


@dataclass(frozen=True, slots=True)
class Leases:
    """Those of one gate process. `owner` is what they name."""

    clock: Clock
    owner: str

    def lease(self) -> Lease:
        return {"lease_owner": self.owner, "lease_until": self.clock.wall() + LEASE_MS}

    def first_send(self) -> FirstSend:
        boot_id, boot_ms = self.clock.boot()
        return {
            "first_attempt_at": self.clock.wall(),
            "first_attempt_boot": boot_id,
            "first_attempt_boot_ms": boot_ms,
            **self.lease(),
        }

    def may_send(self, request: ActionRequest, newest_event_at: int | None) -> bool:
        """Whether a send may begin now, by a claim of ours. `newest_event_at` is None for the first send after a first
        claim: then no more than a moment may lie between them, by the boot's clock too. What the log says of time counts
        for repeats alone: a wall clock that ran ahead and was put right would keep everything from being sent."""
        if request.lease_owner != self.owner or request.lease_until is None:
            return False
        if self.clock.wall() > request.lease_until - LONGEST_SEND_MS:
            return False
        if newest_event_at is None:
            return self._passed(request) <= BEGIN_MS
        return self.key_is_known(request, newest_event_at)

    def key_is_known(self, request: ActionRequest, newest_event_at: int) -> bool:
        """Whether Stripe still remembers our key by the most pessimistic of three clocks: the wall's, the boot's (a laptop
        that slept), and the newest event of the log (a wall clock that was set back)."""
        if request.first_attempt_at is None:
            return False
        return max(self._passed(request), newest_event_at - request.first_attempt_at) < SAFE_REPEAT_MS

    def _passed(self, request: ActionRequest) -> int:
        """How long ago the first claim was by the clock of this machine that says more (milliseconds)."""
        if request.first_attempt_at is None:
            return SAFE_REPEAT_MS
        passed = self.clock.wall() - request.first_attempt_at
        boot_id, boot_ms = self.clock.boot()
        if boot_id == request.first_attempt_boot and request.first_attempt_boot_ms is not None:
            passed = max(passed, boot_ms - request.first_attempt_boot_ms)
        return passed
