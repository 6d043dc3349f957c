"""Which freezes stand, and what they hold. Read inside the transaction that makes a request executing, in every process: a
freeze that is committed before that always wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from runplane_mcp.core.approval import Person, Role
from runplane_mcp.core.catalog import Catalog
from runplane_mcp.core.decision import Outcome, Reason
from runplane_mcp.core.freeze import Freeze, covering
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.request import ActionRequest, Kind
from runplane_mcp.errors import ParameterError
from runplane_mcp.gate.acts import signer
from runplane_mcp.gate.deciding import Judged
from runplane_mcp.gate.people import trusted
from runplane_mcp.gate.restored import hold
from runplane_mcp.store.base import Reader

#: The type of the event that ends a freeze, and what its signature is over beside the freeze's id.
LIFTED: Final = "freeze.lifted"


class Freezes:
    """What stands, for one process: it remembers which ends it has seen the signatures of, so that a decision pays for each
    once. A row that is marked as lifted by anything but an administrator's signature still stands."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._lifted: set[tuple[str, int | None]] = set()
        #: What stood when this process last looked, None before. No more than a guess: other processes freeze too.
        self.seen: tuple[Freeze, ...] | None = None

    def standing(self, reader: Reader) -> tuple[Freeze, ...]:
        """Oldest first; last what a restore holds until somebody has gone through what it set aside."""
        held = hold(reader)
        self.seen = self.started(reader) if held is None else (*self.started(reader), held)
        return self.seen

    def started(self, reader: Reader) -> tuple[Freeze, ...]:
        """Those that somebody has started, oldest first."""
        found = reader.freezes()
        said_to_be_over = [each for each in found if each.lifted_seq is not None and _end(each) not in self._lifted]
        if said_to_be_over:
            people = trusted(reader)
            self._lifted.update(_end(each) for each in said_to_be_over if _signed_off(reader, each, people))
        return tuple(each for each in found if _end(each) not in self._lifted)

    def on(self, reader: Reader, request: ActionRequest, classified: Classified | None = None) -> tuple[Freeze, ...]:
        """The freezes that hold a request."""
        return self.among(self.standing(reader), request, classified) if request.kind is Kind.WRITE else ()

    def among(
        self, standing: Sequence[Freeze], request: ActionRequest, classified: Classified | None = None
    ) -> tuple[Freeze, ...]:
        """Those of `standing` that hold a request; none holds a read. What cannot be classified any more, and what nobody
        has judged, may be anything: a freeze of any action holds it."""
        if not standing or request.kind is Kind.READ:
            return ()
        actions = self._actions(request, classified)
        return covering(standing, agent=request.agent, principal=request.principal, actions=actions)

    def over(self, reader: Reader, request: ActionRequest, classified: Classified, judged: Judged) -> Judged:
        """The decision on a new request, blocked where a freeze holds it. It takes no place in any limit: the hour after a
        freeze must not be full of what the freeze itself refused.

        A lowered request stays in the place of one that waited: it waits for people whatever happens, and the freeze
        holds it where it would run."""
        held_by = self.on(reader, request, classified) if request.replaces is None else ()
        if not held_by:
            return judged
        stopped = tuple(Reason("freeze", each.id, Outcome.BLOCK, each.sentence()) for each in held_by)
        decision = judged.decision
        return replace(
            judged,
            decision=replace(
                decision,
                outcome=Outcome.BLOCK,
                reasons=(*stopped, *decision.reasons),
                requirement=(),
                buckets=(),
                after=None,
            ),
        )

    def _actions(self, request: ActionRequest, classified: Classified | None) -> frozenset[str] | None:
        if classified is None:
            wire = request.effective or request.as_asked
            if wire is None:
                return None
            try:
                classified = self._catalog.classify(wire)
            except ParameterError:
                return None
        return classified.groups | {classified.action} if classified.operation.judged else None


def _end(freeze: Freeze) -> tuple[str, int | None]:
    return freeze.id, freeze.lifted_seq


def _signed_off(reader: Reader, freeze: Freeze, people: Mapping[str, Person]) -> bool:
    event = reader.event(freeze.lifted_seq or 0)
    if event is None:
        return False
    person = signer(event, people, store=reader.store_id(), act=LIFTED, content={"freeze": freeze.id})
    return person is not None and person.role is Role.ADMIN
