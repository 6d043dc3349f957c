"""The Stripe key: whose it is, what mode it is for, and what it may read. Only harmless reads are made, and the key itself
is never shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from runplane_mcp.cli.doctor.finding import Finding, broken, ok, problem, warn
from runplane_mcp.errors import RunplaneError, StripeError
from runplane_mcp.stripe_api.key import StripeKey

if TYPE_CHECKING:
    from runplane_mcp.gate.clock import Clock
    from runplane_mcp.gate.status import HomeStatus
    from runplane_mcp.settings import Settings
    from runplane_mcp.stripe_api.client import StripeConnection

#: What look-ups read of Stripe, beside the account and its balance, and what is missing without it.
READS: Final = (
    ("charges", "/v1/charges"),
    ("payment intents", "/v1/payment_intents"),
    ("refunds", "/v1/refunds"),
    ("customers", "/v1/customers"),
    ("subscriptions", "/v1/subscriptions"),
    ("payouts", "/v1/payouts"),
    ("transfers", "/v1/transfers"),
)
#: What is read beside these to see what went around Runplane.
LINES: Final = (("balance transactions", "/v1/balance_transactions"), ("credit notes", "/v1/credit_notes"))
EVENTS: Final = "/v1/events"
#: What no request makes, so that it carries no mark.
_UNMARKED: Final = frozenset({"/v1/balance_transactions"})
#: All reads run together, and none may take longer (seconds).
PATIENCE: Final = 10.0

_MAKE_ONE: Final = "Make a restricted key: https://dashboard.stripe.com/test/apikeys"


def key(settings: Settings, home: HomeStatus | None) -> Iterator[Finding]:
    """Whether there is a key, of which kind and mode."""
    if settings.stripe_api_key is None:
        if home is not None and home.target is not None and not home.target.startswith("simulator"):
            yield problem(
                "key",
                "There is no Stripe key, and this home has used one: no gate starts without.",
                "Set STRIPE_API_KEY where gates start, or add --simulator to mean the simulator.",
            )
        else:
            yield ok("key", "no Stripe key: the simulator, no real money")
        return
    secret = settings.stripe_api_key.get_secret_value().strip()
    try:
        live = StripeKey(secret).livemode
    except StripeError as error:
        yield broken("key", error)
        return
    mode = "LIVE, real money" if live else "test mode, no real money"
    if secret.startswith("sk_"):
        yield warn("key", f"An unrestricted secret key, {mode}: it may do everything there is.", _MAKE_ONE)
    else:
        yield ok("key", f"a restricted key, {mode}")
    if live and settings.allow_live_in_trial:
        yield warn(
            "key",
            "A live key in trial mode: a program that runs as you can read it.",
            "Use a test key, or run Runplane under a user of its own.",
        )


async def account(settings: Settings, clock: Clock, home: HomeStatus) -> list[Finding]:
    """What the key may read, asked of Stripe or of the home's simulator."""
    from runplane_mcp.app.upstream import open_connection

    simulated = settings.stripe_api_key is None
    if simulated and not settings.simulator_file.exists():
        return [ok("account", "the simulator's world is made when the first gate starts")]
    try:
        async with open_connection(settings, clock, simulated=simulated) as connection:
            return await _asked(connection, home, simulated=simulated)
    except RunplaneError as error:
        return [broken("account", error)]


async def _asked(connection: StripeConnection, home: HomeStatus, *, simulated: bool) -> list[Finding]:
    import anyio

    try:
        with anyio.fail_after(PATIENCE):
            identity = await connection.identity()
    except TimeoutError:
        return [
            problem("account", "Stripe did not answer in time.", "Check the network and https://status.stripe.com.")
        ]
    except StripeError as error:
        return [broken("account", error)]
    findings = [ok("account", f"{identity.account} on {'the simulator' if simulated else connection.target}")]
    if home.account is not None and home.target == identity.target and home.account != identity.account:
        findings.append(
            warn(
                "account",
                f"The key is for {identity.account}; this home last worked for {home.account}. A gate takes only what"
                " is its own account's.",
                "Use another home for another account: RUNPLANE_HOME",
            )
        )
    denied = await _denied(connection)
    named = [name for name, path in (*READS, *LINES) if path not in denied]
    findings.append(ok("permissions", f"may read the account, its balance, {', '.join(named)}"))
    for name, path in READS:
        if path in denied:
            findings.append(
                warn(
                    "permissions",
                    f"The key could not read {name}: {denied[path]}.",
                    f"Give it read permission for {name}: without, what it would look up is unknown, which works"
                    " against the request.",
                )
            )
    for name, path in LINES:
        if path in denied:
            findings.append(
                warn(
                    "permissions",
                    f"The key could not read {name}: {denied[path]}.",
                    f"Give it read permission for {name}: without, nobody sees what goes around Runplane.",
                )
            )
    findings.append(_events(denied))
    return findings


def _events(denied: Mapping[str, str]) -> Finding:
    """What is known of a lost answer, with events and without."""
    if EVENTS not in denied:
        return ok("permissions", "may read events, which prove what became of a lost answer")
    marked = [name for name, path in (*READS, *LINES) if path not in denied and path not in _UNMARKED]
    still = (
        f"Without them it is proven only by what carries the request's own mark and the key may read ({', '.join(marked)},"
        " and whatever else takes metadata)"
        if marked
        else "Without them none is proven: of what carries a request's own mark the key may read nothing either"
    )
    return problem(
        "permissions",
        f"The key could not read events: {denied[EVENTS]}. They are what proves that a request whose answer was lost has"
        f" happened. {still}; what takes no metadata stays unknown until an administrator says what became of it: a payment"
        " or payout that is canceled, an invoice that is paid or voided, a dispute that is closed.",
        "Give the key read permission for events.",
    )


async def _denied(connection: StripeConnection) -> dict[str, str]:
    """Which of the reads were not answered, and why in a few words. All are asked at once."""
    import anyio

    from runplane_mcp.core.wire import encode
    from runplane_mcp.stripe_api.client import Done, Refused

    denied: dict[str, str] = {}

    async def ask(path: str) -> None:
        answer = None
        with anyio.move_on_after(PATIENCE):
            answer = await connection.send(encode("GET", path, {"limit": 1}), idempotency_key=None)
        if isinstance(answer, Refused):
            denied[path] = "not permitted" if answer.status in (401, 403) else f"refused, {answer.failure.code}"
        elif not isinstance(answer, Done):
            denied[path] = "no answer" if answer is None else answer.reason

    async with anyio.create_task_group() as group:
        for path in (*(path for _, path in (*READS, *LINES)), EVENTS):
            group.start_soon(ask, path)
    return denied
