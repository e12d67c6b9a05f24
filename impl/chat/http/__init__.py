"""Speaks HTTP: thin functions that fill the generated stubs, and the fixed steps around them."""
