"""`runplane mcp` as clients start it: a real process, real pipes, another folder and a bare environment."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp_types import TextContent

from runplane_mcp.app import default_policy_text, open_gate
from runplane_mcp.core.request import FINAL
from runplane_mcp.interfaces.mcp.stdio import LONGEST_FRAME, Sink, Source
from runplane_mcp.simulator import SEED, Fault, FaultKind

from .conftest import ERAS, Company

ROOT = Path(__file__).parents[2]
ARGUMENTS = ["-m", "runplane_mcp", "mcp", "--simulator", "--agent", "support-bot"]
SMALL = {"payment_intent": SEED.payment_intent_40}
LARGE = {"payment_intent": SEED.payment_intent_900}
#: Every wait is bounded; this is the bound, not an expectation.
PATIENCE = 30


def environment(home: Path) -> dict[str, str]:
    return {
        "PATH": os.defpath,
        "PYTHONPATH": str(ROOT),
        "RUNPLANE_HOME": str(home),
        "RUNPLANE_SIMULATOR_NOW": "2026-03-03T14:00",
    }


@dataclass
class Wire:
    """A server process with its pipes, and requests by number."""

    process: Process
    lines: BufferedByteReceiveStream

    async def send(self, frame: bytes) -> None:
        assert self.process.stdin is not None
        await self.process.stdin.send(frame + b"\n")

    async def ask(self, id: int, method: str, params: dict[str, Any]) -> None:
        await self.send(json.dumps({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).encode())

    async def call(self, id: int, tool: str, arguments: dict[str, Any]) -> None:
        await self.ask(id, "tools/call", {"name": tool, "arguments": arguments})

    async def answer(self, id: int) -> dict[str, Any]:
        """The answer with this number; every line on the way must be protocol."""
        with anyio.fail_after(PATIENCE):
            while True:
                found = protocol(await self.lines.receive_until(b"\n", LONGEST_FRAME))
                if found.get("id") == id:
                    return found

    async def greet(self) -> dict[str, Any]:
        """Shakes hands; returns what the server says it can."""
        client = {"name": "raw", "version": "1"}
        await self.ask(0, "initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client})
        answer = await self.answer(0)
        await self.send(b'{"jsonrpc":"2.0","method":"notifications/initialized"}')
        capabilities: dict[str, Any] = answer["result"]["capabilities"]
        return capabilities

    async def end(self) -> tuple[int, bytes]:
        """Exit status and what was still written to stdout."""
        rest = b""
        with anyio.fail_after(PATIENCE):
            try:
                while True:
                    rest += await self.lines.receive()
            except anyio.EndOfStream:
                return await self.process.wait(), rest


def protocol(line: bytes) -> dict[str, Any]:
    message = json.loads(line)
    assert message["jsonrpc"] == "2.0"
    assert isinstance(message, dict)
    return message


@asynccontextmanager
async def started(home: Path, log: Path) -> AsyncIterator[Wire]:
    with log.open("wb") as errors:
        process = await anyio.open_process(
            [sys.executable, *ARGUMENTS], env=environment(home), cwd=log.parent, stderr=errors
        )
        try:
            assert process.stdout is not None
            yield Wire(process, BufferedByteReceiveStream(process.stdout))
        finally:
            if process.returncode is None:
                process.kill()
            with anyio.CancelScope(shield=True):
                await process.aclose()


async def eventually(holds: Callable[[], bool]) -> None:
    with anyio.fail_after(PATIENCE):
        while not holds():
            await anyio.sleep(0.01)


@pytest.mark.parametrize("mode", ERAS)
async def test_the_sdk_s_client_lists_and_calls_over_a_real_pipe(company: Company, tmp_path: Path, mode: str) -> None:
    server = StdioServerParameters(
        command=sys.executable, args=ARGUMENTS, env=environment(company.settings.home), cwd=tmp_path
    )
    with (tmp_path / "log").open("w+") as log:
        async with Client(stdio_client(server, errlog=log), mode=mode, read_timeout_seconds=PATIENCE) as client:
            era = client.protocol_version
            tools = [tool.name for tool in (await client.list_tools()).tools]
            done = await client.call_tool("create_refund", SMALL)
            held = await client.call_tool("create_refund", LARGE)
            wrong = await client.call_tool("create_refund", {**SMALL, "amount": "4000"})
        log.seek(0)
        logged = log.read()

    assert era == ERAS[mode]
    assert tools[0] == "create_refund"
    assert isinstance(done.structured_content, dict)
    assert done.structured_content["status"] == "succeeded"
    assert isinstance(done.content[0], TextContent)
    assert done.content[0].text == done.structured_content["message"]
    assert isinstance(held.structured_content, dict)
    assert held.structured_content["status"] == "waiting"
    assert wrong.is_error
    assert company.refunds() == {"count": 1, "total": {"usd": 4000}}
    assert "Traceback" not in logged


@pytest.mark.parametrize("mode", ERAS)
async def test_the_sdk_s_client_finds_an_operation_and_calls_it_over_a_real_pipe(
    company: Company, tmp_path: Path, mode: str
) -> None:
    server = StdioServerParameters(
        command=sys.executable, args=ARGUMENTS, env=environment(company.settings.home), cwd=tmp_path
    )
    with (tmp_path / "log").open("w") as log:
        async with Client(stdio_client(server, errlog=log), mode=mode, read_timeout_seconds=PATIENCE) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            found = await client.call_tool("stripe_api_search", {"query": "give money back to a customer"})
            details = await client.call_tool("stripe_api_details", {"stripe_api_operation_id": "PostRefunds"})
            refund = {"stripe_api_operation_id": "PostRefunds", "parameters": {**SMALL, "amount": 500}}
            done = await client.call_tool("stripe_api_write", {**refund, "justification": "broken"})
            wrong = await client.call_tool("stripe_api_read", refund)
            unknown = await client.call_tool("stripe_api_read", {"stripe_api_operation_id": "GetRefundz"})
            read = await client.call_tool("stripe_api_read", {"stripe_api_operation_id": "GetRefunds"})
            instructions = client.instructions or ""

    answers = [each.structured_content for each in (found, details, done, wrong, unknown, read)]
    assert all(isinstance(each, dict) for each in answers)
    codes = [(each or {}).get("error", {}).get("code") for each in answers]
    assert codes == [None, None, None, "parameter.kind", "operation.unknown", None]
    assert [(each or {}).get("status") for each in answers[2:]] == ["succeeded", "failed", "blocked", "succeeded"]
    assert tools["stripe_api_write"].annotations is not None
    assert tools["stripe_api_write"].annotations.destructive_hint
    assert "stripe_api_search" in instructions
    assert company.refunds() == {"count": 1, "total": {"usd": 500}}


async def test_stdout_carries_protocol_only_and_a_broken_frame_costs_only_itself(
    company: Company, tmp_path: Path
) -> None:
    call = '{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"create_refund","arguments":%s}}'
    deep = "[" * 300 + "]" * 300
    async with started(company.settings.home, tmp_path / "log") as wire:
        await wire.greet()
        await wire.send(b"this is no JSON \xff\xfe")
        await wire.send((call % (1, '{"amount":' + "9" * 5000 + "}")).encode())
        await wire.send((call % (2, '{"amount":' + deep + "}")).encode())
        await wire.send((call % (3, '{"ticket":"\\ud800"}')).encode())
        await wire.send(b'{"jsonrpc":"2.0","id":4,"method":"tools/call","params":' + b"x" * LONGEST_FRAME + b"}")
        await wire.send((call % (5, '{"payment_intent":"pi_ben_40","amount":NaN}')).encode())
        not_a_number = await wire.answer(5)
        await wire.call(6, "create_refund", SMALL)
        done = await wire.answer(6)
        os.kill(wire.process.pid, signal.SIGTERM)
        status, rest = await wire.end()

    assert not_a_number["result"]["structuredContent"]["error"]["code"] == "parameter.type"
    assert done["result"]["structuredContent"]["status"] == "succeeded"
    assert status == 0
    assert all(protocol(line) for line in rest.splitlines())
    assert company.refunds()["count"] == 1


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
async def test_a_signal_ends_it_also_while_somebody_waits(
    company: Company, tmp_path: Path, number: signal.Signals
) -> None:
    async with started(company.settings.home, tmp_path / "log") as wire:
        await wire.greet()
        await wire.call(1, "create_refund", LARGE)
        held = await wire.answer(1)
        which = held["result"]["structuredContent"]["request_id"]
        await wire.ask(
            2,
            "tools/call",
            {
                "name": "wait_for_request",
                "arguments": {"request_id": which},
                "_meta": {"progressToken": "t"},
            },
        )
        with anyio.fail_after(PATIENCE):
            progress = protocol(await wire.lines.receive_until(b"\n", LONGEST_FRAME))
        os.kill(wire.process.pid, number)
        status, rest = await wire.end()

    assert progress["method"] == "notifications/progress"
    assert status == 0
    assert all(protocol(line) for line in rest.splitlines())
    assert "Traceback" not in (tmp_path / "log").read_text()


async def test_a_client_that_vanishes_in_mid_call_changes_no_outcome(company: Company, tmp_path: Path) -> None:
    company.world.add_fault(Fault(FaultKind.DELAY, method="POST", path_prefix="/v1/refunds", seconds=0.5))
    async with started(company.settings.home, tmp_path / "log") as wire:
        await wire.greet()
        await wire.call(1, "create_refund", SMALL)
        await eventually(lambda: company.writes() == 1)
        assert wire.process.stdin is not None
        assert wire.process.stdout is not None
        await wire.process.stdin.aclose()
        await wire.process.stdout.aclose()
        with anyio.fail_after(PATIENCE):
            status = await wire.process.wait()

    assert status == 0
    assert await how_it_ended(company) == ["succeeded"]
    assert company.refunds() == {"count": 1, "total": {"usd": 4000}}


@pytest.mark.parametrize(
    "numbers",
    [
        (signal.SIGTERM,),
        pytest.param((signal.SIGKILL,), marks=pytest.mark.slow),
        pytest.param((signal.SIGTERM, signal.SIGTERM, signal.SIGINT), marks=pytest.mark.slow),
        pytest.param((signal.SIGSTOP, signal.SIGTERM, signal.SIGCONT), marks=pytest.mark.slow),
    ],
    ids=lambda each: "-".join(number.name for number in each),
)
async def test_what_a_signal_ends_in_mid_call_is_finished_by_the_next_gate_without_a_second_refund(
    company: Company, tmp_path: Path, numbers: tuple[signal.Signals, ...]
) -> None:
    company.world.add_fault(Fault(FaultKind.DELAY, method="POST", path_prefix="/v1/refunds", seconds=25.0))
    async with started(company.settings.home, tmp_path / "log") as wire:
        await wire.greet()
        await wire.call(1, "create_refund", SMALL)
        await eventually(lambda: company.writes() == 1)
        for number in numbers:
            os.kill(wire.process.pid, number)
        status, _ = await wire.end()

    assert status == (0 if signal.SIGTERM in numbers else -signal.SIGKILL)
    assert await how_it_ended(company) == ["succeeded"]
    assert company.refunds() == {"count": 1, "total": {"usd": 4000}}


@pytest.mark.slow
async def test_a_client_that_cancels_in_mid_call_cancels_nothing_at_stripe(company: Company, tmp_path: Path) -> None:
    company.world.add_fault(Fault(FaultKind.DELAY, method="POST", path_prefix="/v1/refunds", seconds=2.0))
    async with started(company.settings.home, tmp_path / "log") as wire:
        await wire.greet()
        await wire.call(1, "create_refund", SMALL)
        await eventually(lambda: company.writes() == 1)
        canceled = {"requestId": 1, "reason": "the user pressed escape"}
        await wire.send(
            json.dumps({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": canceled}).encode()
        )
        await wire.call(2, "list_requests", {})
        [listed] = (await wire.answer(2))["result"]["structuredContent"]["result"]["requests"]
        await wire.call(3, "wait_for_request", {"request_id": listed["request_id"]})
        waited = (await wire.answer(3))["result"]["structuredContent"]["status"]
        os.kill(wire.process.pid, signal.SIGTERM)
        status, _ = await wire.end()

    assert (listed["status"], waited, status) == ("executing", "succeeded", 0)
    assert company.refunds() == {"count": 1, "total": {"usd": 4000}}


HANGING = """
import sys, time
from contextlib import asynccontextmanager
import anyio
from runplane_mcp.interfaces.mcp.stdio import serve_stdio

