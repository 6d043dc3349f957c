"""The database's tables, indexes and migrations.

Personal data stands only in `payload`, behind salted commitments. Times are milliseconds since 1970, hashes hex text.
"""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Final

from runplane_mcp.core.approval import Answer, Role
from runplane_mcp.core.decision import Outcome, RiskLevel
from runplane_mcp.core.merkle import EMPTY_ROOT
from runplane_mcp.core.money import LARGEST_AMOUNT
from runplane_mcp.core.repeats import PARAMETER, UNANSWERED, Form, How
from runplane_mcp.core.request import TRANSITIONS, Kind, State
from runplane_mcp.store import sums
from runplane_mcp.store.triggers import (
    erasing_triggers,
    listed_texts,
    read_triggers,
    restoring_triggers,
    standing_triggers,
    transition_trigger,
    triggers,
)

#: Marks the file as ours ("RPLN"), so that no other program's database is ever taken for a store.
APPLICATION_ID: Final = 0x52504C4E


_OPEN: Final = [state for state in State if state in TRANSITIONS]
#: In an index and in the queries that use it the same words must stand. No list where a row is written: for each list of
#: more than two, SQLite makes a table in memory first, at every row.
UNFINISHED: Final = "(" + " OR ".join(f"state = '{state}'" for state in _OPEN) + ")"
#: What one principal may have only so many of: undecided, or waiting for people or for its time.
UNDECIDED: Final = "(state = 'received' OR state = 'waiting' OR state = 'scheduled')"
REFUSED: Final = f"state IN ({sums.REFUSED})"
#: Final requests that say something to whoever asks for the same again: the rest is simply decided again.
ANSWERING: Final = (
    f"(state IN ({listed_texts([State.SUCCEEDED, State.DENIED, State.REPLACED])})"
    " OR (state = 'failed' AND (effect_id IS NOT NULL OR round > 0)))"
)
#: An attempt that came to nothing by nobody's answer, a freeze among them: the key it came with is still free.
BINDING: Final = (
    f"NOT (state IN ({listed_texts([State.BLOCKED, State.FAILED])}) AND (failure_code LIKE '{PARAMETER}%'"
    f" OR failure_code IN ({listed_texts(sorted(UNANSWERED))})))"
)
#: The policy time of a request's latest change.
CHANGED_POLICY_AT: Final = "changed_at + policy_at - created_at"


def _when(states: Iterable[State], then: str) -> str:
    return " ".join(f"WHEN '{state}' THEN {then}" for state in states)


#: What a request says to whoever asks for the same: that it is `open`, or how it ended; null where it says nothing.
SAYS: Final = " ".join(
    (
        "CASE state",
        _when(_OPEN, then="'open'"),
        _when((State.SUCCEEDED, State.DENIED, State.REPLACED), then="state"),
        "WHEN 'failed' THEN CASE WHEN effect_id IS NOT NULL OR round > 0 THEN state END END",
    )
)
#: The order among those that say the same: of what is open by when it came, of the rest by when it ended.
SAYS_SINCE: Final = f"CASE state {_when(_OPEN, then='number')} ELSE {CHANGED_POLICY_AT} END"
#: In the index and in the query that uses it the same words must stand.
POLICY_EVENTS: Final = "type >= 'policy.' AND type < 'policy/'"
COVERAGE_EVENTS: Final = "type >= 'coverage.' AND type < 'coverage/'"
#: How the result of a request reaches its agent after its call: once.
DELIVERED: Final = f"how IN ({listed_texts([How.RESULT, How.SEEN])})"

_HASH = "CHECK (length({0}) = 64)"

