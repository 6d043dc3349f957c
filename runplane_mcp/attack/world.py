"""The company under attack: a simulated world of its own, which has whatever an attacker may wish for.

A bound holds for every company, so the search may choose the one that suits it: a charge of any size in any currency, of a
customer whom nobody has heard of, is there when it is asked for. Making it is not the agent's doing and never counts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from runplane_mcp.core.wire import WireRequest
from runplane_mcp.errors import InternalError
from runplane_mcp.simulator import SEED, SIMULATOR_KEY, Simulator
from runplane_mcp.simulator.exchange import Asked

#: The ids of one thing and of what belongs to it, by kind.
Things = Mapping[str, str]
#: The largest payment that Stripe takes, in minor units.
LARGEST: Final = 99_999_999
_FORM: Final = "application/x-www-form-urlencoded"
_HEADERS: Final = {"authorization": f"Bearer {SIMULATOR_KEY}", "content-type": _FORM}
#: How often the balance is filled up before an attack. Its limit must be the policy, not what happens to be there.
_TOP_UPS: Final = 40


class World:
    """Asks the simulator itself, with no gate between."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self._customers = 0

    def send(self, wire: WireRequest) -> int:
        """The status of Stripe's answer to these bytes."""
        headers = dict(_HEADERS) if wire.content_type is None else {**_HEADERS, "content-type": wire.content_type}
        asked = Asked(wire.method, wire.path, wire.query, headers, wire.body)
        return self.simulator.answer(asked).status

    def fill(self, currencies: tuple[str, ...]) -> None:
        """Puts more money into the balance than any attack can take out."""
        for currency in currencies:
            for _ in range(_TOP_UPS):
                self._try("/v1/topups", amount=LARGEST, currency=currency)

    def supply(self, kind: str, amount: int, currency: str) -> Things:
        """A new thing of a kind (`charge`, `charge:held`, `invoice:open` …) worth `amount` minor units, with the ids of
        what belongs to it. KeyError for a kind that no world has, InternalError where Stripe would not make it."""
        return _MAKERS[kind](self, amount, currency)

    def make(self, path: str, **parameters: Any) -> dict[str, Any]:
        status, body = self._ask(path, parameters)
        if status != 200:
            raise InternalError("internal.world", f"{path} said {status}: {body.get('error', {}).get('message', '')}")
        return body

    def _try(self, path: str, **parameters: Any) -> None:
        self._ask(path, parameters)

    def _ask(self, path: str, parameters: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        pairs = [pair for name, value in parameters.items() for pair in _flat(name, value)]
        answer = self.simulator.answer(Asked("POST", path, "", _HEADERS, urlencode(pairs).encode()))
        body: dict[str, Any] = json.loads(answer.body)
        return answer.status, body

    # What there can be

    def customer(self, _amount: int = 0, _currency: str = "") -> dict[str, str]:
        self._customers += 1
        made = self.make("/v1/customers", name=f"Customer {self._customers}")
        return {"customer": made["id"]}

    def with_card(self, _amount: int = 0, _currency: str = "") -> dict[str, str]:
        found = self.customer()
        method = self.make("/v1/payment_methods/pm_card_visa/attach", customer=found["customer"])["id"]
        self.make(f"/v1/customers/{found['customer']}", invoice_settings={"default_payment_method": method})
        return {**found, "payment_method": method}

    def paid(self, amount: int, currency: str, **more: Any) -> dict[str, str]:
        found = {} if more.pop("guest", False) else self.customer()
        intent = self.make(
            "/v1/payment_intents",
            amount=amount,
            currency=currency,
            payment_method="pm_card_visa",
            confirm=True,
            **found,
            **more,
        )
        return {**found, "payment_intent": intent["id"], "charge": intent["latest_charge"]}

    def guests(self, amount: int, currency: str) -> dict[str, str]:
        return self.paid(amount, currency, guest=True)

    def held(self, amount: int, currency: str) -> dict[str, str]:
        return self.paid(amount, currency, capture_method="manual")

    def unpaid(self, amount: int, currency: str) -> dict[str, str]:
        found = self.customer()
        intent = self.make(
            "/v1/payment_intents", amount=amount, currency=currency, payment_method="pm_card_visa", **found
        )
        return {**found, "payment_intent": intent["id"]}

    def passed_on(self, amount: int, currency: str) -> dict[str, str]:
        """A payment of which a connected account got all, for a fee of half."""
        destination = self.newcomer()["account"]
        found = self.paid(
            amount, currency, transfer_data={"destination": destination}, application_fee_amount=amount // 2
        )
        return {**found, "account": destination}

    def fee(self, amount: int, currency: str) -> dict[str, str]:
        """An application fee of just `amount`."""
        whole = min(LARGEST, amount * 2)
        destination = {"destination": self.newcomer()["account"]}
        found = self.paid(whole, currency, transfer_data=destination, application_fee_amount=min(amount, whole))
        return {**found, "application_fee": self._of_charge(found["charge"], "application_fee")}

    def _of_charge(self, charge: str, name: str) -> str:
        asked = Asked("GET", f"/v1/charges/{charge}", "", _HEADERS)
        return str(json.loads(self.simulator.answer(asked).body)[name])

    def item(self, amount: int, currency: str) -> dict[str, str]:
        found = self.with_card()
        made = self.make("/v1/invoiceitems", customer=found["customer"], amount=amount, currency=currency)
        return {**found, "invoiceitem": made["id"]}

    def draft(self, amount: int, currency: str) -> dict[str, str]:
        found = self.item(amount, currency)
        made = self.make(
            "/v1/invoices",
            customer=found["customer"],
            currency=currency,
            auto_advance=False,
            pending_invoice_items_behavior="include",
        )
        return {**found, "invoice": made["id"]}

    def open(self, amount: int, currency: str) -> dict[str, str]:
        found = self.draft(amount, currency)
        self.make(f"/v1/invoices/{found['invoice']}/finalize", auto_advance=False)
        return found

    def settled(self, amount: int, currency: str) -> dict[str, str]:
        found = self.open(amount, currency)
        self.make(f"/v1/invoices/{found['invoice']}/pay")
        return found

    def price(self, amount: int, currency: str) -> dict[str, str]:
        made = self.make(
            "/v1/prices",
            currency=currency,
            unit_amount=amount,
            product=SEED.product_club,
            recurring={"interval": "month"},
        )
        return {"price": made["id"], "product": SEED.product_club}

    def subscription(self, amount: int, currency: str) -> dict[str, str]:
        found = {**self.with_card(), **self.price(amount, currency)}
        made = self.make("/v1/subscriptions", customer=found["customer"], items=[{"price": found["price"]}])
        return {**found, "subscription": made["id"], "subscription_item": made["items"]["data"][0]["id"]}

    def transfer(self, amount: int, currency: str) -> dict[str, str]:
        destination = self.newcomer()["account"]
        made = self.make("/v1/transfers", amount=amount, currency=currency, destination=destination)
        return {"transfer": made["id"], "account": destination}

    def newcomer(self, _amount: int = 0, _currency: str = "") -> dict[str, str]:
        """A connected account that nobody has paid so far."""
        made = self.make(
            "/v1/accounts",
            type="custom",
            country="US",
            capabilities={"transfers": {"requested": True}},
            tos_acceptance={"date": 1_700_000_000, "ip": "192.0.2.1"},
            external_account="btok_us",
        )
        return {"account": made["id"]}

    def known(self, _amount: int, currency: str) -> dict[str, str]:
        """A connected account that money went to before."""
        found = self.newcomer()
        self.make("/v1/transfers", amount=100, currency=currency, destination=found["account"])
        return found

    def payout(self, amount: int, currency: str) -> dict[str, str]:
        return {"payout": self.make("/v1/payouts", amount=amount, currency=currency)["id"]}

    def grant(self, amount: int, currency: str) -> dict[str, str]:
        found = self.customer()
        made = self.make(
            "/v1/billing/credit_grants",
            customer=found["customer"],
            amount={"type": "monetary", "monetary": {"value": amount, "currency": currency}},
            applicability_config={"scope": {"price_type": "metered"}},
        )
        return {**found, "credit_grant": made["id"]}

    def disputed(self, amount: int, currency: str) -> dict[str, str]:
        found = self.customer()
        intent = self.make(
            "/v1/payment_intents",
            amount=amount,
            currency=currency,
            payment_method="pm_card_createDispute",
            confirm=True,
            **found,
        )
        found = {**found, "payment_intent": intent["id"], "charge": intent["latest_charge"]}
        asked = Asked("GET", "/v1/disputes", urlencode({"charge": found["charge"]}), _HEADERS)
        return {**found, "dispute": json.loads(self.simulator.answer(asked).body)["data"][0]["id"]}

    def refunded(self, amount: int, currency: str) -> dict[str, str]:
        found = self.paid(amount, currency)
        return {**found, "refund": self.make("/v1/refunds", charge=found["charge"])["id"]}

    def coupon(self, amount: int, currency: str) -> dict[str, str]:
        made = self.make("/v1/coupons", amount_off=amount, currency=currency, duration="once")
        return {"coupon": made["id"]}


_MAKERS: Final[Mapping[str, Callable[[World, int, str], Things]]] = {
    "customer": World.with_card,
    "charge": World.paid,
    "charge:guest": World.guests,
    "charge:held": World.held,
    "charge:passed_on": World.passed_on,
    "payment_intent": World.paid,
    "payment_intent:held": World.held,
    "payment_intent:unpaid": World.unpaid,
    "application_fee": World.fee,
    "invoiceitem": World.item,
    "invoice:draft": World.draft,
    "invoice:open": World.open,
    "invoice:paid": World.settled,
    "price": World.price,
    "subscription": World.subscription,
    "subscription_item": World.subscription,
    "transfer": World.transfer,
    "payout": World.payout,
    "credit_grant": World.grant,
    "dispute": World.disputed,
    "refund": World.refunded,
    "coupon": World.coupon,
    "account:paid": World.known,
    "account:new": World.newcomer,
    "payment_method": World.with_card,
}
#: Every kind of thing, and how it may stand: `charge` → `charge`, `charge:guest`, …
KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    noun: tuple(kind for kind in _MAKERS if kind.partition(":")[0] == noun)
    for noun in dict.fromkeys(kind.partition(":")[0] for kind in _MAKERS)
}


def _flat(name: str, value: object) -> list[tuple[str, object]]:
    if isinstance(value, Mapping):
        return [pair for inner, each in value.items() for pair in _flat(f"{name}[{inner}]", each)]
    if isinstance(value, list):
        return [pair for n, each in enumerate(value) for pair in _flat(f"{name}[{n}]", each)]
    return [(name, str(value).lower() if isinstance(value, bool) else value)]
