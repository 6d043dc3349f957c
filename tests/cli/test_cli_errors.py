"""Errors at the command line: one clear line, a code, an exit code, and never a traceback."""

from __future__ import annotations

import ast
import os
import re
import stat
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import runplane_mcp
from runplane_mcp.cli import main, mcp_main
from runplane_mcp.cli.commands import app
from runplane_mcp.cli.root import RootGroup
from runplane_mcp.errors import PersonError
from tests.cli.conftest import DANA, DANAS, Run


@pytest.mark.parametrize(
    "command",
    [
        ["status"],
        ["people", "list"],
        ["approvals", "list"],
        ["approvals", "show"],
        ["approve", "--digest", "ab", "--as", "dana", "--secret-stdin"],
        ["requests", "list"],
        ["requests", "show", "RP-7F3K"],
        ["audit", "verify"],
        ["people", "add", "dana", "--secret-stdin"],
        ["freeze"],
        ["requests", "resolve", "RP-7F3K", "--outcome", "failed", "--note", "x", "--as", "dana", "--secret-stdin"],
        ["lower", "--amount", "$1", "--digest", "ab", "--as", "dana", "--secret-stdin"],
        ["unfreeze", "--as", "dana", "--secret-stdin"],
    ],
)
def test_without_a_home_every_command_points_to_init(command: list[str], environment: Path, run: Run) -> None:
    missing, as_json = run(*command, stdin="a secret\n"), run(*command, "--json", stdin="a secret\n")

    assert missing.code == as_json.code == 2
    assert missing.out == ""
    assert missing.err.count("\n") == 1
    assert "runplane init" in missing.err
    assert as_json.error == "settings.no_home"
    assert not environment.exists()


@pytest.mark.parametrize(
    "id", ["RP-ZZZZ", "rp-zzzz", "rpr_0123456789ABCDEFGHJKMNPQRS", "re_3MtwBwLkdIwHu7ix", "\x1b[2J"]
)
@pytest.mark.parametrize(
    "command",
    [
        ["why"],
        ["requests", "show"],
        ["approvals", "show"],
        ["approve", "--digest", "ab", "--as", DANA, "--secret-stdin"],
        ["deny", "--digest", "ab", "--as", DANA, "--secret-stdin"],
    ],
)
def test_an_unknown_id_is_told_with_where_to_look(command: list[str], id: str, home: Path, run: Run) -> None:
    told, as_json = (run(*command, id, *more, stdin=f"{DANAS}\n") for more in ([], ["--json"]))

    assert (told.code, as_json.code, told.out) == (1, 1, "")
    assert as_json.error == "request.not_found"
    assert as_json.json["error"]["next_step"]
    assert told.err.count("\n") == 1
    assert "\x1b" not in told.err


def test_a_wrong_command_line_is_usage_also_for_programs(run: Run) -> None:
    assert run("aprove").code == 2
    assert run("requests", "list", "--limit", "many", "--json").error == "usage.invalid"
    assert run("requests", "list", "--limit", "0").code == 2


def test_a_setting_that_is_no_good_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPLANE_ALLOW_LIVE_IN_TRIAL", "perhaps")
    refused = run("status", "--json")

    assert (refused.code, refused.error) == (2, "settings.invalid")
    assert "RUNPLANE_ALLOW_LIVE_IN_TRIAL" in refused.json["error"]["message"]


def test_a_database_that_is_none_is_said(environment: Path, run: Run) -> None:
    environment.mkdir()
    (environment / "runplane.db").write_bytes(b"not a database" * 100)
    refused = run("status", "--json")

    assert refused.code == 1
    assert refused.error.startswith("store.")


