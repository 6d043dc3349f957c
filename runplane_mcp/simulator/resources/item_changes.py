"""The items of a subscription: what is asked of each, and which prices they can have."""

from __future__ import annotations

from collections.abc import Mapping

from runplane_mcp.simulator.objects import Obj, Params, merge_metadata, new_id
from runplane_mcp.simulator.parameters import Reader, array, integer, mapping, metadata, positive, word
from runplane_mcp.simulator.refusal import Refusal, invalid, missing
from runplane_mcp.simulator.resources.discounts import DISCOUNTS, end_discount, redeem_all
from runplane_mcp.simulator.resources.invoice_items import item_object as invoice_item
from runplane_mcp.simulator.resources.prices import PRICE_DATA, RECURRING_PRICE_DATA, inline_price
from runplane_mcp.simulator.resources.pricing import amount_of
from runplane_mcp.simulator.resources.subscription_objects import item_object
from runplane_mcp.simulator.transaction import Transaction


def change_item(tx: Transaction, subscription: Obj, items: dict[str, Obj], asked: Params) -> str:
    """One entry of `items`: a change, a new item, an end. Returns the item's id."""
    id: str | None = asked.get("id")
    if id is not None and id not in items:
        raise missing("subscription item", id, "items")
    if asked.get("deleted"):
        if id is None:
            raise invalid("Only an item with an id can be deleted.", "items", "parameter_missing")
        del items[id]
        return id
    price = price_of(tx, asked, subscription["currency"])
    if id is None:
        if price is None:
            raise invalid("A new item needs a price.", "items", "parameter_missing")
        id = new_id("si")
        start = min((int(item["current_period_start"]) for item in items.values()), default=tx.now)
        end = subscription["trial_end"] if subscription["status"] == "trialing" else None
        items[id] = item_object(subscription["id"], tx.now, start, end, id, price, int(asked.get("quantity", 1)))
    else:
        items[id] = _changed(items[id], price, asked)
    if "metadata" in asked:
        items[id]["metadata"] = merge_metadata(items[id]["metadata"], asked["metadata"])
    if "discounts" in asked:
        owner = {"subscription": subscription["id"], "subscription_item": id}
        kept = {each["discount"] for each in asked["discounts"] if "discount" in each}
        for discount in items[id]["discounts"]:
            if discount not in kept:
                end_discount(tx, discount)
        items[id]["discounts"] = redeem_all(tx, asked["discounts"], customer=subscription["customer"], **owner)
    return id


def price_of(tx: Transaction, asked: Params, code: str | None, param: str = "items") -> Obj | None:
    """The price an entry names or describes, a plan being one too: active, recurring, of the currency `code`.

    One that was `agreed` before, in the phase of a schedule, may have been archived since.
    """
    ways = {"plan", "price", "price_data"} & set(asked)
    if len(ways) > 1:
        raise invalid("Give a price or price data, and only one.", param)
    if not ways:
        return None
    if "price_data" in asked:
        price = inline_price(tx, asked["price_data"], f"{param}[price_data]")
    else:
        price = tx.require("price", asked.get("price") or asked["plan"], param)
        if not price["active"] and not asked.get("agreed"):
            raise Refusal(f"The price {price['id']} is inactive: nobody can subscribe to it.", param=param)
    if price["recurring"] is None:
        raise Refusal(f"The price {price['id']} is paid only once.", param=param)
    if code is not None and price["currency"] != code:
        raise Refusal("The price has another currency than the subscription.", param=param)
    return price


def _changed(item: Obj, price: Obj | None, asked: Params) -> Obj:
    """Another price sets the quantity to one unless it is given, as at Stripe."""
    kept: int = item["quantity"] if price is None else 1
    quantity: int = asked.get("quantity", kept)
    changed = item_object(
        item["subscription"],
        item["created"],
        item["current_period_start"],
        item["current_period_end"],
        item["id"],
        price or item["price"],
        quantity,
    )
    return {**item, "plan": changed["plan"], "price": changed["price"], "quantity": quantity}


def refuse_impossible(items: dict[str, Obj]) -> None:
    if not items:
        raise Refusal("A subscription keeps at least one item; cancel it instead.", param="items")
    prices = [item["price"]["id"] for item in items.values()]
    if len(set(prices)) != len(prices):
        raise Refusal("Two items of a subscription cannot have the same price.", param="items")
    if any(item["quantity"] < 0 for item in items.values()):
        raise invalid("'quantity' must be zero or more.", "items", "parameter_invalid_integer")


def add_once(tx: Transaction, subscription: Obj, asked: Params) -> None:
    """Something paid once, on the next invoice of the subscription."""
    if ("price" in asked) == ("price_data" in asked):
        raise invalid("Give a price or price data, and only one.", "add_invoice_items", "parameter_missing")
    if "price" in asked:
        price = tx.require("price", asked["price"], "add_invoice_items")
        if not price["active"] and not asked.get("agreed"):
            raise Refusal(f"The price {price['id']} is inactive.", param="add_invoice_items")
    else:
        price = inline_price(tx, asked["price_data"], "add_invoice_items[price_data]")
    if price["recurring"] is not None or price["currency"] != subscription["currency"]:
        raise Refusal("What is added is paid once, in the subscription's currency.", param="add_invoice_items")
    quantity = asked.get("quantity", 1)
    item = invoice_item(
        new_id("ii"),
        customer=subscription["customer"],
        amount=amount_of(tx, price, quantity),
        code=price["currency"],
        created=tx.now,
        quantity=quantity,
        price=price,
    )
    item["discounts"] = redeem_all(
        tx,
        asked.get("discounts", []),
        customer=subscription["customer"],
        invoice_item=item["id"],
        param="add_invoice_items",
    )
    item["metadata"] = merge_metadata({}, asked.get("metadata", {}))
    of = {"subscription": subscription["id"], "subscription_item": None}
    item["parent"] = {"subscription_details": of, "type": "subscription_details"}
    tx.insert(item)
    tx.emit("invoiceitem.created", item)


#: What an item may say, new or changed.
ITEM: Mapping[str, Reader] = {
    "discounts": DISCOUNTS,
    "metadata": metadata,
    "plan": word,
    "price": word,
    "price_data": RECURRING_PRICE_DATA,
    "quantity": integer,
}
#: What is paid once may say.
ADDED = array(
    mapping(
        {"discounts": DISCOUNTS, "metadata": metadata, "price": word, "price_data": PRICE_DATA, "quantity": positive}
    ),
    most=20,
)
