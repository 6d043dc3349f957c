"""Idempotency above the tool layer: an attempt that was made before is answered by the request that was made then.

All of it happens inside the transaction that would otherwise make a new request or decide it, so that of two processes
that are asked the same at once one finds what the other wrote. Every attempt that an earlier request answers for is a
row and an event of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from runplane_mcp.core.compile import CompiledPolicy
from runplane_mcp.core.effect import Effect
from runplane_mcp.core.effects import effect_of, effective
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.repeats import (
    DENIED_FOR,
    SAME,
    Earlier,
    Form,
    How,
    Repeating,
    duplicate,
    repeating,
    same_effect,
    stands_for,
)
from runplane_mcp.core.request import HELD, ActionRequest, Failure, Kind, State, changed, sameness
from runplane_mcp.core.wire import WireRequest
from runplane_mcp.errors import RequestError
from runplane_mcp.gate.clock import Clock
from runplane_mcp.gate.floods import may_note
from runplane_mcp.gate.lapsing import expired, lapse
from runplane_mcp.gate.records import find
from runplane_mcp.store.base import Reader, Transaction
from runplane_mcp.store.records import Repeat

_NOTHING = Earlier()
_NAME_ANOTHER = "Leave `repeat_of` out, or name the finished request that this one repeats."


@dataclass(frozen=True, slots=True)
class Taken:
    """What answers an attempt: the attempt's own request, or with `how` an earlier one."""

    request: ActionRequest
    how: How | None = None


def asked_before(
    tx: Transaction, request: ActionRequest, classified: Classified, policy: CompiledPolicy, clock: Clock
) -> Taken | None:
    """What answers for a request that is about to be made, before anything is looked up; None where it is new.

    RequestError `request.key_reused` where its key is bound to other parameters, `request.repeat_of` where it names
    nothing that it could repeat.
    """
    own = request.own
    if own.idempotency_key is not None:
        bound = tx.by_agent_key(request.principal, own.idempotency_key)
        if bound is not None:
            if bound.same_asked != request.same_asked:
                raise RequestError(
                    "request.key_reused",
                    "This idempotency_key was used with other parameters.",
                    next_step="Use a new key for a new request.",
                )
            _note(tx, request, bound.request, How.KEY, clock)
            return Taken(bound.request, How.KEY)
    if request.same_asked is None:
        return None
    asked = tx.all_earlier({Form.ASKED: request.same_asked})
    earlier = _without_lapsed(tx, asked[Form.ASKED], clock)
    found = None
    if earlier != _NOTHING:
        kind = repeating(classified, effect_of(classified, {}).facts)
        found = stands_for(
            earlier, kind, now=clock.policy(), window=policy.repeat_window, repeats=_named_id(tx, request)
        )
    if found is None:
        _check_named(tx, request)
        return None
    how, first = found
    _note(tx, request, first, how, clock)
    return Taken(first, how)


def same_before(
    tx: Transaction,
    request: ActionRequest,
    classified: Classified,
    effect: Effect,
    policy: CompiledPolicy,
    clock: Clock,
    same: dict[Form, Earlier],
) -> Taken | None:
    """The same once the look-up has told what would really run: an amount left out and the same amount spelled out are
    one request. The attempt's own request, durable by now, gives way and ends; None where it is new.

    It also ends here where `repeat_of` names a request that it does not repeat, or that was repeated already. What a
    person put in another's place is a word later than any of these: only the same that is open stands for it.

    `same` is what `same_as` found; it is brought up to date where something in it turns out to have waited too long.
    """
    kind, now = repeating(classified, effect.facts), clock.policy()
    named = _named(tx, request)
    if request.same_effective is not None:
        earlier = _without_lapsed(tx, same[Form.EFFECTIVE], clock)
        if earlier is not same[Form.EFFECTIVE]:
            same.update(same_as(tx, request))
        found = stands_for(earlier, kind, now=now, window=policy.repeat_window, repeats=named.id if named else None)
        if found is not None and (request.replaces is None or found[0] is How.OPEN):
            how, first = found
            _note(tx, request, first, how, clock, instead_of=request.id)
            failure = Failure(SAME, f"This is the same as {first.reference}, which stands for it.")
            _fail(tx, request, failure, f"Ask for {first.reference} with get_request.", clock)
            return Taken(first, how)
    if named is None or request.replaces is not None:
        return None
    problem = None
    if not _same(named, request):
        problem = f"`repeat_of` names {named.reference}, which asked for something else."
    elif kind is Repeating.GUARDED:
        again = duplicate(same.values(), since=now - policy.repeat_window * 1000)
        latest = tx.latest_effect(_forms(request)) if again is not None and again.final else None
        if latest is not None and latest.id != named.id:
            problem = f"{named.reference} was repeated already, by {latest.reference}."
    if problem is None:
        return None
    return Taken(_fail(tx, request, Failure("request.repeat_of", problem, "repeat_of"), _NAME_ANOTHER, clock))


def with_forms(request: ActionRequest, classified: Classified, effect: Effect, run_as: WireRequest) -> ActionRequest:
    """The request with the forms that only a look-up tells: what would run (`run_as`) without our own mark, and what it
    would do."""
    unmarked = _unmarked(run_as, request.id) or effective(classified, effect, "")
    return changed(
        request,
        same_effective=sameness(request.operation_id, request.identity, unmarked, request.principal),
        same_effect=same_effect(request, effect.facts),
    )


def _unmarked(run_as: WireRequest, request_id: str) -> WireRequest | None:
    """The same bytes with an empty mark, as `effective` makes them for no request. None where the id stands in them other
    than once: nobody has known it long enough to write it there, and then they are made again."""
    mark = f"={request_id}"
    if run_as.query.count(request_id) + run_as.body.count(request_id.encode()) == 0:
        return run_as
    if run_as.body.count(request_id.encode()) != 1 or run_as.query.count(request_id) != 0:
        return None
    if f"{mark}&".encode() not in run_as.body + b"&":
        return None
    return replace(run_as, body=run_as.body.replace(mark.encode(), b"="))


