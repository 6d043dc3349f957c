"""What had to stay so for an approved request to run, and what is no longer so, in words that people decide by.

The record and the digest hold preconditions as they are compared: names, minor units, fingerprints of what is long. Nobody
can say yes to those. Here each name has its words; one that has none, of an older record, is still said without guessing.
A fingerprint is never shown: it tells nobody anything but that something is another now.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Final

from runplane_mcp.core.money import CURRENCIES, LARGEST_AMOUNT, Money
from runplane_mcp.core.request import Precondition
from runplane_mcp.core.text import unquoted, visible

_WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@+/-]{0,99}")
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{32,}")
_LAST_SECOND: Final = 253_402_300_799  # 9999-12-31
_LONGEST: Final = 80
#: What an effect writes where there is nothing.
NOTHING: Final = "none"


class Shape(Enum):
    """How the value of a precondition is said."""

    WORD = auto()  # an id, a status, a number: as it stands
    MONEY = auto()  # minor units
    TIME = auto()  # seconds since 1970, UTC
    CURRENCY = auto()
    WHOLE = auto()  # a fingerprint: only that it is the same, or another


@dataclass(frozen=True, slots=True)
class Words:
    """What a precondition's name stands for. `noun` is without its article, `{it}` in it what the request is about.
    `states` are whole sentences for the values that have some; `left` is what follows an amount that has to be there;
    `other` is the sentence for a fingerprint that is another now."""

    noun: str
    shape: Shape = Shape.WORD
    plural: bool = False
    states: Mapping[str, str] = field(default_factory=dict)
    left: str = ""
    other: str = ""


def _money(noun: str, left: str = "") -> Words:
    return Words(noun, Shape.MONEY, left=left)


def _whole(noun: str, *, plural: bool = False) -> Words:
    return Words(noun, Shape.WHOLE, plural=plural)


def _either(noun: str, yes: str, no: str) -> Words:
    return Words(noun, states={"yes": yes, "true": yes, "no": no, "false": no})


_STATUS: Final = Words("status of the {it}")
_AMOUNT: Final = _money("amount of the {it}")
_CURRENCY: Final = Words("currency of the {it}", Shape.CURRENCY)
_GETS: Final = Words("connected account that its money goes to")
_CUSTOMER: Final = Words("customer of the {it}")

#: By the name of a precondition; `action:name` where it means something else for the operations of an action.
WORDS: Final[Mapping[str, Words]] = {
    # ── what several kinds of operations look at ──
    "amount": _AMOUNT,
    "available": _money("balance that is available", "of the balance is available"),
    "capturable": _money("amount that can be captured"),
    "captured": _either("capture of the {it}", "The charge is captured", "The charge is not captured"),
    "charge": Words("charge that it is about"),
    "charged": _money("amount of the charge", "of the charge is there to be passed on"),
    "currency": _CURRENCY,
    "customer": _CUSTOMER,
    "destination": _GETS,
    "payout:destination": Words("bank account or card that it goes to"),
    "destination_fingerprint": Words(
        "bank account or card behind it",
        Shape.WHOLE,
        other="The bank account or card that it goes to is another one now",
    ),
    "disputed": _either("dispute of the charge", "The charge is disputed", "The charge is not disputed"),
    "left": _money("amount that is left of the transfer", "of the transfer can still be taken back"),
    "remaining": _money("amount that remains", "can still be refunded"),
    "payment_intent:remaining": _money("amount of the payment", "of the payment is still to be paid"),
    "status": _STATUS,
    "transfer_destination": _GETS,
    # ── billing ──
    "amount_due": _money("amount that is due on the invoice"),
    "amount_remaining": _money("amount that is still to be paid of the invoice"),
    "amount_total": _money("total of the {it}"),
    "asked_for": _money("amount that the session asks for"),
    "balance": _money("balance of the customer (credit, where it is below zero)"),
    "coupon_id": Words("id of the coupon", states={"free": "No coupon has this id yet"}),
    "credited": _money("amount credited on the invoice before"),
    "discount": _money("discount of the {it}"),
    "discounts": _whole("discounts that there are", plural=True),
    "evidence": _whole("evidence set aside for the dispute"),
    "goes_to": _GETS,
    "invoice_status": Words("status of the invoice"),
    "items": _whole("prices, quantities or items of the subscription", plural=True),
    "lines": _whole("lines of the invoice", plural=True),
    "new": _whole("price that it sells at from then on"),
    "open": _either("payment link", "The payment link is open", "The payment link is switched off"),
    "paid_each_time": _money("amount that is paid each time"),
    "pending": _money("sum of the pending items"),
    "period_end": Words("end of the paid period", Shape.TIME),
    "planned": _whole("subscription or what is planned for it"),
    "preview": _money("amount that Stripe works out for the credit note"),
    "price_amount": _money("amount of the price"),
    "price_currency": Words("currency of the price", Shape.CURRENCY),
    "prices": _whole("prices of what is sold", plural=True),
    "product": _whole("default price of the product"),
    "sold": _whole("price that has the lookup key"),
    "subscriptions": _whole("subscriptions of the customer, or what they cost", plural=True),
    # ── what judgements declare ──
    "account_payouts_enabled": _either("payouts of the account", "Payouts are enabled", "Payouts are not enabled"),
    "account_status": Words("status of the account"),
    "auth_card": Words("card of the authorization"),
    "auth_pending_request_amount": _money("amount that is asked for"),
    "auth_pending_request_currency": Words("currency that is asked for", Shape.CURRENCY),
    "auth_status": Words("status of the authorization"),
    "card_status": Words("status of the card"),
    "credit_amount": _money("amount of the received credit"),
    "credit_currency": Words("currency of the received credit", Shape.CURRENCY),
    "credit_status": Words("status of the received credit"),
    "debit_status": Words("status of the received debit"),
    "destination_status": Words("status of the event destination"),
    "dispute_amount": _money("amount of the dispute"),
    "dispute_evidence_reason": Words("reason of the dispute"),
    "dispute_status": Words("status of the dispute"),
    "dispute_transaction": Words("transaction that is disputed"),
    "endpoint_status": Words("status of the endpoint"),
    "endpoint_url": _whole("address of the endpoint"),
    "fee_account": Words("connected account that gets the fee back"),
    "fee_charge": Words("charge of the fee"),
    "fee_currency": Words("currency of the fee", Shape.CURRENCY),
    "intent_amount": _AMOUNT,
    "intent_amount_currency": _CURRENCY,
    "intent_amount_value": _AMOUNT,
    "intent_application_fee_amount": _money("application fee"),
    "intent_attach_to_self": _either(
        "setup", "The method is kept for the own account", "The method is not kept for the own account"
    ),
    "intent_currency": _CURRENCY,
    "intent_customer": _CUSTOMER,
    "intent_on_behalf_of": Words("account that it is charged for"),
    "intent_payment_method": Words("payment method"),
    "intent_status": _STATUS,
    "intent_to_payout_method": Words("payout method that it goes to"),
    "intent_to_recipient": Words("recipient of the money"),
    "intent_transfer_data_destination": _GETS,
    "invoice_amount_remaining": _money("amount that is still to be paid of the invoice"),
    "invoice_total": _money("total of the invoice"),
    "item_value_list": Words("list that the item is on"),
    "meter_status": Words("status of the meter"),
    "method_customer": Words("customer of the payment method"),
    "note_amount": _money("amount of the credit note"),
    "note_status": Words("status of the credit note"),
    "order_amount_total": _money("total of the order"),
    "order_status": Words("status of the order"),
    "payment_status": Words("status of the payment"),
    "payout_amount": _money("amount of the payout"),
    "payout_destination": Words("bank account or card that the payout went to"),
    "payout_reversed_by": Words("payout that reverses it"),
    "payout_status": Words("status of the payout"),
    "record_amount_requested_value": _money("amount that was asked for"),
    "refund_amount": _money("amount of the refund"),
    "refund_status": Words("status of the refund"),
    "review_charge": Words("charge under review"),
    "review_open": _either("review", "The review is open", "The review is closed"),
    "review_payment_intent": Words("payment under review"),
    "session_status": Words("status of the session"),
    "settings_payments_debit_negative_balances": _either(
        "balance settings", "Stripe may debit a negative balance", "Stripe may not debit a negative balance"
    ),
    "settings_payments_payouts_schedule_interval": Words("rhythm of automatic payouts"),
    "settings_payments_settlement_timing_delay_days": Words("number of days until money is available"),
    "subscription_status": Words("status of the subscription"),
    "token_status": Words("status of the token"),
    "topup_status": Words("status of the top-up"),
    "transfer_amount": _money("amount of the transfer"),
    "transfer_amount_reversed": _money("amount taken back of the transfer"),
    "transfer_status": Words("status of the transfer"),
    "verification_match_result": Words("result of the verification"),
}
#: Names that hold the id of what was looked up after a colon.
_OF_ONE: Final = {"price": "price", "coupon": "coupon", "promotion_code": "promotion code"}
#: What the operations of an action are about, where its own name is not that.
_ABOUT: Final = {
    "checkout_session": "session",
    "credit_note": "invoice",
    "invoice_line": "invoice",
    "invoiceitem": "invoice",
    "money_management_outbound_setup_intent": "setup",
    "money_management_payout_intent": "payout",
    "payment_intent": "payment",
    "refund": "charge",
    "setup_intent": "setup",
    "subscription_item": "subscription",
    "subscription_schedule": "schedule",
    "terminal_reader": "payment",
    "transfer_reversal": "transfer",
}


def has_words(name: str) -> bool:
    """Whether somebody has said what a precondition's name means."""
    return name in WORDS or name.partition(":")[0] in _OF_ONE


