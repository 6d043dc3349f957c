"""The documentation cannot lie: what it lists is what there is, and what it links to exists."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import typer

from runplane_mcp.cli.commands import app
from runplane_mcp.core.catalog import load as load_catalog
from runplane_mcp.core.facts import GROUP_SENTENCES
from runplane_mcp.core.policy import load
from runplane_mcp.core.policy_tests import run_tests
from runplane_mcp.settings import Settings

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())

    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_catalog_page_has_every_group_as_the_registry_says_it_and_counts_right() -> None:
    page = (ROOT / "docs" / "catalog.md").read_text()
    operations = load_catalog().operations

    [groups] = re.findall(r"^\| group \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", page, re.MULTILINE)
    assert dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", groups, re.MULTILINE)) == GROUP_SENTENCES
    assert f"{len(operations):,} of them" in page
    assert f"Stripe still serves {sum(each.alias_of is not None for each in operations)} of them" in page


@pytest.mark.parametrize("name", ["catalog.md", "adding-a-tool.md"])
def test_an_example_of_a_judgement_is_as_it_stands_in_the_file(name: str) -> None:
    page = (ROOT / "docs" / name).read_text()
    [example] = map(json.loads, re.findall(r"```json\n(.*?)```", page, re.DOTALL))
    files = (ROOT / "runplane_mcp" / "core" / "data" / "judgements").glob("*.json")

    assert example in [row for file in files for row in json.loads(file.read_text())["judgements"]]


def test_the_page_on_adding_a_tool_shows_one_as_it_is_and_names_files_that_there_are() -> None:
    page = (ROOT / "docs" / "adding-a-tool.md").read_text()
    [example] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    files = re.findall(r"`((?:runplane_mcp|tests|core|simulator)/[\w/*.]+)`", page)

    assert example in (ROOT / "runplane_mcp" / "interfaces" / "mcp" / "tools" / "balance.py").read_text()
    assert len(files) > 8
    assert [file for file in files if not [*ROOT.glob(file), *ROOT.glob(f"runplane_mcp/{file}")]] == []


def test_the_policy_pages_examples_load_and_pass_their_tests() -> None:
    page = (ROOT / "docs" / "policy.md").read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    head = "version: 1\ncurrency: usd\ntimezone: America/New_York\napproval: {from: finance, expires_in: 24h}\n"
    head += "business_hours: {days: mon-fri, open: 09:00, close: 17:00}\n"
    actions = load_catalog().actions

    policy = load(head + "".join(blocks), file="docs/policy.md", known_actions=actions)

    assert (len(policy.rules), len(policy.limits)) == (1, 1)
    assert [result.it for result in run_tests(policy, actions) if result.expected != result.got] == []


def test_the_readme_has_every_setting() -> None:
    readme = (ROOT / "README.md").read_text()
    names = [field.validation_alias or f"RUNPLANE_{name.upper()}" for name, field in Settings.model_fields.items()]

    assert [name for name in names if f"`{name}`" not in readme] == []


def test_every_command_that_the_pages_show_exists() -> None:
    known = _paths(typer.main.get_command(app))
    shown: set[str] = set()
    for page in PAGES:
        for block in re.findall(r"```\n(.*?)```", page.read_text(), re.DOTALL):
            for line in block.splitlines():
                if match := re.match(r"(?:\./)?runplane ((?:[a-z]+ ?)+)", line.strip()):
                    shown.add(match[1].strip())

    unknown = [words for words in shown if not any(words == path or words.startswith(f"{path} ") for path in known)]
    assert unknown == []


def test_every_dependency_is_named_with_its_licence() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    page = (ROOT / "docs" / "dependencies.md").read_text()
    lists = re.findall(r"^(?:dependencies|dev) = \[(.*?)^\]", project, re.DOTALL | re.MULTILINE)
    names = re.findall(r'"([A-Za-z0-9_-]+)', " ".join(lists))

    assert len(names) > 15
    assert [
        name for name in names if not re.search(rf"^\|.*\b{re.escape(name)}\b", page, re.MULTILINE | re.IGNORECASE)
    ] == []


def _paths(command: object, before: tuple[str, ...] = ()) -> set[str]:
    found: set[str] = set()
    for name, below in getattr(command, "commands", {}).items():
        path = (*before, name)
        found.add(" ".join(path))
        found |= _paths(below, path)
    return found
