"""SQS messages worked by real containers, against a service that obeys SQS's rules."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp

from tests.e2e.conftest import StartDaemon
from tests.support.aws import Machine, StandIn
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


async def seen(daemon: Daemon, number: int) -> bool:
    return len(await requests_seen(daemon)) == number


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


def bodies(kept: list[dict[str, Any]]) -> list[str]:
    return [one["body"] for one in kept]


def header(kept: dict[str, Any], name: str) -> str:
    return next(value for key, value in kept["headers"] if key.lower() == name)


async def test_what_is_not_answered_with_200_comes_again(
    make_daemon: StartDaemon, aws: StandIn, cluster: str, image: str
) -> None:
    daemon = make_daemon(environ=aws.environ).start()
    work = queue(aws, f"{cluster}-work")
    path = "/keep?codes=500,204,200&h=Retry-After:1"
    daemon.put(project(image, work={"queuename": work.name, "path": path}))
    work.send("again")
    await settled(work)
    kept = await requests_seen(daemon)
    assert [header(one, "maelstrom-receive-count") for one in kept] == ["1", "2", "3"]


async def test_a_long_request_keeps_its_message_and_the_limit_holds(
    make_daemon: StartDaemon, aws: StandIn, cluster: str, image: str
) -> None:
    daemon = make_daemon(environ=aws.environ).start()
    work = queue(aws, f"{cluster}-work")
    fields = {"path": "/keep?s=3", "visibilitytimeout": 2, "maxconcurrency": 2, "messagesperpoll": 10}
    daemon.put(project(image, work={"queuename": work.name, **fields}))
    work.send_many(["a", "b", "c", "d"])
    await settled(work)
    assert sorted(bodies(await requests_seen(daemon))) == ["a", "b", "c", "d"]
    audit = daemon.ask("es", "audit", "work")
    assert (audit["limit"], audit["max_inflight"], audit["inflight"]) == (2, 2, 0)


async def test_one_container_works_as_many_messages_as_it_may(
    make_daemon: StartDaemon, aws: StandIn, cluster: str, image: str
) -> None:
    daemon = make_daemon(environ=aws.environ).start()
    work = queue(aws, f"{cluster}-work")
    work.send_many([str(number) for number in range(10)])
    daemon.put(project(image, work={"queuename": work.name, "path": "/sleep?s=2", "maxconcurrency": 10}))
    await settled(work)
    async with aiohttp.ClientSession() as session, session.get(f"{daemon.public}/conc") as response:
        assert (await response.json())["peak"] == 10


async def test_a_killed_daemons_messages_come_back_and_are_worked_once_more(
    make_daemon: StartDaemon, aws: StandIn, cluster: str, image: str
) -> None:
    daemon = make_daemon(environ=aws.environ).start()
    work = queue(aws, f"{cluster}-work")
    fields = {"path": "/keep?s=3", "visibilitytimeout": 4, "maxconcurrency": 4}
    daemon.put(project(image, seconds=6, work={"queuename": work.name, **fields}))
    work.send_many(["a", "b", "c"])
    await eventually(lambda: seen(daemon, 3), within=20, every=0.1)
    daemon.kill()
    await asyncio.to_thread(daemon.start)
    await settled(work, within=60)
    kept = await requests_seen(daemon)
    assert sorted(bodies(kept)) == ["a", "a", "b", "b", "c", "c"]
    assert sorted(header(one, "maelstrom-receive-count") for one in kept) == ["1", "1", "1", "2", "2", "2"]


async def test_a_stop_ends_what_it_can_and_gives_back_the_rest_at_once(
    make_daemon: StartDaemon, aws: StandIn, cluster: str, image: str
) -> None:
    daemon = make_daemon(environ={**aws.environ, "MAEL_SHUTDOWN_GRACE_SECONDS": "4"}).start()
    quick, hang = queue(aws, f"{cluster}-quick"), queue(aws, f"{cluster}-hang")
    sources = {
        "quick": {"queuename": quick.name, "path": "/keep?s=1"},
        "hang": {"queuename": hang.name, "path": "/hang"},
    }
    daemon.put(project(image, seconds=300, **sources))
    quick.send("a")
    hang.send("b")
    await eventually(lambda: in_flight(daemon, 2), within=20, every=0.1)
    assert await asyncio.to_thread(daemon.terminate) == 0
    await settled(quick)
    assert await asyncio.to_thread(hang.counts) == (1, 0)


async def test_queues_of_a_prefix_are_worked_and_new_ones_are_found(
    make_daemon: StartDaemon, aws: StandIn, cluster: str, image: str
) -> None:
    daemon = make_daemon(environ=aws.environ).start()
    queues = [queue(aws, f"{cluster}-job-{number}") for number in (10, 2, 1)]
    for each in queues:
        each.send_many([each.name] * 2)
    fields = {"queuename": f"{cluster}-job-", "nameasprefix": True, "path": "/keep", "maxconcurrency": 1}
    daemon.put(project(image, jobs=fields))
    for each in queues:
        await settled(each)
    kept = await requests_seen(daemon)
    assert [body.rpartition("-")[2] for body in bodies(kept)] == ["1", "1", "2", "2", "10", "10"]
    assert [header(one, "maelstrom-queue") for one in kept] == bodies(kept)


async def test_a_fifo_queue_keeps_the_order_of_its_groups_also_when_one_fails(
    make_daemon: StartDaemon, aws: StandIn, cluster: str, image: str
) -> None:
    daemon = make_daemon(environ=aws.environ).start()
    fifo = queue(aws, f"{cluster}-work.fifo")
    sent = [f"{group}{number}" for number in range(4) for group in "ab"]
    fifo.send_many(sent, groups=[body[0] for body in sent])
    path = "/keep?codes=500,200&h=Retry-After:0"
    daemon.put(project(image, work={"queuename": fifo.name, "path": path, "messagesperpoll": 10}))
    await settled(fifo)
    kept = await requests_seen(daemon)
    done = [one["body"] for one in kept if header(one, "maelstrom-receive-count") != "1"]
    for group in "ab":
        assert [body for body in done if body[0] == group] == [f"{group}{number}" for number in range(4)]


async def test_a_pause_holds_the_whole_source_until_it_is_over_or_ended(
    make_daemon: StartDaemon, aws: StandIn, cluster: str, image: str
) -> None:
    daemon = make_daemon(environ=aws.environ).start()
    work = queue(aws, f"{cluster}-work")
    path = "/keep?h=pause-seconds:600&always=1"
    daemon.put(project(image, work={"queuename": work.name, "path": path}))  # several polls are open
    work.send("a")
    await settled(work)
    work.send("b")
    (row,) = await asyncio.to_thread(daemon.ask, "es", "ls", "--type", "sqs")
    assert (row["state"], row["reason"][:10]) == ("ok", "rests for ")
    assert bodies(await requests_seen(daemon)) == ["a"]
    await asyncio.to_thread(daemon.ask, "es", "enable", "--type", "sqs")
    await settled(work)
    assert bodies(await requests_seen(daemon)) == ["a", "b"]


async def test_edits_and_switches_take_effect_while_it_runs(
    make_daemon: StartDaemon, aws: StandIn, cluster: str, image: str
) -> None:
    daemon = make_daemon(environ=aws.environ).start()
    work, other = queue(aws, f"{cluster}-work"), queue(aws, f"{cluster}-other")
    daemon.put(project(image, work={"queuename": work.name, "path": "/keep?v=1"}))
    work.send("a")
    await settled(work)
    daemon.put(project(image, work={"queuename": other.name, "path": "/keep?v=2"}))
    other.send("b")
    await settled(other)
    assert await asyncio.to_thread(daemon.ask, "es", "disable", "--type", "sqs", "--wait") != []
    other.send("c")
    await asyncio.sleep(1)
    assert await asyncio.to_thread(other.counts) == (1, 0)
    daemon.ask("es", "enable", "--type", "sqs")
    await settled(other)
    assert bodies(await requests_seen(daemon)) == ["a", "b", "c"]


async def test_a_missing_queue_is_said_and_found_when_it_is_made(
    make_daemon: StartDaemon, aws: StandIn, cluster: str, image: str
) -> None:
    daemon = make_daemon(environ=aws.environ).start()
    daemon.put(project(image, work={"queuename": f"{cluster}-late", "path": "/keep"}))
    await eventually(lambda: state(daemon) == "degraded", within=10, every=0.2)
    (row,) = daemon.ask("es", "ls", "--type", "sqs")
    assert "make the queue" in row["reason"]
    late = queue(aws, f"{cluster}-late")
    late.send("a")
    await settled(late)
    assert state(daemon) == "ok"


def in_flight(daemon: Daemon, number: int) -> bool:
    return sum(row["inflight"] for row in daemon.ask("es", "ls", "--type", "sqs")) == number


def state(daemon: Daemon) -> str:
    (row,) = daemon.ask("es", "ls", "--type", "sqs")
    found: str = row["state"]
    return found


async def test_a_state_machine_waits_for_the_answer_to_its_message(
    make_daemon: StartDaemon, aws: StandIn, cluster: str, image: str
) -> None:
    daemon = make_daemon(environ=aws.environ).start()
    work = queue(aws, f"{cluster}-work")
    fields = {"path": "/step/split", "tasktoken": "/token"}
    fails = queue(aws, f"{cluster}-fails")
    failing = {"path": "/step/fail?status=422&error=Bad.Input&cause=why", "tasktoken": "/token"}
    daemon.put(project(image, work={"queuename": work.name, **fields}, fails={"queuename": fails.name, **failing}))
    good, bad = waiting(aws, work), waiting(aws, fails)
    assert await asyncio.to_thread(good.run, {"numbers": "1,2,3"}, within=30) == [1, 2, 3]
    failed = await asyncio.to_thread(bad.run, {"numbers": ""}, within=30)
    assert (failed["error"], failed["cause"]) == ("Bad.Input", "why")
    await settled(work)
    await settled(fails)


def waiting(aws: StandIn, on: Queue) -> Machine:
    """A state machine that sends its input with a token to the queue, and waits."""
    ask = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "Parameters": {"QueueUrl": on.url, "MessageBody": {"token.$": "$$.Task.Token", "numbers.$": "$.numbers"}},
        "End": True,
    }
    return Machine(aws.client(), on.name, {"StartAt": "Ask", "States": {"Ask": ask}})
