"""What holds in a restored store: nothing runs until somebody has gone through what was open in the copy, and for a while
nothing that could be a second time runs without people.

The store does not know what happened between the copy and its restore: requests that ran then, denials, what limits would
have counted. It says so instead of taking it for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from runplane_mcp.core.approval import Role, Vote
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.checkpoint import EPOCH_BEGUN
from runplane_mcp.core.compile import CompiledPolicy
from runplane_mcp.core.decision import Decision, Outcome, Reason
from runplane_mcp.core.freeze import Freeze, Scope
from runplane_mcp.core.repeats import DENIED_FOR
from runplane_mcp.core.request import FIRST_EPOCH
from runplane_mcp.errors import StoreError
from runplane_mcp.gate.acts import said, signer
from runplane_mcp.gate.clock import iso
from runplane_mcp.gate.people import trusted
from runplane_mcp.store.base import Reader

#: What stands in the place of a freeze's id while a restore holds everything. No command lifts it: it ends by itself.
HOLD: Final = "restore"
#: What an administrator signs of a restore, by the names that the event has for it.
_SIGNED: Final = ("epoch", "previous", "mode", "policy_at", "unknown_since", "file", "replaced", "set_aside")
_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Restored:
    """The last restore. `at` and `unknown_since` are wall time, `policy_at` policy time (milliseconds): nothing is known of
    what happened between the newest event of the copy and the restore."""

    epoch: int
    at: int
    policy_at: int
    unknown_since: int
    by: str

    def sentence(self) -> str:
        return (
            f"This home was restored on {iso(self.at)} from a copy that ends on {iso(self.unknown_since)}: what happened"
            " between the two is not in it."
        )

    def asks_until(self, repeat_window: int) -> int:
        """Until when (policy time) what could be a second time asks people. A denial answers for a day, a repeat is one
        within the window (seconds)."""
        return self.policy_at + max(DENIED_FOR, repeat_window * 1000)


def restore_content(body: Mapping[str, Json]) -> dict[str, Json]:
    """What the administrator signs."""
    return {name: body.get(name) for name in _SIGNED}


def last_restore(reader: Reader) -> Restored | None:
    """None in a store that was never restored. StoreError `store.corrupt` where the log does not hold what it must."""
    seq = reader.epoch_seq()
    if seq is None:
        return None
    event = reader.event(seq)
    body = said(event) if event is not None and event.type == EPOCH_BEGUN else {}
    epoch, policy_at, since = (body.get(name) for name in ("epoch", "policy_at", "unknown_since"))
    if event is None or not isinstance(epoch, int) or not isinstance(policy_at, int) or not isinstance(since, int):
        raise StoreError(
            "store.corrupt",
            "The log does not hold the restore that the database says began its epoch.",
            next_step="Nothing is decided: see `runplane audit verify`, then restore a backup.",
        )
    return Restored(epoch, event.at, policy_at, since, str(body.get("by")))


def check_epoch(reader: Reader) -> None:
    """StoreError `store.epoch_unproven` where the database names an epoch that no administrator has begun: whoever put an
    old copy there could otherwise raise the number by hand, and leave every checkpoint behind."""
    written, seq = reader.meta("epoch"), reader.epoch_seq()
    if seq is None and written == str(FIRST_EPOCH):
        return
    event = reader.event(seq) if seq is not None else None
    if event is not None and event.type == EPOCH_BEGUN:
        content = restore_content(said(event))
        person = signer(event, trusted(reader), store=reader.store_id(), act=EPOCH_BEGUN, content=content)
        if person is not None and person.role is Role.ADMIN and str(content["epoch"]) == written:
            return
    raise StoreError(
        "store.epoch_unproven",
        "The database says that it was restored, and no administrator has signed that: nothing runs from it.",
        next_step="See `runplane audit verify`. If it is an old copy, go on from it: runplane restore --here --as ADMIN",
    )


def since_restore(reader: Reader, votes: Sequence[Vote]) -> list[Vote]:
    """The votes that were signed after the last restore; an earlier one was for something that may have run since, whatever
    state a row says that it is in."""
    restored = last_restore(reader)
    return list(votes) if restored is None else [vote for vote in votes if vote.at >= restored.at]


def hold(reader: Reader) -> Freeze | None:
    """What holds every write while requests that a restore set aside are not gone through."""
    left = reader.set_aside(_NAMED + 1)
    if not left:
        return None
    restored = last_restore(reader)
    more = " and more" if len(left) > _NAMED else ""
    why = (
        f"this home was restored, and {', '.join(left[:_NAMED])}{more} may have run after the copy was taken;"
        " an administrator says of each what became of it: runplane requests resolve"
    )
    return Freeze(HOLD, Scope(), restored.at if restored is not None else 0, None, why)


def asked_after_restore(
    reader: Reader, policy: CompiledPolicy, decision: Decision, *, guarded: bool, now: int
) -> Decision:
    """The decision, asking people where it could be a second time of something that the store has forgotten, or counts into
    a limit whose sum lacks it. `guarded`: of what repeating does harm. `now` is policy time."""
    if decision.outcome is Outcome.BLOCK or not (guarded or decision.buckets):
        return decision
    restored = last_restore(reader)
    if restored is None or now >= restored.asks_until(policy.repeat_window):
        return decision
    default = policy.policy.approval
    reason = Reason(
        "restored",
        HOLD,
        Outcome.REQUIRE_APPROVAL,
        f"{restored.sentence()} The same may have been done then, and limits lack it.",
        need=default.need,
        expires_in=default.expires_in,
    )
    asking = decision.outcome is Outcome.REQUIRE_APPROVAL
    return replace(
        decision,
        outcome=Outcome.REQUIRE_APPROVAL,
        reasons=(reason, *decision.reasons),
        requirement=decision.requirement if asking else (default.need,),
        expires_in=decision.expires_in if asking else default.expires_in,
        after=None,
    )


def still_lacking(reader: Reader, policy: CompiledPolicy, now: int) -> Restored | None:
    """The restore, while the window of any limit reaches back behind it and its sum may lack something."""
    restored = last_restore(reader)
    if restored is None:
        return None
    longest = max((each.limit.within for each in policy.limits), default=0) * 1000
    return restored if now < max(restored.policy_at + longest, restored.asks_until(policy.repeat_window)) else None
