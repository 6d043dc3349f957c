"""Erasing a customer: nothing of them is left in the home's database, the log is whole, and everything that shows a request
says that it was erased."""

from __future__ import annotations

import asyncio
import base64
import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from runplane_mcp.app import create_home, open_desk, open_gate
from runplane_mcp.core.approval import Answer, Role
from runplane_mcp.core.catalog import load as load_catalog
from runplane_mcp.core.freeze import Scope
from runplane_mcp.core.request import State
from runplane_mcp.errors import PersonError, RequestError
from runplane_mcp.gate.audit import erasing as erasing_module
from runplane_mcp.gate.audit.erasing import Erased, erase, held_of
from runplane_mcp.gate.audit.signatures import check_signatures
from runplane_mcp.gate.desk import Desk
from runplane_mcp.gate.explaining import explained
from runplane_mcp.gate.freezing import start_freeze
from runplane_mcp.gate.policies import Policies
from runplane_mcp.gate.replaying import replay
from runplane_mcp.gate.view import RequestView
from runplane_mcp.gate.why import why
from runplane_mcp.settings import Settings
from runplane_mcp.simulator import SEED, Fault, FaultKind
from runplane_mcp.store.base import Transaction
from runplane_mcp.store.sqlite import SqliteStore, open_store
from runplane_mcp.store.verify import verify
from tests.crash import Probe, points_of, run_and_kill
from tests.gate.conftest import CHEAP_SCRYPT, SECRET, FakeClock, House, refund, submission, until

CUSTOMER = SEED.customer_ada
#: One for each place in which somebody's words can come into a home.
WORDS = {
    "justification": "Zebedee-one asked for it",
    "ticket": "Zebedee-two",
    "idempotency_key": "Zebedee-three",
    "name": "Zebedee-four",
    "description": "Zebedee-five",
    "note": "Zebedee-six said no",
    "arguments": "Zebedee-seven",
    "freeze": f"{CUSTOMER} is Zebedee-eight",
    "justification of a read": "Zebedee-nine",
    "answer": "Ada Moreno",
}
ENDING = submission("DeleteCustomersCustomer", {"customer": CUSTOMER})
OPEN = submission("DeleteSubscriptionsSubscriptionExposedId", {"subscription_exposed_id": SEED.subscription_monthly})


async def lived(house: House) -> tuple[RequestView, RequestView]:
    """A home in which much was said of one customer: a refund that ran, and an ending that a person said no to."""
    await house.enrol()
    async with house.gate() as gate:
        own = {name: WORDS[name] for name in ("justification", "ticket", "idempotency_key")}
        ran = await gate.submit(refund(SEED.payment_intent_900, None, **own))
        assert ran.status is State.WAITING
        await house.vote(ran)
        ran = await until(gate, ran, State.SUCCEEDED)
        changes: dict[str, object] = {
            "customer": CUSTOMER,
            "name": WORDS["name"],
            "description": WORDS["description"],
        }
        await gate.submit(submission("PostCustomersCustomer", changes))
        denied = await gate.submit(ENDING)
        assert denied.status is State.WAITING
        await house.vote(denied, Answer.NO, note=WORDS["note"])
        wrong: dict[str, object] = {"customer": CUSTOMER, "name": 1.5}
        refused = await gate.submit(
            replace(
                submission("PostCustomersCustomer", wrong), asked={"customer": CUSTOMER, "name": WORDS["arguments"]}
            )
        )
        assert refused.status is State.FAILED
        why_read = WORDS["justification of a read"]
        await gate.submit(submission("GetCustomersCustomer", {"customer": CUSTOMER}, justification=why_read))
        await gate.submit(refund(SEED.payment_intent_40))
        async with house.desk() as desk:
            await start_freeze(desk, Scope(agent="nobody"), reason=WORDS["freeze"])
    return ran, denied


async def erased(house: House, customer: str = CUSTOMER, *, admin: str = "maria") -> Erased:
    async with house.desk() as desk:
        return await erase(desk, customer, admin=admin, secret=f"{SECRET} {admin}")


def raw(home: Path) -> bytes:
    """All bytes of the database's files; the simulator, which stands for Stripe, has its own."""
    return b"".join(each.read_bytes() for each in sorted(home.glob("runplane.db*")))


