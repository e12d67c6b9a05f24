"""Background work: each job calls services."""
