"""The registry of facts: every value a policy can test, once, with its type, unit, source and neutral value for tests.

A fact has one of four cases. A *value*. *None*: looked up, there is none (a guest has no customer). *Unknown*: there is
one, but it could not be found out. *Absent*: this operation has no such fact; then it is not in the mapping at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from fractions import Fraction
from typing import Final, TypeAlias

from runplane_mcp.core.money import Money


class Missing(Enum):
    """The two ways in which a fact of this operation has no value. *Absent* is a third thing: not in the mapping."""

    NONE = "none"
    UNKNOWN = "unknown"


NONE: Final = Missing.NONE
UNKNOWN: Final = Missing.UNKNOWN

FactValue: TypeAlias = str | int | bool | Money | Fraction | frozenset[str] | Missing
Facts: TypeAlias = Mapping[str, FactValue]


class FactType(StrEnum):
    TEXT = "text"
    NUMBER = "number"
    YES_NO = "yes/no"
    MONEY = "money"
    SET = "set"
    DATE = "date"


class Source(StrEnum):
    """Where a fact comes from. Only `agent label` is the agent's own word, and only `unless`-free rules may trust it."""

    IDENTITY = "who asks"
    OPERATION = "the operation and its parameters"
    STRIPE = "looked up in Stripe"
    CLOCK = "policy time"
    HISTORY = "Runplane's own records"
    RISK = "the risk score"


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact. `neutral` is what a policy's own tests take when a test does not give it; `choices` closes a set."""

    name: str
    type: FactType
    sentence: str
    source: Source
    unit: str = ""
    neutral: FactValue = NONE
    choices: tuple[str, ...] = ()


#: Every way to the same thing, a closed set, each group with what is common to all that is in it. One request can be in
#: several.
GROUP_SENTENCES: Final[Mapping[str, str]] = {
    "refunds": "Money that a customer has paid goes back: refunds by any path, credit notes with a refund part.",
    "credits": "A customer gets credit to spend later: account balance, credit notes, credit grants, prorations.",
    "discounts": "Somebody pays less from now on: coupons, promotion codes, price changes, longer trials.",
    "payouts": "Our balance leaves for a bank account or a card.",
    "transfers": "Our balance, or a share of a payment, goes to a connected account.",
    "charges": "A customer is charged or billed, or a payment is captured, changed or given up.",
    "cancellations": "Recurring revenue ends, pauses or shrinks.",
    "deletions": "Something is destroyed for good.",
    "disputes": "A dispute is answered, accepted or closed.",
    "write_offs": "Money owed to us is given up: invoices voided, forgiven, or marked uncollectible or paid elsewhere.",
    "bank_details": "It changes where money goes from now on: bank accounts, default destinations, payout schedules.",
    "access": "Somebody gets a key, a secret or another way in: API keys, webhooks, account links, files.",
}
GROUPS: Final = tuple(GROUP_SENTENCES)

