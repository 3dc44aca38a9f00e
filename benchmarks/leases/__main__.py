"""Command line of the benchmark; see the package's docstring."""

from __future__ import annotations

import argparse
import asyncio
import logging

from benchmarks.leases import databases, durations, sent

KINDS = ("PostgreSQL", "SQLite")
LEASES = (1, 10, 100, 1_000, 10_000)
NODES = (1, 3, 10, 50)
KEPT = ((1, 1), (1, 50), (100, 1), (100, 10), (1_000, 3), (10_000, 1))  # leases and nodes that one process can keep
SENT_HEAD = """
                               at rest, a second      at work, a second
  leases  nodes  granted in  renewals   statements   renewals   statements  admissions
                               a node                  a node"""
TOOK_HEAD = """
  leases  nodes   a node    renewal ms    beat ms    look ms"""


def main() -> None:
    parser = argparse.ArgumentParser(description="What leases cost: statements a second, and milliseconds.")
    parser.add_argument("--database", choices=KINDS, action="append", help="only this one")
    options = parser.parse_args()
    logging.getLogger("maelstrom").setLevel(logging.ERROR)
    for kind in options.database or KINDS:
        asyncio.run(tables(kind))


async def tables(kind: str) -> None:
    with databases.folder() as folder:
        print(f"\n{kind}: sent by keepers that share this process\n{SENT_HEAD}", flush=True)
        for leases, nodes in KEPT:
            found = await sent.measure(await databases.make(kind, folder, leases), nodes)
            print(f"{leases:8}{nodes:7}{row(found)}", flush=True)
        print(f"\n{kind}: one statement of one node, medians\n{TOOK_HEAD}", flush=True)
        for leases in LEASES:
            database = await databases.make(kind, folder, leases)
            for nodes in NODES:
                took = await durations.measure(database, nodes)
                each = -(-leases // nodes)
                print(f"{leases:8}{nodes:7}{each:9}{took.renewal:14.2f}{took.beat:11.2f}{took.look:11.2f}", flush=True)


def row(found: sent.Sent | None) -> str:
    if found is None:
        return f"   not granted within {sent.GRANTED_SECONDS:g} s"
    return (
        f"{found.granted_seconds:10.2f} s{found.renewals_at_rest:10.2f}{found.all_at_rest:13.1f}"
        f"{found.renewals_at_work:11.2f}{found.all_at_work:13.1f}{found.admitted:12.0f}"
    )


if __name__ == "__main__":
    main()
