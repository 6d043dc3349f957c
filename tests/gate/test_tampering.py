"""Whoever rewrites history is found: by the log itself, by a signature, by the checkpoint beside the database or by a copy
kept elsewhere; and where there is nothing to find it by, `audit` says so (THREATS 24)."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from runplane_mcp.app import create_home
from runplane_mcp.core.approval import Answer, Role
from runplane_mcp.core.checkpoint import EPOCH_BEGUN, parse, sign
from runplane_mcp.core.freeze import Scope
from runplane_mcp.core.log_key import key_statement
from runplane_mcp.core.request import State
from runplane_mcp.errors import CheckpointError
from runplane_mcp.gate.acts import signed_body
from runplane_mcp.gate.audit.auditing import Audit, Said, audit
from runplane_mcp.gate.audit.log_keys import newest_checkpoint, rotate
from runplane_mcp.gate.freezing import lift_freezes, start_freeze
from runplane_mcp.gate.people import trusted, unlock
from runplane_mcp.gate.resolving import resolve
from runplane_mcp.gate.restored import restore_content
from runplane_mcp.settings import Settings
from runplane_mcp.simulator import SEED, Fault, FaultKind, Simulator
from runplane_mcp.store.checkpoints import Kept
from runplane_mcp.store.log_key import make_key, public_hex, read_key
from runplane_mcp.store.reading import reading
from runplane_mcp.store.rows import VOTE_COLUMNS, row_digest
from tests.gate.conftest import SECRET, FakeClock, House, refund, until
from tests.gate.rewriting import Bodies, bodies, copied_home, place_of, rewrite, sign_anew, unguarded
from tests.gate.test_lowering import decided, lowered

MARIA = f"{SECRET} maria"


@dataclass(frozen=True)
class Log:
    """A home with a log of everything that is signed, two checkpoints of it kept elsewhere, and what came between."""

    settings: Settings
    early: Path
    late: Path

    @property
    def database(self) -> Path:
        return self.settings.database

    def audit(self, *copies: Path) -> Audit:
        return audit(self.database, self.settings.checkpoint_file, copies=copies)

    @property
    def events(self) -> int:
        return len(bodies(self.database))


async def _live(home: Path, early: Path, late: Path) -> None:
    settings = Settings(home=home)
    async with create_home(settings):
        pass
    clock = FakeClock()
    world = Simulator(settings.simulator_file, now=lambda: clock.policy_ms // 1000)
    house = House(home, clock, settings, world)
    kept = Kept(settings.checkpoint_file, settings.log_key)
    await house.enrol()
    await house.enrol("lee", "finance", role=Role.APPROVER, by="maria")
    async with house.gate() as gate:
        held = await gate.submit(refund(SEED.payment_intent_900))
        less = await lowered(house, held)
        await house.vote(await decided(gate, less), Answer.YES, person="lee")
        await until(gate, await gate.get("stdio", less.request.id), State.SUCCEEDED)
        early.write_bytes(newest_checkpoint(settings.database, kept)[0].encode())
        world.add_fault(Fault(FaultKind.ERROR_500, method="POST", path_prefix="/v1/refunds", remembered=True))
        lost = await gate.submit(refund(SEED.payment_intent_40))
        assert lost.status is State.OUTCOME_UNKNOWN
    async with house.desk() as desk:
        await resolve(desk, lost.reference, outcome=State.SUCCEEDED, admin="maria", secret=MARIA, evidence="Seen.")
        await start_freeze(desk, Scope())
        await lift_freezes(desk, await desk.frozen(), admin="maria", secret=MARIA)
        text = (await desk.store.read(desk.policies.activation)).text + "\n# once more\n"
        settings.policy_file.write_text(text)
        await desk.activate_policy(text, file="policies.yaml", as_person="maria", secret=MARIA)
        await rotate(desk, settings.log_key, admin="maria", secret=MARIA)
        late.write_bytes(newest_checkpoint(settings.database, kept)[0].encode())
    async with house.gate():
        pass
    world.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Log:
    folder = tmp_path_factory.mktemp("whole")
    log = Log(Settings(home=folder / "home"), folder / "early.txt", folder / "late.txt")
    asyncio.run(_live(log.settings.home, log.early, log.late))
    return log


@pytest.fixture
def log(whole: Log, tmp_path: Path) -> Log:
    return Log(copied_home(whole.settings, tmp_path / "home"), whole.early, whole.late)


def size(copy: Path) -> int:
    return parse(copy.read_bytes()).checkpoint.size


def test_a_log_that_nobody_touched_is_anchored_and_every_signature_holds(log: Log) -> None:
    found = log.audit(log.early, log.late)

    assert (found.ok, found.anchored, found.problem, found.first_bad) == (True, True, None, None)
    assert [each.said for each in found.compared] == [Said.SAME] * 3
    assert [each.beside for each in found.compared] == [True, False, False]
    assert [each.size for each in found.compared] == [log.events, size(log.early), size(log.late)]
    # The first two keys and people, lee's vote, the lowering, the resolution, the freeze, the policy.
    assert found.signatures.checked == 9
    assert found.signatures.unchecked == {}
    # The early one is by the key that was replaced since.
    assert found.compared[0].key == found.compared[2].key != found.compared[1].key


# ── what the log itself tells ─────────────────────────────────────────────────────────────────────────────────────

CLUMSY: dict[str, tuple[tuple[str, ...], int]] = {
    "changed": (("UPDATE event SET body = CAST(replace(CAST(body AS TEXT), 'lee', 'eve') AS BLOB) WHERE seq = 4",), 4),
    "deleted": (("DELETE FROM event WHERE seq = 5",), 5),
    "reordered": (
        ("UPDATE event SET seq = 999 WHERE seq = 5", "UPDATE event SET seq = 5 WHERE seq = 6",
         "UPDATE event SET seq = 6 WHERE seq = 999"), 5,
    ),
    "truncated": (("DELETE FROM event WHERE seq > 7",), 8),
}  # fmt: skip


@pytest.mark.parametrize(("statements", "first_bad"), CLUMSY.values(), ids=CLUMSY.keys())
def test_clumsy_hands_are_found_at_the_event(log: Log, statements: tuple[str, ...], first_bad: int) -> None:
    with unguarded(log.database) as database:
        for statement in statements:
            database.execute(statement)
    found = log.audit(log.late)

    assert (found.ok, found.anchored, found.first_bad) == (False, False, first_bad)


@pytest.mark.parametrize("groups", ["[", "3", '[["finance"]]', '[1, "finance"]', "[" * 100_000])
def test_groups_that_are_none_are_found_and_stop_no_audit(log: Log, groups: str) -> None:
    with unguarded(log.database) as database:
        database.execute("UPDATE person SET groups = ? WHERE id = 'lee'", (groups,))
    found = log.audit()

    assert not found.ok
    assert found.first_bad == next(s["seq"] for s in bodies(log.database) if s.get("person") == "lee")
    assert "Who may sign" in str(found.signatures.problem)


def test_an_inserted_event_is_found(log: Log) -> None:
    with unguarded(log.database) as database:
        last = log.events
        database.execute(
            "INSERT INTO event SELECT seq + 1, at, type, request_id, body, leaf FROM event WHERE seq = ?", (last,)
        )
    found = log.audit()

    assert (found.ok, found.first_bad) == (False, last + 1)


BESIDE: dict[str, tuple[str, ...]] = {
    "limits": ("DELETE FROM reservation", "DELETE FROM subtotal"),
    "ids": ("DELETE FROM mention WHERE stripe_id LIKE 'cus_%'",),
    "histories": ("UPDATE request SET about_customer = NULL",),
}


@pytest.mark.parametrize("statements", BESIDE.values(), ids=BESIDE.keys())
def test_what_was_emptied_beside_the_requests_is_found_at_an_event_of_one(
    log: Log, statements: tuple[str, ...]
) -> None:
    with unguarded(log.database) as database:
        for statement in statements:
            assert database.execute(statement).rowcount > 0
    found = log.audit(log.late)

    assert not found.ok
    assert bodies(log.database)[(found.first_bad or 0) - 1]["type"].startswith("request.")


# ── what a signature tells, where everything else was made to fit ─────────────────────────────────────────────────


def _said_no(log: Log) -> None:
    """Lee's yes becomes a no, in the row and in its event."""
    with unguarded(log.database) as database:
        database.execute("UPDATE vote SET answer = 'no'")
        row = database.execute(f"SELECT {', '.join(VOTE_COLUMNS)} FROM vote").fetchone()
    digest = row_digest(VOTE_COLUMNS, row)
    at = place_of(log.database, "vote") - 1
    rewrite(log.database, lambda said: said[at].update(answer="no", row=digest))


