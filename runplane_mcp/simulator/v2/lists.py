"""Lists of the second API: newest first, with the address of the page before and after."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from urllib.parse import urlencode

from runplane_mcp.simulator.lists import Clause
from runplane_mcp.simulator.objects import Obj, Params
from runplane_mcp.simulator.transaction import Transaction
from runplane_mcp.simulator.v2 import fields
from runplane_mcp.simulator.v2.fields import Field

PAGING: Mapping[str, Field] = {"limit": fields.page_size, "page": fields.word}


def moment(seconds: int) -> str:
    """A time as the second API writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def page(
    tx: Transaction, path: str, kind: str, params: Params, query: Mapping[str, str], given: Iterable[Clause] = ()
) -> Obj:
    """One page of the objects of a kind. `query`: what the addresses of other pages have to carry on."""
    limit, start = params.get("limit", 20), _start(params.get("page"))
    conditions: list[Clause] = [("kind = ?", [kind]), *given]
    values = [value for _, bound in conditions for value in bound]
    rows = tx.select([sql for sql, _ in conditions], values, "DESC", start + limit + 1)
    found = rows[start : start + limit]

    def address(at: int) -> str:
        return f"{path}?{urlencode({**query, 'limit': limit, 'page': f'page_{at}'})}"

    return {
        "data": found,
        "next_page_url": address(start + limit) if len(rows) > start + limit else None,
        "previous_page_url": address(max(0, start - limit)) if start else None,
    }


def _start(page: str | None) -> int:
    if page is None:
        return 0
    number = page.removeprefix("page_")
    if number == page or not number.isascii() or not number.isdecimal() or len(number) > 9:
        raise fields.wrong("'page' is not an address of a page.")
    return int(number)
