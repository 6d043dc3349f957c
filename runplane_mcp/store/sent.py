"""Writes that were sent to Stripe, found by what Stripe shows of them: for telling who made what is there."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Collection
from typing import Final

from runplane_mcp.core.request import ActionRequest, StripeIdentity
from runplane_mcp.store.rows import Row

# In these queries every text has an index of its own; a list goes in as one JSON value.
_BY_IDS: Final = """
WHERE request.stripe_key IS NOT NULL AND request.kind = 'write' AND request.number IN (
  SELECT number FROM request WHERE object_id IN (SELECT value FROM json_each(?1)) AND kind = 'write'
  UNION SELECT number FROM request WHERE stripe_request_id IN (SELECT value FROM json_each(?1)) AND kind = 'write'
  UNION SELECT number FROM mention WHERE stripe_id IN (SELECT value FROM json_each(?2)) AND kind = 'write'
)
ORDER BY request.number
"""
# By the policy time of the first attempt, the time that the simulator has too. It goes through all requests.
_BETWEEN: Final = """
SELECT number FROM request
WHERE number > ?1 AND kind = 'write' AND stripe_key IS NOT NULL
AND first_attempt_at + policy_at - created_at >= ?2 AND first_attempt_at + policy_at - created_at < ?3
ORDER BY number LIMIT ?4
"""
# One portion at a time: it goes through all requests.
_IDENTITIES: Final = """
SELECT target, account, livemode, max(kind = 'write'), count(*), max(number) FROM (
  SELECT number, target, account, livemode, kind FROM request WHERE number > ?1 ORDER BY number LIMIT ?2
) GROUP BY target, account, livemode
"""
_NUMBERED: Final = "WHERE request.number IN (SELECT value FROM json_each(?1)) ORDER BY request.number"


class SentReads:
    """Methods as `store/base.py` says."""

    @abstractmethod
    def _all(self, sql: str, *values: object) -> list[Row]: ...

    @abstractmethod
    def _requests(self, where: str, *values: object) -> list[ActionRequest]: ...

    def sent_by_ids(self, ids: Collection[str], keys: Collection[str]) -> list[ActionRequest]:
        known, wanted = frozenset(ids), frozenset(keys)
        found = self._requests(_BY_IDS, json.dumps(sorted(known)), json.dumps(sorted(wanted)))
        # An agent may have named anything; what counts is what the request itself is.
        return [
            each
            for each in found
            if each.stripe_key in wanted or each.object_id in known or each.stripe_request_id in known
        ]

    def sent_between(
        self, since: int, until: int, *, after: int = 0, limit: int = 500
    ) -> tuple[list[ActionRequest], int | None]:
        numbers = [int(row[0]) for row in self._all(_BETWEEN, after, since, until, limit)]
        found = self._requests(_NUMBERED, json.dumps(numbers)) if numbers else []
        return found, numbers[-1] if len(numbers) == limit else None

    def identities(self, after: int, limit: int) -> tuple[frozenset[StripeIdentity], int | None]:
        rows = self._all(_IDENTITIES, after, limit)
        found = frozenset(StripeIdentity(row[0], row[1], bool(row[2])) for row in rows if row[3])
        whole = sum(int(row[4]) for row in rows) == limit
        return found, max(int(row[5]) for row in rows) if whole and rows else None