def _another_key(log: Log) -> None:
    """Lee's key becomes one that the attacker holds."""
    key = public_hex(Ed25519PrivateKey.generate())
    with unguarded(log.database) as database:
        database.execute("UPDATE person SET public_key = ? WHERE id = 'lee'", (key,))
    at = place_of(log.database, "person.added") - 1
    rewrite(log.database, lambda said: said[at].update(public_key=key))


def _another_policy(log: Log) -> None:
    text = "version: 1\n"
    version = hashlib.sha256(text.encode()).hexdigest()
    with unguarded(log.database) as database:
        database.execute("INSERT INTO policy VALUES (?, ?)", (version, text))
        database.execute("UPDATE enforced_policy SET version = ?", (version,))
    at = place_of(log.database, "policy.activated") - 1
    rewrite(log.database, lambda said: said[at].update(version=version))


def _by_itself(log: Log) -> None:
    with unguarded(log.database) as database:
        database.execute("UPDATE enforced_policy SET by = 'first'")
    _changed("policy.activated", by="first")(log)


def _changed(type: str, **words: Any) -> Callable[[Log], None]:
    def change(log: Log) -> None:
        at = place_of(log.database, type) - 1
        rewrite(log.database, lambda said: said[at].update(**words))

    return change


def _key_by_nobody(log: Log) -> None:
    """The last key becomes one of the attacker's, proven to be held, over an old signature of the administrator's."""
    key = Ed25519PrivateKey.generate()
    at = place_of(log.database, "log_key.rotated") - 1

    def change(said: Bodies) -> None:
        now = said[at]
        store = parse(log.late.read_bytes()).checkpoint.store
        statement = key_statement(
            store=store, public_key=public_hex(key), previous=now["previous"], at=now["signed_at"]
        )
        now.update(public_key=public_hex(key), proof=key.sign(statement).hex())

    rewrite(log.database, change)