_T, _S = FactType, Source
_ALL = (
    # who
    Fact("agent", _T.TEXT, "The agent's label.", _S.IDENTITY, neutral="agent"),
    Fact("agent_roles", _T.SET, "The roles of the agent's token.", _S.IDENTITY, neutral=frozenset()),
    Fact(
        "principal",
        _T.TEXT,
        "Who is accountable: the agent's token, or `stdio`.",
        _S.IDENTITY,
        neutral="stdio",
    ),
    Fact("via", _T.TEXT, "The interface it came in by.", _S.IDENTITY, neutral="mcp", choices=("mcp", "proxy")),
    Fact("client", _T.TEXT, "The client's own name; it can claim any.", _S.IDENTITY),
    # what
    Fact("operation", _T.TEXT, "Stripe's operation id, such as PostRefunds.", _S.OPERATION),
    Fact("action", _T.SET, "Its action and the groups it is in.", _S.OPERATION),
    Fact("kind", _T.TEXT, "Whether it reads or writes.", _S.OPERATION, choices=("read", "write")),
    Fact("known", _T.YES_NO, "Whether the catalog has the operation.", _S.OPERATION, neutral=True),
    Fact("judged", _T.YES_NO, "Whether somebody has judged the operation.", _S.OPERATION, neutral=True),
    Fact("livemode", _T.YES_NO, "Whether it is real money.", _S.IDENTITY, neutral=True),
    Fact("account", _T.TEXT, "The Stripe account it acts on.", _S.IDENTITY, neutral="acct_neutral"),
    # effect
    Fact("amount", _T.MONEY, "The money it moves or gives up, of the effective parameters.", _S.STRIPE, "money"),
    Fact("currency", _T.TEXT, "The currency of the amount.", _S.STRIPE),
    Fact(
        "amount_on_object",
        _T.MONEY,
        "Given back on the same object already, waiting to be, and this one; of a capture, what it releases.",
        _S.STRIPE,
        "money",
    ),
    Fact(
        "share",
        _T.NUMBER,
        "The amount as a share of the original.",
        _S.STRIPE,
        "percent",
        neutral=Fraction(50),
    ),
    Fact(
        "platform_loss",
        _T.MONEY,
        "What the platform pays because a transfer is not reversed.",
        _S.STRIPE,
        "money",
    ),
    Fact("mrr_lost", _T.MONEY, "Recurring revenue lost each month.", _S.STRIPE, "money a month"),
    Fact(
        "ends",
        _T.TEXT,
        "When a subscription ends.",
        _S.OPERATION,
        neutral="now",
        choices=("now", "period_end"),
    ),
    Fact("reversible", _T.YES_NO, "Whether Stripe can undo it.", _S.OPERATION, neutral=False),
    Fact("customer", _T.TEXT, "Whose money or contract it is.", _S.STRIPE, neutral="cus_neutral"),
    Fact("guest", _T.TEXT, "The card's fingerprint where there is no customer.", _S.STRIPE),
    Fact("object", _T.TEXT, "The id of what it acts on.", _S.STRIPE, neutral="obj_neutral"),
    Fact(
        "destination",
        _T.TEXT,
        "Where the money goes: a bank account or connected account.",
        _S.STRIPE,
        neutral="ba_neutral",
    ),
    Fact("destination_paid_before", _T.YES_NO, "Whether money went there before.", _S.STRIPE, neutral=True),
    Fact("disputed", _T.YES_NO, "Whether the charge is disputed.", _S.STRIPE, neutral=False),
    Fact("redirects_funds", _T.YES_NO, "Whether it changes where money goes.", _S.OPERATION, neutral=False),
    Fact(
        "gives_access",
        _T.YES_NO,
        "Whether it gives somebody access or a secret.",
        _S.OPERATION,
        neutral=False,
    ),
    Fact("discount_percent", _T.NUMBER, "The discount given.", _S.STRIPE, "percent"),
    Fact("url_hosts", _T.SET, "Hosts of web addresses in the parameters.", _S.OPERATION, neutral=frozenset()),
    Fact("bulk", _T.YES_NO, "Whether one request acts on many things.", _S.OPERATION, neutral=False),
    # when
    Fact("hour", _T.NUMBER, "The hour of the day in the policy's zone.", _S.CLOCK, "0 to 23", neutral=12),
    Fact(
        "weekday",
        _T.TEXT,
        "The day of the week.",
        _S.CLOCK,
        neutral="tue",
        choices=("mon", "tue", "wed", "thu", "fri", "sat", "sun"),
    ),
    Fact("business_hours", _T.YES_NO, "Whether it is within `business_hours`.", _S.CLOCK, neutral=True),
    Fact("date", _T.DATE, "The day in the policy's zone.", _S.CLOCK, "YYYY-MM-DD"),
    # risk
    Fact("risk", _T.NUMBER, "The risk score.", _S.RISK, "0 to 100"),
    Fact("risk_level", _T.TEXT, "The risk level.", _S.RISK, choices=("low", "medium", "high", "critical")),
    # history
    Fact(
        "requests_24h_agent",
        _T.NUMBER,
        "Requests of this principal in 24 hours.",
        _S.HISTORY,
        "requests",
        neutral=0,
    ),
    Fact("refused_24h_agent", _T.NUMBER, "Of them blocked or denied.", _S.HISTORY, "requests", neutral=0),
    Fact(
        "requests_7d_customer",
        _T.NUMBER,
        "Requests about this customer in 7 days.",
        _S.HISTORY,
        "requests",
        neutral=0,
    ),
    Fact(
        "denied_24h_object",
        _T.NUMBER,
        "Denials, and requests that were lowered, about the same object, or destination where it has none, in 24 hours.",
        _S.HISTORY,
        "denials",
        neutral=0,
    ),
    Fact(
        "possible_duplicate",
        _T.YES_NO,
        "Whether the same money out, charge or destruction is open, ended within `repeat_window`, or was just denied.",
        _S.HISTORY,
        neutral=False,
    ),
)

REGISTRY: Final[Mapping[str, Fact]] = {fact.name: fact for fact in _ALL}

#: The facts that every request has, whatever its operation: who asks, the clock, the history and the risk among them.
EVERYWHERE: Final = frozenset(
    {fact.name for fact in _ALL if fact.source in (_S.IDENTITY, _S.CLOCK, _S.HISTORY, _S.RISK)}
    | {"operation", "action", "kind", "known", "judged"}
)

_ORDERED: Final = ("over", "at_least", "under", "at_most", "between", "in", "not_in", "exists")
#: The tests that a condition may put to a fact of each type. A plain value is one of one, a list is one of many.
TESTS: Final[Mapping[FactType, tuple[str, ...]]] = {
    _T.TEXT: ("in", "not_in", "starts_with", "exists"),
    _T.NUMBER: _ORDERED,
    _T.MONEY: _ORDERED,
    _T.DATE: _ORDERED,
    _T.YES_NO: ("exists",),
    _T.SET: ("any_in", "all_in", "none_in", "exists"),
}


def may_be(value: FactValue) -> bool:
    """Whether a yes/no fact is yes as far as anybody knows: unknown and odd values are, *none* is not."""
    return value is not False and value is not NONE
