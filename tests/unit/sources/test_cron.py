"""Cron on its nodes: what fires, once; overlap, tries, hand-over, clocks that step, stopping."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from maelstrom.activation.work import WorkAnswer, WorkRequest
from maelstrom.model.errors import Conflict, Draining, MaelstromError, Unavailable
from maelstrom.model.source import CronSource, EventSource, SourceKey
from maelstrom.sources.cron.cron import Cron
from maelstrom.sources.delivery import Means
from tests.fakes.cron import FakeLedger, FakeRole, Tables
from tests.fakes.sources import COMPONENT, FakeView, FakeWorker, TaskOwner, after, answer
from tests.support.virtual_time import LoopClock, in_virtual_time

START = 1_700_000_000  # 22:13:20 UTC; the loop's second 0
KEY = SourceKey("shop", "tick")


def source(schedule: str = "@every 60s", *, key: SourceKey = KEY, id: int = 1, **fields: Any) -> EventSource:
    http = {"method": "GET", "path": "/tick", **fields.pop("http", {})}
    enabled, version = fields.pop("enabled", True), fields.pop("version", 1)
    definition = CronSource.model_validate({"schedule": schedule, "http": http, **fields})
    return EventSource(key, COMPONENT, version, enabled, definition, id)


class Node:
    """One process."""

    def __init__(self, cluster: Cluster, name: str, worker: FakeWorker) -> None:
        self.name = name
        self.able = True
        self.worker = worker
        self.role = FakeRole(cluster.epochs)
        self.tasks = TaskOwner()
        self.ledger = cluster.ledger(cluster.tables, name, f"home of {name}")
        means = Means(worker, cluster.view.component, LoopClock(), self.tasks.spawn)
        self.cron = Cron(
            self.ledger,
            self.role,
            view=cluster.view,
            means=means,
            random=lambda: 0.0,
            zone=ZoneInfo("UTC"),
            able=lambda: self.able,
        )
        self.cron.start()
        self.running = self.tasks.spawn(self.cron.run(), "cron")

    async def kill(self) -> None:
        """Nothing of it is heard any more."""
        self.role.take()
        await self.tasks.end()

    @property
    def counts(self) -> Any:
        return self.cron.statuses()[KEY].counts


class Cluster:
    """Nodes that share the ledger, the registry and the component. `skew`: by how much the ledger's clock is wrong."""

    ledger: type[FakeLedger] = FakeLedger

    def __init__(self, *sources: EventSource) -> None:
        self.skew = 0.0
        self.tables = Tables(lambda: START + asyncio.get_running_loop().time() + self.skew)
        self.view = FakeView(*sources)
        self.epochs = [0]
        self.nodes: list[Node] = []

    def node(self, worker: FakeWorker | None = None, *, role: bool = True) -> Node:
        node = Node(self, f"n{len(self.nodes) + 1}", worker or FakeWorker())
        self.nodes.append(node)
        if role:
            node.role.give()
        return node

    def fired(self, id: int = 1) -> list[int]:
        """Planned times that have a run, in seconds of the loop."""
        return [time - START for time in self.tables.planned(id)]


@asynccontextmanager
async def cluster_of(*sources: EventSource) -> AsyncIterator[Cluster]:
    cluster = Cluster(*sources)
    try:
        yield cluster
    finally:
        for node in cluster.nodes:
            await node.tasks.end()
    assert [error for node in cluster.nodes for error in node.tasks.died] == []


# firing


