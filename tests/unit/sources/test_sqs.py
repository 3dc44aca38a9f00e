"""Messages in virtual time: kept hidden while they are worked, deleted once, given back in order; what rest costs."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from maelstrom.activation.work import WorkAnswer, WorkRequest
from maelstrom.model.errors import AwsThrottled, AwsUnavailable
from maelstrom.model.source import EventSource, SourceKey, SqsSource
from maelstrom.sources.delivery import Means
from maelstrom.sources.kind import Answered, Pause, Settled
from maelstrom.sources.owner import SourceOwner
from maelstrom.sources.ports import QueueMessage
from maelstrom.sources.record import SourceRecord, SourceStatus
from maelstrom.sources.sqs.kind import SqsKind, TaskTokens
from tests.fakes.queues import FakeSqs, Sent
from tests.fakes.sources import COMPONENT, FakeDesk, FakeLease, FakeView, FakeWorker, Handler, TaskOwner, after, answer
from tests.fakes.sources import component as fake_component
from tests.support.virtual_time import LoopClock, in_virtual_time

KEY = SourceKey("shop", "in")
HOUR = 3_600.0


def source(*, enabled: bool = True, **fields: Any) -> EventSource:
    return EventSource(KEY, COMPONENT, 1, enabled, SqsSource(**{"queuename": "work", "path": "/w", **fields}), 1)


class Node:
    def __init__(self, of: EventSource, queues: tuple[str, ...], handle: Handler, tokens: TaskTokens | None) -> None:
        dice = random.Random(1).random
        self.clock = LoopClock()
        self.tasks = TaskOwner()
        self.sqs = FakeSqs(*queues)
        self.worker = FakeWorker(handle)
        self.desk = FakeDesk()
        self.view = FakeView(of, components=(fake_component(86_400),))
        means = Means(self.worker, self.view.component, self.clock, self.tasks.spawn)
        self.kind = SqsKind(self.sqs, clock=self.clock, random=dice, spawn=self.tasks.spawn, tokens=tokens)
        self.owner = SourceOwner({"sqs": self.kind}, view=self.view, leases=self.desk, means=means, random=dice)

    @property
    def now(self) -> float:
        return self.clock.monotonic()

    @property
    def lease(self) -> FakeLease:
        return self.desk.leases[1]

    @property
    def status(self) -> SourceStatus:
        return self.owner.statuses()[KEY]

    @property
    def worked(self) -> list[str]:
        return [exchange.request.body.decode() for exchange in self.worker.exchanges]

    async def until(self, check: Callable[[], object], *, within: float = 600.0) -> None:
        end = self.now + within
        while not check():
            assert self.now < end, f"not within {within} s"
            await asyncio.sleep(0.01 if within <= 600 else 1)


@asynccontextmanager
async def node(
    of: EventSource,
    *queues: str,
    handle: Handler = lambda request: answer(),
    tokens: TaskTokens | None = None,
) -> AsyncIterator[Node]:
    made = Node(of, queues or ("work",), handle, tokens)
    made.owner.start()
    try:
        yield made
    finally:
        await made.tasks.end()
    assert made.tasks.died == []


# hidden, and how long


@in_virtual_time
async def test_a_message_is_hidden_for_a_minute_at_a_time_while_it_is_worked() -> None:
    async with node(source(visibilitytimeout=300), handle=after(HOUR)) as n:
        sent = n.sqs.send("work")
        await n.until(lambda: sent.deleted, within=2 * HOUR)
        assert sent.receives == 1
        assert set(sent.hidden) == {60}
        assert HOUR / 30 - 5 <= len(sent.hidden) <= HOUR / 24 + 5


@in_virtual_time
async def test_a_short_visibility_timeout_is_kept_to() -> None:
    async with node(source(visibilitytimeout=4), handle=after(60)) as n:
        sent = n.sqs.send("work")
        await n.until(lambda: sent.deleted)
        assert (sent.receives, set(sent.hidden)) == (1, {4})


@in_virtual_time
async def test_a_request_ends_before_the_twelve_hours_of_its_message() -> None:
    async with node(source(), handle=after(20 * HOUR)) as n:
        sent = n.sqs.send("work")
        await n.until(lambda: n.worker.exchanges and n.worker.exchanges[0].cancelled, within=13 * HOUR)
        assert 11.9 * HOUR < n.now < 12 * HOUR
        assert not sent.deleted
        await n.until(lambda: sent.receives == 2, within=100)
        assert n.status.counts.gone == 1


@in_virtual_time
async def test_a_message_that_others_have_taken_ends_its_request() -> None:
    async with node(source(), handle=after(HOUR)) as n:
        sent = n.sqs.send("work")
        await n.until(lambda: n.worker.open == 1)
        n.sqs.steal(sent)
        await n.until(lambda: n.worker.open == 0, within=31)
        assert (n.status.counts.gone, sent.deleted) == (1, False)


@in_virtual_time
async def test_an_outage_shorter_than_the_rest_of_its_time_loses_no_message() -> None:
    async with node(source(), handle=after(100)) as n:
        sent = n.sqs.send("work")
        await n.until(lambda: n.worker.open == 1)
        n.sqs.fail_next("hide", *[AwsUnavailable("away")] * 5)
        await n.until(lambda: "away" in n.status.reason)
        await n.until(lambda: sent.deleted)
        assert (sent.receives, n.status.state) == (1, "ok")


@in_virtual_time
async def test_changes_of_many_messages_share_calls() -> None:
    async with node(source(maxconcurrency=50, messagesperpoll=10), handle=after(29.99)) as n:
        sent = [n.sqs.send("work") for _ in range(50)]
        await n.until(lambda: all(one.deleted for one in sent))
        assert n.sqs.calls["delete"] <= 10


# what an answer means


@in_virtual_time
async def test_only_200_deletes() -> None:
    statuses = iter([201, 204, 302, 404, 500, 503, 200])
    async with node(source(visibilitytimeout=5), handle=lambda r: answer(status=next(statuses))) as n:
        sent = n.sqs.send("work")
        await n.until(lambda: sent.deleted)
        assert sent.receives == 7
        assert (n.status.counts.succeeded, n.status.counts.failed) == (1, 6)


@in_virtual_time
async def test_a_failed_message_comes_back_when_its_whole_visibility_timeout_is_over() -> None:
    statuses = iter([500, 200])
    async with node(source(visibilitytimeout=300), handle=lambda r: answer(status=next(statuses))) as n:
        sent = n.sqs.send("work")
        await n.until(lambda: sent.receives == 2)
        assert n.now == pytest.approx(300, abs=2)


@in_virtual_time
async def test_retry_after_decides_within_what_sqs_allows() -> None:
    replies = iter([answer(status=500, retry_after="7"), answer(status=500, retry_after="99999"), answer()])
    async with node(source(), handle=lambda r: next(replies)) as n:
        sent = n.sqs.send("work")
        await n.until(lambda: sent.receives == 2)
        assert n.now == pytest.approx(7, abs=1)
        await n.until(lambda: sent.hidden[-1] > 7)
        assert 43_190 <= sent.hidden[-1] < 43_200


@in_virtual_time
async def test_deletions_are_repeated_while_the_message_is_kept_hidden() -> None:
    async with node(source(), handle=after(1)) as n:
        n.sqs.fail_next("delete", *[AwsThrottled("slow down")] * 12)
        sent = n.sqs.send("work")
        await n.until(lambda: sent.deleted)
        assert (sent.receives, len(n.worker.exchanges)) == (1, 1)
        assert n.status.counts.throttled == 12
        assert sent.hidden


@in_virtual_time
async def test_a_pause_is_asked_of_the_lease_and_begins_at_the_first_queue_again() -> None:
    replies = {"b0": answer(pause_seconds="3")}
    prefix = source(nameasprefix=True, maxconcurrency=1)
    async with node(prefix, "work-a", "work-b", handle=lambda r: replies.get(r.body.decode(), answer())) as n:
        for body in ("b0", "b1"):
            n.sqs.send("work-b", body)
        await n.until(lambda: n.lease.paused_until)
        n.sqs.send("work-a", "a0")
        last = n.sqs.send("work-a", "a1")
        await n.until(lambda: last.deleted)
        assert n.worked == ["b0", "a0", "a1"]


@in_virtual_time
async def test_what_an_open_poll_brings_in_a_pause_waits_for_its_end_and_is_worked_once() -> None:
    replies = {"a": answer(pause_seconds="100")}
    async with node(source(maxconcurrency=3), handle=lambda r: replies.get(r.body.decode(), answer())) as n:
        n.sqs.send("work", "a")
        await n.until(lambda: n.lease.paused_until and n.status.counts.polls_open)
        late = n.sqs.send("work", "b")
        await n.until(lambda: late.receives == 1, within=1)
        assert n.status.counts.in_flight == 0
        assert (n.status.state, n.status.reason[:25]) == ("ok", "rests for another 100 s, ")
        await n.until(lambda: late.deleted)
        assert n.now == pytest.approx(100, abs=2)
        assert (late.receives, n.status.reason) == (1, "")


@in_virtual_time
async def test_what_waits_in_a_pause_goes_back_when_its_source_is_disabled() -> None:
    async with node(source(maxconcurrency=3), handle=lambda r: answer(pause_seconds="100")) as n:
        n.sqs.send("work", "a")
        await n.until(lambda: n.lease.paused_until and n.status.counts.polls_open)
        late = n.sqs.send("work", "b")
        await n.until(lambda: late.receives == 1, within=1)
        n.view.put(source(maxconcurrency=3, enabled=False))
        await n.until(lambda: late.visible_at <= n.now and n.owner.drained(KEY), within=22)
        assert n.worked == ["a"]
        assert not n.lease.busy


@in_virtual_time
async def test_what_open_polls_bring_once_their_source_is_disabled_goes_back_and_is_received_once() -> None:
    async with node(source(maxconcurrency=8)) as n:
        for _ in range(20):
            n.sqs.send("work")
        await n.until(lambda: n.status.counts.succeeded == 20 and n.status.counts.polls_open > 3)
        n.view.put(source(maxconcurrency=8, enabled=False))
        late = n.sqs.send("work", "late")
        await n.until(lambda: n.owner.drained(KEY))
        await n.until(lambda: late.visible_at <= n.now)
        assert "late" not in n.worked
        assert late.receives == 1
        n.view.put(source(maxconcurrency=8))
        await n.until(lambda: late.deleted, within=1)


@in_virtual_time
async def test_what_waits_in_a_group_goes_back_when_its_source_is_disabled_and_what_is_worked_is_finished() -> None:
    async with node(source(queuename="g.fifo", messagesperpoll=10), "g.fifo", handle=after(5)) as n:
        one, two = (n.sqs.send("g.fifo", body, group="g") for body in ("1", "2"))
        await n.until(lambda: n.worker.open == 1)
        n.view.put(source(queuename="g.fifo", messagesperpoll=10, enabled=False))
        await n.until(lambda: one.deleted and n.owner.drained(KEY))
        assert n.worked == ["1"]
        n.view.put(source(queuename="g.fifo", messagesperpoll=10))
        await n.until(lambda: two.deleted, within=30)


@in_virtual_time
async def test_a_component_that_does_not_start_slows_its_source_down() -> None:
    refusal = WorkAnswer(503, {}, b"", code="start_failed", message="no such image")
    async with node(source(maxconcurrency=20, visibilitytimeout=1), handle=lambda r: refusal) as n:
        for _ in range(100):
            n.sqs.send("work")
        await asyncio.sleep(600)
        assert len(n.worker.exchanges) < 80
        assert (n.status.state, n.lease.ills != []) == ("degraded", True)
        assert "no such image" in n.status.reason
        n.worker.handle = lambda r: answer()
        await n.until(lambda: n.status.counts.succeeded == 100)
        assert (n.status.state, n.lease.ills) == ("ok", [])


# what is cheap


@in_virtual_time
async def test_an_idle_source_costs_three_calls_a_minute() -> None:
    async with node(source(maxconcurrency=100, messagesperpoll=10)) as n:
        await asyncio.sleep(HOUR)
        assert n.sqs.calls["receive"] <= 181
        assert n.status.counts.polls_open == 1
        assert n.sqs.calls["find"] == 1


@in_virtual_time
async def test_a_backlog_opens_as_many_polls_as_there_are_slots_within_a_second() -> None:
    async with node(source(maxconcurrency=40), handle=after(HOUR)) as n:
        await asyncio.sleep(100)
        for _ in range(100):
            n.sqs.send("work")
        await n.until(lambda: n.worker.open == 40, within=1)
        assert n.lease.peak == 40
        assert sum(sent.receives for sent in n.sqs.queues["work"]) == 40


@in_virtual_time
async def test_a_single_message_opens_few_polls() -> None:
    async with node(source(maxconcurrency=40)) as n:
        for _ in range(10):
            n.sqs.send("work")
            await asyncio.sleep(5)
        assert n.status.counts.polls_open <= 2


@in_virtual_time
async def test_messages_are_fetched_by_tens_where_slots_come_free_one_by_one() -> None:
    def spread(request: WorkRequest) -> Any:
        return after(0.1 + random.Random(request.body).random() * 0.002)(request)

    async with node(source(maxconcurrency=10, messagesperpoll=10), handle=spread) as n:
        sent = [n.sqs.send("work", str(number)) for number in range(200)]
        await n.until(lambda: all(one.deleted for one in sent))
        assert n.sqs.calls["receive"] < 40


@in_virtual_time
async def test_an_hour_without_sqs_costs_few_calls() -> None:
    async with node(source(maxconcurrency=50)) as n:
        n.sqs.fail_next("receive", *[AwsUnavailable("away")] * 100_000)
        await asyncio.sleep(HOUR)
        assert n.sqs.calls["receive"] < HOUR / 15 + 20
        assert n.lease.ills


@in_virtual_time
async def test_idle_queues_of_a_prefix_are_waited_at() -> None:
    names = [f"work-{number}" for number in range(5)]
    async with node(source(nameasprefix=True, maxconcurrency=20), *names) as n:
        await asyncio.sleep(60)
        before = n.sqs.calls["receive"]
        await asyncio.sleep(HOUR)
        assert n.sqs.calls["receive"] - before <= 5 * HOUR / 20 * 1.1
        assert n.status.counts.polls_open == 5
        begun = n.now
        sent = n.sqs.send("work-4")
        await n.until(lambda: sent.deleted)
        assert n.now - begun < 0.2


@in_virtual_time
async def test_more_queues_than_slots_are_all_looked_at_soon() -> None:
    names = [f"work-{number}" for number in range(12)]
    async with node(source(nameasprefix=True, maxconcurrency=2), *names) as n:
        await asyncio.sleep(60)
        for name in reversed(names):
            begun = n.now
            sent = n.sqs.send(name)
            await n.until(lambda sent=sent: sent.deleted)
            assert n.now - begun < 7
        before = n.sqs.calls["receive"]
        await asyncio.sleep(HOUR)
        assert (n.sqs.calls["receive"] - before) / HOUR < 3


# queues come and go


@in_virtual_time
async def test_queues_are_worked_in_natural_order() -> None:
    names = ["work-10", "work-9", "work-1"]
    async with node(source(nameasprefix=True, maxconcurrency=1), *names) as n:
        sent = [n.sqs.send(name, name) for name in names for _ in range(2)]
        await n.until(lambda: all(one.deleted for one in sent))
        assert n.worked == ["work-1", "work-1", "work-9", "work-9", "work-10", "work-10"]


@in_virtual_time
async def test_new_queues_are_found_and_lost_ones_dropped_while_the_list_may_fail() -> None:
    async with node(source(nameasprefix=True), "work-1", "work-2") as n:
        await asyncio.sleep(30)
        n.sqs.fail_next("find_all", AwsUnavailable("away"))
        n.sqs.make("work-3")
        n.sqs.remove("work-1")
        sent = n.sqs.send("work-3")
        await n.until(lambda: sent.deleted, within=150)
        assert n.status.state == "ok"
        assert n.sqs.calls["find_all"] <= 4


@in_virtual_time
async def test_a_queue_that_is_missing_is_looked_for_later_and_later() -> None:
    async with node(source(), "other") as n:
        await asyncio.sleep(HOUR)
        assert n.status.state == "degraded"
        assert n.sqs.calls["find"] < HOUR / 15 + 20
        n.sqs.make("work")
        sent = n.sqs.send("work")
        await n.until(lambda: sent.deleted, within=31)
        n.sqs.remove("work")
        await n.until(lambda: n.status.state == "degraded", within=31)
        n.sqs.make("work")
        sent = n.sqs.send("work")
        await n.until(lambda: sent.deleted, within=31)


# FIFO


def groups(n: Node, *bodies: str) -> list[Sent]:
    return [n.sqs.send("work.fifo", body, group=body[0]) for body in bodies]


@in_virtual_time
async def test_a_group_keeps_its_order_and_takes_one_slot() -> None:
    fifo = source(queuename="work.fifo", messagesperpoll=10, maxconcurrency=10)
    async with node(fifo, "work.fifo", handle=after(1)) as n:
        sent = groups(n, "a0", "a1", "a2", "b0", "b1", "c0")
        await n.until(lambda: all(one.deleted for one in sent))
        for group in "abc":
            assert [body for body in n.worked if body[0] == group] == [one.body for one in sent if one.group == group]
        assert n.worker.peak == 3
        assert 3 <= n.now < 4


@in_virtual_time
async def test_those_behind_a_failure_are_given_back_and_come_after_it() -> None:
    fails = {"a1"}

    def handle(request: WorkRequest) -> WorkAnswer:
        body = request.body.decode()
        status = 500 if body in fails else 200
        fails.discard(body)
        return answer(status=status)

    fifo = source(queuename="work.fifo", messagesperpoll=10, visibilitytimeout=10)
    async with node(fifo, "work.fifo", handle=handle) as n:
        sent = groups(n, "a0", "a1", "a2", "a3")
        await n.until(lambda: all(one.deleted for one in sent))
        assert n.worked == ["a0", "a1", "a1", "a2", "a3"]
        assert [one.receives for one in sent] == [1, 2, 2, 2]


@in_virtual_time
async def test_a_message_that_waits_for_its_turn_is_kept_hidden() -> None:
    fifo = source(queuename="work.fifo", messagesperpoll=10, visibilitytimeout=60)
    async with node(fifo, "work.fifo", handle=after(100)) as n:
        sent = groups(n, "a0", "a1", "a2")
        await n.until(lambda: all(one.deleted for one in sent))
        assert [one.receives for one in sent] == [1, 1, 1]
        assert n.worked == ["a0", "a1", "a2"]


# task tokens


class FakeTokens:
    """Answers for messages; `gone` ends their tasks."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self.settled: list[int] = []

    async def keep(self, source: EventSource, message: QueueMessage, record: SourceRecord) -> None:
        await self.gone.wait()

    async def settle(
        self, source: EventSource, message: QueueMessage, outcome: Answered, record: SourceRecord, pause: Pause
    ) -> Settled | None:
        self.settled.append(outcome.answer.status)
        return Settled.SUCCEEDED if outcome.answer.status == 200 else Settled.FAILED


