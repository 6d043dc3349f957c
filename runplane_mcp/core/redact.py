"""Secrets out of everything that is stored, logged or shown: one component, by field name and by shape."""

from __future__ import annotations

import re
from collections.abc import Mapping

from runplane_mcp.core.canonical import Json

REDACTED = "[redacted]"

#: Fields of Stripe's objects whose value opens something.
_SECRET_FIELDS = frozenset(
    "client_secret secret api_key access_token refresh_token ephemeral_key_secret signing_secret"
    " account_number number cvc iban token_secret webhook_secret plaintext password".split()
)
_SECRET_SHAPES = re.compile(
    r"(?:sk|rk|pk)_(?:live|test|runplane)_[A-Za-z0-9_]{4,}"  # API keys and our own agent tokens
    r"|whsec_[A-Za-z0-9+/=_]{4,}"  # webhook secrets
    r"|(?:pi|seti|cs)_[A-Za-z0-9_]{4,}_secret_[A-Za-z0-9_]{4,}"  # client secrets
    r"|ek_(?:live|test)_[A-Za-z0-9_]{4,}"
    r"|\b(?:\d[ -]?){13,19}\b"  # card numbers
)


def redact_text(text: str) -> str:
    """`text` with everything that has the shape of a secret replaced."""
    return _SECRET_SHAPES.sub(REDACTED, text)


def redact(value: object) -> Json:
    """A JSON value without its secrets: by field name, then by shape. Numbers with a fraction become text, since what is
    stored is hashed in a canonical form that has none."""
    if isinstance(value, Mapping):
        return {
            str(name): REDACTED if str(name) in _SECRET_FIELDS and item not in (None, "") else redact(item)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [redact(item) for item in value]
    if isinstance(value, str):
        return redact_text(value.encode("utf-8", "replace").decode("utf-8"))
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**53 else str(value)
    return str(value)
