"""The home that a command works on, and the desk in it."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from runplane_mcp.gate.desk import Desk
    from runplane_mcp.settings import Settings

from runplane_mcp.errors import SettingsError

T = TypeVar("T")


def settings_of_home() -> Settings:
    """The settings of this process; reading them is not cheap, so only commands that need them do."""
    from runplane_mcp.settings import load_settings

    return load_settings()


def require_home(settings: Settings) -> None:
    """SettingsError `settings.no_home` where there is none, for commands that need no desk to look at it."""
    if not settings.database.exists():
        raise SettingsError(
            "settings.no_home",
            f"There is no Runplane home at {settings.home}.",
            next_step="Run `runplane init`, or set RUNPLANE_HOME to where it is.",
        )


def require_writable() -> None:
    """StoreError `store.readonly` where the home can only be looked at: said before anybody types a secret for nothing."""
    from runplane_mcp.settings import can_write
    from runplane_mcp.store import faults

    settings = settings_of_home()
    if not can_write(settings):
        raise faults.read_only(settings.home)


@contextmanager
def folder_in(settings: Settings, name: str) -> Iterator[Path]:
    """Where a command keeps what it has read, so that one that was cut goes on where it was. Where the home cannot be
    written, a folder that is gone when this ends."""
    from runplane_mcp.settings import can_write

    if can_write(settings):
        yield settings.home / name
        return
    with tempfile.TemporaryDirectory(prefix="runplane-") as folder:
        yield Path(folder) / name


def at_desk(settings: Settings, work: Callable[[Desk], Awaitable[T]]) -> T:
    """Opens the people's side of a home, does `work` and closes it again. It is never open while a person thinks.

    SettingsError `settings.no_home` where there is none.
    """
    import anyio

    from runplane_mcp.app import open_desk

    async def run() -> T:
        async with open_desk(settings) as desk:
            return await work(desk)

    return anyio.run(run)
