"""What goes to stderr holds no secret, in messages and in tracebacks."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from runplane_mcp.interfaces.logs import RedactingFormatter, log_to_stderr

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
    formatter = RedactingFormatter("%(message)s")
    try:
        raise ValueError(f"the key {SECRET} was refused")
    except ValueError as error:
        record = logging.LogRecord(
            "x", logging.ERROR, __file__, 1, "using %s", (SECRET,), (ValueError, error, error.__traceback__)
        )

    written = formatter.format(record)

    assert SECRET not in written
    assert written.count("[redacted]") == 2
    assert "Traceback" in written


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
