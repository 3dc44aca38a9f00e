"""The ledger of cron: one suite for both databases and for the fake that other tests use."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from maelstrom.model.cron import Anchor, Ended, Followed, OpenRun, Outcome, Tick
from maelstrom.model.errors import Conflict, LeaseLost, NotFound
from maelstrom.model.stored import SourceFilter
from maelstrom.registry.cron import CronLedger
from maelstrom.registry.cron_history import KEPT_RUNS
from maelstrom.registry.cron_opening import Writer
from maelstrom.registry.registry import Registry
from maelstrom.sources.cron.ports import Ledger
from tests.contract.registry.definitions import project
from tests.fakes.cron import FakeLedger, Tables

NOW = 1_700_000_000
SOURCE = 1

Open = Callable[..., Awaitable[Ledger]]


@pytest.fixture(params=["fake", "sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def database(kind: str, request: pytest.FixtureRequest) -> str:
    """Its URL, or nothing for the fake."""
    return "" if kind == "fake" else str(request.getfixturevalue("url"))


@pytest.fixture
async def open_ledger(database: str) -> AsyncIterator[Open]:
    """Opens the ledger as a process would."""
    opened: list[Registry] = []
    tables = Tables(time.time)

    async def open_one(process: str = "p1", home: str = "h1") -> Ledger:
        if not database:
            return FakeLedger(tables, process, home)
        opened.append(await Registry.open(database, migrate=False))
        return CronLedger(opened[-1].engine, Writer(f"node-{home}", home, process))

    yield open_one
    for one in opened:
        await one.close()


@pytest.fixture
async def ledger(open_ledger: Open) -> Ledger:
    return await open_ledger()


def followed(source: int = SOURCE, version: int = 1, schedule: str = "@every 1m") -> Followed:
    return Followed(source, version, schedule)


def tick(planned: int, source: int = SOURCE, **fields: Any) -> Tick:
    values = {"overlap": "allow", "promise_ms": 60_000, "id": uuid.uuid4().hex, **fields}
    return Tick(source=source, planned=planned, **values)


async def fire(ledger: Ledger, *ticks: Tick, epoch: int = 1) -> list[Tick]:
    """Those that may be run."""
    return [one.tick for one in await ledger.open(ticks, epoch, NOW) if one.older is not None]


# who fires


async def test_a_planned_time_is_fired_once_whoever_asks(open_ledger: Open) -> None:
    first, second = await open_ledger("p1"), await open_ledger("p2", "h2")
    await first.follow([followed(), followed(2)], NOW, 1)
    mine = [tick(NOW + 60), tick(NOW + 60, 2)]
    assert await fire(first, *mine) == mine
    assert await fire(second, tick(NOW + 60), tick(NOW + 60, 2)) == []
    again = tick(NOW + 120)
    assert await fire(second, tick(NOW + 60), again) == [again]


async def test_of_processes_that_fire_at_the_same_time_one_does(open_ledger: Open) -> None:
    ledgers = [await open_ledger(f"p{n}", f"h{n}") for n in range(4)]
    await ledgers[0].follow([followed()], NOW, 1)
    times = [NOW + 60 * n for n in range(1, 11)]
    fired = await asyncio.gather(*(fire(one, *(tick(time) for time in times)) for one in ledgers))
    assert sorted(tick.planned for ticks in fired for tick in ticks) == times


async def test_what_is_sent_again_after_an_unknown_outcome_has_the_same_answer(ledger: Ledger) -> None:
    await ledger.follow([followed()], NOW, 1)
    ticks = [tick(NOW + 60, overlap="forbid"), tick(NOW + 120, overlap="forbid")]
    first = await ledger.open(ticks, 1, NOW)
    assert [one.older for one in first] == [(), None]
    assert await ledger.open(ticks, 1, NOW) == first


async def test_who_plans_with_an_older_epoch_decides_nothing(open_ledger: Open) -> None:
    old, new = await open_ledger("p1"), await open_ledger("p2", "h2")
    await old.follow([followed()], NOW, 1)
    await new.lead(2)
    assert await fire(old, tick(NOW + 60)) == []
    with pytest.raises(LeaseLost):
        await old.follow([followed(version=2, schedule="@every 2m")], NOW, 1)
    await old.rest([SOURCE], 1)
    assert await new.follow([followed()], NOW + 100, 2) == {SOURCE: Anchor(NOW, NOW)}
    assert len(await fire(new, tick(NOW + 60), epoch=2)) == 1


async def test_a_source_that_is_not_followed_fires_nothing(ledger: Ledger) -> None:
    assert await fire(ledger, tick(NOW)) == []


# where it begins


async def test_where_a_source_begins_is_kept(ledger: Ledger) -> None:
    assert await ledger.follow([followed()], NOW, 1) == {SOURCE: Anchor(NOW, NOW)}
    assert await ledger.follow([followed(), followed(2)], NOW + 30, 2) == {
        SOURCE: Anchor(NOW, NOW),
        2: Anchor(NOW + 30, NOW + 30),
    }
    assert await ledger.follow([followed(version=7)], NOW + 60, 2) == {SOURCE: Anchor(NOW, NOW)}


async def test_another_schedule_begins_anew_and_an_older_copy_does_not_turn_it_back(ledger: Ledger) -> None:
    await ledger.follow([followed()], NOW, 1)
    changed = await ledger.follow([followed(version=2, schedule="@every 5m")], NOW + 30, 1)
    assert changed == {SOURCE: Anchor(NOW + 30, NOW + 30)}
    assert await ledger.follow([followed(version=1)], NOW + 60, 1) == changed
    assert await ledger.follow([followed(version=2, schedule="@every 5m")], NOW + 90, 1) == changed


async def test_what_is_planned_while_a_source_rests_was_not_missed_and_the_phase_stays(ledger: Ledger) -> None:
    await ledger.follow([followed()], NOW, 1)
    await ledger.rest([SOURCE], 1)
    assert await ledger.follow([followed()], NOW + 150, 1) == {SOURCE: Anchor(NOW, NOW + 150)}
    assert await fire(ledger, tick(NOW + 120)) == []
    assert len(await fire(ledger, tick(NOW + 180))) == 1


async def test_a_beginning_that_was_stored_while_the_clock_was_ahead_is_corrected(ledger: Ledger) -> None:
    await ledger.follow([followed()], NOW + 7200, 1)
    assert await ledger.follow([followed()], NOW, 1) == {SOURCE: Anchor(NOW, NOW)}
    assert len(await fire(ledger, tick(NOW + 60))) == 1


# overlap


async def test_a_time_is_skipped_while_a_run_is_open_where_that_is_forbidden(open_ledger: Open) -> None:
    ledger, other = await open_ledger("p1"), await open_ledger("p2", "h2")
    await ledger.follow([followed(), followed(2)], NOW, 1)
    (first,) = await fire(ledger, tick(NOW + 60, overlap="forbid"))
    assert [one.older for one in await other.open([tick(NOW + 120, overlap="forbid")], 1, NOW)] == [None]
    assert len(await fire(ledger, tick(NOW + 120, 2, overlap="forbid"))) == 1
    await ledger.close([Ended(first.id, Outcome("succeeded", 200), NOW)])
    assert await fire(other, tick(NOW + 120, overlap="forbid")) == []  # it was decided
    assert len(await fire(other, tick(NOW + 180, overlap="forbid"))) == 1


async def test_of_forbidden_ones_that_come_at_once_the_first_is_run(ledger: Ledger) -> None:
    await ledger.follow([followed()], NOW, 1)
    ticks = [tick(NOW + 60 * n, overlap="forbid") for n in (1, 2, 3)]
    assert [one.older for one in await ledger.open(ticks, 1, NOW)] == [(), None, None]


async def test_a_run_that_replaces_others_is_told_which_and_their_owners_are_too(open_ledger: Open) -> None:
    ledger, other = await open_ledger("p1"), await open_ledger("p2", "h2")
    await ledger.follow([followed()], NOW, 1)
    (first,) = await fire(ledger, tick(NOW + 60, overlap="replace"))
    assert await ledger.attempt(first.id, 1, 60_000)
    assert await ledger.to_cancel() == set()
    later = tick(NOW + 120, overlap="replace")
    (opened,) = await other.open([later], 1, NOW)
    assert opened.older == (OpenRun(first.id, SOURCE, "p1", 1, 60_000),)
    assert (await ledger.to_cancel(), await other.to_cancel()) == ({first.id}, set())
    assert not await ledger.attempt(first.id, 2, 60_000)
    await ledger.close([Ended(first.id, Outcome("cancelled"), NOW)])
    assert await ledger.to_cancel() == set()


async def test_a_run_that_is_replaced_before_it_began_never_begins(open_ledger: Open) -> None:
    ledger, other = await open_ledger("p1"), await open_ledger("p2", "h2")
    await ledger.follow([followed()], NOW, 1)
    (first,) = await fire(ledger, tick(NOW + 60, overlap="replace"))
    both = [tick(NOW + 120, overlap="replace"), tick(NOW + 180, overlap="replace")]
    second, third = await other.open(both, 1, NOW)
    assert second.older == (OpenRun(first.id, SOURCE, "p1", 0, 60_000),)
    assert third.older is not None
    assert {run.id for run in third.older} == {first.id, second.tick.id}
    assert not await ledger.attempt(first.id, 1, 60_000)
    assert not await other.attempt(second.tick.id, 1, 60_000)
    assert await other.attempt(third.tick.id, 1, 60_000)


async def test_runs_by_hand_obey_the_overlap_and_stand_beside_planned_ones(ledger: Ledger) -> None:
    await ledger.follow([followed()], NOW, 1)
    by_hand = tick(NOW + 60, overlap="forbid")
    assert (await ledger.open_manual(by_hand, NOW)).older == ()
    with pytest.raises(Conflict):
        await ledger.open_manual(tick(NOW + 61, overlap="forbid"), NOW)
    await ledger.close([Ended(by_hand.id, Outcome("succeeded", 200), NOW)])
    assert len(await fire(ledger, tick(NOW + 60, overlap="forbid"))) == 1


# working


async def test_each_try_is_a_new_promise(ledger: Ledger) -> None:
    await ledger.follow([followed()], NOW, 1)
    (one,) = await fire(ledger, tick(NOW + 60))
    assert await ledger.open_runs() == [OpenRun(one.id, SOURCE, "p1", 1, 60_000)]
    assert await ledger.attempt(one.id, 2, 70_000)
    assert await ledger.open_runs() == [OpenRun(one.id, SOURCE, "p1", 2, 70_000)]


async def test_a_run_whose_row_has_changed_since_it_was_seen_is_not_given_up(ledger: Ledger) -> None:
    await ledger.follow([followed()], NOW, 1)
    (one,) = await fire(ledger, tick(NOW + 60))
    seen = await ledger.open_runs()
    await ledger.attempt(one.id, 2, 60_000)
    await ledger.give_up(seen, NOW)
    assert len(await ledger.open_runs()) == 1
    await ledger.give_up(await ledger.open_runs(), NOW)
    assert await ledger.open_runs() == []
    assert not await ledger.attempt(one.id, 3, 60_000)
    await ledger.close([Ended(one.id, Outcome("succeeded", 200), NOW)])  # its node was only slow


async def test_a_new_process_of_a_state_directory_closes_what_the_former_had_open(open_ledger: Open) -> None:
    former, other = await open_ledger("p1"), await open_ledger("p2", "h2")
    await former.follow([followed()], NOW, 1)
    await fire(former, tick(NOW + 60))
    (kept,) = await fire(other, tick(NOW + 120))
    assert await (await open_ledger("p3")).bury_former(NOW) == 1
    assert [run.id for run in await other.open_runs()] == [kept.id]


async def test_it_knows_whose_last_run_failed(ledger: Ledger) -> None:
    await ledger.follow([followed(), followed(2), followed(3)], NOW, 1)
    for source, states in ((1, ["failed", "succeeded"]), (2, ["succeeded", "failed"]), (3, ["failed"])):
        for number, state in enumerate(states, 1):
            (one,) = [o.tick for o in await ledger.open([tick(NOW + 60 * number, source)], 1, NOW + number)]
            await ledger.close([Ended(one.id, Outcome(state, 500, f"{state} {source}"), NOW)])  # type: ignore[arg-type]
    (_open,) = await fire(ledger, tick(NOW + 180, 3))
    assert await ledger.failing() == {2: "failed 2", 3: "failed 3"}


async def test_the_clock_is_that_of_now(ledger: Ledger) -> None:
    assert abs(await ledger.clock() - time.time()) < 60


@pytest.mark.parametrize("kind", ["postgresql"])
async def test_nodes_whose_clocks_differ_go_by_the_databases(registry: Registry) -> None:
    writer = Writer("one", "h1", "p1")
    behind = CronLedger(registry.engine, writer, now=lambda: 0.0)
    ahead = CronLedger(registry.engine, writer, now=lambda: 9e9)
    assert abs(await behind.clock() - await ahead.clock()) < 60


# what is kept


async def test_the_last_runs_stay_and_what_is_gone_is_not_fired_again(ledger: Ledger) -> None:
    await ledger.follow([followed(), followed(2)], NOW, 1)
    times = [NOW + n for n in range(1, KEPT_RUNS + 11)]
    for time_ in times:
        for one in await ledger.open([tick(time_)], 1, time_):
            await ledger.close([Ended(one.tick.id, Outcome("succeeded", 200), time_)])
    await fire(ledger, tick(NOW + 1, 2))
    await ledger.prune(NOW + 1000, [SOURCE])
    await ledger.prune(NOW + 1000)
    for time_ in (*times[:12], times[-1]):
        assert await fire(ledger, tick(time_)) == []
    assert len(await fire(ledger, tick(times[-1] + 1))) == 1


async def test_what_was_fired_by_a_clock_that_was_ahead_silences_nothing(ledger: Ledger) -> None:
    await ledger.follow([followed()], NOW, 1)
    ahead = [NOW + 3600 + n for n in range(KEPT_RUNS)]
    for time_ in (*ahead, *(NOW + n for n in range(1, 12))):
        for one in await ledger.open([tick(time_)], 1, time_):
            await ledger.close([Ended(one.tick.id, Outcome("succeeded", 200), time_)])
    await ledger.prune(NOW + 12)
    assert len(await fire(ledger, tick(NOW + 12))) == 1
    assert await fire(ledger, *(tick(time_) for time_ in (NOW + 1, *ahead))) == []


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
class TestHistory:
    """What people read; only the real one has it."""

    @pytest.fixture
    async def ledger(self, registry: Registry) -> CronLedger:
        return CronLedger(registry.engine, Writer("one", "h1", "p1"))

    @pytest.fixture
    async def source(self, registry: Registry, ledger: CronLedger) -> int:
        cron = {"schedule": "@hourly", "http": {"method": "GET", "path": "/"}}
        await registry.put_project(project("shop", web={"eventsources": {"tick": {"cron": cron}}}))
        (found,) = await registry.list_sources()
        await ledger.follow([followed(found.id)], NOW, 1)
        return found.id

    async def test_runs_are_listed_newest_first_with_what_became_of_them(
        self, registry: Registry, ledger: CronLedger, source: int
    ) -> None:
        for number in (1, 2, 3):
            await ledger.open([tick(NOW + number, source)], 1, NOW + number + 0.5)
        newest = (await registry.cron_runs(SourceFilter(), 1))[0]
        await ledger.close([Ended(newest.id, Outcome("failed", 500, "no\0 \ud800 luck"), NOW + 9)])
        runs = await registry.cron_runs(SourceFilter("shop", names=("tick",)), 2)
        assert [run.scheduled_at - NOW for run in runs] == [3, 2]
        ended = await registry.cron_run(newest.id)
        assert (ended.state, ended.status, ended.reason) == ("failed", 500, "no\ufffd ? luck")
        assert (ended.source, ended.node, ended.ended_at) == (("shop", "tick"), "one", NOW + 9)
        assert await registry.cron_runs(SourceFilter("other"), 9) == []
        assert await registry.cron_runs(SourceFilter(names=("nothing",)), 9) == []
        with pytest.raises(NotFound):
            await registry.cron_run("0" * 32)

    async def test_a_removed_source_still_has_its_runs(
        self, registry: Registry, ledger: CronLedger, source: int
    ) -> None:
        await ledger.open([tick(NOW + 1, source)], 1, NOW)
        await registry.remove_project("shop")
        assert len(await registry.cron_runs(SourceFilter(names=("shop_tick",)), 9)) == 1

    async def test_old_runs_go_but_the_last_one_and_those_that_are_open(
        self, registry: Registry, ledger: CronLedger, source: int
    ) -> None:
        for number in (1, 2, 3, 4):
            (one,) = await ledger.open([tick(NOW + number, source)], 1, NOW + number)
            if number != 2:
                await ledger.close([Ended(one.tick.id, Outcome("succeeded", 200), NOW + number)])
        await ledger.prune(NOW + 31 * 86_400)
        runs = await registry.cron_runs(SourceFilter(), 9)
        assert [run.scheduled_at - NOW for run in runs] == [4, 2]
