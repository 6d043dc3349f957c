"""Event destinations: where events are sent. The signing secret is told once, to who makes one and asks for it."""

from __future__ import annotations

import secrets

from runplane_mcp.simulator.objects import API_VERSION, Obj, Params, new_id
from runplane_mcp.simulator.routes import Route
from runplane_mcp.simulator.transaction import Transaction
from runplane_mcp.simulator.v2 import fields
from runplane_mcp.simulator.v2.core_events import emit
from runplane_mcp.simulator.v2.lists import PAGING, moment, page

KIND = "v2.core.event_destination"
_PATH = "/v2/core/event_destinations"
_SECRET, _URL = "webhook_endpoint.signing_secret", "webhook_endpoint.url"
_TYPES = ("amazon_eventbridge", "azure_event_grid", "webhook_endpoint")


def _url(value: object, name: str) -> str:
    given = fields.word(value, name)
    if not given.startswith(("https://", "http://")):
        raise fields.wrong(f"'{name}' is not a web address.")
    return given


def _shown(destination: Obj, include: list[str], secret: str | None = None) -> Obj:
    """The destination, with its address and secret only where they were asked for."""
    endpoint = destination["webhook_endpoint"]
    if endpoint is None:
        return destination
    seen = {
        "signing_secret": secret if _SECRET in include else None,
        "url": endpoint["url"] if _URL in include else None,
    }
    return {**destination, "webhook_endpoint": seen}


def _create(tx: Transaction, params: Params) -> Obj:
    kind = params["type"]
    if kind not in params:
        raise fields.wrong(f"'{kind}' is needed.", "missing_field")
    where: Obj = dict.fromkeys(_TYPES)
    if kind == "amazon_eventbridge":
        given = params[kind]
        source = f"arn:aws:events:{given['aws_region']}::event-source/aws.partner/stripe.com/{new_id('ed')}"
        where[kind] = {
            "aws_account_id": given["aws_account_id"],
            "aws_event_source_arn": source,
            "aws_event_source_status": "pending",
        }
    elif kind == "azure_event_grid":
        where[kind] = {
            **params[kind],
            "azure_partner_topic_name": new_id("topic"),
            "azure_partner_topic_status": "never_activated",
        }
    else:
        where[kind] = params[kind]
    destination: Obj = {
        "id": new_id("ed_test"),
        "object": KIND,
        **where,
        "created": moment(tx.now),
        "description": params.get("description", ""),
        "enabled_events": params["enabled_events"],
        "event_payload": params["event_payload"],
        "events_from": params.get("events_from", ["self"]),
        "livemode": False,
        "metadata": fields.merged({}, params.get("metadata", {})),
        "name": params["name"],
        "snapshot_api_version": params.get("snapshot_api_version", API_VERSION)
        if params["event_payload"] == "snapshot"
        else None,
        "status": "enabled",
        "status_details": None,
        "type": kind,
        "updated": moment(tx.now),
    }
    tx.insert(destination)
    emit(tx, f"{KIND}.created", destination, f"{_PATH}/{destination['id']}")
    return _shown(destination, params.get("include", []), f"whsec_{secrets.token_urlsafe(24)}")


def _found(tx: Transaction, params: Params) -> Obj:
    return tx.require(KIND, params["id"], "id", status=404)


def _changed(tx: Transaction, destination: Obj) -> Obj:
    destination["updated"] = moment(tx.now)
    tx.save(destination)
    emit(tx, f"{KIND}.updated", destination, f"{_PATH}/{destination['id']}")
    return destination


def _update(tx: Transaction, params: Params) -> Obj:
    destination = _found(tx, params)
    for name in ("description", "enabled_events", "name"):
        if name in params:
            destination[name] = params[name]
    if "webhook_endpoint" in params:
        if destination["webhook_endpoint"] is None:
            raise fields.wrong("This destination is no web address.")
        destination["webhook_endpoint"] = params["webhook_endpoint"]
    destination["metadata"] = fields.merged(destination["metadata"], params.get("metadata", {}))
    return _shown(_changed(tx, destination), params.get("include", []))


def _disable(tx: Transaction, params: Params) -> Obj:
    destination = _found(tx, params)
    destination.update(status="disabled", status_details={"disabled": {"reason": "user"}})
    return _shown(_changed(tx, destination), [])


def _enable(tx: Transaction, params: Params) -> Obj:
    destination = _found(tx, params)
    destination.update(status="enabled", status_details=None)
    return _shown(_changed(tx, destination), [])


def _delete(tx: Transaction, params: Params) -> Obj:
    destination = _found(tx, params)
    tx.delete(destination)
    emit(tx, f"{KIND}.deleted", destination, f"{_PATH}/{destination['id']}")
    return {"id": destination["id"], "object": KIND}


def _retrieve(tx: Transaction, params: Params) -> Obj:
    return _shown(_found(tx, params), params.get("include", []))


def _list(tx: Transaction, params: Params) -> Obj:
    include = params.get("include", [])
    carried = {f"include[{number}]": each for number, each in enumerate(include)}
    found = page(tx, _PATH, KIND, params, carried)
    found["data"] = [_shown(destination, include) for destination in found["data"]]
    return found


_EVENTS = fields.array(fields.word, least=1)
_INCLUDE = {"include": fields.array(fields.one_of(_URL))}
_ENDPOINT = fields.record({"url": _url}, ("url",))
ROUTES = (
    Route("GET", _PATH, _list, {**PAGING, **_INCLUDE}),
    Route(
        "POST",
        _PATH,
        _create,
        {
            "amazon_eventbridge": fields.record(
                {"aws_account_id": fields.word, "aws_region": fields.word}, ("aws_account_id", "aws_region")
            ),
            "azure_event_grid": fields.record(
                dict.fromkeys(("azure_region", "azure_resource_group_name", "azure_subscription_id"), fields.word),
                ("azure_region", "azure_resource_group_name", "azure_subscription_id"),
            ),
            "description": fields.string,
            "enabled_events": _EVENTS,
            "event_payload": fields.one_of("snapshot", "thin"),
            "events_from": fields.array(fields.one_of("other_accounts", "self")),
            "include": fields.array(fields.one_of(_SECRET, _URL)),
            "metadata": fields.metadata,
            "name": fields.word,
            "snapshot_api_version": fields.word,
            "type": fields.one_of(*_TYPES),
            "webhook_endpoint": _ENDPOINT,
        },
        required=("enabled_events", "event_payload", "name", "type"),
    ),
    Route("GET", f"{_PATH}/{{id}}", _retrieve, _INCLUDE),
    Route(
        "POST",
        f"{_PATH}/{{id}}",
        _update,
        {
            **_INCLUDE,
            "description": fields.string,
            "enabled_events": _EVENTS,
            "metadata": fields.metadata,
            "name": fields.word,
            "webhook_endpoint": _ENDPOINT,
        },
    ),
    Route("POST", f"{_PATH}/{{id}}/disable", _disable),
    Route("POST", f"{_PATH}/{{id}}/enable", _enable),
    Route("DELETE", f"{_PATH}/{{id}}", _delete),
)
