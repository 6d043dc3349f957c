"""The MCP interface: Stripe's tools for agents, every call of them handed to the gate.

`tools/` is the one table, a file for each of Stripe's resources; `row.py` and `fields.py` are what its rows are made of;
`arguments.py` reads what models send; `governance.py` stands in front of every call; `messages.py` and `envelope.py` are
what models get back; `server.py` and `stdio.py` put it on the wire.
"""