@in_virtual_time
async def test_a_source_that_cannot_be_planned_says_so_and_the_others_go_on() -> None:
    """A zone that was good where it was put, and that this machine does not know."""
    odd = source("0 * * * *", key=SourceKey("shop", "odd"), id=2)
    unknown = CronSource.model_construct(**{**dict(odd.definition), "timezone": "Mars/Olympus"})
    defective = replace(odd, definition=unknown)
    async with cluster_of(source(), defective) as cluster:
        first = cluster.node()
        await asyncio.sleep(65)
        status = first.cron.statuses()[odd.key]
        assert status.state == "degraded"
        assert "cannot be planned" in status.reason
        assert "Mars/Olympus" in status.reason
        assert (cluster.fired(), first.cron.statuses()[KEY].state) == ([60], "ok")
        # with the role goes the word: it is the next holder's
        first.role.take()
        second = cluster.node()
        await asyncio.sleep(60)
        assert first.cron.statuses()[odd.key].state == "ok"
        assert second.cron.statuses()[odd.key].state == "degraded"
        cluster.view.put(source(), replace(odd, version=2))
        await asyncio.sleep(1)
        assert second.cron.statuses()[odd.key].state == "ok"


@in_virtual_time
async def test_planned_times_fire_when_they_come_and_the_component_is_told() -> None:
    http = {"method": "post", "path": "/jobs?a=1", "data": "é", "headers": [{"name": "X-Own", "value": "yes"}]}
    async with cluster_of(source(http=http)) as cluster:
        node = cluster.node()
        await asyncio.sleep(125)
        assert cluster.fired() == [60, 120]
        assert cluster.tables.states() == ["succeeded", "succeeded"]
        (first, second) = node.worker.exchanges
        assert (first.component, first.seconds) == (COMPONENT, 300.0)
        assert (first.request.method, first.request.path, first.request.body) == ("POST", "/jobs?a=1", "é".encode())
        run = next(iter(cluster.tables.rows))
        assert first.headers == {
            "X-Own": "yes",
            "Maelstrom-Event-Source": "shop_tick",
            "Maelstrom-Scheduled-At": "2023-11-14T22:14:20Z",
            "Maelstrom-Run-Id": run,
            "Maelstrom-Attempt": "1",
        }
        assert first.headers["Maelstrom-Run-Id"] != second.headers["Maelstrom-Run-Id"]
        counts = node.counts
        assert (counts.received, counts.succeeded, counts.failed, counts.in_flight) == (2, 2, 0, 0)


@in_virtual_time
async def test_it_fires_within_a_moment_of_the_planned_time() -> None:
    async with cluster_of(source("* * * * *")) as cluster:
        moments: list[float] = []

        def handle(request: WorkRequest) -> WorkAnswer:
            moments.append(asyncio.get_running_loop().time())
            return answer()

        cluster.node(FakeWorker(handle))
        await asyncio.sleep(180)
        assert [round(moment, 2) for moment in moments] == [40.0, 100.0, 160.0]  # full minutes


@in_virtual_time
async def test_get_has_no_body_and_what_the_daemon_says_cannot_be_configured() -> None:
    headers = [{"name": "HOST", "value": "other"}, {"name": "maelstrom-run-id", "value": "mine"}]
    async with cluster_of(source(http={"data": "body", "headers": headers})) as cluster:
        node = cluster.node()
        await asyncio.sleep(61)
        (one,) = node.worker.exchanges
        assert one.request.body == b""
        assert "HOST" not in one.headers
        assert one.headers.get("maelstrom-run-id") is None


@in_virtual_time
async def test_thousands_of_sources_cost_one_look_each_time() -> None:
    sources = [source("@every 60s", key=SourceKey("shop", f"s{n}"), id=n) for n in range(1, 1001)]
    async with cluster_of(*sources) as cluster:
        cluster.node()
        await asyncio.sleep(59)
        before = len(cluster.tables.calls)
        await asyncio.sleep(0.99)
        assert len(cluster.tables.calls) == before  # nothing is asked between two times
        await asyncio.sleep(1)
        assert len(cluster.tables.rows) == 1000
        assert cluster.tables.calls[before:].count("open") == 5


