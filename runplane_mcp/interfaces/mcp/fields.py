"""What the arguments of tools have in common: Stripe's own names, and strict.

Nothing is coerced (`"60000"`, `60000.0` and `true` are not amounts), no other names are taken, and there is no null. What
was not sent is not there, and never reads as a default of ours.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from runplane_mcp.core.money import LARGEST_AMOUNT

STRICT = ConfigDict(strict=True, extra="forbid")

Amount = Annotated[
    int,
    Field(ge=1, le=LARGEST_AMOUNT, examples=[2500], description="In the currency's smallest unit: 2500 is $25.00."),
]
Currency = Annotated[str, Field(pattern=r"^[a-z]{3,4}$", examples=["usd"], description="Lower case, like usd.")]
#: Of the fifty that Stripe keeps one is ours: with fifty of the agent's own, what people approved would be refused.
Metadata = Annotated[
    dict[Annotated[str, Field(min_length=1, max_length=40)], Annotated[str, Field(max_length=500)]],
    Field(max_length=49, description="Your own keys and values, all text."),
]


def id_of(example: str, description: str) -> Any:
    return Field(min_length=1, max_length=255, examples=[example], description=description)


def text_of(longest: int, description: str) -> Any:
    return Field(min_length=1, max_length=longest, description=description)


@with_config(STRICT)
class OwnWords(TypedDict, total=False):
    """What every write takes beside Stripe's parameters. None of it goes to Stripe."""

    justification: Annotated[str, text_of(2000, "Why this should be done, for the person who may have to approve it.")]
    ticket: Annotated[str, text_of(200, "The order, case or conversation this belongs to.")]
    idempotency_key: Annotated[
        str, text_of(255, "The same key with the same parameters always gives the first request's answer.")
    ]
    repeat_of: Annotated[
        str,
        text_of(
            40, "Only when the same is meant a second time: the finished request that it repeats. Never for a retry."
        ),
    ]


@with_config(STRICT)
class Paging(TypedDict, total=False):
    """What every list takes to be read in pages."""

    limit: Annotated[int, Field(ge=1, le=100, examples=[10], description="How many to list; 10 if left out.")]
    starting_after: Annotated[str, Field(min_length=1, max_length=255, description="The id to continue after.")]
    ending_before: Annotated[str, Field(min_length=1, max_length=255, description="The id to read up to.")]


OWN_WORDS = frozenset(OwnWords.__annotations__)
