"""Runplane: the gate between AI agents and Stripe."""

__version__ = "0.1.0"
