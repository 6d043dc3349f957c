"""Every error of Runplane, in one tree. Each carries a stable code, what happened and what to do next.

RunplaneError
├── ParameterError   parameter.*   what an agent sent cannot be a Stripe request; nothing was sent
├── OperationError   operation.*   an operation or a tool that there is not, or that cannot be sent from here
├── RequestError     request.*     a request that is not there, is final, or belongs to somebody else
├── ApprovalError    approval.*    a vote that cannot count: changed, expired, not eligible
├── FreezeError      freeze.*      a freeze that cannot be started or lifted like this
├── PersonError      person.*      people and their secrets
├── PolicyError      policy.*      a policy file that does not load, or may not be activated
├── StoreError       store.*       the database is not there, locked, too new, or refuses a change
├── CheckpointError  checkpoint.*  a checkpoint of the audit log that cannot be read or does not belong to it
├── StripeError      stripe.*      Stripe's key, address or account is not usable
├── SettingsError    settings.*    a RUNPLANE_* variable or the home folder is wrong
├── UsageError       usage.*       a command line that is not right
└── InternalError    internal.*    a fault of ours: nothing ran that was not decided

`HTTP_STATUS` and `exit_code` are the one mapping to HTTP and to the shell; MCP shows `code` and `message`.
"""

from __future__ import annotations

from typing import ClassVar

EXIT_DONE = 0
EXIT_REFUSED = 1
EXIT_USAGE = 2
EXIT_AUDIT_MISMATCH = 3
EXIT_UNANCHORED = 4


class RunplaneError(Exception):
    """An error with a stable dotted `code`, a `message` for people and the `next_step` they can take.

    `nothing_ran`: it is certain that what was asked for has not been done and will not be."""

    prefix: ClassVar[str] = ""
    exit_code: ClassVar[int] = EXIT_REFUSED
    http_status: ClassVar[int] = 400
    nothing_ran: bool = False

    def __init__(self, code: str, message: str, *, next_step: str = "", param: str | None = None) -> None:
        if not code.startswith(self.prefix):
            raise ValueError(f"{type(self).__name__} codes start with {self.prefix!r}, not {code!r}")
        super().__init__(message)
        self.code = code
        self.message = message
        self.next_step = next_step
        self.param = param

    def __str__(self) -> str:
        return f"{self.message} {self.next_step}".strip() + f" [{self.code}]"


class ParameterError(RunplaneError):
    prefix = "parameter."
    exit_code = EXIT_USAGE


class OperationError(RunplaneError):
    prefix = "operation."
    http_status = 404


class RequestError(RunplaneError):
    prefix = "request."
    http_status = 404


class ApprovalError(RunplaneError):
    prefix = "approval."
    http_status = 409


class FreezeError(RunplaneError):
    prefix = "freeze."
    http_status = 409


class PersonError(RunplaneError):
    prefix = "person."
    http_status = 403


class PolicyError(RunplaneError):
    prefix = "policy."


class StoreError(RunplaneError):
    prefix = "store."
    http_status = 503


class CheckpointError(RunplaneError):
    prefix = "checkpoint."


class StripeError(RunplaneError):
    prefix = "stripe."
    http_status = 503


class SettingsError(RunplaneError):
    prefix = "settings."
    exit_code = EXIT_USAGE
    http_status = 503


class UsageError(RunplaneError):
    prefix = "usage."
    exit_code = EXIT_USAGE


class InternalError(RunplaneError):
    prefix = "internal."
    http_status = 503
