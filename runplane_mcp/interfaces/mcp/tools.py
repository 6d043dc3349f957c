"""The one table of tools. A row is all there is to a tool: nothing is registered by decorating a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeAlias

from mcp_types import ToolAnnotations

from runplane_mcp.core.request import OwnArguments
from runplane_mcp.core.wire import Value
from runplane_mcp.errors import ParameterError
from runplane_mcp.interfaces.mcp import forms
from runplane_mcp.interfaces.mcp.arguments import Shape
from runplane_mcp.interfaces.mcp.forms import OWN_WORDS

#: A Stripe operation id and the parameters it is called with.
Operation: TypeAlias = tuple[str, dict[str, Value]]


@dataclass(frozen=True)
class ToolRow:
    """One tool. `operation` makes a Stripe operation of its arguments; a control tool has none, and a handler in
    `control.py` under its name. `toolset` says whose work it is for: support, billing, or both (all)."""

    name: str
    title: str
    description: str
    form: type
    annotations: ToolAnnotations
    toolset: str
    operation: Callable[[dict[str, Value]], Operation] | None = None
    #: The operation that an attempt is recorded under when its arguments are no good.
    usually: str = ""

    @cached_property
    def shape(self) -> Shape:
        return Shape(self.name, self.form)

    def split(self, given: Mapping[str, Value]) -> tuple[str, dict[str, Value], OwnArguments]:
        """The operation, Stripe's parameters and our own arguments. ParameterError for what does not go together."""
        if self.operation is None:
            raise ValueError(f"{self.name} is a control tool")
        own = {name: value for name, value in given.items() if name in OWN_WORDS and isinstance(value, str)}
        operation_id, parameters = self.operation({name: given[name] for name in given if name not in OWN_WORDS})
        return operation_id, parameters, OwnArguments(**own)


def _just(operation_id: str) -> Callable[[dict[str, Value]], Operation]:
    return lambda parameters: (operation_id, parameters)


def _refund(parameters: dict[str, Value]) -> Operation:
    given = [name for name in ("payment_intent", "charge") if name in parameters]
    if not given:
        raise ParameterError(
            "parameter.missing",
            "It does not say which payment to refund.",
            next_step="Give payment_intent (pi_…) or charge (ch_…).",
            param="payment_intent",
        )
    if len(given) == 2:
        raise ParameterError(
            "parameter.conflict",
            "payment_intent and charge are both given.",
            next_step="Give only one.",
            param="charge",
        )
    return "PostRefunds", parameters


def _transfer(parameters: dict[str, Value]) -> Operation:
    if "amount" not in parameters and "source_transaction" not in parameters:
        raise ParameterError(
            "parameter.missing",
            "`amount` is missing.",
            next_step="Only with source_transaction may it be left out.",
            param="amount",
        )
    return "PostTransfers", parameters


def _cancellation(parameters: dict[str, Value]) -> Operation:
    rest = dict(parameters)
    rest["subscription_exposed_id"] = rest.pop("subscription")
    if not rest.pop("at_period_end", False):
        return "DeleteSubscriptionsSubscriptionExposedId", rest
    for name in ("invoice_now", "prorate"):
        if name in rest:
            raise ParameterError(
                "parameter.conflict",
                f"`{name}` only goes with a cancellation at once.",
                next_step=f"Leave out {name} or at_period_end.",
                param=name,
            )
    return "PostSubscriptionsSubscriptionExposedId", {**rest, "cancel_at_period_end": True}


_READ = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=True)
_MONEY_OUT = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=True)
_CANCEL = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=True)
_LOOK = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
_TAKE_BACK = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False)

_GOVERNED = (
    "The company's policy decides: it may be done at once, wait for a person, or be blocked; the answer says which. "
    "Never send it again to get around a wait or a block."
)

TOOLS: Final[tuple[ToolRow, ...]] = (
    ToolRow(
        "create_refund",
        "Refund a payment",
        f"Gives a customer's money back. Without amount, all that is left of the payment. {_GOVERNED}",
        forms.CreateRefund,
        _MONEY_OUT,
        "support",
        _refund,
        "PostRefunds",
    ),
    ToolRow(
        "create_payout",
        "Pay out the balance",
        f"Sends money from the Stripe balance to the company's bank account or card. {_GOVERNED}",
        forms.CreatePayout,
        _MONEY_OUT,
        "billing",
        _just("PostPayouts"),
        "PostPayouts",
    ),
    ToolRow(
        "create_transfer",
        "Transfer to a connected account",
        f"Sends money from the Stripe balance to a connected account. {_GOVERNED}",
        forms.CreateTransfer,
        _MONEY_OUT,
        "billing",
        _transfer,
        "PostTransfers",
    ),
    ToolRow(
        "cancel_subscription",
        "Cancel a subscription",
        f"Ends a subscription at once, or with at_period_end when its paid period ends. {_GOVERNED}",
        forms.CancelSubscription,
        _CANCEL,
        "support",
        _cancellation,
        "DeleteSubscriptionsSubscriptionExposedId",
    ),
    ToolRow(
        "retrieve_balance",
        "Look at the balance",
        "The Stripe balance: what is available and what is pending, by currency, in smallest units.",
        forms.RetrieveBalance,
        _READ,
        "billing",
        _just("GetBalance"),
        "GetBalance",
    ),
    ToolRow(
        "list_payment_intents",
        "List payments",
        "Payments, newest first: amount, currency, status, customer. Where to find what a refund is for.",
        forms.ListPaymentIntents,
        _READ,
        "support",
        _just("GetPaymentIntents"),
        "GetPaymentIntents",
    ),
    ToolRow(
        "list_subscriptions",
        "List subscriptions",
        "Subscriptions, newest first, with their prices and periods.",
        forms.ListSubscriptions,
        _READ,
        "support",
        _just("GetSubscriptions"),
        "GetSubscriptions",
    ),
    ToolRow(
        "list_customers",
        "List customers",
        "Customers, newest first. With email, those with exactly that address.",
        forms.ListCustomers,
        _READ,
        "support",
        _just("GetCustomers"),
        "GetCustomers",
    ),
    ToolRow(
        "get_request",
        "Look at one of your requests",
        "How one of your own requests stands now, with Stripe's answer if it was done.",
        forms.GetRequest,
        _LOOK,
        "all",
    ),
    ToolRow(
        "wait_for_request",
        "Wait for a request",
        "Waits up to 25 seconds for one of your own requests to be decided or done. "
        "Once, at most twice; people may need hours.",
        forms.WaitForRequest,
        _LOOK,
        "all",
    ),
    ToolRow(
        "list_requests",
        "List your requests",
        "Your own requests to change something, newest first, with their statuses. Reads are not among them.",
        forms.ListRequests,
        _LOOK,
        "all",
    ),
    ToolRow(
        "cancel_request",
        "Take back a request",
        "Takes back one of your own requests that has not run yet. It cannot undo what is done.",
        forms.CancelRequest,
        _TAKE_BACK,
        "all",
    ),
)
BY_NAME: Final[Mapping[str, ToolRow]] = {row.name: row for row in TOOLS}
