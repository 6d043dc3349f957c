"""A search that plays a hijacked agent against the real gate on a simulated company: the most money that it finds to move
with nobody asked is a lower bound for what can go wrong under a policy."""

from runplane_mcp.attack.play import Attack, Found, Horizon
from runplane_mcp.attack.way import Act

__all__ = ["Act", "Attack", "Found", "Horizon"]
