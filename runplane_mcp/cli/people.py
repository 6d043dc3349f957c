"""`runplane people add list`: who can say yes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.home import at_desk, settings_of_home
from runplane_mcp.cli.options import AsAdmin, JsonFlag, SecretStdin
from runplane_mcp.core.approval import Person, Role, eligible_people
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.decision import Need
from runplane_mcp.core.text import label
from runplane_mcp.errors import PersonError

if TYPE_CHECKING:
    from runplane_mcp.gate.desk import Desk

people = typer.Typer(help="Who can say yes.", no_args_is_help=True)

ADD_EXAMPLES = examples(
    ("runplane people add lee --group finance --as maria", "asks for maria's passphrase, then for lee's new one"),
    ("runplane people add ana --group finance --group leads --as maria", "ana votes for both groups"),
    ("runplane people add kim --role auditor --as maria", "kim may look, and never vote"),
)
LIST_EXAMPLES = examples(
    ("runplane people list", "who can vote, since when, and whom the policy asks for"),
    ("runplane people list --json", "for programs"),
)


@people.command("add", epilog=ADD_EXAMPLES)
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A short id: small letters, digits, `.`, `_` and `-`.")],
    group: Annotated[
        list[str] | None, typer.Option("--group", metavar="G", help="A group they vote for. Can be given again.")
    ] = None,
    role: Annotated[
        Role, typer.Option("--role", help="Administrators also add people and activate policies.")
    ] = Role.APPROVER,
    as_admin: AsAdmin = None,
    secret_stdin: SecretStdin = False,
    as_json: JsonFlag = False,
) -> None:
    """Enrol a person.

    The first one is an administrator; every other needs an administrator's secret. With --secret-stdin the
    lines on stdin are ADMIN's secret (unless nobody is enrolled yet), then NAME's.
    """
    from runplane_mcp.cli.output import print_json, say
    from runplane_mcp.cli.secrets import Asked, read_secrets

    settings = settings_of_home()
    first = not at_desk(settings, lambda desk: desk.people())
    if not first and as_admin is None:
        raise PersonError(
            "person.admin_needed",
            "Adding people needs an administrator's secret.",
            next_step="Add `--as ADMIN`; their secret comes first.",
        )
    asked = [Asked(name, new=True)]
    if not first and as_admin is not None:
        asked.insert(0, Asked(as_admin))
    *admin_secret, secret = read_secrets(asked, from_stdin=secret_stdin)

    async def enrol(desk: Desk) -> Person:
        return await desk.add_person(
            name,
            role=role,
            groups=frozenset(group or ()),
            secret=secret,
            as_person=None if first else as_admin,
            as_secret=admin_secret[0] if admin_secret else None,
        )

    person = at_desk(settings, enrol)
    if as_json:
        print_json(person_json(person))
        return
    groups = ", ".join(sorted(person.groups)) or "no group"
    say(f"{person.id} is enrolled: {person.role.value}, {groups}.")


@dataclass(frozen=True, slots=True)
class Listed:
    """Everybody enrolled with when that was, whom the policy asks for, and rows that no signature bears out."""

    since: Mapping[str, int | None]
    people: Sequence[Person]
    needs: Sequence[Need]
    pretended: Sequence[str]


@people.command("list", epilog=LIST_EXAMPLES)
def list_(as_json: JsonFlag = False) -> None:
    """Show who can say yes, and to what.

    Everybody whom the audit log bears out, since when, and who enrolled them; then whom the policy asks for.
    """
    from runplane_mcp.cli.output import iso, print_json

    listed = at_desk(settings_of_home(), _listed)
    if as_json:
        print_json([{**person_json(each), "since": iso(listed.since[each.id])} for each in listed.people])
        return
    _tell(listed)


async def _listed(desk: Desk) -> Listed:
    from runplane_mcp.gate.people import enrolled_at, pretended, trusted
    from runplane_mcp.store.base import Reader

    def work(reader: Reader) -> Listed:
        people = sorted(trusted(reader).values(), key=lambda person: person.id)
        enforced = desk.policies.enforced(reader) if reader.enforced_policy() is not None else None
        return Listed(
            since={person.id: enrolled_at(reader, person) for person in people},
            people=people,
            needs=enforced.policy.approvals() if enforced is not None else (),
            pretended=pretended(reader),
        )

    return await desk.store.read(work)


def _tell(listed: Listed) -> None:
    from runplane_mcp.cli.output import Column, brief, console, say, table

    if listed.people:
        rows = [
            (
                person.id,
                person.role.value,
                ", ".join(sorted(person.groups)) or "–",
                "yes" if person.may_vote else "no",
                brief(listed.since[person.id]),
                person.added_by or "–",
            )
            for person in listed.people
        ]
        columns = [
            Column("NAME", whole=True),
            Column("ROLE"),
            Column("GROUPS"),
            Column("VOTES"),
            Column("SINCE"),
            Column("ADDED BY"),
        ]
        console().print(table(columns, rows))
    else:
        say("Nobody is enrolled. Add the first person, an administrator: runplane people add NAME --role admin")
    for need in listed.needs:
        able = eligible_people(need, listed.people)
        if len(able) < need.people:
            say(f"Asked for by the policy: {need.sentence()}: {', '.join(able) or 'nobody'}, too few.", "bold yellow")
        else:
            say(f"Asked for by the policy: {need.sentence()}: {', '.join(able)}.")
    if sum(person.may_vote for person in listed.people) == 1:
        say("One-person mode: nobody checks the one who says yes.", "yellow")
    for name in listed.pretended:
        say(
            f"The row of {label(name)} is in the database, and no administrator's signature bears it out: it counts"
            " for nothing.",
            "bold red",
        )


def person_json(person: Person) -> dict[str, Json]:
    return {
        "person": person.id,
        "role": person.role.value,
        "groups": sorted(person.groups),
        "active": person.active,
        "may_vote": person.may_vote,
        "added_by": person.added_by,
    }
