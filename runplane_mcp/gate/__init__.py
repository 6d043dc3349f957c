"""The gate: the one pipeline that every Stripe operation of an agent goes through. `pipeline.py` reads top to bottom."""
