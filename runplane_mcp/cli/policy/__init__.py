"""`runplane policy …`: what agents may do, said back in words, tried out, and put in force. A file a command."""

from __future__ import annotations

import typer

from runplane_mcp.cli.catalog import groups
from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.policy import (
    activate,
    attack,
    backtest,
    check,
    diff,
    explain,
    exposure,
    facts,
    lint,
    own_tests,
    replay,
    schema,
    shadow,
    try_,
    tune,
)

GROUPS_EXAMPLES = examples(
    ("runplane policy groups", "what `action: refunds` and the like take in"),
    ("runplane policy groups --json", "for programs"),
)

policy = typer.Typer(help="What agents may do.", no_args_is_help=True)
policy.command("check", epilog=check.EXAMPLES)(check.check)
policy.command("test", epilog=own_tests.EXAMPLES)(own_tests.own_tests)
policy.command("lint", epilog=lint.EXAMPLES)(lint.lint)
policy.command("try", epilog=try_.EXAMPLES)(try_.try_)
policy.command("exposure", epilog=exposure.EXAMPLES)(exposure.exposure)
policy.command("facts", epilog=facts.EXAMPLES)(facts.facts)
policy.command("explain", epilog=explain.EXAMPLES)(explain.explain)
policy.command("groups", epilog=GROUPS_EXAMPLES)(groups)
policy.command("schema", epilog=schema.EXAMPLES)(schema.schema)
policy.command("diff", epilog=diff.EXAMPLES)(diff.diff)
policy.command("shadow", epilog=shadow.EXAMPLES)(shadow.shadow)
policy.command("activate", epilog=activate.EXAMPLES)(activate.activate)
policy.command("attack", epilog=attack.EXAMPLES)(attack.attack)
policy.command("replay", epilog=replay.EXAMPLES)(replay.replay)
policy.command("backtest", epilog=backtest.EXAMPLES)(backtest.backtest)
policy.command("tune", epilog=tune.EXAMPLES)(tune.tune)
