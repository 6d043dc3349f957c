"""Whether an object of Stripe's that carries a request's own mark proves that this very request was done.

The mark is the request's id in `metadata[runplane_request]`. Agents can neither set nor unset it through Runplane, but
whoever has a key of their own, or the Dashboard, can write it, and Stripe copies metadata from one object to another (a
payment's to its charge, a link's to its sessions, a quote's to its subscription). So the mark alone proves nothing: kind,
parent, amount, currency and time must be those of the request as well, and the object must be in a state that only a
success leaves behind. Sources: https://docs.stripe.com/metadata and the page of each object in https://docs.stripe.com/api.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Final

from runplane_mcp.core.effect import StripeObject
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.operation import Operation
from runplane_mcp.core.sending import MARK
from runplane_mcp.core.values import Text
from runplane_mcp.core.wire import WireRequest, parse
from runplane_mcp.errors import ParameterError

_WHOLE = re.compile(r"-?[0-9]{1,15}")
_NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,12})?")
_ID = re.compile(r"[a-z]{1,20}_[A-Za-z0-9_]{1,120}")
_STATUS = re.compile(r"[a-z][a-z_]{0,39}")
_MOST_DEPTH: Final = 3
#: Asked with one id and answered with another: what is given here stands for what Stripe makes of it.
_EXCHANGED: Final = frozenset({"card", "default_source", "external_account", "payment_method", "source"})
#: Says nothing of the object: labels, and what of it the answer shows.
_NOT_COMPARED: Final = frozenset({"metadata", "expand", "include"})
#: States that a request can leave something in although it failed. Those that only come of a later act (an invoice that was
#: voided, a session that expired) are none.
_FAILING: Final = frozenset(
    "canceled declined failed incomplete incomplete_expired rejected requires_confirmation requires_payment_method returned"
    " reversed".split()
)
#: What was made without being confirmed waits in these.
_UNCONFIRMED: Final = frozenset({"requires_confirmation", "requires_payment_method"})
#: A subscription that is not paid, and what of a change may have billed at once for that.
_UNPAID: Final = frozenset({"incomplete", "incomplete_expired", "past_due", "unpaid"})
_BILLS: Final = frozenset(
    "add_invoice_items billing_cycle_anchor items payment_behavior pending_invoice_item_interval price proration_behavior"
    " proration_date quantity trial_end trial_from_plan".split()
)


@dataclass(frozen=True, slots=True)
class _Ending:
    """What tells that a verb was done: the states it ends in, and where what was asked for stands in the object."""

    states: frozenset[str]
    held_as: Mapping[str, str]


#: Verbs that carry a mark and can fail after it was written. Of all others a mark does not tell how they ended.
_VERBS: Final = {
    "PostPaymentIntentsIntentCapture": _Ending(frozenset({"succeeded"}), {"amount_to_capture": "amount_received"}),
    "PostPaymentIntentsIntentIncrementAuthorization": _Ending(frozenset({"requires_capture"}), {}),
    "PostIssuingDisputesDisputeSubmit": _Ending(frozenset({"submitted", "won", "lost"}), {}),
}
#: Parts of a credit note's amount, and what makes it more than their sum.
_PARTS: Final = ("refund_amount", "credit_amount", "out_of_band_amount")
_MORE: Final = frozenset({"lines", "refunds", "shipping_cost"})


class Bears(Enum):
    """What an object bears out of a request."""

    PROOF = "proof"
    MARK = "mark"  # it is marked, but does not fit, or not plainly
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Marked:
    """A request that carries its own mark. `asked` are its parameters, those of the path included; `since` is when it was
    first sent (seconds since 1970), less what Stripe's clock and ours may differ. `verb` as `Whereabouts` has it."""

    mark: str
    operation: Operation
    asked: Mapping[str, Text]
    listed: bool
    verb: bool
    since: int

    def borne_out_by(self, found: StripeObject) -> Bears:
        if o.text(o.child(found, "metadata"), MARK) != self.mark:
            return Bears.NOTHING
        kinds = self.operation.answers.split("|")
        whole = o.id_in(found) is not None and o.text(found, "object") in kinds and found.get("deleted") is not True
        plain = self._made(found) if self.listed else self._changed(found)
        return Bears.PROOF if whole and plain and self._fits(found) else Bears.MARK

    def _made(self, found: StripeObject) -> bool:
        created = o.number(found, "date" if o.text(found, "object") == "invoiceitem" else "created")
        status = o.text(found, "status")
        if created is None or created < self.since or not self._of_its_parent(found):
            return False
        confirmed = self.asked.get("confirm") == "true"
        failing = _FAILING if confirmed or o.text(found, "object") not in _CONFIRMABLE else _FAILING - _UNCONFIRMED
        return status not in failing

    def _changed(self, found: StripeObject) -> bool:
        """Stripe writes metadata with the rest of a change or not at all, so that only what a change sets off can fail."""
        status, named = o.text(found, "status"), self.operation.path_parameters[-1:]
        if [o.id_in(found)] != [self.asked.get(name) for name in named]:
            return False
        if self.verb:
            ending = _VERBS.get(self.operation.target_id)
            return ending is not None and status in ending.states
        unpaid = status in _UNPAID and not _BILLS.isdisjoint(self.asked)
        return not unpaid and found.get("pending_update") is None

    def _of_its_parent(self, found: StripeObject) -> bool:
        """Whether it belongs to what the path names: a reversal to its transfer, a refund to its fee."""
        *_, parent, named, _ = ["", "", "", *self.operation.path.split("/")]
        if not named.startswith("{"):
            return True
        one = parent.removesuffix("s")
        names = {one, one.rpartition("_")[2]} & found.keys()
        if self.operation.target_id in _ORIGINAL:
            names = {_ORIGINAL[self.operation.target_id]}
        return all(o.id_in(found, name) == self.asked.get(named[1:-1]) for name in names)

    def _fits(self, found: StripeObject) -> bool:
        held_as = _VERBS[self.operation.target_id].held_as if self.operation.target_id in _VERBS else {}
        # An `id` in the path is that of what it changes or belongs to, which was compared.
        in_path = {"id"} & set(self.operation.path_parameters)
        asked = {held_as.get(name, name): value for name, value in self.asked.items() if name not in in_path}
        there = all(name in found for name in {"amount", "currency", *held_as.values()} & asked.keys())
        if self.listed:
            # What was made goes on: a paid invoice is advanced no more, a price is put away.
            found = {name: value for name, value in found.items() if not isinstance(value, bool)}
        return there and _same(asked, found) and self._sums_up(found)

    def _sums_up(self, found: StripeObject) -> bool:
        """A credit note's amount stands in its parts, and may be asked for in them alone."""
        if found.get("object") != "credit_note":
            return True
        parts = [
            int(text) for name in _PARTS if isinstance(text := self.asked.get(name), str) and _WHOLE.fullmatch(text)
        ]
        amount = o.number(found, "amount")
        if not parts:
            return True
        exact = _MORE.isdisjoint(self.asked) and "amount" not in self.asked
        return amount is not None and (sum(parts) == amount if exact else sum(parts) <= amount)


