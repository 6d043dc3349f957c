"""How the simulated Stripe says no: one exception, with what an error body of Stripe holds.

Two things follow from where a refusal is raised. One about the *parameters* (`invalid`) means that nothing began, so
an idempotency key does not remember it. Every other one is remembered, as Stripe remembers a first answer whatever it
was.
"""

from __future__ import annotations

from runplane_mcp.simulator.objects import Obj

INVALID_REQUEST = "invalid_request_error"
CARD = "card_error"
API = "api_error"
IDEMPOTENCY = "idempotency_error"


class Refusal(Exception):
    """A request that Stripe would answer with an error body.

    `remembered`: its idempotency key keeps this answer. `kept`: what the handler wrote before stays written (a
    declined payment leaves its payment intent). `left`: the object that stays, named in the body by its kind.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        type: str = INVALID_REQUEST,
        code: str | None = None,
        param: str | None = None,
        decline_code: str | None = None,
        remembered: bool = True,
        left: Obj | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.type = type
        self.code = code
        self.param = param
        self.decline_code = decline_code
        self.remembered = remembered
        self.left = left

    def body(self, request_id: str) -> Obj:
        """The JSON body of the answer."""
        error: Obj = {"type": self.type, "message": self.message}
        for name in ("code", "decline_code", "param"):
            value = getattr(self, name)
            if value is not None:
                error[name] = value
        if self.left is not None:
            error[self.left["object"]] = self.left
        error["request_log_url"] = f"https://dashboard.stripe.com/test/logs/{request_id}"
        return {"error": error}


#: Codes that the second API calls otherwise.
_V2_CODES = {
    "resource_missing": "not_found",
    "parameter_unknown": "unknown_field",
    "parameter_missing": "missing_field",
}


def body_v2(refusal: Refusal) -> Obj:
    """The error body of the second API: a type, a code and a message. Types are Stripe's; it publishes no list of codes."""
    code = refusal.code or "invalid_fields"
    return {"error": {"type": refusal.type, "code": _V2_CODES.get(code, code), "message": refusal.message}}


def invalid(message: str, param: str, code: str | None = None) -> Refusal:
    """A parameter that cannot be read: nothing began, nothing is remembered."""
    return Refusal(message, code=code, param=param, remembered=False)


def missing(kind: str, id: str, param: str, status: int = 400) -> Refusal:
    """`resource_missing`. 404 for what the path names (and a refund's charge), 400 for other parameters."""
    return Refusal(f"There is no {kind} with the id '{id}'.", status=status, code="resource_missing", param=param)


def declined(
    message: str, left: Obj | None, code: str = "card_declined", decline_code: str | None = "generic_decline"
) -> Refusal:
    """402, which mostly leaves an object behind."""
    return Refusal(message, status=402, type=CARD, code=code, decline_code=decline_code, left=left)


def unknown_url(method: str, path: str) -> Refusal:
    return Refusal(f"The simulator has no {method} {path}.", status=404, remembered=False)


def wrong_key() -> Refusal:
    return Refusal("This is not a test key of the simulator.", status=401, remembered=False)


def key_in_use() -> Refusal:
    return Refusal(
        "Another request with this idempotency key is still being worked on.",
        status=409,
        type=IDEMPOTENCY,
        code="idempotency_key_in_use",
        remembered=False,
    )


def no_permission() -> Refusal:
    """What a restricted key gets to hear of what it may not do."""
    return Refusal(
        "The key provided does not have the required permissions for this endpoint.", status=403, remembered=False
    )
