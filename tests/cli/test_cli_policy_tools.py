"""`runplane policy lint test schema groups`, and how a policy file that does not load is told on a terminal."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from rich.cells import cell_len

from runplane_mcp.app import default_policy_text
from runplane_mcp.cli.policy.problems import excerpt
from runplane_mcp.core.catalog import load as load_catalog
from runplane_mcp.core.facts import GROUP_SENTENCES
from runplane_mcp.core.policy import load
from runplane_mcp.core.policy.compare import compare
from runplane_mcp.core.policy.schema import schema_text
from tests.cli.conftest import CHECKOUT, DANA, DANAS, Run

GOOD = """\
version: 1
currency: usd
rates: {as_of: 2026-02-20, eur: 1.09}
approval: {from: finance}
rules:
  - id: refunds
    when: {action: refunds, amount: {over: 50}}
    then: require_approval
  - id: never
    when: {customer: {exists: false, starts_with: cus_}}
    then: block
tests:
  - it: asks about $60
    given: {action: refund.create, amount: 60}
    then: require_approval
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD, encoding="utf-8")
    return path


# ── lint ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_lint_says_each_finding_with_its_place_its_line_and_its_code(file: Path, run: Run) -> None:
    linted = run("policy", "lint", str(file))
    lines = linted.out.splitlines()

    assert linted.code == 0
    assert lines[0].startswith(f"{file}:9:5: ")
    assert [line for line in lines if "[lint.dead]" in line and "never" in line]
    assert [line for line in lines if "[lint.untested]" in line and "never" in line]
    assert lines[1:3] == ["    - id: never", "      ^"]
    assert lines[-1] == "2 warnings."


def test_lint_speaks_to_programs(file: Path, run: Run) -> None:
    linted = run("policy", "lint", str(file), "--json")

    assert linted.code == 0
    assert linted.json["date"] == "2026-03-03"
    assert {"lint.dead", "lint.untested"} == {each["code"] for each in linted.json["findings"]}
    assert all({"line", "column", "code", "message"} == each.keys() for each in linted.json["findings"])


