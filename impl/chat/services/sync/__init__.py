"""Classic sync: what is new for a user and device since a token."""
