"""Bytes in, meaning out: heads, bodies and the first messages of connections, read strictly. Pure."""
