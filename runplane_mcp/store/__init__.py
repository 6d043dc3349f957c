"""Where requests, votes, limits, people, the policy and the audit log live. `base.py` is the protocol."""
