"""`runplane audit prove`: a receipt that somebody without Runplane checks, and that no changed byte of gets past."""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
import sqlite3
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runplane_mcp import check_receipt
from runplane_mcp.app import open_desk
from runplane_mcp.check_receipt import check
from runplane_mcp.core.approval import Answer, Vote
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.checkpoint import Checkpoint, sign
from runplane_mcp.core.merkle import leaf_hash, root
from runplane_mcp.core.request import ActionRequest, State
from runplane_mcp.gate.view import Submission
from runplane_mcp.settings import load_settings
from runplane_mcp.simulator import SEED
from runplane_mcp.store.base import Transaction
from tests.cli.conftest import DANA, DANAS, Ask, OpenGate, Run, cancellation, refund
from tests.cli.receipts import (
    Receipt,
    assert_nothing_can_be_changed,
    at,
    holds,
    holds_with_a_bit_flipped,
    others,
    parts,
    put,
)
from tests.gate.conftest import until

SECRET = f"{DANAS}\n"


@pytest.fixture
def approved(gate: OpenGate, run: Run) -> str:
    """The reference of a refund that a person said yes to, and that ran."""

    async def work() -> str:
        async with gate() as living:
            view = await living.submit(refund(words="She asked twice — «please»"))
            async with open_desk(load_settings(), scrypt_n=2**4) as desk:
                card = await desk.card(view.request_id)
                await desk.vote(view.request_id, digest=card.digest, person=DANA, secret=DANAS, answer=Answer.YES)
            return (await until(living, view, State.SUCCEEDED)).reference

    return anyio.run(work)


@pytest.fixture
def receipt(approved: str, run: Run) -> Receipt:
    content: Receipt = run("audit", "prove", approved).json
    return content


