"""What the server does: one function per use case, which owns its transaction."""
