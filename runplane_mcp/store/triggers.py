"""The database's triggers: what must not depend on our own code being right.

Evidence (events, decisions, votes) is only ever added. A request moves only as `core/request.py` says, a final one never
changes, and none runs that no decision allows and nobody said yes to. Each guarded table also refuses an INSERT over an
existing row: with `INSERT OR REPLACE`, SQLite deletes the old row without asking the delete triggers, unless the
connection switched `recursive_triggers` on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from runplane_mcp.core.request import FIRST_EPOCH, ONCE_RESTORED, TRANSITIONS, State
from runplane_mcp.store.faults import KEPT_FOR_EVER, TRANSITION_REFUSED, UNDECIDED


def listed_texts(values: Iterable[str]) -> str:
    """Values as SQL text, for our own words only."""
    return ", ".join(f"'{value}'" for value in values)


#: What the names of erased payloads begin with: no hash in hex does.
ERASED: Final = "erased:"

#: The small value that says which request was the last one received before the epoch began.
SET_ASIDE_TO: Final = "set_aside_to"
#: The columns of a request that stay what they were when it was received.
_BORN_WITH: Final = (
    "number, id, reference, principal, agent, via, client, operation_id, kind, target, account, livemode, created_at, "
    "policy_at, asked, agent_key, same_asked, replaces"
)


def _trigger(name: str, event: str, condition: str, message: str) -> str:
    when = f" WHEN {condition}" if condition else ""
    return f"CREATE TRIGGER {name} BEFORE {event}{when} BEGIN SELECT RAISE(ABORT, '{message}'); END"


def _kept(table: str, *, unique: str) -> tuple[str, ...]:
    """Triggers of a table whose rows are never changed, removed or replaced."""
    return (
        _trigger(f"{table}_update", f"UPDATE ON {table}", "", KEPT_FOR_EVER),
        _trigger(f"{table}_delete", f"DELETE ON {table}", "", KEPT_FOR_EVER),
        _replace(table, unique=unique),
    )


def _replace(table: str, *, unique: str) -> str:
    taken = f"EXISTS (SELECT 1 FROM {table} WHERE {unique})"  # noqa: S608 - names of our own
    return _trigger(f"{table}_replace", f"INSERT ON {table}", taken, KEPT_FOR_EVER)


def transition_trigger() -> str:
    """The table of `core/request.py` as a trigger. A version counts up by one at each move: no move goes unnoticed."""
    return _trigger(
        "request_move",
        "UPDATE ON request",
        f"NEW.version <> OLD.version + 1 OR NOT ({_moves(TRANSITIONS)})",
        TRANSITION_REFUSED,
    )


def _moves(table: Mapping[State, Iterable[State]]) -> str:
    return " OR ".join(
        f"(OLD.state = '{before}' AND NEW.state IN ({listed_texts(sorted(after))}))"
        for before, after in sorted(table.items())
    )


def restoring_triggers() -> tuple[str, ...]:
    """The transitions of a store that may have been restored, in the place of those before. What was received before the
    epoch began, and is not final, may be set aside once in it: then its own list holds. The epoch only grows, so that no
    store goes back to where it had not been restored."""
    open_states = listed_texts(sorted(TRANSITIONS))
    set_aside = (
        # Never unknown, or the trigger would not fire.
        f"NEW.restored IS NOT OLD.restored AND coalesce(NEW.restored, 0) > coalesce(OLD.restored, {FIRST_EPOCH})"
        f" AND OLD.state IN ({open_states}) AND NEW.state = '{State.OUTCOME_UNKNOWN}'"
        f" AND coalesce(NEW.restored, 0) = {_number('epoch')} AND OLD.number <= {_number(SET_ASIDE_TO)}"
    )
    moves = (
        f"(OLD.restored IS NULL AND NEW.restored IS NULL AND ({_moves(TRANSITIONS)}))"
        f" OR (OLD.restored IS NOT NULL AND NEW.restored IS OLD.restored AND ({_moves(ONCE_RESTORED)}))"
        f" OR ({set_aside})"
    )
    back = "CAST(NEW.value AS INTEGER) <= CAST({}.value AS INTEGER)"
    guarded = listed_texts(("epoch", SET_ASIDE_TO))
    return (
        _trigger(
            "request_move", "UPDATE ON request", f"NEW.version <> OLD.version + 1 OR NOT ({moves})", TRANSITION_REFUSED
        ),
        _trigger(
            "meta_epoch_update",
            "UPDATE ON meta",
            f"(OLD.key IN ({guarded}) OR NEW.key IN ({guarded}))"
            f" AND (OLD.key <> NEW.key OR (OLD.key = 'epoch' AND {back.format('OLD')}))",
            KEPT_FOR_EVER,
        ),
        _trigger("meta_epoch_delete", "DELETE ON meta", f"OLD.key IN ({guarded})", KEPT_FOR_EVER),
        # An upsert asks this one first, also where it then updates.
        _trigger(
            "meta_epoch_replace",
            "INSERT ON meta",
            f"NEW.key = 'epoch' AND EXISTS (SELECT 1 FROM meta WHERE key = 'epoch' AND {back.format('meta')})",  # noqa: S608
            KEPT_FOR_EVER,
        ),
    )


def _number(key: str) -> str:
    return f"coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE key = '{key}'), 0)"  # noqa: S608 - our own words


def erasing_triggers() -> tuple[str, ...]:
    """Erasing is overwriting a payload with as many zero bytes, where it stands, name and all. Removing the row would not
    do: SQLite moves what is left on a page together, and copies of it stay behind in the gaps, which no later removal
    of it wipes."""
    return (
        _trigger(
            "payload_update",
            "UPDATE ON payload",
            "NEW.number <> OLD.number OR NEW.request_id IS NOT OLD.request_id OR NEW.salt <> zeroblob(16)"
            f" OR NEW.body <> zeroblob(length(OLD.body)) OR NEW.commitment <> {erased_name('OLD.number')}",
            KEPT_FOR_EVER,
        ),
        _trigger("payload_delete", "DELETE ON payload", "", KEPT_FOR_EVER),
    )


def erased_name(number: str) -> str:
    """What stands in the place of an erased payload's commitment: nothing that any event could name. `number` is an
    expression for the row's own."""
    return f"printf('{ERASED}%0{64 - len(ERASED)}d', {number})"