@pytest.fixture
def elsewhere(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The checker as an auditor runs it: an interpreter that has `cryptography` and nothing of ours."""
    installed, libraries = Path(sysconfig.get_paths()["purelib"]), tmp_path / "libraries"
    libraries.mkdir()
    for pattern in ("cryptography*", "cffi*", "_cffi_backend*", "pycparser*"):
        for each in installed.glob(pattern):
            (libraries / each.name).symlink_to(each)
    start = (
        "import importlib.util, runpy, sys; sys.path.append(sys.argv.pop(1));"
        "assert importlib.util.find_spec('runplane_mcp') is None;"
        "sys.argv.pop(0); runpy.run_path(sys.argv[0], run_name='__main__')"
    )

    def run_checker(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-I", "-S", "-c", start, str(libraries), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=tmp_path)

    return run_checker


def test_an_outsider_checks_a_receipt_without_runplane(
    approved: str, run: Run, tmp_path: Path, elsewhere: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    made = run("audit", "prove", approved, "--out", str(tmp_path / "r.json"), "--checker", str(tmp_path / "c.py"))
    receipt = json.loads((tmp_path / "r.json").read_text())
    told = elsewhere("c.py", "r.json", receipt["log_key"])
    (tmp_path / "bad.json").write_text((tmp_path / "r.json").read_text().replace("90000", "90001", 1))
    refused = elsewhere("c.py", "bad.json")

    assert made.code == 0, made.err
    assert receipt["log_key"] in made.err
    assert told.returncode == 0, told.stderr
    for words in (
        "request.received, decision, request.waiting, vote, request.approved",
        f"{DANA} signed yes",
        "POST /v1/refunds",
        "As many people said yes as that decision asked for.",
        "It is succeeded; req_",
        "'support-bot' of 'stdio' asked at ",
        "Z: PostRefunds.",
        "\nNOT PROVED\n- That Stripe did it, and what it answered",
    ):
        assert words in told.stdout
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "DOES NOT HOLD" in refused.stderr
    assert elsewhere("c.py", "r.json", "00" * 32).returncode == 1
    assert elsewhere("c.py", "nothing.json").returncode == 1
    assert len((tmp_path / "c.py").read_text().splitlines()) < 120
    assert run("audit", "prove", approved, "--out", str(tmp_path / "r.json"), "--json").code == 2, (
        "nothing is overwritten"
    )


def test_no_part_of_a_receipt_can_be_changed_or_taken_away(receipt: Receipt) -> None:
    assert len(list(parts(receipt))) > 70
    assert_nothing_can_be_changed(receipt)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.integers(0, 2**20), st.integers(0, 7))
def test_no_byte_of_a_receipt_file_can_be_flipped(receipt: Receipt, byte: int, bit: int) -> None:
    assert not holds_with_a_bit_flipped(receipt, byte, bit)


def test_what_is_left_out_is_said_and_the_rest_still_holds(approved: str, run: Run) -> None:
    made = run("audit", "prove", approved, "--without-payloads")
    proved, left = check(made.json)

    assert made.json["payloads"] == made.json["policies"] == []
    assert "please" not in made.out
    assert "Left out or erased" in made.err
    assert any("leaves out" in each for each in left)
    assert any(f"{DANA} signed yes" in each for each in proved)
    assert not any("POST /v1/refunds" in each for each in proved)


def test_a_receipt_goes_on_from_a_checkpoint_that_its_reader_holds(
    ask: Ask, run: Run, home: Path, tmp_path: Path
) -> None:
    older = tmp_path / "older"
    older.write_bytes((home / "runplane.db.checkpoint").read_bytes())
    (done,) = ask(refund(SEED.payment_intent_40))
    content = run("audit", "prove", done.reference, "--from-checkpoint", str(older)).json
    proved, _ = check(content)

    assert any("The log only grew since it had" in each for each in proved)
    for path in parts(content["older"], ("older",)):
        for other in others(at(content, path)):
            assert not holds(put(content, path, other)), path
    older.write_text("nothing\n")
    refused = run("audit", "prove", done.reference, "--from-checkpoint", str(older), "--json")
    assert (refused.code, refused.error) == (1, "checkpoint.malformed")


def test_a_request_is_proved_whatever_became_of_it(ask: Ask, run: Run, gate: OpenGate) -> None:
    """Held, denied, canceled, lowered and what took its place, blocked, refused for its parameters, frozen."""
    wrong = replace(refund(SEED.payment_intent_40), parameters={"payment_intent": 7}, asked={"payment_intent": 7})
    paid_out = Submission("stdio", "support-bot", "mcp", "PostPayouts", {"amount": 99_000_000, "currency": "usd"})
    held, ending, refused, blocked = ask(refund(), cancellation(), wrong, paid_out)
    digests = {each["request_id"]: each["digest"] for each in run("approvals", "list", "--json").json}
    as_dana = ("--as", DANA, "--secret-stdin", "--json")
    denied = run("deny", ending.reference, "--digest", digests[ending.request_id], *as_dana, stdin=SECRET)
    lowered = run(
        "lower", held.reference, "--amount", "$650", "--digest", digests[held.request_id], *as_dana, stdin=SECRET
    )
    run("freeze")
    (frozen,) = ask(refund(SEED.payment_intents_235[0]))
    assert (denied.code, lowered.code) == (0, 0), denied.out + lowered.out
    states = set()
    for id in (held.reference, ending.reference, refused.reference, blocked.reference, frozen.reference,
               lowered.json["request_id"]):  # fmt: skip
        content = run("audit", "prove", id).json
        proved, _ = check(content)
        states |= {each.rstrip(".").split(";")[0] for each in proved if each.startswith("It is ")}
        shorter = copy.deepcopy(content)
        del shorter["events"][-1]
        assert not holds(shorter)

    assert states >= {"It is replaced", "It is denied", "It is failed", "It is blocked"}


def nobody_voted(tx: Transaction, request: ActionRequest) -> None:
    tx.move(request, State.APPROVED, at=1, event={"round": 1, "by": [DANA]})


def somebody_else_signed(tx: Transaction, request: ActionRequest) -> None:
    vote = Vote(request.id, 1, DANA, Answer.YES, str(request.digest), 1, "ed25519", "ab" * 64)
    tx.add_vote(vote)
    nobody_voted(tx, request)


def other_bytes_ran(tx: Transaction, request: ActionRequest) -> None:
    assert request.effective is not None
    other = replace(request.effective, body=request.effective.body.replace(b"90000", b"90001"))
    approved = tx.move(request, State.APPROVED, at=1, event={"round": 1, "by": [DANA]})
    tx.move(approved, State.EXECUTING, at=1, event={"attempt": 1}, effective=other, attempt=1)


@pytest.mark.parametrize(
    ("forge", "problem"),
    [
        (nobody_voted, "too few people said yes"),
        (somebody_else_signed, f"the signature of {DANA} does not hold"),
        (other_bytes_ran, "what ran is not what was decided and signed"),
    ],
)
def test_whoever_has_the_log_and_its_key_signs_for_nobody(
    ask: Ask, run: Run, home: Path, forge: Callable[[Transaction, ActionRequest], None], problem: str
) -> None:
    """THREATS 7, 9 and 24: in trial mode a program that runs as you can append to the log and sign its checkpoints."""
    (held,) = ask(refund())

    async def work() -> None:
        async with open_desk(load_settings()) as desk:

            def write(tx: Transaction) -> None:
                request = tx.request(held.request_id)
                assert request is not None
                forge(tx, request)

            await desk.store.write(write)

    with closing(sqlite3.connect(home / "runplane.db", isolation_level=None)) as database:
        (rule,) = database.execute("SELECT sql FROM sqlite_schema WHERE name = 'request_stands'").fetchone()
        database.execute("DROP TRIGGER request_stands")
        anyio.run(work)
        database.execute(rule)
    content = run("audit", "prove", held.reference).json
    with pytest.raises(ValueError, match=problem):
        check(content)


def of_ones_own(operation_id: str) -> Receipt:
    """A receipt that somebody has made up, with a log of two events and a key of their own. All in it holds."""
    key, id = Ed25519PrivateKey.generate(), "rpr_x"
    public = key.public_key().public_bytes_raw()
    row = {"version": 1, "agent": "bot", "principal": "stdio", "created_at": 0, "operation_id": operation_id}
    form = json.dumps(row)
    said: list[dict[str, Json]] = [
        {"seq": 1, "type": "log_key.added", "request_id": None, "public_key": public.hex()},
        {"seq": 2, "type": "request.received", "request_id": id, "row": hashlib.sha256(form.encode()).hexdigest()},
    ]
    bodies = [json.dumps(each) for each in said]
    one, other = (leaf_hash(body.encode()) for body in bodies)
    return {
        "type": "runplane.receipt/1",
        "request_id": id,
        "log_key": public.hex(),
        "checkpoint": sign(Checkpoint(f"rps_{'0' * 32}", 1, 2, root([one, other]), other), key).encode().decode(),
        "older": None,
        "events": [
            {"body": bodies[0], "proof": [other.hex()], "row": None},
            {"body": bodies[1], "proof": [one.hex()], "row": form},
        ],
        "payloads": [],
        "policies": [],
    }


def test_a_made_up_receipt_hides_nothing_that_the_checker_says_of_it(
    tmp_path: Path, elsewhere: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """THREATS 14: what hides the rest of a line at a terminal would hide that the key is nobody's."""
    shutil.copy(check_receipt.__file__, tmp_path / "c.py")
    receipt = of_ones_own("PostRefunds\x1b[8m\n\nNOT PROVED\n- Nothing.\u202e")
    (tmp_path / "r.json").write_text(json.dumps(receipt))
    (tmp_path / "bad.json").write_text(json.dumps({**receipt, "older": "\x1b[2JPROVED"}))
    told, refused = elsewhere("c.py", "r.json"), elsewhere("c.py", "bad.json")

    assert (told.returncode, refused.returncode) == (0, 1), told.stderr
    assert r"PostRefunds\x1b[8m\n\nNOT PROVED\n- Nothing.\u202e" in told.stdout
    assert told.stdout.count("\nNOT PROVED\n") == 1
    assert f"That {receipt['log_key']} is the log's key: compare it with what you know" in told.stdout
    assert "\x1b" not in told.stdout + refused.stderr


def test_a_backup_proves_under_a_checkpoint_that_was_kept(
    ask: Ask, run: Run, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (done,) = ask(refund(SEED.payment_intent_40))
    kept, early = tmp_path / "kept", tmp_path / "early"
    early.write_text(run("audit", "checkpoint").out)
    (later,) = ask(refund(SEED.payment_intents_235[0]))
    kept.write_text(run("audit", "checkpoint").out)
    (tmp_path / "copy").mkdir(mode=0o700)
    run("backup", str(tmp_path / "copy" / "runplane.db"))
    monkeypatch.setenv("RUNPLANE_HOME", str(tmp_path / "copy"))
    proved = run("audit", "prove", done.reference, "--checkpoint", str(kept))
    behind = run("audit", "prove", later.reference, "--checkpoint", str(early), "--json")

    assert proved.code == 0, proved.err
    assert proved.json["checkpoint"] == kept.read_text()
    assert holds(proved.json)
    assert (behind.code, behind.error) == (1, "checkpoint.behind")
    assert run("audit", "prove", done.reference, "--json").error.startswith("store.log_key")


def test_a_receipt_names_the_key_that_signs_the_log_now_and_goes_on_from_the_one_before(
    ask: Ask, run: Run, tmp_path: Path
) -> None:
    (done,) = ask(refund(SEED.payment_intent_40))
    before = run("audit", "prove", done.reference).json
    older = tmp_path / "older"
    # Somebody else has signed it too, which says nothing here.
    older.write_text(before["checkpoint"] + "— a.witness.example q83vASNFZ4k=\n")
    rotated = run("audit", "rotate-key", "--as", DANA, "--secret-stdin", stdin=SECRET)
    after = run("audit", "prove", done.reference, "--from-checkpoint", str(older)).json

    assert rotated.code == 0, rotated.err
    assert before["log_key"] != after["log_key"]
    assert holds(before)
    assert holds(after)
    assert after["older"]["checkpoint"] == before["checkpoint"]
    older.write_text(before["checkpoint"].replace("runplane.log/rps_", "runplane.log/rps_0")[:-10] + "AAAAAAAAA\n")
    assert run("audit", "prove", done.reference, "--from-checkpoint", str(older), "--json").code == 1
    assert any('"type":"log_key.rotated"' in each["body"] for each in after["events"])


def test_what_was_erased_is_proved_to_have_been(ask: Ask, run: Run) -> None:
    (done,) = ask(refund(SEED.payment_intent_40, words="Ben wept"))
    run("erase", "--customer", SEED.customer_ben, "--as", DANA, "--secret-stdin", stdin=SECRET)
    content = run("audit", "prove", done.reference).json
    proved, _ = check(content)

    assert any(f"{DANA} erased" in each and '"moved":{"amount":4000' in each for each in proved)
    forged = copy.deepcopy(content)
    forged["events"] = [each for each in content["events"] if '"type":"erased"' not in each["body"]]
    assert any("leaves out" in each for each in check(forged)[1]), "then it is only not disclosed"


def test_what_is_not_there_is_not_proved(home: Path, run: Run) -> None:
    assert run("audit", "prove", "RP-ZZZZ", "--json").error == "request.not_found"
    assert run("audit", "prove", "--json").error == "usage.request_missing"
