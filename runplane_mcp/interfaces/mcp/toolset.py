"""Which tools are listed together."""

from __future__ import annotations

from enum import StrEnum


class Toolset(StrEnum):
    """Tools that are listed together: clients cap their number, and models drown in many. `default` has at most 15."""

    DEFAULT = "default"
    SUPPORT = "support"
    BILLING = "billing"
    ALL = "all"
