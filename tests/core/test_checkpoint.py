"""Checkpoints against the form that other programs read, and against whatever else somebody hands over as one."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from runplane_mcp.core.checkpoint import (
    LARGEST,
    LONGEST_NOTE,
    MOST_SIGNATURES,
    Checkpoint,
    Note,
    Signature,
    Signed,
    fingerprint,
    key_hash,
    parse,
    parse_all,
    sign,
    verifier_key,
    who_signed,
)
from runplane_mcp.core.merkle import EMPTY_ROOT
from runplane_mcp.errors import CheckpointError

STORE = "rps_" + "0123456789abcdef" * 2
KEY, OTHER = (Ed25519PrivateKey.from_private_bytes(bytes([each]) * 32) for each in (1, 2))
PUBLIC, OTHERS = (each.public_key().public_bytes_raw() for each in (KEY, OTHER))

checkpoints = st.builds(
    Checkpoint,
    store=st.binary(min_size=16, max_size=16).map(lambda name: f"rps_{name.hex()}"),
    epoch=st.integers(1, LARGEST),
    size=st.integers(1, LARGEST),
    root=st.binary(min_size=32, max_size=32),
    last_leaf=st.binary(min_size=32, max_size=32),
) | st.builds(Checkpoint, store=st.just(STORE), epoch=st.just(1), size=st.just(0), root=st.just(EMPTY_ROOT),
              last_leaf=st.none())  # fmt: skip


def a_checkpoint(size: int = 42) -> Checkpoint:
    return Checkpoint(STORE, 3, size, hashlib.sha256(b"root").digest(), hashlib.sha256(b"leaf").digest())


def refused(data: bytes) -> str:
    with pytest.raises(CheckpointError) as error:
        parse(data)
    assert error.value.code == "checkpoint.malformed"
    assert error.value.next_step
    return error.value.message


def read_or_refused(data: bytes) -> None:
    """Nothing else may happen, and what is read is all that there was."""
    try:
        note = parse(data)
    except CheckpointError:
        return
    assert note.encode() == data


def test_a_note_has_exactly_the_bytes_of_the_form() -> None:
    note = sign(a_checkpoint(), KEY)
    origin = f"runplane.log/{STORE}/3"
    root, leaf = (base64.b64encode(hashlib.sha256(word).digest()).decode() for word in (b"root", b"leaf"))
    text = f"{origin}\n42\n{root}\nlast-leaf {leaf}\n".encode()
    hashed = hashlib.sha256(origin.encode() + b"\x0a\x01" + PUBLIC).digest()[:4]
    line = f"\n— {origin} {base64.b64encode(hashed + KEY.sign(text)).decode()}\n".encode()

    assert note.text == text
    assert note.encode() == text + line


def test_keys_are_told_apart_as_other_programs_tell_them_apart() -> None:
    """The published example of the form: its key, its hash, and what it signed."""
    public = base64.b64decode("AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")[1:]
    line = base64.b64decode(
        "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM="
    )

    assert key_hash("example.com/foo", public).hex() == "530d903a"
    assert (
        verifier_key("example.com/foo", public)
        == "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
    )
    assert line[:4] == key_hash("example.com/foo", public)
    Ed25519PublicKey.from_public_bytes(public).verify(line[4:], b"This is an example message.\n")


@given(checkpoints)
def test_what_was_signed_is_read_back_and_known_by_its_key(checkpoint: Checkpoint) -> None:
    note = sign(checkpoint, KEY)

    assert parse(note.encode()) == note
    assert who_signed(note, [OTHERS, PUBLIC]) == (Signed.GOOD, PUBLIC)
    assert who_signed(note, [OTHERS]) == (Signed.UNKNOWN, None)


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_whatever_is_handed_over_is_read_or_refused(data: bytes) -> None:
    read_or_refused(data)


@given(st.data())
def test_a_note_with_one_byte_changed_is_no_longer_the_logs(data: st.DataObject) -> None:
    whole = sign(a_checkpoint(), KEY).encode()
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = whole[:at] + data.draw(st.binary(max_size=2)) + whole[at + 1 :]
    if changed == whole:
        return
    try:
        note = parse(changed)
    except CheckpointError:
        return
    assert note.encode() == changed
    assert who_signed(note, [PUBLIC])[0] is not Signed.GOOD


@given(st.lists(st.sampled_from(["origin", "42", "root", "last-leaf root", "", "— a", "sig", "0", "01"]), max_size=12))
def test_lines_in_any_order_are_read_or_refused(lines: list[str]) -> None:
    whole = sign(a_checkpoint(), KEY).encode().decode()
    origin, _, root, _, _, signature = whole.split("\n")[:6]
    text = (
        "".join(f"{line}\n" for line in lines).replace("origin", origin).replace("root", root).replace("sig", signature)
    )
    read_or_refused(text.encode())


WHOLE = sign(a_checkpoint(), KEY).encode().decode()
BROKEN = {
    "nothing": "",
    "no last newline": WHOLE[:-1],
    "no signature": WHOLE.split("\n\n")[0] + "\n",
    "no signature line": WHOLE.split("\n\n")[0] + "\n\n",
    "an empty line before it": "\n" + WHOLE,
    "an empty line after it": WHOLE + "\n",
    "two of them": WHOLE + WHOLE,
    "another origin": WHOLE.replace("runplane.log", "example.com"),
    "a longer origin": WHOLE.replace("/3\n", "/3/4\n"),
    "epoch 0": WHOLE.replace("/3\n", "/0\n"),
    "a huge epoch": WHOLE.replace("/3\n", f"/{10**18 * 99}\n"),
    "a negative size": WHOLE.replace("\n42\n", "\n-42\n"),
    "a size with a zero before it": WHOLE.replace("\n42\n", "\n042\n"),
    "a size in other digits": WHOLE.replace("\n42\n", "\n٤٢\n"),
    "a size beyond all counting": WHOLE.replace("\n42\n", f"\n{LARGEST + 1}\n"),
    "an empty log with a last leaf": WHOLE.replace("\n42\n", "\n0\n"),
    "a carriage return": WHOLE.replace("\n42\n", "\r\n42\r\n"),
    "a zero byte": WHOLE.replace("42", "4\x002"),
    "no last leaf": "\n".join(line for line in WHOLE.split("\n") if not line.startswith("last-leaf")),
    "two last leaves": WHOLE.replace("last-leaf", "last-leaf " + "A" * 43 + "=\nlast-leaf"),
    "a short root": WHOLE.replace(WHOLE.split("\n")[2], "AAAA"),
    "a root that is no base64": WHOLE.replace(WHOLE.split("\n")[2], "*" * 44),
    "a root in other letters": WHOLE.replace(WHOLE.split("\n")[2], WHOLE.split("\n")[2].replace("=", " ")),
    "a signature of nothing": WHOLE.rsplit(" ", 1)[0] + " AAAAAA==\n",
    "a signature by nobody": WHOLE.rsplit("—", 1)[0] + "—  AAAAAAAA\n",
    "a hyphen for the dash": WHOLE.replace("—", "-"),
    "too many signatures": WHOLE + WHOLE.rsplit("\n", 2)[1].join(["", "\n"]) * MOST_SIGNATURES,
    "too long": WHOLE.replace("\n\n", "\n" + "a" * LONGEST_NOTE + "\n\n"),
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    refused(text.encode())


def test_text_in_another_encoding_is_refused() -> None:
    assert "UTF-8" in refused(WHOLE.encode("utf-16"))


def test_base64_is_taken_in_its_one_form_only() -> None:
    """Two texts for one signature would let a note be changed that still verifies."""
    value = WHOLE.rstrip("\n").rsplit(" ", 1)[1]
    end = value.rstrip("=")
    twin = end[:-1] + chr(ord(end[-1]) + 1) + value[len(end) :]
    assert base64.b64decode(twin) == base64.b64decode(value)

    assert "one form" in refused(WHOLE.replace(value, twin).encode())


def test_lines_that_only_others_understand_are_signed_with_the_rest() -> None:
    text = a_checkpoint().text() + b"something else\n"
    line = Signature(a_checkpoint().origin, key_hash(a_checkpoint().origin, PUBLIC), KEY.sign(text))
    note = Note(a_checkpoint(), text, (line,))

    assert parse(note.encode()) == note
    assert who_signed(note, [PUBLIC]) == (Signed.GOOD, PUBLIC)
    assert who_signed(parse(note.encode().replace(b"something", b"anything")), [PUBLIC])[0] is Signed.WRONG


def test_other_signatures_say_nothing_and_a_wrong_one_of_the_logs_key_spoils_the_note() -> None:
    note = sign(a_checkpoint(), KEY)
    by_witness = Signature("witness.example", key_hash("witness.example", PUBLIC), bytes(64))
    by_other = sign(a_checkpoint(), OTHER).signatures[0]
    forged = replace(note.signatures[0], signature=bytes(64))

    assert who_signed(replace(note, signatures=(by_witness, by_other, *note.signatures)), [PUBLIC])[0] is Signed.GOOD
    assert who_signed(replace(note, signatures=(by_witness, by_other)), [PUBLIC])[0] is Signed.UNKNOWN
    assert who_signed(replace(note, signatures=(*note.signatures, forged)), [PUBLIC])[0] is Signed.WRONG


def test_a_signature_holds_for_one_store_and_one_epoch() -> None:
    line = sign(a_checkpoint(), KEY).signatures[0]
    for other in (replace(a_checkpoint(), epoch=4), replace(a_checkpoint(), store="rps_" + "f" * 32)):
        assert who_signed(Note(other, other.text(), (line,)), [PUBLIC]) == (Signed.UNKNOWN, None)


def test_several_notes_may_stand_in_one_file() -> None:
    notes = tuple(sign(a_checkpoint(size), KEY) for size in (1, 2, 3))
    one, two, three = (note.encode() for note in notes)

    assert parse_all(one + two + b"\n\n" + three + b"\n") == notes
    with pytest.raises(CheckpointError):
        parse_all(one + two + three, most=2)
    with pytest.raises(CheckpointError):
        parse_all(one + b"words\n" + two)


def test_places_only_grow_with_epoch_and_size() -> None:
    first, second = a_checkpoint(), replace(a_checkpoint(1), epoch=4)

    assert first.place < a_checkpoint(43).place < second.place


def test_a_fingerprint_tells_keys_apart() -> None:
    assert fingerprint(PUBLIC) != fingerprint(OTHERS)
    assert len(fingerprint(PUBLIC)) == 32


@pytest.mark.parametrize(
    "changes", [{"epoch": 0}, {"size": -1}, {"root": b"short"}, {"last_leaf": None}, {"size": 0}, {"store": "rps_1"}]
)
def test_what_no_log_can_be_is_no_checkpoint(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"hash|leaf|names"):
        replace(a_checkpoint(), **changes)  # type: ignore[arg-type]
