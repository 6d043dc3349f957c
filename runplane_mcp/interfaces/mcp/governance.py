"""Governance: the one SDK extension that stands in front of every `tools/call`.

It sees raw arguments and never passes a call on: an operation tool goes to the gate, a control tool to its own handler,
and whatever is not in the table, registered with the server or not, is blocked and recorded. So a tool that somebody adds
without a thought for governance is governed all the same.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import anyio
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.extension import Extension
from mcp_types import CallToolRequestParams

from runplane_mcp.core.canonical import Json
from runplane_mcp.core.request import OwnArguments
from runplane_mcp.core.wire import Parameters
from runplane_mcp.errors import InternalError, OperationError, ParameterError, RequestError, RunplaneError
from runplane_mcp.gate.pipeline import Gate
from runplane_mcp.gate.view import RequestView, Submission
from runplane_mcp.interfaces.mcp.arguments import check_size, nearest, shown
from runplane_mcp.interfaces.mcp.caller import Caller, Report
from runplane_mcp.interfaces.mcp.control import HANDLERS
from runplane_mcp.interfaces.mcp.envelope import Answer, about_request, about_trouble
from runplane_mcp.interfaces.mcp.generic import check_generic, meant_by
from runplane_mcp.interfaces.mcp.row import ToolRow
from runplane_mcp.interfaces.mcp.tools import BY_NAME
from runplane_mcp.interfaces.mcp.toolset import Toolset

log = logging.getLogger(__name__)

#: Everything on a home's stdio is one principal: `--agent` is a label and proves nothing.
STDIO = "stdio"


@dataclass
class _Call:
    """One `tools/call`. `submitted` once the gate was asked to run something: from then on nobody here can say that
    nothing happened, unless the gate does."""

    name: str
    arguments: Mapping[str, object]
    client: str | None
    report: Report
    submitted: bool = False

    @property
    def row(self) -> ToolRow | None:
        return BY_NAME.get(self.name)

    @property
    def known_name(self) -> str:
        """The tool's name for the log. What is none may be anything that an agent wrote."""
        return self.name if self.row is not None else "an unknown tool"


class Governance(Extension):
    """Hands every call of one connection to the gate. `agent` is a label, `principal` who is accountable, `toolset` what
    the client is shown."""

    identifier = "io.runplane/governance"

    def __init__(self, gate: Gate, *, agent: str, principal: str = STDIO, toolset: Toolset = Toolset.DEFAULT) -> None:
        self._gate = gate
        self._agent = agent
        self._principal = principal
        self._caller = Caller(principal, agent, toolset)
        self._stopping = False
        self._active = 0
        self._quiet = anyio.Event()

    async def intercept_tool_call(
        self, params: CallToolRequestParams, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        del call_next  # never used: what it would run is not governed
        call = _Call(params.name, params.arguments or {}, _client_of(ctx), ctx.session.report_progress)
        trouble: RunplaneError
        try:
            return (await self._answer(call)).as_result()
        except (OperationError, ParameterError, RequestError) as error:
            trouble = error
        except RunplaneError as error:
            log.error("%s: %s", call.known_name, error)
            trouble = error
        except Exception:
            # The outermost handler: on some wires the text of an exception would go to the client.
            log.exception("%s ended in an unexpected way", call.known_name)
            trouble = InternalError("internal.error", "Runplane could not complete this call.")
        control = call.row is not None and call.row.operation is None
        may_have_run = call.submitted and _writes(call.row) and not trouble.nothing_ran
        return about_trouble(
            trouble, tool=shown(call.name), operation=not control, may_have_run=may_have_run
        ).as_result()

    def stop(self) -> None:
        """Takes no more calls; what runs may end."""
        self._stopping = True

    async def quiet(self) -> None:
        """Returns when no operation of this connection is running any more. Waits of control tools do not count."""
        while self._active:
            self._quiet = anyio.Event()
            await self._quiet.wait()

    async def _answer(self, call: _Call) -> Answer:
        if self._stopping:
            raise RequestError("request.closing", "Runplane is stopping and takes no more requests.")
        row = call.row
        if row is not None and row.operation is None:
            return await HANDLERS[row.name](self._gate, self._caller, row.shape.read(call.arguments), call.report)
        with self._counted():
            view = await self._governed(row, call)
        return about_request(view, now=self._gate.clock.wall(), tool=shown(call.name))

    async def _governed(self, row: ToolRow | None, call: _Call) -> RequestView:
        if row is None:
            # Whether the server has a tool of this name makes no difference: what is not in the table never runs.
            attempt = self._submission(call, f"tool:{shown(call.name)}")
            return await self._gate.refuse(attempt, _no_such_tool(call.name), blocked=True)
        try:
            operation_id, parameters, own = row.split(row.shape.read(call.arguments))
            await check_generic(self._gate.catalog, row, operation_id, parameters)
        except OperationError as error:
            # Nobody can judge what there is not.
            attempt = self._submission(call, meant_by(self._gate.catalog, row, call.arguments))
            return await self._gate.refuse(attempt, error, blocked=True)
        except ParameterError as error:
            attempt = self._submission(call, meant_by(self._gate.catalog, row, call.arguments))
            return await self._gate.refuse(attempt, error)
        attempt = self._submission(call, operation_id, parameters, own)
        call.submitted = True
        return await self._gate.submit(attempt)

    def _submission(
        self, call: _Call, operation_id: str, parameters: Parameters | None = None, own: OwnArguments | None = None
    ) -> Submission:
        return Submission(
            principal=self._principal,
            agent=self._agent,
            via="mcp",
            operation_id=operation_id,
            parameters=parameters or {},
            own=own or OwnArguments(),
            client=call.client,
            asked=_asked(call.arguments),
        )

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._active += 1
        try:
            yield
        finally:
            self._active -= 1
            if not self._active:
                self._quiet.set()


def _writes(row: ToolRow | None) -> bool:
    return row is not None and not row.annotations.read_only_hint


def _no_such_tool(name: str) -> OperationError:
    near = nearest(name, list(BY_NAME))
    offer = f" The nearest is {near}." if near else ""
    return OperationError("operation.unknown", f"Runplane has no tool {shown(name)}.{offer}")


def _client_of(ctx: ServerRequestContext[Any, Any]) -> str | None:
    client = ctx.session.client_params
    return shown(client.client_info.name, 100) if client is not None else None


def _asked(arguments: Mapping[str, object]) -> Json:
    """The raw arguments for the record, without what would flood it."""
    try:
        check_size(arguments)
    except ParameterError as error:
        return {"left out": error.code}
    return _recordable(arguments)


def _recordable(value: object) -> Json:
    """Raw arguments in a form that can be written down and hashed: half surrogate pairs as their numbers, numbers with a
    point and numbers beyond what readers keep exactly as text. Secrets among the values are taken out by the gate."""
    if isinstance(value, Mapping):
        return {shown(str(name)): _recordable(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_recordable(item) for item in value]
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, int) and abs(value) < 2**53:
        return value
    return None if value is None else str(value)
