"""The enforced policy: one row in the store, compiled once for each version, the same for every process of a home."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from runplane_mcp.core.catalog import Catalog
from runplane_mcp.core.closed import Closed, closed_to
from runplane_mcp.core.compile import CompiledPolicy, compile_policy
from runplane_mcp.core.facts import Facts
from runplane_mcp.core.policy import load, version_of
from runplane_mcp.errors import PolicyError
from runplane_mcp.store.base import EnforcedPolicy, ProposedPolicy, Reader, Transaction

#: In bytes, and much more than people read.
LARGEST_FILE: Final = 1 << 20
#: Kept in a home from the first time that a gate of it talked to Stripe itself.
USED_REAL_KEY: Final = "used_real_key"
#: Answers about what is closed that are kept: one for each agent and policy.
_MOST_KEPT: Final = 64


class Policies:
    """Compiled policies by version. Cheap to ask in every decision."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self._compiled: dict[str, CompiledPolicy] = {}
        self._closed: dict[tuple[str, str, str, str, frozenset[str]], Closed] = {}

    def compile(self, text: str, *, file: str) -> CompiledPolicy:
        """PolicyError with every problem and its place."""
        version = version_of(text)
        if version not in self._compiled:
            actions = self.catalog.actions
            self._compiled[version] = compile_policy(load(text, file=file, known_actions=actions), actions=actions)
        return self._compiled[version]

    def enforced(self, reader: Reader) -> CompiledPolicy:
        """What decides now. PolicyError `policy.none` when nothing was ever activated: then nothing runs."""
        known = self._compiled.get(reader.enforced_version() or "")
        if known is not None:
            return known
        row = reader.enforced_policy()
        if row is None:
            raise PolicyError("policy.none", "No policy is enforced.", next_step="Run `runplane policy activate`.")
        return self.compile(row.text, file="enforced policy")

    def closed(self, reader: Reader, *, principal: str, agent: str, via: str, reachable: frozenset[str]) -> Closed:
        """What is closed to this agent under the enforced policy, of the operations it has tools for."""
        policy = self.enforced(reader)
        key = policy.version, principal, agent, via, reachable
        if key not in self._closed:
            if len(self._closed) >= _MOST_KEPT:
                self._closed.clear()
            who: Facts = {"principal": principal, "agent": agent, "agent_roles": frozenset[str](), "via": via}
            self._closed[key] = closed_to(policy, self.catalog, who, reachable=reachable)
        return self._closed[key]

    def offer(self, tx: Transaction, text: str, *, at: int, simulator: bool) -> str:
        """A file as a gate found it. The first one and every one against the simulator activate themselves; any other
        change stays proposed until an administrator activates it. Returns enforced, activated or proposed.

        A home has one policy, so that what a `simulator` gate activated would hold for real money too: in a home that ever
        used a real key it activates nothing.

        The text must already compile: a broken file never gets here, and the last good one stays enforced.
        """
        version = version_of(text)
        now = tx.enforced_policy()
        if now is not None and now.version == version:
            return "enforced"
        if now is None or (simulator and not tx.meta(USED_REAL_KEY)):
            by = "first" if now is None else "simulator"
            tx.append("policy.activated", {"version": version, "by": by}, at=at)
            tx.activate_policy(EnforcedPolicy(version, text, at, by))
            return "activated"
        waiting = tx.proposed_policy()
        if waiting is None or waiting.version != version:
            tx.append("policy.proposed", {"version": version}, at=at)
            tx.propose_policy(ProposedPolicy(version, text, at))
        return "proposed"


def read_policy_file(path: Path) -> str:
    """The text of a policy file, PolicyError `policy.unreadable` where there is none or it is none that people wrote."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
        if len(content) > LARGEST_FILE:
            raise PolicyError(
                "policy.unreadable",
                f"The policy file {path} is longer than {LARGEST_FILE // 1024} KiB.",
                next_step="Name the right file.",
            )
        return content.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except FileNotFoundError:
        raise PolicyError(
            "policy.unreadable",
            f"There is no policy file at {path}.",
            next_step="Run `runplane init` or set RUNPLANE_POLICY.",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError("policy.unreadable", f"The policy file {path} cannot be read: {error}.") from None
