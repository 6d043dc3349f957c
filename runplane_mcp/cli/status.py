"""`runplane status`: what a home is, what it promises, and what it waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.home import at_desk, settings_of_home
from runplane_mcp.cli.options import JsonFlag
from runplane_mcp.core.canonical import Json
from runplane_mcp.errors import PolicyError, RunplaneError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runplane_mcp.gate.coverage.state import CoverageState
    from runplane_mcp.gate.desk import Desk
    from runplane_mcp.gate.status import HomeStatus
    from runplane_mcp.gate.stopping import Upcoming
    from runplane_mcp.settings import Settings

EXAMPLES = examples(
    ("runplane status", "what is enforced, who can approve, what waits"),
    ("runplane status --json", "for programs"),
)

#: Of each limit, looked at for the line about the fullest: those in use lately.
_BUCKETS = 200

_PROMISE = {
    "trial": "agents run as the same user; stops mistakes, not a program that runs as you",
    "production": "key, policy and database belong to another user than the agents",
}


def status(as_json: JsonFlag = False) -> None:
    """Say what is enforced, who can approve, and what waits."""
    from runplane_mcp.cli.coverage.standing import coverage_json, coverage_line
    from runplane_mcp.cli.limits import fullest
    from runplane_mcp.cli.output import print_json
    from runplane_mcp.cli.scheduled import digest_line, upcoming_json
    from runplane_mcp.gate.barring import bars
    from runplane_mcp.gate.coverage.state import states
    from runplane_mcp.gate.fullness import fullness
    from runplane_mcp.gate.stopping import scheduled_cards, upcoming
    from runplane_mcp.store.checkpoints import Kept

    settings = settings_of_home()

    async def look(
        desk: Desk,
    ) -> tuple[HomeStatus, Sequence[RunplaneError], str | None, Upcoming, int, Mapping[str, CoverageState]]:
        found, covered = await desk.status(), await desk.store.read(states)
        barred = await bars(desk.store, settings.database, Kept(settings.checkpoint_file, settings.log_key))
        soon, now = upcoming(await scheduled_cards(desk)), desk.clock.policy()
        if found.policy is None:
            return found, barred, None, soon, now, covered
        _, limits = await fullness(desk, top=1, most=_BUCKETS)
        return found, barred, fullest(limits), soon, now, covered

    home, barred, limit, soon, now, covered = at_desk(settings, look)
    if as_json:
        more = {"fullest_limit": limit, "scheduled": upcoming_json(soon), "coverage": coverage_json(covered)}
        print_json({**_json(settings, home, barred), **more})
    else:
        _tell(settings, home, barred, limit, digest_line(soon, now) if soon.count else "", coverage_line(covered))


def stripe_in_use(settings: Settings, home: HomeStatus) -> str:
    """`simulator`, `test` or `live`: what this home last used, or would use first."""
    if home.target is not None:
        if home.target.startswith("simulator:"):
            return "simulator"
        return "live" if home.livemode else "test"
    if settings.stripe_api_key is None:
        return "simulator"
    return "live" if settings.stripe_api_key.get_secret_value().startswith(("sk_live_", "rk_live_")) else "test"


def _file(settings: Settings, home: HomeStatus) -> tuple[str, str | None]:
    """How the policy file stands to what is enforced (`enforced`, `other`, `broken` or `missing`), and what is wrong with
    it."""
    from runplane_mcp.core.catalog import load as load_catalog
    from runplane_mcp.core.policy import load, version_of
    from runplane_mcp.gate.policies import read_policy_file

    if settings.policy is None and not settings.policy_file.exists():
        return "missing", None
    try:
        text = read_policy_file(settings.policy_file)
        if home.policy is not None and home.policy.version == version_of(text):
            return "enforced", None
        load(text, file=str(settings.policy_file), known_actions=load_catalog().actions)
    except PolicyError as error:
        return "broken", error.message.splitlines()[0]
    return "other", None


def _looser(home: HomeStatus) -> str | None:
    """What is looser in the proposed policy, in a line."""
    from runplane_mcp.cli.policy.differences import compared, loosened

    if home.policy is None or home.proposed is None:
        return None
    try:
        found = compared(home.policy.text, home.proposed.text, old_file="enforced policy", new_file="proposed policy")
    except PolicyError:
        return None
    return loosened(found)


def _json(settings: Settings, home: HomeStatus, barred: Sequence[RunplaneError]) -> dict[str, Json]:
    from runplane_mcp.cli.freeze import freeze_json
    from runplane_mcp.cli.output import iso
    from runplane_mcp.cli.people import person_json
    from runplane_mcp.settings import can_write

    policy: dict[str, Json] = {"file": str(settings.policy_file), "version": None, "since": None, "by": None}
    if home.policy is not None:
        policy |= {"version": home.policy.version, "since": iso(home.policy.since), "by": home.policy.by}
    proposed = home.proposed
    policy["proposed"] = None
    if proposed is not None:
        policy["proposed"] = {"version": proposed.version, "at": iso(proposed.at), "looser": _looser(home)}
    policy["file_state"], policy["file_problem"] = _file(settings, home)
    problem = home.policy_problem
    policy["problem"] = None if problem is None else {"code": problem.code, "message": problem.message}
    return {
        "home": str(settings.home),
        "read_only": not can_write(settings),
        "mode": home.mode,
        "stripe": stripe_in_use(settings, home),
        "target": home.target,
        "account": home.account,
        "policy": policy,
        "people": [person_json(person) for person in home.people],
        "nobody_can_meet": list(home.unmet),
        "frozen": [freeze_json(each) for each in home.frozen],
        "waiting": home.waiting,
        "outcome_unknown": home.outcome_unknown,
        "gates_running": home.gates_running,
        "simulated_clock": home.simulated_clock,
        "events": home.events,
        "restored": None if home.restored is None else home.restored.sentence(),
        "to_resolve_after_restore": list(home.set_aside),
        "not_borne_out": list(home.doubted),
        "nothing_runs": [{"code": each.code, "message": each.message, "next_step": each.next_step} for each in barred],
    }


def _tell(
    settings: Settings,
    home: HomeStatus,
    barred: Sequence[RunplaneError],
    limit: str | None,
    soon: str,
    covered: tuple[str, str] | None,
) -> None:
    from runplane_mcp.cli.doctor.records import named
    from runplane_mcp.cli.output import moment, say
    from runplane_mcp.core.text import visible
    from runplane_mcp.gate.restored import HOLD
    from runplane_mcp.settings import can_write

    for each in home.frozen:
        if each.id == HOLD:
            continue
        say(f"{visible(each.sentence(), 1_000).replace('Frozen', 'FROZEN', 1)} Since {moment(each.at)}.", "bold red")
    if home.set_aside:
        count = len(home.set_aside)
        left = "1 request that was" if count == 1 else f"{count:,} requests that were"
        say(f"NOTHING RUNS  This home was restored, and {left} open in the copy may have run since.", "bold red")
        say("         Say of each what became of it: runplane requests list --state outcome_unknown, then", "red")
        say("         runplane requests resolve REQUEST --as ADMIN", "red")
    if any(each.id != HOLD for each in home.frozen):
        say("         What it names is blocked or held, in every process. Lift it: runplane unfreeze --as ADMIN", "red")
    for bar in barred:
        say(f"NOTHING RUNS  {visible(bar.message, 1_000)} [{bar.code}]", "bold red")
        say(f"         {visible(bar.next_step, 1_000)}", "red")
    if home.doubted:
        say(f"DOUBTED  The audit log does not bear out {named(home.doubted)}, so that it does not run:", "bold red")
        say("         somebody changed the database past Runplane. See: runplane audit verify", "red")
    in_use = stripe_in_use(settings, home)
    money = {"simulator": "simulator, no real money", "test": "test mode, no real money", "live": "LIVE, real money"}
    say(f"Home     {settings.home}")
    if not can_write(settings):
        say("         It can only be read, by you at least: looking works, and nothing can be changed.", "yellow")
    say(f"Mode     {home.mode}: {_PROMISE[home.mode]}")
    say(
        f"Stripe   {money[in_use]}{f', account {home.account}' if home.account else ''}",
        "bold" if in_use == "live" else None,
    )
    if home.policy_problem is not None:
        say(f"Policy   {visible(home.policy_problem.message, 1_000)} {home.policy_problem.next_step}", "bold red")
    elif home.policy is None:
        say(f"Policy   none is enforced, so nothing runs; the file is {settings.policy_file}", "bold red")
    else:
        say(
            f"Policy   version {home.policy.version[:12]} since {moment(home.policy.since)}, {home.policy.who()}; "
            f"file {settings.policy_file}"
        )
    state, broken = _file(settings, home)
    if state == "broken":
        say(
            f"         The file does not load, so that the last good policy stays enforced. {visible(broken or '', 500)}"
            " See: runplane policy check",
            "bold red",
        )
    if home.proposed is not None:
        looser = _looser(home)
        say(
            f"         Version {home.proposed.version[:12]} is proposed since {moment(home.proposed.at)}."
            f" {visible(looser or '', 500)} See: runplane policy diff, then runplane policy activate --as ADMIN",
            "yellow",
        )
    if limit is not None:
        say(f"Limits   the fullest is {visible(limit, 300)}: runplane limits")
    voters = [
        f"{person.id} ({', '.join(sorted(person.groups)) or 'no group'})" for person in home.people if person.may_vote
    ]
    say(
        f"People   {', '.join(voters) or 'nobody can approve yet: runplane people add NAME --role admin --group finance'}"
    )
    if len(voters) == 1:
        say("         One-person mode: nobody checks the one who says yes.", "yellow")
    for need in home.unmet:
        say(f"         The policy asks for more people than are enrolled. {need}", "bold yellow")
    say(
        f"Gates    {home.gates_running} running"
        + ("" if home.gates_running else ": approved requests run when one does")
    )
    say(f"Waiting  {home.waiting}" + (": runplane approve" if home.waiting else ""), "yellow" if home.waiting else None)
    if soon:
        say(f"Soon     {soon}: runplane approvals list; runplane stop", "cyan")
    if home.outcome_unknown:
        say(
            f"Unknown  {home.outcome_unknown} with an unknown outcome: runplane requests list --state outcome_unknown;"
            " look in Stripe, then: runplane requests resolve REQUEST",
            "bold red",
        )
    if covered is not None:
        say(f"Coverage {visible(covered[0], 1_000)}", covered[1] or None)
    if home.restored is not None:
        say(f"Restored {home.restored.sentence()} Limits lack it: runplane audit coverage", "yellow")
    say(f"Audit    {home.events} events: runplane audit verify")
    if home.simulated_clock:
        say("Clock    simulated (RUNPLANE_SIMULATOR_NOW)", "yellow")