def read_triggers() -> tuple[str, ...]:
    """Of the tables that the fourth version added: a read is in one batch, for ever, and none is left out."""
    return (
        *_kept("read", unique="n = NEW.n OR number = NEW.number"),
        _trigger(
            "read_gapless", "INSERT ON read", "NEW.n <> (SELECT coalesce(max(n), 0) + 1 FROM read)", KEPT_FOR_EVER
        ),
        *_kept("read_batch", unique="last = NEW.last OR event_seq = NEW.event_seq"),
        _trigger(
            "read_batch_forward",
            "INSERT ON read_batch",
            "NEW.last <= (SELECT coalesce(max(last), 0) FROM read_batch)",
            KEPT_FOR_EVER,
        ),
    )


# The newest decision is about exactly this, and lets it run: alone, or where people said yes.
_LETS_RUN = """
(SELECT round = NEW.round AND digest = NEW.digest
  AND (outcome = 'allow' OR (outcome = 'require_approval' AND OLD.state = 'approved'))
  FROM decision WHERE request_id = NEW.id ORDER BY n DESC LIMIT 1) IS 1
"""
_ASKED_PEOPLE = """
EXISTS (SELECT 1 FROM decision
  WHERE request_id = NEW.id AND round = NEW.round AND digest = NEW.digest AND outcome = 'require_approval')
"""
# Whose votes, and how many, the core counts: here is only that there are some, and none against it.
_SAID_YES = """
(SELECT max(answer = 'no') = 0 AND max(answer = 'yes' AND digest = NEW.digest) = 1
  FROM vote WHERE request_id = NEW.id AND round = NEW.round) IS 1
"""


