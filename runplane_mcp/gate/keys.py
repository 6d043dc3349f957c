"""Proof that a person does something: their secret becomes their key, and a wrong one is refused and counted."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from runplane_mcp.core.approval import Person, Role
from runplane_mcp.errors import PersonError
from runplane_mcp.gate.clock import Clock
from runplane_mcp.gate.people import trusted, unlock
from runplane_mcp.store.base import Store

#: The event that counts a wrong secret.
REFUSED: Final = "person.refused"


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of a home's people."""

    store: Store
    clock: Clock

    async def person(self, name: str) -> Person:
        """Somebody whom the audit log bears out, PersonError `person.unknown` otherwise."""
        found = (await self.store.read(trusted)).get(name)
        if found is None:
            raise PersonError(
                "person.unknown", f"Nobody called {name[:40]!r} is enrolled.", next_step="See `runplane people list`."
            )
        return found

    async def administrator(self, name: str | None, act: str) -> Person:
        """Who may do `act` (`Lifting a freeze`). PersonError `person.admin_needed` where nobody is named, and
        `person.not_admin`."""
        if name is None:
            raise PersonError(
                "person.admin_needed",
                f"{act} needs an administrator's secret.",
                next_step="Add `--as ADMIN`; where nobody is enrolled yet, `runplane people add` comes first.",
            )
        found = await self.person(name)
        if found.role is not Role.ADMIN or not found.active:
            raise PersonError("person.not_admin", f"{name} is not an administrator.")
        return found

    async def unlock(self, person: Person, secret: str) -> Ed25519PrivateKey:
        """The person's key; a wrong secret is refused and counted in the audit log. Slow on purpose."""
        try:
            return await asyncio.to_thread(unlock, person, secret)
        except PersonError:
            at = self.clock.wall()
            await self.store.write(lambda tx: tx.append(REFUSED, {"person": person.id}, at=at))
            raise
