"""`runplane approvals watch`: what waits for people, live; on a terminal one can look at a card and answer it there."""
