"""What `scripts/bench` measures. Nothing here is a test: figures are printed, compared within one run, never asserted."""
