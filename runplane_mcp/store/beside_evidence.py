"""What is kept beside the rows of requests, against the digests that the rows hold of it.

It is read with the row, as JSON that SQLite writes: the same as the canonical form, since no value of these has a control
character; and of any other that somebody put there no digest was made.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from runplane_mcp.store.beside import ABOUT_COLUMNS, digest_of_written
from runplane_mcp.store.rows import REQUEST_COLUMNS, Row, listed

#: What is read of a request behind REQUEST_COLUMNS: its salt, and what each of _KEPT is the digest of.
_BESIDE: Final = (
    "request.salt",
    f"json_array({listed(ABOUT_COLUMNS, 'request')})",
    # One that stands among the other kind is found by nobody who asks for this one.
    """
    (
      SELECT json_group_array(iif(each.kind = request.kind, each.stripe_id, NULL))
      FROM (SELECT kind, stripe_id FROM mention WHERE number = request.number ORDER BY stripe_id) AS each
    )
    """,
    """
    (
      SELECT json_group_array(json_array(each.key, each.value, at, currency, amount, state)) FROM (
        SELECT key, value, at, currency, amount, state
        FROM reservation LEFT JOIN bucket ON bucket.id = reservation.bucket
        WHERE number = request.number ORDER BY key, value
      ) AS each
    )
    """,
)
_KEPT: Final = (
    ("about", "What request {} is about"),
    ("mentioned", "By which ids request {} is found"),
    ("reserved", "What request {} counts into limits"),
)
_ID, _SALT = REQUEST_COLUMNS.index("id"), len(REQUEST_COLUMNS)
_PLACES: Final = tuple(
    (REQUEST_COLUMNS.index(column), place, column, what) for place, (column, what) in enumerate(_KEPT, start=_SALT + 1)
)
#: A row of a limit that is no request's would count all the same.
NOBODYS: Final = """
SELECT EXISTS (
  SELECT 1 FROM reservation WHERE NOT EXISTS (SELECT 1 FROM request WHERE request.number = reservation.number)
)
"""
#: The schema from which on reservations name their request by its number.
WITH_NUMBERS: Final = 2


def listed_beside(connection: sqlite3.Connection) -> str:
    """For a statement that reads requests behind REQUEST_COLUMNS. In a database of an earlier version there is nothing to
    compare with."""
    there = connection.execute("SELECT 1 FROM pragma_table_info('request') WHERE name = 'salt'").fetchone()
    return ", ".join(_BESIDE if there is not None else ["NULL"] * len(_BESIDE))


def problem_beside(request: Row) -> str | None:
    """What is not as the row of a request says it is, None where all is. Of a row from before there were digests nothing
    can be said."""
    for digest_at, place, column, what in _PLACES:
        digest = request[digest_at]
        if digest is not None and digest != digest_of_written(request[_SALT], column, request[place]):
            return what.format(request[_ID])
    return None
