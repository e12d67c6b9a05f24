"""Checks that a running server keeps the promises of the client-server API; by HTTP only."""
