"""What one request sees of the world and may do to it, inside one database transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from runplane_mcp.simulator.objects import API_VERSION, Obj, new_id
from runplane_mcp.simulator.refusal import Refusal, missing

_SAVE = "UPDATE object SET body = ? WHERE account = ? AND id = ?"
_EXPIRED_EVENTS = 30 * 86400


class Transaction:
    """The world as seen from one `account`, at `now` (Unix seconds).

    `request_id` and `key` go into the events that the request causes; both are None where time alone acts.
    `declined` asks handlers that can leave a failed object behind to do so.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        *,
        now: int,
        platform: str,
        account: str,
        request_id: str | None = None,
        key: str | None = None,
        declined: bool = False,
    ) -> None:
        self.db = db
        self.now = now
        self.platform = platform
        self.account = account
        self.request_id = request_id
        self.key = key
        self.declined = declined

    def at(self, now: int, account: str) -> Transaction:
        """The same world for what time does by itself: no request, no key."""
        return Transaction(self.db, now=now, platform=self.platform, account=account)

    def on(self, account: str) -> Transaction:
        """The same request, seen from another account."""
        return Transaction(
            self.db,
            now=self.now,
            platform=self.platform,
            account=account,
            request_id=self.request_id,
            key=self.key,
            declined=self.declined,
        )

    # Objects

    def find(self, id: str, *, account: str | None = None) -> Obj | None:
        """The object of this partition with that id, whatever its kind. A deleted one is `{id, object, deleted}`."""
        row = self.db.execute(
            "SELECT body FROM object WHERE account = ? AND id = ?", (account or self.account, id)
        ).fetchone()
        return None if row is None else self._loaded(row[0])

    def require(self, kind: str, id: str, param: str, *, status: int = 400, account: str | None = None) -> Obj:
        """The object, or `resource_missing` naming `param`. One that was deleted is missing too."""
        found = self.find(id, account=account)
        if found is None or found["object"] != kind or found.get("deleted") or self._forgotten(found):
            raise missing(kind, id, param, status)
        return found

    def _forgotten(self, found: Obj) -> bool:
        return found["object"] == "event" and self.oldest_event() > int(found["created"])

    def oldest_event(self) -> int:
        """Events are kept for 30 days."""
        return self.now - _EXPIRED_EVENTS

    def insert(self, obj: Obj, *, account: str | None = None) -> None:
        created = obj.get("created")  # written out as a date in the second API
        self.db.execute(
            "INSERT INTO object (account, id, kind, created, body) VALUES (?, ?, ?, ?, ?)",
            (
                account or self.account,
                obj["id"],
                obj["object"],
                created if isinstance(created, int) else self.now,
                _text(obj),
            ),
        )

    def save(self, obj: Obj, *, account: str | None = None) -> None:
        self.db.execute(_SAVE, (_text(obj), account or self.account, obj["id"]))

    def put(self, obj: Obj) -> None:
        """Saves an object that may be new."""
        if self.find(obj["id"]) is None:
            self.insert(obj)
        else:
            self.save(obj)

    def delete(self, obj: Obj) -> Obj:
        """Leaves `{id, object, deleted}` in its place: still found by its id, in no list any more."""
        gone: Obj = {"id": obj["id"], "object": obj["object"], "deleted": True}
        self.db.execute(
            "UPDATE object SET body = ?, kind = kind || '.deleted' WHERE account = ? AND id = ?",
            (_text(gone), self.account, obj["id"]),
        )
        return gone

    def insert_anew(self, obj: Obj) -> None:
        """Inserts an object under the id of one that was deleted."""
        self.db.execute("DELETE FROM object WHERE account = ? AND id = ?", (self.account, obj["id"]))
        self.insert(obj)

    def retire(self, obj: Obj) -> None:
        """Saves an object that can be looked at by its id, and is in no list and of no use any more."""
        self.save(obj)
        self.db.execute(
            "UPDATE object SET kind = kind || '.retired' WHERE account = ? AND id = ?", (self.account, obj["id"])
        )

    def retired(self, id: str) -> bool:
        row = self.db.execute("SELECT kind FROM object WHERE account = ? AND id = ?", (self.account, id)).fetchone()
        return row is not None and str(row[0]).endswith(".retired")

    def select(self, clauses: Sequence[str], values: Sequence[Any], order: str, limit: int) -> list[Obj]:
        """Objects of this partition by SQL conditions written in this package, newest or oldest first."""
        where = " AND ".join(("account = ?", *clauses))
        query = f"SELECT body FROM object WHERE {where} ORDER BY created {order}, seq {order} LIMIT ?"  # noqa: S608 — the clauses are this package's own words; what came from outside is bound
        return [self._loaded(row[0]) for row in self.db.execute(query, (self.account, *values, limit))]

    def all(self, kind: str, field: str, value: str) -> list[Obj]:
        """Every object of a kind whose `field` is `value`, newest first."""
        return self.select(["kind = ?", f"json_extract(body, '$.{field}') = ?"], [kind, value], "DESC", -1)

    @staticmethod
    def _loaded(body: str) -> Obj:
        loaded: Obj = json.loads(body)
        return loaded

    # Money

    def available(self, currency: str, *, account: str | None = None) -> int:
        """Minor units that a payout or transfer may draw on now."""
        row = self.db.execute(
            "SELECT available FROM balance WHERE account = ? AND currency = ?", (account or self.account, currency)
        ).fetchone()
        return 0 if row is None else int(row[0])

    def need(self, amount: int, currency: str, *, account: str | None = None) -> None:
        """`balance_insufficient` where less than `amount` is available."""
        if self.available(currency, account=account) < amount:
            raise Refusal(
                f"The available {currency} balance is too small for this.", code="balance_insufficient", param="amount"
            )

    def post(
        self,
        type: str,
        source: str | None,
        amount: int,
        currency: str,
        *,
        fee: int = 0,
        application_fee: int = 0,
        available_on: int | None = None,
        category: str | None = None,
        description: str | None = None,
        account: str | None = None,
        id: str | None = None,
        created: int | None = None,
    ) -> str:
        """Books a balance transaction and moves the balance by `amount` less both fees. Returns its id."""
        partition = account or self.account
        when = self.now if created is None else created
        ready = when if available_on is None else available_on
        net = amount - fee - application_fee
        pending = ready > self.now
        transaction: Obj = {
            "id": id or new_id("txn"),
            "object": "balance_transaction",
            "amount": amount,
            "available_on": ready,
            "balance_type": "payments",
            "created": when,
            "currency": currency,
            "description": description,
            "exchange_rate": None,
            "fee": fee + application_fee,
            "fee_details": [
                *([_fee(fee, currency, "Stripe processing fees", "stripe_fee")] if fee else []),
                *([_fee(application_fee, currency, "Application fee", "application_fee")] if application_fee else []),
            ],
            "net": net,
            "reporting_category": category or type,
            "source": source,
            "status": "pending" if pending else "available",
            "type": type,
        }
        self.insert(transaction, account=partition)
        self.move(partition, currency, available=0 if pending else net, pending=net if pending else 0)
        if pending:
            self.schedule(ready, transaction["id"], account=partition)
        return str(transaction["id"])

    def move(self, account: str, currency: str, *, available: int, pending: int) -> None:
        self.db.execute(
            "INSERT INTO balance (account, currency, available, pending) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE"
            " SET available = available + excluded.available, pending = pending + excluded.pending",
            (account, currency, available, pending),
        )

    # Time and events

    def unschedule(self, id: str, *, account: str | None = None) -> None:
        """Forgets what `clockwork` was to do with the object."""
        self.db.execute("DELETE FROM due WHERE account = ? AND id = ?", (account or self.account, id))

    def schedule(self, at: int, id: str, *, account: str | None = None) -> None:
        """Has `clockwork` look at the object when the world's clock reaches `at`."""
        self.db.execute("INSERT INTO due (at, account, id) VALUES (?, ?, ?)", (at, account or self.account, id))

    def emit(
        self, type: str, obj: Obj, *, before: Obj | None = None, account: str | None = None, id: str | None = None
    ) -> None:
        """Writes the event that Stripe would: with the request's idempotency key, which no agent can forge."""
        data: Obj = {"object": obj}
        if before is not None:
            data["previous_attributes"] = {k: before.get(k) for k in obj if before.get(k) != obj[k]}
        event: Obj = {
            "id": id or new_id("evt"),
            "object": "event",
            "api_version": API_VERSION,
            "created": self.now,
            "data": data,
            "livemode": False,
            "pending_webhooks": 0,
            "request": {"id": self.request_id, "idempotency_key": self.key},
            "type": type,
        }
        self.insert(event, account=account)


def _text(obj: Obj) -> str:
    return json.dumps(obj, separators=(",", ":"))


def _fee(fee: int, currency: str, description: str, type: str) -> Obj:
    return {"amount": fee, "application": None, "currency": currency, "description": description, "type": type}