@in_virtual_time
async def test_a_deadline_of_its_own_goes_before_the_components() -> None:
    async with cluster_of(source(maxdurationseconds=7)) as cluster:
        node = cluster.node(FakeWorker(after(100)))
        await asyncio.sleep(68)
        assert [one.seconds for one in node.worker.exchanges] == [7.0]
        (row,) = cluster.tables.rows.values()
        assert (row.outcome.state, row.outcome.status) == ("failed", 504)


# who plans


@in_virtual_time
async def test_nobody_fires_without_the_role_and_who_gets_it_begins_at_once() -> None:
    async with cluster_of(source("@every 10s")) as cluster:
        node = cluster.node(role=False)
        await asyncio.sleep(60)
        assert cluster.tables.rows == {}
        node.role.give()
        await asyncio.sleep(11)
        assert cluster.fired() == [70]


@in_virtual_time
async def test_over_a_failover_each_time_fires_once_and_the_interval_keeps_its_phase() -> None:
    async with cluster_of(source("@every 10s", catchup="all")) as cluster:
        first, second = cluster.node(), cluster.node(role=False)
        await asyncio.sleep(25)
        await first.kill()
        await asyncio.sleep(20)
        second.role.give()
        await asyncio.sleep(1)
        assert cluster.fired() == [10, 20, 30, 40]
        await asyncio.sleep(9)
        assert cluster.fired() == [10, 20, 30, 40, 50]
        assert [len(node.worker.exchanges) for node in (first, second)] == [2, 3]


@in_virtual_time
async def test_two_who_both_believe_to_plan_fire_each_time_once() -> None:
    async with cluster_of(source("@every 1s")) as cluster:
        first, second = cluster.node(), cluster.node(role=False)
        await asyncio.sleep(5.5)
        second.role.give()  # the first is not told
        await asyncio.sleep(10)
        assert cluster.fired() == list(range(1, 16))
        assert len(first.worker.exchanges) + len(second.worker.exchanges) == 15
        assert len(first.worker.exchanges) == 5


@in_virtual_time
async def test_what_a_node_has_begun_it_ends_and_records_although_it_plans_no_more() -> None:
    async with cluster_of(source("@every 60s")) as cluster:
        first = cluster.node(FakeWorker(after(30)))
        second = cluster.node(role=False)
        await asyncio.sleep(65)
        first.role.take()
        second.role.give()
        await asyncio.sleep(30)
        assert cluster.tables.states() == ["succeeded"]
        assert len(second.worker.exchanges) == 0


@in_virtual_time
async def test_a_node_that_can_run_nothing_leaves_planning_to_others_until_it_can_again() -> None:
    async with cluster_of(source()) as cluster:
        node = cluster.node(role=False)
        assert node.role.resting
        await asyncio.sleep(1)
        assert not node.role.resting
        node.role.give()
        node.able = False
        await asyncio.sleep(9)
        assert node.role.held
        await asyncio.sleep(3)
        assert node.role.resting
        node.able = True
        await asyncio.sleep(1.1)
        assert not node.role.resting


@in_virtual_time
async def test_a_thousand_runs_that_end_at_once_are_recorded_by_a_few_statements() -> None:
    sources = [source("@every 60s", key=SourceKey("shop", f"s{n}"), id=n) for n in range(1, 1001)]
    async with cluster_of(*sources) as cluster:
        cluster.tables.seconds["close"] = 0.01
        cluster.node(FakeWorker(after(1)))
        await asyncio.sleep(65)
        assert {row.outcome.state for row in cluster.tables.rows.values()} == {"succeeded"}
        assert cluster.tables.calls.count("close") <= 12


@in_virtual_time
async def test_a_source_that_cannot_be_planned_does_not_keep_others_from_it() -> None:
    broken = source("@every 5s", key=SourceKey("shop", "broken"), id=2)
    object.__setattr__(broken.definition, "timezone", "Nowhere/Else")  # the zone is unknown on this node
    async with cluster_of(broken, source()) as cluster:
        cluster.node()
        await asyncio.sleep(61)
        assert (cluster.fired(1), cluster.fired(2)) == ([60], [])


