"""What the tests of receipts share: whether one holds, and everything that somebody could change in it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from runplane_mcp.check_receipt import check

Receipt = dict[str, Any]


def holds(receipt: Any) -> bool:
    try:
        check(receipt)
    except Exception:  # noqa: BLE001 - whatever it is, it does not hold
        return False
    return True


def parts(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of every text and number in a receipt."""
    if isinstance(value, dict | list):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from parts(inner, (*path, name))
    elif value is not None:
        yield path


def at(receipt: Receipt, path: tuple[Any, ...]) -> Any:
    for step in path:
        receipt = receipt[step]
    return receipt


def put(receipt: Receipt, path: tuple[Any, ...], value: Any) -> Receipt:
    """The receipt with another value at this place."""
    changed = copy.deepcopy(receipt)
    at(changed, path[:-1])[path[-1]] = value
    return changed


def others(value: Any) -> Iterator[Any]:
    """What could stand in the place of a text or number."""
    if isinstance(value, int):
        yield from (value - 1, value + 1, -value, value + 0.5, str(value), None)
        return
    for place in {0, len(value) // 2, len(value) - 1}:
        yield value[:place] + ("0" if value[place] != "0" else "1") + value[place + 1 :]


def assert_nothing_can_be_changed(receipt: Receipt) -> None:
    """Each text and number changed and emptied, each name and event taken away, and the events turned round."""
    assert holds(receipt)
    for path in parts(receipt):
        for other in others(at(receipt, path)):
            assert not holds(put(receipt, path, other)), (path, other)
        if path[0] not in {"payloads", "policies"}:
            assert not holds(put(receipt, path, "")), path
    for name in receipt:
        assert not holds({key: value for key, value in receipt.items() if key != name})
    for place, each in enumerate(receipt["events"]):
        if '"type":"repeat"' in each["body"]:
            continue  # its agent has looked at it: no part of its course
        fewer = copy.deepcopy(receipt)
        del fewer["events"][place]
        assert not holds(fewer), each["body"]
    assert not holds({**receipt, "events": [*reversed(receipt["events"])]})


def holds_with_a_bit_flipped(receipt: Receipt, byte: int, bit: int) -> bool:
    """Whether the receipt's file still holds with one bit of it flipped, and says something else."""
    content = json.dumps(receipt, ensure_ascii=False).encode()
    byte %= len(content)
    flipped = content[:byte] + bytes([content[byte] ^ 1 << bit]) + content[byte + 1 :]
    try:
        now = json.loads(flipped)
    except ValueError:
        return False
    # Hex in capitals says the same, and so do the spaces between two parts.
    return json.dumps(now).lower() != json.dumps(receipt).lower() and holds(now)
