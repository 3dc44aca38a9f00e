"""The component that the project's tests run: it does what a test asks for by path and query.

    /                    200
    /echo                method, target, headers, trailers, body and MAELSTROM_* variables as JSON
    /sleep?s=1           answers after so many seconds
    /status?code=503&body=…&h=Name:Value   that answer; `h` may be repeated
    /count               reads the body: {"bytes", "sha256"}
    /big?n=1000000       so many bytes, with Content-Length
    /sse?n=5&s=0.2       server-sent events, chunked
    /trailers            chunked, with the trailer X-Sum
    /early               103 before 200
    /old                 an answer without length, ended by closing
    /ws                  WebSocket echo
    /conc                {"now", "peak", "total"} of the other requests
    /keep?s=1&codes=500,200&h=Name:Value   keeps the request; answers after so many seconds, with the code of its
                         Maelstrom-Receive-Count (the last for all further ones; default 200)
    /later?s=1&verb=success&body=1&beats=0   202, then so many heartbeats, a second apart, and after s that answer, all
                         to the node; /later/told: their statuses
    /kept                those requests as JSON: headers, body, when they began and ended (null: open)
    /hang                never answers
    /crash?code=3        exits at once;  /crash/body: in the middle of its answer
    /close               answers, then closes although it did not say so
    /oom                 takes memory until it is killed
    /print?text=…&n=1&stream=stderr        writes lines to its log
    /health, /health/off, /health/on, /health/hang   what the health check sees
    /counted             work that a ledger counts (see counted.py); LEDGER names its socket
    /step/split, /step/sum, /step/text, /step/big?n=…, /step/fail?status=&error=&cause=

Environment: PORT (8080), START_DELAY (s before it listens), UNHEALTHY_FOR (s of 503 at first), EXIT_AT_START (a code),
IGNORE_TERM. Standard library only.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import sys
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping

from tests.component import counted, later
from tests.component.http1 import HEAD_LIMIT, Request, read_head

WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

Handler = Callable[["App", Request], Awaitable[None]]
HANDLERS: dict[str, Handler] = {}


def path(*paths: str) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        HANDLERS.update(dict.fromkeys(paths, handler))
        return handler

    return register


class App:
    """One running component. `exit` ends it and does not return; `say` writes a line to a stream of its log."""

    def __init__(
        self, environ: Mapping[str, str], exit: Callable[[int], object], say: Callable[[str, str], object]
    ) -> None:
        self.environ = environ
        self.exit = exit
        self.say = say
        self.started = time.monotonic()
        self.health_is = "on"
        self.now = self.peak = self.total = 0
        self.kept: list[dict[str, object]] = []
        self.told: list[int] = []
        self.promises: set[asyncio.Task[None]] = set()
        self.idle = asyncio.Event()
        self.idle.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            while (request := await read_head(reader, writer)) is not None:
                self.now += 1
                self.total += 1
                self.peak = max(self.peak, self.now)
                self.idle.clear()
                try:
                    handler = HANDLERS.get(request.path)
                    if handler is None:
                        request.answer(404, f"no such path: {request.path}")
                    else:
                        await handler(self, request)
                    await writer.drain()
                finally:
                    self.now -= 1
                    if not self.now:
                        self.idle.set()
                if not request.keep:
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            return  # the client has left
        finally:
            writer.close()

    @path("/")
    async def root(self, request: Request) -> None:
        request.answer(200, {"instance": self.environ.get("MAELSTROM_INSTANCE_ID", ""), "host": os.uname().nodename})

    @path("/echo")
    async def echo(self, request: Request) -> None:
        body = await request.text()
        request.answer(
            200,
            {
                "method": request.method,
                "target": request.target,
                "headers": request.headers,
                "trailers": request.trailers,
                "body": body,
                "environment": {k: v for k, v in self.environ.items() if k.startswith("MAELSTROM_")},
            },
        )

    @path("/sleep")
    async def sleep(self, request: Request) -> None:
        await request.text()
        await asyncio.sleep(request.number("s", 1))
        request.answer(200, {"slept": request.number("s", 1)})

    @path("/status")
    async def status(self, request: Request) -> None:
        await request.text()
        headers = [(v.partition(":")[0], v.partition(":")[2]) for k, v in request.query_list if k == "h"]
        request.answer(int(request.number("code", 200)), request.query.get("body", ""), headers)

    @path("/count")
    async def count(self, request: Request) -> None:
        found, size = hashlib.sha256(), 0
        async for piece in request.body():
            found.update(piece)
            size += len(piece)
        request.answer(200, {"bytes": size, "sha256": found.hexdigest()})

    @path("/big", "/step/big")
    async def big(self, request: Request) -> None:
        await request.text()
        left = int(request.number("n", 1_000_000))
        request.head(200, [("Content-Length", str(left)), ("Content-Type", "application/octet-stream")])
        while left and request.method != "HEAD":
            piece = min(left, 65536)
            request.writer.write(b"1" * piece)
            await request.writer.drain()
            left -= piece

    @path("/sse")
    async def events(self, request: Request) -> None:
        request.head(200, [("Transfer-Encoding", "chunked"), ("Content-Type", "text/event-stream")])
        for i in range(int(request.number("n", 5))):
            await request.chunk(b"data: %d\n\n" % i)
            await asyncio.sleep(request.number("s", 0.2))
        request.writer.write(b"0\r\n\r\n")

    @path("/trailers")
    async def trailers(self, request: Request) -> None:
        request.head(200, [("Transfer-Encoding", "chunked"), ("Trailer", "X-Sum")])
        await request.chunk(b"hello ")
        await request.chunk(b"world")
        request.writer.write(b"0\r\nX-Sum: 11\r\n\r\n")

    @path("/early")
    async def early(self, request: Request) -> None:
        request.writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n")
        request.answer(200, "after the hints")

    @path("/old")
    async def old(self, request: Request) -> None:
        request.writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nended by closing")
        request.answered, request.keep = True, False

    @path("/close")
    async def close(self, request: Request) -> None:
        request.answer(200, "this connection is closed now")
        request.keep = False

    @path("/ws")
    async def websocket(self, request: Request) -> None:
        key = b64encode(hashlib.sha1(request.header("sec-websocket-key").encode() + WEBSOCKET_GUID).digest())
        request.head(101, [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", key.decode())])
        request.keep = False
        opcode = 0
        while opcode != 8:
            opcode, data = await read_frame(request.reader)
            size = bytes([len(data)]) if len(data) < 126 else b"\x7e" + len(data).to_bytes(2, "big")
            if len(data) > 65535:
                size = b"\x7f" + len(data).to_bytes(8, "big")
            request.writer.write(bytes([0x80 | (10 if opcode == 9 else opcode)]) + size + data)
            await request.writer.drain()

    @path("/conc")
    async def concurrency(self, request: Request) -> None:
        request.answer(200, {"now": self.now - 1, "peak": self.peak, "total": self.total})

    @path("/keep")
    async def keep(self, request: Request) -> None:
        body = await request.text()
        kept = {"headers": request.headers, "body": body, "begun": time.monotonic(), "ended": None}
        self.kept.append(kept)
        await asyncio.sleep(request.number("s", 0))
        kept["ended"] = time.monotonic()
        codes = request.query.get("codes", "200").split(",")
        time_of_it = int(request.header("maelstrom-receive-count") or 1)
        headers = [(v.partition(":")[0], v.partition(":")[2]) for k, v in request.query_list if k == "h"]
        code = int(codes[min(time_of_it, len(codes)) - 1])
        request.answer(code, {"kept": len(self.kept)}, headers if code != 200 or "always" in request.query else [])

    @path("/later")
    async def promise(self, request: Request) -> None:
        await request.text()
        work = self.keep_promise(request.header("maelstrom-task-token"), dict(request.query))
        task = asyncio.get_running_loop().create_task(work)
        self.promises.add(task)
        task.add_done_callback(self.promises.discard)
        request.answer(202)

    async def keep_promise(self, token: str, query: Mapping[str, str]) -> None:
        for _ in range(int(query.get("beats", 0))):
            self.told.append(await later.answer(self.environ, token, "heartbeat", b"", 1.0))
        verb, body = query.get("verb", "success"), query.get("body", "1").encode()
        if verb != "none":
            self.told.append(await later.answer(self.environ, token, verb, body, float(query.get("s", 1))))

    @path("/later/told")
    async def tell_promises(self, request: Request) -> None:
        request.answer(200, self.told)

    @path("/kept")
    async def tell_kept(self, request: Request) -> None:
        request.answer(200, self.kept)

    @path("/hang")
    async def hang(self, request: Request) -> None:
        await asyncio.sleep(3600)

    @path("/crash")
    async def crash(self, request: Request) -> None:
        self.exit(int(request.number("code", 1)))

    @path("/crash/body")
    async def crash_in_body(self, request: Request) -> None:
        request.head(200, [("Content-Length", "1000")])
        request.writer.write(b"only this much")
        await request.writer.drain()
        await asyncio.sleep(request.number("s", 0.1))
        self.exit(1)

    @path("/oom")
    async def out_of_memory(self, request: Request) -> None:
        taken = []
        while True:
            taken.append(bytearray(b"x" * 10_000_000))

    @path("/print")
    async def print_lines(self, request: Request) -> None:
        stream = request.query.get("stream", "stdout")
        text = request.query.get("text", "line") * int(request.number("times", 1))
        for _ in range(int(request.number("n", 1))):
            self.say(text, stream)
        request.answer(200)

    @path("/health")
    async def health(self, request: Request) -> None:
        warming = time.monotonic() - self.started < float(self.environ.get("UNHEALTHY_FOR", 0))
        if self.health_is == "hang":
            await asyncio.sleep(3600)
        request.answer(503 if warming or self.health_is == "off" else 200, "warming up" if warming else self.health_is)

    @path("/health/on", "/health/off", "/health/hang")
    async def set_health(self, request: Request) -> None:
        self.health_is = request.path.rpartition("/")[2]
        request.answer(200, self.health_is)

    @path("/counted")
    async def counted(self, request: Request) -> None:
        await counted.work(request, self.environ)

    @path("/step/split")
    async def step_split(self, request: Request) -> None:
        numbers = json.loads(await request.text())["numbers"]
        request.answer(200, [int(text) for text in numbers.split(",")])

    @path("/step/sum")
    async def step_sum(self, request: Request) -> None:
        request.answer(200, sum(json.loads(await request.text())))

    @path("/step/text")
    async def step_text(self, request: Request) -> None:
        request.answer(200, "this is not JSON")

    @path("/step/fail")
    async def step_fail(self, request: Request) -> None:
        await request.text()
        fields = [(f"step-func-{k}", v) for k, v in request.query.items() if k in ("error", "cause")]
        request.answer(int(request.number("status", 500)), request.query.get("body", "it failed"), fields)


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    first, second = await reader.readexactly(2)
    size = second & 127
    if size >= 126:
        size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8), "big")
    mask = await reader.readexactly(4) if second & 128 else bytes(4)
    data = await reader.readexactly(size)
    return first & 15, bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))


def say(text: str, stream: str) -> None:
    out = sys.stderr if stream == "stderr" else sys.stdout
    out.write(f"{text}\n")
    out.flush()


async def main() -> None:
    if "EXIT_AT_START" in os.environ:
        say("cannot start: EXIT_AT_START is set", "stderr")
        sys.exit(int(os.environ["EXIT_AT_START"]))
    await asyncio.sleep(float(os.environ.get("START_DELAY", 0)))
    app = App(os.environ, os._exit, say)
    port = int(os.environ.get("PORT", 8080))
    server = await asyncio.start_server(app.serve, "0.0.0.0", port, limit=HEAD_LIMIT, backlog=1024)
    say(f"listening on {port}", "stdout")
    stop = asyncio.Event()
    ignore = "IGNORE_TERM" in os.environ
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, (lambda: None) if ignore else stop.set)
    await stop.wait()
    server.close()
    await app.idle.wait()  # what is open may end
    say("bye", "stdout")


if __name__ == "__main__":
    asyncio.run(main())