FORGED: dict[str, tuple[Callable[[Log], None], str]] = {
    "a vote": (_said_no, "vote"),
    "an enrolment": (_another_key, "person.added"),
    "an activation": (_another_policy, "policy.activated"),
    "an activation that proves itself": (_by_itself, "policy.activated"),
    "the end of a freeze": (_changed("freeze.lifted", by="lee"), "freeze.lifted"),
    "a resolution": (_changed("resolve", signature="00" * 64), "resolve"),
    "a lowering": (_changed("lower", signature="00" * 64), "lower"),
    "a key of the log": (_key_by_nobody, "log_key.rotated"),
    "a key of the log that is said to be lost": (
        _changed("log_key.rotated", lost=True, previous_proof=None), "log_key.rotated",
    ),
    "a key of the log without the one before": (_changed("log_key.rotated", previous_proof="00" * 64), "log_key.rotated"),
    "a first key of the log that nobody holds": (_changed("log_key.added", proof="00" * 64), "log_key.added"),
}  # fmt: skip


@pytest.mark.parametrize(("forge", "type"), FORGED.values(), ids=FORGED.keys())
def test_what_somebody_would_have_had_to_sign_is_found_at_its_event(
    log: Log, forge: Callable[[Log], None], type: str
) -> None:
    """Even where nobody ever kept a checkpoint."""
    at = place_of(log.database, type)
    forge(log)
    log.settings.checkpoint_file.unlink()
    found = log.audit()

    assert found.verification.ok, found.verification.problem
    assert (found.ok, found.first_bad) == (False, at)
    assert found.signatures.problem is not None


def test_a_second_first_key_is_found(log: Log) -> None:
    at = place_of(log.database, "log_key.added") - 1
    rewrite(log.database, lambda said: said.append(dict(said[at])))
    log.settings.checkpoint_file.unlink()
    found = log.audit()

    assert (found.ok, found.first_bad) == (False, log.events)


def test_a_key_in_use_that_is_not_the_newest_of_the_log_is_found(log: Log) -> None:
    """Pointed back at the key before, whoever has that one could go on signing."""
    first = place_of(log.database, "log_key.added")
    with unguarded(log.database) as database:
        database.execute("UPDATE meta SET value = ? WHERE key = 'log_key_seq'", (str(first),))
    log.settings.checkpoint_file.unlink()
    found = log.audit()

    assert not found.ok
    assert "key in use" in str(found.problem)


