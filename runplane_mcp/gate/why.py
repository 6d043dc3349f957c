"""Why something happened at Stripe: all requests that an id belongs to, whosever id it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from runplane_mcp.core.approval import Vote
from runplane_mcp.core.catalog import Catalog
from runplane_mcp.core.request import ActionRequest, Kind, State
from runplane_mcp.errors import RequestError
from runplane_mcp.gate.clock import iso
from runplane_mcp.gate.coverage.covering import made_by
from runplane_mcp.gate.desk import Desk, Life
from runplane_mcp.gate.people import genuine, trusted
from runplane_mcp.gate.records import find
from runplane_mcp.store.base import Reader
from runplane_mcp.store.records import Head

#: What moves money, by the beginning of its id: of these it matters whether a request made one or only names it.
_MONEY = ("re_", "pyr_", "po_", "tr_", "trr_", "cn_", "fr_", "tu_")
#: Reads only looked: the newest few are named, the others counted.
_READS_NAMED = 5


class NotMadeHere(RequestError):
    """Nothing in this home has to do with the id. Stripe may tell who made it."""


@dataclass(frozen=True, slots=True)
class Why:
    """What there is about `id`. `lives` are the writes, newest first, `writes` how many there are in all; where `id` is a
    read's own, that read is the one life. `genuine` holds the votes whose signatures verify. `reads` counts the reads
    that mention it, `newest_reads` are a few of them. `head` is the audit log's, whose root covers all of their events.
    `only_named`: it is something that moved money, and no request made it, though requests name it, as anybody can."""

    id: str
    lives: tuple[Life, ...]
    genuine: frozenset[Vote]
    writes: int
    reads: int
    newest_reads: tuple[ActionRequest, ...]
    head: Head
    only_named: bool = False


@dataclass(frozen=True, slots=True)
class _Found:
    request_ids: tuple[str, ...]
    writes: int
    reads: int
    newest_reads: tuple[ActionRequest, ...]
    only_named: bool = False


async def why(desk: Desk, asked: str, *, limit: int, states: frozenset[State] | None = None) -> Why:
    """At most `limit` writes are told, only those in `states` where given: an agent can ask about one id a thousand times,
    and what really happened must still be found. RequestError `request.not_found` where there is nothing to tell."""
    id = cleaned(asked)
    catalog = desk.policies.catalog
    found = await desk.store.read(lambda reader: _find(reader, catalog, id, limit, states))
    lives = tuple([await desk.life(request_id) for request_id in found.request_ids])
    votes = [vote for life in lives for vote in life.votes]
    held = await desk.store.read(lambda reader: genuine(votes, trusted(reader), reader.store_id()))
    head = await desk.store.read(lambda reader: reader.head())
    return Why(id, lives, frozenset(held), found.writes, found.reads, found.newest_reads, head, found.only_named)


def _find(reader: Reader, catalog: Catalog, id: str, limit: int, states: frozenset[State] | None) -> _Found:
    own = find(reader, id)
    if own is not None:
        return _Found((own.id,), 1, 0, ())
    writes = reader.about(id, kind=Kind.WRITE, limit=limit, states=states)
    reads = reader.about(id, kind=Kind.READ, limit=_READS_NAMED) if states is None else []
    if not writes and not reads:
        raise _nothing(reader, id, states)
    return _Found(
        tuple(request.id for request in writes),
        len(writes) if len(writes) < limit else reader.count_about(id, kind=Kind.WRITE, states=states),
        len(reads) if len(reads) < _READS_NAMED else reader.count_about(id, kind=Kind.READ),
        tuple(reads),
        bool(writes) and id.startswith(_MONEY) and not _made(reader, catalog, id, writes),
    )


def _made(reader: Reader, catalog: Catalog, id: str, naming: Sequence[ActionRequest]) -> bool:
    """Whether a request made it. Those of the answers of which it is the object are found among however many name it."""
    for request in (*reader.sent_by_ids([id], ()), *naming):
        if id in made_by(request, catalog.by_id(request.operation_id), reader.result(request.id)):
            return True
    return False


def cleaned(asked: str) -> str:
    """The id itself, also out of an address that was copied from Stripe's dashboard."""
    wanted = asked.strip()
    if wanted.startswith(("https://", "http://")):
        try:
            path = urlsplit(wanted).path
        except ValueError:
            return wanted
        return path.rstrip("/").rpartition("/")[2]
    return wanted


def _nothing(reader: Reader, id: str, states: frozenset[State] | None) -> RequestError:
    if id[:3].upper() == "RP-" or id.startswith("rpr_"):
        return RequestError(
            "request.not_found",
            f"There is no request {id[:40]!r} in this home.",
            next_step="See `runplane requests list`; another home is another RUNPLANE_HOME.",
        )
    if states is not None and (reader.about(id, kind=Kind.WRITE, limit=1) or reader.about(id, kind=Kind.READ, limit=1)):
        return RequestError(
            "request.not_found",
            f"No request that has to do with {id[:80]!r} is {' or '.join(sorted(states))}.",
            next_step="Leave --state out to see the others.",
        )
    first = reader.event(1)
    since = f" since its log began, {iso(first.at)}" if first is not None else ""
    return NotMadeHere(
        "request.not_found",
        f"{id[:80]!r} was not made through Runplane: no request of this home has to do with it{since}.",
        next_step="Stripe's own log says who made it: https://dashboard.stripe.com/logs",
    )