# changes


@in_virtual_time
async def test_edits_of_other_sources_and_other_fields_do_not_shift_an_interval_and_another_schedule_does() -> None:
    other = source("@every 7s", key=SourceKey("shop", "other"), id=2)
    async with cluster_of(source()) as cluster:
        cluster.node()
        await asyncio.sleep(50)
        cluster.view.put(source(), other)
        await asyncio.sleep(5)
        cluster.view.put(source(version=2, http={"path": "/else"}))
        await asyncio.sleep(10)
        assert cluster.fired() == [60]
        cluster.view.put(source("@every 20s", version=3, http={"path": "/else"}))
        await asyncio.sleep(45)
        assert cluster.fired() == [60, 85, 105]


@in_virtual_time
async def test_a_source_that_is_disabled_rests_at_once_and_is_not_made_up_for() -> None:
    async with cluster_of(source("@every 10s", catchup="all")) as cluster:
        node = cluster.node()
        await asyncio.sleep(15)
        cluster.view.put(source("@every 10s", catchup="all", enabled=False))
        await asyncio.sleep(40)
        assert node.cron.statuses()[KEY].state == "disabled"
        cluster.view.put(source("@every 10s", catchup="all"))
        await asyncio.sleep(10)
        assert cluster.fired() == [10, 60]
        cluster.view.put()
        await asyncio.sleep(40)
        assert cluster.fired() == [10, 60]
        assert node.cron.statuses() == {}


@in_virtual_time
async def test_disabled_while_the_ledger_answers_it_does_not_begin() -> None:
    async with cluster_of(source()) as cluster:
        node = cluster.node()
        cluster.tables.seconds["open"] = 0.5
        await asyncio.sleep(60.2)
        cluster.view.put(source(enabled=False))
        await asyncio.sleep(1)
        assert node.worker.exchanges == []
        assert cluster.tables.states() == ["skipped"]


# overlap


@in_virtual_time
async def test_runs_may_overlap_unless_that_is_forbidden() -> None:
    quick = source("@every 10s")
    strict = source("@every 10s", key=SourceKey("shop", "strict"), id=2, overlap="forbid")
    async with cluster_of(quick, strict) as cluster:
        node = cluster.node(FakeWorker(after(25)))
        await asyncio.sleep(41)
        assert cluster.tables.states(1) == ["succeeded", "running", "running", "running"]
        assert cluster.tables.states(2) == ["succeeded", "skipped", "skipped", "running"]
        counts = node.cron.statuses()[SourceKey("shop", "strict")].counts
        assert (counts.received, counts.skipped, counts.in_flight) == (4, 2, 1)


@in_virtual_time
async def test_a_later_run_replaces_the_one_that_is_open() -> None:
    async with cluster_of(source("@every 10s", overlap="replace")) as cluster:
        node = cluster.node(FakeWorker(after(25)))
        await asyncio.sleep(31)
        assert cluster.tables.states() == ["cancelled", "cancelled", "running"]
        assert node.worker.peak == 1
        assert [one.cancelled for one in node.worker.exchanges] == [True, True, False]


@in_virtual_time
async def test_a_run_on_another_node_is_replaced_by_its_owner() -> None:
    async with cluster_of(source("@every 10s", overlap="replace")) as cluster:
        first = cluster.node(FakeWorker(after(100)))
        second = cluster.node(role=False)
        await asyncio.sleep(12)
        first.role.take()
        second.role.give()
        await asyncio.sleep(12)
        assert cluster.tables.states() == ["cancelled", "succeeded"]
        assert first.worker.exchanges[0].cancelled


