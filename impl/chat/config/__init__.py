"""The configuration: keys, units, defaults and checks."""