def left(home: Path) -> set[str]:
    """The places whose words are still in the home; in base64 too, as the bytes of requests are kept."""
    found, bytes_now = set(), raw(home)
    for place, words in WORDS.items():
        plain = words.encode()
        forms = [plain]
        for written in (plain, plain.replace(b" ", b"+")):
            # Whatever stands before it: three shifts, each without the letters that its neighbours share.
            forms += [base64.b64encode(b"\0" * shift + written)[4:-4] for shift in range(3)]
        if any(form in bytes_now for form in forms):
            found.add(place)
    return found


async def test_nothing_of_a_customer_is_left_in_the_files_and_the_log_is_whole(house: House) -> None:
    ran, _ = await lived(house)
    assert left(house.home) == WORDS.keys()
    async with house.gate():
        done = await erased(house)

    assert (done.by, done.requests) == ("maria", 5)
    assert left(house.home) == set()
    whole = verify(house.settings.database)
    assert (whole.ok, whole.problem) == (True, None)
    async with house.desk() as desk:
        other = await held_of(desk, SEED.customer_ben)
        assert other.payloads > 0, "another customer's requests are as they were"
        assert check_signatures(house.settings.database).problem is None
        life = await desk.life(ran.request_id)
    again = await erased(house)
    assert (again.requests, again.payloads) == (0, 0), "a second time there is nothing left"
    assert verify(house.settings.database).events == whole.events
    assert life.erasure is not None
    assert life.erasure.by == "maria"
    assert life.erasure.kept["moved"] == life.erasure.kept["amount"] == {"amount": 90_000, "currency": "usd"}
    assert life.erasure.kept["decided_by"]


async def test_everything_that_shows_a_request_goes_on_and_says_so(house: House) -> None:
    ran, denied = await lived(house)
    await erased(house)

    async with house.desk() as desk:
        with pytest.raises(RequestError) as card:
            await desk.card(ran.request_id)
        told = await why(desk, CUSTOMER, limit=20)
        explanation = await desk.store.read(lambda reader: explained(reader, desk.policies, ran.reference))
        policy = await desk.store.read(desk.policies.enforced)
        again = await desk.store.read(lambda reader: replay(reader, desk.policies.catalog, policy, since=None))
    async with house.gate() as gate:
        same = await gate.submit(ENDING)
        view = await gate.get("stdio", ran.request_id)

    assert card.value.code == "request.erased"
    assert "maria has erased" in card.value.message
    assert len(told.lives) == 4
    assert all(life.erasure is not None for life in told.lives)
    assert all(vote in told.genuine for life in told.lives for vote in life.votes)
    assert all(each.facts == {} for each in explanation.decisions)
    assert again.erased > 0
    assert (view.status, view.result) == (State.SUCCEEDED, None)
    assert (same.status, same.request_id) == (State.DENIED, denied.request_id), "the same is known by its hash"


async def test_only_an_administrator_erases_and_nothing_while_a_request_about_them_is_open(house: House) -> None:
    await lived(house)
    await house.enrol("ben", role=Role.APPROVER, by="maria")
    with pytest.raises(PersonError) as not_admin:
        await erased(house, admin="ben")
    async with house.desk() as desk:
        with pytest.raises(PersonError) as wrong:
            await erase(desk, CUSTOMER, admin="maria", secret="not it at all")
        with pytest.raises(RequestError) as no_id:
            await erase(desk, "ada moreno", admin="maria", secret=f"{SECRET} maria")

    async with house.gate() as gate:
        waiting = await gate.submit(OPEN)
    assert waiting.status is State.WAITING
    with pytest.raises(RequestError) as unfinished:
        await erased(house)

    assert unfinished.value.code == "request.unfinished"
    assert waiting.reference in unfinished.value.message
    codes = (not_admin.value.code, wrong.value.code, no_id.value.code)
    assert codes == ("person.not_admin", "person.secret", "request.customer")
    assert left(house.home) == WORDS.keys()


