"""One request and its answer, in Stripe's order: key, account, idempotency, parameters, effect, expansion, memory.

`answer` runs inside one transaction. How an answer is to be kept from the client (late, cut off, garbled) is said in
the `Answer`, for the server to do after the transaction.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from runplane_mcp.simulator.clockwork import catch_up
from runplane_mcp.simulator.expansion import complete, expand
from runplane_mcp.simulator.faults import Fault, FaultKind, take_fault
from runplane_mcp.simulator.idempotency import Key, Remembered
from runplane_mcp.simulator.objects import API_VERSION, new_id
from runplane_mcp.simulator.parameters import Raw, decode, read
from runplane_mcp.simulator.refusal import Refusal, body_v2, unknown_url, wrong_key
from runplane_mcp.simulator.resources import TABLE
from runplane_mcp.simulator.routes import is_v2
from runplane_mcp.simulator.seed import SEED
from runplane_mcp.simulator.summary import Outcome
from runplane_mcp.simulator.transaction import Transaction

#: The key that the simulator takes. Any `sk_test_` or `rk_test_` key that contains "simulator" serves too.
SIMULATOR_KEY = "sk_test_runplane_simulator"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came off the wire. Header names in lower case."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Ending(Enum):
    """What the client sees of the connection."""

    ANSWERED = "answered"
    CLOSED = "closed"  # closed without an answer
    RESET = "reset"  # reset (RST) without an answer


@dataclass(frozen=True, slots=True)
class Answer:
    """`delay`: seconds to wait before `ending` happens."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    ending: Ending = Ending.ANSWERED
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class _Result:
    """What came of a request. `remembered`: its idempotency key is to keep it. `replay_of`: the request it repeats."""

    status: int
    body: str
    outcome: Outcome
    remembered: bool
    replay_of: str | None = None


def may_use(headers: Mapping[str, str]) -> bool:
    """Whether a request carries a key of the simulator. A live key never is one."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and key.startswith(("sk_test_", "rk_test_")) and "simulator" in key


def turn_away(asked: Asked) -> Answer:
    """401 for a request without a key of the simulator: nothing of it is looked at."""
    request_id = new_id("req")
    result = _refused(wrong_key(), request_id, asked.path)
    return Answer(result.status, result.body.encode(), _headers(asked, request_id, result))


def answer(db: sqlite3.Connection, asked: Asked, *, now: int, wall: float) -> Answer:
    """Does what is asked, or what the next fault for it says. `now` is the world's clock, `wall` the real one."""
    request_id = new_id("req")
    fault = take_fault(db, asked.method, asked.path)
    catch_up(Transaction(db, now=now, platform=SEED.account, account=SEED.account))
    if fault is not None and fault.at_the_door:
        result = replace(_refused(fault.error(), request_id, asked.path), outcome=Outcome.DROPPED)
    else:
        result = _run(db, asked, request_id, fault, now=now, wall=wall)
    if asked.method != "GET" and not _only_reads(asked):
        _log(db, asked, request_id, result, now)
    return _spoiled(Answer(result.status, result.body.encode(), _headers(asked, request_id, result)), fault)


def _run(
    db: sqlite3.Connection, asked: Asked, request_id: str, fault: Fault | None, *, now: int, wall: float
) -> _Result:
    """The request as Stripe treats it, its idempotency key included."""
    key: Key | None = None
    v2 = is_v2(asked.path)
    try:
        account = _account(db, asked, now)
        given = _parameters(asked)
        keyed = asked.method == "POST" or (v2 and asked.method == "DELETE")
        sent = asked.headers.get("idempotency-key") if keyed else None
        if sent is not None:
            key = Key.of(account, sent, asked.method, asked.path, given, v2=v2)
        known = None if key is None else key.recall(db, now=now, wall=wall)
        if known is None:
            tx = Transaction(db, now=now, platform=SEED.account, account=account, request_id=request_id, key=sent)
            result = _execute(tx, asked, given, fault)
        else:
            result = _Result(known.status, known.body, Outcome.REPLAYED, remembered=False, replay_of=known.request_id)
    except Refusal as refusal:
        result = _refused(refusal, request_id, asked.path)
    shown = result
    if fault is not None and fault.kind is FaultKind.ERROR_500:
        shown = replace(_refused(fault.error(), request_id, asked.path), outcome=result.outcome)
    if key is not None and result.remembered and not (v2 and result.status != 200):
        kept = shown if fault is not None and fault.remembered and not v2 else result
        busy_until = wall + fault.seconds if fault is not None and fault.kind is FaultKind.DELAY else 0.0
        key.remember(db, Remembered(kept.status, kept.body, request_id), now=now, busy_until=busy_until)
    return shown


def _context(asked: Asked) -> str | None:
    """The account that `Stripe-Context` names, in which the second API is asked to act."""
    return asked.headers.get("stripe-context") if is_v2(asked.path) else None


