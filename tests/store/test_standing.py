"""What must stand behind a move, whoever makes it: plain SQL, past our own code. THREATS 7 and 12."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import product
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runplane_mcp.core.request import State
from runplane_mcp.errors import StoreError
from runplane_mcp.store.base import Transaction
from runplane_mcp.store.faults import UNDECIDED
from runplane_mcp.store.sqlite import open_store
from tests.store.things import a_vote, brought_to, enrolled, moving, sha

OPEN = (State.RECEIVED, State.SCHEDULED, State.WAITING, State.APPROVED, State.EXECUTING, State.OUTCOME_UNKNOWN)
D, OTHER = sha("what was decided"), sha("something else")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A request in each open state, called by it. What decided them was about something else than `D`."""
    path = tmp_path_factory.mktemp("standing") / "runplane.db"

    def fill(tx: Transaction) -> None:
        enrolled(tx, "ada")
        enrolled(tx, "bob")
        for state in OPEN:
            brought_to(tx, state, reference=state.value)
        brought_to(tx, State.DENIED, reference="denied")

    async def main() -> None:
        store = open_store(path)
        await store.write(fill)
        await store.close()

    asyncio.run(main())
    return path


@pytest.fixture
def database(filled: Path) -> Iterator[sqlite3.Connection]:
    """As a stranger opens it, and as it was afterwards."""
    with closing(sqlite3.connect(filled, isolation_level=None)) as connection:
        connection.execute("PRAGMA recursive_triggers = OFF")
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("BEGIN")
        yield connection
        connection.execute("ROLLBACK")


def decided(of: str, outcome: str, *, round: str = "round", digest: str = "digest") -> str:
    """Another decision on the request called `of`, as an expression of its row or of the new one."""
    return (
        "INSERT INTO decision SELECT id, (SELECT coalesce(max(n), 0) + 1 FROM decision WHERE request_id = request.id),"
        f" {round}, 'execution', '{outcome}', 1, 1, '', 0, 'low', NULL, {digest}, '{D}'"
        f" FROM request WHERE reference = '{of}'"
    )


def voted(of: str, answer: str, *, person: str = "bob", round: str = "round", digest: str = "digest") -> str:
    return (
        f"INSERT INTO vote SELECT id, {round}, '{person}', '{answer}', {digest}, 1, 'ed25519', '', NULL"
        f" FROM request WHERE reference = '{of}'"
    )


def moved(of: str, to: str, more: str = "") -> str:
    return f"UPDATE request SET version = version + 1, state = '{to}'{more} WHERE reference = '{of}'"


def attempts(connection: sqlite3.Connection, *statements: str) -> None:
    for statement in statements:
        assert connection.execute(statement).rowcount == 1


def without(connection: sqlite3.Connection, rule: str, statement: str) -> None:
    """What somebody does who takes a rule off and puts it back."""
    (sql,) = connection.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (rule,)).fetchone()
    connection.execute(f"DROP TRIGGER {rule}")
    attempts(connection, statement)
    connection.execute(sql)


def refused(connection: sqlite3.Connection, statement: str) -> bool:
    said = ""
    try:
        attempts(connection, statement)
    except sqlite3.IntegrityError as error:
        said = str(error)
    assert said in {"", UNDECIDED}
    return said == UNDECIDED


FIRST = f", digest = '{D}', effective = asked, stripe_key = 'rp_1', first_attempt_at = 1, attempt = 1"
SENT = ", stripe_key = 'rp_1', first_attempt_at = 1, attempt = attempt + 1"
AGAIN = ", attempt = attempt + 1"
ALLOWED = (decided("received", "allow", digest=f"'{D}'"),)
RELEASED = (decided("scheduled", "allow"),)

#: What stands before a move, and the move as it is right.
RIGHT: dict[str, tuple[tuple[str, ...], str]] = {
    "run what is allowed": (ALLOWED, moved("received", "executing", FIRST)),
    "run what is released": (RELEASED, moved("scheduled", "executing", SENT)),
    "approve what somebody said yes to": ((voted("waiting", "yes"),), moved("waiting", "approved")),
    "run what people approved": ((), moved("approved", "executing", SENT)),
    "run it as it was decided again": (
        (decided("approved", "require_approval"),),
        moved("approved", "executing", SENT),
    ),
    "run it, by now allowed": ((decided("approved", "allow"),), moved("approved", "executing", SENT)),
    "leave it approved, proven unsent": ((), moved("executing", "approved")),
    "send it again": ((), moved("executing", "executing", AGAIN)),
    "send it again, of unknown outcome": ((), moved("outcome_unknown", "executing", AGAIN)),
    "find out": ((), moved("outcome_unknown", "succeeded", ", object_id = 're_1'")),
    "ask people again": (
        (),
        moved("approved", "waiting", f", round = round + 1, digest = '{D}', effective = asked, stripe_key = NULL"),
    ),
    "ask people after all": ((), moved("scheduled", "waiting", f", round = round + 1, digest = '{D}'")),
    "take it back": ((), moved("approved", "canceled")),
}


