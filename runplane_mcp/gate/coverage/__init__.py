"""Who moved the money at Stripe, by the record and by Stripe: the reports, and the watch that runs beside the requests."""
