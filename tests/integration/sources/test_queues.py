"""Messages from a real client and a queue that keeps SQS's rules to a component, and what becomes of them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from maelstrom.activation.work import WorkAnswer, WorkRequest
from maelstrom.model.component import ComponentKey
from maelstrom.model.source import EventSource, SourceKey, SqsSource
from tests.fakes.sources import COMPONENT, after, answer
from tests.integration.sources.node import Node, node
from tests.support.aws import StandIn
from tests.support.queues import Queue, queue
from tests.support.wait import eventually

KEY = SourceKey("shop", "work")


def source(name: str, *, enabled: bool = True, component: ComponentKey = COMPONENT, **fields: Any) -> EventSource:
    definition = SqsSource(**{"queuename": name, "path": "/work", **fields})
    return EventSource(KEY, component, 1, enabled, definition, 1)


def worked(n: Node) -> list[str]:
    """Bodies in the order in which the component got them."""
    return [exchange.request.body.decode() for exchange in n.worker.exchanges]


async def empty(of: Queue, *, within: float = 10.0) -> None:
    await eventually(lambda: asyncio.to_thread(lambda: of.counts() == (0, 0)), within=within, every=0.05)


@pytest.fixture
def work(aws: StandIn, name: str) -> Queue:
    return queue(aws, name)


async def test_messages_are_worked_and_deleted(work: Queue, aws: StandIn) -> None:
    work.send_many([f'{{"n": {number}}}' for number in range(40)])
    before = aws.calls()
    async with node(source(work.name, messagesperpoll=10), handle=lambda r: answer()) as n:
        await empty(work)
        assert sorted(worked(n)) == sorted(f'{{"n": {number}}}' for number in range(40))
        assert n.worker.peak <= 10
        counts = n.owner.statuses()[KEY].counts
        await eventually(lambda: counts.succeeded == 40)
        assert (counts.received, counts.failed) == (40, 0)
    calls = aws.calls()
    assert calls["DeleteMessageBatch"] - before.get("DeleteMessageBatch", 0) <= 20
    assert calls["ReceiveMessage"] - before.get("ReceiveMessage", 0) <= 25


async def test_a_request_says_where_it_comes_from(work: Queue) -> None:
    sent = work.send('{"a": 1}', kind="größe", raw=b"\x00\xff")
    async with node(source(work.name), handle=lambda r: answer()) as n:
        await empty(work)
        (exchange,) = n.worker.exchanges
        headers = exchange.headers
        assert (exchange.request.method, exchange.request.path) == ("POST", "/work")
        assert headers.pop("Maelstrom-Sent-At").startswith("20")
        assert headers == {
            "Content-Type": "application/json",
            "Maelstrom-Event-Source": "shop_work",
            "Maelstrom-Lease-Epoch": "7",
            "Maelstrom-Message-Id": sent,
            "Maelstrom-Receive-Count": "1",
            "Maelstrom-Queue": work.name,
            "Maelstrom-Attribute-kind": "gr%C3%B6%C3%9Fe",
            "Maelstrom-Attribute-raw": "AP8=",
        }


async def test_what_fails_comes_back_after_its_time_and_is_counted(work: Queue) -> None:
    work.send("a")
    answers = iter([answer(status=500), answer(status=201), answer()])
    async with node(source(work.name, visibilitytimeout=1), handle=lambda r: next(answers)) as n:
        await empty(work)
        assert [e.headers["Maelstrom-Receive-Count"] for e in n.worker.exchanges] == ["1", "2", "3"]
        await eventually(lambda: n.owner.statuses()[KEY].counts.failed == 2)


async def test_retry_after_says_when_it_comes_back(work: Queue) -> None:
    work.send("a")
    answers = iter([answer(status=422, retry_after="1"), answer()])
    async with node(source(work.name), handle=lambda r: next(answers)) as n:
        await empty(work, within=5)
        assert len(n.worker.exchanges) == 2


async def test_a_failed_message_stays_hidden_for_the_whole_visibility_timeout(work: Queue) -> None:
    work.send("a")
    async with node(source(work.name, visibilitytimeout=300), handle=lambda r: answer(status=500)) as n:
        counts = n.owner.statuses()[KEY].counts
        await eventually(lambda: counts.failed == 1)
        assert await asyncio.to_thread(work.counts) == (0, 1)


async def test_a_message_stays_hidden_while_its_request_is_open(work: Queue) -> None:
    work.send("a")
    handle = after(5)
    async with node(source(work.name, visibilitytimeout=2, maxconcurrency=3), handle=handle) as n:
        await empty(work)
        assert worked(n) == ["a"]


async def test_a_message_that_somebody_else_has_taken_is_worked_by_nobody_here(work: Queue) -> None:
    work.send("a")
    async with node(source(work.name, visibilitytimeout=2, maxconcurrency=1), handle=after(60)) as n:
        await eventually(lambda: n.worker.open == 1)
        await asyncio.to_thread(work.purge)
        await eventually(lambda: n.worker.exchanges[0].cancelled)
        await eventually(lambda: n.owner.statuses()[KEY].counts.gone == 1)


async def test_no_more_is_received_than_slots_are_free(work: Queue) -> None:
    work.send_many([str(number) for number in range(10)])
    async with node(source(work.name, maxconcurrency=3, messagesperpoll=10), handle=after(60)) as n:
        await eventually(lambda: n.worker.open == 3)
        assert await asyncio.to_thread(work.counts) == (7, 3)
        assert n.desk.leases[1].peak == 3


async def test_a_stop_gives_back_at_once_what_it_cannot_end(work: Queue) -> None:
    work.send_many(["a", "b"])
    async with node(source(work.name, messagesperpoll=10), handle=after(60)) as n:
        await eventually(lambda: n.worker.open == 2)
        await n.owner.stop(1)
        await eventually(lambda: asyncio.to_thread(lambda: work.counts() == (2, 0)))


async def test_a_lost_lease_gives_back_at_once(work: Queue) -> None:
    async with node(source(work.name), handle=lambda r: answer()) as n:
        n.desk.leases[1].lost = True
        await asyncio.to_thread(work.send, "a")
        counts = n.owner.statuses()[KEY].counts
        await eventually(lambda: counts.failed > 0)
        n.desk.leases[1].lost = False
        await empty(work)
        assert worked(n) == ["a"]


async def test_what_a_poll_brings_after_the_end_is_given_back(work: Queue, aws: StandIn) -> None:
    before = aws.calls().get("ReceiveMessage", 0)
    async with node(source(work.name), handle=lambda r: answer()) as n:
        await eventually(lambda: aws.calls().get("ReceiveMessage", 0) > before)
        await n.owner.stop(0.2)
        await asyncio.to_thread(work.send, "a")
        await eventually(lambda: asyncio.to_thread(lambda: work.counts() == (1, 0)))
        (message,) = await asyncio.to_thread(lambda: work.receive(MessageSystemAttributeNames=["All"]))
        assert message["Attributes"]["ApproximateReceiveCount"] == "2"


async def test_a_queue_that_is_made_later_is_found(aws: StandIn, name: str) -> None:
    async with node(source(name), handle=lambda r: answer()) as n:
        await eventually(lambda: n.owner.statuses()[KEY].state == "degraded")
        assert "make the queue" in n.owner.statuses()[KEY].reason
        work = await asyncio.to_thread(queue, aws, name)
        work.send("a")
        await empty(work)
        assert worked(n) == ["a"]
        assert n.owner.statuses()[KEY].state == "ok"


async def test_deletions_are_tried_until_they_are_done(work: Queue, aws: StandIn) -> None:
    aws.faults({"action": "DeleteMessageBatch", "status": 503, "times": 3})
    work.send("a")
    async with node(source(work.name), handle=lambda r: answer()) as n:
        await empty(work)
        assert worked(n) == ["a"]
        await eventually(lambda: n.owner.statuses()[KEY].counts.succeeded == 1)


async def test_throttled_polls_are_counted_and_not_repeated_at_once(work: Queue, aws: StandIn) -> None:
    before = aws.calls().get("ReceiveMessage", 0)
    aws.faults({"action": "ReceiveMessage", "code": "RequestThrottled", "times": 2})
    async with node(source(work.name), handle=lambda r: answer()) as n:
        await eventually(lambda: n.owner.statuses()[KEY].counts.throttled == 1)
        assert n.owner.statuses()[KEY].state == "degraded"
        assert n.desk.leases[1].ills
        work.send("a")
        await empty(work)
        assert aws.calls()["ReceiveMessage"] - before < 8
        assert n.desk.leases[1].ills == []


async def test_a_pause_keeps_all_from_polling_and_ends(work: Queue) -> None:
    work.send_many(["a", "b"])
    answers = {b"a": answer(pause_seconds="2"), b"b": answer()}
    async with node(source(work.name, maxconcurrency=1), handle=lambda r: answers[r.body]) as n:
        await eventually(lambda: len(n.worker.exchanges) == 1)
        await eventually(lambda: n.desk.leases[1].paused_seconds() > 1)
        assert len(n.worker.exchanges) == 1
        await empty(work)


async def test_a_long_pause_is_cut_and_can_be_ended(work: Queue) -> None:
    work.send_many(["a", "b"])
    async with node(
        source(work.name, maxconcurrency=1),
        handle=lambda r: answer(**({"pause_seconds": "99999"} if b"a" in r.body else {})),
    ) as n:
        lease = n.desk.leases[1]
        await eventually(lambda: lease.paused_seconds() > 800)
        assert lease.paused_seconds() <= 900
        await lease.pause(0)
        await empty(work)


# several queues


async def test_queues_with_a_prefix_are_worked_in_natural_order(aws: StandIn, name: str) -> None:
    queues = [queue(aws, f"{name}-{number}") for number in (10, 2, 1)]
    for each in queues:
        each.send_many([f"{each.name}/{number}" for number in range(3)])
    async with node(source(f"{name}-", nameasprefix=True, maxconcurrency=1), handle=lambda r: answer()) as n:
        for each in queues:
            await empty(each)
        order = [body.partition("/")[0].rpartition("-")[2] for body in worked(n)]
        assert order == ["1"] * 3 + ["2"] * 3 + ["10"] * 3


async def test_an_idle_source_sees_a_message_in_any_of_its_queues_soon(aws: StandIn, name: str) -> None:
    queues = [queue(aws, f"{name}-{number}") for number in range(4)]
    async with node(source(f"{name}-", nameasprefix=True), handle=lambda r: answer()) as n:
        await n.polls(4)
        for each in reversed(queues):
            each.send(each.name)
            await empty(each, within=7)
        assert len(n.worker.exchanges) == 4


# FIFO


async def test_groups_keep_their_order_and_run_beside_one_another(aws: StandIn, name: str) -> None:
    fifo = queue(aws, f"{name}.fifo")
    bodies = [f"{group}{number}" for number in range(5) for group in "abc"]
    fifo.send_many(bodies, groups=[body[0] for body in bodies])
    async with node(source(fifo.name, messagesperpoll=10), handle=after(0.1)) as n:
        await empty(fifo)
        for group in "abc":
            assert [body for body in worked(n) if body[0] == group] == [f"{group}{number}" for number in range(5)]
        assert n.worker.peak >= 2
        assert {exchange.headers["Maelstrom-Group-Id"] for exchange in n.worker.exchanges} == {"a", "b", "c"}


async def test_those_behind_a_message_that_failed_wait_for_it(aws: StandIn, name: str) -> None:
    fifo = queue(aws, f"{name}.fifo")
    fifo.send_many(["a0", "a1", "a2", "a3"], groups=["a"] * 4)

    def handle(request: WorkRequest) -> WorkAnswer:
        first_try = dict(request.headers)["Maelstrom-Receive-Count"] == "1"
        return answer(status=500) if request.body == b"a1" and first_try else answer()

    async with node(source(fifo.name, messagesperpoll=10, visibilitytimeout=1), handle=handle) as n:
        await empty(fifo)
        assert worked(n) == ["a0", "a1", "a1", "a2", "a3"]


async def test_a_stop_gives_a_group_back_so_that_its_order_holds(aws: StandIn, name: str) -> None:
    fifo = queue(aws, f"{name}.fifo")
    fifo.send_many(["a0", "a1", "a2"], groups=["a"] * 3)
    async with node(source(fifo.name, messagesperpoll=10), handle=after(60)) as n:
        await eventually(lambda: n.worker.open == 1)
        await n.owner.stop(4)
    await eventually(lambda: asyncio.to_thread(lambda: fifo.counts() == (3, 0)))
    found = await asyncio.to_thread(lambda: fifo.receive(MaxNumberOfMessages=10))
    assert [message["Body"] for message in found] == ["a0", "a1", "a2"]


# changes while it runs


async def test_an_edited_queue_is_polled_at_once(aws: StandIn, work: Queue, name: str) -> None:
    other = queue(aws, f"{name}-other")
    async with node(source(work.name), handle=lambda r: answer()) as n:
        await n.polls(1)
        n.view.put(source(other.name, path="/other"))
        other.send("b")
        await empty(other)
        assert n.worker.exchanges[0].request.path == "/other"


async def test_an_edited_path_is_used_for_what_an_open_poll_brings(work: Queue) -> None:
    async with node(source(work.name), handle=lambda r: answer()) as n:
        await n.polls(1)
        n.view.put(source(work.name, path="/new"))
        work.send("a")
        await empty(work)
        assert n.worker.exchanges[0].request.path == "/new"


async def test_an_idle_source_has_one_poll_open_and_a_burst_opens_more(work: Queue) -> None:
    async with node(source(work.name, maxconcurrency=20), handle=after(1.5)) as n:
        await n.polls(1)
        work.send_many([json.dumps(number) for number in range(20)])
        await eventually(lambda: n.worker.open == 20)
        await empty(work)
