"""Ways past everybody: what one judgement of one operation moves with nobody asked, and which limits it counts into."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from runplane_mcp.core.exposure.candidates import Candidate
from runplane_mcp.core.facts import Facts
from runplane_mcp.core.policy.conditions import Number

#: The groups whose amounts leave us, or are given up.
MONEY_OUT: Final = frozenset({"refunds", "credits", "payouts", "transfers", "write_offs"})

#: The groups that lose recurring revenue. What is in neither adds some.
REVENUE: Final = frozenset({"cancellations", "discounts"})


class What(StrEnum):
    """What a way moves, by the fact that says how much. *Released* is what a capture gives up of what was held ready,
    *nothing* that there is no amount to it."""

    AMOUNT = "amount"
    RELEASED = "amount_on_object"
    REVENUE = "mrr_lost"
    NOTHING = ""


@dataclass(frozen=True, slots=True)
class Counted:
    """A limit that a way counts into, by its id, and for each fact of `per` the texts that it can be, None
    where it can be any."""

    limit: str
    keys: tuple[frozenset[str] | None, ...]


@dataclass(frozen=True, slots=True)
class Way:
    """One way past everybody. At most `most` of `what` a request, in minor units; None where nothing ends it. `below`: it
    passes only while every limit it counts into stays under that percent, None where they may be full. `stoppable`: it is
    held back for a while, so that people can stop it. `redirects`: it changes where money goes. `facts` stand for all
    that it may be; `tested` names those of them that rules and limits look at."""

    candidate: Candidate
    what: What
    most: Number | None
    counts: tuple[Counted, ...]
    below: int | None
    stoppable: bool
    redirects: bool
    facts: Facts
    tested: tuple[str, ...]

    @property
    def groups(self) -> frozenset[str]:
        """The groups that it counts in. What a capture takes is not what it gives up."""
        if self.what is What.RELEASED:
            return frozenset({"write_offs"})
        return self.candidate.groups - {"write_offs"} if self.candidate.captures else self.candidate.groups

    @property
    def beside(self) -> bool:
        """Whether its request may move another amount of money out besides: a capture of which a connected account gets its
        share lets go of the rest."""
        return self.what is What.RELEASED and not self.candidate.groups.isdisjoint(MONEY_OUT - {"write_offs"})

    @property
    def free(self) -> bool:
        """Whether nothing ends it: no way is looser."""
        return not self.counts and not self.stoppable and self.most is None

    @property
    def unlike(self) -> tuple[object, ...]:
        """Equal for ways of which only the one with the most matters."""
        return self.what, self.counts, self.below, self.stoppable, self.redirects
