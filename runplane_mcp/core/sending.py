"""Which operations can be sent from here at all, whatever a policy says of them, and under which version of the API."""

from __future__ import annotations

from typing import Final

from runplane_mcp.core.operation import Operation
from runplane_mcp.core.request import Failure

#: What Stripe serves at other addresses than its API's, and why none of it is sent: sign-in for platforms, files that go
#: up or come down as such and not as JSON, and streams with keys of their own.
_ELSEWHERE: Final = {
    "connect": "Stripe's OAuth address",
    "files": "Stripe's address for files",
    "meter_events": "Stripe's address for streams of meter events",
}

#: Where a request's id stands in the metadata of what it makes or changes, if that takes any.
MARK: Final = "runplane_request"

#: The version of Stripe's API that the catalog was judged by. Sent with every request but those of previews.
API_VERSION: Final = "2026-10-28.endive"
#: The same release with what is in preview; under the version above Stripe does not know of it.
PREVIEW_VERSION: Final = "2026-10-28.preview"
_PREVIEWS: Final = frozenset({"public_preview", "private_preview"})


def version_of(operation: Operation) -> str:
    """The version that an operation is sent under. It is in the digest that people sign."""
    return PREVIEW_VERSION if operation.availability in _PREVIEWS else API_VERSION


def unsendable(operation: Operation) -> Failure | None:
    """`operation.host` where an operation lives at an address that Runplane does not talk to. To be asked after the policy:
    what it blocks is blocked."""
    if operation.host == "api":
        return None
    where = _ELSEWHERE.get(operation.host, "another address of Stripe's")
    return Failure("operation.host", f"It needs {where}, which Runplane does not talk to; nothing was sent.")