#: What is made in one step and confirmed in another, or both at once.
_CONFIRMABLE: Final = frozenset({"payment_intent", "setup_intent"})
#: Where what is made names what it takes back.
_ORIGINAL: Final = {"PostPayoutsPayoutReverse": "original_payout"}


def marked(
    operation: Operation, wire: WireRequest, request_id: str, *, listed: bool, verb: bool, since: int
) -> Marked | None:
    """None for a request that carries no mark of its own."""
    try:
        asked = parse(operation.path, wire)
    except ParameterError:
        return None
    metadata = asked.get("metadata")
    mark = metadata.get(MARK) if isinstance(metadata, Mapping) else None
    if not operation.takes_metadata or not request_id or mark != request_id:
        return None
    return Marked(request_id, operation, asked, listed, verb, since)


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found of a request that proves nothing, for people to look at. Only what Stripe itself says: kind, id and
    status, nobody's words. `marked`: it carries the mark of the request."""

    kind: str
    id: str
    status: str | None
    marked: bool

    def sentence(self) -> str:
        status = f", {self.status}" if self.status is not None else ""
        what = f"{self.kind.replace('_', ' ').replace('.', ' ')} {self.id}{status}"
        if self.marked:
            return f"At Stripe {what}, carries its mark, but does not plainly show that it was done. Look at it."
        return f"At Stripe {what}. That proves nothing: whatever was done there, somebody else may have done."


def seen_in(found: StripeObject, *, marked: bool) -> Seen | None:
    """None for what has no kind or id that could be shown."""
    kind, id, status = o.text(found, "object"), o.id_in(found), o.text(found, "status")
    if kind is None or id is None or re.fullmatch(r"[a-z][a-z0-9_.]{0,59}", kind) is None:
        return None
    return Seen(kind, id, status if status is not None and _STATUS.fullmatch(status) else None, marked)


def _same(asked: Mapping[str, Text], found: StripeObject, depth: int = 0) -> bool:
    """Whether nothing that was asked for reads otherwise in the object, as far as it is there: many a parameter is no field
    of what it makes. Words are not compared: Stripe trims them."""
    given = {name: value for name, value in asked.items() if name in found and name not in _NOT_COMPARED}
    return all(_alike(name, value, found, depth) for name, value in given.items())


def _alike(name: str, asked: Text, found: StripeObject, depth: int) -> bool:
    held = found[name]
    if isinstance(asked, Mapping):
        return not isinstance(held, Mapping) or depth >= _MOST_DEPTH or _same(asked, held, depth + 1)
    if not isinstance(asked, str):
        return True
    if name == "id":
        return held == asked
    if name == "currency":
        return o.currency_of(held) == o.currency_of(asked) is not None
    if name == "amount" and _WHOLE.fullmatch(asked):
        return type(held) is int and held == int(asked)
    if isinstance(held, bool):
        return asked not in {"true", "false"} or held is (asked == "true")
    if isinstance(held, int | float):
        # A percentage comes back as 50.0. One that Stripe rounds proves nothing, which is the safe side.
        return _NUMBER.fullmatch(asked) is None or Decimal(repr(held)) == Decimal(asked)
    if name in _EXCHANGED or _ID.fullmatch(asked) is None:
        return True
    return o.id_in(found, name) == asked
