"""The home that a command works on, and the desk in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
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
