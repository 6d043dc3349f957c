"""What a DELETE of /v1 takes away, and whether it is there still. Such a request carries no idempotency key: before it is
repeated, what is there now is compared with what was there before it was sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from runplane_mcp.core.canonical import Json, digest_of
from runplane_mcp.core.effect import LookedUp, Read, StripeObject
from runplane_mcp.core.effects import objects as o

#: States in which a subscription has not ended.
_RUNNING = frozenset({"active", "trialing", "past_due", "unpaid", "paused", "incomplete"})
_DISCOUNT = "discount"


class There(Enum):
    """What a look at it shows."""

    GONE = "gone"
    SAME = "same"
    OTHER = "other"  # something else, or nobody can tell


@dataclass(frozen=True, slots=True)
class Deletion:
    """`read` is the look-up that shows it. `discounts`: what goes are the discounts of what is read, not that itself."""

    read: Read
    discounts: bool

    def snapshot(self, looked: LookedUp) -> str | None:
        """What was there, as a hash that is equal for the same thing only; None where it was not seen. Things go by names
        that people choose (a coupon, a plan, the discount of a customer): what has a name now may be another thing."""
        found = o.seen(looked, self.read.name)
        return None if found is None else self._print(found)

    def compare(self, found: StripeObject, before: str | None) -> There:
        """What `found` shows of it. `before` is the snapshot."""
        if self.discounts:
            if _discounts(found) == []:
                return There.GONE
        elif found.get("deleted") is True or found.get("status") == "canceled":
            return There.GONE
        elif found.get("object") == "subscription" and found.get("status") not in _RUNNING:
            return There.OTHER
        return There.SAME if before is not None and self._print(found) == before else There.OTHER

    def _print(self, found: StripeObject) -> str | None:
        if self.discounts:
            ids = _discounts(found)
            return digest_of(list[Json](ids)) if ids else None
        id, created = o.id_in(found), o.number(found, "created")
        return digest_of([o.text(found, "object"), id, created]) if id is not None else None


def deletion_of(path: str, reads: tuple[Read, ...]) -> Deletion | None:
    """By the first look-ups of a request: the one that reads what its path names. An alias reads it under another path."""
    *_, owner, last = path.split("/")
    discounts = last == _DISCOUNT
    wanted = owner if discounts else last
    for read in reads:
        if read.wire.path.rsplit("/", 1)[1] == wanted:
            return Deletion(read, discounts)
    return None


def _discounts(found: StripeObject) -> list[str] | None:
    """The ids of the discounts that a subscription or customer has; None where one of them cannot be told."""
    listed = found.get("discounts")
    several = list(listed) if isinstance(listed, list | tuple) else []
    single = found.get("discount")
    given = several or ([] if single is None else [single])
    if not given and "discounts" not in found and "discount" not in found:
        return None
    ids = [each if isinstance(each, str) else o.id_in(each if isinstance(each, dict) else None) for each in given]
    known = sorted(each for each in ids if each)
    return known if len(known) == len(ids) else None
