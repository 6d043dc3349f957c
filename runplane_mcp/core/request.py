"""The request: its identity, its life as a state machine, and the digest of exactly what people approve."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Final

from runplane_mcp.core.canonical import Json, digest_of
from runplane_mcp.core.wire import WireRequest

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class State(StrEnum):
    RECEIVED = "received"
    WAITING = "waiting"
    SCHEDULED = "scheduled"
    APPROVED = "approved"
    EXECUTING = "executing"
    OUTCOME_UNKNOWN = "outcome_unknown"
    SUCCEEDED = "succeeded"
    BLOCKED = "blocked"
    DENIED = "denied"
    EXPIRED = "expired"
    CANCELED = "canceled"
    REPLACED = "replaced"
    FAILED = "failed"


_S = State
#: The only list of what may follow what; the database enforces it too. States without an entry are final.
TRANSITIONS: Final[Mapping[State, frozenset[State]]] = {
    _S.RECEIVED: frozenset({_S.BLOCKED, _S.FAILED, _S.WAITING, _S.SCHEDULED, _S.EXECUTING}),
    _S.SCHEDULED: frozenset({_S.EXECUTING, _S.WAITING, _S.BLOCKED, _S.CANCELED, _S.EXPIRED, _S.FAILED, _S.DENIED}),
    _S.WAITING: frozenset({_S.APPROVED, _S.BLOCKED, _S.DENIED, _S.EXPIRED, _S.CANCELED, _S.REPLACED}),
    _S.APPROVED: frozenset({_S.EXECUTING, _S.WAITING, _S.BLOCKED, _S.FAILED, _S.EXPIRED, _S.CANCELED, _S.DENIED}),
    # Executing to executing is the next attempt; to approved, a send proven never to have entered Stripe.
    _S.EXECUTING: frozenset({_S.SUCCEEDED, _S.FAILED, _S.APPROVED, _S.EXECUTING, _S.OUTCOME_UNKNOWN}),
    _S.OUTCOME_UNKNOWN: frozenset({_S.EXECUTING, _S.SUCCEEDED, _S.FAILED}),
}
FINAL: Final = frozenset(State) - TRANSITIONS.keys()
#: What a restore found open is never sent again: nobody knows whether it ran after the copy was taken. It ends by proof, or
#: by an administrator's word.
ONCE_RESTORED: Final[Mapping[State, frozenset[State]]] = {
    _S.OUTCOME_UNKNOWN: frozenset({_S.SUCCEEDED, _S.FAILED, _S.CANCELED}),
}
#: The epoch of a store that was never restored.
FIRST_EPOCH: Final = 1
#: States in which people may still look at the request and stop it.
HELD: Final = frozenset({State.WAITING, State.SCHEDULED, State.APPROVED})


def may_follow(before: State, after: State, *, was: int | None = None, now: int | None = None) -> bool:
    """`was` and `now`: the epoch of the restore that found the request open, before and after the move. A restore sets
    aside whatever is not final, once; from then on only its own list counts."""
    if now == was:
        return after in (TRANSITIONS if was is None else ONCE_RESTORED).get(before, frozenset())
    return now is not None and now > (was or FIRST_EPOCH) and before not in FINAL and after is State.OUTCOME_UNKNOWN


class Kind(StrEnum):
    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class StripeIdentity:
    """Which Stripe a request belongs to. `target` is `stripe`, `simulator:<world id>` or the origin of a loopback base;
    host and port are not part of it, since every process opens its own port on the one simulated world."""

    target: str
    account: str
    livemode: bool

    @property
    def simulator(self) -> bool:
        return self.target.startswith("simulator:")


@dataclass(frozen=True, slots=True)
class OwnArguments:
    """Arguments of ours that every write takes and that never go to Stripe. `justification` is the agent's words to
    approvers and is never checked; `ticket` an order, case or conversation."""

    justification: str | None = None
    ticket: str | None = None
    idempotency_key: str | None = None
    repeat_of: str | None = None


@dataclass(frozen=True, slots=True)
class Precondition:
    """Something that was true when people looked and must be true when the request runs.

    `equal`: `name` must still read `value`. `at_least`: the looked-up number must not have fallen below `value`
    (`remaining >= 90000`), so that a harmless change does not void an approval.
    """

    name: str
    relation: str  # "equal" or "at_least"
    value: str | int

    def holds(self, now: str | int | None) -> bool:
        """Whether the freshly looked-up value still satisfies it; one that could not be looked up does not."""
        if self.relation == "equal":
            return now is not None and str(now) == str(self.value)
        return isinstance(now, int) and isinstance(self.value, int) and now >= self.value

    def sentence(self) -> str:
        return f"{self.name} {'=' if self.relation == 'equal' else '>='} {self.value}"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a request did not succeed, as agents and people are told. `effect_id`: an object Stripe made all the same."""

    code: str
    message: str
    param: str | None = None
    stripe_request_id: str | None = None
    effect_id: str | None = None


