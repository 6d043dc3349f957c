"""Idempotency keys as Stripe keeps them. Source: https://docs.stripe.com/api/idempotent_requests.

A key belongs to an account and lives 24 hours. It remembers the first answer once its request began to execute, errors
included; it remembers nothing where the parameters could not be read. It works on POST only.

In the second API it lives 30 days, works on POST and DELETE, and remembers what succeeded: what failed is tried again.
Source: https://docs.stripe.com/api-v2-overview. The keys of one API are not the other's.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from dataclasses import dataclass

from runplane_mcp.simulator.refusal import IDEMPOTENCY, Refusal, key_in_use

LIFETIME = 24 * 3600
LIFETIME_V2 = 30 * 86400
LONGEST_KEY = 255


@dataclass(frozen=True, slots=True)
class Remembered:
    """The first answer to a key, and the request that got it."""

    status: int
    body: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Key:
    """An idempotency key with the request that carries it."""

    account: str
    key: str
    fingerprint: str
    lifetime: int = LIFETIME

    @classmethod
    def of(cls, account: str, key: str, method: str, path: str, parameters: object, *, v2: bool = False) -> Key:
        if not key or len(key) > LONGEST_KEY:
            raise Refusal(f"An idempotency key has 1 to {LONGEST_KEY} characters.", type=IDEMPOTENCY, remembered=False)
        asked = json.dumps([method, path, parameters], sort_keys=True)
        fingerprint = hashlib.sha256(asked.encode("utf-8", "surrogatepass")).hexdigest()
        if v2:
            return cls(f"{account} v2", key, fingerprint, LIFETIME_V2)
        return cls(account, key, fingerprint)

    def recall(self, db: sqlite3.Connection, *, now: int, wall: float) -> Remembered | None:
        """The remembered answer; None where the request is to be executed.

        409 while the first request is still being answered (`wall` time, since that wait is a real one), 400
        `idempotency_error` where the key came with another request.
        """
        row = db.execute(
            "SELECT fingerprint, created, busy_until, request_id, status, body FROM idempotency"
            " WHERE account = ? AND key = ?",
            (self.account, self.key),
        ).fetchone()
        if row is None:
            return None
        fingerprint, created, busy_until, request_id, status, body = row
        if created + self.lifetime <= now:
            db.execute("DELETE FROM idempotency WHERE account = ? AND key = ?", (self.account, self.key))
            return None
        if fingerprint != self.fingerprint:
            raise Refusal(
                "This idempotency key was first used with another request. Use a new key for a new request.",
                type=IDEMPOTENCY,
                remembered=False,
            )
        if wall < busy_until:
            raise key_in_use()
        return Remembered(status, body, request_id)

    def remember(self, db: sqlite3.Connection, answer: Remembered, *, now: int, busy_until: float) -> None:
        db.execute(
            "INSERT INTO idempotency (account, key, fingerprint, created, busy_until, request_id, status, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (self.account, self.key, self.fingerprint, now, busy_until, answer.request_id, answer.status, answer.body),
        )
