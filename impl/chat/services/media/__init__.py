"""The content repository on the local disk."""
