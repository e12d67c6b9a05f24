"""Chat Server: a Matrix homeserver and identity server."""
