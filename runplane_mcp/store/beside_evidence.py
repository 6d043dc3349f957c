"""What is kept beside the rows of requests, against the digests that the rows hold of it."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from runplane_mcp.store.beside import ABOUT_COLUMNS, Reserved, about_digest, mentioned_digest, reserved_digest
from runplane_mcp.store.rows import REQUEST_COLUMNS, Row
from runplane_mcp.store.vouched import Vouched

#: What is read of a request behind REQUEST_COLUMNS.
BESIDE_COLUMNS: Final = ("salt", *ABOUT_COLUMNS, "number")
#: The schema from which on reservations name their request by its number.
WITH_NUMBERS: Final = 2

_RESERVED = """
SELECT number, bucket.key, bucket.value, at, currency, amount, state
FROM json_each(?) AS wanted CROSS JOIN reservation ON number = wanted.value CROSS JOIN bucket ON bucket.id = bucket
"""
_MENTIONED = """
SELECT number, kind, stripe_id FROM json_each(?) AS wanted CROSS JOIN mention ON number = wanted.value
"""
_KIND, _ABOUT, _MENTIONED_AT, _RESERVED_AT = (
    REQUEST_COLUMNS.index(column) for column in ("kind", "about", "mentioned", "reserved")
)
_SALT, _NUMBER = len(REQUEST_COLUMNS), -1
_SUBJECT = slice(_SALT + 1, _NUMBER)


class BesideEvidence:
    """Of requests whose rows events vouch for. `vouched` gathers how many rows of limits belong to these."""

    def __init__(self, connection: sqlite3.Connection, vouched: Vouched) -> None:
        self._connection = connection
        self._seen = vouched.seen
        [version] = connection.execute("PRAGMA user_version").fetchone()
        self._with_numbers = version >= WITH_NUMBERS
        self._reserved: dict[int, list[Reserved]] = {}
        self._mentioned: dict[int, list[tuple[str, str]]] = {}

    def look_up(self, requests: Sequence[Row]) -> None:
        """Reads what is kept beside these: rows of REQUEST_COLUMNS and BESIDE_COLUMNS."""
        self._reserved, self._mentioned = defaultdict(list), defaultdict(list)
        if self._with_numbers:
            for number, *reserved in self._of(_RESERVED, (row[_NUMBER] for row in requests)):
                self._reserved[number].append(tuple(reserved))
        with_digest = [row[_NUMBER] for row in requests if row[_MENTIONED_AT] is not None]
        if with_digest:
            for number, kind, stripe_id in self._of(_MENTIONED, with_digest):
                self._mentioned[number].append((kind, stripe_id))

    def problem(self, request: Row) -> str | None:
        """What is not as the row of a request that was looked up says it is, None where all is. Of a row from before there
        were digests nothing can be said."""
        number, salt = request[_NUMBER], str(request[_SALT])
        reserved = self._reserved.get(number, [])
        self._seen["reservation"] += len(reserved)
        digest = request[_RESERVED_AT]
        if digest is not None and reserved_digest(salt, reserved) != digest:
            return f"What request {request[_ID]} counts into limits"
        digest = request[_MENTIONED_AT]
        if digest is not None:
            mentioned = self._mentioned.get(number, [])
            ids = [stripe_id for kind, stripe_id in mentioned if kind == request[_KIND]]
            if len(ids) != len(mentioned) or mentioned_digest(salt, ids) != digest:
                return f"By which ids request {request[_ID]} is found"
        digest = request[_ABOUT]
        if digest is not None and about_digest(salt, request[_SUBJECT]) != digest:
            return f"What request {request[_ID]} is about"
        return None

    def _of(self, sql: str, numbers: Iterable[int]) -> Iterable[Row]:
        return self._connection.execute(sql, (json.dumps(list(numbers)),))


_ID = REQUEST_COLUMNS.index("id")
