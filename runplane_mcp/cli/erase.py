"""`runplane erase`: take what is held of a customer out of the home, as an administrator, without breaking the log."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.home import at_desk, settings_of_home
from runplane_mcp.cli.options import AsAdmin, JsonFlag, SecretStdin
from runplane_mcp.errors import RequestError

if TYPE_CHECKING:
    from runplane_mcp.gate.audit.erasing import Erased, Held
    from runplane_mcp.gate.desk import Desk

EXAMPLES = examples(
    ("runplane erase --customer cus_ben --as maria", "shows how much there is, asks, erases it"),
    ("runplane erase --customer cus_ben --also ben@example.com --as maria", "also what agents wrote without his id"),
    ("runplane erase --customer cus_ben --as maria --secret-stdin --json < secret", "for scripts"),
)


def erase(
    customer: Annotated[str, typer.Option("--customer", metavar="CUSTOMER", help="The customer's id at Stripe: cus_…")],
    also: Annotated[
        list[str] | None,
        typer.Option("--also", metavar="WORDS", help="Also what says this: their e-mail address. Can be given again."),
    ] = None,
    as_admin: AsAdmin = None,
    secret_stdin: SecretStdin = False,
    as_json: JsonFlag = False,
) -> None:
    """Erase what is held of a customer, as an administrator.

    Parameters, facts, names, Stripe's answers and the agents' words, of every request that is about the customer or
    mentions them. --also finds what says only their e-mail address or name, exactly as it is written. The log stays
    whole and says who erased what; ids, amounts and who decided stay. Refused while such a request is open; what just
    runs is waited for. Backups that were made before still hold it. A second time there is nothing left to erase. With
    --secret-stdin the first line on stdin is ADMIN's secret.
    """
    from runplane_mcp.cli.output import print_json, say
    from runplane_mcp.cli.secrets import administrator
    from runplane_mcp.core.text import visible
    from runplane_mcp.gate.audit.erasing import check, held_of
    from runplane_mcp.gate.audit.erasing import erase as do_erase

    settings = settings_of_home()
    check(customer, also or ())
    if sys.stdin.isatty() and not as_json and not secret_stdin:
        _ask(at_desk(settings, lambda desk: held_of(desk, customer, also or ())))
    name, secret = administrator(as_admin, "Erasing", from_stdin=secret_stdin, as_json=as_json)

    async def work(desk: Desk) -> Erased:
        return await do_erase(desk, customer, admin=name, secret=secret, also=also or ())

    done = at_desk(settings, work)
    if as_json:
        print_json(
            {
                "customer": done.customer,
                "requests": done.requests,
                "payloads": done.payloads,
                "by": done.by,
                "came_meanwhile": done.meanwhile,
            }
        )
        return
    if not done.payloads:
        say(f"Nothing is held of {visible(done.customer, 255)} any more.", "green")
        return
    say(f"Erased of {visible(done.customer, 255)}: {_counted(done.payloads, done.requests)}.", "green")
    if done.meanwhile:
        say(f"{done.meanwhile:,} more came while this was done: run it again.", "yellow")
    say("The ids, amounts and decisions stay, and so does what backups made before hold.", "dim")


def _ask(held: Held) -> None:
    from runplane_mcp.cli.output import say
    from runplane_mcp.core.text import visible

    say(f"{visible(held.customer, 255)}: {_counted(held.payloads, len(held.requests))}.", "bold")
    if len(held.unfinished) > len(held.running):
        say(f"Not finished: {', '.join(held.unfinished[:20])}. Nothing is erased while they are open.", "yellow")
    if not typer.confirm("Erase them? Nothing brings them back.", default=False):
        raise RequestError("request.kept", "Nothing was erased.")


def _counted(payloads: int, requests: int) -> str:
    return f"{payloads:,} payload{'s' * (payloads != 1)} of {requests:,} request{'s' * (requests != 1)}"
