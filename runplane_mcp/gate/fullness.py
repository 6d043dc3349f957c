"""How full each limit is: the fullest of what it counts by, how much of that waits, and when there is room again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from runplane_mcp.core.compile import CompiledPolicy
from runplane_mcp.core.decision import Bucket
from runplane_mcp.core.hours import clock_facts
from runplane_mcp.core.limits import UNKNOWN_BUCKET, CompiledLimit, Fill, room_at
from runplane_mcp.core.policy.conditions import today_of
from runplane_mcp.errors import PolicyError
from runplane_mcp.store.base import Reader

if TYPE_CHECKING:
    from runplane_mcp.gate.desk import Desk

#: Buckets of one limit that are read. Where there are more, the latest in use.
MOST_READ: Final = 2_000
#: Rows of a full bucket that are looked through for when there is room again.
_MOST_ROWS: Final = 5_000


@dataclass(frozen=True, slots=True)
class Filled:
    """One bucket. `by` are the values of the limit's `per`, empty where it counts all together; a value is None where
    requests have none, such as guests. `room_at` is None where there is room, or only people can make some."""

    by: tuple[tuple[str, str | None], ...]
    fill: Fill
    room_at: int | None

    @property
    def known(self) -> bool:
        """False for what nobody could find out whose it is: it always counts as full."""
        return self.by != _UNKNOWN


@dataclass(frozen=True, slots=True)
class LimitFullness:
    """A limit of the enforced policy with its fullest buckets, the fullest first. `whole`: none were left unread."""

    limit: CompiledLimit
    buckets: tuple[Filled, ...]
    whole: bool


_UNKNOWN: Final = ((UNKNOWN_BUCKET, None),)


async def fullness(
    desk: Desk, *, limit_id: str | None = None, key: str | None = None, top: int = 5, most: int = MOST_READ
) -> tuple[CompiledPolicy, list[LimitFullness]]:
    """Every limit of the enforced policy, or the one with this id, as full as it is now (policy time). `key`: only buckets
    of this customer, agent or whatever a limit counts by. PolicyError `policy.unknown_limit`."""
    now = desk.clock.policy()

    def work(reader: Reader) -> tuple[CompiledPolicy, list[LimitFullness]]:
        policy = desk.policies.enforced(reader)
        limits = [each for each in policy.limits if limit_id in (None, each.limit.id)]
        if limit_id is not None and not limits:
            names = ", ".join(each.limit.id for each in policy.limits) or "none"
            raise PolicyError(
                "policy.unknown_limit", f"There is no limit {limit_id[:60]!r}.", next_step=f"There are: {names}."
            )
        return policy, [_of(reader, policy, each, now, key=key, top=top, most=most) for each in limits]

    return await desk.store.read(work)


def _of(
    reader: Reader, policy: CompiledPolicy, limit: CompiledLimit, now: int, *, key: str | None, top: int, most: int
) -> LimitFullness:
    today = today_of(clock_facts(policy, now))
    values, whole = reader.buckets(limit.key, most, holding=key)
    asked = [Bucket(limit.limit.id, limit.key, value, limit.limit.within, None) for value in values]
    usages = reader.usages(asked, now)
    found = []
    for bucket, usage in zip(asked, usages, strict=True):
        if usage.count:
            found.append((bucket, usage, limit.fill(usage, policy.converter, today)))
    found.sort(key=lambda each: (each[2].share is None, each[2].share or 0, each[2].total), reverse=True)
    filled = []
    for bucket, usage, fill in found[:top]:
        again = None
        if fill.share is None or fill.share >= 100:
            rows = reader.spent(limit.key, bucket.bucket, now - bucket.window * 1000, _MOST_ROWS)
            again = room_at(limit, usage, rows, policy.converter, today)
        filled.append(Filled(_pairs(bucket.bucket), fill, again))
    return LimitFullness(limit, tuple(filled), whole)


def _pairs(value: str) -> tuple[tuple[str, str | None], ...]:
    if value == UNKNOWN_BUCKET:
        return _UNKNOWN
    return tuple((name, text) for name, text in json.loads(value))
