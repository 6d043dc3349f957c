"""What an MCP client must be told to start Runplane. Paths are absolute: clients start servers in other folders, with
hardly any environment."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from runplane_mcp.core.canonical import Json

if TYPE_CHECKING:
    from runplane_mcp.settings import Settings


class Client(StrEnum):
    CLAUDE_DESKTOP = "claude-desktop"
    CLAUDE_CODE = "claude-code"
    CURSOR = "cursor"
    VSCODE = "vscode"


@dataclass(frozen=True, slots=True)
class _Shape:
    """How one client writes its configuration: its file, the name of its list of servers, whether it wants a type."""

    file: str
    servers: str
    typed: bool


_SHAPES: Mapping[Client, _Shape] = {
    Client.CLAUDE_DESKTOP: _Shape(
        "claude_desktop_config.json (Settings, Developer, Edit Config)", "mcpServers", typed=False
    ),
    Client.CLAUDE_CODE: _Shape(".mcp.json in your project", "mcpServers", typed=True),
    Client.CURSOR: _Shape("~/.cursor/mcp.json", "mcpServers", typed=False),
    Client.VSCODE: _Shape(".vscode/mcp.json in your project", "servers", typed=True),
}


def configuration_file(client: Client) -> str:
    """Where the client keeps its configuration, in words."""
    return _SHAPES[client].file


def command_line(arguments: Sequence[str]) -> list[str]:
    """The absolute command that runs `runplane` with these arguments from any folder."""
    script = Path(sys.executable).parent / "runplane"
    if script.exists():
        return [str(script), *arguments]
    # -P: clients start it in the agent's folder, and a `stripe.py` in there must not be imported beside the key.
    return [sys.executable, "-P", "-m", "runplane_mcp", *arguments]


def configuration(client: Client, settings: Settings, *, simulator: bool) -> Json:
    """The JSON for the client's file. It never holds a key: whoever uses a real one adds `STRIPE_API_KEY`."""
    shape = _SHAPES[client]
    command, *arguments = command_line(["mcp", "--agent", client.value, *(["--simulator"] if simulator else [])])
    environment = {"RUNPLANE_HOME": str(settings.home.absolute())}
    if settings.policy is not None:
        environment["RUNPLANE_POLICY"] = str(settings.policy.absolute())
    server: dict[str, Json] = {"type": "stdio"} if shape.typed else {}
    server.update({"command": command, "args": arguments, "env": environment})
    return {shape.servers: {"runplane": server}}
