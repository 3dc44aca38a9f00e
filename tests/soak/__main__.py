"""Long and large: `make soak MINUTES=60 GIB=5`. Flat memory is what it shows, and that every byte arrives.

A gateway in a process of its own, a container and clients in this one. First uploads and downloads of so many GiB,
counted and chunked; then server-sent events for so many minutes, with pauses up to 20 seconds. The gateway's
memory is looked at all the while. Loopback only. Exit code 1 if bytes are missing or memory has grown.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

from benchmarks.gateway.load import resident
from benchmarks.gateway.servers import ROOT, free_port

PIECE = b"\xa5" * (1 << 18)
GIB = 1 << 30
GROWTH = 16 << 20  # bytes that the gateway may have more at the end, and at any time: buffers, not bodies
IDLE_SECONDS = 30  # between two bytes, in the gateway
PAUSES = (1.0, 1.0, 1.0, 20.0)  # between events


async def main() -> int:
    options = parser().parse_args()
    container = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 20)
    upstream, port = container.sockets[0].getsockname()[1], free_port()
    command = [sys.executable, "-m", "benchmarks.gateway.serve", str(port), str(upstream), str(IDLE_SECONDS)]
    gateway = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
    try:
        await listening(port)
        return await campaign(port, gateway.pid, round(options.gib * GIB), options.minutes)
    finally:
        gateway.terminate()
        await gateway.wait()
        container.close()


async def campaign(port: int, pid: int, size: int, minutes: float) -> int:
    await transfer(port, "upload", 64 << 20, chunked=False)  # what it needs once is there now
    first = most = resident(pid)
    wrong: list[str] = []

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, resident(pid))
            await asyncio.sleep(0.2)

    watching = asyncio.create_task(watch())
    for way in ("upload", "download"):
        for chunked in (False, True):
            started = time.monotonic()
            arrived = await transfer(port, way, size, chunked=chunked)
            seconds = time.monotonic() - started
            name = f"{way}, {'chunked' if chunked else 'counted'}"
            rate = size / seconds / 1e6
            tell(f"{name}: {arrived} of {size} bytes, {rate:.0f} MB/s, memory at most {(most - first) >> 10} KiB more")
            wrong += [f"{name}: {arrived} bytes"] if arrived != size else []
    events, seconds = await listen(port, minutes * 60)
    last = resident(pid)
    watching.cancel()
    tell(f"events: {events} in {seconds:.0f} s, each as it was sent")
    tell(f"memory: {first >> 10} KiB at first, {most >> 10} KiB at most, {last >> 10} KiB at the end")
    wrong += ["memory has grown"] if max(most, last) - first > GROWTH else []
    tell("; ".join(wrong) or "all arrived, and memory is flat")
    return int(bool(wrong))


async def transfer(port: int, way: str, size: int, *, chunked: bool) -> int:
    """Bytes that arrived."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    try:
        if way == "upload":
            writer.write(f"POST /upload HTTP/1.1\r\nHost: 127.0.0.1\r\n{framing}\r\n\r\n".encode())
            await send(writer, size, chunked=chunked)
        else:
            writer.write(f"GET /download/{size}/{int(chunked)} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        arrived = await receive(reader, head)
        return arrived if way == "download" else int(_value(head, b"x-arrived"))
    finally:
        writer.transport.abort()


async def listen(port: int, seconds: float) -> tuple[int, float]:
    """Events that came in order, and for how long: ends in an error if one is late or missing."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    started, n = time.monotonic(), 0
    try:
        writer.write(f"GET /events/{seconds} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        while True:
            async with asyncio.timeout(max(PAUSES) + 5):
                size = int(await reader.readline(), 16)
                data = await reader.readexactly(size + 2)
            if not size:
                return n, time.monotonic() - started
            sent_at, number = data.removeprefix(b"data: ").split()
            late = time.time() - float(sent_at)
            if int(number) != n or late > 5:
                raise RuntimeError(f"event {n}: {data!r}, {late:.1f} s late")
            n += 1
    finally:
        writer.transport.abort()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The container."""
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            what, *words = head.split(b" ", 2)[1].decode().strip("/").split("/")
            if what == "upload":
                arrived = await receive(reader, head)
                writer.write(b"HTTP/1.1 200 OK\r\nX-Arrived: %d\r\nContent-Length: 0\r\n\r\n" % arrived)
            elif what == "download":
                size, chunked = int(words[0]), words[1] == "1"
                framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
                writer.write(f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n".encode())
                await send(writer, size, chunked=chunked)
            else:
                await events(writer, float(words[0]))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass  # the gateway has closed it
    finally:
        writer.close()


async def events(writer: asyncio.StreamWriter, seconds: float) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    end, n = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        event = b"data: %.3f %d\n\n" % (time.time(), n)
        writer.write(b"%x\r\n%b\r\n" % (len(event), event))
        await writer.drain()
        await asyncio.sleep(PAUSES[n % len(PAUSES)])
        n += 1
    writer.write(b"0\r\n\r\n")


async def send(writer: asyncio.StreamWriter, size: int, *, chunked: bool) -> None:
    while size:
        piece = PIECE[:size]
        size -= len(piece)
        writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        await writer.drain()
    if chunked:
        writer.write(b"0\r\n\r\n")
        await writer.drain()


async def receive(reader: asyncio.StreamReader, head: bytes) -> int:
    """Reads the body that `head` begins; its size."""
    arrived = 0
    if b"chunked" in head:
        while size := int(await reader.readline(), 16):
            arrived += await skip(reader, size)
            await reader.readexactly(2)
        await reader.readexactly(2)
        return arrived
    return await skip(reader, int(_value(head, b"content-length")))


async def skip(reader: asyncio.StreamReader, size: int) -> int:
    left = size
    while left:
        data = await reader.read(min(left, 1 << 18))
        if not data:
            break
        left -= len(data)
    return size - left


def _value(head: bytes, name: bytes) -> bytes:
    lines = (line.partition(b":") for line in head.split(b"\r\n"))
    return next(value.strip() for given, _, value in lines if given.lower() == name)


async def listening(port: int) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


def tell(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a program


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    made.add_argument("--minutes", type=float, default=60.0)
    made.add_argument("--gib", type=float, default=5.0)
    return made


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
