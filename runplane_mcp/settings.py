"""Every setting, once. Values come from `RUNPLANE_*` variables; `STRIPE_API_KEY` keeps Stripe's own name.

| variable | meaning |
|---|---|
| RUNPLANE_HOME | the folder that holds all state; default `~/.runplane` |
| RUNPLANE_POLICY | the policy file; default `policies.yaml` in the home |
| RUNPLANE_CHECKPOINT | where the audit log's newest checkpoint is kept; default `runplane.db.checkpoint` in the home |
| STRIPE_API_KEY | Stripe's key; without it, or with `--simulator`, the simulator |
| RUNPLANE_STRIPE_API_BASE | another address for Stripe: loopback only, with a test or simulator key |
| RUNPLANE_SIMULATOR_NOW | sets policy time, simulator only: `2026-03-03T14:00` in the policy's zone, or with an offset |
| RUNPLANE_COVERAGE_EVERY | seconds between looks for what went around Runplane; default 300, `0` for never |
| RUNPLANE_COVERAGE_ALARM | `unexplained` (default), or `outside`: also money sent out by another key or in the Dashboard |
| RUNPLANE_COVERAGE_ACCOUNTS | connected accounts to look at too: `acct_1,acct_2`, or `all`; `-acct_3` leaves one out |
| RUNPLANE_DEBUG | `1` makes the command line print the traceback of a fault of its own |
| RUNPLANE_ALLOW_LIVE_IN_TRIAL | `yes` accepts a live key although agents run as the same user (see the security page) |
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from runplane_mcp.errors import SettingsError

#: Nobody but the owner may read what lies in the home: it holds the store, the key and, with the simulator, its world.
HOME_MODE = 0o700
PRIVATE = 0o600
#: As `core/coverage/accounts.py` reads it.
_ACCOUNT = re.compile(r"all|-?acct_[A-Za-z0-9_]{1,250}")


class Settings(BaseSettings):
    """The settings of one process."""

    model_config = SettingsConfigDict(env_prefix="RUNPLANE_", extra="ignore", frozen=True, env_ignore_empty=True)

    home: Path = Field(default_factory=lambda: Path.home() / ".runplane")
    policy: Path | None = None
    checkpoint: Path | None = None
    stripe_api_key: SecretStr | None = Field(default=None, validation_alias="STRIPE_API_KEY")
    stripe_api_base: str | None = None
    simulator_now: str | None = None
    allow_live_in_trial: bool = False
    coverage_every: Annotated[int, Field(ge=0, le=86_400)] = 300
    coverage_alarm: Literal["unexplained", "outside"] = "unexplained"
    coverage_accounts: str = ""

    @field_validator("home", "policy", "checkpoint")
    @classmethod
    def _from_the_users_folder(cls, path: Path | None) -> Path | None:
        # MCP hosts hand over what stands in their configuration, and no shell has read the `~` in it: taken as it is, it
        # would be another home than the one that people vote in.
        return path.expanduser() if path is not None else None

    @field_validator("coverage_accounts")
    @classmethod
    def _accounts_with_commas(cls, value: str) -> str:
        if not all(_ACCOUNT.fullmatch(each.strip()) for each in value.split(",") if each.strip()):
            raise ValueError("it takes acct_1,acct_2, or all, and -acct_3 to leave one out")
        return value

    @property
    def database(self) -> Path:
        return self.home / "runplane.db"

    @property
    def checkpoint_file(self) -> Path:
        return self.checkpoint if self.checkpoint is not None else self.home / "runplane.db.checkpoint"

    @property
    def log_key(self) -> Path:
        """The private key that signs the audit log's checkpoints."""
        return self.home / "log-signing-key"

    @property
    def simulator_file(self) -> Path:
        return self.home / "simulator.db"

    @property
    def policy_file(self) -> Path:
        return self.policy if self.policy is not None else self.home / "policies.yaml"

    @property
    def gates(self) -> Path:
        """One lock file for each living gate process: a lease whose owner's lock is free belongs to a dead process."""
        return self.home / "gates"


def load_settings() -> Settings:
    """The settings of this process. SettingsError `settings.invalid` names the variable and never shows its value."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = str(first["loc"][0]) if first["loc"] else "?"
        variable = name if name.isupper() else f"RUNPLANE_{name.upper()}"
        raise SettingsError(
            "settings.invalid", f"{variable} is not usable: {first['msg']}.", next_step="See the table in the README."
        ) from None
    except RuntimeError:
        raise SettingsError(
            "settings.home",
            "There is no telling where this user's folder is.",
            next_step="Set RUNPLANE_HOME to a folder that you may write to.",
        ) from None


def write_private(path: Path, text: str) -> None:
    """Makes a file of a home, which only the owner may read or write whatever the umask. FileExistsError where there is
    one."""
    with open(path, "x", encoding="utf-8", opener=_private) as file:
        file.write(text)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, PRIVATE)


def can_write(settings: Settings) -> bool:
    """Whether this process may write in the home and in its database, as far as they are there. Somebody else's, one on
    a read-only disk, and an auditor's copy are only looked at, and stay as they are."""
    there = [path for path in (settings.home, settings.database) if path.exists()]
    return all(os.access(path, os.W_OK | (os.X_OK if path.is_dir() else 0)) for path in there)


def ensure_home(settings: Settings) -> Path:
    """Makes the home folder, readable by its owner only. SettingsError `settings.home` when that cannot be, and
    `settings.home_shared` for a folder in which others may write and that is not ours to close to them."""
    home = settings.home
    try:
        home.mkdir(mode=HOME_MODE, parents=True, exist_ok=True)
        found = home.stat()
        ours = found.st_uid == os.geteuid()
        # A sticky folder, such as /tmp, is everybody's on purpose: closing it would break what others do there.
        if found.st_mode & stat.S_ISVTX or (not ours and found.st_mode & 0o022):
            raise SettingsError(
                "settings.home_shared",
                f"Other users may write in {home}: they could change what Runplane keeps there.",
                next_step="Set RUNPLANE_HOME to a folder of your own.",
            )
        if ours and found.st_mode & 0o077:
            home.chmod(HOME_MODE)
        settings.gates.mkdir(mode=HOME_MODE, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            "settings.home",
            f"The home folder {home} cannot be used: {error}.",
            next_step="Set RUNPLANE_HOME to a folder that you may write to.",
        ) from None
    if not os.access(home, os.W_OK | os.X_OK):
        raise SettingsError(
            "settings.home",
            f"The home folder {home} cannot be written to.",
            next_step="Set RUNPLANE_HOME to a folder that you may write to.",
        )
    return home
