"""What Runplane does not talk to is refused before anybody is asked, and whatever looking told."""

from __future__ import annotations

import pytest

from runplane_mcp.core.catalog import load
from runplane_mcp.core.describe import example_of
from runplane_mcp.core.effects import effect_of, unknown_effect
from runplane_mcp.core.operation import Operation
from runplane_mcp.core.sending import API_VERSION, PREVIEW_VERSION, unsendable, version_of
from runplane_mcp.core.wire import encode

CATALOG = load()
ELSEWHERE = [each for each in CATALOG.operations if each.host != "api"]


def test_what_is_at_the_api_s_own_address_can_be_sent() -> None:
    refused = {each.operation_id for each in CATALOG.operations if unsendable(each) is not None}

    assert refused == {each.operation_id for each in ELSEWHERE}
    assert {each.host for each in ELSEWHERE} == {"connect", "files", "meter_events"}


def test_previews_are_sent_under_their_own_version() -> None:
    for each in CATALOG.operations:
        assert (version_of(each) == PREVIEW_VERSION) == each.availability.endswith("_preview")
        assert version_of(each) in {API_VERSION, PREVIEW_VERSION}


@pytest.mark.parametrize("operation", ELSEWHERE, ids=lambda each: each.operation_id)
def test_an_effect_at_another_address_is_a_refusal(operation: Operation) -> None:
    classified = CATALOG.classify(encode(operation.method, operation.path, example_of(CATALOG, operation)))

    for effect in (effect_of(classified, {}), unknown_effect(classified)):
        assert effect.refusal is not None
        assert effect.refusal.code == "operation.host"
