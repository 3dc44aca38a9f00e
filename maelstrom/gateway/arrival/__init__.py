"""A connection from the listening socket to its protocol: who it comes from, TLS, which certificate."""
