"""What a request may not carry: card and bank numbers, keys, passwords, identity numbers.

What runs is what was stored, shown and signed for, byte by byte, so a secret in a parameter would have to be stored, shown
and kept for as long as it could be repeated. It would also have gone through a model and its logs before it came here.
Stripe has a token for each of them, made where the secret is: `docs/adr/0008-no-secrets-in-parameters.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from runplane_mcp.core.redact import ALSO_OBJECTS, secret_name
from runplane_mcp.core.secret_text import secrets_in
from runplane_mcp.core.wire import Text
from runplane_mcp.errors import ParameterError

#: What it is, in words, and how to do without it.
_INSTEAD: Final[Mapping[str, tuple[str, str]]] = {
    "card": (
        "a card's number or code",
        "Let its owner enter the card on a page of Stripe's (a payment link, Checkout), then use the pm_… or tok_… id.",
    ),
    "bank": (
        "a bank account's number",
        "Let its owner enter the account on a page of Stripe's, then use the btok_…, ba_… or pm_… id.",
    ),
    "identity": (
        "somebody's identity number",
        "Let them enter it in Stripe's onboarding, or use an account or person token (ct_…, cpt_…).",
    ),
    "key": (
        "a key",
        "Leave it out. Tell the user that the key was shown to a model and should be rolled.",
    ),
    "client_secret": (
        "a secret of Stripe's",
        "Leave it out: with the company's own key no operation needs it.",
    ),
    "password": (
        "a password or a key",
        "Leave it out; a person enters it in Stripe's Dashboard.",
    ),
    "address": (
        "an address with a password, a token or a way in",
        "Give the address without it. Who receives from Stripe checks the signature instead.",
    ),
}
#: Parameters that are a secret under one path only: what an app hides, which is all that this operation is for, and what
#: a gift card is worth to whoever knows it.
_UNDER: Final = {"/v1/apps/secrets": ("payload", "password"), "/v1/gift_cards": ("number", "card")}


def refuse_secrets(path: str, parameters: Mapping[str, Text]) -> None:
    """ParameterError `parameter.secret` for the first secret among the parameters of an operation with this path template,
    by the name of the parameter or by the shape of what it holds. The value is never repeated."""
    under = _UNDER.get(path)
    for name, value in parameters.items():
        if under is not None and name == under[0]:
            raise _refusal(name, under[1])
        _look(name, value, name, "")


def _look(shown: str, value: Text, name: str, parent: str) -> None:
    """`shown` is the whole name of what holds `value`, as on the wire."""
    kind = secret_name(name, parent) if value else None  # "" removes what is there
    if kind is not None and not (name in ALSO_OBJECTS and isinstance(value, Mapping)):
        raise _refusal(shown, kind)
    if isinstance(value, str):
        found = secrets_in(value)
        if found:
            raise _refusal(shown, found[0][2])
    elif isinstance(value, Mapping):
        for inner, item in value.items():
            if secrets_in(inner):
                raise _refusal(shown, secrets_in(inner)[0][2])
            _look(f"{shown}[{inner}]", item, inner, name)
    else:
        for index, item in enumerate(value):
            _look(f"{shown}[{index}]", item, name, parent)


def _refusal(shown: str, kind: str) -> ParameterError:
    what, instead = _INSTEAD[kind]
    return ParameterError(
        "parameter.secret",
        f"`{shown[:80]}` holds {what}. Runplane carries none: what it sends, it stores and shows to people.",
        param=shown[:80],
        next_step=instead,
    )
