"""`runplane demo`: the whole story on the simulator, with real parts. Nothing heavy is imported before it runs."""

from runplane_mcp.cli.demo.command import demo

__all__ = ["demo"]
