"""Who runs this command. A person's first secret must not be chosen where an agent reads along."""

from __future__ import annotations

import os
from collections.abc import Mapping

from runplane_mcp.errors import SettingsError

#: Variables that agent hosts set in the shells they give their agents, with the host's name. A list can only name the
#: hosts that say so: it stops accidents, not an agent that clears its environment. Another OS user stops that one.
AGENT_VARIABLES: Mapping[str, str] = {
    "AI_AGENT": "an AI agent",
    "ANTIGRAVITY_CLI_ALIAS": "Antigravity",
    "CLAUDECODE": "Claude Code",
    "CLINE_ACTIVE": "Cline",
    "CODEX_CI": "Codex",
    "CODEX_SANDBOX": "Codex",
    "CODEX_SANDBOX_NETWORK_DISABLED": "Codex",
    "CODEX_THREAD_ID": "Codex",
    "CURSOR_AGENT": "Cursor's agent",
    "GEMINI_CLI": "Gemini CLI",
    "HERMES_AGENT": "Hermes",
    "OPENCLAW_SHELL": "OpenClaw",
    "OPENCODE": "opencode",
}


def refuse_agents() -> None:
    """SettingsError `settings.agent_environment` when a known agent's variable is set."""
    for variable, host in AGENT_VARIABLES.items():
        if os.environ.get(variable):
            raise SettingsError(
                "settings.agent_environment",
                f"This shell belongs to {host} ({variable} is set): an agent must not make the home that governs it.",
                next_step="Run it yourself, in a terminal of your own.",
            )