async def test_what_runs_at_that_moment_is_waited_for_and_what_comes_later_is_said(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent that never pauses asking about somebody cannot keep an administrator from erasing them."""
    await house.enrol()
    house.world.add_fault(Fault(FaultKind.DELAY, method="POST", path_prefix="/v1/refunds", seconds=0.3))
    scrub = SqliteStore.scrub
    asking = submission("GetCustomersCustomer", {"customer": CUSTOMER}, justification=WORDS["justification of a read"])
    async with house.gate() as gate, asyncio.timeout(20):

        async def asked_meanwhile(store: SqliteStore) -> None:
            await gate.submit(asking)
            await scrub(store)

        monkeypatch.setattr(SqliteStore, "scrub", asked_meanwhile)
        own = refund(SEED.payment_intent_900, 2_000, justification=WORDS["justification"])
        sending = asyncio.create_task(gate.submit(own))
        while not house.world.summary()["writes"]["received"]:
            await gate.change(0.01)
        first = await erased(house)
        places = left(house.home)
        second = await erased(house)

    assert (await sending).status is State.SUCCEEDED
    assert (first.requests, first.meanwhile, second.requests) == (1, 1, 1)
    assert places == {"justification of a read"}
    assert verify(house.settings.database).ok


async def test_an_erasure_that_nobody_signed_is_none(house: House) -> None:
    """THREATS 24: whoever can write the file can take payloads away, but not in an administrator's name."""
    ran, _ = await lived(house)

    def forge(tx: Transaction) -> None:
        names = tx.payloads_of(ran.request_id)
        said = {"customer": CUSTOMER, "kept": {}, "by": "maria", "signed_at": 1, "signature": "00" * 64}
        tx.append("erased", {"commitments": list(names), **said}, at=1, request_id=ran.request_id)  # type: ignore[dict-item]
        for name in names:
            tx.erase_payload(name)

    async with house.desk() as desk:
        await desk.store.write(forge)
        life = await desk.life(ran.request_id)
        found = verify(house.settings.database)
        signatures = check_signatures(house.settings.database)
        with pytest.raises(RequestError) as card:
            await desk.card(ran.request_id)

    assert life.erasure is None
    assert (found.ok, list(found.erasures)) == (True, [signatures.first_bad])
    assert "no administrator" in (signatures.problem or "")
    assert "nobody signed" in card.value.message


def home_with_a_customer(home: Path) -> Settings:
    settings = Settings(home=home)

    async def make() -> None:
        async with create_home(settings):
            pass
        async with open_desk(settings, clock=FakeClock(), scrypt_n=CHEAP_SCRYPT) as desk:
            await desk.add_person("maria", role=Role.ADMIN, groups=frozenset({"finance"}), secret=f"{SECRET} maria")
        async with open_gate(settings, simulator=True, clock=FakeClock()) as gate:
            for name in ("name", "description"):
                changes: dict[str, object] = {"customer": CUSTOMER, name: WORDS[name]}
                await gate.submit(submission("PostCustomersCustomer", changes))

    asyncio.run(make())
    return settings


def erasing(settings: Settings, probe: Probe) -> None:
    async def run() -> None:
        store = open_store(settings.database, probe=probe)
        desk = Desk(store=store, policies=Policies(load_catalog()), clock=FakeClock(), gates=settings.gates)
        await erase(desk, CUSTOMER, admin="maria", secret=f"{SECRET} maria")
        probe("erased")
        await store.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("point", "erased_before"),
    [
        pytest.param("store.begun", 0, marks=pytest.mark.slow),
        ("store.before_commit", 0),
        pytest.param("store.told", 1, marks=pytest.mark.slow),
        pytest.param("store.before_commit#2", 1, marks=pytest.mark.slow),
        ("store.after_commit#2", 2),
    ],
)
def test_an_erasure_that_is_cut_is_done_again_from_where_it_was(
    tmp_path: Path, point: str, erased_before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each transaction of it is whole; here it is one for each request."""
    monkeypatch.setattr(erasing_module, "_AT_ONCE", 1)
    settings = home_with_a_customer(tmp_path / "home")
    run_and_kill(lambda probe: erasing(settings, probe), point)
    cut = verify(settings.database)

    assert (cut.ok, cut.problem) == (True, None)
    assert len(cut.erasures) == erased_before
    assert "erased" in points_of(lambda probe: erasing(settings, probe))
    after = verify(settings.database)
    assert (after.ok, len(after.erasures)) == (True, 2)
    assert left(settings.home) == set()
    with closing(sqlite3.connect(settings.database)) as connection:
        bodies = connection.execute("SELECT body FROM event WHERE type = 'erased'").fetchall()
    assert {json.loads(body)["customer"] for (body,) in bodies} == {CUSTOMER}
