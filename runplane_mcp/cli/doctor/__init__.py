"""`runplane doctor`: what is wrong with this machine, this home or this key, and what to do about it."""