def test_a_home_that_cannot_be_made_is_said(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    monkeypatch.setenv("RUNPLANE_HOME", str(tmp_path / "file" / "home"))
    refused = run("init", "--person", "dana", "--secret-stdin", "--json", stdin="a long secret\n")

    assert (refused.code, refused.error) == (2, "settings.home")


def test_a_folder_that_is_everybodys_is_no_home_and_stays_as_it_is(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    monkeypatch.setenv("RUNPLANE_HOME", str(shared))
    refused = run("init", "--person", "dana", "--secret-stdin", "--json", stdin="a long secret\n")

    assert (refused.code, refused.error) == (2, "settings.home_shared")
    assert stat.S_IMODE(shared.stat().st_mode) == 0o1777
    assert list(shared.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_somebody_elses_open_folder_is_no_home(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    theirs.chmod(0o777)
    os.chown(theirs, 12345, 12345)
    monkeypatch.setenv("RUNPLANE_HOME", str(theirs))
    refused = run("init", "--person", "dana", "--secret-stdin", "--json", stdin="a long secret\n")

    assert (refused.code, refused.error) == (2, "settings.home_shared")


def test_a_home_that_others_could_read_is_closed_to_them(
    environment: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment.mkdir(mode=0o755)
    made = run("init", "--person", "dana", "--secret-stdin", "--json", stdin="a long secret\n")

    assert made.code == 0
    assert stat.S_IMODE(environment.stat().st_mode) == 0o700
    assert stat.S_IMODE((environment / "runplane.db").stat().st_mode) == 0o600


def test_a_tilde_is_the_users_folder_wherever_it_was_written(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No shell reads what an MCP client's configuration holds."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RUNPLANE_HOME", "~/of-mine")
    monkeypatch.chdir(tmp_path)
    made = run("init", "--person", "dana", "--secret-stdin", "--json", stdin="a long secret\n")

    assert made.json["home"] == str(tmp_path / "of-mine")
    assert not (tmp_path / "~").exists()


def test_a_user_without_a_folder_is_told_to_name_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_uid: int) -> None:
        raise KeyError("uid not found")

    monkeypatch.delenv("RUNPLANE_HOME")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", nobody)
    refused = run("status", "--json")

    assert (refused.code, refused.error) == (2, "settings.home")


@pytest.mark.parametrize("now", ["0001-01-01T00:00+23:59", "9999-12-31T23:59", "tomorrow", "1772564400"])
def test_a_simulated_time_beyond_the_calendar_is_no_time(
    now: str, home: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNPLANE_SIMULATOR_NOW", now)
    refused = run("status", "--json")

    assert (refused.code, refused.error) == (2, "settings.simulator_now")


@pytest.mark.parametrize("agent", ["", " ", "\x1b[31mred", "\u202ebot", "\udcff", "a" * 101, "two\nlines"])
def test_an_agents_label_that_would_hide_something_is_refused(agent: str, home: Path, run: Run) -> None:
    refused = run("mcp", "--agent", agent)

    assert refused.code == 2
    assert "[usage.agent]" in refused.err


def test_a_policy_file_that_never_ends_is_refused(run: Run) -> None:
    refused = run("policy", "check", "/dev/zero", "--json")

    assert (refused.code, refused.error) == (1, "policy.unreadable")


faulty = typer.Typer(cls=RootGroup)


@faulty.command()
def fault() -> None:
    raise ZeroDivisionError("secret detail")


@faulty.command()
def grouped() -> None:
    raise ExceptionGroup("tasks", [PersonError("person.secret", "That is not the secret.")])


@faulty.command()
def forbidden() -> None:
    raise PermissionError(13, "Permission denied", "/home/other/runplane.db")


@pytest.mark.parametrize(
    ("command", "code", "exit_code"),
    [("fault", "internal.error", 1), ("grouped", "person.secret", 1), ("forbidden", "settings.permission", 2)],
)
def test_what_nobody_foresaw_is_one_line_too(command: str, code: str, exit_code: int) -> None:
    ended = CliRunner().invoke(faulty, [command])

    assert ended.exit_code == exit_code
    assert ended.stdout == ""
    assert f"[{code}]" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "secret detail" not in ended.stderr


def test_the_traceback_is_there_for_who_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPLANE_DEBUG", "1")

    assert "ZeroDivisionError" in CliRunner().invoke(faulty, ["fault"]).stderr


def test_both_programs_take_their_arguments_from_the_shell(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["runplane", "--version"])
    with pytest.raises(SystemExit) as ended:
        main()
    monkeypatch.setattr(sys, "argv", ["runplane-mcp", "--help"])
    with pytest.raises(SystemExit) as ended_too:
        mcp_main()
    said = capsys.readouterr().out

    assert (ended.value.code, ended_too.value.code) == (0, 0)
    assert said.startswith("runplane ")
    assert "--agent" in said


def test_every_command_and_option_has_a_help_text() -> None:
    def walk(command: object, path: str) -> list[str]:
        found = [] if getattr(command, "help", None) else [path]
        for parameter in getattr(command, "params", []):
            if not getattr(parameter, "help", None):
                found.append(f"{path} {parameter.name}")
        for name, below in getattr(command, "commands", {}).items():
            found += walk(below, f"{path} {name}")
        return found

    assert walk(typer.main.get_command(app), "runplane") == []


def test_every_command_that_is_named_in_a_message_is_there() -> None:
    """A next step that cannot be taken is worse than none."""
    named = set()
    for path in Path(runplane_mcp.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                named.update(re.findall(r"`runplane((?: [a-z]+)+)", node.value))

    def there(words: list[str]) -> bool:
        command: object = typer.main.get_command(app)
        for word in words:
            below = getattr(command, "commands", None)
            if below is None:
                return True
            if word not in below:
                return False
            command = below[word]
        return True

    assert " init" in named
    assert [words for words in sorted(named) if not there(words.split())] == []
