from __future__ import annotations

from tests.interfaces.tool_cases.case import read

CASES = (read("retrieve_balance", "balance.retrieve", {}, "GET /v1/balance", lambda v1, _: v1.balance.retrieve()),)
