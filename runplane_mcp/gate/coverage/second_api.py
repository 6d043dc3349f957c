"""Whether there is money that the lists of a report do not have: Stripe's second API keeps it in financial accounts of its
own, beside the balance."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.wire import encode
from runplane_mcp.stripe_api.client import Done
from runplane_mcp.stripe_api.connected import Asks

_ACCOUNTS: Final = "/v2/money_management/financial_accounts"


class SecondApi(StrEnum):
    """`unknown`: Stripe did not say, mostly since the key may not ask."""

    NONE = "none"
    HELD = "held"
    UNKNOWN = "unknown"


async def second_api(asks: Asks) -> SecondApi:
    answer = await asks.send(encode("GET", _ACCOUNTS, {"limit": 1}), idempotency_key=None)
    found = o.listed(answer.body) if isinstance(answer, Done) else None
    if found is None:
        return SecondApi.UNKNOWN
    return SecondApi.HELD if found else SecondApi.NONE
