"""The process: one port, ready when it says so, gone on SIGTERM.

    python -m tools.aws_standin [--port 4566] [--host 127.0.0.1] [--ready-file PATH] [--poll-seconds 60]
                                  [--wait-seconds 20] [--page-limit 1000] [--until-eof]

Prints `http://host:port` as its only line on standard output when it serves. Any credentials will do; an access key of
twelve digits is the account's number.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

POLL_SECONDS, WAIT_SECONDS = 60.0, 20.0


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    listener = socket.socket(socket.AF_INET6 if ":" in options.host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((options.host, options.port))
    except OSError as error:
        sys.exit(f"cannot listen on {options.host}:{options.port}: {error.strerror}; choose another --port, or 0")
    listener.listen(1024)
    _prepare_environment(options.host, listener.getsockname()[1])
    asyncio.run(_serve(listener, options))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.aws_standin", description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=4566, help="0: any free one")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--ready-file", type=Path, help="where to write the address when ready")
    parser.add_argument("--wait-seconds", type=float, default=WAIT_SECONDS, help="how long a wait for messages lasts")
    parser.add_argument("--poll-seconds", type=float, default=POLL_SECONDS, help="how long a poll without task lasts")
    parser.add_argument("--page-limit", type=int, default=1000, help="most activities that one list answers")
    parser.add_argument("--until-eof", action="store_true", help="end with standard input: with whoever started this")
    return parser.parse_args(arguments)


def _prepare_environment(host: str, port: int) -> None:
    """What MiniStack reads when it is imported: its own address for queue URLs, and no Docker to look for."""
    os.environ.update(
        MINISTACK_HOST="localhost" if host in ("0.0.0.0", "::") else host,
        GATEWAY_PORT=str(port),
        DOCKER_HOST="unix:///nonexistent",
        LOG_LEVEL=os.environ.get("LOG_LEVEL", "WARNING"),
    )


async def _serve(listener: socket.socket, options: argparse.Namespace) -> None:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    from tools.aws_standin.service import Service  # here: MiniStack reads the environment while it is imported

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if options.until_eof:
        loop.add_reader(sys.stdin, _stop_at_end, stop)
    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.keep_alive_timeout = 75
    config.loglevel = "WARNING"
    service = Service(
        poll_seconds=options.poll_seconds, wait_seconds=options.wait_seconds, page_limit=options.page_limit
    )
    _announce(listener, options.ready_file)
    app: Any = service  # hypercorn has names of its own for ASGI's types
    never = asyncio.Event().wait  # hypercorn would install signal handlers of its own
    server, stopping = loop.create_task(serve(app, config, shutdown_trigger=never)), loop.create_task(stop.wait())
    await asyncio.wait({server, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if server.done():
        server.result()
    # Nothing is kept, so nothing is wound up: executions wait in threads that the interpreter would join, for as long
    # as their states say, and every open poll would be logged as cancelled.
    os._exit(0)


def _stop_at_end(stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 1024):
        stop.set()


def _announce(listener: socket.socket, ready_file: Path | None) -> None:
    """The socket listens already: who connects from now on is served."""
    host, port = listener.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    if ready_file is not None:
        half = ready_file.with_name(ready_file.name + ".new")
        half.write_text(url + "\n")
        half.replace(ready_file)
    print(url, flush=True)
