"""The least server there is: what a start takes is then the engine's and ours, not the application's."""

import _socket

server = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
server.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
server.bind(("0.0.0.0", 8080))
server.listen(128)
while True:
    fd, _ = server._accept()
    client = _socket.socket(fileno=fd)
    client.recv(65536)
    client.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
    client.close()
