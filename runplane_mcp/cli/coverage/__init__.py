"""`runplane audit coverage`: every money line at Stripe in one box, as a report and as an alarm."""
