"""Rooms: sending, membership, history, state, directory."""
