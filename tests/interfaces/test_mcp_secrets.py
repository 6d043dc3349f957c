"""A whole life of requests over MCP with secrets and names planted in everything that agents, customers and people write.
Secrets end up nowhere; names only in payloads, which can be erased. THREATS 23."""

from __future__ import annotations

import base64
import io
import json
import logging
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, unquote_plus

import pytest

from runplane_mcp.app import open_desk
from runplane_mcp.core.approval import Answer
from runplane_mcp.core.freeze import Scope
from runplane_mcp.gate.freezing import start_freeze
from runplane_mcp.interfaces.logs import RedactingFormatter
from runplane_mcp.interfaces.mcp.toolset import Toolset
from runplane_mcp.simulator import SEED, SIMULATOR_KEY, Fault, FaultKind
from runplane_mcp.simulator.exchange import Asked
from runplane_mcp.store.base import Transaction
from runplane_mcp.store.sqlite import open_store
from runplane_mcp.store.verify import verify
from tests.core.secret_answers import CARD, IBAN, KEY
from tests.interfaces.conftest import Company
from tests.interfaces.test_mcp_stdio import ROOT

SECRETS = {
    "key": KEY,
    "card": CARD,
    "spaced card": "4000 0566 5566 5556",
    "bank": IBAN,
    "webhook": "whsec_" + "Qq1Ww2Ee3Rr4",
    "client": "pi_3Planted_secret_Zz9Yy8Xx7",
    "identity": "536-22-8791",
    "password": "hunter2squared",
    "address": "ada:open-sesame",
}
#: What a text of a customer's or an agent's could say. The last two are secrets by what stands before them.
SAID = (
    f"{KEY}, {CARD} and {SECRETS['spaced card']}, {IBAN}, {SECRETS['webhook']} {SECRETS['client']} {SECRETS['identity']} "
    f"password: hunter2squared https://ada:open-sesame@example.com/x"
)
NAME, EMAIL, PHONE, STREET = (
    "Zephyrine Quackenbush",
    "zq@quackenbush.example",
    "+1 555 010 7788",
    "77 Wobblethorpe Lane",
)
PERSONAL = ("Zephyrine", "Quackenbush", "quackenbush.example", "555 010 7788", "Wobblethorpe")
WORDS = f"{NAME}, {EMAIL}, {PHONE}, {STREET}"


def plant(company: Company) -> None:
    """Everything that a customer of the simulated company could have written says a name and all kinds of secrets."""
    note = f"{WORDS}; {SAID}"[:490]
    told = {"name": NAME, "email": EMAIL, "phone": PHONE, "description": f"{WORDS}; {SAID}"}
    for path, more in {
        "/v1/customers/cus_ada": told,
        f"/v1/payment_intents/{SEED.payment_intent_900}": {"description": note},
        f"/v1/disputes/{SEED.dispute}": {"evidence[uncategorized_text]": SAID},
    }.items():
        answer = company.world.answer(asked("POST", path, {**more, "metadata[note]": note}))
        assert answer.status in {200, 404}, answer.body


