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
    freeze,
    init,
    lower,
    people,
    policy,
    requests,
    serving,
    status,
    why,
)
from runplane_mcp.cli.demo import demo
from runplane_mcp.cli.doctor import doctor
from runplane_mcp.cli.root import RootGroup
from runplane_mcp.cli.watch import watch

app = typer.Typer(
    name="runplane",
    cls=RootGroup,
    help="The gate between AI agents and Stripe. Start with `runplane init`.",
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


app.command("demo")(demo)
app.command("init")(init.init)
app.command("status")(status.status)
app.command("mcp")(serving.mcp)
app.command("simulator")(serving.simulator)
app.command("approve")(approvals.approve)
app.command("deny")(approvals.deny)
approvals.approvals.command("watch")(watch)
app.command("lower", epilog=lower.EXAMPLES)(lower.lower)
app.command("freeze", epilog=freeze.FREEZE_EXAMPLES)(freeze.freeze)
app.command("unfreeze", epilog=freeze.UNFREEZE_EXAMPLES)(freeze.unfreeze)
app.add_typer(approvals.approvals, name="approvals")
app.add_typer(requests.requests, name="requests")
app.command("why")(why.why)
app.add_typer(policy.policy, name="policy")
app.add_typer(catalog.catalog, name="catalog")
app.add_typer(people.people, name="people")
app.add_typer(audit.audit, name="audit")
app.command("doctor")(doctor)
app.command("backup")(backup.backup)
