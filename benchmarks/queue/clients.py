"""Clients that ask again as soon as they are answered, or only once; and the component that answers them."""

from __future__ import annotations

import asyncio
import time
from typing import cast

BODY = b"x" * 1024
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n"


class Worker(asyncio.Protocol):
    """One connection of the component: each answer takes so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        for _ in range(data.count(b"\r\n\r\n")):
            self._loop.call_later(self._seconds, self._answer)

    def _answer(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(ANSWER)


class Client(asyncio.Protocol):
    """`took`: seconds from each request to its whole answer."""

    def __init__(self, *, once: bool = False) -> None:
        self.took: list[float] = []
        self.answered = asyncio.get_running_loop().create_future()
        self.failed = 0
        self._once = once
        self._held = 0
        self._at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._ask()

    def _ask(self) -> None:
        self._at = time.perf_counter()
        self.transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        if not self._held and not data.startswith(b"HTTP/1.1 200"):
            self.failed += 1
        self._held += len(data)
        if self._held < len(ANSWER):
            return
        self._held = 0
        self.took.append(time.perf_counter() - self._at)
        if not self.answered.done():
            self.answered.set_result(None)
        if not self._once:
            self._ask()


async def connect(port: int, count: int, *, once: bool = False) -> list[Client]:
    """Clients that have their first answer, connected a few at a time."""
    loop = asyncio.get_running_loop()
    clients: list[Client] = []
    for start in range(0, count, 50):
        made = await asyncio.gather(
            *(
                loop.create_connection(lambda: Client(once=once), "127.0.0.1", port)
                for _ in range(min(50, count - start))
            )
        )
        clients += [client for _, client in made]
    await asyncio.gather(*(client.answered for client in clients))
    return clients