_TABLES = (
    "CREATE TABLE migration (version INTEGER PRIMARY KEY, at INTEGER NOT NULL) STRICT",
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    """
    CREATE TABLE head (
      one INTEGER PRIMARY KEY CHECK (one = 1),
      size INTEGER NOT NULL CHECK (size >= 0),
      frontier BLOB NOT NULL,
      root BLOB NOT NULL CHECK (length(root) = 32),
      newest_at INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE event (
      seq INTEGER PRIMARY KEY CHECK (seq > 0),
      at INTEGER NOT NULL,
      type TEXT NOT NULL,
      request_id TEXT,
      body BLOB NOT NULL,
      leaf BLOB NOT NULL CHECK (length(leaf) = 32)
    ) STRICT
    """,
    "CREATE INDEX event_request ON event (request_id, seq) WHERE request_id IS NOT NULL",
    f"""
    CREATE TABLE payload (
      number INTEGER PRIMARY KEY CHECK (number > 0),
      commitment TEXT NOT NULL UNIQUE {_HASH.format("commitment")},
      request_id TEXT,
      salt BLOB NOT NULL CHECK (length(salt) = 16),
      body BLOB NOT NULL
    ) STRICT
    """,
    "CREATE INDEX payload_request ON payload (request_id) WHERE request_id IS NOT NULL",
    "CREATE TABLE policy (version TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT, WITHOUT ROWID",
    """
    CREATE TABLE enforced_policy (
      one INTEGER PRIMARY KEY CHECK (one = 1),
      version TEXT NOT NULL REFERENCES policy (version),
      since INTEGER NOT NULL,
      by TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE proposed_policy (
      one INTEGER PRIMARY KEY CHECK (one = 1),
      version TEXT NOT NULL REFERENCES policy (version),
      at INTEGER NOT NULL
    ) STRICT
    """,
    f"""
    CREATE TABLE person (
      id TEXT PRIMARY KEY,
      role TEXT NOT NULL CHECK (role IN ({listed_texts(Role)})),
      groups TEXT NOT NULL,
      public_key TEXT NOT NULL {_HASH.format("public_key")},
      salt TEXT NOT NULL,
      scrypt_n INTEGER NOT NULL,
      scrypt_r INTEGER NOT NULL,
      scrypt_p INTEGER NOT NULL,
      active INTEGER NOT NULL CHECK (active IN (0, 1)),
      added_by TEXT,
      event_seq INTEGER NOT NULL REFERENCES event (seq)
    ) STRICT, WITHOUT ROWID
    """,
    f"""
    CREATE TABLE request (
      number INTEGER PRIMARY KEY CHECK (number > 0),
      id TEXT NOT NULL UNIQUE,
      reference TEXT NOT NULL UNIQUE,
      state TEXT NOT NULL CHECK (state IN ({listed_texts(State)})),
      version INTEGER NOT NULL CHECK (version > 0),
      principal TEXT NOT NULL,
      agent TEXT NOT NULL,
      via TEXT NOT NULL,
      client TEXT,
      operation_id TEXT NOT NULL,
      action TEXT NOT NULL,
      kind TEXT NOT NULL CHECK (kind IN ({listed_texts(Kind)})),
      target TEXT NOT NULL,
      account TEXT NOT NULL,
      livemode INTEGER NOT NULL CHECK (livemode IN (0, 1)),
      created_at INTEGER NOT NULL,
      policy_at INTEGER NOT NULL,
      changed_at INTEGER NOT NULL,
      asked TEXT {_HASH.format("asked")},
      effective TEXT {_HASH.format("effective")},
      told TEXT {_HASH.format("told")},
      result TEXT {_HASH.format("result")},
      agent_key TEXT {_HASH.format("agent_key")},
      round INTEGER NOT NULL CHECK (round >= 0),
      digest TEXT {_HASH.format("digest")},
      expires_at INTEGER,
      failure_code TEXT,
      effect_id TEXT,
      stripe_key TEXT,
      attempt INTEGER NOT NULL CHECK (attempt >= 0),
      lease_owner TEXT,
      lease_until INTEGER,
      first_attempt_at INTEGER,
      first_attempt_boot TEXT,
      first_attempt_boot_ms INTEGER,
      stripe_request_id TEXT,
      object_id TEXT,
      same_asked TEXT,
      same_effective TEXT,
      same_effect TEXT,
      replaces TEXT REFERENCES request (id),
      replaced_by TEXT REFERENCES request (id)
    ) STRICT
    """,
    f"CREATE INDEX request_unfinished ON request (number) WHERE state IN ({listed_texts(_OPEN)})",
    *(
        f"CREATE INDEX request_same_{form}_open ON request (same_{form}, number)"
        f" WHERE state IN ({listed_texts(_OPEN)}) AND same_{form} IS NOT NULL"
        for form in Form
    ),
    *(
        f"CREATE INDEX request_same_{form} ON request (same_{form}, state, {CHANGED_POLICY_AT})"
        f" WHERE {ANSWERING} AND same_{form} IS NOT NULL"
        for form in Form
    ),
    "CREATE INDEX request_agent_key ON request (principal, agent_key) WHERE agent_key IS NOT NULL",
    # What people lower becomes one request, however many lower it at once.
    "CREATE UNIQUE INDEX request_replaces ON request (replaces) WHERE replaces IS NOT NULL",
    "CREATE INDEX request_principal ON request (principal, number)",
    "CREATE INDEX request_asked_at ON request (principal, policy_at)",
    "CREATE INDEX request_object ON request (object_id, kind) WHERE object_id IS NOT NULL",
    "CREATE INDEX request_stripe_request ON request (stripe_request_id, kind) WHERE stripe_request_id IS NOT NULL",
    f"CREATE INDEX request_refused ON request (principal, policy_at, state) WHERE {REFUSED}",
    f"""
    CREATE TABLE decision (
      request_id TEXT NOT NULL REFERENCES request (id),
      n INTEGER NOT NULL CHECK (n > 0),
      round INTEGER NOT NULL CHECK (round >= 0),
      kind TEXT NOT NULL CHECK (kind IN ('first', 'release', 'execution')),
      outcome TEXT NOT NULL CHECK (outcome IN ({listed_texts(Outcome)})),
      at INTEGER NOT NULL,
      policy_at INTEGER NOT NULL,
      policy_version TEXT NOT NULL,
      risk INTEGER NOT NULL,
      risk_level TEXT NOT NULL CHECK (risk_level IN ({listed_texts(RiskLevel)})),
      nonce TEXT,
      digest TEXT {_HASH.format("digest")},
      content TEXT NOT NULL {_HASH.format("content")},
      PRIMARY KEY (request_id, n)
    ) STRICT, WITHOUT ROWID
    """,
    f"""
    CREATE TABLE vote (
      request_id TEXT NOT NULL REFERENCES request (id),
      round INTEGER NOT NULL CHECK (round > 0),
      person TEXT NOT NULL REFERENCES person (id),
      answer TEXT NOT NULL CHECK (answer IN ({listed_texts(Answer)})),
      digest TEXT NOT NULL {_HASH.format("digest")},
      at INTEGER NOT NULL,
      proof_kind TEXT NOT NULL CHECK (proof_kind IN ('ed25519', 'webauthn')),
      proof TEXT NOT NULL,
      note TEXT {_HASH.format("note")},
      PRIMARY KEY (request_id, round, person)
    ) STRICT, WITHOUT ROWID
    """,
    f"""
    CREATE TABLE repeat (
      seq INTEGER PRIMARY KEY REFERENCES event (seq),
      request_id TEXT NOT NULL REFERENCES request (id),
      how TEXT NOT NULL CHECK (how IN ({listed_texts(How)})),
      principal TEXT NOT NULL,
      agent_key TEXT {_HASH.format("agent_key")},
      same_asked TEXT,
      instead_of TEXT REFERENCES request (id)
    ) STRICT
    """,
    f"CREATE UNIQUE INDEX repeat_delivered ON repeat (request_id) WHERE {DELIVERED}",
    "CREATE INDEX repeat_key ON repeat (principal, agent_key) WHERE agent_key IS NOT NULL",
    f"""
    CREATE TABLE reservation (
      request_id TEXT NOT NULL REFERENCES request (id),
      key TEXT NOT NULL,
      bucket TEXT NOT NULL,
      at INTEGER NOT NULL,
      currency TEXT,
      amount INTEGER CHECK (abs(amount) <= {LARGEST_AMOUNT}),
      state TEXT NOT NULL CHECK (state IN ('waiting', 'spent', 'released')),
      PRIMARY KEY (request_id, key, bucket),
      CHECK ((currency IS NULL) = (amount IS NULL))
    ) STRICT, WITHOUT ROWID
    """,
    # Both hold all that a sum needs, so that summing never touches the table itself.
    "CREATE INDEX reservation_in_time ON reservation (key, bucket, at, state, currency, amount) WHERE state <> 'waiting'",
    "CREATE INDEX reservation_waiting ON reservation (key, bucket, state, currency, amount) WHERE state = 'waiting'",
    f"""
    CREATE TABLE subject (
      request_id TEXT PRIMARY KEY REFERENCES request (id),
      customer TEXT,
      object_id TEXT,
      amount INTEGER CHECK (abs(amount) <= {LARGEST_AMOUNT}),
      currency TEXT,
      policy_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX subject_customer ON subject (customer, policy_at) WHERE customer IS NOT NULL",
    "CREATE INDEX subject_object ON subject (object_id) WHERE object_id IS NOT NULL",
    # Which requests an id of Stripe's belongs to, beside those that made the object. In the order in which they are asked
    # for: reads, of which there are many, stand apart from writes.
    f"""
    CREATE TABLE mention (
      stripe_id TEXT NOT NULL,
      kind TEXT NOT NULL CHECK (kind IN ({listed_texts(Kind)})),
      number INTEGER NOT NULL REFERENCES request (number),
      PRIMARY KEY (stripe_id, kind, number)
    ) STRICT, WITHOUT ROWID
    """,
    f"""
    CREATE TABLE freeze (
      id TEXT PRIMARY KEY,
      agent TEXT,
      principal TEXT,
      action TEXT,
      at INTEGER NOT NULL,
      told TEXT NOT NULL {_HASH.format("told")},
      lifted_seq INTEGER REFERENCES event (seq)
    ) STRICT, WITHOUT ROWID
    """,
)


def _first(connection: sqlite3.Connection) -> None:
    for statement in (*_TABLES, *triggers()):
        connection.execute(statement)
    connection.execute("INSERT INTO head VALUES (1, 0, x'', ?, 0)", (EMPTY_ROOT,))
    connection.execute(
        "INSERT INTO meta (key, value) VALUES ('store_id', ?), ('epoch', '1')", (f"rps_{secrets.token_hex(16)}",)
    )
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


_SECOND = (
    "DROP INDEX request_unfinished",
    f"CREATE INDEX request_unfinished ON request (number) WHERE {UNFINISHED}",
    # One index for each form in the place of two on some of the rows: whether a row was, and is, one of those cost more
    # at each move of a request than all the rest of it.
    *(f"DROP INDEX request_same_{form}{end}" for form in Form for end in ("", "_open")),
    *(
        f"CREATE INDEX request_same_{form} ON request (same_{form}, {SAYS}, {SAYS_SINCE}) WHERE same_{form} IS NOT NULL"
        for form in Form
    ),
    # What a request is about, for the history facts of later ones, in the request's own row. It is no part of the row's
    # form: the log never spoke of it.
    "ALTER TABLE request ADD COLUMN about_customer TEXT",
    "ALTER TABLE request ADD COLUMN about_object TEXT",
    f"ALTER TABLE request ADD COLUMN about_amount INTEGER CHECK (abs(about_amount) <= {LARGEST_AMOUNT})",
    "ALTER TABLE request ADD COLUMN about_currency TEXT",
    "DROP TRIGGER request_move",
    """
    UPDATE request SET (about_customer, about_object, about_amount, about_currency) =
    (SELECT customer, object_id, amount, currency FROM subject WHERE request_id = request.id)
    """,
    transition_trigger(),
    "DROP TABLE subject",
    "CREATE INDEX request_about_customer ON request (about_customer, policy_at) WHERE about_customer IS NOT NULL",
    "CREATE INDEX request_about_object ON request (about_object, state) WHERE about_object IS NOT NULL",
    # Reservations by number, with the sums of what they say.
    "DROP INDEX reservation_in_time",
    "DROP INDEX reservation_waiting",
    "ALTER TABLE reservation RENAME TO first_reservation",
    *sums.TABLES,
    "INSERT INTO bucket (key, value) SELECT DISTINCT key, bucket FROM first_reservation ORDER BY key, bucket",
    """
    INSERT INTO reservation (number, bucket, at, currency, amount, state)
    SELECT request.number, bucket.id, each.at, each.currency, each.amount, each.state FROM first_reservation AS each
    JOIN request ON request.id = each.request_id
    JOIN bucket ON bucket.key = each.key AND bucket.value = each.bucket
    ORDER BY request.number, bucket.id
    """,
    "DROP TABLE first_reservation",
    # Only now the triggers: at every row that was there before, they would take most of the time of all this.
    sums.summed_before(),
    *sums.tallied_before(),
    *sums.TRIGGERS,
)


def _second(connection: sqlite3.Connection) -> None:
    for statement in _SECOND:
        connection.execute(statement)


_THIRD = (
    f"CREATE INDEX request_undecided ON request (principal) WHERE {UNDECIDED}",
    # What the limits of a bucket sum, null until something is counted into it again.
    "ALTER TABLE bucket ADD COLUMN of TEXT CHECK (of IN ('amount', 'mrr_lost'))",
    # Policy time at which a scheduled request is decided again.
    "ALTER TABLE request ADD COLUMN release_at INTEGER",
    # A whole policy that is tried beside the enforced one and decides nothing.
    """
    CREATE TABLE candidate_policy (
      one INTEGER PRIMARY KEY CHECK (one = 1),
      version TEXT NOT NULL REFERENCES policy (version),
      since INTEGER NOT NULL,
      by TEXT NOT NULL
    ) STRICT
    """,
    # What happened to the policy, found however long the log is: the enforced one is trusted for what the log says of it.
    f"CREATE INDEX event_policy ON event (seq) WHERE {POLICY_EVENTS}",
)


def _third(connection: sqlite3.Connection) -> None:
    for statement in _THIRD:
        connection.execute(statement)


_FOURTH = (
    # Reads that the policy allowed and that have ended, in the order in which they did: what is under an event `reads`.
    """
    CREATE TABLE read (
      n INTEGER PRIMARY KEY CHECK (n > 0),
      number INTEGER NOT NULL UNIQUE REFERENCES request (number),
      at INTEGER NOT NULL,
      leaf BLOB NOT NULL CHECK (length(leaf) = 32)
    ) STRICT
    """,
    # The last number of each batch; the next batch goes on behind it.
    """
    CREATE TABLE read_batch (
      last INTEGER PRIMARY KEY REFERENCES read (n),
      event_seq INTEGER NOT NULL UNIQUE REFERENCES event (seq)
    ) STRICT
    """,
    *read_triggers(),
    "DROP TRIGGER payload_update",
    *erasing_triggers(),
)


def _fourth(connection: sqlite3.Connection) -> None:
    for statement in _FOURTH:
        connection.execute(statement)


#: In an index and in the query that uses it the same words must stand.
SET_ASIDE: Final = f"restored IS NOT NULL AND state = '{State.OUTCOME_UNKNOWN}'"

_FIFTH = (
    # The epoch of the restore that found a request open.
    "ALTER TABLE request ADD COLUMN restored INTEGER CHECK (restored > 1)",
    "DROP TRIGGER request_move",
    *restoring_triggers(),
    # What an administrator has not gone through yet: asked at every decision.
    f"CREATE INDEX request_set_aside ON request (number) WHERE {SET_ASIDE}",
)


def _fifth(connection: sqlite3.Connection) -> None:
    for statement in _FIFTH:
        connection.execute(statement)


_SIXTH = (
    # Which alarms stand, found however long the log is: what only keeps them at hand may have lost one.
    f"CREATE INDEX event_coverage ON event (seq) WHERE {COVERAGE_EVENTS}",
    # Digests of what is kept beside a request's row, and their salt, which is no part of the row's form.
    *(
        f"ALTER TABLE request ADD COLUMN {column} TEXT {_HASH.format(column)}"
        for column in ("about", "mentioned", "reserved")
    ),
    "ALTER TABLE request ADD COLUMN salt TEXT CHECK (length(salt) = 32)",
    # All ids that a request is found by.
    "CREATE INDEX mention_request ON mention (number)",
    # Last, so that nothing of the above meets them.
    *standing_triggers(),
)


def _sixth(connection: sqlite3.Connection) -> None:
    for statement in _SIXTH:
        connection.execute(statement)


#: Each brings a database from the version before to its own; the first makes it. They only ever grow in number.
MIGRATIONS: Final[tuple[Callable[[sqlite3.Connection], None], ...]] = (_first, _second, _third, _fourth, _fifth, _sixth)
VERSION: Final = len(MIGRATIONS)


def migrate(connection: sqlite3.Connection, found: int, *, to: int = VERSION) -> None:
    """Runs what is missing after version `found`, inside the caller's transaction, and records each."""
    for version in range(found + 1, to + 1):
        MIGRATIONS[version - 1](connection)
        connection.execute("INSERT INTO migration VALUES (?, ?)", (version, time.time_ns() // 1_000_000))
        connection.execute(f"PRAGMA user_version = {version}")


#: What SQLite writes down about tables for its own planning (ANALYZE): no other name is let off, since a trigger could
#: have any.
_PLANNING: Final = "type = 'table' AND name IN ('sqlite_stat1', 'sqlite_stat4')"


def form_of(connection: sqlite3.Connection) -> dict[str, str]:
    """Name and definition of every table, index, trigger and view: equal for all databases of one version."""
    return {
        name: " ".join(sql.split())
        for name, sql in connection.execute(
            f"SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND NOT ({_PLANNING})"  # noqa: S608 - our own
        )
    }


@cache
def expected_form(version: int) -> Mapping[str, str]:
    """The form that the migrations up to `version` make, for telling a removed trigger."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        migrate(connection, 0, to=version)
        return form_of(connection)
    finally:
        connection.close()
