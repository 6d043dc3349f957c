"""The ways in. Each hands attempts to the same gate and turns what the gate says into its own protocol's words."""
