"""`docs/command-line.md` is made from the help itself. `RUNPLANE_GOLDEN=write` writes it anew."""

from __future__ import annotations

import os
from pathlib import Path

from tests.cli.conftest import CHECKOUT, Run
from tests.cli.tree import leaves, tree

# Read before the tests' own environment takes the variables of this machine away.
WRITE = os.environ.get("RUNPLANE_GOLDEN") == "write"
PAGE = CHECKOUT / "docs" / "command-line.md"

HEAD = """\
# The command line

Made from `--help` of every command; a test keeps it so. `runplane` is `./runplane` in a checkout.
"""

FOOT = """\
## For scripts

- `--json` prints one JSON value and nothing else on stdout, errors too: `{"error": {"code", "message", "next_step"}}`. Two
  commands are streams: `approvals watch` writes one value a line, `mcp` speaks its protocol.
- Amounts are integers in minor units beside their `currency`; times are ISO 8601 in UTC; `risk` is the level.
- Exit codes: 0 done, 1 refused or failed, 2 usage (a wrong command line, setting or home), 3 the audit log does not match,
  4 it was compared with no anchor although one was required.
- Secrets are read from stdin with `--secret-stdin`, a line each, an administrator's first; never from arguments.
- A vote of a script names what was seen: `--digest`, from `approvals list --json`.
"""


def manual(run: Run) -> str:
    """The page, from the commands as they are."""
    parts = [HEAD, "```", run("--help").out.rstrip(), "```", ""]
    groups = {path for path, command in tree() if getattr(command, "commands", None)}
    for path, _ in tree():
        if not path or path in groups:
            continue
        parts += [f"## runplane {' '.join(path)}", "", "```", run(*path, "--help").out.rstrip(), "```", ""]
    return "\n".join([*parts, FOOT])


def test_the_page_is_what_the_commands_say_of_themselves(run: Run, environment: Path) -> None:
    page = manual(run)
    if WRITE:
        PAGE.write_text(page, encoding="utf-8")

    assert PAGE.read_text(encoding="utf-8") == page
    assert page.count("\n## runplane ") == len(leaves())
