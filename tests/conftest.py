"""What all tests share: properties without a time limit, and no setting of the person who runs them."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# How long an example takes says nothing on a machine that is busy with other things.
settings.register_profile("runplane", deadline=None)
settings.load_profile("runplane")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key or home of the person at the machine must not reach a test."""
    for name in list(os.environ):
        if name.startswith("RUNPLANE_") and name != "RUNPLANE_GOLDEN":
            monkeypatch.delenv(name)
    monkeypatch.delenv("STRIPE_API_KEY", raising=False)
