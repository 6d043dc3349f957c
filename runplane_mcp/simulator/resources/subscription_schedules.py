"""Subscription schedules: what a subscription will be when, from phase to phase, and what comes after the last one.

Source: https://docs.stripe.com/api/subscription_schedules
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy

from runplane_mcp.simulator import clockwork
from runplane_mcp.simulator.clockwork import end_subscription
from runplane_mcp.simulator.lists import Clause, list_route
from runplane_mcp.simulator.objects import Obj, Params, merge_metadata, new_id
from runplane_mcp.simulator.parameters import array, boolean, mapping, metadata, one_of, positive, text, word
from runplane_mcp.simulator.refusal import Refusal, invalid
from runplane_mcp.simulator.resources import subscription_changes as changes
from runplane_mcp.simulator.resources.schedule_phases import NEW_PHASE, PHASE, enter, open_first, phase_of, read_phases
from runplane_mcp.simulator.resources.subscriptions import cancel
from runplane_mcp.simulator.routes import Route, retrieve_route
from runplane_mcp.simulator.transaction import Transaction

_STATES = ("not_started", "active")


def bare_schedule(tx: Transaction, customer: str, params: Params) -> Obj:
    asked = params.get("default_settings", {})
    """A schedule without phases yet."""
    return {
        "id": new_id("sub_sched"),
        "object": "subscription_schedule",
        "application": None,
        "billing_mode": {"type": "flexible"},
        "canceled_at": None,
        "completed_at": None,
        "created": tx.now,
        "current_phase": None,
        "customer": customer,
        "default_settings": {
            "application_fee_percent": None,
            "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
            "billing_cycle_anchor": asked.get("billing_cycle_anchor", "automatic"),
            "billing_thresholds": None,
            "collection_method": asked.get("collection_method", "charge_automatically"),
            "default_payment_method": asked.get("default_payment_method"),
            "description": asked.get("description"),
            "invoice_settings": {
                "account_tax_ids": None,
                "days_until_due": asked.get("invoice_settings", {}).get("days_until_due"),
                "issuer": {"type": "self"},
            },
            "on_behalf_of": None,
            "transfer_data": None,
        },
        "end_behavior": params.get("end_behavior", "release"),
        "livemode": False,
        "metadata": merge_metadata({}, params.get("metadata", {})),
        "pause_schedules": [],
        "phases": [],
        "released_at": None,
        "released_subscription": None,
        "status": "not_started",
        "subscription": None,
        "test_clock": None,
    }


def _create(tx: Transaction, params: Params) -> Obj:
    if "from_subscription" in params:
        schedule = _of_subscription(tx, params)
    else:
        for name in ("customer", "phases"):
            if name not in params:
                raise invalid(f"A schedule needs '{name}'.", name, "parameter_missing")
        customer = tx.require("customer", params["customer"], "customer")
        schedule = bare_schedule(tx, customer["id"], params)
        start = params.get("start_date", "now")
        schedule["phases"] = read_phases(tx, params["phases"], tx.now if start == "now" else int(start), None)
    tx.insert(schedule)
    tx.emit("subscription_schedule.created", schedule)
    advance(tx, schedule)
    tx.save(schedule)
    _wake(tx, schedule)
    return schedule


def _of_subscription(tx: Transaction, params: Params) -> Obj:
    """A schedule for a subscription that there is: its current period is the first phase."""
    if set(params) & {"customer", "phases", "start_date", "end_behavior", "default_settings", "metadata"}:
        raise invalid(
            "A schedule of a subscription takes everything from it; change it afterwards.", "from_subscription"
        )
    subscription = tx.require("subscription", params["from_subscription"], "from_subscription")
    if subscription["status"] in ("canceled", "incomplete", "incomplete_expired", "paused"):
        raise Refusal(f"A subscription that is {subscription['status']} has no schedule.", param="from_subscription")
    if subscription["schedule"] is not None:
        raise Refusal("This subscription has a schedule already.", param="from_subscription")
    schedule = bare_schedule(tx, subscription["customer"], {})
    schedule.update(phases=[phase_of(subscription)], status="active", subscription=subscription["id"])
    schedule["default_settings"]["collection_method"] = subscription["collection_method"]
    schedule["default_settings"]["invoice_settings"]["days_until_due"] = subscription["days_until_due"]
    schedule["current_phase"] = _span(schedule["phases"][0])
    subscription["schedule"] = schedule["id"]
    tx.save(subscription)
    return schedule


def advance(tx: Transaction, schedule: Obj) -> None:
    """Does what is due by now: begins the subscription, enters the next phase, ends with the last one."""
    if schedule["status"] not in _STATES:
        return
    phases = schedule["phases"]
    current = next((phase for phase in phases if phase["start_date"] <= tx.now < phase["end_date"]), None)
    if current is None:
        if tx.now >= phases[-1]["end_date"]:
            _finish(tx, schedule)
        return
    if schedule["current_phase"] == _span(current):
        return
    if schedule["status"] == "not_started":
        schedule["subscription"] = open_first(tx, schedule, current)[0]["id"]
        schedule["status"] = "active"
    else:
        enter(tx, schedule, current)
    schedule["current_phase"] = _span(current)
    tx.save(schedule)
    tx.emit("subscription_schedule.updated", schedule)


def _span(phase: Obj) -> Obj:
    return {"end_date": phase["end_date"], "start_date": phase["start_date"]}


def _wake(tx: Transaction, schedule: Obj) -> None:
    """Has time look at it at each moment that something begins or ends."""
    moments = {phase[end] for phase in schedule["phases"] for end in ("start_date", "end_date")}
    for at in sorted(at for at in moments if at > tx.now):
        tx.schedule(at, schedule["id"])


def _finish(tx: Transaction, schedule: Obj) -> None:
    """After the last phase the subscription goes on by itself, or ends."""
    if schedule["end_behavior"] == "release" or schedule["subscription"] is None:
        _let_go(tx, schedule)
        return
    schedule.update(status="completed", completed_at=tx.now, current_phase=None)
    tx.save(schedule)
    tx.emit("subscription_schedule.completed", schedule)
    subscription = tx.require("subscription", schedule["subscription"], "subscription")
    if subscription["status"] != "canceled":
        subscription["schedule"] = None
        end_subscription(tx, subscription, canceled_at=tx.now)


def _let_go(tx: Transaction, schedule: Obj) -> None:
    held = schedule["subscription"]
    schedule.update(
        status="released", released_at=tx.now, released_subscription=held, subscription=None, current_phase=None
    )
    tx.save(schedule)
    if held is not None:
        subscription = tx.require("subscription", held, "subscription")
        subscription["schedule"] = None
        tx.save(subscription)
    tx.emit("subscription_schedule.released", schedule)


def _require(tx: Transaction, params: Params) -> Obj:
    """One that is not over."""
    schedule = tx.require("subscription_schedule", params["schedule"], "schedule", status=404)
    if schedule["status"] not in _STATES:
        raise Refusal(f"The schedule is {schedule['status']} and can no longer change.", param="schedule")
    return schedule


def _update(tx: Transaction, params: Params) -> Obj:
    schedule = _require(tx, params)
    before = deepcopy(schedule)
    if "end_behavior" in params:
        schedule["end_behavior"] = params["end_behavior"]
    if "metadata" in params:
        schedule["metadata"] = merge_metadata(schedule["metadata"], params["metadata"])
    if "default_settings" in params:
        asked = dict(params["default_settings"])
        days = asked.pop("invoice_settings", {}).get("days_until_due")
        schedule["default_settings"].update(asked)
        if days is not None:
            schedule["default_settings"]["invoice_settings"]["days_until_due"] = days
    if "phases" in params:
        rewrite(tx, schedule, params)
    tx.save(schedule)
    tx.emit("subscription_schedule.updated", schedule, before=before)
    _wake(tx, schedule)
    return schedule


def rewrite(tx: Transaction, schedule: Obj, params: Params) -> None:
    """Phases that are over stay; the current one and those to come are what is given now."""
    past = [phase for phase in schedule["phases"] if phase["end_date"] <= tx.now]
    now = next((phase for phase in schedule["phases"] if phase["start_date"] <= tx.now < phase["end_date"]), None)
    given = params["phases"]
    start = given[0].get("start_date") if given else None
    if start is None and schedule["status"] == "active":
        raise invalid("The first phase says when it began.", "phases[0][start_date]", "parameter_missing")
    if now is not None and start not in (None, "now", now["start_date"]):
        raise Refusal("The phase that runs keeps its start.", param="phases[0][start_date]")
    began = now["start_date"] if now is not None else schedule["phases"][0]["start_date"]
    code = schedule["phases"][0]["currency"] if schedule["status"] == "active" else None
    phases = read_phases(tx, given, began, code)
    if phases[-1]["end_date"] <= tx.now:
        raise Refusal("The last phase ends in the future.", param="phases")
    schedule["phases"] = [*past, *phases]
    current = next((phase for phase in phases if phase["start_date"] <= tx.now < phase["end_date"]), None)
    if schedule["status"] == "active" and current is not None:
        if now is None or any(current[name] != now[name] for name in ("items", "discounts", "trial_end")):
            enter(tx, schedule, current, params.get("proration_behavior"))
        schedule["current_phase"] = _span(current)


def _cancel(tx: Transaction, params: Params) -> Obj:
    """The subscription ends with it, at once; unless told otherwise with credit for unused time and a last bill."""
    schedule = _require(tx, params)
    if schedule["subscription"] is not None:
        subscription = tx.require("subscription", schedule["subscription"], "subscription")
        running = subscription["status"] in ("active", "past_due")
        cancel(
            tx,
            subscription,
            prorate=params.get("prorate", running),
            invoice_now=params.get("invoice_now", running),
        )
        return tx.require("subscription_schedule", schedule["id"], "schedule")
    schedule.update(status="canceled", canceled_at=tx.now)
    tx.save(schedule)
    tx.emit("subscription_schedule.canceled", schedule)
    return schedule


def _release(tx: Transaction, params: Params) -> Obj:
    schedule = _require(tx, params)
    held = schedule["subscription"]
    _let_go(tx, schedule)
    if held is not None and not params.get("preserve_cancel_date"):
        subscription = tx.require("subscription", held, "subscription")
        if subscription["cancel_at"] is not None:
            subscription.update(cancel_at=None, cancel_at_period_end=False, canceled_at=None)
            tx.save(subscription)
    return schedule


def _wanted(_tx: Transaction, params: Params) -> Iterable[Clause]:
    if "scheduled" in params:
        yield "(json_extract(body, '$.status') = 'not_started') = ?", [params["scheduled"]]


def _on_time(tx: Transaction, schedule: Obj) -> None:
    advance(tx, schedule)


clockwork.on_time("subscription_schedule", _on_time)

_SETTINGS = mapping(
    {
        "billing_cycle_anchor": one_of("automatic", "phase_start"),
        "collection_method": one_of("charge_automatically", "send_invoice"),
        "default_payment_method": word,
        "description": text,
        "invoice_settings": mapping({"days_until_due": positive}),
    }
)
_CHANGES = {
    "default_settings": _SETTINGS,
    "end_behavior": one_of("cancel", "release"),
    "metadata": metadata,
    "phases": array(PHASE, most=10),
}
_PATH = "/v1/subscription_schedules"

ROUTES = (
    list_route(_PATH, "subscription_schedule", {"customer": word}, special={"scheduled": boolean}, clauses=_wanted),
    Route(
        "POST",
        _PATH,
        _create,
        {
            **_CHANGES,
            "phases": array(NEW_PHASE, most=10),
            "customer": word,
            "from_subscription": word,
            "start_date": changes.at_or("now"),
        },
    ),
    retrieve_route(f"{_PATH}/{{schedule}}", "subscription_schedule"),
    Route("POST", f"{_PATH}/{{schedule}}", _update, {**_CHANGES, "proration_behavior": changes.PRORATION_BEHAVIOR}),
    Route("POST", f"{_PATH}/{{schedule}}/cancel", _cancel, {"invoice_now": boolean, "prorate": boolean}),
    Route("POST", f"{_PATH}/{{schedule}}/release", _release, {"preserve_cancel_date": boolean}),
)
