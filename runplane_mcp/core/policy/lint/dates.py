"""What gets old: rates, and days on which the business is closed."""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from runplane_mcp.core.money import RATE_LIFETIME_DAYS
from runplane_mcp.core.policy.document import Place
from runplane_mcp.core.policy.model import Policy
from runplane_mcp.core.policy.problems import Problems

#: After this many days rates should be looked at again.
OLD: Final = 30


def dates(policy: Policy, today: date, problems: Problems) -> None:
    as_of = policy.rates.as_of
    if as_of is not None and policy.rates.per_unit:
        age = (today - as_of).days
        place = _of_key("as_of", policy.text)
        codes = ", ".join(sorted(policy.rates.per_unit))
        if age > RATE_LIFETIME_DAYS:
            message = f"The rates are {age} days old, so amounts in {codes} are unknown and need a person: update them."
            problems.warn(place, "rates", message)
        elif age > OLD:
            left = RATE_LIFETIME_DAYS - age
            message = f"The rates are {age} days old. In {left} days amounts in {codes} become unknown: update them."
            problems.warn(place, "rates", message)
        elif age < 0:
            problems.warn(place, "rates", f"The rates are as of {as_of}, which is still to come: is the year right?")
    hours = policy.calendar.hours
    if hours is not None and hours.closed_on and max(hours.closed_on) < today:
        message = f"All days of closed_on are over, the last was {max(hours.closed_on)}: add those of the coming year."
        problems.warn(_of_key("closed_on", policy.text), "closed_on", message)


def _of_key(name: str, text: str) -> Place:
    """Where a key stands that the whole file has once."""
    for number, line in enumerate(text.splitlines(), 1):
        found = re.search(rf"(?<![\w#]){name}\s*:", line.partition("#")[0])
        if found is not None:
            return Place(number, found.start() + 1)
    return Place(1, 1)
