"""Credit notes."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Required

from pydantic import Field, with_config
from typing_extensions import TypedDict

from runplane_mcp.core.money import LARGEST_AMOUNT
from runplane_mcp.interfaces.mcp.fields import STRICT, Amount, Metadata, OwnWords, Paging, id_of, text_of
from runplane_mcp.interfaces.mcp.row import BOTH, GOVERNED, MONEY_OUT, READ, ToolRow, renamed

_Invoice = Annotated[str, id_of("in_1Abc", "The invoice that a part of is taken back.")]
_NoteId = Annotated[str, id_of("cn_1Abc", "The credit note.")]


def _part(description: str) -> object:
    return Field(ge=1, le=LARGEST_AMOUNT, examples=[2500], description=description)


@with_config(STRICT)
class CreditNoteLine(TypedDict, total=False):
    type: Required[Literal["invoice_line_item", "custom_line_item"]]
    invoice_line_item: Annotated[str, id_of("il_1Abc", "A line of the invoice, with type invoice_line_item.")]
    amount: Amount
    quantity: Annotated[int, Field(ge=1, le=1_000_000, examples=[2], description="How many of it.")]
    description: Annotated[str, text_of(500, "With type custom_line_item.")]
    unit_amount: Annotated[int, _part("With type custom_line_item: the price of one, in smallest units.")]


@with_config(STRICT)
class CreateCreditNote(OwnWords, total=False):
    invoice: Required[_Invoice]
    amount: Annotated[int, _part("All of it, in smallest units. Alone only for an invoice that is not paid yet.")]
    refund_amount: Annotated[int, _part("Of a paid invoice: this much is REFUNDED.")]
    credit_amount: Annotated[int, _part("Of a paid invoice: this much becomes credit for the next invoice.")]
    out_of_band_amount: Annotated[int, _part("Of a paid invoice: this much was given back outside of Stripe.")]
    lines: Annotated[list[CreditNoteLine], Field(min_length=1, max_length=50, description="Instead of amount.")]
    reason: Literal["duplicate", "fraudulent", "order_change", "product_unsatisfactory"]
    memo: Annotated[str, text_of(5000, "Stands on the credit note.")]
    email_type: Annotated[Literal["credit_note", "none"], Field(description="none: the customer gets no email.")]
    metadata: Metadata


@with_config(STRICT)
class RetrieveCreditNote(TypedDict, total=False):
    credit_note: Required[_NoteId]


@with_config(STRICT)
class ListCreditNotes(Paging, total=False):
    invoice: Annotated[str, id_of("in_1Abc", "Only this invoice's.")]
    customer: Annotated[str, id_of("cus_Abc", "Only this customer's.")]


TOOLS: Final = (
    ToolRow(
        "create_credit_note",
        "Create a credit note",
        "Takes back a part of an invoice. Not paid yet: less is owed. Paid: say how much is refunded, becomes credit, or "
        f"was given back elsewhere. {GOVERNED}",
        CreateCreditNote,
        MONEY_OUT,
        BOTH,
        "PostCreditNotes",
    ),
    ToolRow(
        "retrieve_credit_note",
        "Look at a credit note",
        "One credit note: its amount, invoice, and what became of the money.",
        RetrieveCreditNote,
        READ,
        BOTH,
        renamed("GetCreditNotesId", credit_note="id"),
        "GetCreditNotesId",
    ),
    ToolRow(
        "list_credit_notes",
        "List credit notes",
        "Credit notes, newest first. With invoice, those of that invoice.",
        ListCreditNotes,
        READ,
        BOTH,
        "GetCreditNotes",
    ),
)