@pytest.mark.parametrize(("before", "move"), RIGHT.values(), ids=RIGHT.keys())
def test_the_database_lets_a_gate(database: sqlite3.Connection, before: tuple[str, ...], move: str) -> None:
    attempts(database, *before)

    assert not refused(database, move)


NOTHING: tuple[str, ...] = ()
WRONG: dict[str, tuple[tuple[str, ...], str]] = {
    "run what nobody decided": (NOTHING, moved("received", "executing", FIRST)),
    "run what is blocked": (
        (*ALLOWED, decided("received", "block", digest=f"'{D}'")),
        moved("received", "executing", FIRST),
    ),
    "run what needs people": (
        (decided("received", "require_approval", digest=f"'{D}'"),),
        moved("received", "executing", FIRST),
    ),
    "run other bytes than were decided": (
        (decided("received", "allow", digest=f"'{OTHER}'"),),
        moved("received", "executing", FIRST),
    ),
    "run what another round allowed": (
        (decided("received", "allow", round="1", digest=f"'{D}'"),),
        moved("received", "executing", FIRST),
    ),
    "run what another request's decision allows": (
        (decided("scheduled", "allow", digest=f"'{D}'"),),
        moved("received", "executing", FIRST),
    ),
    "run what has no bytes": (
        ALLOWED,
        moved("received", "executing", FIRST.replace("effective = asked", "told = NULL")),
    ),
    "run what has no key": (ALLOWED, moved("received", "executing", FIRST.replace("'rp_1'", "NULL"))),
    "run what was begun at no time": (
        ALLOWED,
        moved("received", "executing", FIRST.replace("first_attempt_at = 1", "first_attempt_at = NULL")),
    ),
    "run without counting": (ALLOWED, moved("received", "executing", FIRST.replace("attempt = 1", "attempt = 0"))),
    "begin with a later attempt": (
        ALLOWED,
        moved("received", "executing", FIRST.replace("attempt = 1", "attempt = 2")),
    ),
    "release what is blocked by now": (
        (decided("scheduled", "block"),),
        moved("scheduled", "executing", SENT),
    ),
    "release what needs people by now": (
        (decided("scheduled", "require_approval"),),
        moved("scheduled", "executing", SENT),
    ),
    "release other bytes": (RELEASED, moved("scheduled", "executing", f"{SENT}, effective = NULL")),
    "release another digest": (
        (decided("scheduled", "allow", digest=f"'{D}'"),),
        moved("scheduled", "executing", f"{SENT}, digest = '{D}'"),
    ),
    "approve what nobody said yes to": (NOTHING, moved("waiting", "approved")),
    "approve what somebody said no to": (
        (voted("waiting", "yes"), voted("waiting", "no", person="ada")),
        moved("waiting", "approved"),
    ),
    "approve something else than was voted on": (
        (voted("waiting", "yes"), decided("waiting", "require_approval", digest=f"'{D}'")),
        moved("waiting", "approved", f", digest = '{D}'"),
    ),
    "approve what no decision asked about": (
        (moved("approved", "waiting", f", round = 2, digest = '{D}'"), voted("approved", "yes")),
        moved("approved", "approved"),
    ),
    "approve what a decision asked about otherwise": (
        (
            moved("approved", "waiting", f", round = 2, digest = '{D}'"),
            decided("approved", "require_approval", digest=f"'{OTHER}'"),
            voted("approved", "yes"),
        ),
        moved("approved", "approved"),
    ),
    "approve what was allowed": (
        (
            moved("approved", "waiting", f", round = 2, digest = '{D}'"),
            decided("approved", "allow"),
            voted("approved", "yes"),
        ),
        moved("approved", "approved"),
    ),
    "approve by the votes of the round before": (
        (
            moved("approved", "waiting", ", round = round + 1, digest = digest"),
            decided("approved", "require_approval"),
        ),
        moved("approved", "approved"),
    ),
    "run what is blocked though people approved it": (
        (decided("approved", "block"),),
        moved("approved", "executing", SENT),
    ),
    "run what was decided anew as something else": (
        (decided("approved", "require_approval", digest=f"'{D}'"),),
        moved("approved", "executing", SENT),
    ),
    "run other bytes than people approved": (NOTHING, moved("approved", "executing", f"{SENT}, effective = NULL")),
    "run another digest than people approved": (
        (decided("approved", "require_approval", digest=f"'{D}'"),),
        moved("approved", "executing", f"{SENT}, digest = '{D}'"),
    ),
    "run what was approved in another round": (NOTHING, moved("approved", "executing", f"{SENT}, round = 2")),
    "leave approved what nobody approved": (
        (*ALLOWED, moved("received", "executing", FIRST)),
        moved("received", "approved"),
    ),
    "send again under another key": (NOTHING, moved("executing", "executing", f"{AGAIN}, stripe_key = 'rp_2'")),
    "send again without a key": (NOTHING, moved("executing", "executing", f"{AGAIN}, stripe_key = NULL")),
    "send other bytes the second time": (NOTHING, moved("executing", "executing", f"{AGAIN}, effective = told")),
    "send again without counting": (NOTHING, moved("executing", "executing")),
    "count backwards": (NOTHING, moved("executing", "outcome_unknown", ", attempt = 0")),
    "have begun later": (NOTHING, moved("executing", "executing", f"{AGAIN}, first_attempt_at = first_attempt_at + 1")),
    "have begun later, of unknown outcome": (
        NOTHING,
        moved("outcome_unknown", "executing", f"{AGAIN}, first_attempt_at = first_attempt_at + 1"),
    ),
    "have begun later, unsent": (NOTHING, moved("executing", "approved", ", first_attempt_at = NULL")),
    "take another key after an unsent attempt": (
        (moved("executing", "approved"),),
        moved("executing", "executing", f"{AGAIN}, stripe_key = 'rp_2'"),
    ),
    "forget the attempts of an earlier round": (
        (moved("executing", "approved"),),
        moved("executing", "waiting", f", round = 2, digest = '{D}', attempt = 0"),
    ),
    "ask again in the same round": (NOTHING, moved("approved", "waiting", f", digest = '{D}'")),
    "go back a round": (NOTHING, moved("approved", "waiting", f", round = round - 1, digest = '{D}'")),
    "leave out a round": (NOTHING, moved("approved", "waiting", f", round = round + 2, digest = '{D}'")),
    "go on to another round without people": (NOTHING, moved("approved", "canceled", ", round = round + 1")),
}


