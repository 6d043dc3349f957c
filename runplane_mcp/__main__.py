"""`python -m runplane_mcp` is `runplane`."""

from runplane_mcp.cli import main

main()