def duplicate_of(
    reader: Reader,
    request: ActionRequest,
    classified: Classified,
    effect: Effect,
    policy: CompiledPolicy,
    now: int,
    same: Mapping[Form, Earlier],
) -> ActionRequest | None:
    """The request that this one would do a second time: of money out and destruction what is open, ended with an effect
    within the repeat window, or was just denied. Nothing where the agent says that it means to repeat what was done
    last; that lifts no denial. `same` is what `same_as` found."""
    if repeating(classified, effect.facts) is not Repeating.GUARDED:
        return None
    since = now - policy.repeat_window * 1000
    denied_since: int | None = now - DENIED_FOR
    if request.state is not State.RECEIVED:
        # What was done since people were asked was not on their card, however long ago that is by now. What they have
        # denied is their own business: of two that are the same, they say no to one and yes to the other. Nobody was
        # asked about what is scheduled: there a no to the same counts as ever.
        since = min(since, request.policy_at)
        denied_since = denied_since if request.state is State.SCHEDULED else None
    found = duplicate(same.values(), since=since, denied_since=denied_since)
    named = _named(reader, request)
    if found is None or not found.final or named is None:
        return found
    # Each can be repeated once: or the retry of a repeat, which names the same one, would be a third.
    latest = reader.latest_effect(_forms(request))
    if latest is None or latest.id != named.id:
        return found
    return duplicate((replace(each, effected=None) for each in same.values()), since=since, denied_since=denied_since)


def beside(classified: Classified, effect: Effect, same: Mapping[Form, Earlier]) -> ActionRequest | None:
    """Of creates, which are never merged: the same one that is open already. It asks nobody, but people who are asked
    about both should know."""
    if repeating(classified, effect.facts) is not Repeating.SEPARATE:
        return None
    return next((each.open for each in same.values() if each.open is not None), None)


def tell(tx: Transaction, request: ActionRequest, clock: Clock) -> None:
    """Writes down that the agent has seen the result of its request: it is not handed out any more."""
    if not tx.told(request.id):
        tx.add_repeat(Repeat(request.id, How.SEEN, request.principal), at=clock.wall())


def same_as(reader: Reader, request: ActionRequest) -> dict[Form, Earlier]:
    """What is the same as this request, in each of its forms. Beside one that people have been asked about, what is held
    counts only where it was there before."""
    held = request.state is not State.RECEIVED
    return reader.all_earlier(_forms(request), excluding=request.id, held_before=held)


def _note(
    tx: Transaction,
    request: ActionRequest,
    first: ActionRequest,
    how: How,
    clock: Clock,
    *,
    instead_of: str | None = None,
) -> None:
    key = request.own.idempotency_key
    binds = key is not None and how is not How.KEY
    # What hands out a result, or ends an attempt's own request, is evidence that is always kept.
    if how in {How.OPEN, How.KEY} and instead_of is None and not may_note(tx, first, binds=binds):
        return
    repeat = Repeat(
        request_id=first.id,
        how=how,
        principal=request.principal,
        agent=request.agent,
        via=request.via,
        idempotency_key=key if binds else None,
        same_asked=request.same_asked if binds else None,
        instead_of=instead_of,
    )
    tx.add_repeat(repeat, at=clock.wall())


def _without_lapsed(tx: Transaction, earlier: Earlier, clock: Clock) -> Earlier:
    """What waited too long is over, whether or not a gate ran that could have said so: it answers for nothing."""
    held = earlier.open
    if held is None or held.state not in HELD or not expired(held, clock):
        return earlier
    lapse(tx, held, clock)
    return replace(earlier, open=None)


def _named(reader: Reader, request: ActionRequest) -> ActionRequest | None:
    """The request of this principal that `repeat_of` names."""
    wanted = request.own.repeat_of
    found = find(reader, wanted) if wanted is not None else None
    return found if found is not None and found.principal == request.principal else None


def _named_id(reader: Reader, request: ActionRequest) -> str | None:
    named = _named(reader, request)
    return named.id if named is not None else None


def _check_named(reader: Reader, request: ActionRequest) -> None:
    if request.own.repeat_of is None:
        return
    named = _named(reader, request)
    if named is None or named.kind is Kind.READ:
        # The same words whether there is no such request or it is somebody else's.
        raise RequestError(
            "request.repeat_of",
            "`repeat_of` names no request of yours that changed anything.",
            next_step=_NAME_ANOTHER,
            param="repeat_of",
        )
    if not named.final:
        raise RequestError(
            "request.repeat_of",
            f"`repeat_of` names {named.reference}, which is not finished: it is {named.state.value}.",
            next_step=f"See how {named.reference} ends first.",
            param="repeat_of",
        )


def _forms(request: ActionRequest) -> dict[Form, str]:
    forms = {
        Form.ASKED: request.same_asked,
        Form.EFFECTIVE: request.same_effective,
        Form.EFFECT: request.same_effect,
    }
    return {form: value for form, value in forms.items() if value is not None}


def _same(one: ActionRequest, other: ActionRequest) -> bool:
    return not _forms(one).items().isdisjoint(_forms(other).items())


def _fail(tx: Transaction, request: ActionRequest, failure: Failure, next_step: str, clock: Clock) -> ActionRequest:
    return tx.move(
        request,
        State.FAILED,
        at=clock.wall(),
        event={"code": failure.code, "param": failure.param},
        failure=failure,
        message_to_agent=next_step,
        lease_owner=None,
    )
