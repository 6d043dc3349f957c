"""What goes to stderr holds no secret and no name, in messages and in tracebacks."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest

from runplane_mcp.errors import StoreError
from runplane_mcp.interfaces.logs import NeverWaiting, RedactingFormatter, log_to_stderr

SECRET = "sk_live_" + "a1b2c3d4e5f6"


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    ours = logging.getLogger("runplane_mcp").level
    yield logger
    logger.handlers[:] = handlers
    logger.setLevel(level)
    logging.getLogger("runplane_mcp").setLevel(ours)


def test_secrets_are_taken_out_of_messages_arguments_and_tracebacks() -> None:
    formatter, quoted = RedactingFormatter("%(message)s"), f"{SECRET} of Ada Lovelace"
    try:
        try:
            raise KeyError(quoted)
        except KeyError as cause:
            raise ValueError(f"the key {SECRET} was refused") from cause
    except ValueError as error:
        record = logging.LogRecord(
            "x",
            logging.ERROR,
            __file__,
            1,
            "using %s of %s",
            (SECRET, "ada@example.com"),
            (ValueError, error, error.__traceback__),
        )

    written = formatter.format(record)

    assert SECRET not in written
    assert written.startswith("using [redacted] of [redacted]\n")
    assert written.count("Traceback") == 2
    assert "ValueError" in written
    assert "KeyError" in written
    assert "in test_secrets_are_taken_out" in written, "where it came from is told"
    assert "Lovelace" not in written, "an exception may quote what it choked on"


def test_our_own_errors_are_logged_with_their_words() -> None:
    try:
        raise StoreError("store.full", "The disk is full.", next_step="Make room.")
    except StoreError as error:
        record = logging.LogRecord("x", 40, __file__, 1, "no", (), (StoreError, error, error.__traceback__))

    assert "StoreError: The disk is full." in RedactingFormatter("%(message)s").format(record)


def test_one_handler_and_libraries_only_when_they_warn(
    root: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    root.addHandler(logging.NullHandler())

    log_to_stderr(logging.INFO)
    logging.getLogger("stripe").info("GET /v1/customers?email=ada@example.com")
    logging.getLogger("stripe").warning("retrying with %s", SECRET)
    logging.getLogger("runplane_mcp.gate").info("started")
    captured = capsys.readouterr()

    assert len(root.handlers) == 1
    assert captured.out == ""
    assert "ada@example.com" not in captured.err
    assert "retrying with [redacted]" in captured.err
    assert "started" in captured.err


def test_a_stderr_that_nobody_reads_stops_nothing() -> None:
    """Some hosts never read the pipe that they give a server. What it cannot take is dropped, and said later."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with os.fdopen(writing, "w") as stream:
        handler = NeverWaiting(stream)
        handler.setFormatter(RedactingFormatter("%(message)s"))
        for number in range(100):
            handler.emit(logging.LogRecord("x", logging.ERROR, __file__, 1, f"{number} " + "x" * 10_000, (), None))
        told = os.read(reading, 1 << 20)
        handler.emit(logging.LogRecord("x", logging.ERROR, __file__, 1, f"the key {SECRET}", (), None))
        later = os.read(reading, 1 << 20)
    os.close(reading)

    assert told.startswith(b"0 x")
    assert len(told) < 100_000
    assert b"log entries were dropped" in later
    assert later.endswith(b"the key [redacted]\n")


def test_a_stderr_whose_reader_has_gone_stops_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        NeverWaiting(stream).emit(logging.LogRecord("x", logging.ERROR, __file__, 1, "unheard", (), None))

    assert capsys.readouterr().err == ""