@in_virtual_time
async def test_a_message_with_a_token_is_answered_and_deleted_whatever_the_answer() -> None:
    tokens = FakeTokens()
    statuses = iter([500, 200])
    of = source(tasktoken=True)
    async with node(of, handle=lambda r: answer(status=next(statuses)), tokens=tokens) as n:
        for _ in range(2):
            sent = n.sqs.send("work")
            await n.until(lambda sent=sent: sent.deleted)
        assert tokens.settled == [500, 200]
        assert (n.status.counts.failed, n.status.counts.succeeded) == (1, 1)


@in_virtual_time
async def test_a_message_whose_task_is_over_is_deleted_and_its_request_ended() -> None:
    tokens = FakeTokens()
    async with node(source(tasktoken=True), handle=after(HOUR), tokens=tokens) as n:
        sent = n.sqs.send("work")
        await n.until(lambda: n.worker.open == 1)
        tokens.gone.set()
        await n.until(lambda: sent.deleted and n.worker.open == 0, within=1)
        assert n.status.counts.gone == 1


# the oldest


@in_virtual_time
async def test_it_is_known_when_the_oldest_message_in_hand_was_sent() -> None:
    async with node(source(), handle=after(10)) as n:
        assert n.status.oldest_sent_at == 0
        sent = n.sqs.send("work")
        await n.until(lambda: n.worker.open == 1)
        assert n.status.oldest_sent_at == 1.0
        await n.until(lambda: sent.deleted)
        await n.until(lambda: n.status.oldest_sent_at == 0, within=1)


