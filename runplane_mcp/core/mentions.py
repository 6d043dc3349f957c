"""The ids of Stripe's objects that a request speaks of, for finding requests by any of them: the ones in its own bytes,
in what was looked up, and in what Stripe answered.

It finds, it proves nothing: a word too many costs a row of an index, and no decision is made from these.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from runplane_mcp.core.redact import redact_text
from runplane_mcp.core.wire import WireRequest

#: So many ids of one request are kept, the first ones: a bulk request must not flood the index.
MOST: Final = 50

#: `pi_3MtwBwLkdIwHu7ix`. Stripe's ids have a digit or a capital behind the prefix, the words of its enumerations
#: (`requested_by_customer`) have neither. At most 255 characters: https://docs.stripe.com/upgrades
_ID = re.compile(r"[a-z][a-z0-9]{0,20}_(?=[a-z_]*[0-9A-Z])[A-Za-z0-9_]{1,230}")
#: Prefixes of what people ask about, for ids that have small letters alone (`cus_ada`).
_KNOWN = re.compile(r"(?:acct|ba|ch|cn|cus|dp|du|pi|po|price|prod|py|re|sub|tr|txn)_[A-Za-z0-9_]{1,250}")
#: Whatever has the form of an id: small letters, an underscore, the rest.
_LIKE_AN_ID = re.compile(r"[a-z][a-z0-9]{0,20}_[A-Za-z0-9_]{1,230}")
#: What companies name themselves, coupons and products for example. Told from a path's fixed words by a digit or capital.
_OWN_NAME = re.compile(r"(?=[a-z_-]*[0-9A-Z])[A-Za-z0-9_-]{1,255}")
_NAMED_BY_COMPANIES: Final = frozenset({"coupon", "plan", "price", "product", "promotion_code"})
#: Where such a name may stand in a path. Anywhere else it would be what an agent took for an id: somebody's name, perhaps.
_NOUNS_NAMED_BY_COMPANIES: Final = frozenset(f"{noun}s" for noun in _NAMED_BY_COMPANIES)
_FIELD = re.compile(r"(?:^|&)([^=&]+)=([A-Za-z0-9_-]{2,255})(?=&|$)")
_LAST_NAME = re.compile(r"([a-z_]+)\]?$")
#: The empty text before the first slash, the version and the noun of a path: `/v1/refunds`.
_FIXED_SEGMENTS: Final = 3


def is_id(text: str) -> bool:
    """Whether a text has the shape of an id that Stripe made."""
    return _ID.fullmatch(text) is not None or _KNOWN.fullmatch(text) is not None


def findable(text: str, noun: str) -> bool:
    """Whether a text names an object of Stripe's, of the kind `noun`, as far as its form can tell. An agent may have
    written anything in an id's place, an e-mail address for one; that stands in no index."""
    own = noun in _NAMED_BY_COMPANIES and _OWN_NAME.fullmatch(text) is not None
    return (own or _LIKE_AN_ID.fullmatch(text) is not None or is_id(text)) and redact_text(text) == text


def in_wire(wire: WireRequest) -> tuple[str, ...]:
    """The ids in the path, query and form body of a request."""
    return _some(_of_wire(wire))


def in_object(body: Mapping[str, object]) -> tuple[str, ...]:
    """The ids that stand in an object of Stripe's: its own, and those of the objects it names, expanded or not."""
    inner = (value.get("id") if isinstance(value, Mapping) else value for value in body.values())
    return in_values(inner)


def in_values(values: Iterable[object]) -> tuple[str, ...]:
    """Those of `values` that are ids."""
    return _some(value for value in values if isinstance(value, str) and is_id(value))


def _some(found: Iterable[str]) -> tuple[str, ...]:
    """Each once, the first MOST of them. What has the shape of a secret is no id, whatever it begins with."""
    kept: dict[str, None] = {}
    for each in found:
        if len(kept) == MOST:
            break
        if redact_text(each) == each:
            kept[each] = None
    return tuple(kept)


def _of_wire(wire: WireRequest) -> Iterator[str]:
    steps = wire.path.split("/")
    for before, segment in zip(steps[_FIXED_SEGMENTS - 1 :], steps[_FIXED_SEGMENTS:], strict=False):
        if is_id(segment) or (before in _NOUNS_NAMED_BY_COMPANIES and _OWN_NAME.fullmatch(segment)):
            yield segment
    for name, value in _FIELD.findall(wire.query or wire.body.decode("ascii", "replace")):
        if name.startswith("metadata["):
            continue  # the company's own words, which may be somebody's name
        last = _LAST_NAME.search(name)
        if is_id(value) or (last is not None and last[1] in _NAMED_BY_COMPANIES):
            yield value
