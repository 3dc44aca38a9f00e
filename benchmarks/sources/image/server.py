"""An instant component: 200 to whatever comes whole; /first says when the first POST since it was asked last came."""

import asyncio
import os
import signal
import time

first = 0.0


class Server(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        global first
        self.buffer += data
        head, end, body = self.buffer.partition(b"\r\n\r\n")
        if not end:
            return
        lower = head.lower()
        at = lower.find(b"\r\ncontent-length:")
        length = int(lower[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(body) < length:
            return
        self.buffer = body[length:]
        answer = b"ok"
        if head.startswith(b"POST"):
            first = first or time.monotonic()
        elif head.startswith(b"GET /first "):
            answer, first = b"%.6f" % first, 0.0
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)


async def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # the first process of a container would not hear of it
    server = await asyncio.get_running_loop().create_server(Server, "0.0.0.0", 8080, backlog=1024)
    await server.serve_forever()


asyncio.run(main())
