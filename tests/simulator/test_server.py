from __future__ import annotations

import socket
import time
from contextlib import closing
from pathlib import Path

import httpx2
import pytest
import stripe

from runplane_mcp.errors import SettingsError
from runplane_mcp.simulator import SEED, SIMULATOR_KEY, Simulator, SimulatorServer


def closing_request(method: str, path: str) -> bytes:
    """A request with the simulator's key after which the server closes."""
    head = f"Host: x\r\nAuthorization: Bearer {SIMULATOR_KEY}\r\nConnection: close\r\n"
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode()


def talk(server: SimulatorServer, request: bytes) -> bytes:
    """Sends raw bytes and reads until the server closes."""
    host, port = server.base_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request)
        received = b""
        while block := connection.recv(65536):
            received += block
        return received


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer sk_live_simulator",
        "Bearer rk_live_runplane_simulator",
        "Bearer sk_test_4eC39HqLyjWDarjtT1zdp7dc",
        "Basic simulator",
        SIMULATOR_KEY,
    ],
)
def test_only_keys_of_the_simulator_are_taken(http: httpx2.Client, authorization: str) -> None:
    for path in ("/v1/balance", "/_simulator/summary"):
        answer = http.get(path, headers={"Authorization": authorization})
        assert answer.status_code == 401
        assert answer.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("key", [SIMULATOR_KEY, "rk_test_agent_simulator", "sk_test_simulator_2"])
def test_test_keys_that_name_the_simulator_are_taken(server: SimulatorServer, key: str) -> None:
    with closing(stripe.RequestsClient()) as transport:
        client = stripe.StripeClient(key, base_addresses={"api": server.base_url}, http_client=transport)

        assert client.v1.balance.retrieve().livemode is False


def test_every_answer_names_its_request_and_version(http: httpx2.Client) -> None:
    first = http.get("/v1/balance")
    second = http.get("/v1/nothing", headers={"Stripe-Version": "2020-08-27", "Idempotency-Key": "k"})

    assert first.headers["Stripe-Version"] == "2026-10-28.endive"
    assert second.headers["Stripe-Version"] == "2020-08-27"
    assert first.headers["Request-Id"].startswith("req_")
    assert first.headers["Request-Id"] != second.headers["Request-Id"]
    assert second.headers["Request-Id"] in second.json()["error"]["request_log_url"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/v1"),
        ("GET", "/v1/refunds/"),
        ("GET", "/v1/charges/../balance"),
        ("GET", "/v1/unknown_things"),
        ("POST", "/v1/balance"),
        ("DELETE", f"/v1/charges/{SEED.charge_900}"),
        ("PUT", "/v1/customers"),
        ("PATCH", "/v1/customers"),
        ("POST", "/_simulator/elsewhere"),
        ("GET", f"//v1/charges/{SEED.charge_900}"),
    ],
)
def test_what_the_simulator_does_not_have_is_not_found(server: SimulatorServer, method: str, path: str) -> None:
    assert talk(server, closing_request(method, path)).startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize("id", ["..", "%2e%2e", "ch_x%2Frefunds", "%00", "ch_nobody", SEED.customer_ada])
def test_an_id_that_names_no_charge_is_missing(server: SimulatorServer, id: str) -> None:
    answer = talk(server, closing_request("GET", f"/v1/charges/{id}"))

    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"resource_missing" in answer


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: -1\r\n",
        b"Content-Length: many\r\n",
        b"Content-Length: 99999999999\r\n",
        b"Transfer-Encoding: chunked\r\n",
    ],
)
def test_a_body_without_a_plain_length_is_refused(server: SimulatorServer, head: bytes) -> None:
    answer = talk(server, b"POST /v1/refunds HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n")

    assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b'{"charge": "ch_ada_900"}'),
        ("application/x-www-form-urlencoded", b"charge=%ff"),
        ("application/x-www-form-urlencoded", "charge=é".encode()),
        ("application/x-www-form-urlencoded", b"metadata[a=1"),
        ("application/x-www-form-urlencoded", b"transfer_data][destination=acct_x"),
        ("application/x-www-form-urlencoded", b"metadata[a]=1&metadata=2"),
        ("application/x-www-form-urlencoded", b"metadata=2&metadata[a]=1"),
        ("application/x-www-form-urlencoded", b"expand=customer"),
        ("application/x-www-form-urlencoded", b"expand[x]=customer"),
        ("application/x-www-form-urlencoded", b"&".join(b"a%d=1" % n for n in range(1001))),
    ],
)
def test_a_body_that_is_not_a_clear_form_is_refused(http: httpx2.Client, content_type: str, body: bytes) -> None:
    answer = http.post("/v1/refunds", content=body, headers={"Content-Type": content_type})

    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_one_connection_serves_many_requests(http: httpx2.Client, server: SimulatorServer) -> None:
    for _ in range(20):
        assert http.get("/v1/balance").status_code == 200

    request = f"GET /v1/balance HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SIMULATOR_KEY}\r\n"
    both = talk(server, (request + "\r\n" + request + "Connection: close\r\n\r\n").encode())
    assert both.count(b"HTTP/1.1 200 ") == 2


