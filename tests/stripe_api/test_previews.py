"""Previews leave under Stripe's version for previews, and nothing else of a request is another for it."""

from __future__ import annotations

from runplane_mcp.core.sending import PREVIEW_VERSION
from runplane_mcp.core.wire import encode
from tests.stripe_api.conftest import Recorder
from tests.stripe_api.test_client import connected

WIRE = encode("POST", "/v1/refunds", {"charge": "ch_1"})


async def test_a_preview_leaves_under_the_version_of_the_previews(recorder: Recorder) -> None:
    async with connected(recorder) as connection:
        await connection.send(WIRE, idempotency_key="rp_1", version=PREVIEW_VERSION)
        first, headers, body = recorder.sent()

    assert headers["stripe-version"] == PREVIEW_VERSION == "2026-10-28.preview"
    assert (first, body) == (f"POST {WIRE.url} HTTP/1.1", WIRE.body)
