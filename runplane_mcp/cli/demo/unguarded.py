"""The agent of act 1 without Runplane: the stock Stripe SDK, a key, and nothing in between.

Started as a process of its own, `python -m runplane_mcp.cli.demo.unguarded ADDRESS`: what it does to Stripe is what any
script with a key does.
"""

from __future__ import annotations

import json
import sys

import stripe

from runplane_mcp.simulator import SEED, SIMULATOR_KEY


def refund_everybody(address: str) -> int:
    """Refunds $235.00 to each of 200 customers; returns how many refunds Stripe answered with."""
    client = stripe.StripeClient(SIMULATOR_KEY, base_addresses={"api": address}, max_network_retries=0)
    refunds = [
        client.v1.refunds.create(params={"payment_intent": each, "amount": 23_500}) for each in SEED.payment_intents_235
    ]
    return len(refunds)


if __name__ == "__main__":
    print(json.dumps({"refunds": refund_everybody(sys.argv[1])}))
