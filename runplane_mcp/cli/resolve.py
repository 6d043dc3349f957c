"""`runplane requests resolve`: an administrator says what became of a request whose outcome is unknown."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.home import at_desk, settings_of_home
from runplane_mcp.cli.options import AsAdmin, JsonFlag, SecretStdin
from runplane_mcp.core.request import ActionRequest, State
from runplane_mcp.errors import RequestError, UsageError

if TYPE_CHECKING:
    from runplane_mcp.gate.desk import Desk

EXAMPLES = examples(
    ("runplane requests list --state outcome_unknown", "what there is to resolve"),
    ("runplane requests resolve RP-7F3K --as maria", "shows the request, asks what became of it"),
    (
        "runplane requests resolve RP-7F3K --outcome succeeded --object re_3Q1 --note 'Seen in Stripe.' --as maria",
        "it was done: Stripe has the refund",
    ),
    (
        "runplane requests resolve RP-7F3K --outcome failed --note 'No refund of ch_3Q1 two days later.' --as maria",
        "it was not done; a day after the last attempt at the earliest",
    ),
)


class Became(StrEnum):
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


def resolve(
    request: Annotated[str, typer.Argument(metavar="REQUEST", help="A reference (RP-7F3K) or id.")],
    outcome: Annotated[
        Became | None,
        typer.Option(
            "--outcome", help="What became of it. `failed`: a day after the last attempt. `canceled`: after a restore."
        ),
    ] = None,
    object_id: Annotated[
        str | None,
        typer.Option(
            "--object", metavar="ID", help="What Stripe has of it: what it made, or what a failure left behind."
        ),
    ] = None,
    note: Annotated[str | None, typer.Option("--note", help="The evidence: what you saw, where and when.")] = None,
    as_admin: AsAdmin = None,
    secret_stdin: SecretStdin = False,
    as_json: JsonFlag = False,
) -> None:
    """Say, with evidence, what became of a request whose outcome is unknown.

    Look in Stripe first. It is final and signed, and settles what the limits count: money of a failure is given back,
    unless it left something behind. What a restore found open may also be canceled, and all of it said at once. With
    --secret-stdin the first line on stdin is ADMIN's secret.
    """
    from runplane_mcp.cli.output import print_json, say
    from runplane_mcp.cli.secrets import administrator

    settings = settings_of_home()
    if sys.stdin.isatty() and not as_json and not secret_stdin:
        outcome, note = _ask(request, outcome, note)
    if outcome is None or note is None:
        raise UsageError(
            "usage.outcome_missing",
            "Say what became of it, and what shows it.",
            next_step="Add --outcome succeeded, failed or canceled, and --note with the evidence.",
        )
    name, secret = administrator(as_admin, "Resolving an outcome", from_stdin=secret_stdin, as_json=as_json)
    became, evidence = State(outcome.value), note

    async def act(desk: Desk) -> ActionRequest:
        from runplane_mcp.gate.resolving import resolve as resolve_request

        return await resolve_request(
            desk, request, outcome=became, admin=name, secret=secret, evidence=evidence, object_id=object_id
        )

    done = at_desk(settings, act)
    if as_json:
        print_json(
            {
                "request_id": done.id,
                "reference": done.reference,
                "status": done.state.value,
                "object_id": done.object_id,
                "by": name,
            }
        )
        return
    ended = "is canceled" if done.state is State.CANCELED else f"has {done.state.value}"
    say(f"{done.reference} {ended}, as {name} says. That is final.", "green")


def _ask(request: str, outcome: Became | None, note: str | None) -> tuple[Became, str]:
    """Shows the request and asks for what is missing."""
    from runplane_mcp.cli.life import life_view
    from runplane_mcp.cli.output import console, say

    life = at_desk(settings_of_home(), lambda desk: desk.life(request))
    if life.request.state is not State.OUTCOME_UNKNOWN:
        raise RequestError(
            "request.not_unknown",
            f"{life.request.reference} is {life.request.state.value}: there is nothing to resolve.",
        )
    console().print(life_view(life))
    say()
    if outcome is None:
        typed: str = typer.prompt("What became of it (succeeded, failed; after a restore also canceled)").strip()
        if typed not in list(Became):
            raise UsageError("usage.outcome_missing", f"{typed[:40]!r} is none of them.")
        outcome = Became(typed)
    if note is None:
        note = typer.prompt("What shows it (what you saw, where and when)")
    if not typer.confirm(f"Write down for good that it {outcome.value}?", default=False):
        raise RequestError("request.not_resolved", f"Nothing was written; {life.request.reference} stays unknown.")
    return outcome, note