@in_virtual_time
async def test_a_message_of_a_fifo_queue_that_came_back_while_it_was_worked_is_not_counted_as_done() -> None:
    async with node(source(queuename="work.fifo", maxconcurrency=1), "work.fifo", handle=after(20)) as n:
        (sent,) = groups(n, "a0")
        await n.until(lambda: n.worker.open == 1)
        n.sqs.fail_next("delete", AwsUnavailable("away"))
        await n.until(lambda: n.sqs.calls["delete"] == 1)
        sent.visible_at = n.now  # its time has run out meanwhile
        await n.until(lambda: n.status.counts.gone == 1, within=5)
        await n.until(lambda: sent.deleted)
        assert sent.receives == 2


@in_virtual_time
async def test_a_fault_of_ours_does_not_bring_a_message_back_at_once() -> None:
    def broken(request: WorkRequest) -> WorkAnswer:
        raise ZeroDivisionError

    async with node(source(visibilitytimeout=30), handle=broken) as n:
        sent = n.sqs.send("work")
        await asyncio.sleep(100)
        assert sent.receives == 4
        assert len(n.tasks.died) == 4
        n.tasks.died.clear()


@in_virtual_time
async def test_queues_of_sources_that_are_gone_are_forgotten() -> None:
    async with node(source(), *(f"work{n}" for n in range(20)), "work") as n:
        for number in range(20):
            n.view.put(source(queuename=f"work{number}"))
            await asyncio.sleep(HOUR)
        assert len(n.kind._walks) <= 3
        sent = n.sqs.send("work19", "a")
        await n.until(lambda: sent.deleted)


@in_virtual_time
async def test_many_messages_share_calls() -> None:
    """A call for each of the three things that are said of a message would cost more than the work."""
    async with node(source(maxconcurrency=100, messagesperpoll=10), handle=after(0.005)) as n:
        for number in range(500):
            n.sqs.send("work", str(number))
        await n.until(lambda: all(sent.deleted for sent in n.sqs.queues["work"]))
        assert n.sqs.calls["receive"] <= 65
        assert n.sqs.calls["delete"] <= 55
        assert n.sqs.calls["hide"] == 0
