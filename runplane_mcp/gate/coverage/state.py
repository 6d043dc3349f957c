"""How far the watch over the account has looked, and what it found that nobody has explained since.

It stands in the store's `meta`, one entry for each account that the home has worked for. What was found is in the audit
log; this only says what of it still stands, quickly however long the log is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from runplane_mcp.core.canonical import LARGEST, Json
from runplane_mcp.core.request import StripeIdentity
from runplane_mcp.gate.acts import said
from runplane_mcp.store.base import Reader, Transaction

if TYPE_CHECKING:
    from runplane_mcp.core.coverage.boxes import Placed

META: Final = "coverage"
#: The events that raise an alarm about a money line, and that end it where it came to be explained.
UNEXPLAINED: Final = "coverage.unexplained"
EXPLAINED: Final = "coverage.explained"
#: The event that notes what Stripe held.
BALANCE: Final = "coverage.balance"
#: Seconds that one look goes through at most; halved while there is too much to read in them.
WINDOW: Final = 7 * 86_400
#: Each look begins so much before the end of the one before (seconds): lines and events may come late.
OVERLAP: Final = 1_800
#: So long a request that is not finished may be what made a line (seconds).
OPEN_GRACE: Final = 86_400
#: So long before the end of what was looked at no look comes back to a line.
KEPT_SETTLED: Final = OVERLAP + OPEN_GRACE
#: No moment lies behind it (seconds): it could not be shown as a date.
_LAST: Final = 253_402_300_799
#: So much (milliseconds) a connected account's look may lie behind the account's own before it is told.
LONG: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class Found:
    """A line that the alarm was raised for. `seq` is its audit event, `at` seconds at Stripe, `amount` minor units."""

    line: str
    seq: int
    at: int
    kind: str
    object_id: str | None
    amount: int
    currency: str
    box: str
    why: str


@dataclass(frozen=True, slots=True)
class Balance:
    """What Stripe held at `at` (seconds), in minor units per currency, when `newest` was its newest line. `seq` is the
    audit event that says so."""

    at: int
    seq: int
    newest: str
    held: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class CoverageState:
    """`until`: everything before this second (by the clock of the account) was looked at. `turn`, `looked`: wall time in
    milliseconds when the latest look began, and when one last ended well. `problem` is why the latest did not. `behind`:
    there is more to read than one look takes. `standing` is what stays unexplained, `settled` the lines that were explained
    or accepted, with their time, so that they are not found once more. `balances` are a few, one a day, oldest first.
    `accounts` are the connected accounts that are looked at beside this one, each with a state of its own; `cut`: Stripe
    has more of them; `left_out` are those that a setting keeps from being looked at."""

    until: int | None = None
    window: int = WINDOW
    turn: int = 0
    looked: int | None = None
    problem: str = ""
    behind: bool = False
    standing: Mapping[str, Found] = field(default_factory=dict)
    settled: Mapping[str, int] = field(default_factory=dict)
    balances: tuple[Balance, ...] = ()
    accounts: tuple[str, ...] = ()
    cut: bool = False
    left_out: tuple[str, ...] = ()


def found_from(placed: Placed, seq: int) -> Found:
    line = placed.line
    return Found(
        line.id,
        seq,
        line.created,
        line.kind,
        line.object_id,
        line.amount,
        line.currency,
        placed.box.value,
        placed.why,
    )


def name_of(identity: StripeIdentity) -> str:
    return f"{identity.target}|{identity.account}|{'live' if identity.livemode else 'test'}"


def renamed(name: str, account: str) -> str:
    """The name of another account in the same mode of the same Stripe."""
    target, _, mode = name.rsplit("|", 2)
    return f"{target}|{account}|{mode}"


def states(reader: Reader) -> dict[str, CoverageState]:
    """The watch over each account, by `name_of` it."""
    try:
        kept = json.loads(reader.meta(META) or "{}")
        return {_name(name): _state(each) for name, each in kept.items()}
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        # Somebody wrote it past us: looked at anew, since nothing but the next look hangs on it.
        return {}


@dataclass(frozen=True, slots=True)
class Beside:
    """How it stands with the accounts that are connected to one. `unread`: why each could not be looked at. `waiting` are
    those that were not looked at, or not up to the end, for more than an hour when the account itself was. `left_out` is
    as `CoverageState` has it: a choice, and no fault."""

    accounts: tuple[str, ...]
    unread: Mapping[str, str]
    waiting: tuple[str, ...]
    cut: bool
    left_out: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """All could be looked at."""
        return not self.unread and not self.cut


def beside(states: Mapping[str, CoverageState]) -> Mapping[str, Beside]:
    """By the name of the account that they are connected to; nothing for one without any."""
    found: dict[str, Beside] = {}
    for name, state in states.items():
        if not state.accounts and not state.cut and not state.left_out:
            continue
        there = {each: states.get(renamed(name, each), CoverageState()) for each in state.accounts}
        unread = {each: its.problem for each, its in there.items() if its.problem}
        late = (state.looked or 0) - LONG
        waiting = [each for each, its in there.items() if its.behind or (its.looked or 0) < late]
        late_ones = tuple(each for each in waiting if each not in unread)
        found[name] = Beside(state.accounts, unread, late_ones, state.cut, state.left_out)
    return found


def looked_at(states: Mapping[str, CoverageState], name: str, id: str) -> list[str]:
    """The connected accounts that are looked at beside one, those first on which a line about `id` stands."""

    def stands(account: str) -> bool:
        state = states.get(renamed(name, account), CoverageState())
        return any(id in (each.line, each.object_id) for each in state.standing.values())

    own = states.get(name, CoverageState())
    return sorted(own.accounts, key=lambda account: (not stands(account), account))


def state_of(reader: Reader, identity: StripeIdentity) -> CoverageState:
    return states(reader).get(name_of(identity), CoverageState())


def keep(tx: Transaction, identity: StripeIdentity, state: CoverageState) -> CoverageState:
    tx.set_meta(META, written({**states(tx), name_of(identity): state}))
    return state


def written(all: Mapping[str, CoverageState]) -> str:
    """As `states` reads them."""
    return json.dumps({name: _json(each) for name, each in all.items()}, separators=(",", ":"))


def balance_event(identity: StripeIdentity, balance: Balance) -> dict[str, Json]:
    held: dict[str, Json] = dict(sorted(balance.held.items()))
    return {"account": identity.account, "stripe_at": balance.at, "newest": balance.newest, "held": held}


def balances(reader: Reader, identity: StripeIdentity) -> list[Balance]:
    """The balances that were noted, those that the audit log bears out."""
    found = []
    for each in state_of(reader, identity).balances:
        event = reader.event(each.seq)
        if event is not None and event.type == BALANCE and balance_event(identity, each).items() <= said(event).items():
            found.append(each)
    return found


def settle(state: CoverageState, line: str) -> CoverageState:
    """One line is explained."""
    found = state.standing[line]
    standing = {name: each for name, each in state.standing.items() if name != line}
    return replace(state, standing=standing, settled={**state.settled, line: found.at})


def _state(kept: Mapping[str, Any]) -> CoverageState:
    fields = dict(kept)
    standing = {name: Found(**each) for name, each in fields.pop("standing").items()}
    balances = tuple(Balance(**each) for each in fields.pop("balances", ()))
    accounts, left_out = tuple(fields.pop("accounts", ())), tuple(fields.pop("left_out", ()))
    state = CoverageState(**fields, standing=standing, balances=balances, accounts=accounts, left_out=left_out)
    _check(state)
    return state


def _name(name: str) -> str:
    target, account, mode = name.rsplit("|", 2)
    if not target or not account or mode not in {"live", "test"}:
        raise ValueError("not the name of an account")
    return name


def _check(state: CoverageState) -> None:
    """ValueError where any of it is not what it is declared as: `status`, `doctor` and gates show it and reckon with it."""
    found, balances = state.standing.values(), state.balances
    noted = [(each.at, each.seq) for each in found] + [(each.at, each.seq) for each in balances]
    seconds = (state.until or 0, *state.settled.values(), *(at for at, _ in noted))
    milliseconds = (state.turn, state.looked or 0)
    numbers = [state.window, *(seq for _, seq in noted), *(each.amount for each in found)]
    numbers += [amount for each in balances for amount in each.held.values()]
    texts: list[object] = [state.problem, *state.accounts, *state.left_out, *(each.newest for each in balances)]
    for each in found:
        texts += [each.line, each.kind, each.object_id or "", each.currency, each.box, each.why]
    wrong = (
        not all(type(each) is int and abs(each) <= LARGEST for each in (*numbers, *seconds, *milliseconds)),
        not all(isinstance(each, str) for each in texts),
        not isinstance(state.behind, bool) or not isinstance(state.cut, bool),
        any(name != each.line for name, each in state.standing.items()),
    )
    if any(wrong):
        raise ValueError("something else stands in a number's, a text's or an alarm's place")
    in_time = all(0 <= each <= _LAST for each in (*seconds, *(each // 1_000 for each in milliseconds)))
    if not in_time or not 0 < state.window <= WINDOW:
        raise ValueError("not a moment or a stretch of time")


def _json(state: CoverageState) -> dict[str, Json]:
    standing: dict[str, Json] = {
        name: {part: getattr(each, part) for part in Found.__slots__} for name, each in state.standing.items()
    }
    balances: list[Json] = [
        {"at": each.at, "seq": each.seq, "newest": each.newest, "held": dict(each.held)} for each in state.balances
    ]
    return {
        "until": state.until,
        "window": state.window,
        "turn": state.turn,
        "looked": state.looked,
        "problem": state.problem,
        "behind": state.behind,
        "standing": standing,
        "settled": dict(state.settled),
        "balances": balances,
        "accounts": list(state.accounts),
        "cut": state.cut,
        "left_out": list(state.left_out),
    }