@dataclass(frozen=True)  # no slots: `changed` copies it whole
class ActionRequest:
    """One attempt by one agent to run one operation. Times are milliseconds since 1970; `policy_at` is policy time.

    `version` counts changes and is what every compare-and-set compares. `round` numbers the states that people look
    at, from 1; votes of another round never count. `effective` is what runs, `as_asked` what the agent sent. The three
    `same_*` are equal for requests that are the same in that form (`core/repeats.py`). `release_at` is the policy time at
    which a scheduled one is decided again; it stays with what ran after it, and goes where people are asked. `restored` is
    the epoch of the restore that found it open, and whose store does not know what became of it since.
    """

    id: str
    reference: str
    state: State
    version: int
    principal: str
    agent: str
    via: str
    operation_id: str
    action: str
    kind: Kind
    identity: StripeIdentity
    created_at: int
    policy_at: int
    changed_at: int
    as_asked: WireRequest | None
    effective: WireRequest | None = None
    own: OwnArguments = field(default_factory=OwnArguments)
    client: str | None = None
    round: int = 0
    digest: str | None = None
    expires_at: int | None = None
    release_at: int | None = None
    failure: Failure | None = None
    message_to_agent: str | None = None
    stripe_key: str | None = None
    attempt: int = 0
    lease_owner: str | None = None
    lease_until: int | None = None
    first_attempt_at: int | None = None
    first_attempt_boot: str | None = None
    first_attempt_boot_ms: int | None = None
    stripe_request_id: str | None = None
    object_id: str | None = None
    same_asked: str | None = None
    same_effective: str | None = None
    same_effect: str | None = None
    replaces: str | None = None
    replaced_by: str | None = None
    restored: int | None = None

    @property
    def final(self) -> bool:
        return self.state in FINAL

    @property
    def asks_people(self) -> bool:
        """Whether its round is one that people say yes or no to. What is allowed after a while has a round, too, so that
        they can look at it and stop it, but needs nobody's yes."""
        return self.round > 0 and self.release_at is None

    @property
    def changed_policy_at(self) -> int:
        """The policy time of its latest change: as far after the wall time of it as its two clocks lay apart."""
        return self.changed_at + self.policy_at - self.created_at


_FIELDS: Final = frozenset(each.name for each in fields(ActionRequest))


def changed(request: ActionRequest, **changes: object) -> ActionRequest:
    """What `dataclasses.replace` gives, which sets each of the forty fields anew and takes several times as long: a request
    changes at every step of its life. TypeError for a field that there is not."""
    unknown = changes.keys() - _FIELDS
    if unknown:
        raise TypeError(f"a request has no {', '.join(sorted(unknown))}")
    made = object.__new__(ActionRequest)
    vars(made).update(vars(request))
    vars(made).update(changes)
    return made


def request_id(random: bytes) -> str:
    """`rpr_` and 26 Crockford base32 digits of 128 random bits: unguessable, and readable aloud."""
    return "rpr_" + _crockford(int.from_bytes(_exactly(random, 16), "big"), 26)


def reference(random: bytes, length: int = 4) -> str:
    """`RP-7F3K`: the short code for people. Unique in a store; a collision takes a longer one."""
    return "RP-" + _crockford(int.from_bytes(random, "big") % 32**length, length)


def stripe_key(random: bytes) -> str:
    """Our idempotency key at Stripe, one per round whose bytes changed, kept over attempts and never shown to agents."""
    return "rp_" + _exactly(random, 16).hex()


def compute_digest(
    *,
    request_id: str,
    nonce: str,
    identity: StripeIdentity,
    api_version: str,
    wire: WireRequest,
    principal: str,
    preconditions: tuple[Precondition, ...],
) -> str:
    """SHA-256 over the canonical form of exactly what would run, for whom and under which conditions: 64 hex digits.

    The policy version is not in it: a reload of an equivalent policy must not void an approval. Host and port are
    not in it either, since each process opens its own port on the one simulated world.
    """
    content: dict[str, Json] = {
        "v": 1,
        "request_id": request_id,
        "nonce": nonce,
        "target": identity.target,
        "account": identity.account,
        "livemode": identity.livemode,
        "api_version": api_version,
        "method": wire.method,
        "url": wire.url,
        "content_type": wire.content_type,
        "body_sha256": wire.body_sha256,
        "principal": principal,
        "preconditions": [[each.name, each.relation, each.value] for each in preconditions],
    }
    return digest_of(content)


def same_digest(one: str, other: str) -> bool:
    return hmac.compare_digest(one.lower().encode(), other.lower().encode())


def fingerprint(digest: str) -> str:
    """The first 80 bits of a digest in groups of four Crockford digits, for people to compare: `7F3K-…`."""
    digits = _crockford(int(digest[:20], 16), 16)
    return "-".join(digits[start : start + 4] for start in range(0, 16, 4))


def sameness(operation_id: str, identity: StripeIdentity, wire: WireRequest, principal: str) -> str:
    """Equal for two requests that ask for the same thing: operation, target, account, parameters and principal. An account
    has one id in live and test mode, so the mode is in it too: a test request must not stand for a live one."""
    return digest_of(
        {
            "operation_id": operation_id,
            "target": identity.target,
            "account": identity.account,
            "livemode": identity.livemode,
            "url": wire.url,
            "body_sha256": wire.body_sha256,
            "principal": principal,
        }
    )


def _exactly(random: bytes, length: int) -> bytes:
    if len(random) != length:
        raise ValueError(f"{length} random bytes are needed, not {len(random)}")
    return random


def _crockford(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 32)
        digits.append(CROCKFORD[digit])
    return "".join(reversed(digits))
