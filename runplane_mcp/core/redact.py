"""Secrets out of everything that is stored, logged or shown: one component. It decides by the name of a field, by the kind
of object it stands in, and by the shape of a text (`core/secret_text.py`).

What Stripe's objects hold that opens something, or belongs to a person's identity, was read off the types of Stripe's own
SDK. Routing numbers, sort codes and last digits are printed on invoices and stay; Stripe's tokens (`tok_…`, `btok_…`,
`pm_…`) are ids: without the company's key they open nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from runplane_mcp.core.canonical import Json
from runplane_mcp.core.secret_text import REDACTED, without_secrets

__all__ = [
    "ALSO_OBJECTS",
    "LEFT_OUT",
    "MOST_DEPTH",
    "REDACTED",
    "WITHHELD",
    "delivered",
    "redact",
    "redact_text",
    "secret_name",
    "withheld",
]

#: What stands in place of a field that holds a secret. `[redacted]` stands in the middle of texts.
WITHHELD: Final = "[secret, not kept]"
LEFT_OUT: Final = "[nested too deep]"
#: Far beyond any object of Stripe's, expanded ones too, and far within what Python nests.
MOST_DEPTH: Final = 64

#: Fields whose value is a secret wherever they stand, by what it is.
_FIELDS: Final[Mapping[str, str]] = {
    name: kind
    for kind, names in {
        "client_secret": """client_secret secret signing_secret webhook_secret token_secret ephemeral_key_secret
            client_token persistent_token authentication_token auth_code""",
        "key": "api_key access_token refresh_token private_key secret_key plaintext connection_token",
        "password": "password passwd passphrase passcode admin_menu_passcode private_key_file_password",
        "card": """cvc cvv cvv2 pan card_number encrypted_number pin pin_block cryptogram application_cryptogram
            emv_auth_data track_1 track_2 track1 track2""",
        "bank": """account_number bank_account_number iban refund_iban sender_iban clabe sender_account_number
            refund_account_number""",
        "identity": """id_number id_number_secondary ssn ssn_last_4 ssn_last4 personal_id_number social_security_number
            national_id""",
    }.items()
    for name in names.split()
}
#: Fields that are somebody's own, and no secret that anybody uses: out of what is shown, but Stripe may be told them.
_PERSONAL: Final = frozenset("dob date_of_birth birth_date dob_day dob_month dob_year unparsed_place_of_birth".split())
_ENDINGS: Final = ("_secret", "_password", "_passcode", "_api_key", "_private_key", "_secret_key", "_account_number")
#: What only ends like one: the tax office's number of an employer.
_NOT_SECRET: Final = frozenset({"tax_deduction_account_number"})
#: Names that are harmless elsewhere, by the `object` of what they stand in.
_BY_KIND: Final[Mapping[str, frozenset[str]]] = {
    kind: frozenset(names.split())
    for kind, names in {
        "account_link": "url",
        "apps.secret": "payload",
        "billing_portal.session": "url",
        "file_link": "url",
        "identity.verification_session": "url",
        "issuing.card": "number",
        "login_link": "url",
        "terminal.onboarding_link": "redirect_url",
        "v2.core.account_link": "url",
    }.items()
}
#: The same, by the name of what they stand in.
_INSIDE: Final[Mapping[str, tuple[frozenset[str], str]]] = {
    parent: (frozenset(names.split()), kind)
    for parent, (names, kind) in {
        "card": ("number", "card"),
        "card_present": ("number", "card"),
        "document": ("number", "identity"),
        "download_url": ("url", "address"),
        "external_account": ("number", "card"),
        "headers": ("value", "key"),
        "id_number": ("value", "identity"),
        "id_numbers": ("value", "identity"),
        "interac_present": ("number", "card"),
        "pin": ("code encrypted_number number value", "card"),
        # Of an event: the key that Runplane sent, which no agent is told.
        "request": ("idempotency_key", "key"),
        "upload_url": ("url", "address"),
    }.items()
}
#: What holds more than a secret where it is an object: `pin: {status}`.
ALSO_OBJECTS: Final = frozenset({"confirmation_secret", "id_number", "pin"})
#: Where the catalog says that an answer carries a secret, a field of such a name is held to be it, known or not.
_SUSPECT = re.compile(r"secret|token|passw|passcode|credential|plaintext|payload|(?:^|_)key$")
_NO_SUSPECT: Final = frozenset(
    {"idempotency_key", "lookup_key", "confirmation_secret", "event_payload", "event_payload_key"}
)
#: Longer names are not remembered: they are none of Stripe's, and an agent could fill the memory with them.
_LONG: Final = 80
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def redact_text(text: str) -> str:
    """`text` with everything that has the shape of a secret replaced: keys, client secrets, card and bank numbers."""
    return without_secrets(text)


def redact(value: object, *, opens: bool = False) -> Json:
    """A JSON value without its secrets: by field, then by shape. Numbers with a fraction become text, since what is stored
    is hashed in a canonical form that has none. What nests without end is left out at some depth. Never raises, and
    doing it twice changes nothing. `opens`: the catalog says that it carries a secret, so names are read more widely."""
    return _Walk(keep_fields=False, opens=opens).of(value, "", "", 0)


def delivered(value: object, *, opens: bool = False, own: bool = False) -> Json:
    """The same for whoever made the call that a secret answers: what stands in a secret's own field stays, once. What only
    looks like a secret, in somebody's text, goes. `own`: so do the secrets of other objects that the answer was expanded
    by."""
    return _Walk(keep_fields=True, opens=opens, own=own).of(value, "", "", 0)


def withheld(value: object, depth: int = 0, *, own: bool = False) -> bool:
    """Whether a secret was taken out of a field of `value`, with `own` of one that is no field of another object in it."""
    if depth > MOST_DEPTH:
        return False
    if isinstance(value, Mapping):
        other = own and depth and isinstance(value.get("id"), str)
        return not other and any(withheld(item, depth + 1, own=own) for item in value.values())
    if isinstance(value, list | tuple):
        return any(withheld(item, depth + 1, own=own) for item in value)
    return value == WITHHELD


def secret_name(name: str, parent: str = "") -> str | None:
    """Of what kind the secret is that a field of this name holds, in an object or list of the name `parent`; None where it
    holds none. However it is spelled: `accountNumber` and `card[number]` are names that agents send."""
    if "[" in name:
        # `card[number]`, and `card[number][]`.
        *outer, name = [each.rstrip("]") for each in name.split("[") if each != "]"]
        parent = outer[-1] if outer else parent
    plain = _plain(name)
    inside = _INSIDE.get(_plain(parent))
    if inside is not None and plain in inside[0]:
        return inside[1]
    if plain in _FIELDS:
        # What a company calls an account number of its own is no bank's.
        return None if plain == "account_number" and parent == "metadata" else _FIELDS[plain]
    return "password" if plain.endswith(_ENDINGS) and plain not in _NOT_SECRET else None


@lru_cache(maxsize=1024)
def _short_plain(name: str) -> str:
    return _WORD.sub("_", name).lower().replace("-", "_").replace(" ", "_").strip("_")


def _plain(name: str) -> str:
    """A name as Stripe would write it."""
    return _short_plain(name) if len(name) < _LONG else _short_plain.__wrapped__(name)


class _Walk:
    """One walk through a value. `keep_fields`: what a secret's own field holds stays; with `own`, only where it is no
    field of another object, one with an id of its own."""

    __slots__ = ("_keep_fields", "_opens", "_own")

    def __init__(self, *, keep_fields: bool, opens: bool, own: bool = False) -> None:
        self._keep_fields, self._opens, self._own = keep_fields, opens, own

    def of(self, value: object, name: str, parent: str, depth: int) -> Json:
        """`name` is that of the field which holds `value`, for the items of a list that of the list; `parent` the one
        around it."""
        if isinstance(value, str):
            return _text(value)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            return _number(value)
        if depth > MOST_DEPTH:
            return LEFT_OUT
        if isinstance(value, Mapping):
            return self._object(value, name, depth)
        if isinstance(value, list | tuple):
            return [self.of(item, name, parent, depth + 1) for item in value]
        return _text(str(value))

    def _object(self, value: Mapping[object, object], name: str, depth: int) -> dict[str, Json]:
        if self._own and depth and isinstance(value.get("id"), str):
            return _Walk(keep_fields=False, opens=self._opens)._object(value, name, depth)
        kind = value.get("object")
        by_kind = _BY_KIND.get(kind, frozenset()) if isinstance(kind, str) else frozenset()
        # `{"name": "Authorization", "value": …}`: the name of the secret is a value itself.
        named = value.get("name", value.get("key")) if "value" in value else None
        told = isinstance(named, str) and _names_secret(named)
        kept: dict[str, Json] = {}
        for field, item in value.items():
            field = str(field)
            shown, holds, suspect = _cached_field(field, name) if len(field) < _LONG else _field(field, name)
            secret = (
                (holds == _SECRET and not (isinstance(item, Mapping) and _plain(field) in ALSO_OBJECTS))
                or field in by_kind
                or (told and field == "value")
                or (self._opens and suspect and isinstance(item, str | int))
            )
            if holds == _OWN:
                kept[shown] = _emptied(item, REDACTED, depth + 1)
            elif not secret:
                kept[shown] = self.of(item, field, name, depth + 1)
            elif self._keep_fields:
                kept[shown] = _as_it_is(item, depth + 1)
            else:
                kept[shown] = _emptied(item, WITHHELD, depth + 1)
        return kept


def _field(field: str, parent: str) -> tuple[str, int, bool]:
    """A field's name as it may be shown, what the field holds, and whether it would be suspect in a secret's answer."""
    plain = _plain(field)
    holds = _OWN if plain in _PERSONAL else _SECRET if secret_name(field, parent) is not None else _NOTHING
    return _text(field), holds, _SUSPECT.search(plain) is not None and plain not in _NO_SUSPECT


_NOTHING, _OWN, _SECRET = range(3)
_cached_field = lru_cache(maxsize=4096)(_field)


def _names_secret(name: str) -> bool:
    return secret_name(name) is not None or _plain(name) in {"authorization", "cookie"}


def _emptied(value: object, mark: str, depth: int) -> Json:
    """What a secret field holds, without anything that says something: an object stays one, for whoever reads it."""
    if value is None or isinstance(value, bool):
        return value
    if value == "":
        return ""
    if depth > MOST_DEPTH:
        return LEFT_OUT
    if isinstance(value, Mapping):
        return {_text(str(name)): _emptied(item, mark, depth + 1) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_emptied(item, mark, depth + 1) for item in value]
    return mark


def _as_it_is(value: object, depth: int) -> Json:
    """A JSON value as it came, in what can be written down and sent on."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _writable(value)
    if depth > MOST_DEPTH:
        return LEFT_OUT
    if isinstance(value, Mapping):
        return {_writable(str(name)): _as_it_is(item, depth + 1) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_it_is(item, depth + 1) for item in value]
    return value if isinstance(value, int) and abs(value) < 2**53 else str(value)


def _text(value: str) -> str:
    return without_secrets(_writable(value))


def _writable(value: str) -> str:
    """Without half surrogate pairs, which could be neither stored nor sent on."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")


def _number(value: int) -> Json:
    """A whole number; a card's number is one, too. No amount and no time of Stripe's is as long as those."""
    if abs(value) < 10**12:
        return value
    try:
        written = str(value)
    except ValueError:
        return REDACTED  # thousands of digits: Python itself refuses to write them down
    shown = without_secrets(written)
    return value if shown == written and abs(value) < 2**53 else shown
