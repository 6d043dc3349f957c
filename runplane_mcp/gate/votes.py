"""Writing a vote down, and what comes of it: one place for a vote on one card and for a no to each of many."""

from __future__ import annotations

from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from runplane_mcp.core.approval import Answer, Standing, Tally, Vote, vote_statement
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.request import ActionRequest, State
from runplane_mcp.gate.people import PROOF_ED25519
from runplane_mcp.gate.rounds import Round
from runplane_mcp.store.base import Transaction


def cast_vote(
    tx: Transaction,
    seen: Round,
    *,
    person: str,
    key: Ed25519PrivateKey,
    answer: Answer,
    at: int,
    note: str | None,
    event: Mapping[str, Json] | None = None,
) -> tuple[ActionRequest, Tally]:
    """Signs and keeps one person's answer to the round that they saw, and moves the request where that decides it.
    `event` is what a denial's event says beside who and which round. ApprovalError `approval.voted`, before anything is
    written."""
    request = seen.request
    statement = vote_statement(
        store=tx.store_id(), request_id=request.id, digest=seen.digest, answer=answer, person=person, at=at
    )
    tx.add_vote(
        Vote(
            request_id=request.id,
            round=request.round,
            person=person,
            answer=answer,
            digest=seen.digest,
            at=at,
            proof_kind=PROOF_ED25519,
            proof=key.sign(statement).hex(),
            note=note,
        )
    )
    counted = seen.counted(tx)
    if counted.standing is Standing.APPROVED:
        by: list[Json] = list(counted.yes)
        return tx.move(request, State.APPROVED, at=at, event={"round": request.round, "by": by}), counted
    if counted.standing is Standing.DENIED:
        tx.settle(request.id, release=True)
        told = {**(event or {}), "round": request.round, "by": counted.denied_by}
        return tx.move(request, State.DENIED, at=at, event=told, message_to_agent=note), counted
    return request, counted
