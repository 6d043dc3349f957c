"""What is tested with is what is written down: exact versions, and no address that only one machine can reach."""

from __future__ import annotations

import json
import re

from .conftest import HERE, ROOT

PACKAGE = json.loads((HERE / "package.json").read_text())
LOCK = (HERE / "package-lock.json").read_text()
PAGE = (ROOT / "docs" / "mcp-clients.md").read_text()


def test_every_client_is_pinned_to_one_version_in_all_three_places() -> None:
    locked = json.loads(LOCK)["packages"]

    for name, version in PACKAGE["devDependencies"].items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version)
        assert locked[f"node_modules/{name}"]["version"] == version
        assert re.search(rf"^\| .*{re.escape(name)}.* \| {re.escape(version)} \|", PAGE, re.MULTILINE), name


def test_the_lock_file_names_no_registry() -> None:
    assert '"resolved"' not in LOCK
    assert "registry" not in LOCK
    assert all("integrity" in package for path, package in json.loads(LOCK)["packages"].items() if path)
