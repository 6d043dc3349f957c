"""A simulated Stripe over HTTP, and a server that only writes down what it is sent."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from runplane_mcp.simulator import SIMULATOR_KEY, Simulator, SimulatorServer
from runplane_mcp.stripe_api.client import StripeConnection

OK = b'{"id": "re_1", "object": "refund"}'


@dataclass
class Recorder:
    """A loopback server that keeps each request's bytes and answers all of them the same way, but for those whose address
    begins with one of `bodies`."""

    status: str = "200 OK"
    body: bytes = OK
    headers: str = ""
    bodies: dict[str, bytes] = field(default_factory=dict)
    requests: list[bytes] = field(default_factory=list)
    base_url: str = ""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        self.requests.append(head + await reader.readexactly(int(lengths[0]) if lengths else 0))
        address = head.split(b" ", 2)[1].decode("ascii")
        body = next((body for start, body in self.bodies.items() if address.startswith(start)), self.body)
        answered = f"Content-Length: {len(body)}\r\nConnection: close\r\n{self.headers}"
        writer.write(f"HTTP/1.1 {self.status}\r\n{answered}\r\n".encode() + body)
        writer.close()
        await writer.wait_closed()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            yield

    def sent(self, number: int = -1) -> tuple[str, dict[str, str], bytes]:
        """Request line, headers by lower-case name, and body of one request."""
        head, _, body = self.requests[number].partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.split(": ", 1) for line in lines)
        return first, {name.lower(): value for name, value in pairs}, body


@asynccontextmanager
async def never_answering(*said: bytes, every: float = 60.0) -> AsyncIterator[str]:
    """The address of a server that says these things, one after another, repeats the last, and never ends."""
    stop = asyncio.Event()
    serving: set[asyncio.Task[None]] = set()

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        for part in itertools.chain(said, itertools.repeat(said[-1] if said else b"")):
            writer.write(part)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), every)
            if stop.is_set() or writer.is_closing():
                break
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        stop.set()
        await asyncio.gather(*serving)


@pytest.fixture
async def recorder() -> AsyncIterator[Recorder]:
    server = Recorder()
    async with server.listening():
        yield server


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Simulator]:
    simulator = Simulator(tmp_path / "world.sqlite3")
    yield simulator
    simulator.close()


@pytest.fixture
def server(world: Simulator) -> Iterator[SimulatorServer]:
    with SimulatorServer(world) as listening:
        yield listening


@pytest.fixture
async def connection(server: SimulatorServer) -> AsyncIterator[StripeConnection]:
    target = f"simulator:{server.world_id}"
    async with StripeConnection(SIMULATOR_KEY, base=server.base_url, target=target, timeout=10) as ready:
        yield ready