def test_an_event_with_a_signature_that_nobody_knows_is_counted_and_not_called_checked(log: Log) -> None:
    last = bodies(log.database)[-1]
    rewrite(log.database, lambda said: said.append({**last, "type": "something.signed", "signature": "00"}))
    log.settings.checkpoint_file.unlink()

    assert log.audit().signatures.unchecked == {"something.signed": 1}


# ── what a checkpoint tells ───────────────────────────────────────────────────────────────────────────────────────


def retold(log: Log, at: int) -> None:
    """An event that rests on no signature is told otherwise, and all is made to fit."""
    rewrite(log.database, lambda said: said[at - 1].update(retold=True))
    assert log.audit().verification.ok


def first_start(log: Log) -> int:
    """A gate's first start: before the early checkpoint."""
    return int(next(said["seq"] for said in bodies(log.database) if said["type"] == "gate.started"))


def test_a_rewritten_log_is_not_what_the_checkpoint_beside_it_says(log: Log) -> None:
    retold(log, first_start(log))
    found = log.audit()

    assert (found.ok, found.anchored, found.first_bad) == (False, False, None)
    assert found.between == (1, log.events)
    assert found.compared[0].said is Said.OTHER


def test_copies_narrow_down_where_it_was_rewritten(log: Log) -> None:
    retold(log, size(log.early) + 1)
    found = log.audit(log.early, log.late)

    assert not found.ok
    assert found.between == (size(log.early) + 1, size(log.late))
    assert [each.said for each in found.compared] == [Said.OTHER, Said.SAME, Said.OTHER]


def test_a_rewritten_last_event_is_named(log: Log, tmp_path: Path) -> None:
    """Two copies one event apart."""
    copies = tmp_path / "copies"
    notes = [log.settings.checkpoint_file.read_bytes()]
    state = bodies(log.database)
    cut = copied_home(log.settings, tmp_path / "cut")
    rewrite(cut.database, lambda said: said.pop())
    sign_anew(cut, read_key(log.settings.log_key))
    copies.write_bytes(cut.checkpoint_file.read_bytes() + b"\n" + notes[0])
    retold(log, len(state))

    assert log.audit(copies).first_bad == len(state)


def test_a_log_that_was_cut_and_made_to_fit_is_shorter_than_its_checkpoint(log: Log) -> None:
    last = log.events
    rewrite(log.database, lambda said: said.pop())
    found = log.audit()

    assert found.verification.ok
    assert (found.ok, found.first_bad, found.compared[0].said) == (False, last, Said.SHORTER)


def test_whoever_signs_the_rewritten_log_with_its_own_key_is_found_by_a_copy_alone(log: Log) -> None:
    """The same user, in trial mode: `beside` is said, and what it is worth."""
    retold(log, first_start(log))
    sign_anew(log.settings, read_key(log.settings.log_key))
    beside, found = log.audit(), log.audit(log.early)

    assert (beside.ok, beside.anchored) == (True, True)
    assert [each.beside for each in beside.compared] == [True]
    assert (found.ok, found.anchored) == (False, False)
    assert found.compared[1].said is Said.OTHER


def test_whoever_gives_the_log_another_key_is_found_by_a_copy(log: Log, tmp_path: Path) -> None:
    """The events up to the copy may even be the same: nobody else could have signed it."""
    theirs = make_key(tmp_path / "theirs")
    first, last = place_of(log.database, "log_key.added") - 1, place_of(log.database, "log_key.rotated") - 1

    def change(said: Bodies) -> None:
        store = parse(log.late.read_bytes()).checkpoint.store
        public, at = public_hex(theirs), said[first]["signed_at"]
        proof = theirs.sign(key_statement(store=store, public_key=public, previous=None, at=at)).hex()
        said[first].update(public_key=public, proof=proof)
        # No administrator signs a change of it for them: so there was none.
        said[last].update(type="something")
        for name in ("signature", "public_key", "previous", "previous_seq"):
            said[last].pop(name)

    rewrite(log.database, change)
    with unguarded(log.database) as database:
        database.execute("UPDATE meta SET value = ? WHERE key = 'log_key_seq'", (str(first + 1),))
    sign_anew(log.settings, theirs)
    beside, found = log.audit(), log.audit(log.late)

    assert (beside.ok, beside.anchored) == (True, True)
    assert (found.ok, found.anchored, found.compared[1].said) == (False, False, Said.UNSIGNED)
    assert "another key" in str(found.problem)


