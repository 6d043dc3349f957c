"""`runplane freeze`, `unfreeze`: stop what agents do at once; let it go on again as an administrator."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.home import at_desk, settings_of_home
from runplane_mcp.cli.options import AsAdmin, JsonFlag, SecretStdin
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.freeze import Freeze, Scope
from runplane_mcp.errors import FreezeError

if TYPE_CHECKING:
    from runplane_mcp.gate.desk import Desk
    from runplane_mcp.gate.freezing import Lifted, Started

FREEZE_EXAMPLES = examples(
    ("runplane freeze", "everything, at once"),
    ("runplane freeze --action refunds", "every way to give money back"),
    ("runplane freeze --agent support-bot --reason 'loops'", "whoever goes by that label"),
    ("runplane freeze --principal stdio", "all agents of this home, whatever they call themselves"),
)
UNFREEZE_EXAMPLES = examples(
    ("runplane unfreeze --as maria", "shows what is frozen, asks, lifts all of it"),
    ("runplane unfreeze --action refunds --as maria", "only the freeze of refunds"),
    ("runplane unfreeze --as maria --secret-stdin --json < secret", "for scripts"),
)

Agent = Annotated[
    str | None,
    typer.Option("--agent", metavar="A", help="Only an agent's label. It attributes, it does not authenticate."),
]
Action = Annotated[
    str | None, typer.Option("--action", metavar="G", help="Only an action (refund.create) or a group (refunds).")
]
Principal = Annotated[
    str | None,
    typer.Option("--principal", metavar="P", help="Only who is accountable; `stdio` for a home's own agents."),
]


def freeze(
    agent: Agent = None,
    action: Action = None,
    principal: Principal = None,
    reason: Annotated[
        str | None, typer.Option("--reason", help="Why, for whoever lifts it. Agents do not see it.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Stop what agents do, at once and in every process.

    Anybody may; it takes no secret. New writes that match are blocked, what waits or is approved does not run, and
    nothing is sent a second time. Reads go on. Only an administrator can lift it.
    """
    from runplane_mcp.cli.output import print_json, say
    from runplane_mcp.core.text import visible
    from runplane_mcp.gate.freezing import start_freeze

    scope = Scope(agent=agent, principal=principal, action=action)

    async def start(desk: Desk) -> Started:
        return await start_freeze(desk, scope, said_by=system_user(), reason=reason)

    started = at_desk(settings_of_home(), start)
    if as_json:
        print_json({**freeze_json(started.freeze), "again": started.again, "held": started.held})
        return
    stood = " Exactly this was frozen already." if started.again else ""
    say(f"FROZEN: {visible(started.freeze.scope.words(), 400)}.{stood}", "bold red")
    say(f"Requests that it holds: {started.held}. New ones are blocked, in every process of this home.")
    for hint in _hints(started):
        say(hint, "yellow")
    say("To lift it: runplane unfreeze --as ADMIN", "dim")


def unfreeze(
    as_admin: AsAdmin = None,
    agent: Agent = None,
    action: Action = None,
    principal: Principal = None,
    secret_stdin: SecretStdin = False,
    as_json: JsonFlag = False,
) -> None:
    """Lift freezes, as an administrator.

    Without --agent, --action or --principal it lifts all that stand when the command looks; otherwise the freeze of
    exactly that. One that somebody starts meanwhile stands. What people approved runs then, if it has not expired.
    With --secret-stdin the first line on stdin is ADMIN's secret.
    """
    from runplane_mcp.cli.output import print_json, say
    from runplane_mcp.cli.secrets import administrator
    from runplane_mcp.core.text import visible
    from runplane_mcp.gate.freezing import lift_freezes

    settings = settings_of_home()
    scope = Scope(agent=agent, principal=principal, action=action)
    standing = at_desk(settings, lambda desk: desk.frozen())
    seen = standing if scope == Scope() else tuple(each for each in standing if each.scope == scope)
    if not seen:
        raise FreezeError("freeze.none", "Nothing of this kind is frozen.", next_step="See `runplane status`.")
    if sys.stdin.isatty() and not as_json and not secret_stdin:
        _ask(seen)
    name, secret = administrator(as_admin, "Lifting a freeze", from_stdin=secret_stdin, as_json=as_json)

    async def lift(desk: Desk) -> Lifted:
        return await lift_freezes(desk, seen, admin=name, secret=secret)

    done = at_desk(settings, lift)
    if as_json:
        lifted: list[Json] = [freeze_json(each) for each in done.lifted]
        left: list[Json] = [freeze_json(each) for each in done.standing]
        print_json({"lifted": lifted, "standing": left, "by": done.by})
        return
    for each in done.lifted:
        say(f"Lifted: {visible(each.scope.words(), 400)}.", "green")
    for each in done.standing:
        say(f"Still frozen: {visible(each.sentence(), 1_000)}", "bold red")
    if not done.standing:
        say("Nothing is frozen any more. What people approved runs now, if a gate runs.")


def freeze_json(freeze: Freeze) -> dict[str, Json]:
    """A freeze for programs. `said_by` is who started it by their own account."""
    from runplane_mcp.cli.output import iso

    return {
        "freeze_id": freeze.id,
        "scope": freeze.scope.words(),
        "agent": freeze.scope.agent,
        "action": freeze.scope.action,
        "principal": freeze.scope.principal,
        "since": iso(freeze.at),
        "said_by": freeze.said_by,
        "reason": freeze.reason,
    }


def _ask(seen: Sequence[Freeze]) -> None:
    """Shows exactly what would be lifted, and asks."""
    from runplane_mcp.cli.output import moment, say
    from runplane_mcp.core.text import visible

    for each in seen:
        say(f"{visible(each.sentence(), 1_000)} Since {moment(each.at)}.", "bold")
    if not typer.confirm("Lift exactly this?" if len(seen) == 1 else f"Lift these {len(seen)}?", default=False):
        raise FreezeError("freeze.kept", "Nothing was lifted.")


def _hints(started: Started) -> list[str]:
    """What a person in a hurry may have overlooked."""
    from runplane_mcp.core.catalog import load as load_catalog
    from runplane_mcp.core.text import visible

    scope, found = started.freeze.scope, []
    if not started.known_agent:
        found.append(f"No request of late came from an agent called {visible(scope.agent or '', 60)}: is it spelt so?")
    if scope.agent is not None:
        found.append(
            "A label is what an agent's client says. A program that starts Runplane under another name is not held:"
            " --principal, or no option at all, is."
        )
    info = load_catalog().actions.get(scope.action or "")
    if info is not None and info.groups:
        found.append(f"Other ways to the same thing are not held; they are in {', '.join(sorted(info.groups))}.")
    return found


def system_user() -> str | None:
    """Who the operating system says is typing. Decoration: whoever can run this can say anything."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return None
