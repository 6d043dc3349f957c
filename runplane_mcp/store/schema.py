"""The database's versions: what each changed, and how a database of an earlier one is brought up."""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Final

from runplane_mcp.core.merkle import EMPTY_ROOT
from runplane_mcp.core.money import LARGEST_AMOUNT
from runplane_mcp.core.repeats import Form
from runplane_mcp.store import sums
from runplane_mcp.store.conditions import (
    COVERAGE_EVENTS,
    POLICY_EVENTS,
    SAYS,
    SAYS_SINCE,
    SET_ASIDE,
    UNDECIDED,
    UNFINISHED,
)
from runplane_mcp.store.first_tables import FIRST_TABLES, HASH
from runplane_mcp.store.triggers import (
    erasing_triggers,
    read_triggers,
    restoring_triggers,
    standing_triggers,
    transition_trigger,
    triggers,
)

#: Marks the file as ours ("RPLN"), so that no other program's database is ever taken for a store.
APPLICATION_ID: Final = 0x52504C4E


def _first(connection: sqlite3.Connection) -> None:
    for statement in (*FIRST_TABLES, *triggers()):
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
        f"ALTER TABLE request ADD COLUMN {column} TEXT {HASH.format(column)}"
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