def _account(db: sqlite3.Connection, asked: Asked, now: int) -> str:
    """The partition that the request acts in: the platform, or the account that `Stripe-Account` names."""
    named = asked.headers.get("stripe-account", _context(asked))
    if named is None:
        return SEED.account
    found = Transaction(db, now=now, platform=SEED.account, account=SEED.account).find(named)
    if found is None or found["object"] != "account" or found.get("deleted"):
        raise Refusal(
            f"This key has no access to the account '{named}'.", status=403, code="account_invalid", remembered=False
        )
    return named


def _parameters(asked: Asked) -> dict[str, Raw]:
    given: dict[str, Raw] = {}
    decode(asked.query, given)
    if asked.body and is_v2(asked.path):
        given.update(_json(asked))
    elif asked.body:
        kind = asked.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/x-www-form-urlencoded":
            raise Refusal("The body of a request is application/x-www-form-urlencoded.", remembered=False)
        try:
            decode(asked.body.decode("ascii"), given)
        except UnicodeDecodeError as error:
            raise Refusal("The parameters are not form-encoded.", remembered=False) from error
    return given


def _json(asked: Asked) -> dict[str, Raw]:
    """The body of a request to the second API: one JSON object."""
    kind = asked.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refusal("The body of a request is application/json.", remembered=False)
    try:
        given = json.loads(asked.body)
    except (ValueError, RecursionError) as error:
        raise Refusal("The body of the request is not JSON.", remembered=False) from error
    if not isinstance(given, dict):
        raise Refusal("The body of the request is not a JSON object.", remembered=False)
    return given


def _execute(tx: Transaction, asked: Asked, given: dict[str, Raw], fault: Fault | None) -> _Result:
    """Finds the route, reads its parameters and does the work. A refused request leaves no trace of its work."""
    matched = TABLE.find(asked.method, asked.path)
    if matched is None:
        raise unknown_url(asked.method, asked.path)
    route, in_path = matched
    params = read(given, route.parameters(), route.required)
    if fault is not None and fault.kind is FaultKind.ERROR_500 and not fault.has_effect:
        raise fault.error()
    if fault is not None and fault.kind is FaultKind.DECLINE_402:
        if not (fault.has_effect and route.leaves_failed):
            raise fault.error()
        tx.declined = True
    tx.db.execute("SAVEPOINT effect")
    try:
        done = route.handler(tx, {**params, **in_path})
        body = done if is_v2(route.path) else expand(tx, complete(tx, done), params.get("expand", []))
    except Refusal as refusal:
        if refusal.left is None:
            tx.db.execute("ROLLBACK TO effect")
        raise
    finally:
        tx.db.execute("RELEASE effect")
    return _Result(200, json.dumps(body, separators=(",", ":")), Outcome.EFFECT, remembered=True)


def _refused(refusal: Refusal, request_id: str, path: str) -> _Result:
    outcome = Outcome.REFUSED if refusal.left is None else Outcome.DECLINED
    body = body_v2(refusal) if is_v2(path) else refusal.body(request_id)
    return _Result(refusal.status, json.dumps(body), outcome, refusal.remembered)


def _only_reads(asked: Asked) -> bool:
    matched = TABLE.find(asked.method, asked.path)
    return matched is not None and matched[0].reads


def _log(db: sqlite3.Connection, asked: Asked, request_id: str, result: _Result, now: int) -> None:
    account = asked.headers.get("stripe-account") or _context(asked) or SEED.account
    key = asked.headers.get("idempotency-key")
    db.execute(
        "INSERT INTO write_log (at, account, method, path, key, request_id, outcome, status)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (now, account, asked.method, asked.path, key, request_id, result.outcome.value, result.status),
    )


def _headers(asked: Asked, request_id: str, result: _Result) -> dict[str, str]:
    headers = {
        "Content-Type": "application/json",
        "Request-Id": request_id,
        "Stripe-Version": asked.headers.get("stripe-version", API_VERSION),
    }
    for name, shown in (("idempotency-key", "Idempotency-Key"), ("stripe-account", "Stripe-Account")):
        if name in asked.headers:
            headers[shown] = asked.headers[name]
    if result.replay_of is not None:
        headers["Idempotent-Replayed"] = "true"
        headers["Original-Request"] = result.replay_of
    if result.status == 429:
        headers["Stripe-Rate-Limited-Reason"] = "global-rate"
    return headers


def _spoiled(given: Answer, fault: Fault | None) -> Answer:
    """The answer as the fault lets it through to the client."""
    if fault is None:
        return given
    match fault.kind:
        case FaultKind.DROP_REQUEST | FaultKind.DROP_ANSWER:
            return replace(given, ending=Ending.CLOSED)
        case FaultKind.RESET:
            return replace(given, ending=Ending.RESET)
        case FaultKind.DELAY:
            return replace(given, delay=fault.seconds)
        case FaultKind.GARBAGE:
            return replace(given, status=200, body=fault.body.encode())
        case _:
            return given
