"""Fixtures that all tests share."""

pytest_plugins = ["chat_testing.databases", "chat_testing.skips"]
