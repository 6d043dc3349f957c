"""Bank accounts, old cards and the one-time tokens that stand for either.

Source: https://docs.stripe.com/connect/testing and https://docs.stripe.com/testing. The number of a bank account or card
goes in and never comes out again: only its last four digits do.
"""

from __future__ import annotations

import hashlib

from runplane_mcp.simulator.objects import Obj, Params, new_id
from runplane_mcp.simulator.parameters import Raw, Reader, currency, mapping, one_of, text, word
from runplane_mcp.simulator.refusal import Refusal, invalid, missing
from runplane_mcp.simulator.resources.cards import CARD_TOKENS, Card, card_of_number
from runplane_mcp.simulator.transaction import Transaction

#: Currency, country, routing number and last four digits behind Stripe's test tokens of bank accounts.
_BANK_TOKENS = {
    "btok_us_verified": ("usd", "US", "110000000", "6789"),
    "btok_us": ("usd", "US", "110000000", "4321"),
}
_HOLDER = one_of("", "company", "individual")
_BANK: dict[str, Reader] = {
    "account_holder_name": text,
    "account_holder_type": _HOLDER,
    "account_number": word,
    "account_type": one_of("checking", "futsu", "savings", "toza"),
    "country": word,
    "currency": currency,
    "routing_number": word,
}
_CARD: dict[str, Reader] = {
    **dict.fromkeys(("address_city", "address_country", "address_line1", "address_state", "address_zip"), text),
    **dict.fromkeys(("cvc", "name"), text),
    **dict.fromkeys(("exp_month", "exp_year", "number"), word),
    "currency": currency,
}
BANK_DATA = mapping(_BANK, ("account_number", "country"))
CARD_DATA = mapping(_CARD, ("exp_month", "exp_year", "number"))


def token_or_data(value: Raw, name: str) -> str | Params:
    """A token, or a hash that says by `object` what it describes."""
    if isinstance(value, str):
        return word(value, name)
    rest = {key: inner for key, inner in value.items() if key != "object"}
    kind = one_of("bank_account", "card")(value.get("object", ""), f"{name}[object]")
    read: Params = (BANK_DATA if kind == "bank_account" else CARD_DATA)(rest, name)
    return {**read, "object": kind}


def bank_account_object(id: str, *, account: str | None, currency: str, country: str, bank: str, last4: str) -> Obj:
    return {
        "id": id,
        "object": "bank_account",
        "account": account,
        "account_holder_name": None,
        "account_holder_type": "company",
        "account_type": None,
        "available_payout_methods": ["standard", "instant"],
        "bank_name": bank,
        "country": country,
        "currency": currency,
        "default_for_currency": True,
        "fingerprint": f"bank{last4}{currency}",
        "last4": last4,
        "metadata": {},
        "routing_number": "110000000" if country == "US" else None,
        "status": "verified",
    }


def card_object(id: str, *, card: Card, name: str | None = None) -> Obj:
    """A card as it was kept before there were payment methods."""
    return {
        "id": id,
        "object": "card",
        "address_city": None,
        "address_country": None,
        "address_line1": None,
        "address_line1_check": None,
        "address_line2": None,
        "address_state": None,
        "address_zip": None,
        "address_zip_check": None,
        "brand": {"visa": "Visa", "mastercard": "MasterCard", "amex": "American Express"}[card.brand],
        "country": card.country,
        "cvc_check": "pass",
        "dynamic_last4": None,
        "exp_month": 8,
        "exp_year": 2029,
        "fingerprint": card.fingerprint,
        "funding": card.funding,
        "last4": card.last4,
        "metadata": {},
        "name": name,
        "tokenization_method": None,
    }


def from_token_or_data(tx: Transaction, given: str | Params, param: str) -> Obj:
    """The bank account or card that a token or a hash describes: not stored, without `account` and `customer`."""
    if isinstance(given, dict):
        return bank_from(given, param) if given["object"] == "bank_account" else card_from(given, param)
    if given in CARD_TOKENS:
        return card_object(new_id("card"), card=CARD_TOKENS[given])
    if given in _BANK_TOKENS:
        code, country, routing, last4 = _BANK_TOKENS[given]
        return _bank(code, country, routing, last4)
    return spend(tx, given, None, param)


def bank_from(given: Params, param: str) -> Obj:
    """A bank account from its number. One in the US needs a routing number, any other that is no IBAN too."""
    number, country = given["account_number"].replace(" ", ""), given["country"].upper()
    if len(country) != 2 or not number.isalnum() or not 4 <= len(number) <= 34:
        raise invalid("That is not the number of a bank account.", f"{param}[account_number]", "account_number_invalid")
    routing = given.get("routing_number")
    if country == "US" and (routing is None or len(routing) != 9 or not routing.isdecimal()):
        raise invalid("A routing number has nine digits.", f"{param}[routing_number]", "routing_number_invalid")
    if "currency" not in given:
        raise invalid(f"'{param}[currency]' is needed.", f"{param}[currency]", "parameter_missing")
    bank = _bank(given["currency"], country, routing, number[-4:], number)
    bank["account_holder_name"] = given.get("account_holder_name") or None
    bank["account_holder_type"] = given.get("account_holder_type") or None
    bank["account_type"] = given.get("account_type")
    return bank


def card_from(given: Params, param: str) -> Obj:
    """An old card from its number, which must be one of Stripe's test cards."""
    card = card_of_number(given["number"].replace(" ", ""), f"{param}[number]")
    made = card_object(new_id("card"), card=card, name=given.get("name") or None)
    if "currency" in given:
        made["currency"] = given["currency"]
    return made


def spend(tx: Transaction, id: str, kind: str | None, param: str) -> Obj:
    """What a token stands for. It serves once."""
    token = tx.find(id)
    if token is None or token["object"] != "token" or (kind is not None and token["type"] != kind):
        raise missing("token", id, param)
    if token["used"]:
        raise Refusal(f"The token {id} was used already.", code="token_already_used", param=param)
    token["used"] = True
    tx.save(token)
    held: Obj = token[token["type"]]
    return held


def _bank(code: str, country: str, routing: str | None, last4: str, number: str = "") -> Obj:
    bank = bank_account_object(
        new_id("ba"), account=None, currency=code, country=country, bank="STRIPE TEST BANK", last4=last4
    )
    fingerprint = hashlib.sha256(f"{country}{routing}{number or last4}".encode()).hexdigest()[:16]
    bank.update(routing_number=routing, fingerprint=fingerprint, status="new", default_for_currency=False)
    return bank
