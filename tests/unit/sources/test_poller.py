"""When polls are opened, and what an open one is still good for: limits, edits, toggles, troubles."""

from __future__ import annotations

import asyncio

import pytest

from maelstrom.model.errors import AwsThrottled, AwsUnavailable
from maelstrom.sources.ports import TaskFailure
from tests.fakes.sources import SOURCE, after, source
from tests.support.virtual_time import in_virtual_time
from tests.unit.sources.harness import node


@in_virtual_time
async def test_as_many_polls_are_open_as_slots_are_free() -> None:
    async with node(source(maxconcurrency=3), handle=after(10)) as n:
        counts = n.owner.statuses()[SOURCE].counts
        await n.until(lambda: counts.polls_open == 3)
        n.service.schedule()
        await n.until(lambda: counts.in_flight == 1)
        assert counts.polls_open == 2
        await n.until(lambda: counts.in_flight == 0)
        await asyncio.sleep(0)
        assert counts.polls_open == 3
        assert n.lease.peak == 3


@in_virtual_time
async def test_no_more_than_the_limit_is_worked_at_once_and_all_of_it_in_turn() -> None:
    async with node(source(maxconcurrency=2), handle=after(5)) as n:
        tasks = [n.service.schedule() for _ in range(20)]
        await n.until(lambda: all(task.over for task in tasks))
        assert n.worker.peak == 2
        assert 50 <= n.now < 51
        assert all(task.reports == ["{}"] for task in tasks)
        status = n.owner.statuses()[SOURCE]
        assert (status.counts.in_flight, status.counts.most_in_flight) == (0, status.capacity)


@in_virtual_time
async def test_polls_stay_below_what_aws_allows_and_all_slots_are_used_all_the_same() -> None:
    async with node(source(maxconcurrency=500), handle=after(5)) as n:
        counts = n.owner.statuses()[SOURCE].counts
        await asyncio.sleep(1)
        assert counts.polls_open == 200
        tasks = [n.service.schedule() for _ in range(600)]
        await n.until(lambda: n.worker.open == 500, within=1)
        await n.until(lambda: all(task.over for task in tasks), within=11)
        assert n.worker.peak == 500


@in_virtual_time
async def test_a_fault_of_ours_is_shown_and_the_source_goes_on() -> None:
    async with node(source()) as n:
        counts = n.owner.statuses()[SOURCE].counts
        await n.until(lambda: counts.polls_open == 1)
        n.lease.shut = True
        n.service.schedule()
        await n.until(lambda: counts.succeeded == 1)
        n.lease.shut, n.lease.capacity = False, None  # type: ignore[assignment]  # compared with: TypeError
        n.lease.tell()
        await n.until(lambda: n.owner.statuses()[SOURCE].state == "degraded", within=1)
        assert "internal error" in n.owner.statuses()[SOURCE].reason
        n.lease.capacity = 1
        task = n.service.schedule()
        await n.until(lambda: task.reports == ["{}"], within=100)
        assert n.owner.statuses()[SOURCE].state == "ok"


@in_virtual_time
async def test_a_lease_that_grows_or_shrinks_is_followed_at_once() -> None:
    async with node(source(maxconcurrency=4)) as n:
        counts = n.owner.statuses()[SOURCE].counts
        await n.until(lambda: counts.polls_open == 4)
        n.lease.resize(1)
        await asyncio.sleep(50)
        assert counts.polls_open == 4  # open ones return by themselves
        await n.until(lambda: counts.polls_open == 1, within=11)
        n.lease.resize(3)
        await n.until(lambda: counts.polls_open == 3, within=0.1)


@in_virtual_time
async def test_a_poll_that_comes_back_empty_is_opened_again() -> None:
    async with node(source()) as n:
        await asyncio.sleep(601)
        assert n.service.calls["poll"] == 11


@in_virtual_time
async def test_a_service_that_answers_empty_at_once_is_not_asked_in_a_hot_loop() -> None:
    async with node(source(), poll_seconds=0) as n:
        await asyncio.sleep(60)
        assert n.service.calls["poll"] <= 121


@in_virtual_time
async def test_an_outage_that_breaks_all_polls_at_once_is_one_failure_and_one_poll_tries_again() -> None:
    async with node(source(maxconcurrency=50)) as n:
        counts = n.owner.statuses()[SOURCE].counts
        n.service.fail_next("poll", *[AwsUnavailable("away")] * 55)
        await n.until(lambda: n.service.calls["poll"] == 50)
        begun = n.now
        status = n.owner.statuses()[SOURCE]
        assert status.state == "degraded"
        assert status.since == pytest.approx(n.clock.now(), abs=0.02)
        assert "away" in status.reason
        await n.until(lambda: n.service.calls["poll"] == 56)
        assert 61 >= n.now - begun > 30  # pauses of 1, 2, 4, 8, 16 and 30 s, each less up to a half
        assert counts.polls_open == 1
        # the one poll has been open for longer than it takes to fail: the others follow long before it returns
        await n.until(lambda: counts.polls_open == 50, within=21)
        assert n.owner.statuses()[SOURCE].state == "ok"


