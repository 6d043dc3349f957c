"""The enforced policy: one row in the store, compiled once for each version, the same for every process of a home.

The row alone is nothing: it counts where the audit log bears it out (`enforcement.py`). Whatever file changes, only one
that is provably only tighter puts itself in force.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from runplane_mcp.core.canonical import Json
from runplane_mcp.core.catalog import Catalog
from runplane_mcp.core.closed import Closed, closed_to
from runplane_mcp.core.compile import CompiledPolicy, compile_policy
from runplane_mcp.core.facts import Facts
from runplane_mcp.core.policy import load, version_of
from runplane_mcp.core.policy.compare import Comparison, compare
from runplane_mcp.errors import PolicyError
from runplane_mcp.gate.acts import said
from runplane_mcp.gate.enforcement import ACTIVATED, FIRST, REAL_MONEY, SIMULATOR, TIGHTER, Activation, newest, prove
from runplane_mcp.store.base import Reader, Transaction
from runplane_mcp.store.records import EnforcedPolicy, ProposedPolicy

#: In bytes, and much more than people read.
LARGEST_FILE: Final = 1 << 20
#: Kept in a home from the first time that a gate of it talked to Stripe itself.
USED_REAL_KEY: Final = "used_real_key"
PROPOSED: Final = "policy.proposed"
REFUSED: Final = "policy.refused"
#: Answers about what is closed that are kept: one for each agent and policy.
_MOST_KEPT: Final = 64


class Policies:
    """Compiled policies by version. Cheap to ask in every decision."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self._compiled: dict[str, CompiledPolicy] = {}
        self._compared: dict[tuple[str, str], Comparison] = {}
        self._closed: dict[tuple[str, str, str, str, frozenset[str]], Closed] = {}
        # What the log was seen to bear out: the enforced policy, and activations before it by their leaf.
        self._enforced: CompiledPolicy | None = None
        self._proven: set[bytes] = set()
        self._unusable: set[str] = set()

    def compile(self, text: str, *, file: str) -> CompiledPolicy:
        """PolicyError with every problem and its place."""
        version = version_of(text)
        if version not in self._compiled:
            actions = self.catalog.actions
            self._compiled[version] = compile_policy(load(text, file=file, known_actions=actions), actions=actions)
        return self._compiled[version]

    def enforced(self, reader: Reader) -> CompiledPolicy:
        """What decides now. PolicyError `policy.none` when nothing was ever activated, `policy.unproven` when the audit log
        does not bear out what the database says is enforced: then nothing runs (THREATS 20)."""
        version = reader.enforced_version()
        if self._enforced is not None and self._enforced.version == version:
            return self._enforced
        activation = self.activation(reader)
        compiled = self.compile(activation.text, file="enforced policy")
        # Only now: another version than the last one that was proven is proven again, however often it is switched to.
        self._enforced = compiled
        return compiled

    @property
    def seen(self) -> CompiledPolicy | None:
        """What decided when this process last asked, None before. No more than a guess: another may have been activated."""
        return self._enforced

    def activation(self, reader: Reader) -> Activation:
        """How what is enforced came to be, from the log. PolicyError as `enforced`."""
        return prove(reader, self.only_tighter, self._proven)

    def compare(self, old: CompiledPolicy, new: CompiledPolicy) -> Comparison:
        """What changed. Kept: it is asked inside of transactions."""
        pair = old.version, new.version
        if pair not in self._compared:
            self._compared[pair] = compare(old.policy, new.policy, self.catalog.actions)
        return self._compared[pair]

    def alike(self, reader: Reader, version: str, policy: CompiledPolicy) -> CompiledPolicy | None:
        """The earlier policy of this version, where it is another one that decides alike; None where it does not, or cannot
        be read any more."""
        if version == policy.version:
            return None
        earlier = self._kept(reader, version)
        return earlier if earlier is not None and self.compare(earlier, policy).equivalent else None

    def candidate(self, reader: Reader) -> CompiledPolicy | None:
        """The policy that is tried beside the enforced one. One that cannot be read is none: it decides nothing."""
        version = reader.candidate_version()
        return None if version is None else self._kept(reader, version)

    def _kept(self, reader: Reader, version: str) -> CompiledPolicy | None:
        if version in self._compiled:
            return self._compiled[version]
        if version in self._unusable:
            return None
        text = reader.policy_text(version)
        try:
            if text is not None and version_of(text) == version:
                return self.compile(text, file=f"policy {version[:12]}")
        except PolicyError:
            pass  # another release wrote it
        self._unusable.add(version)
        return None

    def only_tighter(self, old: str, new: str) -> bool:
        """Whether the second of two texts is provably no looser than the first."""
        try:
            one, other = (self.compile(text, file="enforced policy") for text in (old, new))
        except PolicyError:
            return False
        return self.compare(one, other).tighter

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

    # -- what a file does --------------------------------------------------------------------------------------------

    def offer(self, tx: Transaction, text: str, *, at: int, simulator: bool) -> str:
        """A file as a gate found it. Returns enforced, activated, tighter or proposed.

        The first one and every one against the simulator activate themselves, and so does one that is provably at least as
        strict as what is enforced. Any other change stays proposed until an administrator activates it. So does what was
        enforced before: a process with an old file must not tighten back what an administrator has loosened since.

        A home has one policy, so that what a `simulator` gate activated would hold for real money too: in a home that ever
        used a real key it activates nothing.

        The text must already compile: a broken file never gets here, and the last good one stays enforced.
        """
        version = version_of(text)
        events = tx.policy_events()
        activated = [str(said(event).get("version")) for event in events if event.type == ACTIVATED]
        if not activated and tx.enforced_version() is None:
            self._activate(tx, text, {"by": FIRST}, at=at)
            return "activated"
        now = self.enforced(tx)
        if now.version == version:
            return "enforced"
        if simulator and not tx.meta(USED_REAL_KEY) and not any(event.type == REAL_MONEY for event in events):
            self._activate(tx, text, {"by": SIMULATOR}, at=at)
            return "activated"
        if version not in activated and self.compare(now, self.compile(text, file="policies.yaml")).tighter:
            self._activate(tx, text, {"by": TIGHTER, "from": now.version}, at=at)
            return "tighter"
        waiting = tx.proposed_policy()
        if waiting is None or waiting.version != version:
            if not _told_since_activation(tx, PROPOSED, version):
                tx.append(PROPOSED, {"version": version}, at=at)
            tx.propose_policy(ProposedPolicy(version, text, at))
        return "proposed"

    def refuse(self, tx: Transaction, *, code: str, text: str | None, at: int) -> bool:
        """Notes that a file was not taken over. Once for each broken text, whoever finds it how often. True where it is
        news."""
        version = None if text is None else version_of(text)
        if _told_since_activation(tx, REFUSED, version):
            return False
        tx.append(REFUSED, {"version": version, "code": code}, at=at)
        return True

    def _activate(self, tx: Transaction, text: str, body: dict[str, Json], *, at: int) -> None:
        version = version_of(text)
        tx.append(ACTIVATED, {"version": version, **body}, at=at)
        tx.activate_policy(EnforcedPolicy(version, text, at, str(body["by"])))


def _told_since_activation(reader: Reader, type: str, version: str | None) -> bool:
    """Whether an event of this type has spoken of this version since the policy last changed."""
    for event in reader.policy_events():
        if event.type == ACTIVATED:
            return False
        if event.type == type and said(event).get("version") == version:
            return True
    return False


def note_real_money(tx: Transaction, *, at: int) -> None:
    """From here on a simulator's gate puts no policy in force: what it enforced would hold for real money."""
    tx.set_meta(USED_REAL_KEY, "yes")
    if newest(tx, REAL_MONEY) is None:
        tx.append(REAL_MONEY, {}, at=at)


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
            next_step="Name the right file; a home's own is made by `runplane init`, another is set with RUNPLANE_POLICY.",
        ) from None
    except OSError as error:
        raise PolicyError(
            "policy.unreadable",
            f"The policy file {path} cannot be read: {error.strerror or error}.",
            next_step="Name a file that you may read.",
        ) from None
    except UnicodeDecodeError as error:
        raise PolicyError(
            "policy.unreadable",
            f"The policy file {path} is no text in UTF-8: byte {error.start + 1} is none of it.",
            next_step="Save it as UTF-8.",
        ) from None
