"""An operation: one Stripe endpoint, what somebody judged that it does, and what its parameters make of that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from runplane_mcp.core.amounts import amount_of
from runplane_mcp.core.declaration import Declaration, Declared
from runplane_mcp.core.expansions import secret_expansions
from runplane_mcp.core.facts import EVERYWHERE, REGISTRY
from runplane_mcp.core.request import Kind
from runplane_mcp.core.told import Added, Telling
from runplane_mcp.core.wire import Text, WireRequest, path_parameters

#: Facts that only some operations have: what they would do. All others concern who asks, when, and what went before.
EFFECT_FACTS: Final = frozenset(REGISTRY) - EVERYWHERE


class EffectKind(StrEnum):
    """Which file of `core/effects/` knows what an operation does."""

    READ = "read"
    DECLARED = "declared"
    REFUND = "refund"
    PAYOUT = "payout"
    PAYOUT_CANCEL = "payout_cancel"
    TRANSFER = "transfer"
    TRANSFER_REVERSAL = "transfer_reversal"
    CAPTURE = "capture"
    CHARGE_CAPTURE = "charge_capture"
    PAYMENT_CANCEL = "payment_cancel"
    PAYMENT_UPDATE = "payment_update"
    CREDIT_NOTE = "credit_note"
    SUBSCRIPTION_CANCEL = "subscription_cancel"
    SUBSCRIPTION_UPDATE = "subscription_update"
    SUBSCRIPTION_CREATE = "subscription_create"
    SUBSCRIPTION_ITEM = "subscription_item"
    SUBSCRIPTION_PAUSE = "subscription_pause"
    SUBSCRIPTION_RESUME = "subscription_resume"
    SCHEDULE = "schedule"
    DISCOUNT_END = "discount_end"
    CUSTOMER_CREATE = "customer_create"
    CUSTOMER_UPDATE = "customer_update"
    CUSTOMER_DELETE = "customer_delete"
    DISPUTE = "dispute"
    DISPUTE_CLOSE = "dispute_close"
    PAYMENT_LINK = "payment_link"
    PAYMENT_LINK_UPDATE = "payment_link_update"
    CHECKOUT = "checkout"
    CHECKOUT_UPDATE = "checkout_update"
    INVOICE_CREATE = "invoice_create"
    INVOICE_ITEM = "invoice_item"
    INVOICE_FINALIZE = "invoice_finalize"
    INVOICE_PAY = "invoice_pay"
    INVOICE_VOID = "invoice_void"
    INVOICE_LINES = "invoice_lines"
    QUOTE = "quote"
    COUPON = "coupon"
    PROMOTION_CODE = "promotion_code"
    PRODUCT = "product"
    PRICE = "price"
    PRICE_CHANGE = "price_change"
    UNJUDGED = "unjudged"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What parameters make of an operation: its action, the groups it is in, the effect and the facts it has."""

    action: str
    groups: frozenset[str]
    effect: EffectKind
    facts: frozenset[str]


@dataclass(frozen=True, slots=True)
class Variant:
    """A narrower judgement for parameters that prove it: no others than `only`, those of `given` given, those of
    `positive` given as whole numbers above zero, those of `when` given with exactly these texts, those of `if_given` left
    out or exactly so, and nowhere inside of any of them a name of `lacks`."""

    only: frozenset[str]
    given: frozenset[str]
    positive: frozenset[str]
    when: Mapping[str, str]
    if_given: Mapping[str, str]
    lacks: frozenset[str]
    judgement: Judgement

    def fits(self, given: Mapping[str, Text]) -> bool:
        return (
            given.keys() <= self.only
            and self.given <= given.keys()
            and all(amount_of(given.get(name)) is not None for name in self.positive)
            and all(given.get(name) == text for name, text in self.when.items())
            and all(given.get(name, text) == text for name, text in self.if_given.items())
            and not any(_names_any(value, self.lacks) for value in given.values())
        )


def _names_any(value: Text, names: frozenset[str]) -> bool:
    """Whether any of `names` is the name of something inside of `value`, at whatever depth."""
    if isinstance(value, dict):
        return not names.isdisjoint(value) or any(_names_any(inner, names) for inner in value.values())
    return isinstance(value, list) and any(_names_any(inner, names) for inner in value)


