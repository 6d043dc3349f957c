"""What a text gives away by its shape: keys, tokens, card and bank numbers, ways in. Each kind has its own rule, and where
there is a check digit it is checked, so that ids, amounts, times and order numbers stay what they are.

Numbers that touch a letter are ids of somebody's and left alone: `N4242424242424242` is how to write an order number that
would pass for a card. Every pattern looks a bounded way ahead, so that the time is linear in the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, TypeAlias

REDACTED: Final = "[redacted]"
#: No secret is shorter than this, and no text that says what the secret behind it is.
SHORTEST: Final = 5

#: From where to where in a text, and of what kind: key, client_secret, password, address, card, bank, identity.
Found: TypeAlias = tuple[int, int, str]

_TAIL = r"[A-Za-z0-9_]{4,}"
_KEY = re.compile(
    rf"(?:[srpmue]k_(?:org_)?(?:live|test|runplane)|pst_(?:live|test))_{_TAIL}"  # keys, our agents' tokens, readers' tokens
    r"|whsec_[A-Za-z0-9+/=_-]{4,}"
    r"|(?<![A-Za-z0-9])(?:ac|rt)_[A-Za-z0-9]{24,}"  # what `/oauth/token` takes
    # Other companies' keys, which agents paste as well.
    r"|(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])|gh[pousr]_[A-Za-z0-9]{20,}|xox[abeoprs]-[A-Za-z0-9-]{10,}"
    r"|(?<![A-Za-z0-9])sk-[A-Za-z0-9_-]{16,}|AIza[A-Za-z0-9_-]{35}"
    r"|(?<![A-Za-z0-9-])eyJ[A-Za-z0-9_-]{8,600}\.[A-Za-z0-9_-]{8,8000}\.[A-Za-z0-9_-]*"
    r"|-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^-]{0,20000}(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?"
)
_KEY_LETTERS = re.compile("k_|pst_|whsec_|secret_|ac_|rt_|sk-|eyJ|-----B|AKIA|ASIA|gh|xox|AIza")
_CLIENT_SECRET = re.compile(
    rf"[a-z]{{2,12}}_[A-Za-z0-9_]{{4,120}}_secret_{_TAIL}[A-Za-z0-9_%+/=-]*"
    r"|[a-z]{2,12}_(?:client_)?secret_(?=[a-z_%+/=-]{0,60}[A-Z0-9])[A-Za-z0-9_%+/=-]{8,}"
)
#: `password: …`, `api_key=…` and what else people write before a secret.
_SAID_LETTERS = re.compile("pass|key|secret|token|auth|bearer|cv|csc|pin|ssn|number|account|card")
_SAID_KINDS: Final = {"code": "card", "number": "bank", "identity": "identity"}
_SAID = re.compile(
    r"(?:pass(?:word|code|phrase|wd)|api[ _-]?key|(?:secret|private)[ _-]?key|client[ _-]?secret"
    r"|(?:access|refresh|auth)[ _-]?token)[\"']?\s{0,3}[:=]\s{0,3}[\"']?(?!\[)(?P<said>[^\s\"'&,;<>]{4,})"
    r"|(?<![a-z])authorization[\"']?\s{0,3}[:=]\s{0,3}[\"']?(?!\[)(?P<header>(?:(?:bearer|basic)\s{1,3})?[^\s\"'\[]{4,})"
    r"|(?<![a-z])bearer\s{1,3}(?P<bearer>(?=[a-z._~+/=-]{0,100}[0-9])[a-z0-9._~+/=-]{16,})"
    r"|(?<![a-z0-9])(?:cv[cv]2?|csc|pin)[ :=#]{1,3}(?:is[ :]{1,2})?(?P<code>[0-9]{3,4})(?![0-9a-z])"
    r"|(?<![a-z])(?:(?:bank[ _-]account|card)[ _-]?(?:number|no|nr)|account_number)\.?[\"']?\s{0,3}[:=#]?\s{0,3}[\"']?"
    r"(?P<number>[0-9][0-9 -]{4,32}[0-9])(?![0-9a-z])"
    r"|(?<![a-z])(?:id_number|ssn(?:[ _]last[ _]?4)?|social security number)[\"']?\s{0,3}[:=#]?\s{0,3}[\"']?"
    r"(?P<identity>[0-9][0-9-]{2,14})(?![0-9a-z])",
    re.IGNORECASE,
)
_ADDRESS = re.compile(
    r"://(?P<user>[^\s/@?#\"'<>]{1,500})@"
    r"|[?&;#][a-z0-9_.-]{0,40}(?:secret|token|password|passwd|api_?key|signature)[a-z0-9_.-]{0,20}="
    r"(?!\[)(?P<query>[^&#;\s\"'<>]{6,})"
    # Links that let in whoever has them first: onboarding and login, the customer's portal, identity checks, files.
    r"|(?P<link>https://(?:connect\.stripe\.com/(?!oauth)|billing\.stripe\.com/p/session/|verify\.stripe\.com/|"
    r"files\.stripe\.com/links/|hooks\.slack\.com/services/)[^\s\"'<>\[]{4,})",
    re.IGNORECASE,
)

_NUMBERS = re.compile(
    "(?<![0-9A-Za-z])\\d{1,40}(?:[ \\-./_\u00a0\u2007\u2009\u202f\u2011\u2013]\\d{1,40}){0,40}(?![0-9A-Za-z])"
)
_DIGITS = re.compile(r"\d+")
_MANY_DIGITS = re.compile("\\d[\\d \\-./_\u00a0\u2007\u2009\u202f\u2011\u2013]{11}")
_WHOLE_CARD, _LONGEST_CARD = 13, 19
#: The ranges that the card networks issue from, with the lengths of their numbers.
_ISSUED = re.compile(
    r"4[0-9]{12}(?:[0-9]{3}){0,2}|5[1-5][0-9]{14}|2(?:22[1-9]|2[3-9][0-9]|[3-6][0-9]{2}|7[01][0-9]|720)[0-9]{12}"
    r"|220[0-4][0-9]{12,15}|3[47][0-9]{13}|3(?:0[0-5]|[689][0-9])[0-9]{11,16}|35(?:2[89]|[3-8][0-9])[0-9]{12,15}"
    r"|(?:50|5[6-9]|6[0-9])[0-9]{11,17}"
)
_GROUPED = re.compile(r"(?:4 ){3,4}[1-4] |4 6 [45] |8 8 |6 7 |6 10 ")
#: Letters and length of each country's account numbers (the IBAN registry of SWIFT).
_IBANS: Final = {
    each[:2]: int(each[2:])
    for each in """
    AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 FI18
    FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20
    LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24
    SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30
    """.split()
}
_SHORTEST_IBAN: Final = min(_IBANS.values())
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?=[ -]?[A-Z0-9])", re.IGNORECASE | re.ASCII)
_IBAN_REST = re.compile(r"[ \u00a0-]?([A-Z0-9])", re.IGNORECASE | re.ASCII)
#: A social security number of the United States; these areas, groups and serials are never given out.
_IDENTITY = re.compile(
    r"(?<![A-Za-z0-9-])(?!000|666|9[0-9]{2})[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}(?![A-Za-z0-9-])"
)

#: Short words that were seen to hold no secret: ids and Stripe's own words, of which each request meets the same ones many
#: times. A text with a secret in it never gets here, nor does a sentence, an address or a number.
_CLEAN: Final[set[str]] = set()
_MOST_CLEAN, _LONGEST_CLEAN = 4096, 64


def secrets_in(text: str) -> list[Found]:
    """What of `text` has the shape of a secret, from left to right, none inside another."""
    if len(text) < SHORTEST:
        return []
    found: list[Found] = []
    # Asking first for letters that each of them has is a tenth of the work of looking for them in every text.
    if _KEY_LETTERS.search(text):
        found += _keys(text)
    if _SAID_LETTERS.search(text.lower()):
        found += _said(text)
    if "://" in text or "=" in text:
        found += _addresses(text)
    if len(text) >= _WHOLE_CARD and _MANY_DIGITS.search(text):
        found += _cards(text)
    if len(text) >= _SHORTEST_IBAN:
        found += _bank_numbers(text)
    if "-" in text:
        found += _identities(text)
    if len(found) < 2:
        return found
    found.sort(key=lambda each: (each[0], -each[1]))
    apart = [found[0]]
    for each in found[1:]:
        start, end, kind = apart[-1]
        if each[0] < end:
            apart[-1] = (start, max(end, each[1]), kind)
        else:
            apart.append(each)
    return apart


def without_secrets(text: str) -> str:
    """`text` with `[redacted]` in place of everything in it that has the shape of a secret."""
    if text in _CLEAN:
        return text
    found = secrets_in(text)
    if not found:
        if len(text) <= _LONGEST_CLEAN and text.isidentifier():
            if len(_CLEAN) >= _MOST_CLEAN:
                _CLEAN.clear()
            _CLEAN.add(text)
        return text
    kept, last = [], 0
    for start, end, _ in found:
        kept += [text[last:start], REDACTED]
        last = end
    kept.append(text[last:])
    return "".join(kept)


def _keys(text: str) -> Iterator[Found]:
    for found in _KEY.finditer(text):
        yield *found.span(), "key"
    if "secret_" in text:
        for found in _CLIENT_SECRET.finditer(text):
            yield *found.span(), "client_secret"


def _said(text: str) -> Iterator[Found]:
    for found in _SAID.finditer(text):
        group = found.lastgroup or ""
        yield *found.span(group), _SAID_KINDS.get(group, "password")


def _addresses(text: str) -> Iterator[Found]:
    for found in _ADDRESS.finditer(text):
        yield *found.span(found.lastgroup or 0), "address"


def _cards(text: str) -> Iterator[Found]:
    for run in _NUMBERS.finditer(text):
        if run.end() - run.start() < _WHOLE_CARD:
            continue
        groups = [each.span() for each in _DIGITS.finditer(text, run.start(), run.end())]
        first = 0
        while first < len(groups):
            last = _card_from(text, groups, first)
            if last is not None:
                yield groups[first][0], groups[last][1], "card"
                first = last
            first += 1


def _card_from(text: str, groups: list[tuple[int, int]], first: int) -> int | None:
    """The group with which a card number that begins with group `first` ends, the longest such."""
    digits, sizes, found = "", "", None
    for last in range(first, min(first + 5, len(groups))):
        start, end = groups[last]
        digits += text[start:end]
        sizes += f"{end - start} "
        if len(digits) > _LONGEST_CARD:
            break
        if len(digits) >= _WHOLE_CARD and (last == first or _GROUPED.fullmatch(sizes)) and _card(digits):
            found = last
    return found


def _card(digits: str) -> bool:
    digits = "".join([str(int(digit)) for digit in digits])  # also those of other scripts
    return _ISSUED.fullmatch(digits) is not None and _luhn(digits)


def _luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812-1)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (1 + place % 2)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def _bank_numbers(text: str) -> Iterator[Found]:
    for begun in _IBAN.finditer(text):
        letters, at = begun.group().upper(), begun.end()
        length = _IBANS.get(letters[:2], 0)
        while len(letters) < length and (following := _IBAN_REST.match(text, at)):
            letters += following.group(1).upper()
            at = following.end()
        whole = len(letters) == length and not text[at : at + 1].isalnum() and sum(map(str.isdigit, letters)) >= 8
        # ISO 7064, 97-10: letters count from ten, and country and check digits stand last.
        if whole and int("".join([str(int(each, 36)) for each in letters[4:] + letters[:4]])) % 97 == 1:
            yield begun.start(), at, "bank"


def _identities(text: str) -> Iterator[Found]:
    for found in _IDENTITY.finditer(text):
        yield *found.span(), "identity"
