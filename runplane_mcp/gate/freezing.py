"""Starting and lifting freezes, as people do it. Starting needs nobody's secret, so that whoever sees money leave can stop
it; lifting is an administrator's signed act over exactly the freezes that they saw."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from runplane_mcp.core.facts import GROUPS
from runplane_mcp.core.freeze import Freeze, Scope, freeze_id
from runplane_mcp.core.redact import redact_text
from runplane_mcp.core.request import HELD, Kind
from runplane_mcp.errors import FreezeError, PersonError
from runplane_mcp.gate.acts import signed_body
from runplane_mcp.gate.desk import Desk
from runplane_mcp.gate.freezes import LIFTED
from runplane_mcp.gate.people import trusted
from runplane_mcp.gate.restored import HOLD
from runplane_mcp.store.base import Reader, Transaction
from runplane_mcp.store.records import RequestFilter

#: A bound on what every decision reads. A freeze of everything can always be started: it is what is left to do then.
MOST_STANDING = 100
LONGEST_NAME, LONGEST_REASON = 200, 500
#: More than so many held requests are not counted one by one.
MOST_COUNTED = 1_000


@dataclass(frozen=True, slots=True)
class Started:
    """`again`: exactly this stood already. `held` counts the requests that wait, are scheduled or approved and that it
    holds from now on, up to MOST_COUNTED. `known_agent` is False where no request ever came from such a label."""

    freeze: Freeze
    again: bool
    held: int
    known_agent: bool


@dataclass(frozen=True, slots=True)
class Lifted:
    """What was lifted, and what stands all the same."""

    lifted: tuple[Freeze, ...]
    standing: tuple[Freeze, ...]
    by: str


async def start_freeze(desk: Desk, scope: Scope, *, said_by: str | None = None, reason: str | None = None) -> Started:
    """Stops every matching write from the next decision on, in every process. FreezeError `freeze.action` for a word that
    is no action or group of writes, `freeze.name`, `freeze.reason`, `freeze.too_many`."""
    _check(desk, scope, reason)
    at = desk.clock.wall()
    reason = redact_text(reason) if reason is not None else None
    new = Freeze(freeze_id(os.urandom(16)), scope, at, redact_text(said_by)[:LONGEST_NAME] if said_by else None, reason)

    def work(tx: Transaction) -> tuple[Freeze, bool]:
        standing = desk.freezes.started(tx)
        same = next((each for each in standing if each.scope == scope), None)
        if same is not None:
            told = tx.commit_payload({"said_by": new.said_by, "reason": reason})
            tx.append("freeze.repeated", {"freeze": same.id, "payloads": {"told": told}}, at=at)
            return same, True
        if len(standing) >= MOST_STANDING and scope != Scope():
            raise FreezeError(
                "freeze.too_many",
                f"{len(standing)} freezes stand already.",
                next_step="Freeze everything instead: `runplane freeze` without options.",
            )
        tx.start_freeze(new)
        return new, False

    freeze, again = await desk.store.write(work)
    held, known = await desk.store.read(lambda reader: _reach(desk, reader, freeze))
    return Started(freeze, again, held, known)


async def lift_freezes(desk: Desk, seen: Sequence[Freeze], *, admin: str | None, secret: str) -> Lifted:
    """Lifts exactly the freezes that were seen; one that was started meanwhile stands. FreezeError `freeze.none` where
    nothing was seen or all of it is lifted already, PersonError as `Keys` says."""
    if not seen:
        raise FreezeError("freeze.none", "Nothing of this kind is frozen.", next_step="See `runplane status`.")
    if all(each.id == HOLD for each in seen):
        raise FreezeError(
            "freeze.restored",
            "A restore holds everything until somebody has gone through what was open in the copy; nobody lifts that.",
            next_step="See `runplane requests list --state outcome_unknown`, then `runplane requests resolve`.",
        )
    person = await desk.keys.administrator(admin, "Lifting a freeze")
    key = await desk.keys.unlock(person, secret)
    at = desk.clock.wall()

    def work(tx: Transaction) -> Lifted:
        if trusted(tx).get(person.id) != person:
            raise PersonError("person.not_admin", f"{person.id} has changed meanwhile.", next_step="Try it again.")
        wanted = {each.id for each in seen}
        standing = desk.freezes.standing(tx)
        lifted = tuple(each for each in standing if each.id in wanted and each.id != HOLD)
        if not lifted:
            raise FreezeError("freeze.none", "Somebody has lifted it already.", next_step="See `runplane status`.")
        for freeze in lifted:
            content = {"freeze": freeze.id}
            tx.lift_freeze(
                freeze.id, signed_body(key, person, store=tx.store_id(), act=LIFTED, content=content, at=at), at=at
            )
        return Lifted(lifted, tuple(each for each in standing if each not in lifted), person.id)

    return await desk.store.write(work)


def _check(desk: Desk, scope: Scope, reason: str | None) -> None:
    for name in (scope.agent, scope.principal):
        # What the shell could not read as text would fail in the log, and no agent can be called so.
        if name is not None and (
            not name.strip() or len(name) > LONGEST_NAME or name != name.encode(errors="replace").decode()
        ):
            raise FreezeError(
                "freeze.name",
                f"A name has 1 to {LONGEST_NAME} characters of text.",
                next_step="Leave it out to freeze whoever it is.",
            )
    if reason is not None and len(reason) > LONGEST_REASON:
        raise FreezeError("freeze.reason", f"A reason has at most {LONGEST_REASON} characters.")
    if scope.action is None:
        return
    actions = desk.policies.catalog.actions
    writes = [name for name, info in actions.items() if info.kind is Kind.WRITE]
    if scope.action in actions and scope.action not in writes:
        raise FreezeError(
            "freeze.action", f"{scope.action} only reads, and no freeze stops reads.", next_step="Name a write."
        )
    if scope.action not in GROUPS and scope.action not in writes:
        # Freezing a word that nothing is called would stop nothing and look as if it did.
        near = get_close_matches(scope.action, [*GROUPS, *writes], 1)
        raise FreezeError(
            "freeze.action",
            f"{scope.action[:60]!r} is no action and no group.",
            next_step=f"Did you mean {near[0]}?" if near else f"The groups are {', '.join(GROUPS)}.",
        )


def _reach(desk: Desk, reader: Reader, freeze: Freeze) -> tuple[int, bool]:
    held = reader.requests(RequestFilter(states=HELD, kind=Kind.WRITE, limit=MOST_COUNTED))
    label = freeze.scope.agent
    known = label is None or any(
        request.agent.casefold() == label.casefold() for request in reader.requests(RequestFilter(limit=MOST_COUNTED))
    )
    return sum(bool(desk.freezes.among((freeze,), request)) for request in held), known
