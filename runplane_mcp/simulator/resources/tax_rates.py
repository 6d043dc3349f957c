"""Tax rates that the company sets itself. A rate that was used keeps its percentage; it can only be archived.

Source: https://docs.stripe.com/api/tax_rates
"""

from __future__ import annotations

from runplane_mcp.simulator.lists import list_route
from runplane_mcp.simulator.objects import Obj, Params, merge_metadata, new_id
from runplane_mcp.simulator.parameters import Raw, array, boolean, metadata, one_of, text, word
from runplane_mcp.simulator.refusal import Refusal, invalid
from runplane_mcp.simulator.routes import Route, retrieve_route
from runplane_mcp.simulator.transaction import Transaction

_TEXTS = ("country", "description", "jurisdiction", "state", "tax_type")
TAX_RATES = array(word, most=5)


def tax_rates(tx: Transaction, ids: list[str], param: str = "default_tax_rates") -> list[Obj]:
    """The rates as they are kept with what they tax. An archived one cannot be used anew."""
    rates = [tx.require("tax_rate", id, param) for id in ids]
    if not all(rate["active"] for rate in rates):
        raise Refusal("An inactive tax rate cannot be used.", param=param)
    if len({rate["inclusive"] for rate in rates}) > 1:
        raise Refusal("Tax rates are all inclusive or all exclusive.", param=param)
    return rates


def _create(tx: Transaction, params: Params) -> Obj:
    rate: Obj = {
        "id": new_id("txr"),
        "object": "tax_rate",
        "active": params.get("active", True),
        **{name: params.get(name) or None for name in _TEXTS},
        "created": tx.now,
        "display_name": params["display_name"],
        "effective_percentage": None,
        "flat_amount": None,
        "inclusive": params["inclusive"],
        "jurisdiction_level": None,
        "livemode": False,
        "metadata": merge_metadata({}, params.get("metadata", {})),
        "percentage": params["percentage"],
        "rate_type": "percentage",
    }
    tx.insert(rate)
    tx.emit("tax_rate.created", rate)
    return rate


def _update(tx: Transaction, params: Params) -> Obj:
    rate = tx.require("tax_rate", params["tax_rate"], "tax_rate", status=404)
    before = dict(rate)
    for name in ("active", "display_name"):
        if name in params:
            rate[name] = params[name]
    for name in _TEXTS:
        if name in params:
            rate[name] = params[name] or None
    if "metadata" in params:
        rate["metadata"] = merge_metadata(rate["metadata"], params["metadata"])
    tx.save(rate)
    tx.emit("tax_rate.updated", rate, before=before)
    return rate


def _percentage(value: Raw, name: str) -> float:
    given = word(value, name)
    try:
        share = float(given)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 100:
        raise invalid(f"'{name}' must be between 0 and 100.", name)
    return int(share) if share == int(share) else share


_CHANGES = {
    **dict.fromkeys(_TEXTS, text),
    "active": boolean,
    "display_name": word,
    "metadata": metadata,
    "tax_type": one_of("", "gst", "hst", "jct", "pst", "qst", "rst", "sales_tax", "vat"),
}

ROUTES = (
    list_route("/v1/tax_rates", "tax_rate", {"active": boolean, "inclusive": boolean}),
    Route(
        "POST",
        "/v1/tax_rates",
        _create,
        {**_CHANGES, "inclusive": boolean, "percentage": _percentage},
        required=("display_name", "inclusive", "percentage"),
    ),
    retrieve_route("/v1/tax_rates/{tax_rate}", "tax_rate"),
    Route("POST", "/v1/tax_rates/{tax_rate}", _update, _CHANGES),
)
