"""`runplane erase`: an administrator takes a customer out of a home, and every command says so afterwards."""

from __future__ import annotations

from pathlib import Path

from runplane_mcp.gate.view import Submission
from runplane_mcp.simulator import SEED
from tests.cli.conftest import DANA, DANAS, Ask, Run, cancellation, refund

SECRET = f"{DANAS}\n"
ERASE = ("erase", "--customer", SEED.customer_ben, "--as", DANA, "--secret-stdin")


def test_a_customer_is_erased_and_every_command_says_so(ask: Ask, run: Run, home: Path) -> None:
    (done,) = ask(refund(SEED.payment_intent_40, words="Ben wept"))
    told = run(*ERASE, stdin=SECRET)
    again = run(*ERASE, "--json", stdin=SECRET)
    shown = run("requests", "show", done.reference, "--json").json

    assert told.code == 0
    assert "Erased of cus_ben: " in told.out
    assert told.out.split("\n")[0].endswith(" of 1 request.")
    nothing = {"customer": "cus_ben", "requests": 0, "payloads": 0, "by": DANA, "came_meanwhile": 0}
    assert again.json == nothing
    assert "Nothing is held of cus_ben any more." in run(*ERASE, stdin=SECRET).out
    assert shown["erasure"]["by"] == DANA
    assert shown["erasure"]["kept"]["moved"] == {"amount": 4_000, "currency": "usd"}
    assert (shown["request"]["as_asked"], shown["decision"]["facts"]) == (None, {})
    for command in (("requests", "show"), ("why",)):
        page = run(*command, done.reference)
        assert page.code == 0
        assert "ERASED" in page.out
        assert "what moved was $40.00 USD" in page.out
        assert "Ben wept" not in page.out
    assert "erased" in run("policy", "explain", done.reference).out
    verified = run("audit", "verify")
    assert verified.code == 0, verified.out


def test_what_says_an_address_and_no_id_is_found_by_the_address(ask: Ask, run: Run) -> None:
    """A customer that was never made, and an address in the place of an id."""
    address = "zoe@example.com"
    wanted = [
        Submission("stdio", "support-bot", "mcp", "PostCustomersCustomer", {"customer": address, "name": "Zoe"}),
        Submission("stdio", "support-bot", "mcp", "GetCustomers", {"email": address}),
    ]
    ask(*wanted)
    also = ("--also", address, "--json")
    first, again = run(*ERASE, *also, stdin=SECRET), run(*ERASE, *also, stdin=SECRET)

    assert first.json["requests"] == 2
    assert again.json["requests"] == 0
    assert run(*ERASE, "--also", "zoe", "--json", stdin=SECRET).error == "request.words"
    assert address not in run("requests", "list", "--json").out
    assert run("audit", "verify").code == 0


def test_what_is_open_is_named_and_nothing_is_erased(ask: Ask, run: Run) -> None:
    (held,) = ask(cancellation())
    refused = run("erase", "--customer", SEED.customer_cleo, "--as", DANA, "--secret-stdin", "--json", stdin=SECRET)

    assert (refused.code, refused.error) == (1, "request.unfinished")
    assert held.reference in refused.json["error"]["message"]
    assert run("erase", "--customer", "cus_x", "--json").error == "usage.admin_missing"
    assert run("erase", "--customer", "cus x", "--as", DANA, "--json").error == "request.customer"
