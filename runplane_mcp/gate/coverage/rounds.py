"""The connected accounts' share of a turn: a few of them, those that were not looked at for longest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from runplane_mcp.core.coverage.accounts import Wanted
from runplane_mcp.core.request import StripeIdentity
from runplane_mcp.errors import RunplaneError, StripeError
from runplane_mcp.gate.coverage.accounts import Connected, Recorded, connected
from runplane_mcp.gate.coverage.state import CoverageState, Found, keep, name_of, state_of, states
from runplane_mcp.gate.coverage.watch import Watch
from runplane_mcp.store.base import Reader, Transaction

#: Connected accounts that one turn looks at.
PER_TURN: Final = 10
#: Stripe is asked so often which accounts are connected (milliseconds).
LIST_EVERY: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class Rounded:
    """What a turn came to: what it found that is new, and of how many lines an event may still tell who made them."""

    new: tuple[Found, ...] = ()
    early: int = 0


@dataclass(slots=True)
class Rounds:
    """Looks at the accounts that are connected to one, in turns of at most `most`."""

    watch: Watch
    wanted: Wanted
    most: int = PER_TURN
    _recorded: Recorded = field(default_factory=Recorded)
    _listed: Connected | None = None
    _listed_at: int = 0

    async def turn(
        self, identity: StripeIdentity, *, tell: Callable[[Sequence[Found], str], None] = lambda _new, _account: None
    ) -> Rounded:
        """What goes wrong with one account is kept for `runplane status`, and the next is looked at. StripeError
        `stripe.unreachable` ends the turn; the accounts that it did not come to are the first of the next."""
        accounts = await self._accounts(identity)
        new: list[Found] = []
        early = 0
        for number, account in enumerate(await self._longest_ago(identity, accounts)):
            if number:
                await asyncio.sleep(self.watch.pause)
            there = replace(identity, account=account)
            await self._begin(there)
            try:
                looked = await self.watch.look(there, there=True)
            except StripeError as error:
                if error.code == "stripe.unreachable":
                    raise
                continue
            tell(looked.new, account)
            new += looked.new
            early += looked.early
        return Rounded(tuple(new), early)

    async def _accounts(self, identity: StripeIdentity) -> tuple[str, ...]:
        """Those to look at. Where Stripe does not list them, those that are known."""
        now = self.watch.clock.wall()
        known = await self.watch.store.read(lambda reader: state_of(reader, identity))
        problem = ""
        every_so_often = self.wanted.all and self._listed is not None and 0 <= now - self._listed_at < LIST_EVERY
        if not every_so_often:
            try:
                self._listed = await connected(
                    self.watch.store, self.watch.connection, identity, self.wanted, self._recorded
                )
                self._listed_at = now
            except RunplaneError as error:
                problem = f"The connected accounts could not be listed: {error}"
        there = self._listed or await self._unlisted(identity, known)

        def note(tx: Transaction) -> None:
            state = state_of(tx, identity)
            kept = replace(
                state,
                accounts=there.accounts,
                cut=there.cut,
                left_out=there.left_out,
                problem=problem or state.problem,
            )
            if kept != state:
                keep(tx, identity, kept)

        await self.watch.store.write(note)
        return there.accounts

    async def _unlisted(self, identity: StripeIdentity, known: CoverageState) -> Connected:
        wanted = replace(self.wanted, all=False)
        named = await connected(self.watch.store, self.watch.connection, identity, wanted, self._recorded)
        all = {*named.accounts, *named.left_out, *known.accounts, *known.left_out}
        return Connected(tuple(sorted(all - wanted.without)), known.cut, tuple(sorted(all & wanted.without)))

    async def _longest_ago(self, identity: StripeIdentity, accounts: Sequence[str]) -> list[str]:
        def turns(reader: Reader) -> dict[str, int]:
            known = states(reader)
            names = {each: name_of(replace(identity, account=each)) for each in accounts}
            return {each: known[name].turn if name in known else 0 for each, name in names.items()}

        last = await self.watch.store.read(turns)
        return sorted(accounts, key=lambda each: (last[each], each))[: self.most]

    async def _begin(self, there: StripeIdentity) -> None:
        """Its turn is taken before it is looked at: one that fails must not be the next, too."""
        now = self.watch.clock.wall()
        await self.watch.store.write(lambda tx: keep(tx, there, replace(state_of(tx, there), turn=now)))
