"""`runplane init`: a home with a policy and the first approver, and what to tell the MCP client."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from runplane_mcp.cli.clients import Client, command_line, configuration, configuration_file
from runplane_mcp.cli.environment import refuse_agents
from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.home import at_desk, settings_of_home
from runplane_mcp.cli.options import JsonFlag, SecretStdin
from runplane_mcp.core.approval import PERSON_ID, Person, Role
from runplane_mcp.core.canonical import Json
from runplane_mcp.errors import PersonError, UsageError

if TYPE_CHECKING:
    from runplane_mcp.settings import Settings
    from runplane_mcp.store.records import EnforcedPolicy

DEFAULT_GROUP = "finance"

EXAMPLES = examples(
    ("runplane init", "asks three questions"),
    ("runplane init --client claude-code", "what your MCP client must be told"),
    ("runplane init --person maria --group finance --secret-stdin --json < secret", "for scripts"),
)

#: For the seeded company of the simulator: one that runs, one that waits for a person, one that is refused at night.
SIMULATOR_PROMPTS = (
    "Show me our Stripe balance and the newest five payments.",
    "Refund $40 of payment pi_ben_40: Ben got the wrong beans.",
    "Refund payment pi_ada_900 in full: Ada's order never arrived.",
)
STRIPE_PROMPTS = (
    "Show me our Stripe balance.",
    "List our newest five payments with their customers.",
    "Refund the newest payment in full, and tell me what you need from me.",
)


@dataclass(frozen=True, slots=True)
class First:
    """The first person, who is an administrator."""

    name: str
    groups: frozenset[str]
    secret: str


@dataclass(frozen=True, slots=True)
class Made:
    """What stands in the home afterwards."""

    person: Person | None
    policy: EnforcedPolicy | None


def init(
    person: Annotated[str | None, typer.Option("--person", metavar="NAME", help="The first approver.")] = None,
    group: Annotated[
        list[str] | None,
        typer.Option("--group", metavar="G", help="The group they vote for, finance by default. Can be given again."),
    ] = None,
    secret_stdin: SecretStdin = False,
    simulator: Annotated[
        bool, typer.Option("--simulator", help="Configure the client for the simulator even if there is a Stripe key.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Take what is offered instead of asking.")] = False,
    client: Annotated[
        Client | None, typer.Option("--client", help="Print the configuration for this MCP client.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a home, with a policy and the first approver.

    Asks three questions on a terminal, then says what to tell your MCP client. With --secret-stdin the first
    line on stdin is the secret of the person. What is there already is kept.
    """
    from runplane_mcp.cli.output import print_json

    refuse_agents()
    settings = settings_of_home()
    enrolled = at_desk(settings, lambda desk: desk.people()) if settings.database.exists() else []
    first: First | None = None
    if not enrolled:
        first = _ask(person, group, secret_stdin=secret_stdin, yes=yes)
    elif person is not None:
        raise PersonError(
            "person.exists",
            f"The home {settings.home} has people already.",
            next_step=f"Add others with `runplane people add {person} --as ADMIN`.",
        )
    made = _make(settings, first)
    simulated = simulator or settings.stripe_api_key is None
    if as_json:
        print_json(_json(settings, made, client, simulated=simulated, forced=simulator))
    else:
        _tell(settings, made, client, simulated=simulated, forced=simulator)


def _ask(person: str | None, group: list[str] | None, *, secret_stdin: bool, yes: bool) -> First:
    from runplane_mcp.cli.output import note
    from runplane_mcp.cli.secrets import Asked, read_secrets

    asking = sys.stdin.isatty() and not secret_stdin
    if person is None and not asking:
        raise UsageError(
            "usage.person_missing",
            "Without a terminal, the first person must be named.",
            next_step="Run `runplane init --person NAME --group finance --secret-stdin`.",
        )
    while person is None:
        answer = typer.prompt("1. Your name here, such as dana").strip()
        if PERSON_ID.match(answer):
            person = answer
        else:
            note("Use small letters, digits, `.`, `_` and `-`.")
    if not PERSON_ID.match(person):
        raise PersonError(
            "person.name", "That is not a person's id.", next_step="Use small letters, digits, `.`, `_` and `-`."
        )
    if not group:
        offered = DEFAULT_GROUP if yes or not asking else typer.prompt("2. The group you approve for", DEFAULT_GROUP)
        group = [offered.strip()]
    if asking:
        note("3. A secret that only you know. It signs your votes; Runplane keeps no copy. Agents must never learn it.")
    secret = read_secrets([Asked(person, new=True)], from_stdin=secret_stdin)[0]
    return First(person, frozenset(group), secret)


def _make(settings: Settings, first: First | None) -> Made:
    """The home, with its policy and first person."""
    import anyio

    from runplane_mcp.app import create_home

    async def make() -> Made:
        async with create_home(settings) as desk:
            person = None
            if first is not None:
                person = await desk.add_person(first.name, role=Role.ADMIN, groups=first.groups, secret=first.secret)
            return Made(person, await desk.enforced_policy())

    return anyio.run(make)


def _json(settings: Settings, made: Made, client: Client | None, *, simulated: bool, forced: bool) -> dict[str, Json]:
    from runplane_mcp.cli.people import person_json

    command, *arguments = command_line(["mcp", *(["--simulator"] if forced else [])])
    content: dict[str, Json] = {
        "home": str(settings.home),
        "policy": str(settings.policy_file),
        "policy_version": made.policy.version if made.policy else None,
        "database": str(settings.database),
        "mode": "trial",
        "simulator": simulated,
        "person": person_json(made.person) if made.person else None,
        "mcp": {"command": command, "args": arguments, "env": {"RUNPLANE_HOME": str(settings.home.absolute())}},
        "prompts": list(SIMULATOR_PROMPTS if simulated else STRIPE_PROMPTS),
    }
    if client is not None:
        content["client"] = {
            "name": client.value,
            "file": configuration_file(client),
            "configuration": configuration(client, settings, simulator=forced),
        }
    return content


def _tell(settings: Settings, made: Made, client: Client | None, *, simulated: bool, forced: bool) -> None:
    from runplane_mcp.cli.output import say

    say("The home is ready." if made.person else "The home was there already; nothing in it was changed.", "bold green")
    say(f"  home      {settings.home}   (everything is in it; readable by you alone)")
    say(f"  policy    {settings.policy_file}   (what agents may do, in plain words: runplane policy check)")
    say(f"  database  {settings.database}   (requests, votes and the audit log)")
    if made.person:
        groups = ", ".join(sorted(made.person.groups))
        say(f"  approver  {made.person.id}, administrator, votes for {groups}")
    say(f"  Stripe    {'the simulator: no real money moves' if simulated else 'the key in STRIPE_API_KEY'}")
    say("Trial mode: agents run as the same user. It stops mistakes and hijacked agents without a shell, not a program")
    say("that runs as you: that one can read your key and write your files.")
    say()
    if client is None:
        say("Tell your MCP client: runplane init --client claude-desktop|claude-code|cursor|vscode")
        say("or start this from it: " + " ".join(command_line(["mcp", *(["--simulator"] if forced else [])])))
    else:
        say(f"Add this to {configuration_file(client)}, then restart {client.value}:")
        say(json.dumps(configuration(client, settings, simulator=forced), indent=2))
        if not simulated:
            say('To use your key, add "STRIPE_API_KEY" under "env" there; Runplane writes no key into other files.')
    say()
    say("Then paste into your agent:")
    for prompt in SIMULATOR_PROMPTS if simulated else STRIPE_PROMPTS:
        say(f"  - {prompt}")
    say("and answer what waits: runplane approve")
