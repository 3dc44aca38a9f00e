"""SQS messages worked by real containers, against a service that obeys SQS's rules."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import aiohttp

from tests.e2e.conftest import StartDaemon
from tests.support.aws import StandIn
from tests.support.daemon import Daemon
from tests.support.queues import Queue, queue
from tests.support.wait import eventually


def project(image: str, *, seconds: int = 30, **sources: dict[str, Any]) -> str:
    """`sources`: name → fields of its sqs. `seconds`: the deadline."""
    component = {
        "image": image,
        "httphealthcheckpath": "/health",
        "maxconcurrency": 10,
        "maxinstances": 1,
        "stopgraceseconds": 5,
        "maxdurationseconds": seconds,
        "eventsources": {
            "site": {"http": {"pathprefix": "/"}},
            **{name: {"sqs": fields} for name, fields in sources.items()},
        },
    }
    return json.dumps({"name": "calc", "components": {"worker": component}})


async def settled(of: Queue, *, within: float = 30.0) -> None:
    """Waits until the queue has nothing left: neither visible nor hidden."""
    await eventually(lambda: asyncio.to_thread(lambda: of.counts() == (0, 0)), within=within, every=0.1)


async def requests_seen(daemon: Daemon) -> list[dict[str, Any]]:
    """What the component has kept of the requests to /keep, in the order of their arrival."""
    async with aiohttp.ClientSession() as session, session.get(f"{daemon.public}/kept") as response:
        kept: list[dict[str, Any]] = await response.json()
        return kept


async def test_a_message_starts_the_component_from_zero_and_is_deleted(
    make_daemon: StartDaemon, aws: StandIn, cluster: str, image: str
) -> None:
    daemon = make_daemon(environ=aws.environ).start()
    work = queue(aws, f"{cluster}-work")
    daemon.put(project(image, work={"queuename": work.name, "path": "/keep"}))
    sent = work.send('{"number": 1}', kind="greeting")
    await settled(work)
    (kept,) = await requests_seen(daemon)
    assert kept["body"] == '{"number": 1}'
    headers = {name.lower(): value for name, value in kept["headers"]}
    assert headers["content-type"] == "application/json"
    assert headers["maelstrom-message-id"] == sent
    assert headers["maelstrom-receive-count"] == "1"
    assert headers["maelstrom-queue"] == work.name
    assert headers["maelstrom-attribute-kind"] == "greeting"
    assert headers["maelstrom-event-source"] == "calc_work"
    (row,) = daemon.ask("es", "ls", "--type", "sqs")
    assert (row["state"], row["maxconcurrency"], row["inflight"]) == ("ok", 10, 0)
