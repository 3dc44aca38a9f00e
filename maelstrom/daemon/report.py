"""The report that a node writes for the others, with each beat in which something of it has changed."""

from __future__ import annotations

import asyncio
import logging
import time

import maelstrom
from maelstrom.api.reports import make_report
from maelstrom.daemon.status import Status
from maelstrom.model.errors import MaelstromError
from maelstrom.registry.registry import Registry

log = logging.getLogger("maelstrom.daemon")


async def keep_report(registry: Registry, status: Status, beat_seconds: float) -> None:
    """Endless."""
    written: object = None
    while True:
        report = make_report(revision=status.revision, instances=status.instances(), sources=status.sources())
        report["node"] = status.told()
        if report != written:
            try:
                await registry.write_report(status.name, "", maelstrom.__version__, report)
                written = report
            except MaelstromError as error:
                log.debug("the report was not written: %s", error.message)
        if report == written:
            status.reported_at = time.monotonic()
        await asyncio.sleep(beat_seconds)
