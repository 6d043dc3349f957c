"""`runplane policy lint`: what loads, and yet can hardly be meant."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.home import at_desk, settings_of_home
from runplane_mcp.cli.options import JsonFlag
from runplane_mcp.cli.policy.file import FileArgument, Tested, tested

if TYPE_CHECKING:
    from runplane_mcp.core.policy import Policy, Problem
    from runplane_mcp.gate.desk import Desk
    from runplane_mcp.settings import Settings

EXAMPLES = examples(
    ("runplane policy lint", "rules that never apply, limits that never bind, side doors"),
    ("runplane policy lint policies.yaml --json", "of any file, for programs"),
)


def lint(file: FileArgument = None, as_json: JsonFlag = False) -> None:
    """Say what can hardly be meant.

    Only what can be proven: dead and covered rules, limits that never bind, groups with a side door left open,
    amounts in cents, old rates, and what no test of the file reaches. These are warnings: exit 0 whatever is
    found, and exit 1 only for a file that does not load.
    """
    from runplane_mcp.cli.output import console, print_json, say
    from runplane_mcp.cli.policy.problems import problems_json, show

    settings = settings_of_home()
    read = tested(file if file is not None else settings.policy_file, as_json=as_json)
    today = policy_day(settings, read.policy)
    found = findings(read, today)
    if as_json:
        print_json(
            {
                "ok": True,
                "file": str(read.path),
                "version": read.policy.version,
                "date": today.isoformat(),
                "findings": problems_json(found),
            }
        )
        return
    show(found, read.text, to=console(), style="bold yellow", codes=True)
    count = f"{len(found)} warning{'s' if len(found) > 1 else ''}" if found else "No warnings"
    say(f"{count}.", "bold yellow" if found else "bold green")


def findings(read: Tested, today: date) -> list[Problem]:
    """All that lint says of a policy file whose own tests have run, in its order."""
    from runplane_mcp.core.catalog import load as load_catalog
    from runplane_mcp.core.policy.lint import lint as look
    from runplane_mcp.core.policy.lint import untested

    found = [*look(read.policy, load_catalog().actions, today), *untested(read.policy, read.reached)]
    return sorted(found, key=lambda each: (each.line, each.column))


def policy_day(settings: Settings, policy: Policy) -> date:
    """The day that it is now for a policy: by the clock of the home, in the policy's zone."""
    from datetime import UTC, datetime

    from runplane_mcp.gate.clock import SystemClock, simulated_offset

    async def now(desk: Desk) -> int:
        return desk.clock.policy()

    zone = policy.calendar.zone
    if settings.database.exists():
        milliseconds = at_desk(settings, now)
    else:
        simulated = settings.simulator_now
        milliseconds = SystemClock(simulated_offset(simulated, zone) if simulated is not None else 0).policy()
    return datetime.fromtimestamp(milliseconds // 1000, UTC).astimezone(zone).date()
