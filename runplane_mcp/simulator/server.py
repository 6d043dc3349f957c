"""The simulator over HTTP/1.1 on loopback, in threads of the calling process.

The standard library's server is used because faults cut connections, which needs the socket itself, and because it
starts at once: a process that opens its own listener on the shared world adds no waiting.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import struct
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from socketserver import BaseServer, TCPServer
from types import TracebackType
from typing import Any, Self

from runplane_mcp.errors import SettingsError
from runplane_mcp.simulator.control import PREFIX, control
from runplane_mcp.simulator.exchange import Answer, Asked, Ending
from runplane_mcp.simulator.world import Simulator

LARGEST_BODY = 1 << 20
_NO_LINGER = struct.pack("ii", 1, 0)


class SimulatorServer:
    """Serves `simulator` on 127.0.0.1. `port` 0 takes a free one. SettingsError `settings.port` where it is taken.

    The simulator stays open after `stop`; whoever opened it closes it.
    """

    def __init__(self, simulator: Simulator, port: int = 0) -> None:
        self._simulator = simulator
        self._port = port
        self._listener: _Listener | None = None

    @property
    def base_url(self) -> str:
        """Where it listens, without a slash at the end. Only after `start`."""
        if self._listener is None:
            raise RuntimeError("the simulator's server is not started")
        return f"http://127.0.0.1:{self._listener.server_address[1]}"

    @property
    def world_id(self) -> str:
        return self._simulator.world_id

    def start(self) -> None:
        """Listens when it returns."""
        try:
            self._listener = _Listener(self._simulator, self._port)
        except OSError as error:
            raise SettingsError(
                "settings.port",
                f"The simulator cannot listen on port {self._port}: {error}.",
                next_step="Choose another port, or 0 for any.",
            ) from error

    def stop(self) -> None:
        """Closes the listener and every connection; answers that are being delayed are never sent."""
        if self._listener is not None:
            self._listener.stop()
            self._listener = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Listener(TCPServer):
    """Accepts in one thread and answers each connection in its own."""

    allow_reuse_address = True
    request_queue_size = 128
    timeout = 0

    def __init__(self, simulator: Simulator, port: int) -> None:
        self.simulator = simulator
        self.stopping = threading.Event()
        self._held = threading.Lock()
        self._connections: dict[socket.socket, threading.Thread] = {}
        super().__init__(("127.0.0.1", port), _Connection)
        self._waker, self._woken = socket.socketpair()
        self._acceptor = threading.Thread(target=self._accept, name="simulator", daemon=True)
        self._acceptor.start()

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while True:
                selector.select()
                if self.stopping.is_set():
                    return
                self.handle_request()

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(target=self._serve, args=(request, client_address), daemon=True)
        with self._held:
            self._connections[request] = thread
        thread.start()

    def _serve(self, request: socket.socket, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except OSError:
            pass  # the client went away, or `stop` closed the connection
        finally:
            with self._held:
                self._connections.pop(request, None)
            self.shutdown_request(request)

    def stop(self) -> None:
        self.stopping.set()
        self._waker.send(b"x")
        self._acceptor.join()
        with self._held:
            open_now = dict(self._connections)
        for connection, thread in open_now.items():
            with suppress(OSError):  # it may have ended by itself meanwhile
                connection.shutdown(socket.SHUT_RDWR)
            thread.join(timeout=5)
        self.server_close()
        self._waker.close()
        self._woken.close()


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def __init__(self, request: Any, client_address: Any, server: BaseServer) -> None:
        if not isinstance(server, _Listener):
            raise TypeError("a connection belongs to the simulator's listener")
        self._listener = server
        super().__init__(request, client_address, server)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is written anywhere: stdout may be a protocol's."""

    def do_GET(self) -> None:
        self._exchange()

    do_POST = do_DELETE = do_PUT = do_PATCH = do_GET

    def _exchange(self) -> None:
        body = self._body()
        if body is None:
            self.close_connection = True
            self._send(Answer(400, b'{"error": {"message": "The length of the body is missing or too large."}}', {}))
            return
        # The target as it was sent: `self.path` has doubled slashes made one, and such a path is not the same to Stripe.
        path, _, query = self.requestline.split()[1].partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, path, query, headers, body)
        answer = self._answer(asked)
        if answer.delay and self._listener.stopping.wait(answer.delay):
            self.close_connection = True
            return
        match answer.ending:
            case Ending.ANSWERED:
                self._send(answer)
            case Ending.CLOSED:
                self.close_connection = True
            case Ending.RESET:
                self.close_connection = True
                self._reset()

    def _answer(self, asked: Asked) -> Answer:
        try:
            if asked.path.startswith(PREFIX):
                return control(self._listener.simulator, asked)
            return self._listener.simulator.answer(asked)
        except Exception as error:  # noqa: BLE001 — a fault of the simulator must look like a fault, not like silence
            message = f"The simulator failed with {type(error).__name__}."
            return Answer(500, json.dumps({"error": {"type": "api_error", "message": message}}).encode(), {})

    def _body(self) -> bytes | None:
        """The request's body; None where its length cannot be trusted."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isascii() or not length.isdecimal():
            return None
        if int(length) > LARGEST_BODY:
            return None
        return self.rfile.read(int(length))

    def _send(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body)

    def _reset(self) -> None:
        """Closes the socket so that the client gets a reset instead of an orderly end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        os.close(self.connection.detach())
