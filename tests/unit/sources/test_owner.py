"""Sources come, change and go with the view, and all of it ends within the grace."""

from __future__ import annotations

import asyncio

import pytest

from maelstrom.model.errors import AwsUnavailable
from maelstrom.model.source import CronRequest, CronSource, EventSource, HttpSource, SourceKey, SqsSource
from maelstrom.sources.ports import TaskFailure
from tests.fakes.sources import COMPONENT, SOURCE, FakeTask, after, source
from tests.support.virtual_time import in_virtual_time
from tests.unit.sources.harness import Node, node

CRON = CronSource(schedule="* * * * *", http=CronRequest(method="GET", path="/"))


def other(definition: HttpSource | SqsSource | CronSource, *, enabled: bool = True) -> EventSource:
    return EventSource(SourceKey("shop", "other"), COMPONENT, 1, enabled, definition, 9)


@pytest.mark.parametrize(
    ("definition", "state", "reason"),
    [
        (HttpSource(pathprefix="/"), "ok", ""),
        (SqsSource(queuename="q", path="/"), "degraded", "not served by this version"),
        (CRON, "ok", ""),
    ],
)
@in_virtual_time
async def test_other_kinds_have_an_honest_state(
    definition: HttpSource | SqsSource | CronSource, state: str, reason: str
) -> None:
    async with node(other(definition)) as n:
        status = n.owner.statuses()[SourceKey("shop", "other")]
        assert (status.state, status.reason) == (state, reason)
        n.view.put(other(definition, enabled=False))
        assert n.owner.statuses()[SourceKey("shop", "other")].state == "disabled"
        assert n.owner.drained(SourceKey("shop", "other"))


@in_virtual_time
async def test_a_source_put_later_is_polled_and_a_removed_one_no_more() -> None:
    async with node() as n:
        assert n.owner.statuses() == {}
        n.view.put(source())
        await n.until(lambda: n.service.calls["poll"] == 1, within=1)
        n.view.put()
        assert n.owner.statuses() == {}
        assert n.lease.dropped
        assert not n.owner.drained(SOURCE)
        task = n.service.schedule()  # the open poll brings it
        await n.until(lambda: task.over)
        assert task.reports == ["{}"]
        await n.until(lambda: n.owner.drained(SOURCE), within=1)
        await asyncio.sleep(120)
        assert n.service.calls["poll"] == 1
        assert n.tasks.names() == []


@in_virtual_time
async def test_a_source_that_is_removed_and_put_again_keeps_its_limit() -> None:
    async with node(source(), handle=after(10)) as n:
        first = n.service.schedule()
        await n.until(lambda: n.worker.open == 1)
        n.view.put()
        n.view.put(source())
        second = n.service.schedule()
        await n.until(lambda: first.over and second.over)
        assert n.worker.peak == n.lease.peak == 1


@in_virtual_time
async def test_sources_do_not_wait_for_each_other() -> None:
    slow, quick = source(), source(key=SourceKey("shop", "quick"), id=2, activityname="quick")
    async with node(slow, quick, handle=after(1)) as n:
        n.service.fail_next("poll", AwsUnavailable("away"))
        task = n.service.schedule("quick")
        await n.until(lambda: task.over, within=2)


async def stopped(n: Node, grace: float) -> float:
    """Seconds that the stop took."""
    begun = n.now
    await n.owner.stop(grace)
    assert n.now - begun <= grace + 0.01
    return n.now - begun


@in_virtual_time
async def test_a_stop_lets_the_open_poll_return_and_opens_no_other() -> None:
    async with node(source()) as n:
        await n.until(lambda: n.service.calls["poll"] == 1)
        await asyncio.sleep(20)
        assert await stopped(n, 60) == pytest.approx(40, abs=0.1)
        assert n.service.calls["poll"] == 1
        assert n.tasks.names() == []


@in_virtual_time
async def test_what_comes_during_a_stop_is_worked_and_reported() -> None:
    async with node(source(), handle=after(5)) as n:
        await n.until(lambda: n.service.calls["poll"] == 1)
        stop = asyncio.get_running_loop().create_task(stopped(n, 60))
        await asyncio.sleep(10)
        task = n.service.schedule()
        assert await stop == pytest.approx(15, abs=0.1)
        assert task.reports == ["{}"]


@in_virtual_time
async def test_what_is_worked_at_the_end_of_the_grace_is_reported_as_stopped() -> None:
    async with node(source(maxconcurrency=3), handle=after(300)) as n:
        tasks = [n.service.schedule() for _ in range(2)]
        await n.until(lambda: n.worker.open == 2)
        await stopped(n, 20)
        assert all(exchange.cancelled for exchange in n.worker.exchanges)
        for task in tasks:
            (report,) = task.reports
            assert isinstance(report, TaskFailure)
            assert report.error == "Maelstrom.Stopped"
        late = n.service.schedule()  # the third poll, which nobody waits for any more
        await n.until(lambda: late.over)
        assert late.reports == [TaskFailure("Maelstrom.Stopped", "the node that worked on the task was stopped")]


@in_virtual_time
async def test_a_report_that_fails_is_tried_to_the_end_of_the_grace() -> None:
    async with node(source()) as n:
        n.service.fail_next("succeed", *[AwsUnavailable("away")] * 15)
        task = n.service.schedule()
        await n.until(lambda: n.service.calls["succeed"] == 5)
        await stopped(n, 12)
        assert task.reports == ["{}"]


@in_virtual_time
async def test_a_service_that_never_answers_does_not_keep_the_node_from_ending() -> None:
    async with node(source()) as n:
        n.service.fail_next("succeed", *[AwsUnavailable("away")] * 10_000)
        n.service.schedule()
        await n.until(lambda: n.service.calls["succeed"] == 2)
        calls = n.service.calls["succeed"]
        await stopped(n, 10)
        assert n.service.calls["succeed"] - calls < 20
        assert n.tasks.names() == []


@pytest.mark.parametrize("grace", [0, 0.1])
@in_virtual_time
async def test_a_stop_without_time_ends_at_once(grace: float) -> None:
    async with node(source(), handle=after(300)) as n:
        task: FakeTask = n.service.schedule()
        await n.until(lambda: n.worker.open == 1)
        await stopped(n, grace)
        assert n.worker.exchanges[0].cancelled
        assert len(task.reports) <= 1


@in_virtual_time
async def test_changes_of_the_view_during_a_stop_start_nothing() -> None:
    async with node(source()) as n:
        stop = asyncio.get_running_loop().create_task(stopped(n, 60))
        await asyncio.sleep(1)
        n.view.put(source(), source(key=SourceKey("shop", "more"), id=2, activityname="more"))
        await stop
        assert n.service.calls["poll"] <= 1
        assert n.tasks.names() == []