@asynccontextmanager
async def opening():
    print("hangs", file=sys.stderr, flush=True)
    time.sleep(3600)
    yield

anyio.run(lambda: serve_stdio(opening(), agent="bot"))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
async def test_a_signal_ends_it_also_while_its_loop_hangs(tmp_path: Path, number: signal.Signals) -> None:
    log = tmp_path / "log"
    with log.open("wb") as errors:
        process = await anyio.open_process(
            [sys.executable, "-c", HANGING], env=environment(tmp_path), cwd=tmp_path, stderr=errors
        )
    try:
        await eventually(lambda: "hangs" in log.read_text())
        os.kill(process.pid, number)
        with anyio.fail_after(PATIENCE):
            status = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
        with anyio.CancelScope(shield=True):
            await process.aclose()

    assert status == 0


async def test_a_client_hears_that_its_list_has_changed_when_the_policy_file_has(
    company: Company, tmp_path: Path
) -> None:
    blocking = "\nrules:\n  - {id: no-payouts, when: {action: payouts}, then: block}\n"
    text = default_policy_text()
    async with started(company.settings.home, tmp_path / "log") as wire:
        capabilities = await wire.greet()
        await wire.ask(1, "tools/list", {})
        before = await wire.answer(1)
        company.settings.policy_file.write_text(text[: text.index("\ntests:")].replace("\nrules:\n", blocking, 1))
        with anyio.fail_after(PATIENCE):
            news = protocol(await wire.lines.receive_until(b"\n", LONGEST_FRAME))
        await wire.ask(2, "tools/list", {})
        after = await wire.answer(2)
        os.kill(wire.process.pid, signal.SIGTERM)
        status, _ = await wire.end()

    assert capabilities["tools"]["listChanged"] is True
    assert news["method"] == "notifications/tools/list_changed"
    assert "create_payout" in {tool["name"] for tool in before["result"]["tools"]}
    assert "create_payout" not in {tool["name"] for tool in after["result"]["tools"]}
    assert status == 0


