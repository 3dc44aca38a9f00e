"""A small web application: what Maelstrom asks of a component is an HTTP server on one port, and no more.

    GET  /            a greeting
    GET  /health      200, asked before the first request and then every few seconds
    POST /step/split  {"numbers": "1,2,3"}  ->  [1, 2, 3]
    POST /step/sum    [1, 2, 3]             ->  6
    POST /note        anything, such as a message of a queue: it is printed

The steps are the two steps of a Step Functions state machine. Their input is the request's body, their output the
answer's. A step that cannot do its work answers with another status than 200 and names its error in a header, so that
the state machine can catch it by that name. Only the standard library is used.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PORT = int(os.environ.get("PORT", "8080"))
LONGEST_BODY = 262_144  # bytes, as long as the input of a step can be
SECONDS_TO_FINISH = 10  # for requests that are open when the container is told to stop


class WrongInput(Exception):
    """The input of a step is not what it expects."""


def split(task: Any) -> list[float]:
    try:
        return [number(text) for text in task["numbers"].split(",")]
    except (KeyError, TypeError, AttributeError):
        raise WrongInput('expected {"numbers": "1,2,3"}') from None


def total(task: Any) -> float:
    if not isinstance(task, list) or not all(isinstance(item, int | float) for item in task):
        raise WrongInput("expected a list of numbers")
    return sum(task)


def number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise WrongInput(f"{text.strip()!r} is no number")
    return int(value) if value.is_integer() else value


STEPS = {"/step/split": split, "/step/sum": total}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept open between requests
    wbufsize = -1  # head and body leave in one write
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/":
            greeting = os.environ.get("GREETING", "Hello")
            instance = os.environ.get("MAELSTROM_INSTANCE_ID", "no container")
            self.answer(200, f"{greeting} from {instance}\n", "text/plain; charset=utf-8")
        elif path == "/health":
            self.answer(200, "ok\n", "text/plain; charset=utf-8")
        else:
            self.answer(404, "no such page\n", "text/plain; charset=utf-8")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > LONGEST_BODY:
            self.close_connection = True
            self.answer(413 if length else 411, "a Content-Length of at most 262144 is needed\n", "text/plain")
            return
        body = self.rfile.read(int(length))
        if self.path == "/note":
            print(f"noted {body!r}", flush=True)
            self.answer(200, json.dumps({"noted": len(body)}), "application/json")
            return
        step = STEPS.get(self.path)
        if step is None:
            self.answer(404, "no such step\n", "text/plain")
            return
        try:
            output = step(json.loads(body))
        except (WrongInput, ValueError) as error:
            cause = str(error).encode("ascii", "backslashreplace").decode()
            self.answer(400, f"{error}\n", "text/plain", {"step-func-error": "WrongInput", "step-func-cause": cause})
        else:
            self.answer(200, json.dumps(output), "application/json")

    def answer(self, status: int, text: str, kind: str, headers: dict[str, str] | None = None) -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        if getattr(self, "path", "") != "/health":  # a request that is none has no path
            super().log_request(code, size)

    def handle_one_request(self) -> None:
        super().handle_one_request()
        self.server.ended(self)

    def parse_request(self) -> bool:
        self.server.began(self)
        return super().parse_request()


class Server(ThreadingHTTPServer):
    """One thread a connection; knows which of them are in the middle of a request."""

    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("0.0.0.0", PORT), Handler)
        self.busy: set[Handler] = set()
        self.changed = threading.Condition()

    def began(self, handler: Handler) -> None:
        with self.changed:
            self.busy.add(handler)

    def ended(self, handler: Handler) -> None:
        with self.changed:
            self.busy.discard(handler)
            self.changed.notify_all()

    def finish(self) -> None:
        """Waits for the requests that are open; idle connections are not waited for."""
        with self.changed:
            self.changed.wait_for(lambda: not self.busy, timeout=SECONDS_TO_FINISH)


def main() -> None:
    server = Server()

    def stop(*_: object) -> None:  # from another thread, because shutdown() waits for the loop that runs in this one
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    print(f"listening on port {PORT}", flush=True)
    server.serve_forever(poll_interval=0.05)
    server.finish()
    print("bye", flush=True)
    sys.exit(0)


if __name__ == "__main__":
    main()
