"""Expansions that bring a secret into the answer: `expand` in v1, `include` in /v2.

Stripe leaves some fields out unless they are asked for by name, since whoever has them can pay, log in or pass for
somebody. Asking for them is asking for access, whatever the request is otherwise.
Sources: https://docs.stripe.com/expand, https://docs.stripe.com/issuing/cards/virtual,
https://docs.stripe.com/identity/access-verification-results, and the response types of stripe-python 16.1, all of whose
fields were looked through for this list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

#: Fields by the last or any other step of a path, reviewed by hand. What is called a secret or a password is one anyway.
SECRET_NAMES: Final = frozenset(
    [
        # A card of Issuing: with these anybody pays.
        *("number", "cvc", "pin"),
        # Accounts: with these anybody debits.
        *("account_number", "account_numbers", "iban", "sort_code", "aba", "bank_account_token"),
        # Keys, and what a browser pays, signs up or connects with.
        *("api_key", "access_token", "refresh_token", "authentication_token", "client_token", "credential"),
        *("credentials", "private_key", "private_key_file", "signing_key"),
        # The secret store of apps.
        *("payload", "plaintext"),
        # Identity: what a person's documents say.
        *("verified_outputs", "id_number", "id_numbers", "dob", "expiration_date", "ssn"),
    ]
)
#: Objects of which any included part may be its secret: `webhook_endpoint.signing_secret`.
_HOLDERS: Final = frozenset({"webhook_endpoint"})
_HARMLESS: Final = frozenset({"webhook_endpoint.url"})
_TOLD_BY_NAME: Final = ("secret", "password", "passphrase")
#: The parameters that ask for more than the answer usually holds.
_ASKING: Final = ("expand", "include")


def secret_expansions(parameters: Mapping[str, object]) -> tuple[str, ...]:
    """The paths among `expand` and `include` that bring a secret, sorted; empty where there are none.

    Takes parameters as an agent sent them or as they read on the wire, of whatever shape: what is no list of texts is
    refused elsewhere, and until then the texts in it count.
    """
    found = {
        path
        for name in _ASKING
        if (asked := parameters.get(name)) is not None
        for path in _texts(asked)
        if _is_secret(path)
    }
    return tuple(sorted(found))


def _is_secret(path: str) -> bool:
    lower = path.lower()
    if lower in _HARMLESS:
        return False
    steps = lower.split(".")
    return (
        not SECRET_NAMES.isdisjoint(steps)
        or not _HOLDERS.isdisjoint(steps)
        or any(word in lower for word in _TOLD_BY_NAME)
    )


def _texts(value: object) -> Iterator[str]:
    """Every text in a value; iteratively, for it may be nested as deep as its sender likes."""
    left = [value]
    while left:
        item = left.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, Mapping):
            left.extend(item.values())
        elif isinstance(item, list | tuple):
            left.extend(item)