def must_hold(preconditions: Iterable[Precondition], *, action: str, currency: str | None) -> tuple[str, ...]:
    """A sentence for each: what must still be so when the request runs. `currency` is the request's own, for amounts of
    which nothing else says what they are in."""
    held = tuple(preconditions)
    saying = _Saying(action, {each.name: each.value for each in held}, currency)
    return tuple(saying.still(each) for each in held)


def differences(
    preconditions: Iterable[Precondition],
    observed: Mapping[str, str | int],
    *,
    action: str,
    currency: str | None,
    currency_now: str | None,
) -> tuple[str, ...]:
    """A sentence for each that no longer holds, with what people saw and what is so now. Empty where all hold."""
    held = tuple(preconditions)
    then = _Saying(action, {each.name: each.value for each in held}, currency)
    now = _Saying(action, observed, currency_now or currency)
    return tuple(_changed(each, then, now) for each in held if not each.holds(observed.get(each.name)))


@dataclass(frozen=True, slots=True)
class _Saying:
    """One side, then or now: its values, and the currency of amounts that have no other."""

    action: str
    values: Mapping[str, str | int]
    currency: str | None

    def words(self, name: str) -> Words:
        about = self.action.partition(".")[0]
        found = WORDS.get(f"{about}:{name}") or WORDS.get(name)
        if found is not None:
            it = _ABOUT.get(about, about.replace("_", " "))
            return replace(found, noun=found.noun.replace("{it}", it))
        kind, _, id = name.partition(":")
        if kind in _OF_ONE and id:
            return _whole(f"{_OF_ONE[kind]} {_word(id)}")
        return Words(f"“{unquoted(visible(name, _LONGEST))}” of what was looked up")

    def still(self, each: Precondition) -> str:
        words, value = self.words(each.name), self.value(each.name, each.value)
        if each.relation != "equal":
            return f"At least {value} {words.left or f'is the {words.noun}'}."
        if (state := words.states.get(str(each.value))) is not None:
            return f"{state}."
        if each.value == NOTHING:
            return f"There is still no {words.noun}."
        if value is None:
            return f"The {words.noun} {'are' if words.plural else 'is'} still as people saw {_them(words)}."
        return f"The {words.noun} is still {value}."

    def value(self, name: str, value: str | int) -> str | None:
        """A value as people read it; None where it is a fingerprint, which nobody can."""
        match self.words(name).shape:
            case Shape.MONEY:
                return self._amount(name, value)
            case Shape.TIME:
                return _moment(value)
            case Shape.CURRENCY if str(value).lower() in CURRENCIES:
                return str(value).upper()
            case Shape.WHOLE:
                return None
            case _:
                return _word(str(value))

    def _amount(self, name: str, value: str | int) -> str | None:
        number = int(value) if re.fullmatch(r"-?[0-9]{1,15}", str(value)) else None
        if number is None or abs(number) > LARGEST_AMOUNT:
            return _word(str(value))
        currency = self._currency(name)
        return f"{number:,} (smallest units)" if currency is None else str(Money(number, currency))

    def _currency(self, name: str) -> str | None:
        """Of an amount: what was looked up beside it, else what the request is in."""
        beside = (name.removesuffix(end) + "currency" for end in ("amount", "value") if name.endswith(end))
        found = [self.values.get(each) for each in (*beside, "currency")]
        said = next((each for each in found if each is not None), self.currency)
        return said.lower() if isinstance(said, str) and said.lower() in CURRENCIES else None


