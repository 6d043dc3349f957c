"""A receipt for one request: what the audit log has of it, with the proofs that it is in there, in one file that somebody
without Runplane checks with `check_receipt.py`.

A read that the policy allowed has no events of its own. Its receipt holds the event `reads` that speaks for it and others,
the read's own rows as they were hashed, and the proof that their leaf is under that event's root.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from runplane_mcp.core.canonical import Json
from runplane_mcp.core.checkpoint import Note, Signed, key_hash, who_signed
from runplane_mcp.core.log_key import LogKey, key_of
from runplane_mcp.core.merkle import inclusion_proof, verify_consistency, verify_inclusion
from runplane_mcp.core.proofs import Range, consistency_ranges, hash_of, inclusion_ranges, nodes_of
from runplane_mcp.core.request import ActionRequest
from runplane_mcp.errors import CheckpointError, RequestError, StoreError
from runplane_mcp.gate.acts import said
from runplane_mcp.gate.enforcement import ACTIVATED
from runplane_mcp.gate.rounds import found
from runplane_mcp.store.base import Reader
from runplane_mcp.store.batches import leaf_over
from runplane_mcp.store.records import READS, Event

TYPE: Final = "runplane.receipt/1"
_MOST_EVENTS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Receipt:
    """`content` is the receipt as JSON. `undisclosed` counts payloads whose words it leaves out or that were erased."""

    request: ActionRequest
    content: Mapping[str, Json]
    events: int
    size: int
    undisclosed: int


def last_event(reader: Reader, reference_or_id: str) -> int:
    """The sequence number that a checkpoint must cover. RequestError `request.not_found`, `request.read_pending`."""
    return _last(_events(reader, found(reader, reference_or_id)))


def receipt(
    reader: Reader,
    reference_or_id: str,
    *,
    note: Note,
    log_key: LogKey,
    payloads: bool = True,
    older: Note | None = None,
) -> Receipt:
    """The receipt of a request under the checkpoint `note`, which `log_key` signed and which covers it.

    RequestError `request.not_found`, `request.read_pending`; CheckpointError `checkpoint.behind` where the request moved
    on since, `checkpoint.foreign` where `older` is of another log, `checkpoint.newer` where it is the newer one,
    `checkpoint.forked` where this log is not that one, grown; StoreError `store.corrupt` where the log's leaves are not
    what the checkpoint says, or a read not what its event spoke for.
    """
    request = found(reader, reference_or_id)
    own = _events(reader, request)
    if _last(own) > note.checkpoint.size:
        raise CheckpointError(
            "checkpoint.behind", f"{request.reference} has moved on meanwhile.", next_step="Run the same command again."
        )
    own = [event for event in own if event.seq <= note.checkpoint.size]
    beside = _beside(reader, request.id, own, log_key)
    events = sorted({event.seq: event for event in (*own, *beside)}.values(), key=lambda event: event.seq)
    size = note.checkpoint.size
    ranges = {event.seq: inclusion_ranges(event.seq - 1, size) for event in events}
    since = _since(note, older)
    nodes = {node for each in (*ranges.values(), since) for one in each for node in nodes_of(one)}
    hashes = reader.tree_hashes(nodes, size)
    if hashes.keys() != nodes:
        raise _not_its_root()

    def proof(path: Sequence[Range]) -> list[bytes]:
        return [hash_of(each, hashes) for each in path]

    for event in events:
        if not verify_inclusion(event.leaf, event.seq - 1, size, proof(ranges[event.seq]), note.checkpoint.root):
            raise _not_its_root()
    forms = reader.row_forms(request.id)
    rows = {_sha256(form): form for form in forms}
    named = dict.fromkeys(name for event in own for name in _named(event))
    read: dict[str, Json] = {}
    for batch in (event for event in own if event.type == READS):
        read["read"] = _read(reader, request, forms, batch)
        named.update(dict.fromkeys(_named_by(forms)))
    salted = [each for name in named if payloads and (each := reader.salted(name)) is not None]
    versions = dict.fromkeys(record.policy_version for record in reader.decisions(request.id))
    texts = [text for each in versions if payloads and (text := reader.policy_text(each)) is not None]
    return Receipt(
        request,
        {
            "type": TYPE,
            "request_id": request.id,
            "log_key": log_key.public.hex(),
            "checkpoint": _signed_by(note, {log_key.public}),
            "older": None if older is None else _older(note, older, proof(since), _keys(events)),
            "events": [
                {
                    "body": event.body.decode(),
                    "proof": [each.hex() for each in proof(ranges[event.seq])],
                    "row": rows.get(str(said(event).get("row"))) if event in own else None,
                }
                for event in events
            ],
            "payloads": [{"salt": each.salt.hex(), "body": each.body.decode()} for each in salted],
            "policies": list(texts),
            **read,
        },
        len(events),
        size,
        len(named) - len(salted),
    )


def _events(reader: Reader, request: ActionRequest) -> list[Event]:
    events = reader.events(0, _MOST_EVENTS, request.id)
    if any(event.type == "request.received" for event in events):
        return events
    batches = reader.batch_of(request.id)
    if not batches:
        state = "has ended" if request.final else "still runs"
        raise RequestError(
            "request.read_pending",
            f"{request.reference} is a read that {state}, and no event of the log speaks for it yet.",
            next_step="Run the same command again in a second. While no gate runs, that waits for the next one.",
        )
    return [*batches, *events]


def _last(own: Sequence[Event]) -> int:
    """The last event of the request's own course. That its agent asks for its answer again can go on for ever."""
    return max(event.seq for event in own if event.type != "repeat")


