"""The routes below `/_simulator/` that are not Stripe's: faults, a summary, automatic payouts, what others do past every
gate, a new world. They take the same key."""

from __future__ import annotations

import json
from typing import Any

from runplane_mcp.errors import ParameterError
from runplane_mcp.simulator.exchange import Answer, Asked, may_use, turn_away
from runplane_mcp.simulator.faults import Fault, fault_from_json
from runplane_mcp.simulator.planting import bypass_from_json
from runplane_mcp.simulator.world import Simulator

PREFIX = "/_simulator/"


def control(simulator: Simulator, asked: Asked) -> Answer:
    """`GET summary`, `GET POST DELETE faults`, `POST payouts`, `POST bypasses`, `POST reset`. JSON in and out."""
    if not may_use(asked.headers):
        return turn_away(asked)
    match asked.method, asked.path.removeprefix(PREFIX):
        case "GET", "summary":
            return _json(200, simulator.summary())
        case "GET", "faults":
            return _json(200, _faults(simulator))
        case "POST", "faults":
            try:
                simulator.add_fault(fault_from_json(json.loads(asked.body)))
            except (ValueError, ParameterError) as error:
                return _unusable(error, "parameter.fault")
            return _json(200, _faults(simulator))
        case "DELETE", "faults":
            simulator.clear_faults()
            return _json(200, _faults(simulator))
        case "POST", "payouts":
            return _json(200, {"payouts": simulator.pay_out()})
        case "POST", "bypasses":
            try:
                return _json(200, {"planted": simulator.plant(bypass_from_json(json.loads(asked.body)))})
            except (ValueError, ParameterError) as error:
                return _unusable(error, "parameter.bypass")
        case "POST", "reset":
            return _json(200, {"world_id": simulator.reset()})
        case _:
            return _json(404, {"error": {"code": "simulator.unknown", "message": "There is no such control."}})


def _unusable(error: ValueError | ParameterError, code: str) -> Answer:
    if isinstance(error, ParameterError):
        return _json(400, {"error": {"code": error.code, "message": error.message}})
    return _json(400, {"error": {"code": code, "message": "The body is not JSON."}})


def _faults(simulator: Simulator) -> dict[str, Any]:
    return {"faults": [_shown(fault, left) for fault, left in simulator.pending_faults()]}


def _shown(fault: Fault, left: int) -> dict[str, Any]:
    match = {"method": fault.method, "path_prefix": fault.path_prefix}
    return {"kind": fault.kind.value, "match": match, "times_left": left}


def _json(status: int, body: dict[str, Any]) -> Answer:
    return Answer(status, json.dumps(body).encode(), {"Content-Type": "application/json"})
