"""A task becomes one request, is kept alive meanwhile, and is reported once."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from maelstrom.activation.work import WorkAnswer
from maelstrom.model.errors import (
    ActivityMissing,
    AwsNotConfigured,
    AwsThrottled,
    AwsUnavailable,
    InvalidTaskToken,
    OutputRefused,
    TaskGone,
)
from maelstrom.model.source import SourceKey
from maelstrom.sources.ports import TaskFailure
from maelstrom.sources.step_functions.kind import worker_name
from tests.fakes.sources import COMPONENT, SOURCE, FakeTask, after, answer, arn, source
from tests.support.virtual_time import in_virtual_time
from tests.unit.sources.harness import node


def over(task: FakeTask) -> bool:
    return task.over


@in_virtual_time
async def test_a_task_is_posted_with_its_headers_and_its_answer_is_the_output() -> None:
    async with node(source(), handle=lambda r: answer(b'{"parts": 3}'), seconds=40) as n:
        task = n.service.schedule(data='{"text": "größe"}')
        await n.until(lambda: task.over)
        assert task.reports == ['{"parts": 3}']
        (exchange,) = n.worker.exchanges
        assert (exchange.component, exchange.seconds) == (COMPONENT, 40)
        assert (exchange.request.method, exchange.request.path) == ("POST", "/step/split")
        assert exchange.request.body == '{"text": "größe"}'.encode()
        assert exchange.headers == {
            "Content-Type": "application/json",
            "Maelstrom-Task-Token": task.token,
            "Maelstrom-Activity-Arn": arn("split"),
            "Maelstrom-Event-Source": "shop_split",
            "Maelstrom-Lease-Epoch": "7",
        }
        assert n.lease.admitted == [40]


@in_virtual_time
async def test_an_arn_of_another_alphabet_is_a_legal_header() -> None:
    async with node(source(activityname="größe")) as n:
        task = n.service.schedule("größe")
        await n.until(lambda: task.over)
        assert n.worker.exchanges[0].headers["Maelstrom-Activity-Arn"] == arn("gr%C3%B6%C3%9Fe")


@in_virtual_time
async def test_input_that_is_no_clean_text_is_worked_all_the_same() -> None:
    async with node(source()) as n:
        task = n.service.schedule(data='"\ud800"')
        await n.until(lambda: task.over)
        assert n.worker.exchanges[0].request.body == b'"?"'


@in_virtual_time
async def test_a_failure_carries_the_components_words() -> None:
    sold_out = answer(b"", 422, step_func_error="Shop.SoldOut", step_func_cause="none left")
    async with node(source(), handle=lambda r: sold_out) as n:
        task = n.service.schedule()
        await n.until(lambda: task.over)
        assert task.reports == [TaskFailure("Shop.SoldOut", "none left")]
        counts = n.owner.statuses()[SOURCE].counts
        assert (counts.received, counts.succeeded, counts.failed, counts.gone) == (1, 0, 1, 0)


@in_virtual_time
async def test_a_component_that_takes_too_long_fails_with_504() -> None:
    async with node(source(), handle=after(1_000), seconds=5) as n:
        task = n.service.schedule()
        await n.until(lambda: task.over)
        assert isinstance(task.reports[0], TaskFailure)
        assert task.reports[0].error == "maelstrom_504"
        assert n.worker.open == 0


@in_virtual_time
async def test_heartbeats_come_within_the_interval_until_the_report_and_then_stop() -> None:
    async with node(source(heartbeatseconds=4), handle=after(60)) as n:
        task = n.service.schedule()
        begun = n.now
        await n.until(lambda: task.over)
        times = [begun, *task.beats, n.now]
        assert all(later - earlier <= 4.02 for earlier, later in itertools.pairwise(times))
        assert 14 <= len(task.beats) <= 21
        beats = n.service.calls["heartbeat"]
        await asyncio.sleep(30)
        assert n.service.calls["heartbeat"] == beats


@in_virtual_time
async def test_heartbeats_of_many_tasks_do_not_coincide() -> None:
    async with node(source(maxconcurrency=20), handle=after(4)) as n:
        tasks = [n.service.schedule() for _ in range(20)]
        await n.until(lambda: all(task.over for task in tasks))
        assert len({round(task.beats[0], 1) for task in tasks}) > 10


@in_virtual_time
async def test_a_throttled_heartbeat_is_tried_again_before_it_is_too_late() -> None:
    async with node(source(heartbeatseconds=4), handle=after(20)) as n:
        n.service.fail_next("heartbeat", AwsThrottled("slow down"))
        task = n.service.schedule()
        await n.until(lambda: bool(task.beats))
        assert n.now <= 5  # HeartbeatSeconds 5 is what the default interval of 4 is made for
        assert n.owner.statuses()[SOURCE].counts.throttled == 1
        await n.until(lambda: task.over)
        assert n.owner.statuses()[SOURCE].state == "ok"


@pytest.mark.parametrize("error", [TaskGone("timed out"), InvalidTaskToken("unknown")])
@in_virtual_time
async def test_a_task_that_aws_has_given_up_cancels_the_request_and_is_not_reported(error: TaskGone) -> None:
    async with node(source(), handle=after(300)) as n:
        n.service.fail_next("heartbeat", error)
        task = n.service.schedule()
        await n.until(lambda: n.worker.exchanges and n.worker.exchanges[0].cancelled)
        assert n.now <= 5
        await asyncio.sleep(1)
        assert (n.service.calls["succeed"], n.service.calls["fail"]) == (0, 0)
        assert task.reports == []
        counts = n.owner.statuses()[SOURCE].counts
        assert (counts.failed, counts.gone, counts.in_flight) == (1, 1, 0)
        await n.until(lambda: n.service.calls["poll"] == 2)  # the slot is free again


@in_virtual_time
async def test_a_report_is_tried_until_it_is_accepted() -> None:
    async with node(source()) as n:
        n.service.fail_next("succeed", *[AwsUnavailable("away"), AwsThrottled("slow down"), AwsNotConfigured("no")] * 4)
        task = n.service.schedule()
        await n.until(lambda: n.owner.statuses()[SOURCE].state == "degraded")
        assert "away" in n.owner.statuses()[SOURCE].reason
        await n.until(lambda: task.over)
        assert task.reports == ["{}"]
        assert n.service.calls["succeed"] == 13
        assert 60 < n.now < 250  # backed off, capped
        assert n.service.calls["heartbeat"] > 10  # kept alive meanwhile
        assert n.owner.statuses()[SOURCE].state == "ok"


@in_virtual_time
async def test_a_report_whose_answer_was_lost_counts_as_made() -> None:
    async with node(source()) as n:
        n.service.fail_next("succeed", AwsUnavailable("answer lost"), TaskGone("over"))
        n.service.schedule()
        await n.until(lambda: n.owner.statuses()[SOURCE].counts.succeeded)
        assert n.service.calls["fail"] == 0


@in_virtual_time
async def test_a_report_that_comes_too_late_ends_there() -> None:
    async with node(source(), handle=after(1)) as n:
        task = n.service.schedule()
        await n.until(lambda: bool(n.worker.exchanges))
        task.gone = True
        await n.until(lambda: n.owner.statuses()[SOURCE].counts.gone)
        assert n.service.calls["succeed"] == 1


@in_virtual_time
async def test_an_output_that_aws_refuses_becomes_a_failure() -> None:
    async with node(source()) as n:
        n.service.fail_next("succeed", OutputRefused("nested too deeply"))
        task = n.service.schedule()
        await n.until(lambda: task.over)
        (report,) = task.reports
        assert isinstance(report, TaskFailure)
        assert report.error == "Maelstrom.InvalidOutput"
        assert "nested too deeply" in report.cause


@in_virtual_time
async def test_work_whose_lease_is_lost_fails_with_a_name_that_a_retry_can_match() -> None:
    async with node(source()) as n:
        n.lease.lost = True
        task = n.service.schedule()
        await n.until(lambda: task.over)
        (report,) = task.reports
        assert isinstance(report, TaskFailure)
        assert report.error == "Maelstrom.LeaseLost"
        assert n.worker.exchanges == []


@in_virtual_time
async def test_a_defect_in_our_own_code_is_reported_as_a_failure_too() -> None:
    def broken(request: object) -> WorkAnswer:
        raise KeyError("a defect")

    async with node(source(), handle=broken) as n:
        task = n.service.schedule()
        await n.until(lambda: task.over)
        (report,) = task.reports
        assert isinstance(report, TaskFailure)
        assert report.error == "Maelstrom.Internal"
        n.tasks.died.clear()


@in_virtual_time
async def test_a_deleted_activity_is_looked_up_again() -> None:
    async with node(source()) as n:
        await n.until(lambda: n.service.calls["poll"] == 1)
        n.service.delete("split")
        await n.until(lambda: n.service.calls["poll"] == 2)
        task = n.service.schedule()
        await n.until(lambda: task.over)
        assert n.owner.statuses()[SOURCE].state == "ok"


@in_virtual_time
async def test_an_activity_that_cannot_be_looked_up_is_tried_again_later_and_later() -> None:
    async with node(source(maxconcurrency=10)) as n:
        n.service.fail_next("activity", *[ActivityMissing("no"), AwsThrottled("slow down")] * 8)
        await n.until(lambda: n.service.calls["activity"] == 10)  # all slots at once, then one careful try at a time
        assert n.owner.statuses()[SOURCE].state == "degraded"
        await n.until(lambda: n.service.calls["poll"])
        assert n.service.calls["activity"] == 17
        assert 30 < n.now < 120
        await n.until(lambda: n.service.calls["poll"] == 10, within=21)
        assert n.owner.statuses()[SOURCE].state == "ok"


def test_worker_names_are_cut_to_what_is_legal() -> None:
    assert worker_name("node-1", source(), 3) == "node-1/shop_split-3"
    strange = worker_name("a b*c", source(key=SourceKey("shop", "ä:b")), 0)
    assert strange == "a-b-c/shop_ä-b-0"
    long = worker_name("n" * 70, source(key=SourceKey("project", "source")), 12)
    assert len(long) == 80
    assert long.startswith("n" * 70)
    assert long.endswith("-12")


@in_virtual_time
async def test_the_pollers_number_is_that_of_its_slots() -> None:
    async with node(source(maxconcurrency=5, concurrencyperpoller=2)) as n:
        await n.until(lambda: n.service.calls["poll"] == 5)
        assert sorted(n.service.workers) == [f"n1/shop_split-{i}" for i in (0, 0, 1, 1, 2)]


@in_virtual_time
@pytest.mark.parametrize(("own", "seconds"), [(7, 7), (900, 900), (0, 300)])
async def test_a_deadline_of_its_own_goes_before_the_components(own: int, seconds: int) -> None:
    async with node(source(maxdurationseconds=own), seconds=300) as n:
        task = n.service.schedule()
        await n.until(lambda: task.over)
        assert n.worker.exchanges[0].seconds == seconds
