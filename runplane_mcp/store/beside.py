"""What is kept of a request beside its row: what it counts into limits, what it is about, and which ids it is found by. The
row holds a digest over each, so that every event that vouches for the row vouches for these too.

They change only together with the row, where the request moves. A row of before the sixth version has no digests until it
moves and one of these changes. The salt is in no event and no receipt: without it, whoever reads those could try names
until one fits a digest.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring as quoted
from typing import Final, TypeAlias

from runplane_mcp.core.decision import Bucket
from runplane_mcp.core.money import Money
from runplane_mcp.store.rows import Row, Value, insert

# ruff: noqa: S608 - words of our own; every value is bound.

#: The columns that say what a request is about, which `about` is the digest of.
ABOUT_COLUMNS: Final = ("about_customer", "about_object", "about_amount", "about_currency")
#: A row of a limit: key and value of its bucket, policy time, currency, amount and state.
Reserved: TypeAlias = tuple[str, str, int, str | None, int | None, str]

_INSERT_MENTION = f"{insert('mention', ('stripe_id', 'kind', 'number'))} ON CONFLICT DO NOTHING"
#: What a Place is made of.
PLACE: Final = """
number, kind, salt, mentioned, reserved, (
  SELECT json_group_array(stripe_id) FROM (
    SELECT stripe_id FROM mention WHERE number = request.number AND kind = request.kind ORDER BY stripe_id
  )
)
"""
_PLACE = f"SELECT {PLACE} FROM request WHERE id = ?"
_RESERVED = """
SELECT key, value, at, currency, amount, state FROM reservation JOIN bucket ON bucket.id = reservation.bucket
WHERE number = ?
"""
# Two of each, not one with a bound state: beside an index on one state, SQLite plans such a statement anew at every use.
_RELEASE, _SPEND = (
    f"UPDATE reservation SET state = '{state}' WHERE number = ? AND state <> '{state}'"
    for state in ("released", "spent")
)
# What an outcome mostly finds is as it has to be: then nothing is written, and nothing is looked at twice.
_UNRELEASED, _UNSPENT = (
    f"SELECT 1 FROM reservation WHERE number = ?1 AND (state <> '{state}' OR {otherwise}) LIMIT 1"
    for state, otherwise in (
        ("released", "false"),
        ("spent", "(?2 IS NOT NULL AND (currency IS NOT ?2 OR amount IS NOT ?3))"),
    )
)
_INSERT_RESERVATION = """
INSERT INTO reservation (number, bucket, at, currency, amount, state)
VALUES (?, (SELECT id FROM bucket WHERE key = ? AND value = ?), ?, ?, ?, ?)
"""
_INSERT_BUCKET = f"""
{insert("bucket", ("key", "value", "of"))} ON CONFLICT (key, value) DO UPDATE SET of = excluded.of WHERE of IS NULL
"""
_SETTLE = """
UPDATE reservation SET currency = ?2, amount = ?3 WHERE number = ?1
AND (currency IS NOT ?2 OR amount IS NOT ?3)
AND EXISTS (SELECT 1 FROM bucket WHERE id = reservation.bucket AND of = 'amount')
"""


def new_salt() -> str:
    return secrets.token_hex(16)


def about_digest(salt: str, about: Sequence[Value]) -> str:
    """Of the values of ABOUT_COLUMNS."""
    return digest_of_written(salt, "about", f"[{','.join(map(_json, about))}]")


def mentioned_digest(salt: str, stripe_ids: Iterable[str]) -> str:
    return digest_of_written(salt, "mentioned", f"[{','.join(map(quoted, sorted(stripe_ids)))}]")


def reserved_digest(salt: str, rows: Iterable[Reserved]) -> str:
    written = [
        f"[{quoted(key)},{quoted(value)},{at},{_json(currency)},{_json(amount)},{quoted(state)}]"
        for key, value, at, currency, amount, state in sorted(rows)
    ]
    return digest_of_written(salt, "reserved", f"[{','.join(written)}]")


def digest_of_written(salt: str, column: str, written: str) -> str:
    """What stands in a column of digests: SHA-256 in hex of the canonical JSON list of the salt, the column's name, and a
    list that is written as JSON already."""
    return hashlib.sha256(f'["{salt}","{column}",{written}]'.encode()).hexdigest()


def _json(value: Value) -> str:
    return quoted(value) if type(value) is str else "null" if value is None else str(value)


@dataclass(slots=True)
class Place:
    """Where to find what is kept beside a request, and the digests in its row. No number where there is no such request, no
    salt and no digests where it is from before there were any. `ids` is what it was found by when it was looked at first,
    as the JSON that `mentioned` is over."""

    number: int | None
    kind: str
    salt: str | None
    mentioned: str | None
    reserved: str | None
    ids: str


class BesideWrites(ABC):
    """Methods as `store/base.py` says. Each request's part is kept until the move that takes it along."""

    #: All ids that a request was noted with in this transaction, those of them that stand in the table, and those that the
    #: digest in its row covers.
    _mentions: dict[str, dict[str, None]]
    _written: dict[str, set[str]]
    _covered: dict[str, set[str]]
    _subjects: dict[str, tuple[Value, ...]]
    #: The rows as they are by now, None where they have to be read.
    _reserved: dict[str, Sequence[Reserved] | None]
    _places: dict[str, Place]
    #: Whose rows were not those of the digest before anything was done to them here, by the digest's column. It is left as
    #: it is then: a new one would vouch for what somebody has put in.
    _spoiled: set[tuple[str, str]]

    @abstractmethod
    def _one(self, sql: str, *values: object) -> Row | None: ...

    @abstractmethod
    def _all(self, sql: str, *values: object) -> list[Row]: ...

    @abstractmethod
    def _each(self, sql: str, rows: Sequence[Sequence[object]]) -> None: ...

    def reserve(self, request_id: str, buckets: Sequence[Bucket], *, at: int, waiting: bool) -> None:
        place = self._place(request_id)
        number = place.number
        self._spoiled.discard((request_id, "reserved"))
        # Where it never had any there is nothing to take away, and what somebody has put in there stays and is found.
        if place.salt is None or request_id in self._reserved or reserved_digest(place.salt, ()) != place.reserved:
            self._all("DELETE FROM reservation WHERE number = ?", number)
        state = "waiting" if waiting else "spent"
        rows: list[Reserved] = []
        # Limits that differ only in window, maximum or id share one sum: its row is written once.
        apart = {(bucket.key, bucket.bucket): bucket for bucket in buckets}
        for each in apart.values():
            currency, amount = (None, None) if each.money is None else (each.money.currency, each.money.amount)
            rows.append((each.key, each.bucket, at, currency, amount, state))
        self._each(_INSERT_BUCKET, [(each.key, each.bucket, each.of) for each in apart.values()])
        self._each(_INSERT_RESERVATION, [(number, *row) for row in rows])
        self._reserved[request_id] = rows

    def settle(self, request_id: str, *, release: bool, spent: Money | None = None) -> None:
        place = self._place(request_id)
        number, money = place.number, (None, None) if spent is None else (spent.currency, spent.amount)
        if self._one(*((_UNRELEASED, number) if release else (_UNSPENT, number, *money))) is None:
            return
        if place.reserved is not None and request_id not in self._reserved:
            rows = self._all(_RESERVED, number)
            if reserved_digest(place.salt or "", rows) != place.reserved:
                self._spoiled.add((request_id, "reserved"))
        self._all(_RELEASE if release else _SPEND, number)
        if spent is not None and not release:
            self._all(_SETTLE, number, *money)
        known = self._reserved.get(request_id)
        if known is not None and spent is None:
            self._reserved[request_id] = [(*row[:-1], "released" if release else "spent") for row in known]
        else:
            self._reserved[request_id] = None

    def note_subject(
        self,
        request_id: str,
        *,
        customer: str | None,
        object_id: str | None,
        amount: int | None,
        currency: str | None,
    ) -> None:
        self._subjects[request_id] = (customer, object_id, amount, currency)

    def mention(self, request_id: str, stripe_ids: Sequence[str]) -> None:
        # Written once, at the end: a decision notes ids at three places, some of them again.
        self._mentions.setdefault(request_id, {}).update(dict.fromkeys(stripe_ids))

    def _born(self, request_id: str, stripe_ids: Sequence[str]) -> dict[str, Value]:
        """The columns of a new request that is found by these ids."""
        salt = new_salt()
        self.mention(request_id, stripe_ids)
        self._written[request_id] = set()
        self._covered[request_id] = set(stripe_ids)
        return {
            "about": about_digest(salt, [None] * len(ABOUT_COLUMNS)),
            "mentioned": mentioned_digest(salt, stripe_ids),
            "reserved": reserved_digest(salt, ()),
            "salt": salt,
        }

    def _beside(self, request_id: str) -> dict[str, Value]:
        """The columns that a request's next move takes along: what has changed beside its row, with the digests."""
        columns: dict[str, Value] = {}
        about, noted = self._subjects.get(request_id), self._mentions.get(request_id, {}).keys()
        reserves = request_id in self._reserved
        if about is None and not noted and not reserves:
            return columns
        place = self._place(request_id)
        new = noted - self._known(request_id, place) if noted else noted
        if about is None and not new and not reserves:
            return columns
        salt = place.salt
        if salt is None:
            salt = columns["salt"] = new_salt()
        if about is not None:
            columns.update(zip(ABOUT_COLUMNS, about, strict=True))
            columns["about"] = about_digest(salt, about)
        if new and (request_id, "mentioned") not in self._spoiled:
            columns["mentioned"] = mentioned_digest(salt, self._covered[request_id] | new)
        if reserves and (request_id, "reserved") not in self._spoiled:
            rows = self._reserved[request_id]
            columns["reserved"] = reserved_digest(salt, self._all(_RESERVED, place.number) if rows is None else rows)
        return columns

    def _took_along(self, request_id: str, columns: Mapping[str, Value]) -> None:
        """The request has moved, and its row holds what `_beside` gave."""
        for name in ("salt", "mentioned", "reserved"):
            if name in columns:
                setattr(self._places[request_id], name, columns[name])
        self._subjects.pop(request_id, None)
        self._reserved.pop(request_id, None)
        if noted := self._mentions.get(request_id):
            self._covered[request_id] |= noted.keys()

    def _known(self, request_id: str, place: Place) -> set[str]:
        """The ids that the digest in a request's row covers; of a row that has none, those that it is found by."""
        if request_id not in self._covered:
            self._covered[request_id] = set(json.loads(place.ids))
            self._written.setdefault(request_id, set()).update(self._covered[request_id])
            digest = place.mentioned
            if digest is not None and digest_of_written(place.salt or "", "mentioned", place.ids) != digest:
                self._spoiled.add((request_id, "mentioned"))
        return self._covered[request_id]

    def _write_mentions(self) -> None:
        for request_id, noted in self._mentions.items():
            place = self._place(request_id)
            written = self._written.setdefault(request_id, set())
            self._each(_INSERT_MENTION, [(each, place.kind, place.number) for each in noted if each not in written])
            written |= noted.keys()

    def _left_beside(self) -> Iterator[tuple[str, Iterable[str]]]:
        """What no move took along, each with whose it is."""
        yield "reservations", self._reserved
        yield "subjects", self._subjects
        ids = {each: noted.keys() - self._covered.get(each, set()) for each, noted in self._mentions.items()}
        yield "ids", [each for each, uncovered in ids.items() if uncovered]

    def _place(self, request_id: str) -> Place:
        found = self._places.get(request_id)
        if found is None:
            row = self._one(_PLACE, request_id)
            if row is None:
                return Place(None, "", None, None, None, "[]")
            found = self._places[request_id] = Place(*row)
        return found