def _beside(reader: Reader, request_id: str, own: Sequence[Event], log_key: LogKey) -> Iterator[Event]:
    """What the events of a request rest on: who its people are, up to the first, which policies decided it, and whose key
    signs the log."""
    people, activations = reader.people(), [event for event in reader.policy_events() if event.type == ACTIVATED]
    names: list[str] = []
    wanted: list[int] = []
    key: LogKey | None = log_key
    while key is not None:
        wanted.append(key.seq)
        before = reader.event(key.previous_seq) if key.previous_seq is not None else None
        key = key_of(before.seq, before.type, said(before)) if before is not None else None
    for event in own:
        body = said(event)
        versions: list[Json] = []
        if event.type == "vote":
            names.append(str(body.get("person")))
        elif event.type == "erased":
            names.append(str(body.get("by")))
        elif event.type == "decision":
            versions = [body.get("policy_version")]
        elif event.type == READS:
            versions = [record.policy_version for record in reader.decisions(request_id)]
        for version in versions:
            # Newest first: the one that was in force when this was decided.
            active = next((e for e in activations if e.seq < event.seq and said(e).get("version") == version), None)
            if active is not None:
                yield active
                if "signature" in said(active):
                    names.append(str(said(active).get("by")))
    seen: set[str] = set()
    while names:
        person = people.get(names.pop())
        if person is not None and person.id not in seen:
            seen.add(person.id)
            wanted.append(person.event_seq)
            names.extend([person.added_by] if person.added_by is not None else [])
    for seq in wanted:
        found_event = reader.event(seq)
        if found_event is not None:
            yield found_event


def _read(reader: Reader, request: ActionRequest, forms: Sequence[str], batch: Event) -> Json:
    """The record of a read, its number among all reads of the log, and the proof that it is under the root of its event."""
    leaves, body = reader.leaves_of(batch), json.loads(batch.body)
    leaf = leaf_over(request.id, [_sha256(form) for form in forms])
    if leaves.get(request.id) == leaf:
        index = list(leaves).index(request.id)
        proof = inclusion_proof(list(leaves.values()), index)
        size = body["last"] - body["first"] + 1
        if verify_inclusion(leaf, index, size, proof, bytes.fromhex(body["root"])):
            return {"number": body["first"] + index, "rows": list(forms), "proof": [each.hex() for each in proof]}
    raise StoreError(
        "store.corrupt",
        f"{request.reference} is not what event {batch.seq:,} of the audit log spoke for: no receipt can be given.",
        next_step="Run `runplane audit verify`; it says what was changed.",
    )


def _sha256(form: str) -> str:
    return hashlib.sha256(form.encode()).hexdigest()


def _named(event: Event) -> Iterator[str]:
    payloads = json.loads(event.body).get("payloads", {})
    yield from (str(name) for name in payloads.values())


def _named_by(forms: Sequence[str]) -> Iterator[str]:
    """The payloads that the rows of a read and of its decisions name."""
    for form in forms:
        row = json.loads(form)
        yield from (row[column] for column in ("asked", "effective", "told", "result", "content") if column in row)


def _since(note: Note, older: Note | None) -> tuple[Range, ...]:
    if older is None:
        return ()
    if older.checkpoint.origin != note.checkpoint.origin:
        raise CheckpointError(
            "checkpoint.foreign",
            f"That checkpoint is of {older.checkpoint.origin}, and this log is {note.checkpoint.origin}.",
            next_step="Compare with one of this log, and of the same epoch.",
        )
    if older.checkpoint.size > note.checkpoint.size:
        raise CheckpointError(
            "checkpoint.newer",
            f"That checkpoint has {older.checkpoint.size:,} events, and the log's own {note.checkpoint.size:,}.",
            next_step="If this home was restored from a backup, that is why; if it was not, keep both and look.",
        )
    return consistency_ranges(older.checkpoint.size, note.checkpoint.size)


def _keys(events: Sequence[Event]) -> set[bytes]:
    keys = (key_of(event.seq, event.type, said(event)) for event in events)
    return {key.public for key in keys if key is not None}


def _signed_by(note: Note, keys: set[bytes]) -> str:
    """The note with that one signature: others that it was given elsewhere say nothing here. CheckpointError
    `checkpoint.foreign` where none of these keys signed it."""
    signed, by = who_signed(note, keys)
    if signed is not Signed.GOOD or by is None:
        raise CheckpointError(
            "checkpoint.foreign",
            "That checkpoint is signed by no key of this log.",
            next_step="Give it as `runplane audit checkpoint` printed it, whole and unchanged.",
        )
    known = key_hash(note.checkpoint.origin, by)
    own = next(each for each in note.signatures if (each.name, each.key_hash) == (note.checkpoint.origin, known))
    return Note(note.checkpoint, note.text, (own,)).encode().decode()


def _older(note: Note, older: Note, proof: list[bytes], keys: set[bytes]) -> dict[str, Json]:
    there, now = older.checkpoint, note.checkpoint
    if not verify_consistency(there.size, there.root, now.size, now.root, proof):
        raise CheckpointError(
            "checkpoint.forked",
            f"The log of {now.size:,} events is not that of {there.size:,} events, grown: history was rewritten.",
            next_step="Run `runplane audit verify`, and keep that checkpoint.",
        )
    return {"checkpoint": _signed_by(older, keys), "proof": [each.hex() for each in proof]}


def _not_its_root() -> StoreError:
    return StoreError(
        "store.corrupt",
        "The audit log is not what its checkpoint says: no receipt can be given.",
        next_step="Run `runplane audit verify`; it says where.",
    )
