"""Answering a dispute. The bank takes one answer, so whoever submits weak evidence gives the money away; `submit` left out
submits. Only what is set aside with `submit=false` can still be changed.

Source: https://docs.stripe.com/api/disputes/update
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runplane_mcp.core.canonical import Json, digest_of
from runplane_mcp.core.effect import Effect, LookedUp, MoneyLine, Read, StripeObject
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.facts import NONE, UNKNOWN, FactValue
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.request import Failure, Precondition

#: States in which the bank has decided, or there is nothing to decide.
_CLOSED = frozenset({"won", "lost", "warning_closed", "charge_refunded", "prevented"})
#: Names of evidence that a sentence holds.
_MOST_NAMED = 4


def reads(classified: Classified, looked: LookedUp) -> tuple[Read, ...]:
    """The dispute with its charge and whose it is."""
    dispute = classified.parameters["dispute"]
    if looked or not o.is_id(dispute):
        return ()
    return (o.look("dispute", "/v1/disputes/{dispute}", dispute=dispute, expand=["charge.customer"]),)


def effect_of(classified: Classified, looked: LookedUp) -> Effect:
    asked, dispute = classified.parameters, o.seen(looked, "dispute")
    id = o.id_in(dispute) if o.id_in(dispute) == asked["dispute"] else None
    charge = o.child(dispute, "charge")
    customer: FactValue = o.id_in(charge, "customer") or (NONE if o.is_null(charge, "customer") else UNKNOWN)
    currency = o.currency_in(dispute)
    amount = o.money_of(o.number(dispute, "amount"), currency)
    submits = "disputes" in classified.groups
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
        sentence=f"{_what(classified, submits=submits)} dispute {o.shown(asked['dispute'])}{over}{whose}"
        f"{': the bank takes one answer only' if submits else '; nothing goes to the bank yet'}.",
        facts=facts,
        undo="Cannot be undone: the bank decides by what it is sent."
        if submits
        else "Can be changed until it is sent.",
        to_whom=f"customer {customer}" if isinstance(customer, str) else None,
        preconditions=tuple(Precondition(name, "equal", observed[name]) for name in sorted(observed)),
        money_lines=(MoneyLine("Disputed", amount),) if amount else (),
        refusal=_refused(classified, dispute) or o.missing(looked, dispute="dispute"),
        quoted=(
            *o.customer_quotes(o.child(charge, "customer")),
            *o.quotes(("charge description", o.text(charge, "description"))),
        ),
        observed=observed,
    )


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


def _refused(classified: Classified, dispute: StripeObject | None) -> Failure | None:
    asked = classified.parameters
    if not o.is_id(asked["dispute"]):
        return o.bad_id("dispute")
    answers = "evidence" in asked or asked.get("submit") == "true"
    if answers and (status := o.text(dispute, "status")) in _CLOSED:
        return Failure("stripe.dispute_closed", f"The dispute is {status}: it takes no evidence any more.", "dispute")
    return None