def standing_triggers() -> tuple[str, ...]:
    """What must stand behind a move, also where the code that makes it is wrong. What is held begins a round, and what a
    round is about stays what it is to its end: bytes, digest and the key at Stripe. Each execution counts one attempt
    more. What ran before goes on as it was, from when it began to.

    No list of more than two is asked for: SQLite makes a table in memory of such a one, at every row.
    """
    begins = "NEW.state = 'executing' AND OLD.state <> 'executing' AND OLD.state <> 'outcome_unknown'"
    wrong = (
        "NEW.round <> OLD.round + (NEW.state = 'waiting' OR NEW.state = 'scheduled')",
        "NEW.attempt <> OLD.attempt + (NEW.state = 'executing')",
        "OLD.state <> 'received' AND NEW.state <> 'waiting' AND (NEW.digest IS NOT OLD.digest"
        " OR NEW.effective IS NOT OLD.effective OR OLD.stripe_key <> coalesce(NEW.stripe_key, ''))",
        "(OLD.state = 'executing' OR OLD.state = 'outcome_unknown') AND NEW.first_attempt_at IS NOT OLD.first_attempt_at",
        f"{begins} AND (NEW.effective IS NULL OR NEW.stripe_key IS NULL OR NEW.first_attempt_at IS NULL"
        f" OR NOT {_LETS_RUN})",
        f"(NEW.state = 'approved' OR (NEW.state = 'executing' AND OLD.state = 'approved')) AND NOT {_SAID_YES}",
        f"NEW.state = 'approved' AND NOT {_ASKED_PEOPLE}",
    )
    answered = (
        "SELECT 1 FROM request WHERE id = NEW.request_id AND round = NEW.round AND digest = NEW.digest"
        " AND (state = 'waiting' OR (state = 'scheduled' AND NEW.answer = 'no'))"
    )
    return (
        _trigger("request_stands", "UPDATE ON request", " OR ".join(f"({each})" for each in wrong), UNDECIDED),
        # A vote is about what waits now, as it is now.
        _trigger("vote_stands", "INSERT ON vote", f"NOT EXISTS ({answered})", UNDECIDED),
    )


def triggers() -> tuple[str, ...]:
    """All of them, as statements, as the first version had them."""
    return (
        *_kept("event", unique="seq = NEW.seq"),
        # A gap or a step back in the sequence would be a deletion that nobody sees.
        _trigger(
            "event_gapless",
            "INSERT ON event",
            "NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM event)",
            KEPT_FOR_EVER,
        ),
        *_kept("decision", unique="request_id = NEW.request_id AND n = NEW.n"),
        *_kept("vote", unique="request_id = NEW.request_id AND round = NEW.round AND person = NEW.person"),
        # Results that were handed out, keys that were bound: what was spent must not come back.
        *_kept(
            "repeat",
            unique="seq = NEW.seq"
            " OR (request_id = NEW.request_id AND how IN ('result', 'seen') AND NEW.how IN ('result', 'seen'))",
        ),
        *_kept("policy", unique="version = NEW.version"),
        *_kept("migration", unique="version = NEW.version"),
        # A payload may go, but never change; `erasing_triggers` took the place of this.
        _trigger("payload_update", "UPDATE ON payload", "", KEPT_FOR_EVER),
        _replace("payload", unique="commitment = NEW.commitment OR number = NEW.number"),
        _trigger("head_back", "UPDATE ON head", "NEW.size < OLD.size", KEPT_FOR_EVER),
        _trigger("head_delete", "DELETE ON head", "", KEPT_FOR_EVER),
        _replace("head", unique="one = NEW.one"),
        transition_trigger(),
        _trigger("request_born_with", f"UPDATE OF {_BORN_WITH} ON request", "", KEPT_FOR_EVER),
        _trigger("request_delete", "DELETE ON request", "", KEPT_FOR_EVER),
        _trigger(
            "request_born", "INSERT ON request", "NEW.state <> 'received' OR NEW.version <> 1", TRANSITION_REFUSED
        ),
        _replace("request", unique="id = NEW.id OR reference = NEW.reference OR number = NEW.number"),
        _trigger("person_delete", "DELETE ON person", "", KEPT_FOR_EVER),
        _replace("person", unique="id = NEW.id"),
        _trigger("person_id", "UPDATE OF id ON person", "", KEPT_FOR_EVER),
        # A freeze only ever gets a later end; that it has one proves nothing without the event's signature.
        _trigger("freeze_stands", "UPDATE OF id, agent, principal, action, at, told ON freeze", "", KEPT_FOR_EVER),
        _trigger(
            "freeze_lifted",
            "UPDATE OF lifted_seq ON freeze",
            "NEW.lifted_seq IS NULL OR NEW.lifted_seq <= OLD.lifted_seq",
            KEPT_FOR_EVER,
        ),
        _trigger("freeze_delete", "DELETE ON freeze", "", KEPT_FOR_EVER),
        _replace("freeze", unique="id = NEW.id"),
        # UPDATE OR REPLACE could also move another key onto this one.
        _trigger("meta_store_update", "UPDATE ON meta", "'store_id' IN (OLD.key, NEW.key)", KEPT_FOR_EVER),
        _trigger("meta_store_delete", "DELETE ON meta", "OLD.key = 'store_id'", KEPT_FOR_EVER),
        _trigger(
            "meta_store_replace",
            "INSERT ON meta",
            "NEW.key = 'store_id' AND EXISTS (SELECT 1 FROM meta WHERE key = 'store_id')",
            KEPT_FOR_EVER,
        ),
    )
