"""How a home stands, in one look: what is enforced, who can approve, what waits, what is wrong."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

from runplane_mcp.core.approval import Person
from runplane_mcp.core.decision import Need
from runplane_mcp.core.freeze import Freeze
from runplane_mcp.core.request import State
from runplane_mcp.errors import PolicyError, StoreError
from runplane_mcp.gate.clock import Clock
from runplane_mcp.gate.doubting import doubted
from runplane_mcp.gate.enforcement import Activation
from runplane_mcp.gate.freezes import Freezes
from runplane_mcp.gate.lapsing import expired
from runplane_mcp.gate.people import trusted
from runplane_mcp.gate.policies import Policies
from runplane_mcp.gate.restored import Restored, still_lacking
from runplane_mcp.store.base import Reader
from runplane_mcp.store.records import ProposedPolicy, RequestFilter

#: Of what a restore set aside, so many are named.
MOST_NAMED = 10_000


@dataclass(frozen=True, slots=True)
class HomeStatus:
    """The state of a home. Times are milliseconds; counts are of all requests in that state. `frozen` is what stands.
    `restored` is the last restore while some limit may lack what happened before it; `set_aside` are references of requests
    that it found open and that nobody has gone through, the first of them; `doubted` of those that the log does not
    bear out."""

    store_id: str
    mode: str
    target: str | None
    account: str | None
    livemode: bool | None
    policy: Activation | None
    policy_problem: PolicyError | None
    proposed: ProposedPolicy | None
    people: tuple[Person, ...]
    waiting: int
    outcome_unknown: int
    events: int
    gates_running: int
    simulated_clock: bool
    unmet: tuple[str, ...]
    frozen: tuple[Freeze, ...]
    restored: Restored | None
    set_aside: tuple[str, ...]
    doubted: tuple[str, ...]


def status_of(reader: Reader, policies: Policies, clock: Clock, freezes: Freezes, *, gates_running: int) -> HomeStatus:
    """All of it from one snapshot."""
    people = trusted(reader)
    policy, problem, restored = None, None, None
    needs: tuple[Need, ...] = ()
    try:
        policy = policies.activation(reader)
        enforced = policies.enforced(reader)
        needs = enforced.policy.approvals()
        with contextlib.suppress(StoreError):  # no gate starts then, and whoever asks for its state is told that
            restored = still_lacking(reader, enforced, clock.policy())
    except PolicyError as error:
        problem = error if error.code != "policy.none" else None
    newest = reader.requests(RequestFilter(limit=1))
    identity = newest[0].identity if newest else None
    waiting = reader.requests(RequestFilter(states=frozenset({State.WAITING}), limit=100_000))
    unknown = reader.requests(RequestFilter(states=frozenset({State.OUTCOME_UNKNOWN}), limit=100_000))
    return HomeStatus(
        store_id=reader.store_id(),
        mode="trial",
        target=reader.meta("target") or (identity.target if identity else None),
        account=identity.account if identity else None,
        livemode=identity.livemode if identity else None,
        policy=policy,
        policy_problem=problem,
        proposed=reader.proposed_policy(),
        people=tuple(people.values()),
        waiting=sum(not expired(request, clock) for request in waiting),
        outcome_unknown=len(unknown),
        events=reader.head().size,
        gates_running=gates_running,
        simulated_clock=clock.simulated,
        unmet=unmet(needs, people),
        frozen=freezes.standing(reader),
        restored=restored,
        set_aside=tuple(reader.set_aside(MOST_NAMED)),
        doubted=doubted(reader),
    )


def unmet(needs: tuple[Need, ...], people: Mapping[str, Person]) -> tuple[str, ...]:
    """The needs that nobody, or too few, of the enrolled people could meet, in words."""
    able = [person for person in people.values() if person.may_vote]
    found = []
    for need in needs:
        count = sum(bool(person.groups & need.groups) for person in able)
        if count < need.people:
            found.append(f"{need.sentence()}: {count} enrolled")
    return tuple(dict.fromkeys(found))
