"""`runplane catalog list show groups`: what Stripe can do, and what we judged each of it to be."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.options import JsonFlag
from runplane_mcp.core.request import Kind

catalog = typer.Typer(help="What Stripe can do, and how each of it is judged.", no_args_is_help=True)


LIST_EXAMPLES = examples(
    ("runplane catalog list --group refunds", "every way to give money back"),
    ("runplane catalog list credit note --kind write", "writes that hold both words"),
    ("runplane catalog list stop a subscription", "what everyday words probably mean"),
    ("runplane catalog list --unjudged --json", "what nobody has judged, for programs"),
)
SHOW_EXAMPLES = examples(
    ("runplane catalog show create_refund", "the operation of a tool"),
    ("runplane catalog show POST '/v1/charges/{charge}/refund'", "by method and path: another path to the same"),
    ("runplane catalog show PostPayouts --json", "for programs"),
)
GROUPS_EXAMPLES = examples(
    ("runplane catalog groups", "what each group means and holds"),
    ("runplane catalog groups --json", "for programs"),
)


@catalog.command("list", epilog=LIST_EXAMPLES)
def list_(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[WORD]...", help="Only what holds all of these words; if nothing does, what they probably mean."
        ),
    ] = None,
    group: Annotated[str | None, typer.Option("--group", help="Only what can be in this group.")] = None,
    action: Annotated[str | None, typer.Option("--action", help="Only this action, such as refund.create.")] = None,
    kind: Annotated[Kind | None, typer.Option("--kind", help="Only reads, or only writes.")] = None,
    judged: Annotated[
        bool | None, typer.Option("--judged/--unjudged", help="Only what somebody has judged, or what nobody has.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """List Stripe's operations, in the order of their paths."""
    from runplane_mcp.cli.catalog_page import in_brief, listing, operation_json
    from runplane_mcp.cli.catalog_search import Wanted, matching
    from runplane_mcp.cli.output import console, print_json, say
    from runplane_mcp.core.catalog import load

    wanted = Wanted(tuple(words or ()), group, action, kind, judged)
    operations = load().operations
    found = matching(load(), wanted)
    if as_json:
        print_json([operation_json(each) for each in found])
    elif not found:
        say("There is no such operation.")
    elif sys.stdout.isatty():
        console().print(listing(found))
        say(f"{len(found):,} of {len(operations):,} operations. One of them: runplane catalog show NAME", "dim")
    else:
        # One line for each, so that another program can pick lines out.
        say("\n".join(in_brief(found)))


@catalog.command("show", epilog=SHOW_EXAMPLES)
def show(
    name: Annotated[
        list[str], typer.Argument(metavar="NAME", help="An operation id, an action, a tool, or METHOD PATH.")
    ],
    as_json: JsonFlag = False,
) -> None:
    """Show all that is known of an operation.

    An action or a tool may be several operations; then each is shown.
    """
    from runplane_mcp.cli.catalog_page import details_json, operation_view
    from runplane_mcp.cli.catalog_search import named
    from runplane_mcp.cli.output import console, print_json, say
    from runplane_mcp.core.catalog import load

    found = named(load(), " ".join(name))
    if as_json:
        print_json([details_json(load(), each) for each in found])
        return
    for number, each in enumerate(found):
        if number:
            say()
        console().print(operation_view(load(), each))


@catalog.command("groups", epilog=GROUPS_EXAMPLES)
def groups(as_json: JsonFlag = False) -> None:
    """Show the twelve groups of actions, each with all that can be in it."""
    from runplane_mcp.cli.catalog_page import groups_json, groups_view
    from runplane_mcp.cli.output import console, print_json
    from runplane_mcp.core.catalog import load

    if as_json:
        print_json(groups_json(load()))
        return
    console().print(groups_view(load()))
