"""What an operation with these parameters would really do, and which reads are needed to know it.

Types only here; `core/effects/` holds one file per kind of operation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeAlias

from runplane_mcp.core.facts import FactValue
from runplane_mcp.core.money import Money
from runplane_mcp.core.request import Failure, Precondition
from runplane_mcp.core.wire import Value, WireRequest

#: A JSON object as Stripe answers it.
StripeObject: TypeAlias = Mapping[str, object]


class Unavailable(Enum):
    """A read that told nothing: Stripe was slow, down, over its limits, or answered garbage. Makes facts *unknown*."""

    UNAVAILABLE = "unavailable"


UNAVAILABLE: Final = Unavailable.UNAVAILABLE


@dataclass(frozen=True, slots=True)
class Read:
    """One look-up; `name` is where its answer will stand in what was looked up."""

    name: str
    wire: WireRequest


@dataclass(frozen=True, slots=True)
class NotThere:
    """Stripe's definite no to a read: the object does not exist, or belongs to another account."""

    failure: Failure


Looked: TypeAlias = StripeObject | NotThere | Unavailable
LookedUp: TypeAlias = Mapping[str, Looked]


@dataclass(frozen=True, slots=True)
class MoneyLine:
    """One line of the card's money: before, so far, after."""

    label: str
    money: Money


@dataclass(frozen=True, slots=True)
class Effect:
    """What would happen. `facts` holds the effect's facts only (see the registry); a fact of the operation that could
    not be found out is UNKNOWN, one it cannot have is left out. `fill` are effective parameters to add to the agent's
    own. `refusal` is Stripe's definite no, found while looking. `quoted` is free text of Stripe's objects: somebody's
    writing, shown fenced, never trusted.

    `incomplete`: a read told nothing; an approved request does not run on such a look, nor does it count as changed.
    `observed` is what each precondition's name reads now, for `Precondition.holds`. `snapshot` tells what a DELETE would
    take away from anything else (`core/effects/deletion.py`)."""

    sentence: str
    facts: Mapping[str, FactValue]
    undo: str
    to_whom: str | None = None
    fill: Mapping[str, Value] = field(default_factory=dict)
    preconditions: tuple[Precondition, ...] = ()
    money_lines: tuple[MoneyLine, ...] = ()
    refusal: Failure | None = None
    quoted: tuple[tuple[str, str], ...] = ()
    incomplete: bool = False
    observed: Mapping[str, str | int] = field(default_factory=dict)
    snapshot: str | None = None
