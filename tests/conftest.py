"""What all tests share: properties without a time limit, and no setting of the person who runs them."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# How long an example takes says nothing on a machine that is busy with other things.
# A change is judged by the same examples each time; new ones are looked for where a person runs the tests.
settings.register_profile("runplane", deadline=None, derandomize=bool(os.environ.get("CI")))
#: The normal tests look at fewer examples where a property does not say how many; `scripts/test --all` looks at all.
settings.register_profile("quick", settings.get_profile("runplane"), max_examples=50)
settings.load_profile("runplane")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("markexpr") == "not slow":
        settings.load_profile("quick")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key or home of the person at the machine must not reach a test."""
    for name in list(os.environ):
        if name.startswith("RUNPLANE_") and name != "RUNPLANE_GOLDEN":
            monkeypatch.delenv(name)
    monkeypatch.delenv("STRIPE_API_KEY", raising=False)
