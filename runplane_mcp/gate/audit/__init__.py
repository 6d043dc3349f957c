"""The audit log for people: whether it is what it was, proofs of it for others, its key, and what was erased of it."""
