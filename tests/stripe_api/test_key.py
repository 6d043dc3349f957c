"""Stripe's key and where it may go. THREATS rows 20 (the base address pointed elsewhere), 21 (a live key where test was
meant) and 23 (keys in errors and reprs)."""

from __future__ import annotations

import copy
import pickle

import pytest

from runplane_mcp.errors import StripeError
from runplane_mcp.stripe_api.client import StripeConnection
from runplane_mcp.stripe_api.key import STRIPE_BASE, StripeKey, checked_base

TEST = "sk_test_51AbCdEfGhIjKl"
LIVE = "rk_live_51AbCdEfGhIjKl"


@pytest.mark.parametrize(
    ("secret", "livemode"),
    [
        (TEST, False),
        ("rk_test_51AbCdEfGhIjKl", False),
        (LIVE, True),
        ("sk_live_51AbCdEfGhIjKl", True),
        (f" {TEST}\n", False),
    ],
)
def test_a_key_says_whether_it_is_for_real_money(secret: str, livemode: bool) -> None:
    key = StripeKey(secret)

    assert (key.livemode, key.reveal()) == (livemode, secret.strip())


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "sk_test_",
        "sk_test_short",
        "pk_test_51AbCdEfGhIjKl",
        "rk_runplane_51AbCdEfGhIjKl",
        "sk_prod_51AbCdEfGhIjKl",
        "SK_TEST_51AbCdEfGhIjKl",
        "sk_test_51AbCd EfGhIjKl",
        "sk_test_51AbCd\r\nX-Evil: 1",
        "Bearer sk_test_51AbCdEfGhIjKl",
        "sk_test_51AbCdEfGhIjKl; sk_live_51AbCdEfGhIjKl",
        "sk_test_" + "x" * 300,
    ],
)
def test_what_is_no_key_is_refused_without_being_shown(secret: str) -> None:
    with pytest.raises(StripeError) as caught:
        StripeKey(secret)

    assert caught.value.code == "stripe.key_malformed"
    assert "51AbCd" not in str(caught.value)
    assert caught.value.next_step


def test_a_key_shows_itself_nowhere() -> None:
    key, connection = StripeKey(TEST), StripeConnection(TEST)

    for shown in (repr(key), str(key), f"{key}", f"{key!r:>40}", repr(connection), str(vars(connection))):
        assert "51AbCd" not in shown
    for leak in (lambda: pickle.dumps(key), lambda: copy.copy(key)):
        with pytest.raises(TypeError):
            leak()


@pytest.mark.parametrize(
    ("base", "origin"),
    [
        (STRIPE_BASE, STRIPE_BASE),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("https://localhost:8443", "https://localhost:8443"),
    ],
)
def test_a_test_key_may_go_to_stripe_or_stay_on_this_machine(base: str, origin: str) -> None:
    assert checked_base(base, StripeKey(TEST)) == origin


@pytest.mark.parametrize(
    "base",
    [
        "https://api.stripe.com.evil.example",
        "https://api.stripe.com@evil.example",
        "https://api.stripe.com/",
        "http://api.stripe.com",
        "https://evil.example",
        "http://127.0.0.1.evil.example",
        "http://user:pass@127.0.0.1:8080",
        "http://127.0.0.1:8080/v1",
        "http://127.0.0.1:8080?a=b",
        "http://127.0.0.1:8080#a",
        "http://127.0.0.1:99999",
        "http://0.0.0.0:8080",
        "http://10.0.0.1",
        "http://2130706433",
        "http://localhost.evil.example",
        "http://[::1",
        "ftp://127.0.0.1",
        "file:///etc/passwd",
        "127.0.0.1:8080",
        "",
    ],
)
def test_no_key_goes_anywhere_else(base: str) -> None:
    with pytest.raises(StripeError) as caught:
        StripeConnection(TEST, base=base)

    assert caught.value.code == "stripe.base_refused"


@pytest.mark.parametrize("base", ["http://127.0.0.1:8080", "http://[::1]", "http://localhost"])
def test_a_live_key_goes_to_stripe_alone(base: str) -> None:
    with pytest.raises(StripeError) as caught:
        StripeConnection(LIVE, base=base)

    assert caught.value.code == "stripe.base_refused"
    assert StripeConnection(LIVE).key_livemode
    assert StripeConnection(LIVE).target == "stripe"


def test_a_stand_in_is_never_called_stripe() -> None:
    assert StripeConnection(TEST, base="http://127.0.0.1:8080/").target == "http://127.0.0.1:8080"
    assert StripeConnection(TEST, base="http://127.0.0.1:8080", target="simulator:1").target == "simulator:1"
