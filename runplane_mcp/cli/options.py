"""Options that many commands share, so that they read and behave the same everywhere."""

from __future__ import annotations

from typing import Annotated

import typer

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON value and nothing else on stdout.")]
SecretStdin = Annotated[
    bool, typer.Option("--secret-stdin", help="Read secrets as lines on stdin instead of asking for them.")
]
AsAdmin = Annotated[str | None, typer.Option("--as", metavar="ADMIN", help="The administrator who does this.")]
RequestArgument = Annotated[
    str | None, typer.Argument(metavar="[REQUEST]", help="A reference (RP-7F3K) or id. Left out: the newest card.")
]
