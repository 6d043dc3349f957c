"""What a payment carries besides its amount: who gets a part of it, on whose behalf, and the words on it."""

from __future__ import annotations

from collections.abc import Mapping

from runplane_mcp.simulator.objects import Obj, Params, merge_metadata
from runplane_mcp.simulator.parameters import Raw, Reader, integer, mapping, metadata, positive, text, word
from runplane_mcp.simulator.refusal import Refusal, invalid, missing
from runplane_mcp.simulator.transaction import Transaction

_ADDRESS = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"), text)


def natural(value: Raw, name: str) -> int:
    """A whole number that is not below zero."""
    given = integer(value, name)
    if given < 0:
        raise invalid(f"'{name}' may not be below zero.", name, "parameter_invalid_integer")
    return given


def natural_or_unset(value: Raw, name: str) -> int | None:
    """A whole number that is not below zero, or `""`, which unsets."""
    return None if value == "" else natural(value, name)


_SHIPPING = mapping(
    {"address": mapping(_ADDRESS), "carrier": text, "name": text, "phone": text, "tracking_number": text},
    required=("address", "name"),
)


def shipping(value: Raw, name: str) -> Params | None:
    """Where goods go, or `""`, which unsets."""
    given: Params | None = None if value == "" else _SHIPPING(value, name)
    return given


_TEXTS = ("description", "receipt_email", "statement_descriptor", "statement_descriptor_suffix", "transfer_group")

#: What may be said of a payment whenever it is made or changed.
WORDS: Mapping[str, Reader] = {
    **dict.fromkeys(_TEXTS, text),
    "metadata": metadata,
    "shipping": shipping,
}
#: What is said of connected accounts when a payment is made.
SHARING: Mapping[str, Reader] = {
    "application_fee_amount": natural,
    "on_behalf_of": word,
    "transfer_data": mapping({"amount": positive, "destination": word}, required=("destination",)),
}


def set_words(payment: Obj, params: Params) -> None:
    """Takes over the words that were given. `""` unsets."""
    for name in _TEXTS:
        if name in params:
            payment[name] = params[name] or None
    if "shipping" in params and params["shipping"] is None:
        payment["shipping"] = None
    elif "shipping" in params:
        given = params["shipping"]
        address = {name: given["address"].get(name) or None for name in _ADDRESS}
        payment["shipping"] = {**dict.fromkeys(("carrier", "phone", "tracking_number")), **given, "address": address}
    if "metadata" in params:
        payment["metadata"] = merge_metadata(payment["metadata"], params["metadata"])


def set_sharing(tx: Transaction, payment: Obj, params: Params) -> None:
    """Takes over who gets a part of the payment, and refuses what cannot be: a fee of nobody's, more than there is."""
    if "on_behalf_of" in params:
        payment["on_behalf_of"] = able(tx, params["on_behalf_of"], "on_behalf_of")["id"]
    if "transfer_data" in params:
        given = params["transfer_data"]
        held = payment["transfer_data"] or {}
        destination = given.get("destination") or held.get("destination")
        if destination is None:
            raise invalid("'transfer_data[destination]' is needed.", "transfer_data[destination]", "parameter_missing")
        able(tx, destination, "transfer_data[destination]")
        payment["transfer_data"] = {"amount": given.get("amount", held.get("amount")), "destination": destination}
    if "application_fee_amount" in params:
        payment["application_fee_amount"] = params["application_fee_amount"] or None  # 0 and `""` are none
    check_sharing(tx, payment, payment["amount"])


def check_sharing(tx: Transaction, payment: Obj, amount: int) -> None:
    """Refuses parts that are more than the `amount` of a payment, or that are nobody's."""
    fee, data = payment["application_fee_amount"], payment["transfer_data"]
    if data is not None and data["amount"] is not None:
        if data["amount"] > amount:
            raise Refusal("A transfer may not be more than its payment.", param="transfer_data[amount]")
        if fee:
            raise Refusal(
                "Give 'application_fee_amount' or 'transfer_data[amount]', not both.", param="application_fee_amount"
            )
    if not fee:
        return
    if data is None and tx.account == tx.platform:
        raise Refusal(
            "An application fee is taken of a payment on a connected account or one with 'transfer_data[destination]'.",
            param="application_fee_amount",
        )
    if fee > amount:
        raise Refusal("An application fee may not be more than its payment.", param="application_fee_amount")


def able(tx: Transaction, id: str, param: str) -> Obj:
    """The connected account `id`, if money may be sent to it."""
    account = tx.find(id, account=tx.platform)
    known = account is not None and account["object"] == "account" and not account.get("deleted")
    if account is None or not known or id == tx.account or tx.account != tx.platform:
        raise missing("account", id, param)
    if account["capabilities"].get("transfers") != "active":
        raise Refusal(
            f"The account {id} cannot take transfers: its capability 'transfers' is not active.",
            code="insufficient_capabilities_for_transfer",
            param=param,
        )
    return account
