"""What the store keeps of policies: each text once, and which is enforced, proposed, or tried beside the enforced one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final

from runplane_mcp.errors import StoreError
from runplane_mcp.store.conditions import POLICY_EVENTS
from runplane_mcp.store.records import DecisionRecord, EnforcedPolicy, Event, ProposedPolicy
from runplane_mcp.store.rows import DECISION_COLUMNS, Row, insert, listed

# ruff: noqa: S608 - column names of our own; every value is bound.

SELECT_EVENT: Final = "SELECT seq, at, type, request_id, body, leaf FROM event"


class PolicyReads(ABC):
    """Methods as `store/base.py` says."""

    @abstractmethod
    def _one(self, sql: str, *values: object) -> Row | None: ...

    @abstractmethod
    def _all(self, sql: str, *values: object) -> list[Row]: ...

    @abstractmethod
    def _decision(self, row: Row) -> DecisionRecord: ...

    def enforced_policy(self) -> EnforcedPolicy | None:
        row = self._one("SELECT version, text, since, by FROM enforced_policy JOIN policy USING (version)")
        return None if row is None else EnforcedPolicy(*row)

    def enforced_version(self) -> str | None:
        row = self._one("SELECT version FROM enforced_policy")
        return None if row is None else str(row[0])

    def proposed_policy(self) -> ProposedPolicy | None:
        row = self._one("SELECT version, text, at FROM proposed_policy JOIN policy USING (version)")
        return None if row is None else ProposedPolicy(*row)

    def candidate_version(self) -> str | None:
        row = self._one("SELECT version FROM candidate_policy")
        return None if row is None else str(row[0])

    def candidate_since(self) -> int | None:
        row = self._one("SELECT since FROM candidate_policy")
        return None if row is None else int(row[0])

    def policy_text(self, version: str) -> str | None:
        row = self._one("SELECT text FROM policy WHERE version = ?", version)
        return None if row is None else str(row[0])

    def first_decisions(self, before: int | None, limit: int) -> list[tuple[int, DecisionRecord]]:
        rows = self._all(
            f"""
            SELECT request.number, {listed(DECISION_COLUMNS, "decision")}, payload.salt, payload.body FROM request
            JOIN decision ON decision.request_id = request.id AND decision.n = 1
            LEFT JOIN payload ON payload.commitment = decision.content
            WHERE ?1 IS NULL OR request.number < ?1 ORDER BY request.number DESC LIMIT ?2
            """,
            before,
            limit,
        )
        return [(row[0], self._decision(row[1:])) for row in rows]

    def policy_events(self) -> list[Event]:
        rows = self._all(f"{SELECT_EVENT} INDEXED BY event_policy WHERE {POLICY_EVENTS} ORDER BY seq DESC")
        return [Event(*row) for row in rows]


class PolicyWrites(PolicyReads):
    """The same for a transaction that changes them."""

    def propose_policy(self, policy: ProposedPolicy) -> None:
        self._keep_policy(policy.version, policy.text)
        self._all(
            """
            INSERT INTO proposed_policy (one, version, at) VALUES (1, ?, ?)
            ON CONFLICT (one) DO UPDATE SET version = excluded.version, at = excluded.at
            """,
            policy.version,
            policy.at,
        )

    def activate_policy(self, policy: EnforcedPolicy) -> None:
        self._keep_policy(policy.version, policy.text)
        self._all(
            """
            INSERT INTO enforced_policy (one, version, since, by) VALUES (1, ?, ?, ?)
            ON CONFLICT (one) DO UPDATE SET version = excluded.version, since = excluded.since, by = excluded.by
            """,
            policy.version,
            policy.since,
            policy.by,
        )
        self._all("DELETE FROM proposed_policy WHERE version = ?", policy.version)

    def try_policy(self, version: str, text: str, *, since: int, by: str) -> None:
        self._keep_policy(version, text)
        self._all(
            """
            INSERT INTO candidate_policy (one, version, since, by) VALUES (1, ?, ?, ?)
            ON CONFLICT (one) DO UPDATE SET version = excluded.version, since = excluded.since, by = excluded.by
            """,
            version,
            since,
            by,
        )

    def end_trial(self) -> None:
        self._all("DELETE FROM candidate_policy")

    def _keep_policy(self, version: str, text: str) -> None:
        kept = self._one("SELECT text FROM policy WHERE version = ?", version)
        if kept is None:
            self._all(insert("policy", ("version", "text")), version, text)
        elif kept[0] != text:
            raise StoreError(
                "store.constraint",
                "Another policy has this version already.",
                next_step="Nothing was changed. Please report this.",
            )
