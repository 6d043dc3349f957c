"""What `verify` finds."""

from __future__ import annotations


class Mismatch(Exception):
    """What is wrong, in one sentence; and the event that cannot be right, where it is one."""

    def __init__(self, problem: str, seq: int | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.seq = seq