@in_virtual_time
async def test_what_a_dead_node_had_open_counts_as_open_until_its_deadline() -> None:
    async with cluster_of(source("@every 10s", overlap="forbid", maxdurationseconds=20)) as cluster:
        first, second = cluster.node(FakeWorker(after(19))), cluster.node(role=False)
        await asyncio.sleep(12)
        await first.kill()
        await asyncio.sleep(4)
        second.role.give()
        await asyncio.sleep(23)
        assert cluster.tables.states() == ["running", "skipped", "skipped"]
        await asyncio.sleep(12)  # 25 s after it was seen: the deadline and some spare
        assert cluster.tables.states() == ["lost", "skipped", "skipped", "skipped", "succeeded"]


@in_virtual_time
async def test_a_wall_clock_that_steps_does_not_shorten_the_wait_for_the_dead() -> None:
    async with cluster_of(source("@every 10s", overlap="forbid", maxdurationseconds=20)) as cluster:
        first, second = cluster.node(FakeWorker(after(19))), cluster.node(role=False)
        await asyncio.sleep(12)
        await first.kill()
        second.role.give()
        await asyncio.sleep(1)
        cluster.skew = 3600
        await asyncio.sleep(22)
        assert "succeeded" not in cluster.tables.states()


@in_virtual_time
async def test_a_new_process_of_the_same_state_directory_waits_for_nothing() -> None:
    async with cluster_of(source("@every 10s", overlap="forbid")) as cluster:
        first = cluster.node(FakeWorker(after(100)))
        await asyncio.sleep(12)
        await first.kill()
        second = Node(cluster, "n1 again", FakeWorker())
        second.ledger.home = first.ledger.home
        cluster.nodes.append(second)
        await asyncio.sleep(1)
        second.role.give()
        await asyncio.sleep(10)
        assert cluster.tables.states() == ["lost", "succeeded"]


# tries


@in_virtual_time
async def test_a_run_that_fails_is_tried_again_later_and_later() -> None:
    moments: list[float] = []

    def handle(request: WorkRequest) -> WorkAnswer:
        moments.append(asyncio.get_running_loop().time())
        return answer(status=503) if len(moments) < 4 else answer(status=201)

    async with cluster_of(source(retries=5)) as cluster:
        node = cluster.node(FakeWorker(handle))
        await asyncio.sleep(70)
        assert [round(moment) for moment in moments] == [60, 61, 63, 67]
        (row,) = cluster.tables.rows.values()
        assert (row.outcome.state, row.outcome.status, row.tries) == ("succeeded", 201, 4)
        assert [dict(one.request.headers)["Maelstrom-Attempt"] for one in node.worker.exchanges] == ["1", "2", "3", "4"]


@in_virtual_time
async def test_what_failed_is_kept_with_the_beginning_of_the_answer_and_shown() -> None:
    worker = FakeWorker(lambda request: answer(b"no\0 luck" + b"x" * 5000, status=500))
    async with cluster_of(source(retries=1)) as cluster:
        node = cluster.node(worker)
        await asyncio.sleep(65)
        (row,) = cluster.tables.rows.values()
        assert (row.outcome.state, row.outcome.status) == ("failed", 500)
        assert row.outcome.reason.startswith("the component answered 500: no\0 luck")
        assert len(row.outcome.reason) == 1000
        status = node.cron.statuses()[KEY]
        assert (status.state, status.counts.failed) == ("degraded", 1)
        assert status.reason.startswith("the last run failed: the component answered 500: no")
        assert len(status.reason) < 300
        worker.handle = lambda request: answer(status=204)
        await asyncio.sleep(60)
        assert node.cron.statuses()[KEY].state == "ok"


@in_virtual_time
async def test_who_plans_next_knows_what_failed_and_who_planned_before_says_no_more() -> None:
    async with cluster_of(source()) as cluster:
        first, second = cluster.node(FakeWorker(lambda request: answer(status=500))), cluster.node(role=False)
        await asyncio.sleep(65)
        first.role.take()
        second.role.give()
        await asyncio.sleep(1)
        assert [node.cron.statuses()[KEY].state for node in (first, second)] == ["ok", "degraded"]


