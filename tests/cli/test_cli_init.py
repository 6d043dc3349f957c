"""`runplane init`: a home from nothing, kept where it exists, refused to agents."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from runplane_mcp.cli.clients import command_line
from runplane_mcp.cli.environment import AGENT_VARIABLES
from tests.cli.conftest import CHECKOUT, DANAS, Run

SCRIPT = ("init", "--person", "dana", "--group", "finance", "--secret-stdin", "--json")


def test_a_script_makes_a_home_with_its_first_administrator(environment: Path, run: Run) -> None:
    made = run(*SCRIPT, stdin=f"{DANAS}\n")

    assert made.code == 0
    assert made.json["person"]["person"] == "dana"
    assert made.json["person"]["role"] == "admin"
    assert made.json["person"]["groups"] == ["finance"]
    assert made.json["simulator"] is True
    assert made.json["mode"] == "trial"
    assert run("status", "--json").json["policy"]["version"] == made.json["policy_version"]
    assert len(made.json["prompts"]) == 3
    assert Path(made.json["policy"]).read_text(encoding="utf-8").startswith("#")
    assert stat.S_IMODE(environment.stat().st_mode) == 0o700


def test_a_second_run_changes_nothing_and_says_so(environment: Path, run: Run) -> None:
    run(*SCRIPT, stdin=f"{DANAS}\n")
    policy = environment / "policies.yaml"
    policy.write_text(policy.read_text(encoding="utf-8") + "# mine\n", encoding="utf-8")

    again = run("init")
    other = run("init", "--person", "eve", "--secret-stdin", "--json", stdin="another secret\n")

    assert again.code == 0
    assert "was there already" in again.out
    assert policy.read_text(encoding="utf-8").endswith("# mine\n")
    assert (other.code, other.error) == (1, "person.exists")
    assert [each["person"] for each in run("people", "list", "--json").json] == ["dana"]


@pytest.mark.parametrize("variable", AGENT_VARIABLES)
def test_an_agents_shell_is_refused(
    variable: str, environment: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """THREATS 11: an agent that installs Runplane itself would know the secret."""
    monkeypatch.setenv(variable, "1")
    refused = run(*SCRIPT, stdin=f"{DANAS}\n")

    assert (refused.code, refused.error) == (2, "settings.agent_environment")
    assert not environment.exists()


def test_without_a_terminal_the_person_must_be_named(environment: Path, run: Run) -> None:
    refused = run("init", "--json")

    assert (refused.code, refused.error) == (2, "usage.person_missing")
    assert not environment.exists()


@pytest.mark.parametrize(
    ("name", "secret", "code"),
    [
        ("Dana Smith", DANAS, "person.name"),
        ("dana\u202e", DANAS, "person.name"),
        ("dana", "short", "person.weak_secret"),
        ("dana", "", "person.secret_missing"),
    ],
)
def test_a_bad_name_or_secret_is_refused(name: str, secret: str, code: str, run: Run) -> None:
    refused = run("init", "--person", name, "--secret-stdin", "--json", stdin=f"{secret}\n")

    assert (refused.code, refused.error) == (1, code)


def test_a_refused_init_can_be_mended(run: Run) -> None:
    run("init", "--person", "dana", "--secret-stdin", stdin="short\n")

    assert run(*SCRIPT, stdin=f"{DANAS}\n").code == 0


def test_the_secret_is_nowhere_in_the_home_nor_on_the_screen(environment: Path, run: Run) -> None:
    """THREATS 23."""
    made = run(*SCRIPT, stdin=f"{DANAS}\n")

    assert DANAS not in made.out + made.err
    assert not [path for path in environment.rglob("*") if path.is_file() and DANAS.encode() in path.read_bytes()]


@pytest.mark.parametrize("client", ["claude-desktop", "claude-code", "cursor", "vscode"])
def test_every_client_gets_a_configuration_that_starts_from_any_folder(
    client: str, home: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIPE_API_KEY", "sk_test_not_to_be_written")
    said = run("init", "--client", client, "--json").json["client"]
    servers = said["configuration"]["servers" if client == "vscode" else "mcpServers"]
    server = servers["runplane"]

    assert said["file"]
    assert Path(server["command"]).is_absolute()
    assert server["args"][-3:] == ["mcp", "--agent", client]
    assert server["env"] == {"RUNPLANE_HOME": str(home)}
    assert "sk_test" not in json.dumps(said)


def test_the_configured_command_runs_with_hardly_any_environment(home: Path, run: Run) -> None:
    server = run("init", "--client", "cursor", "--simulator", "--json").json["client"]["configuration"]["mcpServers"]
    command, arguments = server["runplane"]["command"], server["runplane"]["args"]
    done = subprocess.run(
        [command, *arguments, "--help"], capture_output=True, text=True, timeout=30, env={"PATH": "/bin"}, check=False
    )

    assert "--simulator" in arguments
    assert done.returncode == 0
    assert "MCP" in done.stdout


def test_nothing_that_lies_in_the_agents_folder_is_imported_beside_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients start servers in the folder that the agent works in, and writes to."""
    elsewhere = tmp_path / "bin" / "python"
    elsewhere.parent.mkdir()
    elsewhere.symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(elsewhere))
    command = command_line(["--version"])
    (tmp_path / "typer.py").write_text("raise SystemExit('imported from the agent')", encoding="utf-8")
    packages = os.pathsep.join([str(CHECKOUT), *(path for path in sys.path if "site-packages" in path)])
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=30, cwd=tmp_path, env={"PYTHONPATH": packages}, check=False
    )

    assert command[0] == str(elsewhere)
    assert done.stdout.startswith("runplane ")


def test_on_a_terminal_three_questions_make_a_home(environment: Path, run: Run) -> None:
    child = pexpect.spawn(
        sys.executable, ["-m", "runplane_mcp", "init"], cwd=str(CHECKOUT), encoding="utf-8", timeout=20
    )
    child.expect("1. Your name")
    child.sendline("Dana!")
    child.expect("Use small letters")
    child.sendline("dana")
    child.expect("2. The group")
    child.sendline("")
    child.expect("3. A secret")
    child.expect("New secret for dana")
    child.sendline(DANAS)
    child.expect("The same again")
    child.sendline(DANAS)
    child.expect("The home is ready")
    child.expect(pexpect.EOF)
    child.close()

    assert child.exitstatus == 0
    assert run("people", "list", "--json").json[0]["groups"] == ["finance"]


def test_people_are_told_where_everything_is_and_what_to_try(environment: Path, run: Run) -> None:
    made = run("init", "--person", "dana", "--secret-stdin", "--client", "cursor", stdin=f"{DANAS}\n")

    for each in (str(environment), "policies.yaml", "Trial mode", "simulator", "mcpServers", "pi_ada_900"):
        assert each in made.out