def test_a_broken_request_says_nothing_on_the_terminal(
    server: SimulatorServer, http: httpx2.Client, capfd: pytest.CaptureFixture[str]
) -> None:
    talk(server, b"\x00\xff nonsense\r\n\r\n")
    talk(server, b"GET / HTTP/9.9\r\n\r\n")
    talk(server, b"BREW /v1/coffee HTTP/1.1\r\n\r\n")
    http.get("/v1/nothing")

    assert capfd.readouterr() == ("", "")


def test_a_failing_simulator_answers_500_and_changes_nothing(simulator: Simulator, http: httpx2.Client) -> None:
    simulator.close()

    answer = http.get("/v1/balance")

    assert (answer.status_code, answer.json()["error"]["type"]) == (500, "api_error")


def test_two_listeners_of_one_world_see_the_same(simulator: Simulator, http: httpx2.Client) -> None:
    http.post("/v1/refunds", data={"charge": SEED.charge_900}).raise_for_status()
    with SimulatorServer(simulator) as second:
        headers = {"Authorization": f"Bearer {SIMULATOR_KEY}"}
        charge = httpx2.get(f"{second.base_url}/v1/charges/{SEED.charge_900}", headers=headers, trust_env=False).json()

    assert charge["refunded"] is True


def test_a_server_is_quick_to_start_and_stops_with_open_connections(simulator: Simulator) -> None:
    for _ in range(20):
        with SimulatorServer(simulator) as server:
            host, port = server.base_url.removeprefix("http://").split(":")
            idle = socket.create_connection((host, int(port)), timeout=10)
            idle.sendall(b"GET /v1/balance HTTP/1.1\r\nHost: x\r\n\r\n")
            assert idle.recv(12) == b"HTTP/1.1 401"
        while idle.recv(65536):
            pass
        idle.close()


def test_a_port_that_is_taken_is_an_error_with_a_next_step(simulator: Simulator, server: SimulatorServer) -> None:
    taken = int(server.base_url.rsplit(":", 1)[1])

    with pytest.raises(SettingsError) as refused:
        SimulatorServer(simulator, taken).start()

    assert refused.value.code == "settings.port"
    assert refused.value.next_step


def test_the_world_can_be_reset_over_http(http: httpx2.Client, server: SimulatorServer) -> None:
    before = server.world_id
    http.post("/v1/refunds", data={"charge": SEED.charge_900}).raise_for_status()

    after = http.post("/_simulator/reset").json()["world_id"]

    assert after == server.world_id != before
    assert http.get(f"/v1/charges/{SEED.charge_900}").json()["amount_refunded"] == 0
    assert http.get("/_simulator/summary").json()["effects"] == 0


def test_the_clock_is_the_real_one_unless_told(tmp_path: Path) -> None:
    simulator = Simulator(tmp_path / "simulator.db")
    before = int(time.time())
    with SimulatorServer(simulator) as server:
        headers = {"Authorization": f"Bearer {SIMULATOR_KEY}"}
        made = httpx2.post(f"{server.base_url}/v1/customers", headers=headers, trust_env=False).json()
    simulator.close()

    assert before <= made["created"] <= int(time.time())