@in_virtual_time
async def test_a_disabled_source_is_not_tried_again() -> None:
    async with cluster_of(source(retries=5)) as cluster:
        node = cluster.node(FakeWorker(lambda request: answer(status=503)))
        await asyncio.sleep(60.5)
        cluster.view.put(source(retries=5, enabled=False))
        await asyncio.sleep(30)
        assert len(node.worker.exchanges) == 1
        assert cluster.tables.states() == ["failed"]


@in_virtual_time
async def test_a_run_that_others_gave_up_is_not_tried_again() -> None:
    async with cluster_of(source(retries=5)) as cluster:
        node = cluster.node(FakeWorker(lambda request: answer(status=503)))
        await asyncio.sleep(60.5)
        await node.ledger.give_up(await node.ledger.open_runs(), 0.0)
        await asyncio.sleep(30)
        assert len(node.worker.exchanges) == 1


# databases and clocks


@in_virtual_time
async def test_a_tick_whose_answer_was_lost_is_fired_all_the_same_and_once() -> None:
    async with cluster_of(source()) as cluster:
        node = cluster.node()
        await asyncio.sleep(59)
        cluster.tables.lost = Unavailable("the answer was lost")
        await asyncio.sleep(5)
        assert cluster.tables.states() == ["succeeded"]
        assert len(node.worker.exchanges) == 1


@in_virtual_time
async def test_a_database_that_lost_its_last_commits_makes_a_node_fire_nothing_again() -> None:
    async with cluster_of(source("@every 10s", catchup="all")) as cluster:
        node = cluster.node()
        await asyncio.sleep(45)
        cluster.tables.rows.clear()
        node.role.take()
        node.role.give()
        await asyncio.sleep(20)
        assert len(node.worker.exchanges) == 6
        assert cluster.fired() == [50, 60]


@pytest.mark.parametrize(
    ("catchup", "expected"), [("none", [10, 50]), ("last", [10, 40, 50]), ("all", [10, 20, 30, 40, 50])]
)
def test_after_an_outage_of_the_database_what_was_missed_is_made_up_for_as_the_source_says(
    catchup: str, expected: list[int]
) -> None:
    @in_virtual_time
    async def run() -> None:
        async with cluster_of(source("@every 10s", catchup=catchup)) as cluster:
            node = cluster.node()
            await asyncio.sleep(15)
            cluster.tables.broken = Unavailable("away")
            await asyncio.sleep(5)
            node.role.held = False  # trust has run out; nobody is told
            await asyncio.sleep(25.5)
            cluster.tables.broken = None
            node.role.held = True  # nor of that
            await asyncio.sleep(8)
            assert cluster.fired() == expected

    run()


@in_virtual_time
async def test_a_database_that_is_away_is_not_asked_in_a_hot_loop() -> None:
    async with cluster_of(source("@every 1s")) as cluster:
        cluster.node()
        await asyncio.sleep(5)
        cluster.tables.broken = Unavailable("away")
        before = len(cluster.tables.calls)
        await asyncio.sleep(60)
        assert len(cluster.tables.calls) - before < 60


@in_virtual_time
async def test_a_clock_that_is_set_back_fires_nothing_twice_and_goes_on() -> None:
    async with cluster_of(source("@every 10s", catchup="all")) as cluster:
        node = cluster.node()
        await asyncio.sleep(105)
        assert len(cluster.fired()) == 10
        cluster.skew = -50
        await asyncio.sleep(100)
        # The times of the repeated 50 s are known; then it goes on in the clock's own time.
        assert cluster.fired() == [10 * n for n in range(1, 16)]
        assert len(node.worker.exchanges) == 15


