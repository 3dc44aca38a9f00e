"""One request from socket to socket: a client's connection, an exchange, a container's connection."""
