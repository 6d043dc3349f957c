"""Stripe's secret key, and the addresses it may be sent to. The key shows itself nowhere: not in errors, logs or reprs."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from runplane_mcp.errors import StripeError

STRIPE_BASE: Final = "https://api.stripe.com"

_KEY = re.compile(r"(?P<kind>sk|rk)_(?P<mode>test|live)_[A-Za-z0-9_]{8,247}")


class StripeKey:
    """A secret or restricted key of Stripe's. StripeError `stripe.key_malformed` for anything else."""

    __slots__ = ("_prefix", "_secret")

    def __init__(self, secret: str) -> None:
        matched = _KEY.fullmatch(secret.strip())
        if matched is None:
            raise StripeError("stripe.key_malformed", _what_it_is_instead(secret.strip()), next_step=_WHERE)
        self._secret = matched.group()
        self._prefix = f"{matched['kind']}_{matched['mode']}_"

    @property
    def livemode(self) -> bool:
        """Whether it is for real money, by its own prefix."""
        return "_live_" in self._prefix

    def reveal(self) -> str:
        """The key itself, for the Authorization header and nothing else."""
        return self._secret

    def __repr__(self) -> str:
        return f"StripeKey({self._prefix}…)"

    def __reduce__(self) -> tuple[object, ...]:
        # A key that could be pickled could be written somewhere by accident.
        raise TypeError("a Stripe key is not to be copied out of its process")


_WHERE = "Make a restricted key at https://dashboard.stripe.com/test/apikeys and set STRIPE_API_KEY to it."


def _what_it_is_instead(secret: str) -> str:
    if not secret:
        return "The Stripe key is empty."
    if secret.startswith("rk_runplane_"):
        return "This is an agent's token of Runplane, not a key of Stripe."
    if secret.startswith("pk_"):
        return "This is a publishable key; Runplane needs a secret or restricted one."
    return "This is not a key of Stripe: those begin with rk_test_, sk_test_, rk_live_ or sk_live_."


def checked_base(base: str, key: StripeKey) -> str:
    """The origin that requests go to. StripeError `stripe.base_refused` for any but Stripe's own, except loopback with a
    test or simulator key: whoever could point a real key elsewhere would have it."""
    if base == STRIPE_BASE:
        return base
    try:
        parts = urlsplit(base)
        port, host = parts.port, parts.hostname or ""
    except ValueError:
        raise _refused("is not an address") from None
    if parts.scheme not in {"http", "https"} or parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise _refused("is not the origin of a server")
    if parts.username is not None or parts.password is not None or not _loopback(host):
        raise _refused("is not on this machine")
    if key.livemode:
        raise _refused("is not Stripe, and this is a live key")
    name = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{name}" + (f":{port}" if port is not None else "")


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refused(why: str) -> StripeError:
    return StripeError(
        "stripe.base_refused",
        f"The address given for Stripe {why}.",
        next_step=f"Unset RUNPLANE_STRIPE_API_BASE to use {STRIPE_BASE}; only a test key may go to a loopback address.",
    )
