"""The only code that talks to Stripe: sends stored bytes, looks up effects, finds out what became of a request."""