def test_a_checkpoint_by_a_key_that_was_replaced_before_it_does_not_count(log: Log) -> None:
    """Whoever got hold of the old key can sign nothing that came after it."""
    stolen = Ed25519PrivateKey.generate()
    first = place_of(log.database, "log_key.added") - 1

    def change(said: Bodies) -> None:
        store = parse(log.late.read_bytes()).checkpoint.store
        public, at = public_hex(stolen), said[first]["signed_at"]
        said[first].update(
            public_key=public,
            proof=stolen.sign(key_statement(store=store, public_key=public, previous=None, at=at)).hex(),
        )

    rewrite(log.database, change)
    sign_anew(log.settings, stolen)

    assert log.audit().compared[0].said is Said.UNSIGNED


@pytest.mark.parametrize("content", [b"", b"words\n"])
def test_what_is_no_checkpoint_is_a_mismatch(log: Log, content: bytes) -> None:
    log.settings.checkpoint_file.write_bytes(content)
    found = log.audit()

    assert (found.ok, found.anchored, found.compared[0].said) == (False, False, Said.UNSIGNED)


def test_a_forged_one_is_a_mismatch(log: Log) -> None:
    sign_anew(log.settings, Ed25519PrivateKey.generate())

    assert (log.audit().ok, log.audit().compared[0].said) == (False, Said.UNSIGNED)


def test_without_one_a_whole_rewrite_is_honestly_unanchored(log: Log) -> None:
    retold(log, first_start(log))
    log.settings.checkpoint_file.unlink()
    found = log.audit()

    assert (found.ok, found.anchored, found.compared) == (True, False, ())
    # It was kept once: that it is gone is said.
    assert found.expected


def test_a_copy_of_another_log_is_a_mismatch(log: Log, tmp_path: Path) -> None:
    async def make() -> Settings:
        settings = Settings(home=tmp_path / "other")
        async with create_home(settings):
            return settings

    other = asyncio.run(make())
    found = log.audit(other.checkpoint_file)

    assert (found.ok, found.compared[1].said) == (False, Said.OTHER)


def test_a_copy_that_is_none_is_an_error_and_no_verdict(log: Log, tmp_path: Path) -> None:
    (tmp_path / "words").write_text("words\n")
    for name, code in (("words", "checkpoint.malformed"), ("nowhere", "checkpoint.missing")):
        with pytest.raises(CheckpointError) as refused:
            log.audit(tmp_path / name)
        assert refused.value.code == code


# ── epochs ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _restored(log: Log, before: int) -> None:
    """As a restore leaves it: the log up to some event, then an epoch of its own."""
    at = bodies(log.database)[before - 1]["at"]
    with reading(log.database) as reader:
        person, store = trusted(reader)["maria"], reader.store_id()
    key, content = unlock(person, MARIA), restore_content({"epoch": 2})
    signed = signed_body(key, person, store=store, act=EPOCH_BEGUN, content=content, at=at)
    begun = {"v": 1, "at": at, "type": EPOCH_BEGUN, "request_id": None, **content, **signed}

    def change(events: Bodies) -> None:
        del events[before:]
        events.append(begun)

    rewrite(log.database, change)
    with unguarded(log.database) as database:
        database.execute("UPDATE meta SET value = '2' WHERE key = 'epoch'")


def test_what_a_restore_left_behind_says_nothing_and_what_came_before_it_still_counts(log: Log) -> None:
    last = log.events
    _restored(log, last - 1)
    sign_anew(log.settings, read_key(log.settings.log_key))
    behind = log.settings.home / "behind.txt"
    behind.write_bytes(_of_epoch_1(log, last))
    found = log.audit(log.early, behind)

    assert [each.said for each in found.compared] == [Said.SAME, Said.SAME, Said.LEFT_BEHIND]
    assert (found.ok, found.anchored) == (True, True)


def _of_epoch_1(log: Log, events: int) -> bytes:
    there = parse(log.late.read_bytes()).checkpoint
    return sign(replace(there, size=events), read_key(log.settings.log_key)).encode()


def test_an_epoch_that_the_log_does_not_tell_of_is_found(log: Log) -> None:
    with unguarded(log.database) as database:
        database.execute("UPDATE meta SET value = '2' WHERE key = 'epoch'")
    found = log.audit()

    assert not found.ok
    assert "epoch" in str(found.problem)
