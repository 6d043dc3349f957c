"""Conditions that stand both in an index and in the queries that use it: SQLite takes the index only where the words are
the same."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from runplane_mcp.core.repeats import PARAMETER, UNANSWERED, How
from runplane_mcp.core.request import TRANSITIONS, State
from runplane_mcp.store import sums
from runplane_mcp.store.triggers import listed_texts

#: The states that are not final.
OPEN: Final = [state for state in State if state in TRANSITIONS]
#: No list where a row is written: for each list of more than two, SQLite makes a table in memory first, at every row.
UNFINISHED: Final = "(" + " OR ".join(f"state = '{state}'" for state in OPEN) + ")"
#: What one principal may have only so many of: undecided, or waiting for people or for its time.
UNDECIDED: Final = "(state = 'received' OR state = 'waiting' OR state = 'scheduled')"
REFUSED: Final = f"state IN ({sums.REFUSED})"
#: Final requests that say something to whoever asks for the same again: the rest is simply decided again.
ANSWERING: Final = (
    f"(state IN ({listed_texts([State.SUCCEEDED, State.DENIED, State.REPLACED])})"
    " OR (state = 'failed' AND (effect_id IS NOT NULL OR round > 0)))"
)
#: An attempt that came to nothing by nobody's answer, a freeze among them: the key it came with is still free.
BINDING: Final = (
    f"NOT (state IN ({listed_texts([State.BLOCKED, State.FAILED])}) AND (failure_code LIKE '{PARAMETER}%'"
    f" OR failure_code IN ({listed_texts(sorted(UNANSWERED))})))"
)
#: The policy time of a request's latest change.
CHANGED_POLICY_AT: Final = "changed_at + policy_at - created_at"


def _when(states: Iterable[State], then: str) -> str:
    return " ".join(f"WHEN '{state}' THEN {then}" for state in states)


#: What a request says to whoever asks for the same: that it is `open`, or how it ended; null where it says nothing.
SAYS: Final = " ".join(
    (
        "CASE state",
        _when(OPEN, then="'open'"),
        _when((State.SUCCEEDED, State.DENIED, State.REPLACED), then="state"),
        "WHEN 'failed' THEN CASE WHEN effect_id IS NOT NULL OR round > 0 THEN state END END",
    )
)
#: The order among those that say the same: of what is open by when it came, of the rest by when it ended.
SAYS_SINCE: Final = f"CASE state {_when(OPEN, then='number')} ELSE {CHANGED_POLICY_AT} END"
#: What happened to the policy, and what coverage said.
POLICY_EVENTS: Final = "type >= 'policy.' AND type < 'policy/'"
COVERAGE_EVENTS: Final = "type >= 'coverage.' AND type < 'coverage/'"
#: How the result of a request reaches its agent after its call: once.
DELIVERED: Final = f"how IN ({listed_texts([How.RESULT, How.SEEN])})"
#: What a restore found open, and no administrator has gone through yet.
SET_ASIDE: Final = f"restored IS NOT NULL AND state = '{State.OUTCOME_UNKNOWN}'"
