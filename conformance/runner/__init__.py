"""What runs the checks: HTTP exchanges, their contract, the loop and the report."""
