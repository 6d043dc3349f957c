"""Secrets out of everything that is stored, logged or shown: one component, by field name and by shape."""

from __future__ import annotations

import re
from collections.abc import Mapping

from runplane_mcp.core.canonical import Json

REDACTED = "[redacted]"
LEFT_OUT = "[nested too deep]"

#: Fields of Stripe's objects whose value opens something.
_SECRET_FIELDS = frozenset(
    "client_secret secret api_key access_token refresh_token ephemeral_key_secret signing_secret"
    " account_number cvc iban token_secret webhook_secret plaintext password".split()
)
_SECRET_SHAPES = re.compile(
    r"(?:sk|rk|pk)_(?:org_)?(?:live|test|runplane)_[A-Za-z0-9_]{4,}"  # API keys and our own agent tokens
    r"|whsec_[A-Za-z0-9+/=_]{4,}"  # webhook secrets
    r"|[a-z]{2,12}_[A-Za-z0-9_]{4,}_secret_[A-Za-z0-9_]{4,}"  # client secrets
    r"|ek_(?:live|test)_[A-Za-z0-9_]{4,}"
)
_DIGITS = re.compile(r"\b\d+(?:[ -]\d+)*\b")
#: No secret is shorter than this.
_SHORTEST = 10
#: Far beyond any object of Stripe's, expanded ones too, and far within what Python nests.
MOST_DEPTH = 64


def redact_text(text: str) -> str:
    """`text` with everything that has the shape of a secret replaced: keys, client secrets, card numbers."""
    if len(text) < _SHORTEST:
        return text
    return _DIGITS.sub(_without_card, _SECRET_SHAPES.sub(REDACTED, text))


def redact(value: object, depth: int = 0) -> Json:
    """A JSON value without its secrets: by field name, then by shape. Numbers with a fraction become text, since what is
    stored is hashed in a canonical form that has none. What nests without end is left out at some depth."""
    if depth > MOST_DEPTH:
        return LEFT_OUT
    if isinstance(value, Mapping):
        return {
            _text(str(name)): REDACTED if name in _SECRET_FIELDS and item not in (None, "") else redact(item, depth + 1)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [redact(item, depth + 1) for item in value]
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**53 else str(value)
    return str(value)


def _text(value: str) -> str:
    """Without secrets, and without half surrogate pairs, which could be neither stored nor sent on."""
    return redact_text(value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8"))


def _without_card(found: re.Match[str]) -> str:
    """Digits that hold a card number, replaced. Telephone and order numbers are as long; the first digit and the check
    digit tell them apart, mostly. Cards are often written in groups, and other numbers may stand before and after."""
    groups = re.split("[ -]", found.group())
    for first in range(len(groups)):
        if groups[first][0] not in "23456":
            continue
        digits = ""
        for group in groups[first:]:
            digits += group
            if len(digits) > 19:
                break
            if len(digits) >= 13 and _luhn(digits):
                return REDACTED
    return found.group()


def _luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812-1)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (1 + place % 2)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0
