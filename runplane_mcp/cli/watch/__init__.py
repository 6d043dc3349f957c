"""`runplane approvals watch`: what waits for people, live; on a terminal one can look at a card and answer it there."""

from runplane_mcp.cli.watch.command import watch

__all__ = ["watch"]
