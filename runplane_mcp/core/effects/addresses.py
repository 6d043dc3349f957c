"""Web addresses among parameters: where whoever follows them is sent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from runplane_mcp.core.facts import UNKNOWN, FactValue
from runplane_mcp.core.wire import Text

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/{2}([^\s/?#]*)")
#: A host and perhaps a port, and nothing that readers of addresses take apart differently: no user, no other script.
_HOST = re.compile(r"([a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)(?::[0-9]{1,5})?")


def hosts_in(parameters: Mapping[str, Text]) -> FactValue:
    """The hosts of all web addresses in all texts, lower case; UNKNOWN where an address could be read in two ways, or an
    address is wanted and none is given."""
    found: set[str] = set()
    for name, text in _texts("", dict(parameters)):
        authorities = _ADDRESS.findall(text)
        if "\\" in text and authorities:
            return UNKNOWN
        if not authorities and (name == "url" or name.endswith("_url")):
            return UNKNOWN
        for authority in authorities:
            matched = _HOST.fullmatch(authority.lower())
            if matched is None:
                return UNKNOWN
            found.add(matched[1])
    return frozenset(found)


def _texts(name: str, value: Text) -> Iterator[tuple[str, str]]:
    """Every text with the name it stands under."""
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(name, item)
    else:
        for inner, item in value.items():
            yield from _texts(inner, item)
