"""The name of what an operation does, `resource.verb`, by rule from its method and path: Stripe's own form, as in its
approvals (`refund.create`, `dispute.close`, `payment_intent.capture`).

A judgement may say another name. The rule is for all others: total, and the same for the same path in every release, so
that a policy can name an operation before anybody has judged it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

#: First words of path segments that do something to what stands before them, as far as Stripe has them.
_VERBS: Final = frozenset(
    """
    accept acknowledge activate add advance amend apply approve archive attach cancel capture cashout check checkout close
    collect commit complete confirm correct create credit deactivate deauthorize debit decline decrement delete deliver
    detach disable disconnect enable expire fail finalize find fund generate increment initiate invoke link mark migrate
    modify pause pay ping post present preview process reactivate reauthorize redact reestimate refill refresh refund reject
    release reload remove renew report reserve resolve respond resume return reveal reverse revoke rotate run search send
    set ship simulate submit subscribe succeed terminate timeout trigger unarchive uninstall unlink unreject unsubscribe
    update validate verify void
    """.split()
)
#: Segments that begin with one of these words and yet are things.
_THINGS: Final = frozenset(
    """
    check_balances credit_balance_summary credit_balance_transactions credit_grants credit_notes credit_reversals
    credit_underwriting_records debit_disputes debit_reversals report_runs report_types
    """.split()
)
#: Things that there is one of, so that a POST changes them: no collections to create in.
_SINGLE: Final = frozenset({"account", "balance", "balance_settings", "cash_balance", "settings"})
#: Where the rule would not give Stripe's own name: its libraries say `subscriptions.cancel` for this DELETE.
_OWN: Final = {("DELETE", "/v1/subscriptions/{}"): "subscription.cancel"}
#: Literal segments that stand for an id.
_SELF: Final = frozenset({"me"})
_VERSIONS: Final = frozenset({"v1", "v2"})


def action_of(method: str, path: str) -> str:
    """The action of a method and a path template, such as `transfer_reversal.create`. Never raises: what it cannot make
    sense of is named after its path all the same."""
    steps = ["{}" if step.startswith("{") or step in _SELF else step for step in path.split("/") if step]
    named = _OWN.get((method, "/" + "/".join(steps)))
    if named is not None:
        return named
    if steps and steps[0] in _VERSIONS:
        del steps[0]
    verb = _verb(method, steps)
    if verb is None:
        verb = steps.pop()
    return f"{_resource(steps) or 'stripe'}.{verb}"


def _verb(method: str, steps: list[str]) -> str | None:
    """The verb that the method and the form of the path tell, None where the last step is itself the verb."""
    last = steps[-1] if steps else ""
    if last != "{}" and len(steps) > 1 and is_verb(last):
        return None
    if method == "DELETE":
        return "delete"
    one = last == "{}" or last in _SINGLE or (steps[-3:-2], last) == (["financial_accounts"], "features")
    if method == "GET":
        return "retrieve" if one or singular(last) == last else "list"
    return "update" if one else "create"


def _resource(steps: list[str]) -> str:
    """`customer_balance_transaction`: collections by one of theirs, the rooms before them (`issuing`, `test_helpers`) as
    they are written."""
    words = []
    for step, after in zip(steps, [*steps, "{}"][1:], strict=True):
        if step != "{}":
            words.append(singular(step) if after == "{}" or is_verb(after) else step)
    return "_".join(words)


@lru_cache(maxsize=2048)
def is_verb(step: str) -> bool:
    """Whether a path segment says what to do: `capture`, `mark_uncollectible`; not `credit_notes`."""
    return step.split("_")[0] in _VERBS and step not in _THINGS


@lru_cache(maxsize=2048)
def singular(word: str) -> str:
    """One of a collection: `reversals` → `reversal`, `batches` → `batch`, `fee_entries` → `fee_entry`. What is no plural
    stays."""
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    plural = len(word) > 1 and word.endswith("s") and not word.endswith("ss") and word not in _SINGLE
    return word[:-1] if plural else word
