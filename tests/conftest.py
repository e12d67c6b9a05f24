"""Fixtures that all tests share."""

pytest_plugins = ["chat_testing.databases", "chat_testing.servers", "chat_testing.skips"]