@pytest.mark.parametrize("at_home", [True, False], ids=["in a home", "without one"])
def test_lint_goes_by_the_clock_of_the_policy(
    at_home: bool, file: Path, run: Run, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """2026-03-31 02:00 in UTC is still the 30th in New York, so that the rates are 38 days old."""
    if at_home:
        request.getfixturevalue("home")
    file.write_text(GOOD + "timezone: America/New_York\n", encoding="utf-8")
    monkeypatch.setenv("RUNPLANE_SIMULATOR_NOW", "2026-03-31T02:00+00:00")
    linted = run("policy", "lint", str(file), "--json").json

    assert linted["date"] == "2026-03-30"
    assert "38 days old" in next(each["message"] for each in linted["findings"] if each["code"] == "lint.rates")


def test_lint_of_nothing_says_so(file: Path, run: Run) -> None:
    file.write_text(GOOD.partition("  - id: never")[0] + GOOD[GOOD.index("tests:") :], encoding="utf-8")

    assert run("policy", "lint", str(file)).out == "No warnings.\n"


def test_check_says_what_lint_says(home: Path, file: Path, run: Run) -> None:
    checked, as_json = run("policy", "check", str(file)), run("policy", "check", str(file), "--json")

    assert checked.code == as_json.code == 0
    assert f"WARNING  {file}:9:5: No test reaches never" in checked.out
    assert "Worst case, nobody asked" in checked.out
    assert as_json.json["lint"] == run("policy", "lint", str(file), "--json").json["findings"]
    assert as_json.json["ok"] is True


# ── test ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_files_own_tests_are_a_line_each_then_what_none_of_them_reaches(file: Path, run: Run) -> None:
    tested, as_json = run("policy", "test", str(file)), run("policy", "test", str(file), "--json").json

    assert tested.code == 0
    assert tested.out.splitlines()[:3] == ["Tests: 1 of 1 passed", "  ok    asks about $60", "No test reaches:"]
    assert f"{file}:9:5: No test reaches never" in tested.out
    assert (as_json["ok"], as_json["passed"], as_json["failed"]) == (True, 1, 0)
    assert [each["line"] for each in as_json["untested"]] == [9]
    assert as_json["tests"][0]["by"] == ["refunds", "risk"]


def test_a_test_that_fails_is_told_with_its_place_and_is_exit_1(file: Path, run: Run) -> None:
    file.write_text(GOOD.replace("amount: 60", "amount: 40"), encoding="utf-8")
    tested, as_json = run("policy", "test", str(file)), run("policy", "test", str(file), "--json")

    assert tested.code == as_json.code == 1
    assert f"FAIL  {file}:13: asks about $60: expected require_approval, got allow" in tested.out
    assert (as_json.json["ok"], as_json.json["failed"]) == (False, 1)


def test_the_shipped_policy_passes_and_each_rule_is_reached(run: Run) -> None:
    tested = run("policy", "test", str(CHECKOUT / "policies.yaml"))

    assert tested.code == 0
    assert tested.out.endswith("Every rule and limit is reached.\n")


# ── wrong input ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("command", ["lint", "test", "check"])
@pytest.mark.parametrize(
    ("content", "code"),
    [
        (None, "policy.unreadable"),
        (b"\x7fELF\x02\x01\xff\xfe\x00\x80", "policy.unreadable"),
        (b"a" * ((1 << 20) + 1), "policy.unreadable"),
        (b"# a\n" * 100_000, "policy.invalid"),
        (b"", "policy.invalid"),
        (b"version: 1\n\x00", "policy.invalid"),
        (b"[" * 10_000, "policy.invalid"),
        (b"version: 1\n---\nversion: 1\n", "policy.invalid"),
    ],
    ids=["missing", "binary", "huge", "long", "empty", "zero byte", "deep", "two documents"],
)
def test_what_is_no_policy_is_refused(command: str, content: bytes | None, code: str, tmp_path: Path, run: Run) -> None:
    path = tmp_path / "none.yaml"
    if content is not None:
        path.write_bytes(content)
    told, as_json = run("policy", command, str(path)), run("policy", command, str(path), "--json")

    assert told.code == as_json.code == 1
    assert as_json.error == code
    assert told.out == as_json.err == ""
    assert f"[{code}]" in told.err
    assert len(told.err) < 1_000


@pytest.mark.parametrize("command", ["lint", "test", "check"])
def test_a_folder_is_no_policy(command: str, tmp_path: Path, run: Run) -> None:
    assert run("policy", command, str(tmp_path), "--json").error == "policy.unreadable"


# ── load errors on a terminal ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "words",
    [
        ["policy", "check", "{}"],
        ["policy", "test", "{}"],
        ["policy", "lint", "{}"],
        ["policy", "activate", "{}", "--as", DANA, "--secret-stdin"],
        ["policy", "diff", "{}"],
        ["policy", "diff", "{}", str(CHECKOUT / "policies.yaml")],
        ["policy", "exposure", "{}"],
        ["policy", "try", "create_refund", "amount=1", "--file", "{}"],
    ],
    ids=lambda words: f"{words[1]} {len(words)}",
)
def test_every_command_says_a_load_error_with_its_line_and_a_mark(
    words: list[str], home: Path, file: Path, run: Run
) -> None:
    file.write_text(GOOD.replace("amount: {over: 50}", "amonut: {over: 50}"), encoding="utf-8")
    arguments = [each.format(file) for each in words]
    told, as_json = (run(*arguments, *more, stdin=f"{DANAS}\n") for more in ([], ["--json"]))

    assert told.code == as_json.code == 1
    assert told.err.splitlines() == [
        f"{file}:7:29: “amonut” is not a fact. Did you mean amount?",
        "      when: {action: refunds, amonut: {over: 50}}",
        " " * 30 + "^",
        f"error: {file} does not load: one problem. [policy.invalid]",
    ]
    assert "^" not in as_json.out
    assert f"{file}:7:29: " in as_json.json["error"]["message"]


def test_a_tab_is_seen_and_marked(file: Path, run: Run) -> None:
    file.write_text("version: 1\nrules:\n  \t- id: x\n", encoding="utf-8")

    assert run("policy", "check", str(file)).err.splitlines()[1:3] == ["    ⟨tab⟩- id: x", "    ^"]


def test_the_mark_stands_under_its_place_behind_tabs_and_wide_letters(file: Path, run: Run) -> None:
    wide = '  - {id: never, why: "日本\t語", nhen: 1,'
    file.write_text(
        GOOD.replace("  - id: never\n    when:", f"{wide} when:").replace(
            "cus_}}\n    then: block", "cus_}}, then: block}"
        )
    )
    lines = run("policy", "check", str(file)).err.splitlines()
    shown = next(line for line in lines if "⟨tab⟩" in line)
    mark = lines[lines.index(shown) + 1]

    assert mark.strip() == "^"
    assert cell_len(mark) - 1 == cell_len(shown.partition("nhen")[0])


