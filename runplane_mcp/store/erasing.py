"""What the store does for an erasure: it finds what is held of a customer, overwrites it where it stands, and empties the
write-ahead log, in which older pages would keep it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import re
import sqlite3
from abc import ABC, abstractmethod
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import quote, quote_plus, unquote_plus

from runplane_mcp.core.mentions import findable
from runplane_mcp.errors import StoreError
from runplane_mcp.store import faults
from runplane_mcp.store.files import acquire, connect, open_lock
from runplane_mcp.store.rows import Row
from runplane_mcp.store.triggers import ERASED, erased_name

# ruff: noqa: S608 - words of our own; every value is bound.

#: Digits of base64.
_SHORTEST: Final = 6
#: Kinds of objects that belong to one customer alone: what is about one of these is about its customer, also where it was
#: refused before anybody looked up whose it is. A price, a coupon or an account belongs to many.
_BELONGS_TO_ONE: Final = re.compile(
    r"(?:ba|card|ch|cn|cs|dp|du|ii|in|pi|pm|py|qt|re|seti|src|sub|sub_sched)_[A-Za-z0-9_]+\Z"
)
_ABOUT: Final = """
SELECT request.id, about_object FROM request WHERE about_customer = ?1
UNION SELECT request.id, NULL FROM request WHERE object_id = ?2
UNION SELECT request.id, NULL FROM mention JOIN request USING (number) WHERE stripe_id = ?2
"""
_ABOUT_OBJECT: Final = """
SELECT id FROM request WHERE about_object = ?1
UNION SELECT request.id FROM mention JOIN request USING (number) WHERE stripe_id = ?1
"""
#: What was lowered, and what took its place: one story.
_LINKED: Final = "SELECT replaces, replaced_by FROM request WHERE id = ?"
_SAYING: Final = """
SELECT commitment, request_id, body FROM payload WHERE number > ? AND ({}) ORDER BY number
"""
_OVERWRITE: Final = f"""
UPDATE payload SET commitment = {erased_name("number")}, salt = zeroblob(16), body = zeroblob(length(body))
WHERE commitment = ?
"""


class ErasureReads(ABC):
    """Methods as `store/base.py` says."""

    @abstractmethod
    def _one(self, sql: str, *values: object) -> Row | None: ...

    @abstractmethod
    def _all(self, sql: str, *values: object) -> list[Row]: ...

    def requests_of_customer(self, customer: str) -> list[str]:
        # What has not the form of an id stands as its hash where requests are found by it.
        hashed = hashlib.sha256(customer.encode("utf-8", "backslashreplace")).hexdigest()
        about = self._all(_ABOUT, customer if findable(customer, "customer") else hashed, customer)
        found = dict.fromkeys(str(row[0]) for row in about)
        for object_id in dict.fromkeys(row[1] for row in about):
            if object_id is not None and _BELONGS_TO_ONE.match(object_id):
                found.update(dict.fromkeys(str(row[0]) for row in self._all(_ABOUT_OBJECT, object_id)))
        to_follow = list(found)
        while to_follow:
            linked = self._one(_LINKED, to_follow.pop()) or ()
            new = [str(each) for each in linked if each is not None and each not in found]
            found.update(dict.fromkeys(new))
            to_follow.extend(new)
        return sorted(found)

    def payloads_saying(self, word: str, *, after: int = 0) -> list[tuple[str, str | None]]:
        forms = _forms(word)
        sql = _SAYING.format(" OR ".join(["instr(body, ?)"] * len(forms)))
        # Where it stands inside of a longer word, it is another one.
        whole = re.compile(rf"(?<![A-Za-z0-9_]){re.escape(word)}(?![A-Za-z0-9_])")
        rows = self._all(sql, after, *forms)
        return [(name, request_id) for name, request_id, body in rows if whole.search(_read(body))]

    def payloads_of(self, request_id: str) -> list[str]:
        rows = self._all("SELECT commitment FROM payload WHERE request_id = ? ORDER BY number", request_id)
        return [str(row[0]) for row in rows if not row[0].startswith(ERASED)]

    def newest_payload(self) -> int:
        row = self._one("SELECT max(number) FROM payload")
        return int(row[0]) if row is not None and row[0] is not None else 0


class ErasureWrites(ErasureReads):
    """The same for a transaction that erases."""

    def erase_payload(self, commitment: str) -> None:
        self._all(_OVERWRITE, commitment)


def _forms(word: str) -> list[bytes]:
    """What to look for in payloads: the word as JSON in ASCII has it, as an address has it, and as it stands in the bytes
    of a request, which are base64: at each of three places, without the digits that it shares with its neighbours."""
    forms = []
    for written in dict.fromkeys((word, quote(word, safe=""), quote_plus(word))):
        forms.append(json.dumps(written)[1:-1].encode("ascii"))
        for shift in range(3):
            content = b"\0" * shift + written.encode("utf-8", "surrogatepass")
            digits = base64.b64encode(content)[(shift * 8 + 5) // 6 : len(content) * 8 // 6]
            # A word of a few letters is looked for in what can be read alone: so short, it would be everywhere.
            forms.extend([digits] if len(digits) >= _SHORTEST else [])
    return list(dict.fromkeys(forms))


def _read(body: bytes) -> str:
    """All that a payload says, the bytes of its requests too."""
    content = json.loads(body)
    wire = content.get("wire", content) if isinstance(content, dict) else {}
    said = [json.dumps(content, ensure_ascii=False)]
    sent = wire.get("body") if isinstance(wire, dict) else None
    if isinstance(sent, str):
        with contextlib.suppress(ValueError):
            said.append(base64.b64decode(sent, validate=True).decode("utf-8", "replace"))
    if isinstance(wire, dict):
        said.extend(str(wire.get(name, "")) for name in ("path", "query"))
    return "\n".join([*said, *(unquote_plus(each) for each in said)])


def scrub(path: Path, busy_timeout_ms: int) -> None:
    """Takes over the whole write-ahead log into the database and cuts it to nothing, so that what was overwritten is in
    neither file. StoreError `store.in_use` where somebody still reads an older state."""
    lock = open_lock(path)
    try:
        acquire(lock, path, busy_timeout_ms)
        with closing(connect(path, busy_timeout_ms)) as connection:
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error as error:
        raise faults.from_sqlite(error, path) from error
    finally:
        os.close(lock)
    if busy:
        raise StoreError(
            "store.in_use",
            "It is erased, but older pages are still in the database's write-ahead log: another process reads them.",
            next_step="Run the same command again in a moment; it then only empties that log.",
        )
