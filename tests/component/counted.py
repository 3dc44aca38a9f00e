"""Work that is counted outside: what is open now is told to a ledger before it begins and when it is over.

The ledger listens on a Unix socket that is mounted into the container, so no network and no caller stands between. It
says how long the work takes and which status it ends with; the work is over before its deadline in any case, and so is
its entry if this process dies.

    → {"source", "item", "epoch", "instance"}    ← {"seconds", "status"}
    → {"gone"}, once its caller has left         ← {"go_on"}: whether it works all the same
    → {"status"}                                 ← {}

Standard library only.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

from tests.component.http1 import Request

EARLY_SECONDS = 1.0  # before the deadline: the caller's clock began before this one's


async def work(request: Request, environ: Mapping[str, str]) -> None:
    """Answers with the ledger's status and the item; 504 if the deadline came first."""
    body = await request.text()
    reader, writer = await asyncio.open_unix_connection(environ["LEDGER"])
    try:
        item = json.loads(body)["item"]
        told = {"source": request.header("maelstrom-event-source"), "item": item}
        told |= {"epoch": request.header("maelstrom-lease-epoch"), "instance": environ.get("MAELSTROM_INSTANCE_ID", "")}
        script = await _tell(reader, writer, told)
        most = float(request.header("maelstrom-deadline") or 60) - EARLY_SECONDS
        work = asyncio.ensure_future(_do(script, most))
        caller = asyncio.ensure_future(request.reader.read(1))
        await asyncio.wait({work, caller}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done() and not (await _tell(reader, writer, {"gone": True}))["go_on"]:
            work.cancel()
            return
        status = await work
        caller.cancel()
        await _tell(reader, writer, {"status": status})
    finally:
        writer.close()
    request.answer(status, {"item": item, "attempt": script["attempt"]})


async def _do(script: dict[str, float], most: float) -> int:
    await asyncio.sleep(max(0.0, min(script["seconds"], most)))
    return int(script["status"]) if script["seconds"] < most else 504


async def _tell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, what: object) -> dict[str, float]:
    writer.write(json.dumps(what).encode() + b"\n")
    await writer.drain()
    answer: dict[str, float] = json.loads(await reader.readline())
    return answer