@pytest.mark.parametrize(
    ("line", "column", "shown", "before"),
    [
        ("  - id: x", 5, "  - id: x", 4),
        ("\tid: x", 2, "⟨tab⟩id: x", 5),
        ("日本: x", 5, "日本: x", 6),
        ("a: \u202eb", 5, "a: ⟨U+202E⟩b", 11),
        ("a:          b", 13, "a:          b", 12),
        ("a", 9, "a", 1),
        ("x" * 40 + "here", 41, "…" + "x" * 19 + "here", 20),
        ("\u202e" * 40 + "here", 41, "…⟨U+202E ×20⟩here", 13),
    ],
)
def test_an_excerpt_is_harmless_and_knows_its_column(line: str, column: int, shown: str, before: int) -> None:
    found = excerpt(line, column, 30)

    assert found[0].isprintable()
    assert (shown, before) == found


def test_hostile_text_cannot_leave_its_line(file: Path, run: Run) -> None:
    """THREATS 14: somebody's policy is looked at before it is trusted."""
    evil = "x: \x1b[2J" + "\u202e" + " " * 400 + "error: all is well"
    file.write_text(GOOD + f"nonsense: {{{evil.replace(chr(27), chr(0xE000))}}}\n", encoding="utf-8")
    told = run("policy", "check", str(file)).err

    assert "\u202e" not in told
    assert "\ue000" not in told
    assert "all is well" not in told
    assert max(map(cell_len, told.splitlines()[1:2])) <= 120


def test_only_so_many_problems_are_shown(file: Path, run: Run) -> None:
    rules = "".join(f"  - {{id: r{number}, when: {{amonut: 1}}, then: block}}\n" for number in range(60))
    file.write_text(GOOD.replace("tests:\n", f"{rules}tests:\n"), encoding="utf-8")
    told = run("policy", "check", str(file)).err

    assert told.count("^") == 50
    assert told.splitlines()[-2:] == ["… and 10 more.", f"error: {file} does not load: 60 problems. [policy.invalid]"]


# ── schema and groups ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_schema_is_printed_as_it_is(run: Run) -> None:
    assert run("policy", "schema").out == run("policy", "schema", "--json").out == schema_text()


def test_a_new_home_has_the_schema_beside_its_policy_which_names_it(home: Path) -> None:
    policy, schema = home / "policies.yaml", home / "policy.schema.json"
    first = policy.read_text(encoding="utf-8").splitlines()[0]

    assert first == "# yaml-language-server: $schema=./policy.schema.json"
    assert (home / first.partition("=")[2]).resolve() == schema.resolve()
    assert schema.read_text(encoding="utf-8") == schema_text()
    assert stat.S_IMODE(schema.stat().st_mode) == stat.S_IMODE(policy.stat().st_mode) == 0o600


def test_a_schema_that_stands_there_is_kept(environment: Path, run: Run) -> None:
    environment.mkdir(mode=0o700)
    (environment / "policy.schema.json").write_text("{}")
    made = run("init", "--person", DANA, "--secret-stdin", "--json", stdin=f"{DANAS}\n")

    assert made.code == 0
    assert (environment / "policy.schema.json").read_text() == "{}"


def test_the_policy_of_the_repository_names_the_schema_there_and_is_the_same_otherwise() -> None:
    text = (CHECKOUT / "policies.yaml").read_text(encoding="utf-8")
    path = text.splitlines()[0].partition("# yaml-language-server: $schema=")[2]
    actions = load_catalog().actions
    found = compare(load(text), load(default_policy_text()), actions)

    assert json.loads((CHECKOUT / path).read_text(encoding="utf-8")) == json.loads(schema_text())
    assert text.splitlines()[1:] == default_policy_text().splitlines()[1:]
    assert found.equivalent


def test_groups_are_told_with_their_sentences_and_operations(run: Run) -> None:
    told, as_json = run("policy", "groups"), run("policy", "groups", "--json").json

    assert {each["group"]: each["sentence"] for each in as_json} == GROUP_SENTENCES
    assert "PostRefunds" in next(each["operations"] for each in as_json if each["group"] == "refunds")
    assert "/v1/credit_notes" in told.out
    assert as_json == run("catalog", "groups", "--json").json
