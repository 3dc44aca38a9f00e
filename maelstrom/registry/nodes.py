"""What nodes report of themselves, for everybody's eyes: nothing is decided by it, and nobody is told of a new one."""

from __future__ import annotations

import json
import logging
from typing import Any

from sqlalchemy import delete, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from maelstrom.model.stored import NodeReport
from maelstrom.registry.tables import node_reports

log = logging.getLogger("maelstrom.registry")

_WRITE = text("""
insert into node_reports (node, session, version, seq, at, report) values (:node, :session, :version, 1, :at, :report)
on conflict (node) do update set session = excluded.session, version = excluded.version, seq = node_reports.seq + 1,
  at = excluded.at, report = excluded.report
""")


async def write(
    connection: AsyncConnection, node: str, session: str, version: str, report: dict[str, Any], now: float
) -> None:
    values = {"node": node, "session": session, "version": version, "at": now}
    await connection.execute(_WRITE, values | {"report": json.dumps(report)})


async def remove(connection: AsyncConnection, node: str) -> None:
    await connection.execute(delete(node_reports).where(node_reports.c.node == node))


async def listed(connection: AsyncConnection) -> list[NodeReport]:
    """By node; one that cannot be read is left out."""
    found = []
    for row in await connection.execute(select(node_reports)):
        try:
            report = json.loads(row.report)
        except ValueError as error:
            log.error("a node's report cannot be read and is left out", extra={"node": row.node, "reason": str(error)})
            continue
        found.append(NodeReport(row.node, row.session, row.version, row.seq, row.at, report))
    return sorted(found, key=lambda report: report.node)