def _changed(each: Precondition, then: _Saying, now: _Saying) -> str:
    words, was = then.words(each.name), then.value(each.name, each.value)
    value = now.values.get(each.name)
    said = now.value(each.name, value) if value is not None else None
    if each.relation != "equal":
        if said is None:
            return f"How much {words.left or f'the {words.noun} is'} could not be found out; it was to be {was}."
        return f"Only {said} {words.left or f'is the {words.noun} now'}; it was to be {was}."
    if value is None:
        if (state := words.states.get(str(each.value))) is not None:
            return f"{state}: that could not be found out any more."
        of = f"; it was {was}" if was is not None and each.value != NOTHING else ""
        return f"What the {words.noun} {'are' if words.plural else 'is'} now could not be found out{of}."
    if (state := words.states.get(str(value))) is not None:
        return f"{state} now."
    if was is None or said is None:
        return f"{words.other or f'The {words.noun} changed since'}."
    if each.value == NOTHING:
        return f"There was no {words.noun}; now it is {said}."
    if value == NOTHING:
        return f"There is no {words.noun} any more; it was {was}."
    if said == was:
        # Two moments of one minute, or two names that are alike once they are cut.
        return f"The {words.noun} changed since: it is no longer the {was} that people saw."
    return f"The {words.noun} is {said} now; it was {was}."


def _them(words: Words) -> str:
    return "them" if words.plural else "it"


def _word(text: str) -> str | None:
    """An id or a word as it stands, anything else between quotation marks; None for a fingerprint."""
    if _FINGERPRINT.fullmatch(text):
        return None
    return text if _WORD.fullmatch(text) and ".." not in text else f"“{unquoted(visible(text, _LONGEST, hint=True))}”"


def _moment(value: str | int) -> str | None:
    if not isinstance(value, int) or not 0 < value <= _LAST_SECOND:
        return _word(str(value))
    return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M UTC")
