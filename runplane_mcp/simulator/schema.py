"""The tables of the one file that holds a simulated world.

Every Stripe object is a row of `object`, its JSON whole in `body`; the indexes reach into the JSON for what lists
filter by. `account` is the partition: the platform's own id, or a connected account's.
"""

from __future__ import annotations

#: Raised with each change of the tables. A file of another version is an older world: it is replaced by a new one.
VERSION = 1

TABLES = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID",
    """CREATE TABLE object (
        seq INTEGER PRIMARY KEY, account TEXT NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL,
        created INTEGER NOT NULL, body TEXT NOT NULL, UNIQUE (account, id)) STRICT""",
    "CREATE INDEX object_page ON object (account, kind, created, seq)",
    "CREATE INDEX object_customer ON object (account, kind, json_extract(body, '$.customer'), created, seq)",
    "CREATE INDEX object_charge ON object (account, kind, json_extract(body, '$.charge'), created, seq)",
    "CREATE INDEX object_intent ON object (account, kind, json_extract(body, '$.payment_intent'), created, seq)",
    # What is in the balance, kept with every balance transaction: it always equals their sum.
    """CREATE TABLE balance (
        account TEXT NOT NULL, currency TEXT NOT NULL, available INTEGER NOT NULL, pending INTEGER NOT NULL,
        PRIMARY KEY (account, currency)) STRICT, WITHOUT ROWID""",
    # What time alone will do: funds become available, payouts arrive, periods end.
    "CREATE TABLE due (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, account TEXT NOT NULL, id TEXT NOT NULL) STRICT",
    "CREATE INDEX due_at ON due (at)",
    """CREATE TABLE idempotency (
        account TEXT NOT NULL, key TEXT NOT NULL, fingerprint TEXT NOT NULL, created INTEGER NOT NULL,
        busy_until REAL NOT NULL, request_id TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL,
        PRIMARY KEY (account, key)) STRICT, WITHOUT ROWID""",
    # Every POST and DELETE that arrived, and what came of it: what tests count.
    """CREATE TABLE write_log (
        seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, account TEXT NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL,
        key TEXT, request_id TEXT NOT NULL, outcome TEXT NOT NULL, status INTEGER NOT NULL) STRICT""",
    """CREATE TABLE fault (
        seq INTEGER PRIMARY KEY, times_left INTEGER NOT NULL, skip_left INTEGER NOT NULL, body TEXT NOT NULL) STRICT""",
)
NAMES = ("meta", "object", "balance", "due", "idempotency", "write_log", "fault")
