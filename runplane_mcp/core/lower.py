"""Lowering a request: the same operation with less money, or an end at the period's end instead of now. Pure functions.

Nothing else counts as lowering. Whatever cannot be seen to be less from the parameters alone is denied instead, in words
that say what to ask for.
"""

from __future__ import annotations

from typing import Final

from runplane_mcp.core.amounts import amount_of
from runplane_mcp.core.catalog import Catalog
from runplane_mcp.core.facts import FactValue
from runplane_mcp.core.money import Money
from runplane_mcp.core.operation import Classified, EffectKind
from runplane_mcp.core.wire import Text, WireRequest, encode
from runplane_mcp.errors import ApprovalError

#: The one parameter that says how much. An operation that says it in parts, or in lines, is not lowered.
AMOUNT: Final = "amount"
#: A capture that takes less, a payment that asks for less, and a line of a bill that becomes less give more away.
_LESS_IS_MORE: Final = frozenset({EffectKind.CHARGE_CAPTURE, EffectKind.INVOICE_LINES, EffectKind.PAYMENT_UPDATE})
_PERIOD_END: Final = "cancel_at_period_end"
#: What a cancellation may say besides, whenever it takes effect.
_KEPT: Final = ("cancellation_details", "expand")


def lowered_amount(asked: Classified, runs: Classified, amount: FactValue | None, to: Money) -> WireRequest:
    """The request as asked with `to` as its amount. `runs` is what would run now, `amount` what it was found to move.

    ApprovalError `approval.not_lowerable` where the amount is not known or is not what the parameter `amount` says,
    `approval.currency`, and `approval.not_lower` where `to` is not less.
    """
    if AMOUNT not in asked.operation.params:
        raise _not_lowerable("its amount is not a parameter that could be lowered")
    if asked.effect in _LESS_IS_MORE:
        raise _not_lowerable("with less of it, more may be given up")
    if any(name != AMOUNT and name.endswith("_amount") for name in runs.parameters):
        raise _not_lowerable("it says its amount in parts")
    if not isinstance(amount, Money) or amount_of(runs.parameters.get(AMOUNT)) != amount.amount:
        raise _not_lowerable("what it would move is not what its `amount` says")
    if to.currency != amount.currency:
        raise ApprovalError(
            "approval.currency",
            f"It is in {amount.currency.upper()}, not in {to.currency.upper()}.",
            next_step=f"Write the amount like '100 {amount.currency}'.",
        )
    if not 0 < to.amount < amount.amount:
        raise ApprovalError(
            "approval.not_lower",
            f"{to} is not less than {amount}" + (" and more than nothing." if to.amount <= 0 else "."),
            next_step="Lower it to less, or deny it.",
        )
    parameters: dict[str, Text] = {**asked.parameters, AMOUNT: str(to.amount)}
    return encode(asked.operation.method, asked.operation.path, parameters)


def at_period_end(asked: Classified, catalog: Catalog) -> WireRequest:
    """The immediate cancellation `asked` as one at the period's end: nothing prorated, nothing invoiced now.

    ApprovalError `approval.not_lowerable` for anything else.
    """
    if asked.effect is not EffectKind.SUBSCRIPTION_CANCEL or asked.wire.method != "DELETE":
        raise _not_lowerable("only an immediate cancellation can be put off to the end of its period")
    update = catalog.find("POST", asked.wire.path)
    if update is None or _PERIOD_END not in update.params:
        raise _not_lowerable("nothing puts this cancellation off")
    kept = {*update.path_parameters, *_KEPT}
    parameters: dict[str, Text] = {name: value for name, value in asked.parameters.items() if name in kept}
    wire = encode(update.method, update.path, {**parameters, _PERIOD_END: "true"})
    if catalog.classify(wire).effect is not EffectKind.SUBSCRIPTION_CANCEL:
        raise _not_lowerable("nothing puts this cancellation off")
    return wire


def _not_lowerable(why: str) -> ApprovalError:
    return ApprovalError(
        "approval.not_lowerable",
        f"This cannot be lowered: {why}.",
        next_step="Deny it, and say in --note what to ask for instead.",
    )