@pytest.mark.parametrize(("before", "move"), WRONG.values(), ids=WRONG.keys())
def test_the_database_lets_nobody(database: sqlite3.Connection, before: tuple[str, ...], move: str) -> None:
    attempts(database, *before)

    assert refused(database, move)


def test_what_an_earlier_program_or_another_hand_left_approved_runs_by_its_votes_alone(
    database: sqlite3.Connection,
) -> None:
    without(database, "request_stands", moved("waiting", "approved"))

    assert refused(database, moved("waiting", "executing", SENT))


def test_a_yes_to_something_else_that_another_hand_left_in_the_round_approves_nothing(
    database: sqlite3.Connection,
) -> None:
    without(database, "vote_stands", voted("waiting", "yes", digest=f"'{OTHER}'"))

    assert refused(database, moved("waiting", "approved"))
    attempts(database, voted("waiting", "yes", person="ada"))
    assert not refused(database, moved("waiting", "approved"))


@pytest.mark.parametrize("how", ["INSERT", "INSERT OR REPLACE", "INSERT OR IGNORE"])
@pytest.mark.parametrize(
    "vote",
    [
        voted("approved", "yes"),
        voted("denied", "yes"),
        voted("executing", "yes"),
        voted("received", "yes", round="1", digest=f"'{D}'"),
        voted("scheduled", "yes"),
        voted("waiting", "yes", round="round + 1"),
        voted("waiting", "yes", digest=f"'{OTHER}'"),
        voted("waiting", "no", digest=f"'{OTHER}'"),
    ],
    ids=["spent", "over", "running", "received", "needs none", "later round", "other digest", "no to something else"],
)
def test_a_vote_is_about_what_waits_as_it_is_now(database: sqlite3.Connection, how: str, vote: str) -> None:
    assert refused(database, vote.replace("INSERT", how, 1))


def test_a_vote_of_a_round_that_is_over_comes_too_late(database: sqlite3.Connection) -> None:
    old = "(SELECT digest FROM decision WHERE request_id = request.id ORDER BY n LIMIT 1)"
    attempts(database, moved("approved", "waiting", f", round = round + 1, digest = '{D}'"))

    assert refused(database, voted("approved", "no", round="round - 1", digest=old))
    assert not refused(database, voted("approved", "no"))


@pytest.mark.parametrize("vote", [voted("waiting", "yes"), voted("waiting", "no"), voted("scheduled", "no")])
def test_what_waits_is_voted_on_and_what_is_scheduled_stopped(database: sqlite3.Connection, vote: str) -> None:
    assert not refused(database, vote)


