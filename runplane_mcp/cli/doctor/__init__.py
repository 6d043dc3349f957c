"""`runplane doctor`: what is wrong with this machine, this home or this key, and what to do about it."""

from runplane_mcp.cli.doctor.command import doctor

__all__ = ["doctor"]
