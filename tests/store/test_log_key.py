"""The key that signs the log's checkpoints: made once, its owner's alone, and told to the log."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from runplane_mcp.core.log_key import ADDED, CURRENT, key_of, key_statement
from runplane_mcp.errors import StoreError
from runplane_mcp.store.base import Transaction
from runplane_mcp.store.log_key import make_key, public_hex, read_key, write_key
from runplane_mcp.store.verify import verify
from tests.crash import race
from tests.store.keeping import event, keep, kept


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "log-signing-key"


def refusal(file: Path) -> str:
    with pytest.raises(StoreError) as refused:
        read_key(file)
    assert refused.value.next_step
    return refused.value.code


@pytest.mark.parametrize("mask", [0o000, 0o077])
def test_a_key_is_made_for_its_owner_alone_and_never_made_again(file: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        key = make_key(file)
    finally:
        os.umask(before)
    content = file.read_bytes()

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert public_hex(make_key(file)) == public_hex(key) == public_hex(read_key(file))
    assert file.read_bytes() == content
    assert list(file.parent.iterdir()) == [file]
    with pytest.raises(StoreError):
        write_key(file, key)


def test_processes_that_make_one_at_once_make_one(file: Path) -> None:
    assert len(set(race([lambda: public_hex(make_key(file))] * 6))) == 1


def test_a_key_that_is_not_ours_to_sign_with_is_refused(file: Path, tmp_path: Path) -> None:
    assert refusal(file) == "store.log_key_missing"
    make_key(file)
    for mode in (0o640, 0o604, 0o620):
        file.chmod(mode)
        assert refusal(file) == "store.log_key_shared"
    file.chmod(0o600)
    elsewhere = file.rename(tmp_path / "elsewhere")
    file.symlink_to(elsewhere)
    assert refusal(file) == "store.log_key_broken"
    # What stands there is not written over, whatever it is.
    with pytest.raises(StoreError):
        make_key(file)
    assert file.is_symlink()


@pytest.mark.parametrize("content", [b"", b"words", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_what_is_no_key_is_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    file.chmod(0o600)

    assert refusal(file) == "store.log_key_broken"


def test_the_log_begins_with_its_key_and_gets_no_second_one(tmp_path: Path) -> None:
    path = tmp_path / "runplane.db"

    def told(tx: Transaction) -> tuple[str, int, dict[str, object], str]:
        first = tx.event(1)
        assert first is not None
        return first.type, tx.head().size, json.loads(first.body), tx.store_id()

    keep(path, event)
    keep(path, event)
    # Whoever takes the note of it away does not get another key into the log either.
    [_, (type, size, said, store)] = keep(path, lambda tx: tx.set_meta(CURRENT, "99"), told)

    assert (type, size) == (ADDED, 3)
    key = key_of(1, type, said)
    assert key is not None
    assert key.public.hex() == public_hex(read_key(kept(path).key))
    statement = key_statement(store=store, public_key=key.public.hex(), previous=None, at=int(str(said["signed_at"])))
    read_key(kept(path).key).public_key().verify(bytes.fromhex(str(said["proof"])), statement)
    assert verify(path).ok
