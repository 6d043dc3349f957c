"""`runplane why` for an id that Runplane did not make: what Stripe tells of who did, where there is a key to ask with."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from runplane_mcp.core.canonical import Json
from runplane_mcp.core.coverage.boxes import Box
from runplane_mcp.errors import RequestError, RunplaneError

if TYPE_CHECKING:
    from runplane_mcp.gate.coverage.elsewhere import Elsewhere
    from runplane_mcp.settings import Settings

#: Connected accounts that are asked for one id.
MOST_ACCOUNTS: Final = 20
_LOGS = "https://dashboard.stripe.com"
_BY = {
    Box.DASHBOARD: "Made by a person in the Dashboard.",
    Box.ANOTHER_KEY: "Made by another key.",
    Box.AUTOMATIC: "Made automatically.",
    Box.NO_LONGER_KNOWN: "Stripe no longer tells who made it.",
    Box.UNEXPLAINED: "UNEXPLAINED.",
}


def ask_stripe(settings: Settings, id: str) -> tuple[Elsewhere | None, str]:
    """What Stripe tells, and where to look further. None, and why, where it cannot be asked or does not have the id."""
    import anyio

    from runplane_mcp.app.books import open_books
    from runplane_mcp.gate.coverage.elsewhere import elsewhere
    from runplane_mcp.gate.coverage.state import looked_at, name_of, states
    from runplane_mcp.stripe_api.connected import OnAccount

    if settings.stripe_api_key is None and not settings.simulator_file.exists():
        return None, f"Stripe's own log says who made it: {_LOGS}/logs"

    async def work() -> tuple[Elsewhere | None, str]:
        async with open_books(settings) as books:
            now = books.clock.policy() // 1000
            found = await elsewhere(books.connection, id, now=now)
            if found is None:
                known = await books.desk.store.read(states)
                for account in looked_at(known, name_of(books.identity), id)[:MOST_ACCOUNTS]:
                    found = await elsewhere(OnAccount(books.connection, account), id, now=now)
                    if found is not None:
                        found = replace(found, account=account)
                        break
            if books.identity.simulator:
                return found, "It is the simulator: there is no log of Stripe's to look into."
            logs = _LOGS if books.identity.livemode else f"{_LOGS}/test"
            request = f"/{found.stripe_request_id}" if found is not None and found.stripe_request_id else ""
            return found, f"Stripe's log says whose key or name: {logs}/logs{request}"

    try:
        found, where = anyio.run(work)
    except RunplaneError as error:
        return None, f"Stripe could not be asked ({error.code}). Its own log says who made it: {_LOGS}/logs"
    if found is None:
        return None, f"Stripe, asked now, does not tell of it either. Its own log may: {_LOGS}/logs"
    return found, where


def not_made_here(error: RequestError, where: str) -> RequestError:
    """The error, with where to look instead."""
    return RequestError(error.code, error.message, next_step=where)


def tell(found: Elsewhere, where: str) -> None:
    from rich.text import Text

    from runplane_mcp.cli.card import Hanging
    from runplane_mcp.cli.output import console, moment, money, say
    from runplane_mcp.core.text import visible

    what = [found.noun]
    if found.amount is not None:
        what.append(money(found.amount, found.currency))
    if found.status is not None:
        what.append(found.status)
    if found.created is not None:
        what.append(f"made {moment(found.created * 1000)}")
    if found.account is not None:
        what.append(f"on connected account {found.account}")
    lines = [", ".join(what)]
    if found.source is not None:
        lines.append(f"about {found.source}: runplane why {found.source}")
    lines.append(f"{_BY[found.box]} {found.why}" if found.box in _BY else found.why)
    if found.stripe_request_id is not None:
        lines.append(f"Stripe's request {found.stripe_request_id}")
    lines.append(where)
    say()
    say("At Stripe", "bold")
    out = console()
    for line in lines:
        out.print(Hanging("  - ", "    ", Text(visible(line, 500))))


def elsewhere_json(found: Elsewhere, where: str) -> dict[str, Json]:
    from runplane_mcp.cli.output import iso

    return {
        "kind": found.noun,
        "account": found.account,
        "created": iso(found.created * 1000) if found.created is not None else None,
        "amount": found.amount,
        "currency": found.currency,
        "status": found.status,
        "box": found.box.value if found.box is not None else None,
        "why": found.why,
        "stripe_request": found.stripe_request_id,
        "about": found.source,
        "where": where,
    }
