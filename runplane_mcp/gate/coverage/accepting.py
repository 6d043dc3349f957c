"""Accepting what nothing explains: an administrator has found out what it was, and says so under their signature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from runplane_mcp.core.canonical import Json
from runplane_mcp.errors import PersonError, RequestError
from runplane_mcp.gate.acts import signed_body
from runplane_mcp.gate.coverage.state import META, Found, settle, states, written
from runplane_mcp.gate.desk import Desk
from runplane_mcp.gate.people import trusted
from runplane_mcp.store.base import Transaction

ACCEPTED: Final = "coverage.accepted"
LONGEST_REASON: Final = 2_000


@dataclass(frozen=True, slots=True)
class Accepted:
    """`left` is how many lines still stand."""

    found: Found
    by: str
    left: int


async def accept(desk: Desk, line: str, *, reason: str, admin: str | None, secret: str) -> Accepted:
    """Takes a line, named by its id or by what it is about, out of what stands unexplained. RequestError
    `request.not_unexplained` where it does not stand, PersonError as `Keys` says."""
    if not reason.strip() or len(reason) > LONGEST_REASON:
        raise RequestError("request.reason", f"Say what it was, in at most {LONGEST_REASON} characters.")
    person = await desk.keys.administrator(admin, "Accepting what is unexplained")
    key = await desk.keys.unlock(person, secret)
    at = desk.clock.wall()

    def work(tx: Transaction) -> Accepted:
        if trusted(tx).get(person.id) != person:
            raise PersonError("person.not_admin", f"{person.id} has changed meanwhile.", next_step="Try it again.")
        known = states(tx)
        for name, state in known.items():
            found = next((each for each in state.standing.values() if line in (each.line, each.object_id)), None)
            if found is None:
                continue
            told = tx.commit_payload({"reason": reason.strip()})
            content: dict[str, Json] = {"line": found.line, "raised": found.seq, "reason": told}
            body = signed_body(key, person, store=tx.store_id(), act=ACCEPTED, content=content, at=at)
            event: dict[str, Json] = {"line": found.line, "raised": found.seq, "payloads": {"reason": told}}
            tx.append(ACCEPTED, {**body, **event}, at=at)
            known[name] = settle(state, found.line)
            tx.set_meta(META, written(known))
            return Accepted(found, person.id, sum(len(each.standing) for each in known.values()))
        raise RequestError(
            "request.not_unexplained",
            f"{line[:80]!r} is not among what stands unexplained.",
            next_step="See `runplane audit coverage --alarm`.",
        )

    return await desk.store.write(work)
