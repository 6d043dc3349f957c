"""The alarm that something went around Runplane: every few minutes the newest money lines of the account are looked at, and
one that nothing explains becomes an audit event and an error in the log, once.

One process of all looks at a time. It reads a bounded number of pages, slowly, beside the requests and never before them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from runplane_mcp.core.canonical import Json
from runplane_mcp.core.catalog import Catalog
from runplane_mcp.core.coverage.boxes import Box, Placed
from runplane_mcp.core.coverage.listings import DAY
from runplane_mcp.core.request import StripeIdentity
from runplane_mcp.errors import RunplaneError
from runplane_mcp.gate.clock import Clock
from runplane_mcp.gate.coverage.alarms import lost, put_back
from runplane_mcp.gate.coverage.covering import placed_lines
from runplane_mcp.gate.coverage.reading import steady_balance
from runplane_mcp.gate.coverage.state import (
    BALANCE,
    EXPLAINED,
    KEPT_SETTLED,
    OPEN_GRACE,
    OVERLAP,
    UNEXPLAINED,
    WINDOW,
    Balance,
    CoverageState,
    Found,
    balance_event,
    found_from,
    keep,
    settle,
    state_of,
)
from runplane_mcp.gate.coverage.window import Window
from runplane_mcp.store.base import Reader, Store, Transaction
from runplane_mcp.stripe_api.client import StripeConnection
from runplane_mcp.stripe_api.connected import Asks, OnAccount

logger = logging.getLogger(__name__)

#: Days of which a report can still find the balance.
MOST_BALANCES: Final = 100
#: So long after a line came its event may still be missing (seconds).
GRACE: Final = 30
#: Pages of one list that one look reads, and the pause between them (seconds).
MOST_PAGES: Final = 30
PAUSE: Final = 0.1
#: So often (seconds) it is noted what a connected account holds, and so many of these are kept: there may be a thousand.
EVERY_THERE: Final = 14 * DAY
MOST_THERE: Final = 3
_SHORTEST: Final = 60
#: Looks in one go, while there is more than one look takes.
MOST_LOOKS: Final = 12


@dataclass(frozen=True, slots=True)
class Looked:
    """What one look came to. `new` was found by this one; of `early` lines an event may still tell who made them."""

    state: CoverageState
    new: tuple[Found, ...]
    early: int = 0


@dataclass(frozen=True, slots=True)
class Watch:
    """Looks at one account. `around`: what another key or a person in the Dashboard sends out raises the alarm too."""

    store: Store
    catalog: Catalog
    connection: StripeConnection
    clock: Clock
    around: bool = False
    pause: float = PAUSE

    async def look(self, identity: StripeIdentity, *, there: bool = False) -> Looked:
        """One look, whoever's turn it is. What goes wrong is kept for `runplane status` and raised. `there`: it is a
        connected account's."""
        if not there:  # which mends all accounts
            await self._mend(identity)
        state = await self.store.read(lambda reader: state_of(reader, identity))
        try:
            return await self._look(identity, state, there=there)
        except RunplaneError as error:
            problem = str(error)
            await self.store.write(
                lambda tx: keep(tx, identity, replace(state_of(tx, identity), problem=problem)),
            )
            raise

    async def catch_up(
        self, identity: StripeIdentity, *, tell: Callable[[Sequence[Found]], None] = lambda _new: None
    ) -> Looked:
        """Looks until everything new is looked at, within bounds. `tell` hears of what each look found."""
        new: list[Found] = []
        for _ in range(MOST_LOOKS):
            looked = await self.look(identity)
            tell(looked.new)
            new += looked.new
            if not looked.state.behind:
                break
        return replace(looked, new=tuple(new))

    async def take_turn(self, identity: StripeIdentity, every: float) -> bool:
        """Whether nobody has looked for `every` seconds; then this process does now."""

        def due(reader: Reader) -> int | None:
            turn = state_of(reader, identity).turn
            # Asked after the turn was read: one that another process took a moment ago is not in the future.
            now = self.clock.wall()
            # A turn in the future is one before somebody set the clock back.
            return None if now - every * 1000 < turn <= now else now

        def take(tx: Transaction) -> bool:
            now = due(tx)
            if now is None:
                return False
            keep(tx, identity, replace(state_of(tx, identity), turn=now))
            return True

        return await self.store.read(due) is not None and await self.store.write(take)

    async def _mend(self, identity: StripeIdentity) -> None:
        """What stands is the log's word, and not that of the entry that keeps it at hand: that may have lost some of it."""
        now = self.clock.policy() // 1000
        if not await self.store.read(lambda reader: lost(reader, identity, now=now)):
            return
        at = self.clock.wall()
        again = await self.store.write(lambda tx: put_back(tx, identity, at=at, now=now))
        if again:
            logger.error(
                "%s unexplained money lines had been lost from what stands, by mishap or past Runplane: they stand again,"
                " as events %s of the audit log say",
                *(len(again), ", ".join(str(found.seq) for found in again)),
            )

    async def _look(self, identity: StripeIdentity, state: CoverageState, *, there: bool) -> Looked:
        asks: Asks = OnAccount(self.connection, identity.account) if there else self.connection
        now = self.clock.policy() // 1000
        if state.until is None:
            since = await self.store.read(lambda reader: _beginning(reader, self.clock, now))
        else:
            since = min(state.until - OVERLAP, now)
        until = min(now + 1, since + OVERLAP + state.window)
        reads = Window(self.connection, since, until, now, OVERLAP, OVERLAP + _SHORTEST, self.pause)
        pages = await (reads.there(identity.account) if there else reads.here(MOST_PAGES))
        platform = await reads.platform(identity.account, pages) if there and pages is not None else {}
        if pages is None or platform is None:
            narrower = max(state.window // 2, _SHORTEST)
            return await self._keep(identity, until=state.until, window=narrower, behind=True)
        _, placed = await placed_lines(
            self.store, self.catalog, identity, pages, since=since, until=until, now=now, platform=platform
        )
        late = [each for each in placed if _too_early(each, now)]
        waits = {each.line.id for each in late}
        # Few are: the transaction that keeps them holds up the requests of this process.
        judged = [each for each in placed if self._alarms(each) or each.line.id in state.standing]
        judged = [each for each in judged if each.line.id not in waits]
        until = min([until, *(each.line.created for each in late)])
        behind = until <= now - GRACE - 1 and not late
        window = min(state.window * 2, WINDOW)
        done = await self._keep(identity, until=until, window=window, behind=behind, placed=judged)
        every, most = (EVERY_THERE, MOST_THERE) if there else (DAY, MOST_BALANCES)
        if not behind and now - max((each.at for each in done.state.balances), default=0) >= every:
            done = replace(done, state=await self._note_balance(asks, identity, now, most))
        return replace(done, early=len(late))

    async def _note_balance(self, asks: Asks, identity: StripeIdentity, now: int, most: int) -> CoverageState:
        """Once a day, of a connected account every two weeks, what Stripe holds goes into the audit log: reports check the
        lines since then with it, for Stripe itself tells no balance of the past."""
        found = await steady_balance(asks)
        at = self.clock.wall()

        def note(tx: Transaction) -> CoverageState:
            state = state_of(tx, identity)
            if found is None or not found[0]:
                return state
            newest, held = found
            noted = Balance(now, 0, newest, held)
            seq = tx.append(BALANCE, balance_event(identity, noted), at=at)
            kept = (*state.balances, replace(noted, seq=seq))[-most:]
            return keep(tx, identity, replace(state, balances=kept))

        return await self.store.write(note)

    async def _keep(
        self,
        identity: StripeIdentity,
        *,
        until: int | None,
        window: int,
        behind: bool,
        placed: Sequence[Placed] = (),
    ) -> Looked:
        at = self.clock.wall()

        def record(tx: Transaction) -> Looked:
            state = state_of(tx, identity)
            new: list[Found] = []
            for each in placed:
                known = each.line.id in state.standing
                if self._alarms(each) and not known and each.line.id not in state.settled:
                    seq = tx.append(UNEXPLAINED, _event(identity, each), at=at)
                    new.append(found_from(each, seq))
                    state = replace(state, standing={**state.standing, each.line.id: new[-1]})
                elif known and not self._alarms(each):
                    raised = state.standing[each.line.id]
                    if each.made is not None and each.made.intent > raised.seq:
                        # What began after the alarm did not make it: somebody wrote it down to end the alarm.
                        continue
                    tx.append(EXPLAINED, {"line": each.line.id, "box": each.box.value, "raised": raised.seq}, at=at)
                    state = settle(state, each.line.id)
            # Behind the overlap no look comes back to them.
            oldest = (until or 0) - KEPT_SETTLED
            settled = {line: when for line, when in state.settled.items() if when >= oldest}
            state = replace(state, until=until, window=window, behind=behind, looked=at, problem="", settled=settled)
            return Looked(keep(tx, identity, state), tuple(new))

        return await self.store.write(record)

    def _alarms(self, placed: Placed) -> bool:
        if placed.box is Box.UNEXPLAINED:
            return True
        out = placed.line.amount < 0
        return self.around and out and placed.box in {Box.ANOTHER_KEY, Box.DASHBOARD}


def _too_early(placed: Placed, now: int) -> bool:
    """Whether an event, or the end of a request, may still explain it."""
    if placed.box is not Box.UNEXPLAINED or placed.stripe_request_id is not None:
        return False
    grace = OPEN_GRACE if placed.may_be is not None else GRACE
    return placed.line.created > now - grace


def _beginning(reader: Reader, clock: Clock, now: int) -> int:
    """The first look goes back to the beginning of the home, at most a day."""
    first = reader.event(1)
    began = now if first is None else (first.at + clock.policy() - clock.wall()) // 1000
    return max(min(began, now), now - DAY)


def _event(identity: StripeIdentity, placed: Placed) -> dict[str, Json]:
    line = placed.line
    return {
        "line": line.id,
        "object": line.object_id,
        "kind": line.kind,
        "amount": line.amount,
        "currency": line.currency,
        "line_at": line.created,
        "box": placed.box.value,
        "target": identity.target,
        "account": identity.account,
        "livemode": identity.livemode,
        "stripe_request_id": placed.stripe_request_id,
        "request": placed.made.request_id if placed.made is not None else None,
    }