@in_virtual_time
async def test_a_clock_that_is_set_ahead_brings_no_flood_and_back_again_no_silence() -> None:
    async with cluster_of(source("@every 10s")) as cluster:
        node = cluster.node()
        await asyncio.sleep(55)
        cluster.skew = 7200
        await asyncio.sleep(11)
        ahead = [time for time in cluster.fired() if time > 3600]
        assert 1 <= len(ahead) <= 3
        cluster.skew = 0
        await asyncio.sleep(60)
        assert [time for time in cluster.fired() if time < 3600][-4:] == [90, 100, 110, 120]
        assert len(node.worker.exchanges) == len(cluster.fired())


@in_virtual_time
async def test_the_zone_of_a_source_is_what_its_schedule_means() -> None:
    async with cluster_of(source("0 8 * * *", timezone="Asia/Tokyo")) as cluster:
        cluster.node()
        await asyncio.sleep(3600)
        (time,) = cluster.tables.planned()
        assert datetime.fromtimestamp(time, ZoneInfo("Asia/Tokyo")).strftime("%d %H:%M") == "15 08:00"


# by hand


@in_virtual_time
async def test_a_run_by_hand_is_worked_by_the_node_that_is_asked_also_of_a_disabled_source() -> None:
    async with cluster_of(source(enabled=False)) as cluster:
        cluster.node()
        asked = cluster.node(role=False)
        with pytest.raises(Unavailable, match="not started"):
            await asked.cron.run_now(source(enabled=False))
        await asyncio.sleep(1)
        id = await asked.cron.run_now(source(enabled=False))
        await asyncio.sleep(1)
        row = cluster.tables.rows[id]
        assert (row.kind, row.outcome.state) == ("manual", "succeeded")
        assert len(asked.worker.exchanges) == 1


@in_virtual_time
async def test_a_run_by_hand_obeys_the_overlap() -> None:
    strict = source("@every 10s", overlap="forbid")
    async with cluster_of(strict) as cluster:
        cluster.node(FakeWorker(after(5)))
        asked = cluster.node(role=False)
        await asyncio.sleep(11)
        with pytest.raises(Conflict):
            await asked.cron.run_now(strict)
    hasty = source("@every 10s", overlap="replace")
    async with cluster_of(hasty) as cluster:
        cluster.node(FakeWorker(after(8)))
        asked = cluster.node(role=False)
        await asyncio.sleep(11)
        await asked.cron.run_now(hasty)
        await asyncio.sleep(4)
        assert sorted(row.outcome.state for row in cluster.tables.rows.values()) == ["cancelled", "succeeded"]


# the end


@in_virtual_time
async def test_at_the_end_nothing_new_begins_and_what_is_open_may_end() -> None:
    async with cluster_of(source("@every 10s")) as cluster:
        node = cluster.node(FakeWorker(after(5)))
        await asyncio.sleep(12)
        await node.cron.stop(30)
        assert asyncio.get_running_loop().time() == 15
        assert cluster.tables.states() == ["succeeded"]
        await node.running
        with pytest.raises(Draining):
            await node.cron.run_now(source())


@in_virtual_time
async def test_what_is_open_at_the_end_of_the_grace_is_cut_and_recorded() -> None:
    async with cluster_of(source("@every 10s", retries=3)) as cluster:
        node = cluster.node(FakeWorker(after(100)))
        await asyncio.sleep(12)
        await node.cron.stop(8)
        assert asyncio.get_running_loop().time() <= 20
        (row,) = cluster.tables.rows.values()
        assert (row.outcome.state, row.outcome.reason) == ("cancelled", "its node was stopped")


@in_virtual_time
async def test_an_outcome_is_recorded_when_the_database_is_back() -> None:
    async with cluster_of(source()) as cluster:
        node = cluster.node(FakeWorker(after(5)))
        await asyncio.sleep(61)
        cluster.tables.broken = MaelstromError("away")
        await asyncio.sleep(30)
        assert node.counts.succeeded == 1
        cluster.tables.broken = None
        await asyncio.sleep(25)
        assert cluster.tables.states() == ["succeeded"]
