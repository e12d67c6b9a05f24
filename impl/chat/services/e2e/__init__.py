"""End-to-end encryption: the server keeps public keys and passes messages on."""
