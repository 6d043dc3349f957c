"""Who made each money line at Stripe: the lists it stands on, the lines, their traces, the boxes and the sums.

`listings` says what is read, `lines` makes money lines of it, `traces` says which event of Stripe's made each, `boxes` puts
each line in exactly one box, `sums` adds them up and ties them to what Stripe says.
"""
