"""What a home has done in a period, a line for each request, with totals of what moved by Stripe's own answers: for
auditors and their spreadsheets. No names of customers, no words of agents.

A request belongs to the period in which it ended, and only there: a past period reads the same whenever it is exported,
and the money that moved in it is in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from runplane_mcp.core.approval import Answer
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.effects.settled import moved
from runplane_mcp.core.money import Money
from runplane_mcp.core.request import ActionRequest, Kind, State
from runplane_mcp.gate.erasure import decided_amount, decided_by, erasure_of
from runplane_mcp.gate.people import genuine, trusted
from runplane_mcp.store.base import Reader
from runplane_mcp.store.records import DecisionRecord

#: So many requests are in memory at once.
_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Line:
    """One request. Times are milliseconds; `amount` is what was decided about, `moved` what Stripe answered. `decision` is
    the first one and `decided_by` its rules and limits. `approvers` signed the yes that counted. `erased`: somebody had
    what it said erased; what is told here was kept."""

    request: ActionRequest
    decision: DecisionRecord | None
    decided_by: tuple[str, ...]
    approvers: tuple[str, ...]
    amount: Money | None
    moved: Money | None
    erased: bool

    @property
    def where(self) -> str:
        """Whose money it is: `live`, `test` or `simulator`. Sums of one must not hold another's."""
        identity = self.request.identity
        return "simulator" if identity.simulator else "live" if identity.livemode else "test"


@dataclass(slots=True)
class Total:
    """Of one action in one currency of one `where`."""

    requests: int = 0
    minor: int = 0


@dataclass(slots=True)
class Totals:
    """What moved, by (where, action, currency). `untold` counts successes of money actions whose answer does not tell an
    amount, by (where, action). `requests` is how many lines there were."""

    moved: dict[tuple[str, str, str], Total] = field(default_factory=dict)
    untold: dict[tuple[str, str], int] = field(default_factory=dict)
    requests: int = 0

    def add(self, line: Line) -> None:
        self.requests += 1
        action = line.request.action
        if line.moved is not None:
            total = self.moved.setdefault((line.where, action, line.moved.currency), Total())
            total.requests += 1
            total.minor += line.moved.amount
        elif line.request.state is State.SUCCEEDED and line.amount is not None and line.request.kind is Kind.WRITE:
            self.untold[line.where, action] = self.untold.get((line.where, action), 0) + 1


@dataclass(frozen=True, slots=True)
class Tie:
    """The audit log that all of this was read from, and what of the period is not in it yet: `unfinished` requests that
    were asked for before its end."""

    store: str
    epoch: str
    events: int
    root: str
    unfinished: int


def lines(reader: Reader, since: int, until: int, *, kind: Kind | None = None) -> Iterator[Line]:
    """The requests that ended from `since` until before `until` (wall time, milliseconds), in the order in which they came.
    However many there are, a few hundred are read at a time."""
    people, store = trusted(reader), reader.store_id()
    after = 0
    while page := reader.ended(since, until, after=after, limit=_PAGE, kind=kind):
        for number, request in page:
            after = number
            decisions = reader.decisions(request.id)
            erasure = erasure_of(reader, request.id, people) if _is_gone(request, decisions) else None
            kept: Mapping[str, Json] = erasure.kept if erasure is not None else {}
            result = reader.result(request.id) if request.state is State.SUCCEEDED else None
            votes = genuine(reader.votes(request.id, request.round), people, store) if request.round else []
            by = decided_by(decisions) or _texts(kept.get("decided_by"))
            yield Line(
                request=request,
                decision=decisions[-1] if decisions else None,
                decided_by=tuple(str(each) for each in by),
                approvers=tuple(sorted(vote.person for vote in votes if vote.answer is Answer.YES)),
                amount=_money(decided_amount(decisions) or kept.get("amount")),
                moved=moved(request.action, result) if result is not None else _money(kept.get("moved")),
                erased=erasure is not None,
            )


def tie(reader: Reader, until: int) -> Tie:
    head = reader.head()
    return Tie(
        reader.store_id(), reader.meta("epoch") or "", head.size, head.root.hex(), reader.count_unfinished(until)
    )


def _is_gone(request: ActionRequest, decisions: list[DecisionRecord]) -> bool:
    """Whether something of it may have been erased: only then its events are looked through."""
    return request.as_asked is None or any(not record.detail for record in decisions)


def _money(value: Json) -> Money | None:
    if isinstance(value, Mapping) and isinstance(value.get("amount"), int):
        return Money(int(str(value["amount"])), str(value["currency"]))
    return None


def _texts(value: Json) -> list[Json]:
    return list(value) if isinstance(value, list | tuple) else []