async def test_our_own_code_hears_it_as_an_error_that_says_so(tmp_path: Path) -> None:
    store = open_store(tmp_path / "runplane.db")
    request = await store.write(lambda tx: brought_to(tx, State.WAITING))
    with pytest.raises(StoreError) as unfounded:
        await store.write(lambda tx: tx.move(request, State.APPROVED, at=1, event={}))
    denied = await store.write(moving(request, State.DENIED))
    with pytest.raises(StoreError) as late:
        await store.write(lambda tx: tx.add_vote(a_vote(denied, enrolled(tx).id)))
    await store.close()

    assert (unfounded.value.code, late.value.code) == ("store.undecided", "store.undecided")


# ── any order of anything ─────────────────────────────────────────────────────────────────────────────────────────

DIGESTS = (f"'{D}'", f"'{OTHER}'", "digest")
DECISIONS = [
    decided("received", outcome, round=round, digest=digest)
    for outcome, round, digest in product(("allow", "require_approval", "block"), ("0", "1", "2"), DIGESTS)
]
VOTES = [
    voted("received", answer, person=person, digest=digest)
    for answer, person, digest in product(("yes", "no"), ("ada", "bob"), DIGESTS)
]
MOVES = [
    moved("received", to, f", round = {round}, digest = {digest}{more}")
    for to, round, digest, more in product(
        ("executing", "waiting", "scheduled", "approved", "outcome_unknown"),
        ("round", "round + 1"),
        DIGESTS,
        (", effective = asked, stripe_key = 'rp_1', first_attempt_at = 1, attempt = attempt + 1", ""),
    )
]
ANYTHING = st.sampled_from(DECISIONS) | st.sampled_from(VOTES) | st.sampled_from(MOVES)
EXECUTING = moved("received", "executing", SENT)
#: Lives as gates make them, to be spoilt.
LIVES = (
    (
        decided("received", "allow", digest=f"'{D}'"),
        moved("received", "executing", FIRST),
        moved("received", "outcome_unknown"),
        moved("received", "executing", AGAIN),
    ),
    (
        decided("received", "allow", round="1", digest=f"'{D}'"),
        moved("received", "scheduled", f", round = 1, digest = '{D}', effective = asked"),
        decided("received", "allow"),
        EXECUTING,
    ),
    (
        decided("received", "require_approval", round="1", digest=f"'{D}'"),
        moved("received", "waiting", f", round = 1, digest = '{D}', effective = asked"),
        voted("received", "yes"),
        moved("received", "approved"),
        decided("received", "allow"),
        EXECUTING,
        moved("received", "approved"),
        EXECUTING,
        moved("received", "approved"),
        decided("received", "require_approval", round="2", digest=f"'{OTHER}'"),
        moved("received", "waiting", f", round = 2, digest = '{OTHER}'"),
        voted("received", "yes"),
        moved("received", "approved"),
        EXECUTING,
    ),
)


@st.composite
def spoilt(draw: st.DrawFn) -> list[str]:
    """A life in which some steps are missing, others come between."""
    statements = []
    for step in draw(st.sampled_from(LIVES)):
        what = draw(st.integers(min_value=0, max_value=7))
        statements += [draw(ANYTHING)] if what == 0 else []
        statements += [step] if what != 1 else []
    return statements


#: Of what stands behind an execution: what the newest decision of the round said, what any said, and the votes.
BEHIND = """
SELECT state, round, digest, attempt, effective, stripe_key, first_attempt_at,
  (SELECT outcome FROM decision WHERE request_id = id ORDER BY n DESC LIMIT 1),
  (SELECT count(*) FROM decision AS d WHERE request_id = id AND d.round = request.round AND d.digest = request.digest
    AND outcome = 'require_approval'),
  (SELECT count(*) FROM vote AS v WHERE request_id = id AND v.round = request.round AND v.digest = request.digest
    AND answer = 'yes'),
  (SELECT count(*) FROM vote AS v WHERE request_id = id AND v.round = request.round AND answer = 'no')
FROM request WHERE reference = 'received'
"""


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(statements=spoilt())
def test_whatever_is_written_nothing_begins_to_run_that_was_neither_allowed_nor_approved(
    filled: Path, statements: list[str]
) -> None:
    with closing(sqlite3.connect(filled, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        state, ran = "received", 0
        for statement in statements:
            try:
                connection.execute(statement)
            except sqlite3.IntegrityError:
                continue
            was = state
            state, _, digest, attempt, *sent, newest, asked, yes, no = connection.execute(BEHIND).fetchone()
            runs = statement.startswith("UPDATE") and state == "executing"
            ran += runs
            assert attempt == ran
            if runs and was in {"received", "scheduled", "approved"}:
                assert digest is not None
                assert None not in sent
                assert newest == "allow" or (newest == "require_approval" and was == "approved")
            if state == "approved" or (runs and was == "approved"):
                assert asked
                assert yes
                assert not no
        connection.execute("ROLLBACK")
