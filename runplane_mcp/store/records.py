"""What transactions of a store take and give beside requests.

Times are milliseconds since 1970. `at` is wall time unless it says policy time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypedDict

from runplane_mcp.core.canonical import Json
from runplane_mcp.core.decision import Outcome, RiskLevel
from runplane_mcp.core.repeats import How
from runplane_mcp.core.request import ActionRequest, Failure, Kind, State
from runplane_mcp.core.wire import WireRequest

#: The type of the event that speaks for many reads.
READS: Final = "reads"


class Changed(Exception):
    """A compare-and-set met a request that somebody else had changed: look again."""


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """One immutable decision. `n` counts a request's decisions from 1; `round` is what votes refer to. `facts` and `detail`
    are kept in erasable payloads behind commitments; the queryable fields beside them hold no personal data."""

    request_id: str
    n: int
    round: int
    kind: str  # "first", "release" or "execution"
    outcome: Outcome
    at: int
    policy_at: int
    policy_version: str
    risk: int
    risk_level: RiskLevel
    nonce: str | None
    digest: str | None
    facts: Mapping[str, Json]
    detail: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class EnforcedPolicy:
    """`version` is the SHA-256 of the text, in hex, so that `verify` can tell a text that was swapped."""

    version: str
    text: str
    since: int
    by: str  # a person's id, or "first", "simulator" or "tighter"


@dataclass(frozen=True, slots=True)
class ProposedPolicy:
    version: str
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Event:
    seq: int
    at: int
    type: str
    request_id: str | None
    body: bytes
    leaf: bytes


@dataclass(frozen=True, slots=True)
class Salted:
    """A payload as it was committed to: SHA-256(salt || body)."""

    salt: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """The audit log's size, the frontier of its RFC 6962 tree (left to right) and its root."""

    size: int
    frontier: tuple[bytes, ...]
    root: bytes


@dataclass(frozen=True, slots=True)
class RequestFilter:
    states: frozenset[State] | None = None
    principal: str | None = None
    kind: Kind | None = None
    action: str | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Past:
    """What the store knows about earlier requests, for the history facts of one decision."""

    requests_24h_agent: int = 0
    refused_24h_agent: int = 0
    requests_7d_customer: int = 0
    denied_24h_object: int = 0
    waiting_on_object: Mapping[str, int] = field(default_factory=dict)  # minor units per currency


@dataclass(frozen=True, slots=True)
class Repeat:
    """An attempt that the earlier request `request_id` answered for, or (`How.SEEN`) its agent's look at its result.
    `idempotency_key` is the attempt's own key where it is bound by this, and `same_asked` what it was bound to.
    `instead_of` is the attempt's own request where it had become one before it was known to be the same."""

    request_id: str
    how: How
    principal: str
    agent: str | None = None
    via: str | None = None
    idempotency_key: str | None = None
    same_asked: str | None = None
    instead_of: str | None = None


@dataclass(frozen=True, slots=True)
class KeyUse:
    """The request that answers for an agent's own key, and the form as asked of what the key was first used for."""

    request: ActionRequest
    same_asked: str | None


class Changes(TypedDict, total=False):
    """The fields of a request that a move may set beside its state, version and changed_at."""

    effective: WireRequest | None
    action: str
    round: int
    digest: str | None
    expires_at: int | None
    release_at: int | None
    failure: Failure | None
    message_to_agent: str | None
    stripe_key: str | None
    attempt: int
    lease_owner: str | None
    lease_until: int | None
    first_attempt_at: int | None
    first_attempt_boot: str | None
    first_attempt_boot_ms: int | None
    stripe_request_id: str | None
    object_id: str | None
    same_effective: str | None
    replaced_by: str | None
    same_effect: str | None
    restored: int | None
