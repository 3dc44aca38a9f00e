"""Command line of the benchmark; see the package's docstring."""

from __future__ import annotations

import argparse
import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import quantiles

import uvloop

from benchmarks.idle_sources.process import usage
from benchmarks.queue.clients import Worker, connect

SLOTS = 256  # of the component behind benchmarks.gateway.serve
WORK_SECONDS = 0.1
MOST_KIB = 4.0  # of memory for a client that only keeps its connection
LEAST_SHARE = 0.9  # of what is served at the limit, where more wait than there are slots


def main() -> int:
    parser = argparse.ArgumentParser(description="Idle clients' memory, and throughput at the concurrency limit.")
    parser.add_argument("--idle", type=int, default=1000, help="connections that do nothing")
    parser.add_argument("--seconds", type=float, default=4, help="of load at each number of clients")
    parser.add_argument("--check", action="store_true", help="fail if a bound is missed")
    options = parser.parse_args()
    return uvloop.run(run(options.idle, options.seconds, check=options.check))


async def run(idle: int, seconds: float, *, check: bool) -> int:
    loop = asyncio.get_running_loop()
    upstream = await loop.create_server(lambda: Worker(WORK_SECONDS), "127.0.0.1", 0, backlog=4096)
    with gateway(upstream.sockets[0].getsockname()[1]) as (port, pid):
        kib = await idle_memory(port, pid, idle)
        print(f"{idle} idle keep-alive connections: {kib:.2f} KiB of resident memory each")
        print(f"\n{SLOTS} slots, {WORK_SECONDS * 1000:g} ms of work each\n")
        print("clients   a second   of the slots' time     p50 ms    p99 ms   p50 beside the ideal")
        shares = [await at_limit(port, clients, seconds) for clients in (64, 192, 256, 320, 512, 1024)]
    upstream.close()
    return int(check and (kib > MOST_KIB or min(shares[3:]) < LEAST_SHARE * shares[2]))


async def idle_memory(port: int, pid: int, count: int) -> float:
    """KiB of each, beyond what the process has after as many have come and gone."""
    for client in await connect(port, 50, once=True):
        client.transport.abort()
    await asyncio.sleep(1)
    before = usage(pid).mib
    clients = await connect(port, count, once=True)
    await asyncio.sleep(1)
    kib = (usage(pid).mib - before) * 1024 / count
    for client in clients:
        client.transport.abort()
    await asyncio.sleep(1)
    return kib


async def at_limit(port: int, count: int, seconds: float) -> float:
    """Prints a row; the share of the slots' time that was used."""
    clients = await connect(port, count)
    await asyncio.sleep(1)
    for client in clients:
        client.took.clear()
    began = time.perf_counter()
    await asyncio.sleep(seconds)
    elapsed = time.perf_counter() - began
    took = [each for client in clients for each in client.took]
    for client in clients:
        client.transport.abort()
    if any(client.failed for client in clients):
        raise SystemExit("some requests were not answered with 200")
    cuts = quantiles(took, n=100)
    share = len(took) * WORK_SECONDS / elapsed / min(count, SLOTS)
    ideal = WORK_SECONDS * max(1.0, count / SLOTS)
    print(
        f"{count:7d} {len(took) / elapsed:10.0f} {share:20.2f} {cuts[49] * 1000:10.1f} {cuts[98] * 1000:9.1f}"
        f" {cuts[49] / ideal:15.2f} x"
    )
    return share


@contextmanager
def gateway(upstream: int) -> Iterator[tuple[int, int]]:
    """(port, process id) of a gateway that listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.gateway.serve", str(port), str(upstream)])
    try:
        end = time.monotonic() + 15
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > end:
                    raise
                time.sleep(0.05)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(15)


if __name__ == "__main__":
    sys.exit(main())
