"""`scripts/catalog`: a newer list of Stripe's operations is taken over whole, in one form, and what changed is said."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from runplane_mcp.core.catalog import PUBLISHED, load
from scripts.operations import DATA, PAGE, Unusable, main, normal_form
from scripts.review import page_of

ROOT = Path(__file__).parents[1]
PRESENT = (DATA / PUBLISHED).read_text(encoding="utf-8")


def document() -> Any:
    return json.loads(PRESENT)


def row(published: Any, operation_id: str) -> Any:
    return next(each for each in published["operations"] if each["operation_id"] == operation_id)


@pytest.fixture
def taken(tmp_path: Path) -> Path:
    """A copy of the package's file, to be written."""
    path = tmp_path / "operations.json"
    path.write_text(PRESENT, encoding="utf-8")
    return path


def take(published: Any, into: Path, *more: str) -> int:
    path = into.parent / "published.json"
    path.write_text(json.dumps(published), encoding="utf-8")
    return main([str(path), "--into", str(into), *more])


def test_the_packages_file_is_its_own_normal_form() -> None:
    assert normal_form(document()["meta"], document()) == PRESENT


@pytest.mark.slow
def test_hosts_and_layout_are_ours_whatever_the_list_writes(taken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    published = document()
    names = {"api": "api.stripe.com", "connect": "connect.stripe.com", "meter_events": "meter-events.stripe.com"}
    for each in published["operations"]:
        each["host"] = names.get(each["host"], each["host"])

    assert take(published, taken) == 0
    assert taken.read_text(encoding="utf-8") == PRESENT
    assert "0 differences" in capsys.readouterr().out


def test_what_is_new_gone_and_changed_is_said_and_written(taken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    published = document()
    published["meta"] = {"source": "the list of next year"}
    refund = row(published, "PostRefunds")
    del refund["params"]["origin"]
    refund["params"] |= {"amount": "string", "purpose": "string"}
    refund["required"] = ["purpose"]
    row(published, "PostGiftCards")["availability"] = "legacy_alias"
    published["operations"].remove(row(published, "PostFxQuotes"))
    new = {**row(published, "PostGiftCards"), "path": "/v1/gifts", "operation_id": "PostGifts"}
    published["operations"].append(new)

    assert take(published, taken) == 0
    said = capsys.readouterr().out
    assert "- POST /v1/fx_quotes (PostFxQuotes)\n" in said
    assert "+ POST /v1/gifts (PostGifts): gift.create, not judged\n" in said
    assert (
        "~ POST /v1/refunds (PostRefunds): amount is string, was integer, no longer takes origin, takes purpose (string), "
        "needs purpose. Judged: look at its judgement again.\n"
    ) in said
    assert "~ POST /v1/gift_cards (PostGiftCards): availability private_preview → legacy_alias.\n" in said
    assert "The list says of itself: the list of next year" in said
    written = json.loads(taken.read_text(encoding="utf-8"))
    assert written["operations"] == published["operations"]
    assert written["meta"] == document()["meta"]


def test_the_page_for_reviewers_is_what_the_catalog_says() -> None:
    """`scripts/catalog` writes it anew."""
    assert PAGE.read_text(encoding="utf-8") == page_of(load())


def test_a_dry_run_writes_nothing(taken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    published = document()
    published["operations"].remove(row(published, "PostFxQuotes"))

    assert take(published, taken, "--dry-run") == 0
    assert "- POST /v1/fx_quotes" in capsys.readouterr().out
    assert taken.read_text(encoding="utf-8") == PRESENT


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"host": "evil.example"}, "on a host that nobody here knows"),
        ({"method": "PATCH"}, "no method and path"),
        ({"path": "v1/refunds"}, "no method and path"),
        ({"params": {"amount": "money"}}, "types that nobody here knows"),
        ({"params": {"amount": {"type": "integer"}}}, "types that nobody here knows"),
        ({"danger": True}, "what nobody here knows: danger"),
        ({"path": "/v1/payouts"}, "stands in it twice"),
        ({"alias_of": "POST /v1/nothing"}, "an alias of POST /v1/nothing, which is not in it"),
        ({"operation_id": "PostRefundsNew"}, "judged, but no operation of its own: PostRefunds"),
    ],
)
def test_a_list_that_cannot_be_right_is_refused_and_nothing_is_written(
    taken: Path, change: dict[str, Any], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    published = document()
    row(published, "PostRefunds").update(change)

    assert take(published, taken) == 1
    assert complaint in capsys.readouterr().err
    assert taken.read_text(encoding="utf-8") == PRESENT


@pytest.mark.parametrize("published", [{}, {"operations": []}, {"operations": "all"}, {"operations": [{}]}, [], None])
def test_what_is_no_list_is_refused(taken: Path, published: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert take(published, taken) == 1
    assert "nothing was written" in capsys.readouterr().err


def test_an_operation_that_says_too_little_is_named_by_its_place() -> None:
    with pytest.raises(Unusable, match="operation 0 lacks"):
        normal_form({}, {"operations": [{"method": "GET"}]})


@pytest.mark.slow
def test_the_script_finds_the_list_from_any_folder(taken: Path) -> None:
    done = subprocess.run(
        [ROOT / "scripts" / "catalog", taken.name, "--dry-run"],
        cwd=taken.parent,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert "0 differences" in done.stdout
