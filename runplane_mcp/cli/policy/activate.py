"""`runplane policy activate`: a policy file is put in force, by an administrator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.home import at_desk, settings_of_home
from runplane_mcp.cli.options import AsAdmin, JsonFlag, SecretStdin
from runplane_mcp.cli.policy.file import FileArgument
from runplane_mcp.errors import EXIT_REFUSED, PolicyError

if TYPE_CHECKING:
    from runplane_mcp.gate.desk import Desk
    from runplane_mcp.settings import Settings
    from runplane_mcp.store.records import EnforcedPolicy

EXAMPLES = examples(
    ("runplane policy activate --as maria", "the home's policies.yaml counts from now on"),
    ("runplane policy activate policies.yaml --as maria", "this file does"),
)


def activate(
    file: FileArgument = None,
    as_admin: AsAdmin = None,
    secret_stdin: SecretStdin = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask about what gets looser.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Put a policy file in force.

    It counts for every process of this home at once, and needs an administrator's secret. What changes is said
    first, and on a terminal you are asked once more where something gets looser. With --secret-stdin the first
    line on stdin is ADMIN's secret.
    """
    from runplane_mcp.cli.output import iso, print_json, say
    from runplane_mcp.cli.secrets import Asked, read_secrets
    from runplane_mcp.gate.policies import read_policy_file

    settings = settings_of_home()
    path = file if file is not None else settings.policy_file
    text = read_policy_file(path)
    failing = _failing_tests(text, str(path))
    over = None
    if not as_json:
        if failing:
            known = f"{len(failing)} of its own tests {'fails' if len(failing) == 1 else 'fail'}"
            say(f"{known}: runplane policy check{'' if file is None else f' {path}'}", "yellow")
        over = _differences(settings, text, str(path), ask=not yes and not secret_stdin)
    secret = None
    if at_desk(settings, lambda desk: desk.people()):
        if as_admin is None:
            raise PolicyError(
                "policy.admin_needed",
                "Activating a policy needs an administrator's secret.",
                next_step="Add `--as ADMIN`.",
            )
        secret = read_secrets([Asked(as_admin)], from_stdin=secret_stdin)[0]

    async def put_in_force(desk: Desk) -> EnforcedPolicy:
        return await desk.activate_policy(text, file=str(path), as_person=as_admin, secret=secret, over=over)

    enforced = at_desk(settings, put_in_force)
    if as_json:
        print_json(
            {
                "version": enforced.version,
                "since": iso(enforced.since),
                "by": enforced.by,
                "file": str(path.absolute()),
                "failing_tests": failing,
            }
        )
        return
    say(f"Version {enforced.version[:12]} is enforced from now on, by {enforced.by}.", "green")


def _failing_tests(text: str, file: str) -> list[str]:
    """The policy's own tests that fail. They keep nothing from being put in force, but nobody should do so unawares."""
    from runplane_mcp.core.catalog import load as load_catalog
    from runplane_mcp.core.policy import load
    from runplane_mcp.core.policy_tests import run_tests

    actions = load_catalog().actions
    results = run_tests(load(text, file=file, known_actions=actions), actions)
    return [result.it for result in results if not result.passed]


def _differences(settings: Settings, text: str, file: str, *, ask: bool) -> str | None:
    """Says what changes; on a terminal, asks about what gets looser. Exit 1 where the answer is no.

    Returns the version that it was compared with, None where there is none to compare with.
    """
    import sys

    from runplane_mcp.cli.output import say
    from runplane_mcp.cli.policy.differences import compared, tell

    try:
        enforced = at_desk(settings, lambda desk: desk.enforced_policy())
        if enforced is None:
            return None
        if enforced.text == text:
            return enforced.version
        found = compared(enforced.text, text, old_file="enforced policy", new_file=file)
    except PolicyError as error:
        if error.code == "policy.unproven" or error.message.startswith("enforced policy"):
            return None  # what is there cannot be read or believed, so that there is nothing to compare with
        raise
    tell(found)
    if ask and not found.tighter and sys.stdin.isatty() and not typer.confirm("Put it in force all the same?"):
        say("Nothing was changed.")
        raise typer.Exit(EXIT_REFUSED)
    return enforced.version
