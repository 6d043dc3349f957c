"""The store's protocol. A store runs whole functions as transactions: `await store.write(work)` hands `work` a
`Transaction`, commits durably, and only then returns; if `work` raises, nothing of it remains.

Every change of a request's state is one compare-and-set with its audit event in the same transaction: no event, no change.
Times are milliseconds since 1970. `at` is wall time unless it says policy time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol, TypeVar, Unpack

from runplane_mcp.core.approval import Person, Vote
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.decision import Bucket, Usage
from runplane_mcp.core.freeze import Freeze
from runplane_mcp.core.limits import Spent
from runplane_mcp.core.money import Money
from runplane_mcp.core.proofs import Node
from runplane_mcp.core.repeats import Earlier, Form
from runplane_mcp.core.request import ActionRequest, Kind, State, StripeIdentity
from runplane_mcp.store.records import (
    Changes,
    DecisionRecord,
    EnforcedPolicy,
    Event,
    Head,
    KeyUse,
    Past,
    ProposedPolicy,
    Repeat,
    RequestFilter,
    Salted,
)

T = TypeVar("T")


class Reader(Protocol):
    """What can be asked of one consistent snapshot."""

    def store_id(self) -> str:
        """The random id made with the store; part of every vote, so that a vote does not count in a copy."""
        ...

    def request(self, request_id: str) -> ActionRequest | None: ...
    def unmoved(self, request: ActionRequest) -> bool:
        """Whether the request is still in this state and version: then nothing else of it has changed either."""
        ...

    def request_by_reference(self, reference: str) -> ActionRequest | None: ...
    def requests(self, filter: RequestFilter) -> list[ActionRequest]:
        """Newest first."""
        ...

    def unfinished(self, now: int | None = None) -> list[ActionRequest]:
        """Every request that is not final, oldest first. With `now` (policy time), what waits for people is left out
        unless it has expired by then, and what is scheduled unless its time has come: that is what a gate may have work
        with, and cheap however many wait."""
        ...

    def earlier(self, form: Form, value: str, *, excluding: str | None = None, held_before: bool = False) -> Earlier:
        """The newest requests that are the same in this form, whatever their age, but for `excluding`. With `held_before`,
        what is open counts only where it was received before `excluding`, or may be having its effect by now."""
        ...

    def all_earlier(
        self, forms: Mapping[Form, str], *, excluding: str | None = None, held_before: bool = False
    ) -> dict[Form, Earlier]:
        """The same for several forms, each with its value."""
        ...

    def latest_effect(self, forms: Mapping[Form, str]) -> ActionRequest | None:
        """Of the requests that are the same in any of these forms and had an effect, the one that was received last: by
        the order of the store, which no clock can change."""
        ...

    def by_agent_key(self, principal: str, idempotency_key: str) -> KeyUse | None:
        """What answers for this principal's own key. An attempt that neither policy, people nor Stripe ever answered
        (what was asked was wrong, Runplane died before it decided, Stripe was never reached) binds no key."""
        ...

    def count_held(self, principal: str, most: int) -> int:
        """How many requests of a principal are undecided, wait for people or for their time; at most `most` are counted."""
        ...

    def count_repeats(self, request_id: str, most: int) -> int:
        """How many attempts were answered by this request; at most `most` are counted."""
        ...

    def told(self, request_id: str) -> bool:
        """Whether the result of a request has reached its agent after its call."""
        ...

    def about(
        self, stripe_id: str, *, kind: Kind, limit: int, states: frozenset[State] | None = None
    ) -> list[ActionRequest]:
        """The requests that made this object, were this request of Stripe's, or mention the id in what was asked, looked
        up or answered; newest first. No more than index look-ups, however many requests there are; with `states`, it
        looks at as many as the id has."""
        ...

    def count_about(self, stripe_id: str, *, kind: Kind, states: frozenset[State] | None = None) -> int:
        """How many there are in all."""
        ...

    def sent_by_ids(self, ids: Collection[str], keys: Collection[str]) -> list[ActionRequest]:
        """The writes that made one of these objects, are one of these requests of Stripe's, or were sent with one of these
        idempotency keys of ours. Index look-ups, whatever agents have named."""
        ...

    def sent_between(
        self, since: int, until: int, *, after: int = 0, limit: int = 500
    ) -> tuple[list[ActionRequest], int | None]:
        """Writes whose first attempt lies between these policy times (milliseconds), in the order of the store, and the
        number to go on after, None where these are the last. It looks through all requests."""
        ...

    def identities(self, after: int, limit: int) -> tuple[frozenset[StripeIdentity], int | None]:
        """On which accounts the next `limit` requests after number `after` asked for a write, and the number to go on
        after, None where these are the last."""
        ...

    def result(self, request_id: str) -> Mapping[str, Json] | None:
        """The Stripe object that a succeeded write answered, redacted."""
        ...

    def payload(self, commitment: str) -> Json:
        """The content behind a commitment, None when it was erased."""
        ...

    def requests_of_customer(self, customer: str) -> list[str]:
        """The ids of all requests that are about this customer of Stripe's, name it, or made it; those about an object that
        belongs to it; and what these were lowered to or from."""
        ...

    def payloads_saying(self, word: str, *, after: int = 0) -> list[tuple[str, str | None]]:
        """The commitments of payloads in whose words, or in the bytes of whose requests, this stands as a whole word, and
        whose each is. Reads all of them, but for the first `after`."""
        ...

    def payloads_of(self, request_id: str) -> list[str]:
        """The commitments of a request's payloads that were not erased, the oldest first."""
        ...

    def newest_payload(self) -> int:
        """The number of the newest payload: what is written later has a higher one."""
        ...

    def ended(
        self, since: int, until: int, *, after: int, limit: int, kind: Kind | None = None
    ) -> list[tuple[int, ActionRequest]]:
        """Requests that became final from `since` until before `until`, each with its number in the store; the first
        `limit` of those with a higher number than `after`."""
        ...

    def count_unfinished(self, until: int) -> int:
        """How many requests that were received before `until` are not final."""
        ...

    def row_forms(self, request_id: str) -> list[str]:
        """The rows of a request, its decisions and its votes as canonical JSON: what the events that wrote them hashed."""
        ...

    def salted(self, commitment: str) -> Salted | None:
        """The bytes behind a commitment, None when they were erased."""
        ...

    def tree_hashes(self, wanted: Collection[Node], size: int) -> dict[Node, bytes]:
        """Hashes of these complete subtrees of the log's first `size` events; those that they do not fill are missing.
        Reads the leaves of all of them once, some thousand at a time."""
        ...

    def decisions(self, request_id: str) -> list[DecisionRecord]:
        """All decisions of a request, first to last."""
        ...

    def round_decision(self, request_id: str, round: int) -> DecisionRecord | None:
        """The decision record whose digest the votes of this round name."""
        ...

    def votes(self, request_id: str, round: int) -> list[Vote]: ...
    def people(self) -> dict[str, Person]: ...
    def enforced_policy(self) -> EnforcedPolicy | None: ...
    def enforced_version(self) -> str | None:
        """Its version alone, for whoever has read its text before."""
        ...

    def proposed_policy(self) -> ProposedPolicy | None: ...
    def candidate_version(self) -> str | None:
        """The version of the policy that is tried beside the enforced one."""
        ...

    def candidate_since(self) -> int | None:
        """Since when it is tried."""
        ...

    def policy_text(self, version: str) -> str | None:
        """The text of a policy that was enforced, proposed or tried, None where there was none of this version."""
        ...

    def first_decisions(self, before: int | None, limit: int) -> list[tuple[int, DecisionRecord]]:
        """The first decision of each request, newest request first, with the number it has in the store; `before` is the
        number that the last page ended with."""
        ...

    def policy_events(self) -> list[Event]:
        """Every event about the policy itself (`policy.…`), newest first; quick however long the log is."""
        ...

    def coverage_events(self) -> list[Event]:
        """Every event of the watch over the account (`coverage.…`), oldest first; as quick."""
        ...

    def freezes(self) -> list[Freeze]:
        """Every freeze there ever was, oldest first. `lifted_seq` is only what the row says."""
        ...

    def usages(self, buckets: Sequence[Bucket], now: int, excluding: str | None = None) -> list[Usage]:
        """How full each bucket is: rows whose time lies within the window before `now` (policy time), and all that wait.
        `excluding` leaves out one request's own reservation."""
        ...

    def buckets(self, key: str, most: int, *, holding: str | None = None) -> tuple[list[str], bool]:
        """Values of the buckets that a limit has, the newest first, and whether these are all. Where there are more than
        `most`, those that the latest requests and the unfinished ones count into. `holding`: only buckets with this
        value among theirs; those are looked for in all."""
        ...

    def spent(self, key: str, bucket: str, since: int, limit: int) -> list[Spent]:
        """What counts into a bucket and does not wait, later than `since` (policy time), the oldest first."""
        ...

    def past(
        self,
        *,
        principal: str,
        customer: str | None,
        object_id: str | None,
        now: int,
        excluding: str | None = None,
    ) -> Past: ...
    def event(self, seq: int) -> Event | None: ...
    def first_event(self, type: str) -> Event | None:
        """The oldest event of a type; quick where there is one early in the log."""
        ...

    def events(self, after: int, limit: int, request_id: str | None = None) -> list[Event]: ...
    def reads_pending(self) -> bool:
        """Whether there are reads that have ended and that no event speaks for yet."""
        ...

    def mismatch(self, request_id: str) -> str | None:
        """What the log's own events say against a request's rows, its decisions, votes and payloads among them, in a
        sentence; None where they bear out all of it and there is nothing else. What changed in this very transaction has
        to have its events."""
        ...

    def batch_of(self, request_id: str) -> list[Event]:
        """The one event `reads` that speaks for this read; none while none does, and for what has events of its own."""
        ...

    def reads_of(self, batch: Event | None) -> list[str]:
        """The ids of the reads that a batch speaks for, in the order in which they ended; with None, of those that none
        speaks for yet."""
        ...

    def leaves_of(self, batch: Event) -> dict[str, bytes]:
        """The leaves that the root of a batch is over, in their order, each under its read's id."""
        ...

    def head(self) -> Head: ...
    def meta(self, key: str) -> str | None: ...
    def epoch_seq(self) -> int | None:
        """The event with which the last restore began the epoch, None in a store that was never restored."""
        ...

    def set_aside(self, most: int) -> list[str]:
        """The references of requests that a restore found open and that nobody has gone through since; `most` at most."""
        ...

    def newest_event_at(self) -> int:
        """The latest wall time of any audit event, 0 when there is none: a clock that was set back shows here."""
        ...