@in_virtual_time
async def test_an_outage_of_an_hour_costs_few_calls() -> None:
    async with node(source(maxconcurrency=10)) as n:
        n.service.fail_next("poll", *[AwsThrottled("slow down")] * 100_000)
        await asyncio.sleep(3_600)
        assert n.service.calls["poll"] < 3_600 / 15 + 20
        assert n.owner.statuses()[SOURCE].counts.throttled == n.service.calls["poll"]


@in_virtual_time
async def test_an_edit_is_used_for_what_an_open_poll_brings() -> None:
    async with node(source()) as n:
        await n.until(lambda: n.service.calls["poll"] == 1)
        n.view.put(source(path="/new", heartbeatseconds=1))
        task = n.service.schedule()
        await n.until(lambda: task.over)
        assert n.worker.exchanges[0].request.path == "/new"
        assert n.service.calls["poll"] <= 2


@in_virtual_time
async def test_another_activity_is_polled_at_once_and_what_the_old_poll_brings_is_worked_the_old_way() -> None:
    async with node(source(), handle=after(5)) as n:
        await n.until(lambda: n.service.calls["poll"] == 1)
        n.view.put(source(activityname="other", path="/other"))
        await n.until(lambda: n.service.calls["poll"] == 2, within=1)
        late = n.service.schedule("split")
        await n.until(lambda: n.worker.open == 1, within=1)
        new = n.service.schedule("other")
        await n.until(lambda: late.over and new.over)
        assert [e.request.path for e in n.worker.exchanges] == ["/step/split", "/other"]
        assert n.worker.peak == n.lease.peak == n.lease.peak_in_flight == 1
        assert new.reports == late.reports == ["{}"]


@in_virtual_time
async def test_another_activity_is_polled_by_all_slots_at_once() -> None:
    async with node(source(maxconcurrency=500)) as n:
        await n.until(lambda: n.service.calls["poll"] == 200)
        n.view.put(source(maxconcurrency=500, activityname="other"))
        await n.until(lambda: n.service.calls["poll"] == 400, within=1)
        assert n.lease.peak <= 500


@in_virtual_time
async def test_a_strays_item_is_kept_alive_until_a_slot_is_free() -> None:
    async with node(source(), handle=after(100)) as n:
        await n.until(lambda: n.service.calls["poll"] == 1)
        n.view.put(source(activityname="other"))
        await n.until(lambda: n.service.calls["poll"] == 2, within=1)
        new = n.service.schedule("other")
        await n.until(lambda: n.worker.open == 1, within=1)
        late = n.service.schedule("split")
        await n.until(lambda: new.over and late.over)
        assert n.worker.peak == 1
        assert len(late.beats) > 40
        assert n.now < 203


@in_virtual_time
async def test_a_strays_item_without_any_slot_left_fails_by_name() -> None:
    async with node(source()) as n:
        await n.until(lambda: n.service.calls["poll"] == 1)
        n.view.put(source(activityname="other"))
        await n.until(lambda: n.service.calls["poll"] == 2, within=1)
        n.view.put(source(activityname="other", enabled=False))
        n.service.delete("other")  # its poll ends, its slot goes back, the lease gives none any more
        late = n.service.schedule("split")
        await n.until(lambda: late.over)
        (report,) = late.reports
        assert isinstance(report, TaskFailure)
        assert report.error == "Maelstrom.LeaseLost"


@in_virtual_time
async def test_a_disabled_source_opens_no_poll_but_works_what_the_open_one_brings() -> None:
    async with node(source()) as n:
        await n.until(lambda: n.service.calls["poll"] == 1)
        n.view.put(source(enabled=False))
        assert n.owner.statuses()[SOURCE].state == "disabled"
        assert not n.owner.drained(SOURCE)
        task = n.service.schedule()
        await n.until(lambda: task.over)
        assert task.reports == ["{}"]
        await n.until(lambda: n.owner.drained(SOURCE), within=1)
        await asyncio.sleep(120)
        assert n.service.calls["poll"] == 1


@in_virtual_time
async def test_a_disabled_source_is_drained_when_its_poll_has_come_back_empty() -> None:
    async with node(source()) as n:
        await n.until(lambda: n.service.calls["poll"] == 1)
        assert not n.owner.drained(SOURCE)
        n.view.put(source(enabled=False))
        assert not n.owner.drained(SOURCE)
        await n.until(lambda: n.owner.drained(SOURCE), within=61)
        n.view.put(source())
        await n.until(lambda: n.service.calls["poll"] == 2, within=1)
        assert n.owner.statuses()[SOURCE].state == "ok"


@in_virtual_time
async def test_an_enabled_source_between_two_polls_is_not_drained() -> None:
    async with node(source()) as n:
        n.service.fail_next("poll", *[AwsUnavailable("away")] * 100)
        await n.until(lambda: n.owner.statuses()[SOURCE].state == "degraded")
        await n.until(lambda: n.owner.statuses()[SOURCE].counts.polls_open == 0)
        assert not n.owner.drained(SOURCE)


@in_virtual_time
async def test_toggling_back_and_forth_never_opens_more_polls_than_slots() -> None:
    async with node(source(maxconcurrency=2)) as n:
        for _ in range(20):
            n.view.put(source(maxconcurrency=2, enabled=False))
            await asyncio.sleep(0.5)
            n.view.put(source(maxconcurrency=2))
            await asyncio.sleep(0.5)
        assert n.owner.statuses()[SOURCE].counts.polls_open == 2
        assert n.lease.peak == 2
