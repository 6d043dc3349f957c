"""What an operation with these parameters would really do: which reads tell, and the effect they show.

One file per kind of operation. All are pure and total: whatever Stripe answers, what cannot be read is *unknown*, which
works against the request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final, TypeAlias

from runplane_mcp.core.effect import Effect, LookedUp, Read
from runplane_mcp.core.effects import (
    charge_capture,
    checkout,
    coupon,
    credit_note,
    customer,
    customer_change,
    declared,
    deletion,
    discount_end,
    dispute,
    invoice,
    invoice_create,
    invoice_item,
    invoice_lines,
    objects,
    payment_intent,
    payment_link,
    payment_link_update,
    payment_update,
    payout,
    payout_cancel,
    plain,
    price_change,
    product,
    promotion_code,
    quote,
    refund,
    schedule,
    subscription,
    subscription_create,
    subscription_items,
    subscription_pause,
    transfer,
    transfer_reversal,
)
from runplane_mcp.core.facts import UNKNOWN
from runplane_mcp.core.operation import EFFECT_FACTS, Classified, EffectKind
from runplane_mcp.core.request import Precondition
from runplane_mcp.core.sending import MARK, unsendable
from runplane_mcp.core.wire import Value, WireRequest, encode
from runplane_mcp.errors import InternalError

#: Look-ups happen in at most this many stages, those of one stage at once.
MOST_STAGES: Final = 3

_Reads: TypeAlias = Callable[[Classified, LookedUp], tuple[Read, ...]]
_Effect: TypeAlias = Callable[[Classified, LookedUp], Effect]
_KINDS: Final[Mapping[EffectKind, tuple[_Reads, _Effect]]] = {
    EffectKind.READ: (plain.reads, plain.read_effect),
    EffectKind.DECLARED: (declared.reads, declared.effect_of),
    EffectKind.REFUND: (refund.reads, refund.effect_of),
    EffectKind.PAYOUT: (payout.reads, payout.effect_of),
    EffectKind.PAYOUT_CANCEL: (payout_cancel.reads, payout_cancel.effect_of),
    EffectKind.TRANSFER: (transfer.reads, transfer.effect_of),
    EffectKind.TRANSFER_REVERSAL: (transfer_reversal.reads, transfer_reversal.effect_of),
    EffectKind.CAPTURE: (payment_intent.reads, payment_intent.capture_of),
    EffectKind.CHARGE_CAPTURE: (charge_capture.reads, charge_capture.effect_of),
    EffectKind.PAYMENT_CANCEL: (payment_intent.reads, payment_intent.cancel_of),
    EffectKind.PAYMENT_UPDATE: (payment_update.reads, payment_update.effect_of),
    EffectKind.CREDIT_NOTE: (credit_note.reads, credit_note.effect_of),
    EffectKind.SUBSCRIPTION_CANCEL: (subscription.reads, subscription.effect_of),
    EffectKind.SUBSCRIPTION_UPDATE: (subscription.reads, subscription.effect_of),
    EffectKind.SUBSCRIPTION_CREATE: (subscription_create.reads, subscription_create.effect_of),
    EffectKind.SUBSCRIPTION_ITEM: (subscription_items.reads, subscription_items.effect_of),
    EffectKind.SUBSCRIPTION_PAUSE: (subscription_pause.reads, subscription_pause.effect_of),
    EffectKind.SUBSCRIPTION_RESUME: (subscription_pause.reads, subscription_pause.effect_of),
    EffectKind.SCHEDULE: (schedule.reads, schedule.effect_of),
    EffectKind.DISCOUNT_END: (discount_end.reads, discount_end.effect_of),
    EffectKind.CUSTOMER_CREATE: (customer_change.reads, customer_change.effect_of),
    EffectKind.CUSTOMER_UPDATE: (customer_change.reads, customer_change.effect_of),
    EffectKind.CUSTOMER_DELETE: (customer.reads, customer.effect_of),
    EffectKind.DISPUTE: (dispute.reads, dispute.effect_of),
    EffectKind.DISPUTE_CLOSE: (dispute.reads, dispute.effect_of),
    EffectKind.PAYMENT_LINK: (payment_link.reads, payment_link.effect_of),
    EffectKind.PAYMENT_LINK_UPDATE: (payment_link_update.reads, payment_link_update.effect_of),
    EffectKind.CHECKOUT: (checkout.reads, checkout.effect_of),
    EffectKind.CHECKOUT_UPDATE: (checkout.update_reads, checkout.update_of),
    EffectKind.INVOICE_CREATE: (invoice_create.reads, invoice_create.effect_of),
    EffectKind.INVOICE_ITEM: (invoice_item.reads, invoice_item.effect_of),
    EffectKind.INVOICE_FINALIZE: (invoice.reads, invoice.effect_of),
    EffectKind.INVOICE_PAY: (invoice.reads, invoice.effect_of),
    EffectKind.INVOICE_VOID: (invoice.reads, invoice.effect_of),
    EffectKind.INVOICE_LINES: (invoice_lines.reads, invoice_lines.effect_of),
    EffectKind.QUOTE: (quote.reads, quote.effect_of),
    EffectKind.COUPON: (coupon.reads, coupon.effect_of),
    EffectKind.PROMOTION_CODE: (promotion_code.reads, promotion_code.effect_of),
    EffectKind.PRODUCT: (product.product_reads, product.product_effect),
    EffectKind.PRICE: (product.reads, product.effect_of),
    EffectKind.PRICE_CHANGE: (price_change.reads, price_change.effect_of),
    EffectKind.UNJUDGED: (plain.reads, plain.unjudged_effect),
}


def reads(classified: Classified, looked: LookedUp) -> tuple[Read, ...]:
    """The next stage of look-ups, after what was looked up so far; empty when no more are needed."""
    return _KINDS[classified.effect][0](classified, looked)


def effect_of(classified: Classified, looked: LookedUp) -> Effect:
    """The effect as far as the look-ups tell. Its facts are exactly those that these parameters have: what a look-up did
    not tell is UNKNOWN, and nothing is ever left out because of a look-up."""
    effect = _KINDS[classified.effect][1](classified, looked)
    facts = {name: effect.facts.get(name, UNKNOWN) for name in sorted(classified.facts & EFFECT_FACTS)}
    refusal = unsendable(classified.operation) or effect.refusal
    incomplete = objects.told_nothing(looked)
    taken = deletion_of(classified)
    snapshot = taken.snapshot(looked) if taken is not None else None
    return replace(effect, facts=facts, refusal=refusal, incomplete=incomplete, snapshot=snapshot)


def deletion_of(classified: Classified) -> deletion.Deletion | None:
    """What a DELETE takes away; None for anything else, for /v2 where Stripe keeps the key of a DELETE, and where nobody
    has said how to look at it."""
    if classified.wire.method != "DELETE" or classified.wire.v2:
        return None
    return deletion.deletion_of(classified.wire.path, reads(classified, {}))


def unknown_effect(classified: Classified) -> Effect:
    """What is left to say when nothing could be found out."""
    return Effect(
        sentence=f"Run {classified.operation.operation_id}; what it would do could not be found out.",
        facts=dict.fromkeys(sorted(classified.facts & EFFECT_FACTS), UNKNOWN),
        undo="Nobody can say whether it can be undone.",
        refusal=unsendable(classified.operation),
        incomplete=True,
    )


def effective(classified: Classified, effect: Effect, request_id: str) -> WireRequest:
    """What runs: the parameters as asked, what was filled in, and our request id in the metadata where the operation
    takes metadata. InternalError `internal.fill` rather than replace anything the agent gave."""
    parameters: dict[str, Value] = dict(classified.parameters)
    for name, value in effect.fill.items():
        if name in parameters:
            raise InternalError("internal.fill", f"`{name}` was given and is not to be filled in.")
        parameters[name] = value
    if classified.operation.takes_metadata:
        held = parameters.get("metadata", {})
        if not isinstance(held, Mapping):
            raise InternalError("internal.fill", "The metadata is no object.")
        parameters["metadata"] = {**held, MARK: request_id}
    return encode(classified.operation.method, classified.operation.path, parameters)


def broken(preconditions: Iterable[Precondition], effect: Effect) -> tuple[Precondition, ...]:
    """Of what was true when people looked, what a fresh look no longer shows. Ask first whether the look told anything
    (`effect.incomplete`): a look that failed is no change."""
    return tuple(each for each in preconditions if not each.holds(effect.observed.get(each.name)))