class Transaction(Reader, Protocol):
    """A snapshot that can also be changed. Everything or nothing of it becomes durable."""

    def append(self, type: str, body: Mapping[str, Json], *, at: int, request_id: str | None = None) -> int:
        """Appends an audit event and moves the head; returns its sequence number. `v`, `seq`, `at`, `type` and the
        request id are put into the body here. Bodies hold no personal data: that goes behind `commit_payload`."""
        ...

    def commit_payload(self, content: Json, *, request_id: str | None = None) -> str:
        """Stores `content` as JSON bytes under a fresh 128-bit salt and returns its commitment, SHA-256(salt || bytes), in
        hex. `request_id` says whose it is, so that erasing finds it. An event that refers to it does so in its body's
        `payloads`, an object of names and commitments: `verify` follows those."""
        ...

    def erase_payload(self, commitment: str) -> None:
        """Overwrites a payload where it stands. The caller appends the event `erased` that names it among its `commitments`
        in this transaction; `verify` takes no missing payload for an erased one without."""
        ...

    def batch_reads(self, *, at: int) -> int:
        """Appends the event `reads` for all reads that have ended since the last one, at most 10,000; says how many there
        were. No read is in two batches, whoever makes them, since each goes on where the last one ended."""
        ...

    def insert_request(
        self, request: ActionRequest, *, asked: Json = None, event: Mapping[str, Json], quiet: bool = False
    ) -> ActionRequest:
        """A new request, always `received`, in version 1. `quiet` is for reads: where this same transaction brings it to
        `executing`, it has no events of its own, and one `reads` event speaks for it and others when it has ended.

        `asked` is the redacted raw arguments where no wire request could be made. A taken reference grows until it is
        free. The event is `request.received`; beside what `event` says it holds `version`, `row` and `payloads`."""
        ...

    def move(
        self,
        request: ActionRequest,
        to: State,
        *,
        at: int,
        event: Mapping[str, Json],
        **changes: Unpack[Changes],
    ) -> ActionRequest:
        """Compare-and-set from exactly this state and version; the event is `request.<state>`. Raises Changed when
        somebody was faster, StoreError `store.transition` when the table does not allow it."""
        ...

    def add_decision(self, record: DecisionRecord) -> None:
        """Appends the record, event `decision`. Raises StoreError on a second one with the same number."""
        ...

    def add_vote(self, vote: Vote) -> None:
        """Appends a vote, event `vote`. A person has one vote a round: a second raises ApprovalError `approval.voted`."""
        ...

    def add_repeat(self, repeat: Repeat, *, at: int) -> None:
        """Appends a repeat, event `repeat`. A result is handed out or seen once: Changed when it was before."""
        ...

    def set_result(self, request_id: str, result: Mapping[str, Json]) -> None:
        """Keeps Stripe's object for the request's next move in this same transaction, whose event commits to it.
        ValueError at the transaction's end when there was no such move."""
        ...

    def reserve(self, request_id: str, buckets: Sequence[Bucket], *, at: int, waiting: bool) -> None:
        """Replaces this request's rows in the rolling sums. `at` is policy time; a waiting row counts as now. They change
        with the request's next move in this same transaction, whose event vouches for them: ValueError at the
        transaction's end when there was no such move."""
        ...

    def settle(self, request_id: str, *, release: bool, spent: Money | None = None) -> None:
        """`release` gives the money back and keeps the attempt in the count; otherwise the row stands as spent. `spent` is
        what really moved, where that is known: it takes the place of the amount that was reserved, also of an unknown
        one. Sums of anything but amounts keep what they have. ValueError as `reserve` where that changed anything."""
        ...

    def note_subject(
        self,
        request_id: str,
        *,
        customer: str | None,
        object_id: str | None,
        amount: int | None,
        currency: str | None,
    ) -> None:
        """Remembers what a request is about, for the history facts of later ones, with its next move in this same
        transaction. ValueError at the transaction's end when there was no such move."""
        ...

    def mention(self, request_id: str, stripe_ids: Sequence[str]) -> None:
        """Lets the request be found by these ids, from its next move in this same transaction on. Those in its bytes and in
        its result are noted without being told. ValueError as `reserve`."""
        ...

    def add_person(self, person: Person) -> None:
        """PersonError `person.exists`. The event at `event_seq` is appended before, in this transaction; `verify` holds
        the row against its `person`, `role`, `groups`, `public_key`, `salt` and `scrypt`."""
        ...

    def propose_policy(self, policy: ProposedPolicy) -> None:
        """The caller appends `policy.proposed` with `version`, unless one has told so since a policy was activated."""
        ...

    def activate_policy(self, policy: EnforcedPolicy) -> None:
        """The caller appends `policy.activated` with `version` and `by` at `since` in this transaction; `verify` compares
        them."""
        ...

    def try_policy(self, version: str, text: str, *, since: int, by: str) -> None:
        """Puts a candidate beside the enforced policy, in the place of the one before. The caller appends `policy.tried`
        with `version` at `since` in this transaction; `verify` compares them."""
        ...

    def end_trial(self) -> None:
        """Takes the candidate away. The caller appends `policy.trial_ended`."""
        ...

    def start_freeze(self, freeze: Freeze) -> None:
        """Adds a freeze that stands, event `freeze.started`. Who is said to have started it, and why, is in a payload."""
        ...

    def lift_freeze(self, freeze_id: str, event: Mapping[str, Json], *, at: int) -> None:
        """Marks a freeze as ended by the event `freeze.lifted`, whose body is `event` and the freeze's id. Changed where
        there is no such freeze."""
        ...

    def begin_epoch(self, epoch: int, seq: int) -> None:
        """From here on what was received before may be set aside, and this is no backup any more. The caller has appended
        `epoch.begun`, event `seq`, in this transaction."""
        ...

    def set_meta(self, key: str, value: str) -> None: ...


class Store(Protocol):
    """`open` it once in a process. All methods are safe to call from many tasks at once."""

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Runs `work` as one durable transaction. StoreError `store.unavailable` / `store.locked` / `store.full` /
        `store.readonly` / `store.corrupt` when the database will not take it; then nothing of it happened.

        `work` runs once, in another thread, beside works of other tasks in the same commit: it must not block, and it
        keeps nothing of the transaction. When the waiting task is canceled, work that has begun is finished all the
        same, and work that has not is not begun."""
        ...

    async def read(self, work: Callable[[Reader], T]) -> T: ...

    async def version(self) -> int:
        """A number that changes when any process has committed; cheap enough to poll every 50 ms."""
        ...

    def check_room(self) -> None:
        """StoreError `store.full` where so little room is left that it is kept for people and for what has begun: nothing
        new is to be taken from agents. Cheap enough to ask for each request."""
        ...

    async def scrub(self) -> None:
        """Sees to it that what was erased is in none of the database's files any more. StoreError `store.in_use` where
        another process keeps it from that for now."""
        ...

    async def close(self) -> None: ...
