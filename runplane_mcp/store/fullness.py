"""Which buckets a limit has, and when what counts into one leaves it: for people who ask how full limits are.

A limit by customer has as many buckets as customers. No more of them are read than are asked for; where there are more,
those that the latest requests count into.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from runplane_mcp.core.limits import Spent
from runplane_mcp.core.money import Money
from runplane_mcp.store.conditions import UNFINISHED

# ruff: noqa: S608 - statements are put together from words of our own; every value is bound.

#: Rows of the latest requests that are looked through for buckets in use, where a limit has too many to read all.
LATEST_ROWS: Final = 50_000

_ALL = "SELECT value FROM bucket WHERE key = ? ORDER BY id DESC LIMIT ?"
# A bucket's value is a list of pairs. With the signs around it, a value is found whole and nowhere else.
_HOLDING = "SELECT value FROM bucket WHERE key = ? AND instr(value, ?) ORDER BY id DESC LIMIT ?"
_LATEST = f"""
SELECT value FROM bucket WHERE key = ? AND id IN (
  SELECT bucket FROM (SELECT bucket FROM reservation ORDER BY number DESC LIMIT {LATEST_ROWS})
  UNION SELECT bucket FROM reservation WHERE number IN (SELECT number FROM request WHERE {UNFINISHED})
) ORDER BY id DESC LIMIT ?
"""
_SPENT = """
SELECT at, iif(state = 'spent', currency, NULL), amount FROM reservation
WHERE bucket = (SELECT id FROM bucket WHERE key = ? AND value = ?) AND state <> 'waiting' AND at > ?
ORDER BY at LIMIT ?
"""
_Ask = Callable[..., Sequence[tuple[Any, ...]]]


def buckets(ask: _Ask, key: str, most: int, holding: str | None) -> tuple[list[str], bool]:
    """Values of at most `most` buckets, the newest first, and whether these are all. `holding`: only those that have this
    among their values. `ask` runs a statement with its values."""
    which = (_ALL, key) if holding is None else (_HOLDING, key, f",{json.dumps(holding)}]")
    rows = ask(*which, most + 1)
    whole = len(rows) <= most
    if not whole and holding is None:
        rows = ask(_LATEST, key, most)
    return [value for (value,) in rows[:most]], whole


def spent(ask: _Ask, key: str, bucket: str, since: int, limit: int) -> list[Spent]:
    """What counts into a bucket and does not wait, later than `since` (policy time), the oldest first."""
    rows = ask(_SPENT, key, bucket, since, limit)
    return [Spent(at, None if currency is None else Money(amount, currency)) for at, currency, amount in rows]
