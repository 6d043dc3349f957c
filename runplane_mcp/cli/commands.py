"""All commands of `runplane`, in the order that `--help` shows them."""

from __future__ import annotations

from typing import Annotated

import typer

from runplane_mcp import __version__
from runplane_mcp.cli import (
    approvals,
    audit,
    backup,
    catalog,
    erase,
    export,
    freeze,
    init,
    limits,
    lower,
    people,
    policy,
    prove,
    requests,
    restore,
    scheduled,
    serving,
    status,
    why,
)
from runplane_mcp.cli.coverage import alarm as coverage_alarm
from runplane_mcp.cli.coverage import command as coverage
from runplane_mcp.cli.demo import command as demo
from runplane_mcp.cli.doctor import command as doctor
from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.root import RootGroup
from runplane_mcp.cli.watch import command as watch

EXAMPLES = (
    examples(
        ("runplane demo", "see it work, on a simulated company"),
        ("runplane init", "make your own home, then tell your MCP client"),
        ("runplane approvals watch", "answer what waits"),
        ("runplane why re_3MtwBwLkdIwHu7ix28a3tqPd", "who made that refund, and who allowed it"),
    )
    + """

\b
Every command has --help with examples, and --json for programs.
Exit codes: 0 done, 1 refused or failed, 2 usage, 3 the audit log does not
match, 4 it was compared with no anchor although one was required."""
)

app = typer.Typer(
    name="runplane",
    cls=RootGroup,
    help="The gate between AI agents and Stripe.",
    epilog=EXAMPLES,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"runplane {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


app.command("demo", epilog=demo.EXAMPLES)(demo.demo)
app.command("init", epilog=init.EXAMPLES)(init.init)
app.command("status", epilog=status.EXAMPLES)(status.status)
app.command("mcp", epilog=serving.MCP_EXAMPLES)(serving.mcp)
app.command("simulator", epilog=serving.SIMULATOR_EXAMPLES)(serving.simulator)
app.command("approve", epilog=approvals.APPROVE_EXAMPLES)(approvals.approve)
app.command("deny", epilog=approvals.DENY_EXAMPLES)(approvals.deny)
approvals.approvals.command("watch", epilog=watch.EXAMPLES)(watch.watch)
app.command("lower", epilog=lower.EXAMPLES)(lower.lower)
app.command("stop", epilog=scheduled.EXAMPLES)(scheduled.stop)
app.command("freeze", epilog=freeze.FREEZE_EXAMPLES)(freeze.freeze)
app.command("unfreeze", epilog=freeze.UNFREEZE_EXAMPLES)(freeze.unfreeze)
app.add_typer(approvals.approvals, name="approvals")
app.add_typer(requests.requests, name="requests")
app.command("why", epilog=why.EXAMPLES)(why.why)
app.command("limits", epilog=limits.EXAMPLES)(limits.limits)
app.add_typer(policy.policy, name="policy")
app.add_typer(catalog.catalog, name="catalog")
app.add_typer(people.people, name="people")
audit.audit.command("prove", epilog=prove.EXAMPLES)(prove.prove)
audit.audit.command("export", epilog=export.EXAMPLES)(export.export)
audit.audit.command("coverage", epilog=coverage.EXAMPLES)(coverage.coverage)
audit.audit.command("accept", epilog=coverage_alarm.ACCEPT_EXAMPLES)(coverage_alarm.accept)
app.add_typer(audit.audit, name="audit")
app.command("erase", epilog=erase.EXAMPLES)(erase.erase)
app.command("doctor", epilog=doctor.EXAMPLES)(doctor.doctor)
app.command("backup", epilog=backup.EXAMPLES)(backup.backup)
app.command("restore", epilog=restore.EXAMPLES)(restore.restore)
