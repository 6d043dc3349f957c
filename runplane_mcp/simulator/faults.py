"""Failures that the simulator can be told to have. They are kept in the world, so any process may order them."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from runplane_mcp.errors import ParameterError
from runplane_mcp.simulator.refusal import API, CARD, Refusal, key_in_use, no_permission

LONGEST_DELAY = 300.0
GARBAGE = "<html><body>Bad gateway</body></html>"


class FaultKind(Enum):
    """What happens to a request, and whether its effect does."""

    DROP_REQUEST = "drop_request"  # the connection closes, nothing happened
    DROP_ANSWER = "drop_answer"  # it happened, the connection closes without an answer
    DELAY = "delay"  # it happened at once, the answer comes late; until then its key is in use
    ERROR_500 = "500"  # with or without effect; the key remembers the 500, or what really happened
    LIMIT_429 = "429"  # nothing happened, nothing is remembered
    FORBIDDEN_403 = "403"  # nothing happened: the restricted key lacks the permission
    CONFLICT_409 = "409"  # the same, as if another request held the key
    DECLINE_402 = "402"  # no money moved; with effect, a failed object is left where Stripe leaves one
    GARBAGE = "garbage"  # it happened, the answer is 200 with a body that is no Stripe object
    RESET = "reset"  # the connection is reset (RST), with or without effect


_EFFECT = frozenset({FaultKind.DROP_ANSWER, FaultKind.DELAY, FaultKind.DECLINE_402, FaultKind.GARBAGE})


@dataclass(frozen=True, slots=True)
class Fault:
    """A failure for the next `times` requests that match, after letting `skip` of them pass.

    `effect` says whether the request still does what it asks (None: as its kind usually has it; for 500 and reset
    that is no). `remembered` is for 500: whether the idempotency key keeps the 500 itself. `seconds` is for delay,
    `body` for garbage.
    """

    kind: FaultKind
    method: str | None = None
    path_prefix: str = "/"
    times: int = 1
    skip: int = 0
    effect: bool | None = None
    remembered: bool = True
    seconds: float = 0.0
    body: str = GARBAGE

    def __post_init__(self) -> None:
        if not isinstance(self.method, str | None) or not isinstance(self.path_prefix, str):
            raise ParameterError("parameter.fault", "A fault matches a method and the beginning of a path.")
        if not 1 <= self.times <= 10**6 or not 0 <= self.skip <= 10**6:
            raise ParameterError("parameter.fault", "A fault happens at least once, at most a million times.")
        if not 0 <= self.seconds <= LONGEST_DELAY:
            raise ParameterError("parameter.fault", f"A delay is between 0 and {LONGEST_DELAY:.0f} seconds.")
        if self.effect and self.kind in _NEVER_AN_EFFECT:
            raise ParameterError("parameter.fault", f"A fault {self.kind.value!r} never has an effect.")

    @property
    def has_effect(self) -> bool:
        return self.kind in _EFFECT if self.effect is None else self.effect

    def matches(self, method: str, path: str) -> bool:
        return self.method in (None, method) and path.startswith(self.path_prefix)

    @property
    def at_the_door(self) -> bool:
        """The request never gets to where parameters are read and keys remembered."""
        if self.kind is FaultKind.RESET:
            return not self.has_effect
        if self.kind is FaultKind.ERROR_500:
            return not self.has_effect and not self.remembered
        return self.kind in _NEVER_AN_EFFECT

    def error(self) -> Refusal:
        """The error answer of 429, 403, 409 and 402, and 500 for every other kind."""
        match self.kind:
            case FaultKind.LIMIT_429:
                return Refusal("Too many requests at once.", status=429, code="rate_limit", remembered=False)
            case FaultKind.FORBIDDEN_403:
                return no_permission()
            case FaultKind.CONFLICT_409:
                return key_in_use()
            case FaultKind.DECLINE_402:
                return Refusal("The card was declined.", status=402, type=CARD, code="card_declined")
            case _:
                return Refusal("Something went wrong inside Stripe.", status=500, type=API)


_NEVER_AN_EFFECT = frozenset(
    {FaultKind.DROP_REQUEST, FaultKind.LIMIT_429, FaultKind.FORBIDDEN_403, FaultKind.CONFLICT_409}
)


def fault_from_json(given: Any) -> Fault:
    """A fault as the control route takes it: `{"kind", "match": {"method", "path_prefix"}, "times", …}`."""
    if not isinstance(given, dict):
        raise ParameterError("parameter.fault", "A fault is a JSON object.")
    fields = dict(given)
    match = fields.pop("match", {})
    try:
        kind = FaultKind(fields.pop("kind", None))
        return Fault(kind=kind, **match, **fields)
    except (TypeError, ValueError) as error:
        kinds = ", ".join(kind.value for kind in FaultKind)
        raise ParameterError("parameter.fault", f"That is not a fault: {error}. Its kind is one of {kinds}.") from error


def add_fault(db: sqlite3.Connection, fault: Fault) -> None:
    body = json.dumps(asdict(fault) | {"kind": fault.kind.value})
    db.execute("INSERT INTO fault (times_left, skip_left, body) VALUES (?, ?, ?)", (fault.times, fault.skip, body))


def clear_faults(db: sqlite3.Connection) -> None:
    db.execute("DELETE FROM fault")


def pending_faults(db: sqlite3.Connection) -> list[tuple[Fault, int]]:
    """Every fault still to come, with how often."""
    rows = db.execute("SELECT body, times_left FROM fault ORDER BY seq").fetchall()
    return [(fault_from_json(json.loads(body)), left) for body, left in rows]


def take_fault(db: sqlite3.Connection, method: str, path: str) -> Fault | None:
    """The fault that this request meets, counted off. One that still lets requests pass counts those."""
    for seq, times_left, skip_left, body in db.execute(
        "SELECT seq, times_left, skip_left, body FROM fault ORDER BY seq"
    ).fetchall():
        fault = fault_from_json(json.loads(body))
        if not fault.matches(method, path):
            continue
        if skip_left:
            db.execute("UPDATE fault SET skip_left = skip_left - 1 WHERE seq = ?", (seq,))
            continue
        if times_left == 1:
            db.execute("DELETE FROM fault WHERE seq = ?", (seq,))
        else:
            db.execute("UPDATE fault SET times_left = times_left - 1 WHERE seq = ?", (seq,))
        return fault
    return None
