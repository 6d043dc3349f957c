"""What single operations were judged to be, by family: every side door of money and access with the group that holds it."""