@dataclass(frozen=True, slots=True)
class Operation:
    """One Stripe endpoint. `params` maps each top-level parameter outside the path to its type. `target_id` is the id of
    what it is an alias of, else its own.

    `reversible` is None where it depends. `money_in`: a customer's money is taken at once, each time it is asked.
    `secret_answer`: the answer carries a secret that opens something. `answers` is the `object` of what Stripe answers.
    `facts` are all the facts it can have, `EFFECT_FACTS` the part of them that an effect holds. `judged` false: the catalog
    has it, but nobody has said what it does. Action, groups, effect and facts are the widest, `least` what it is with
    parameters that add nothing (`telling`), or the widest too where nobody has told what each adds. `declared` is the
    effect as its judgement declares it.
    """

    method: str
    path: str
    operation_id: str
    host: str
    api_version: str
    availability: str
    alias_of: str | None
    target_id: str
    params: Mapping[str, str]
    required: frozenset[str]
    judged: bool
    action: str
    groups: frozenset[str]
    kind: Kind
    effect: EffectKind
    facts: frozenset[str]
    reversible: bool | None
    money_out: bool
    money_in: bool
    secret_answer: bool
    takes_metadata: bool
    answers: str
    reason: str
    variants: tuple[Variant, ...]
    least: Judgement
    telling: Telling | None
    declared: Declared | None

    @property
    def declaration(self) -> Declaration | None:
        """The effect that its judgement declares, None where a file of `core/effects/` knows it. Read when first asked for;
        ValueError or KeyError, which a test looks for in every operation, where it cannot be right."""
        return self.declared.effect if self.declared is not None else None

    @property
    def path_parameters(self) -> tuple[str, ...]:
        return path_parameters(self.path)

    @property
    def effects(self) -> tuple[str, ...]:
        """What it can do, in words for listings."""
        marks = {
            "money out": self.money_out,
            "money in": self.money_in,
            "revenue lost": "mrr_lost" in self.facts,
            "destroys": "deletions" in self.groups,
            "redirects funds": "redirects_funds" in self.facts,
            "gives access": "gives_access" in self.facts,
            "secret answer": self.secret_answer,
            "not judged": not self.judged,
        }
        return tuple(name for name, holds in marks.items() if holds)

    def judge(self, parameters: Mapping[str, Text]) -> tuple[Judgement, tuple[Added, ...]]:
        """The judgement of these parameters, and what they add: the first variant that fits, else what the parameters
        make of the least, else the widest. Whatever asks for a secret in its answer is access, too."""
        given = {name: value for name, value in parameters.items() if name not in self.path_parameters}
        added = self.telling.added(given) if self.telling is not None else ()
        judged = self._judge(given, added)
        if secret_expansions(given):
            judged = replace(judged, groups=judged.groups | {"access"}, facts=judged.facts | {"gives_access"})
        return judged, added

    def _judge(self, given: Mapping[str, Text], added: tuple[Added, ...]) -> Judgement:
        for variant in self.variants:
            if variant.fits(given):
                return variant.judgement
        untold = self.telling is not None and not given.keys().isdisjoint(self.telling.untold)
        base = self.widest if untold else self.least
        groups, facts = base.groups, base.facts
        for each in added:
            groups, facts = groups | each.addition.groups, facts | each.addition.facts
        return Judgement(base.action, groups, base.effect, facts)

    @property
    def widest(self) -> Judgement:
        return Judgement(self.action, self.groups, self.effect, self.facts)

    @property
    def judgements(self) -> tuple[Judgement, ...]:
        """The widest, the least, and each variant: what it can be lies between them."""
        least = () if self.telling is None else (self.least,)
        return (self.widest, *least, *(variant.judgement for variant in self.variants))


@dataclass(frozen=True, slots=True)
class Classified:
    """A wire request in the catalog's words. `parameters` are read from its bytes, path parameters included; `facts`
    are those that these parameters have, so that a fact which is not among them is *absent*; `added` is what single
    parameters add."""

    operation: Operation
    action: str
    groups: frozenset[str]
    effect: EffectKind
    facts: frozenset[str]
    parameters: Mapping[str, Text]
    wire: WireRequest
    added: tuple[Added, ...] = ()

    @property
    def money_in(self) -> bool:
        """Whether a customer's money is taken at once, so that asking twice takes it twice."""
        return self.operation.money_in or any(each.addition.money_in for each in self.added)
