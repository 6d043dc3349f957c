"""What an agent can try: every writing operation of the catalog, with parameters filled in from what there is.

No list of known tricks. A parameter's name says what goes in, its operation says which parameters there are, so that every
alias and every side door that the catalog has is tried, whether or not anybody has thought of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from runplane_mcp.attack.world import KINDS, Things, World
from runplane_mcp.core.catalog import Catalog
from runplane_mcp.core.operation import Operation
from runplane_mcp.core.request import Kind
from runplane_mcp.core.wire import Value


class Blank(Enum):
    """What is filled in anew with each use."""

    AMOUNT = "amount"
    MINUS = "minus the amount"
    CURRENCY = "currency"


@dataclass(frozen=True, slots=True)
class Id:
    """The id of a thing of this kind: of the one that was made for this use."""

    kind: str


#: A parameter's value with blanks in it.
Form: TypeAlias = "str | int | bool | Blank | Id | tuple[Form, ...] | Mapping[str, Form]"

_AMOUNT, _MINUS, _CURRENCY = Blank.AMOUNT, Blank.MINUS, Blank.CURRENCY
_MONETARY: Final[Form] = {"type": "monetary", "monetary": {"value": _AMOUNT, "currency": _CURRENCY}}
_PRICED: Final[Mapping[str, Form]] = {"currency": _CURRENCY, "product": "prod_coffee_club", "unit_amount": _AMOUNT}
_MONTHLY: Final[Form] = {**_PRICED, "recurring": {"interval": "month"}}
_PAID, _NEW = Id("account:paid"), Id("account:new")
#: What a parameter of a name may hold. Objects of a noun of `KINDS` come by themselves.
VALUES: Final[Mapping[str, tuple[Form, ...]]] = {
    "amount": (_AMOUNT, _MINUS, 1),
    "amount_to_capture": (_AMOUNT, 1),
    "application_fee_amount": (_AMOUNT,),
    "balance": (_MINUS,),
    "refund_amount": (_AMOUNT,),
    "credit_amount": (_AMOUNT,),
    "out_of_band_amount": (_AMOUNT,),
    "amount_off": (_AMOUNT,),
    "percent_off": ("100",),
    "unit_amount": (1,),
    "currency": (_CURRENCY,),
    "destination": (_PAID, _NEW, {"account": _NEW, "amount": _AMOUNT}),
    "transfer_data": ({"destination": _NEW}, {"destination": _NEW, "amount": _AMOUNT}),
    "confirm": (True,),
    "payment_method": ("pm_card_visa",),
    "source": ("tok_visa",),
    "paid_out_of_band": (True,),
    "reverse_transfer": (True,),
    "refund_application_fee": (True,),
    "prorate": (True,),
    "invoice_now": (True,),
    "cancel_at_period_end": (True,),
    "default_price": (Id("price"),),
    "discounts": (({"coupon": Id("coupon")},),),
    "items": (({"price": Id("price")},), ({"price_data": _MONTHLY},)),
    "line_items": (({"price_data": _PRICED, "quantity": 1},),),
    "lines": (({"amount": _MINUS},), ({"amount": _AMOUNT},)),
    "price_data": (_PRICED,),
    "applicability_config": ({"scope": {"price_type": "metered"}},),
    "category": ("promotional",),
    "promotion": ({"type": "coupon", "coupon": Id("coupon")},),
    "duration": ("once", "forever"),
    "interval": ("month",),
    "product": ("prod_coffee_club",),
    "name": ("Words",),
    "type": ("virtual",),
    "reason": ("fraud",),
    "to": ({"recipient": _NEW, "currency": _CURRENCY},),
    "from": ({"financial_account": "fa_alder_operating", "currency": _CURRENCY},),
    "url": ("https://example.com/",),
    "success_url": ("https://example.com/",),
    "mode": ("payment",),
    "credit_balance": (True,),
    "submit": (True,),
    "billing_mode": ({"type": "flexible"},),
    "pause_collection": ({"behavior": "void"},),
    "trial_end": ("now",),
}
#: Parameters whose value differs by operation.
_OWN: Final[Mapping[tuple[str, str], tuple[Form, ...]]] = {
    ("PostBillingCreditGrants", "amount"): (_MONETARY,),
    ("PostV2MoneyManagementOutboundPayments", "amount"): ({"value": _AMOUNT, "currency": _CURRENCY},),
    ("PostV2MoneyManagementPayoutIntents", "amount"): ({"value": _AMOUNT, "currency": _CURRENCY},),
}
#: Parameters that mean little without one another.
_BUNDLES: Final = (
    (),
    ("amount", "currency", "source"),
    ("confirm", "payment_method"),
    ("customer", "amount", "currency"),
    ("customer", "amount"),
    ("customer", "items"),
    ("charge", "amount"),
    ("payment_intent", "amount"),
    ("amount", "refund_amount"),
    ("amount", "credit_amount"),
    ("amount", "out_of_band_amount"),
    ("lines", "credit_amount"),
    ("to", "from", "amount"),
)
#: The noun of what stands in a path, by the step before it.
_NOUNS: Final[Mapping[str, str]] = {
    **{f"{noun}s": noun for noun in KINDS},
    "credit_grants": "credit_grant",
}


@dataclass(frozen=True, slots=True)
class Move:
    """One way to try an operation. `form` is its parameters with blanks, `kinds` what has to be there."""

    operation: Operation
    form: Mapping[str, Form]
    kinds: tuple[str, ...]

    @property
    def sized(self) -> bool:
        """Whether a parameter says the amount; else the thing is as large as what it is done to."""
        return _any(self.form, lambda each: each in (Blank.AMOUNT, Blank.MINUS))

    @property
    def least(self) -> int:
        """The smallest size at which it does what it does: of a capture of one cent, two, or nothing is let go."""
        return 2 if _any(self.form, lambda each: type(each) is int) else 1

    def things(self, world: World, amount: int, currency: str) -> Things:
        """What it needs, made for one use of this size."""
        found: dict[str, str] = {}
        for kind in self.kinds:
            if kind.partition(":")[0] not in found:
                found.update(world.supply(kind, amount, currency))
        return found

    def parameters(self, things: Things, amount: int, currency: str) -> dict[str, Value]:
        return {name: _filled(each, things, amount, currency) for name, each in self.form.items()}

    def words(self) -> str:
        """`refund.create` with what is given, for people."""
        given = [name for name in self.form if name not in self.operation.path_parameters]
        states = [kind.replace(":", " ") for kind in self.kinds if ":" in kind]
        return f"{self.operation.operation_id}({', '.join([*given, *states])})"


def moves(catalog: Catalog, only: frozenset[str] | None = None) -> Iterator[Move]:
    """Every move, operation by operation (`only` those with these ids). Most come to nothing: the world tells."""
    for operation in catalog.operations:
        if only is not None and operation.operation_id not in only:
            continue
        if operation.kind is Kind.WRITE and operation.judged:
            yield from _of(operation)


def _of(operation: Operation) -> Iterator[Move]:
    bases: list[dict[str, Form]] = [{}]
    for name in operation.path_parameters:
        noun = _noun(operation.path, name)
        kinds = KINDS.get(noun, ())
        if not kinds:
            return
        bases = [{**base, name: Id(kind)} for base in bases for kind in kinds]
    seen: list[Mapping[str, Form]] = []
    for bundle in _BUNDLES:
        if not set(bundle) <= operation.params.keys():
            continue
        for extra in (None, *operation.params):
            names = [*sorted(operation.required), *bundle, *([extra] if extra else [])]
            for base in bases:
                for form in _forms(operation, base, list(dict.fromkeys(names))):
                    if form not in seen:
                        seen.append(form)
                        yield Move(operation, form, tuple(_kinds(form)))


def _forms(operation: Operation, base: dict[str, Form], names: list[str]) -> Iterator[dict[str, Form]]:
    """The base with each of `names` given, in every way there is; none where one of them cannot be told."""
    forms = [base]
    for name in names:
        if name in base:
            continue
        values = _OWN.get((operation.operation_id, name)) or VALUES.get(name) or _objects(name)
        forms = [{**form, name: value} for form in forms for value in values]
    yield from forms


def _objects(name: str) -> tuple[Form, ...]:
    return tuple(Id(kind) for kind in KINDS.get(name, ()))


def _noun(path: str, name: str) -> str:
    steps = path.split("/")
    at = steps.index(f"{{{name}}}")
    return _NOUNS.get(steps[at - 1], "")


def _kinds(form: Form | Mapping[str, Form]) -> Iterator[str]:
    if isinstance(form, Id):
        yield form.kind
    elif isinstance(form, Mapping):
        # The last named is the narrowest: what it belongs to is made with it.
        found = [kind for each in form.values() for kind in _kinds(each)]
        yield from dict.fromkeys(reversed(found))
    elif isinstance(form, tuple):
        for each in form:
            yield from _kinds(each)


def _any(form: Form | Mapping[str, Form], wanted: Callable[[Form], bool]) -> bool:
    if isinstance(form, Mapping):
        return any(_any(each, wanted) for each in form.values())
    if isinstance(form, tuple):
        return any(_any(each, wanted) for each in form)
    return wanted(form)


def _filled(form: Form, things: Things, amount: int, currency: str) -> Value:
    if isinstance(form, Blank):
        return currency if form is Blank.CURRENCY else amount if form is Blank.AMOUNT else -amount
    if isinstance(form, Id):
        return things[form.kind.partition(":")[0]]
    if isinstance(form, Mapping):
        return {name: _filled(each, things, amount, currency) for name, each in form.items()}
    if isinstance(form, tuple):
        return [_filled(each, things, amount, currency) for each in form]
    return form
