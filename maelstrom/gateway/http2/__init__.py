"""HTTP/2 on both sides: inside, every stream is a connection of HTTP/1.1."""
