"""Looking up what a request would really do. Bounded in time; what was not found out is unknown, which works against it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

import anyio

from runplane_mcp.core import effects
from runplane_mcp.core.effect import UNAVAILABLE, Effect, Looked, NotThere, Read
from runplane_mcp.core.operation import Classified
from runplane_mcp.stripe_api.answers import is_missing
from runplane_mcp.stripe_api.client import Answer, Done, Refused, StripeConnection

logger = logging.getLogger("runplane.resolve")


async def resolve(
    connection: StripeConnection,
    classified: Classified,
    *,
    timeout: float = 10.0,  # noqa: ASYNC109 — running out of time is an answer here, not an error
    account: str | None = None,
    turn: Callable[[], Awaitable[None]] | None = None,
) -> Effect:
    """The effect of a request after at most three stages of reads, those of one stage at once, all within `timeout`
    seconds. Never raises for anything Stripe answered: what went wrong leaves unknown facts and `incomplete`. Each read
    waits for its `turn` first, within the same seconds."""
    looked: dict[str, Looked] = {}
    try:
        with anyio.move_on_after(timeout):
            for _ in range(effects.MOST_STAGES):
                stage = effects.reads(classified, looked)
                if not stage:
                    break
                # Said before asking, so that reads which time runs out for are unavailable, not forgotten.
                looked.update({read.name: UNAVAILABLE for read in stage})
                if len(stage) == 1:
                    # Nearly always: a task of its own would cost more than the gate's own part of the read.
                    await _look(connection, stage[0], account, looked, turn)
                    continue
                async with anyio.create_task_group() as reading:
                    for read in stage:
                        reading.start_soon(_look, connection, read, account, looked, turn)
        return effects.effect_of(classified, looked)
    except Exception as error:  # noqa: BLE001 — a fault in reading an effect must hold the request, never let it pass
        logger.error("the effect of %s could not be read: %s", classified.operation.operation_id, type(error).__name__)
        return effects.unknown_effect(classified)


async def _look(
    connection: StripeConnection,
    read: Read,
    account: str | None,
    looked: dict[str, Looked],
    turn: Callable[[], Awaitable[None]] | None,
) -> None:
    if turn is not None:
        await turn()
    looked[read.name] = looked_up(await connection.send(read.wire, idempotency_key=None, account=account))


def looked_up(answer: Answer) -> Looked:
    """What an answer to a read tells. Only Stripe's own word that the object does not exist, or belongs to an account
    out of reach, is a definite no; a key that lacks a permission is not."""
    if isinstance(answer, Done):
        body: Mapping[str, object] = answer.body
        return body
    if isinstance(answer, Refused):
        foreign = answer.status == 403 and answer.failure.code == "stripe.account_invalid"
        if is_missing(answer) or foreign:
            return NotThere(answer.failure)
    return UNAVAILABLE
