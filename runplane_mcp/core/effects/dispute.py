"""Answering a dispute, or accepting it. The bank takes one answer, so whoever submits weak evidence gives the money away;
`submit` left out submits. Only what is set aside with `submit=false` can still be changed. Whoever closes a dispute has
lost it.

Source: https://docs.stripe.com/api/disputes/update and /close
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runplane_mcp.core.canonical import Json, digest_of
from runplane_mcp.core.effect import Effect, LookedUp, MoneyLine, Read, StripeObject
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.facts import NONE, UNKNOWN, FactValue
from runplane_mcp.core.operation import Classified, EffectKind
from runplane_mcp.core.request import Failure
from runplane_mcp.core.wire import Text

#: States in which the bank has decided, or there is nothing to decide.
_CLOSED = frozenset({"won", "lost", "warning_closed", "charge_refunded", "prevented"})
#: Names of evidence that a sentence holds.
_MOST_NAMED = 4


def reads(classified: Classified, looked: LookedUp) -> tuple[Read, ...]:
    """The dispute with its charge and whose it is; by an old path that names the charge, the charge's disputes."""
    name, id = _named(classified)
    if looked or not o.is_id(id):
        return ()
    if name == "dispute":
        return (o.look("dispute", "/v1/disputes/{dispute}", dispute=id, expand=["charge.customer"]),)
    return (o.look("disputes", "/v1/disputes", charge=id, expand=["data.charge.customer"]),)


def effect_of(classified: Classified, looked: LookedUp) -> Effect:
    dispute = _seen(classified, looked)
    id = o.id_in(dispute)
    charge = o.child(dispute, "charge")
    customer: FactValue = o.id_in(charge, "customer") or (NONE if o.is_null(charge, "customer") else UNKNOWN)
    currency = o.currency_in(dispute)
    amount = o.money_of(o.number(dispute, "amount"), currency)
    closes = classified.effect is EffectKind.DISPUTE_CLOSE
    submits = closes or "disputes" in classified.groups
    facts: dict[str, FactValue] = {
        "amount": amount or UNKNOWN,
        "currency": currency or UNKNOWN,
        "customer": customer,
        "object": id or UNKNOWN,
        "reversible": not submits,
    }
    observed = _observed(dispute) if submits else {}
    whose = f" of customer {customer}" if isinstance(customer, str) else ""
    over = f" over {amount}" if amount else " over an amount that could not be found out"
    return Effect(
        sentence=_sentence(classified, f"{over}{whose}", submits=submits, closes=closes),
        facts=facts,
        undo=_undo(submits=submits, closes=closes),
        to_whom=f"customer {customer}" if isinstance(customer, str) else None,
        preconditions=o.unchanged(observed),
        money_lines=(MoneyLine("Lost for good" if closes else "Disputed", amount),) if amount else (),
        refusal=_refused(classified, looked, dispute) or o.missing(looked, dispute="dispute", disputes="charge"),
        quoted=(
            *o.customer_quotes(o.child(charge, "customer")),
            *o.quotes(("charge description", o.text(charge, "description"))),
        ),
        observed=observed,
    )


def _named(classified: Classified) -> tuple[str, Text]:
    """What the path names: the dispute, or by an old path its charge."""
    name = classified.operation.path_parameters[-1]
    return name, classified.parameters[name]


def _seen(classified: Classified, looked: LookedUp) -> StripeObject | None:
    """The dispute that is meant: the one that was named, or the only one of the charge that was."""
    name, id = _named(classified)
    if name == "dispute":
        dispute = o.seen(looked, "dispute")
        return dispute if o.id_in(dispute) == id else None
    held = o.seen(looked, "disputes")
    found = o.listed(held) or ()
    only = found[0] if len(found) == 1 and o.complete(held) else None
    return only if o.id_in(only, "charge") == id else None


def _observed(dispute: StripeObject | None) -> dict[str, str | int]:
    """What is submitted is what is given and what was set aside before: both are what people saw."""
    found = {
        "status": o.text(dispute, "status"),
        "amount": o.number(dispute, "amount"),
        "evidence": _fingerprint(o.child(dispute, "evidence")),
    }
    return {name: value for name, value in found.items() if value is not None}


def _fingerprint(evidence: StripeObject | None) -> str | None:
    if evidence is None:
        return None
    # Whatever stands there, even halves of a character, has one form as ASCII.
    held: Sequence[Json] = sorted(f"{name!a}={value!a}" for name, value in evidence.items() if value is not None)
    return digest_of(held)[:32]


def _what(classified: Classified, *, submits: bool) -> str:
    asked = classified.parameters
    evidence = asked.get("evidence")
    names = sorted(evidence) if isinstance(evidence, Mapping) else []
    shown = ", ".join(o.shown(name) for name in names[:_MOST_NAMED])
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    if submits:
        return (
            f"Submit evidence ({shown}{more}) to the bank in" if names else "Submit what was set aside to the bank in"
        )
    return f"Set evidence ({shown}{more}) aside for" if names else "Change the metadata of"


def _refused(classified: Classified, looked: LookedUp, dispute: StripeObject | None) -> Failure | None:
    asked, (name, id) = classified.parameters, _named(classified)
    if not o.is_id(id):
        return o.bad_id(name)
    disputes = o.seen(looked, "disputes")
    if o.listed(disputes) == () and o.complete(disputes):
        return Failure("stripe.resource_missing", "The charge has no dispute.", param=name)
    closes = classified.effect is EffectKind.DISPUTE_CLOSE
    answers = closes or "evidence" in asked or asked.get("submit") == "true"
    if answers and (status := o.text(dispute, "status")) in _CLOSED:
        no = "cannot be accepted" if closes else "takes no evidence"
        return Failure("stripe.dispute_closed", f"The dispute is {status}: it {no} any more.", param=name)
    return None


def _sentence(classified: Classified, over: str, *, submits: bool, closes: bool) -> str:
    name, id = _named(classified)
    what = f"{'' if name == 'dispute' else 'of charge '}{o.shown(id)}"
    if closes:
        return f"Accept dispute {what}{over}: the money is lost for good."
    then = ": the bank takes one answer only" if submits else "; nothing goes to the bank yet"
    return f"{_what(classified, submits=submits)} dispute {what}{over}{then}."


def _undo(*, submits: bool, closes: bool) -> str:
    if closes:
        return "Cannot be undone: the dispute counts as lost."
    return "Cannot be undone: the bank decides by what it is sent." if submits else "Can be changed until it is sent."
