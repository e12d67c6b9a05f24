"""Wiring: configuration → Server → WSGI application; gunicorn; commands."""