async def test_a_home_that_cannot_be_used_is_said_on_stderr_without_a_traceback(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("not a folder")
    async with started(in_the_way / "home", tmp_path / "log") as wire:
        status, out = await wire.end()
    said = (tmp_path / "log").read_text()

    assert status not in {0, None}
    assert out == b""
    assert "settings.home" in said
    assert "Traceback" not in said


async def how_it_ended(company: Company) -> list[str]:
    """The statuses of all writes, once the next gate has finished what the last one left."""
    async with open_gate(company.settings, simulator=True, clock=company.clock()) as gate:
        views = await gate.recent("stdio")
        for view in views:
            if view.status not in FINAL:
                await gate.wait("stdio", view.request_id, PATIENCE)
        return [view.status.value for view in await gate.recent("stdio")]


async def test_lines_come_whole_and_what_is_too_long_is_dropped() -> None:
    reading, writing = os.pipe()
    source = Source(reading)
    read: list[str] = []

    async def collect() -> None:
        async for line in source:
            read.append(line)

    def write() -> None:
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(b"one\ntw")
            pipe.flush()
            pipe.write(b"o\n\xff\n" + b"x" * (LONGEST_FRAME + 100_000) + b"\nfour\nlast without its end")

    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(collect)
            tasks.start_soon(anyio.to_thread.run_sync, write)
    os.close(reading)

    assert read == ["one\n", "two\n", "\ufffd\n", "four\n", "last without its end"]


async def test_a_reader_that_has_gone_costs_nothing_but_its_answers() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    sink = Sink(writing)

    with anyio.fail_after(PATIENCE):
        await sink.write("nobody hears this\n")
        await sink.write("nor this\n")
    os.close(writing)


async def test_a_socket_whose_host_has_died_is_at_its_end() -> None:
    """Node gives its children sockets: one that is closed with something unread in it resets its other end."""
    ours, theirs = socket.socketpair()
    sink, source = Sink(ours.fileno()), Source(ours.fileno())
    with ours:
        theirs.sendall(b"one\n")
        with anyio.fail_after(PATIENCE):
            await sink.write("nobody reads this\n")
            theirs.close()
            read = [line async for line in source]
            await sink.write("nor this\n")

    assert read == ["one\n"]


async def test_a_reader_that_does_not_read_can_be_given_up_on() -> None:
    reading, writing = os.pipe()
    sink = Sink(writing)

    with anyio.move_on_after(0.2) as gave_up:
        await sink.write("x" * 1_000_000)
    os.close(reading)
    os.close(writing)

    assert gave_up.cancelled_caught


async def test_files_and_the_null_device_serve_as_stdin_and_stdout(tmp_path: Path) -> None:
    path = tmp_path / "frames"
    path.write_bytes(b"one\ntwo\n")
    source_fd, sink_fd = os.open(path, os.O_RDONLY), os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT)
    null = os.open(os.devnull, os.O_RDONLY)

    read = [line async for line in Source(source_fd)]
    nothing = [line async for line in Source(null)]
    await Sink(sink_fd).write("€" * 3000)
    for fd in (source_fd, sink_fd, null):
        os.close(fd)

    assert (read, nothing) == (["one\n", "two\n"], [])
    assert (tmp_path / "out").read_text() == "€" * 3000
