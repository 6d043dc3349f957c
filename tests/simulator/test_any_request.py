"""Whatever is sent to whichever route, the simulator answers: it never fails itself, and its books balance."""

from __future__ import annotations

import json
import random
from typing import Any
from urllib.parse import urlencode

import pytest

from runplane_mcp.simulator import SEED, SIMULATOR_KEY, parameters
from runplane_mcp.simulator.exchange import Asked
from runplane_mcp.simulator.parameters import Array, Hash, OneOf
from runplane_mcp.simulator.resources import TABLE
from runplane_mcp.simulator.routes import Route, is_v2
from runplane_mcp.simulator.v2 import fields
from tests.simulator.world import DAY, FORM, World, flattened

_WORDS = (
    *("", "x", "0", "1", "-1", "500", "99999999999", "true", "false", "usd", "eur", "jpy", "https://example.com"),
    "now",
)
#: What a parameter of a name would hold where all is well: the kinds of id, or values.
_KINDS = {
    "charge": ("ch_",),
    "customer": ("cus_",),
    "destination": ("acct_",),
    "account": ("acct_",),
    "recipient": ("acct_",),
    "on_behalf_of": ("acct_",),
    "payment_intent": ("pi_",),
    "intent": ("pi_", "seti_"),
    "payment_method": ("pm_",),
    "transfer": ("tr_",),
    "payout": ("po_",),
    "dispute": ("dp_",),
    "refund": ("re_",),
    "source_transaction": ("ch_",),
    "subscription": ("sub_",),
    "card": ("ic_",),
    "cardholder": ("ich_",),
    "fee": ("fee_",),
    "file": ("file_",),
    "financial_account": ("fa_",),
    "invoice": ("in_",),
    "issuing_card": ("ic_",),
    "price": ("price_",),
    "product": ("prod_",),
}
_GOOD: dict[str, tuple[Any, ...]] = {
    "amount": (1, 500, 9_000),
    "currency": ("usd", "usd", "eur"),
    "metadata": ({}, {"a": "1"}),
    "payment_method": ("pm_card_visa", "pm_card_authenticationRequired", "pm_card_createDispute"),
    "source": ("tok_visa", "tok_chargeDeclined", "btok_us"),
    "enabled_events": (["*"],),
    "external_account": ("btok_us", "tok_visa_debit"),
    "url": ("https://example.com",),
    "value": (1, 500, 9_000),
}
_VALUES: tuple[Any, ...] = (None, True, False, 0, 1, -1, 2**70, 1.5, [], {}, [1], {"a": 1}, *_WORDS)


_BY_READER: dict[Any, tuple[str, ...]] = {
    parameters.boolean: ("true", "false"),
    parameters.currency: ("usd", "eur"),
    parameters.integer: ("0", "1", "900"),
    parameters.positive: ("1", "900"),
    parameters.text: ("", "words"),
    fields.currency: ("usd",),
    fields.string: ("words",),
}


class Sender:
    """Makes requests that mostly could be right, from what the readers of a route say and from what is in the world."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.random = random.Random(seed)
        seeded = (getattr(SEED, name) for name in dir(SEED) if not name.startswith("_"))
        self.ids = [value for value in seeded if isinstance(value, str)] + ["pm_cardada900", "ba_maple_usd"]
        self.made: dict[str, list[str]] = {}

    def value(self, name: str, reader: Any) -> Any:
        inner = reader
        if self.random.random() < 0.1:
            return self.random.choice(_WORDS)
        if inner in (parameters.metadata, fields.metadata):
            return self.random.choice(({}, {"a": "1"}))
        if name in _GOOD and not isinstance(inner, fields.Record) and self.random.random() < 0.8:
            return self.random.choice(_GOOD[name])
        if name in _KINDS and self.random.random() < 0.8:
            return self.id(name)
        if isinstance(inner, Hash | fields.Record):
            readers = inner.readers if isinstance(inner, Hash) else inner.fields
            return self.parameters(readers, inner.required)
        if isinstance(inner, Array | fields.Array):
            return [self.value("", inner.item) for _ in range(self.random.choice((0, 1, 1, 2)))]
        if isinstance(inner, OneOf | fields.OneOf) and self.random.random() < 0.9:
            return self.random.choice(inner.choices)
        known = _BY_READER.get(inner)
        return self.random.choice(known) if known is not None else self.id(name)

    def parameters(self, readers: Any, required: tuple[str, ...]) -> dict[str, Any]:
        share = self.random.choice((0.0, 0.1, 0.3, 0.9))
        chosen = [name for name in readers if name in required or self.random.random() < share]
        return {name: self.value(name, readers[name]) for name in chosen}

    def id(self, name: str) -> str:
        """An id for a path's or parameter's name: mostly of the right kind, and one that was made here if there is one."""
        if name in self.made and self.random.random() < 0.9:
            return self.random.choice(self.made[name][-40:])
        fitting = [id for id in self.ids if id.startswith(_KINDS.get(name, ("",)))]
        return self.random.choice(fitting[-40:] if fitting and self.random.random() < 0.9 else self.ids)

    def send(self, route: Route) -> int:
        steps: list[str] = []
        for step in route.path.split("/"):
            if step.startswith("{"):
                step = self.id(step[1:-1] if step[1:-1] in _KINDS else steps[-1].removesuffix("s"))
            steps.append(step)
        path = "/".join(steps)
        given = self.parameters(route.readers, route.required)
        headers = {"authorization": f"Bearer {SIMULATOR_KEY}", "content-type": FORM}
        if self.random.random() < 0.2:
            headers["stripe-account"] = SEED.connected_account_paid
        encoded = urlencode([pair for name, value in given.items() for pair in flattened(name, value)])
        if route.method == "GET":
            return self.keep(Asked(route.method, path, encoded, headers))
        if not is_v2(route.path):
            return self.keep(Asked(route.method, path, "", headers, encoded.encode()))
        for name in given:
            if self.random.random() < 0.1:
                given[name] = self.random.choice(_VALUES)
        headers["content-type"] = "application/json"
        return self.keep(Asked(route.method, path, "", headers, json.dumps(given).encode()))

    def keep(self, asked: Asked) -> int:
        answer = self.world.simulator.answer(asked)
        made = json.loads(answer.body)
        if answer.status == 200 and asked.method == "POST" and isinstance(made.get("id"), str):
            self.ids.append(made["id"])
            collection = asked.path.rpartition("/")[2].removesuffix("s")
            self.made.setdefault(collection, []).append(made["id"])
        return answer.status


@pytest.mark.parametrize("seed", range(4))
def test_no_request_makes_the_simulator_fail(world: World, seed: int) -> None:
    sender = Sender(world, seed)
    routes = [route for route in TABLE.routes if route.method != "DELETE"]
    deletes = [route for route in TABLE.routes if route.method == "DELETE"]
    seen: set[int] = set()

    for round_ in range(5):
        sender.random.shuffle(routes)
        for route in routes:
            seen.add(sender.send(route))
        world.clock.now += DAY
        if round_ == 3:
            seen.update(sender.send(route) for route in deletes)

    assert seen <= {200, 400, 402, 403, 404}
    assert {200, 400, 404} <= seen
