"""Decides: pure functions of events, signatures, authorisation rules and state resolution.

Values in, values out: no clock, socket, file, SQL, configuration, thread or log.
"""
