"""The variables of this shell, and who may read and write the home's files."""

from __future__ import annotations

import itertools
import os
import stat
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Final

from runplane_mcp.cli.doctor.finding import Finding, ok, problem, warn
from runplane_mcp.cli.environment import AGENT_VARIABLES

if TYPE_CHECKING:
    from runplane_mcp.settings import Settings

#: Read without the settings: it must work where these cannot be.
_BESIDE_SETTINGS: Final = ("RUNPLANE_DEBUG",)
#: Names that other tools give to Stripe's key; Runplane reads Stripe's own.
_OTHER_KEY_NAMES: Final = ("STRIPE_KEY", "STRIPE_SECRET", "STRIPE_SECRET_KEY", "STRIPE_API_TOKEN")

#: Entries of a folder, among which copies are looked for.
_MOST_LOOKED_AT: Final = 2_000
_OTHERS: Final = 0o077
_OTHERS_WRITE: Final = 0o022


def variables(environment: Mapping[str, str]) -> Iterator[Finding]:
    """RUNPLANE_* variables that nothing reads, since a misspelt one silently does nothing."""
    known = known_variables()
    unknown = sorted(name for name in environment if name.startswith("RUNPLANE_") and name not in known)
    for name in unknown:
        nearest = get_close_matches(name, known, n=1)
        yield warn(
            "variables",
            f"{name} is set, and it is no setting.",
            f"Did you mean {nearest[0]}?" if nearest else "Unset it, or see the table in the README.",
        )
    if not environment.get("STRIPE_API_KEY"):
        for name in _OTHER_KEY_NAMES:
            if environment.get(name):
                yield warn("variables", f"{name} is set, and Runplane does not read it.", "Call it STRIPE_API_KEY.")
    for name, host in AGENT_VARIABLES.items():
        if environment.get(name):
            yield warn(
                "variables",
                f"This shell belongs to {host} ({name} is set): an agent reads along.",
                "Give no passphrase here; answer requests in a terminal of your own.",
            )
    if not unknown:
        set_ones = sorted(name for name in environment if name in known)
        yield ok("variables", f"set: {', '.join(set_ones)}" if set_ones else "no RUNPLANE_* variable is set")


def known_variables() -> tuple[str, ...]:
    """Every RUNPLANE_* variable that something reads."""
    from runplane_mcp.settings import Settings

    names = [f"RUNPLANE_{name.upper()}" for name, field in Settings.model_fields.items() if not field.validation_alias]
    return (*names, *_BESIDE_SETTINGS)


def modes(settings: Settings) -> Iterator[Finding]:
    """Whether anybody but the owner may read what is in the home, or write the policy."""
    from runplane_mcp.settings import can_write

    home = settings.home
    found = home.stat()
    wrong = 0
    if not can_write(settings):
        wrong += 1
        yield warn(
            "modes",
            f"{home} can only be read, by you at least: nothing runs from it, and nothing in it can be changed.",
            "For looking it is enough. Otherwise run Runplane as the user who owns it, on a disk that can be written.",
        )
    if found.st_uid != os.geteuid():
        wrong += 1
        yield warn(
            "modes",
            f"{home} belongs to another user ({_owner(home)}) than runs this.",
            "Run Runplane as the user who owns the home.",
        )
    if stat.S_IMODE(found.st_mode) & _OTHERS:
        wrong += 1
        yield problem("modes", f"Others may enter {home} ({_mode(found)}).", f"chmod 700 {home}")
    for path in sorted(home.iterdir()):
        entry = path.lstat()
        secret = path.name.startswith("runplane.db") or "key" in path.name
        exposed = stat.S_IMODE(entry.st_mode) & (_OTHERS if secret else _OTHERS_WRITE)
        if exposed and not stat.S_ISLNK(entry.st_mode):
            wrong += 1
            may, wanted = ("read or write", "go-rwx") if secret else ("write", "go-w")
            yield problem("modes", f"Others may {may} {path} ({_mode(entry)}).", f"chmod {wanted} {path}")
    if not wrong:
        yield ok("modes", f"{_owner(home)} alone can enter {home} (0700) and read the database (0600)")


def copies(settings: Settings) -> Iterator[Finding]:
    """Copies of a database of ours in the home and in the folder that it is in, which others may read: a backup holds what
    the database holds."""
    from runplane_mcp.store.files import looks_like_a_store

    home = settings.home
    for folder in (home, home.absolute().parent):
        try:
            paths = sorted(itertools.islice(folder.iterdir(), _MOST_LOOKED_AT))
        except OSError:
            continue  # it is not ours to look into, so that we have put nothing there
        for path in paths:
            # What the home itself has under these names, `modes` has looked at.
            if (folder == home and path.name.startswith("runplane.db")) or not looks_like_a_store(path):
                continue
            found = path.lstat()
            if stat.S_IMODE(found.st_mode) & _OTHERS:
                yield problem(
                    "modes",
                    f"Others may read or write {path} ({_mode(found)}), a copy of a Runplane database.",
                    f"chmod go-rwx {path}",
                )


def _mode(found: os.stat_result) -> str:
    return f"{stat.S_IMODE(found.st_mode):04o}"


def _owner(path: Path) -> str:
    try:
        return path.owner()
    except KeyError:
        return str(path.stat().st_uid)