def asked(method: str, path: str, fields: dict[str, str]) -> Asked:
    body = "&".join(f"{quote(name, safe='[]')}={quote_plus(value)}" for name, value in fields.items())
    headers = {
        "authorization": f"Bearer {SIMULATOR_KEY}",
        "content-type": "application/x-www-form-urlencoded",
        "idempotency-key": f"planted-{path}",
    }
    return Asked(method, path, "", headers, body.encode())


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """What our handler would have written to stderr, at the most talkative level."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(RedactingFormatter("%(levelname)s %(name)s: %(message)s"))
    root, ours = logging.getLogger(), logging.getLogger("runplane_mcp")
    before = ours.level
    root.addHandler(handler)
    ours.setLevel(logging.DEBUG)
    yield stream
    ours.setLevel(before)
    root.removeHandler(handler)


async def live(company: Company) -> list[Any]:
    """Everything that can happen to a request. Returns what the agent was answered."""
    said: list[Any] = []
    own = {"justification": f"{WORDS} asked; {SAID}", "ticket": f"{NAME} {SAID}"[:190]}
    async with company.connected() as connected, company.client(connected.gate, toolset=Toolset.ALL) as all_tools:

        async def call(tool: str, **arguments: Any) -> Any:
            answered = await all_tools.call(tool, **arguments)
            said.append(answered.result.model_dump(mode="json"))
            return answered

        # Allowed, and read.
        await call("create_refund", payment_intent=SEED.payment_intent_40, **own, idempotency_key=f"refund {NAME} 1")
        await call("create_refund", payment_intent=SEED.payment_intent_40, **own, repeat_of=f"{NAME} {SAID}"[:60])
        await call("create_customer", name=NAME, email=EMAIL, phone=PHONE, description=WORDS, **own)
        await call("update_customer", customer="cus_ada", name=NAME, metadata={"street": STREET})
        await call("list_customers", email=EMAIL)
        await call("retrieve_customer", customer="cus_ada")
        await call("retrieve_customer", customer=EMAIL)
        await call("list_payment_intents", limit=50)
        # Refused: secrets as parameters, wrong types, tools and parameters that there are not.
        await call("update_customer", customer="cus_ada", description=SAID)
        await call("update_customer", customer="cus_ada", metadata={"pan": CARD})
        await call("create_customer", name=SAID)
        await call("create_refund", payment_intent=KEY, amount=SAID)
        await call("create_refund", payment_intent=SEED.payment_intent_900, amount=100, note=WORDS, **{SAID[:60]: NAME})
        await call("create_refund", payment_intent=SEED.payment_intent_900, idempotency_key=KEY)
        await call("create_refund", payment_intent=SEED.payment_intent_900, repeat_of=KEY[:40])
        await call(f"pay {NAME}", to=WORDS, card={"number": CARD, "cvc": "9071"})
        await call(f"pay_{CARD}", api_key=KEY)
        await call("get_request", request_id=f"{NAME} {KEY}"[:60])
        # Stripe refuses, and fails.
        await call("create_refund", payment_intent="pi_none", amount=100, **own)
        await call("update_customer", customer=EMAIL, balance=-50_000, **own)
        await call("delete_customer", customer=EMAIL, **own)
        await call("create_refund", charge=EMAIL, amount=100, **own)
        await call("update_subscription", subscription=NAME, **own)
        await call("create_payout", amount=100, currency="usd", destination=EMAIL, **own)
        await call("create_transfer", amount=100, currency="usd", destination=EMAIL, **own)
        await call("create_coupon", id="ZephyrineQ", percent_off=50, duration="once", name=NAME, **own)
        company.world.add_fault(Fault(FaultKind.ERROR_500, method="GET", path_prefix="/v1/customers"))
        await call("list_customers", email=EMAIL)
        # Held: approved and executed, denied with words, canceled, asked again.
        held = await call("create_refund", payment_intent=SEED.payment_intent_900, **own)
        assert held.status == "waiting"
        async with open_desk(company.settings, clock=company.clock()) as desk:
            card = await desk.card(held.request_id)
            said += [repr(card), repr(await desk.life(held.request_id))]
        await company.vote(held.request_id, Answer.YES, f"fine with {NAME}; {SAID}")
        await call("wait_for_request", request_id=held.request_id, seconds=20)
        done = await call("get_request", request_id=held.request_id)
        assert done.status == "succeeded"
        denied = await call("delete_customer", customer="cus_ada", **own)
        await company.vote(denied.request_id, Answer.NO, f"not for {NAME}; {SAID}")
        await call("get_request", request_id=denied.request_id)
        taken_back = await call("create_payout", amount=900_000, currency="usd", description=WORDS, **own)
        await call("cancel_request", request_id=taken_back.request_id)
        async with open_desk(company.settings, clock=company.clock()) as desk:
            await start_freeze(desk, Scope(), said_by="maria", reason=f"{NAME} called; {SAID}"[:190])
        await call("create_refund", payment_intent=SEED.payment_intent_120, **own)
        await call("list_requests")
    return said


def clear_columns(database: Path) -> Iterator[tuple[str, bytes]]:
    """Every value of every table but the payloads, with where it stands."""
    with closing(sqlite3.connect(database)) as store:
        tables = [name for (name,) in store.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        for table in tables:
            if table == "payload":
                continue
            rows = store.execute(f'SELECT * FROM "{table}"')
            names = [each[0] for each in rows.description]
            for row in rows:
                for name, value in zip(names, row, strict=True):
                    yield f"{table}.{name}", value if isinstance(value, bytes) else str(value).encode()


def payloads(database: Path) -> list[str]:
    """What stands in the payloads, with the bytes of wire requests as they read."""
    found = []
    with closing(sqlite3.connect(database)) as store:
        for (body,) in store.execute("SELECT body FROM payload"):
            text = body.decode()
            found.append(json.dumps(json.loads(text), ensure_ascii=False))
            content = json.loads(text)
            wires = [content, content.get("wire")] if isinstance(content, dict) else []
            for wire in wires:
                if isinstance(wire, dict) and "content_type" in wire:
                    sent = base64.b64decode(wire["body"]).decode()
                    found.append(unquote_plus(f"{wire['path']} {wire['query']} {sent}"))
    return found


def spelled(text: str) -> set[bytes]:
    """A text as it could stand in a file."""
    forms = {text, quote(text), quote_plus(text), json.dumps(text)[1:-1]}
    return {form.encode() for form in forms}


def command(company: Company, *arguments: str) -> str:
    """What a command of people's prints about the home."""
    done = subprocess.run(
        [sys.executable, "-m", "runplane_mcp", *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "RUNPLANE_HOME": str(company.settings.home)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


async def test_secrets_end_up_nowhere_and_names_only_in_payloads(company: Company, logged: io.StringIO) -> None:
    plant(company)
    answers = await live(company)
    database = company.settings.database
    stored, in_payloads, in_clear = company.stored(), payloads(database), list(clear_columns(database))

    listed = command(company, "requests", "list", "--limit", "500", "--json")
    shown = ""
    for each in [each for each in json.loads(listed) if each["status"] == "denied"][:1]:
        shown += command(company, "requests", "show", each["request_id"])

    # The planting worked: names are where they may be, and the agent was answered all along.
    for mark in PERSONAL:
        assert any(mark in each for each in in_payloads), mark
    assert len(answers) > 30
    assert "Zephyrine" in shown
    for name, secret in SECRETS.items():
        for form in spelled(secret):
            assert form not in stored, name
        assert not any(secret in each for each in in_payloads), name
        assert secret not in listed + shown + logged.getvalue(), name
        assert secret not in json.dumps(answers, ensure_ascii=False, default=str), name
    for mark in PERSONAL:
        for form in spelled(mark):
            places = {place for place, value in in_clear if form.lower() in value.lower()}
            assert not places, mark
        assert mark not in logged.getvalue(), mark
    assert verify(database).ok


async def test_a_tool_that_there_is_not_is_not_named_in_the_log(company: Company, logged: io.StringIO) -> None:
    """Where even the refusal cannot be written down, the log says that; the name may be anything that an agent wrote."""
    async with company.connected() as connected:
        await connected.gate.store.close()
        answer = await connected.call(f"pay {NAME}")

    assert answer.result.is_error
    assert "an unknown tool" in logged.getvalue()
    assert "Zephyrine" not in logged.getvalue()


async def test_what_is_erased_is_gone_from_the_file(company: Company) -> None:
    """Payloads are overwritten where they stood; nothing else of the database says a name."""
    plant(company)
    await live(company)
    store = open_store(company.settings.database)
    with closing(sqlite3.connect(store.path)) as reader:
        names = [row[0] for row in reader.execute("SELECT commitment FROM payload")]

    def erase(tx: Transaction) -> None:
        for name in names:
            tx.erase_payload(name)

    await store.write(erase)
    await store.scrub()
    await store.close()
    stored = company.stored()

    for mark in PERSONAL:
        for form in spelled(mark):
            assert form not in stored, mark
