"""A TCP gate in front of a server: a test can cut what goes through it, freeze it, slow it down, or close it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Self


class Gate:
    """`async with Gate(port) as gate:` forwards `gate.port` to that port of this host."""

    def __init__(self, target: int) -> None:
        self.target = target  # of connections that come from now on
        self.delay = 0.0  # s, for each piece that passes
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self.port = 0
        self.accepted = 0
        self.cuts = 0  # ends of connections that were reset
        self.held = 0  # pieces that had to wait while it was frozen
        self.slowed = 0  # pieces that were delayed

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def is_open(self) -> bool:
        return self._server is not None

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """No new connections, and the open ones are cut."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()

    def cut(self) -> None:
        """Resets every open connection."""
        self.cuts += len(self._writers)
        for writer in self._writers:
            writer.transport.abort()

    def freeze(self) -> None:
        """Connections stay open, and new ones are accepted, but nothing passes any more."""
        self._flows.clear()

    def thaw(self) -> None:
        self._flows.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._join(reader, writer)
        except asyncio.CancelledError:
            return  # the end: nobody waits for this task
        finally:
            self._tasks.discard(task)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        far: asyncio.StreamWriter | None = None
        try:
            await self._flows.wait()
            far_reader, far = await asyncio.open_connection("127.0.0.1", self.target)
            self._writers.add(far)
            await asyncio.gather(self._pump(reader, far), self._pump(far_reader, writer))
        except OSError:
            return
        finally:
            for end in (writer, far):
                if end is not None:
                    self._writers.discard(end)
                    end.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            self.slowed += self.delay > 0
            await asyncio.sleep(self.delay)
            self.held += not self._flows.is_set()
            await self._flows.wait()
            sink.write(data)
            await sink.drain()
        with contextlib.suppress(OSError):
            sink.write_eof()
