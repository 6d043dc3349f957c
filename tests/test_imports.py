"""Imports point one way: cli → attack → app → interfaces → gate → (store, stripe_api) → core. The core does no I/O."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "runplane_mcp"

#: What each room may import of the others. A room that is not named here has no place in the house.
MAY_IMPORT = {
    "errors": set(),
    "check_receipt": set(),
    "settings": {"errors"},
    "core": {"errors"},
    "simulator": {"core", "errors"},
    "store": {"core", "errors"},
    "stripe_api": {"core", "errors"},
    "gate": {"core", "errors", "store", "stripe_api"},
    "interfaces": {"core", "errors", "gate"},
    "app": {"core", "errors", "settings", "store", "stripe_api", "simulator", "gate", "interfaces"},
    "attack": {"core", "errors", "settings", "store", "stripe_api", "simulator", "gate", "app"},
    "cli": {"core", "errors", "settings", "store", "stripe_api", "simulator", "gate", "interfaces", "app", "attack"},
}
#: Modules through which a pure core could reach the world outside it.
IMPURE = {
    "asyncio", "anyio", "socket", "subprocess", "threading", "sqlite3", "httpx2", "stripe", "starlette", "mcp",
    "time", "random", "secrets", "os", "logging", "tempfile",
}  # fmt: skip


def modules(room: str) -> list[Path]:
    path = PACKAGE / room
    return sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_every_room_is_known() -> None:
    rooms = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}

    assert rooms - {"__init__", "__main__"} == set(MAY_IMPORT)


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_imports_point_one_way(room: str) -> None:
    wrong = []
    for path in modules(room):
        for name in imported(path):
            parts = name.split(".")
            if parts[0] == "runplane_mcp" and len(parts) > 1 and parts[1] not in MAY_IMPORT[room] | {room}:
                wrong.append(f"{path.relative_to(PACKAGE)} imports {name}")

    assert wrong == []


def test_the_core_reaches_nothing_outside_itself() -> None:
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {name}"
        for path in modules("core")
        for name in imported(path)
        if name.split(".")[0] in IMPURE
    ]

    assert wrong == []
