"""What the server remembers; the only place with SQL."""
