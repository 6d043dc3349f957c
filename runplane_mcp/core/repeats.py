"""Idempotency above the tool layer, the pure part: when an attempt is one that was made before, and what stands for it.

Agents retry, and SDKs send a new idempotency key with every call, so keys alone prove nothing. Two requests are the same
in one of three *forms*: as asked (the same bytes, so that a retry needs no look-up), effective (the same bytes once the
looked-up values are filled in) and by effect (the same money or destruction of the same thing, however it was spelled).
The first two make two attempts one. The third only makes people be asked: two refunds of one charge may both be meant.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from runplane_mcp.core.canonical import Json, digest_of
from runplane_mcp.core.facts import NONE, Facts
from runplane_mcp.core.money import Money
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.request import ActionRequest, Kind, State

_HOUR: Final = 3_600_000
#: How long a denial answers for the same request (milliseconds of policy time). As long as the fact `denied_24h_object`
#: tells people of it: within a day the same is not asked again, and anything near it says "asked again after a denial".
DENIED_FOR: Final = 24 * _HOUR
#: How long after it was asked for a result waits for its agent to come back. A working day with its evening, and less
#: than a day by a margin: what runs every day at about this hour is a new request each day.
RESULT_FOR: Final = 20 * _HOUR
#: How long an agent's own call waits for its outcome. What ended later was not told in answer to the call.
CALL: Final = 40_000

#: Failures that are nobody's answer, neither the policy's nor people's nor Stripe's: with one of these codes, or one that
#: begins with `PARAMETER`, an attempt binds no key of its agent.
UNANSWERED: Final = frozenset(
    {"frozen", "request.abandoned", "request.repeat_of", "request.too_late", "stripe.unreachable"}
)
PARAMETER: Final = "parameter."
#: The code of a request that gave way: its look-up showed that it is the same as an earlier one.
SAME: Final = "request.same"


class Form(StrEnum):
    """In which form two requests are the same."""

    ASKED = "asked"
    EFFECTIVE = "effective"
    EFFECT = "effect"


class Repeating(StrEnum):
    """What asking twice may mean, from nothing to harm."""

    SEPARATE = "separate"  # mere creates: each makes a thing of its own, only an agent's key makes two of them one
    ONE = "one"  # while the first is open, the same is the first
    GUARDED = "guarded"  # money out or in, and destruction: after the first, the same needs a person for a while


class How(StrEnum):
    """How an earlier request came to answer for an attempt, or (`seen`) how its result reached its agent."""

    OPEN = "open"
    KEY = "key"
    REFUSED = "refused"
    RESULT = "result"
    SEEN = "seen"


@dataclass(frozen=True, slots=True)
class Earlier:
    """The newest requests that are the same in one form. `refused`: people denied or lowered it. `ended`: it succeeded,
    or failed after people had approved it. `effected`: it succeeded, or failed and left something behind. `told`:
    whether the result of `ended` has reached its agent."""

    open: ActionRequest | None = None
    refused: ActionRequest | None = None
    ended: ActionRequest | None = None
    effected: ActionRequest | None = None
    told: bool = False


def repeating(classified: Classified, facts: Facts) -> Repeating:
    """What asking for this twice may mean, by the catalog's judgement of these parameters and the effect's facts, which
    need no look-up for it. What is unknown counts as harm."""
    operation, groups = classified.operation, classified.groups
    if operation.kind is Kind.READ:
        return Repeating.SEPARATE
    for_good = "cancellations" in groups and facts.get("reversible") is not True
    money = operation.money_out or classified.money_in
    if money or not operation.judged or "deletions" in groups or for_good:
        return Repeating.GUARDED
    # Merged, two sessions would share what each takes for its own: one invoice draft with the items of both.
    return Repeating.SEPARATE if classified.action.endswith(".create") else Repeating.ONE


def same_effect(request: ActionRequest, facts: Facts) -> str | None:
    """Equal for two requests of one principal that do the same to the same thing: action, amount, and the object and
    destination, else the customer. Nothing that an agent can vary without changing what happens is in it. None where
    it is not known: an unknown amount asks by itself."""
    what = {name: facts[name] for name in ("object", "destination") if isinstance(facts.get(name), str)}
    if not what and isinstance(facts.get("customer"), str):
        what = {"customer": facts["customer"]}
    amount = facts.get("amount", NONE)
    if not what or (amount is not NONE and not isinstance(amount, Money)):
        return None
    content: dict[str, Json] = {
        "action": request.action,
        "target": request.identity.target,
        "account": request.identity.account,
        "livemode": request.identity.livemode,
        "principal": request.principal,
        "amount": [amount.amount, amount.currency] if isinstance(amount, Money) else None,
        **{name: str(value) for name, value in what.items()},
    }
    return digest_of(content)


def owed(request: ActionRequest) -> bool:
    """Whether the request has a result that no call got as its answer: people were asked, or it ended late, by another
    attempt or after the call had stopped waiting."""
    late = request.attempt > 1 or request.changed_at - request.created_at > CALL
    return request.state in {State.SUCCEEDED, State.FAILED} and (request.round > 0 or late)


def stands_for(
    earlier: Earlier, kind: Repeating, *, now: int, window: int, repeats: str | None
) -> tuple[How, ActionRequest] | None:
    """The earlier request that answers for one that is the same as asked or in its effective form, None where it is new.

    `now` is policy time, `window` the repeat window in seconds, `repeats` the id of the request that the agent says it
    means to repeat: who names a request knows how it ended. Nothing lifts a denial.
    """
    if earlier.open is not None and kind is not Repeating.SEPARATE:
        return How.OPEN, earlier.open
    refused, ended = earlier.refused, earlier.ended
    if refused is not None and now - refused.changed_policy_at < DENIED_FOR:
        return How.REFUSED, refused
    if kind is Repeating.SEPARATE or ended is None or earlier.told or not owed(ended) or ended.id == repeats:
        return None
    waits = now - ended.policy_at < RESULT_FOR or now - ended.changed_policy_at < window * 1000
    return (How.RESULT, ended) if waits else None


def duplicate(found: Iterable[Earlier], *, since: int, denied_since: int | None = None) -> ActionRequest | None:
    """Of requests that are the same in any form: one that is still open, else the newest with an effect that ended after
    `since` (policy time), else the newest that people refused after `denied_since`. The last is for the same money
    spelled otherwise, which no denial stands for: no rule that allows it may hide from people that they have just said
    no."""
    done: list[ActionRequest] = []
    refused: list[ActionRequest] = []
    for each in found:
        if each.open is not None:
            return each.open
        if each.effected is not None and each.effected.changed_policy_at > since:
            done.append(each.effected)
        if denied_since is not None and each.refused is not None and each.refused.changed_policy_at > denied_since:
            refused.append(each.refused)
    return max(done or refused, key=lambda request: request.changed_policy_at, default=None)
