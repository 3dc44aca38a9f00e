"""Tasks that are answered later: the slot waits, any door may bring the answer, and each task ends once."""

from __future__ import annotations

import asyncio

import pytest

from maelstrom.activation.work import WorkAnswer, WorkRequest
from maelstrom.model.errors import (
    AwsUnavailable,
    BodyTooLarge,
    InvalidTaskToken,
    MaelstromError,
    OutputRefused,
    TaskGone,
    Unavailable,
)
from maelstrom.sources.outcome import OUTPUT_BYTES
from maelstrom.sources.ports import HERE, Place, TaskFailure
from maelstrom.sources.step_functions.later import ANSWER_TIMEOUT, LaterAnswers, hashed, places
from tests.fakes.sources import SOURCE, FakeStepFunctions, answer, source
from tests.support.virtual_time import in_virtual_time
from tests.unit.sources.harness import Node, node


def promise(request: WorkRequest) -> WorkAnswer:
    return answer(b"", 202)


def counts(n: Node) -> tuple[int, int, int, int]:
    found = n.owner.statuses()[SOURCE].counts
    return found.succeeded, found.failed, found.gone, found.awaited


@in_virtual_time
async def test_a_promise_keeps_its_slot_until_the_answer_comes() -> None:
    async with node(source(**{"async": True, "maxconcurrency": 1}), handle=promise) as n:
        first, second = n.service.schedule(), n.service.schedule()
        await n.until(lambda: n.lease.deferred)
        assert n.lease.deferred == {hashed(first.token): 3600.0}
        await asyncio.sleep(100)
        assert (len(n.worker.exchanges), n.lease.busy, n.lease.in_flight) == (1, 1, 0)
        assert counts(n) == (0, 0, 0, 1)
        await n.later.succeed(first.token, b'{"a": 1}')
        assert first.reports == ['{"a": 1}']
        await n.until(lambda: len(n.worker.exchanges) == 2)
        await n.later.fail(second.token, TaskFailure("Shop.Late", "why"))
        await n.until(lambda: not n.lease.deferred)
        assert second.reports == [TaskFailure("Shop.Late", "why")]
        assert counts(n) == (1, 1, 0, 0)


@in_virtual_time
async def test_without_async_a_202_is_a_failure() -> None:
    async with node(source(), handle=promise) as n:
        task = n.service.schedule()
        await n.until(lambda: task.over)
        assert isinstance(task.reports[0], TaskFailure)
        assert (task.reports[0].error, n.lease.deferred) == ("maelstrom_202", {})


@in_virtual_time
async def test_no_answer_in_time_is_a_failure_and_frees_the_slot() -> None:
    async with node(source(**{"async": True, "answerseconds": 60}), handle=promise) as n:
        task = n.service.schedule()
        await n.until(lambda: n.lease.deferred)
        promised = n.now
        n.service.fail_next("fail", AwsUnavailable("away"), AwsUnavailable("away"))
        await n.until(lambda: task.over)
        assert 59.9 <= n.now - promised <= 64
        assert isinstance(task.reports[0], TaskFailure)
        assert task.reports[0].error == ANSWER_TIMEOUT
        await n.until(lambda: not n.lease.deferred)
        assert counts(n) == (0, 1, 0, 0)
        with pytest.raises(TaskGone):
            await n.later.succeed(task.token, b"1")


@in_virtual_time
async def test_heartbeats_go_through_and_one_that_comes_too_late_frees_the_slot() -> None:
    async with node(source(**{"async": True}), handle=promise) as n:
        task = n.service.schedule()
        await n.until(lambda: n.lease.deferred and task.beats)
        before = len(task.beats)
        await asyncio.sleep(50)
        assert len(task.beats) == before  # the node does not speak for a component that may be dead
        await n.later.heartbeat(task.token)
        assert len(task.beats) == before + 1
        task.gone = True
        with pytest.raises(TaskGone):
            await n.later.heartbeat(task.token)
        await n.until(lambda: not n.lease.deferred)
        assert counts(n) == (0, 0, 0, 0)


@in_virtual_time
async def test_an_answer_that_comes_before_the_promise_is_the_answer() -> None:
    async def early(request: WorkRequest) -> WorkAnswer:
        await n.later.succeed(dict(request.headers)["Maelstrom-Task-Token"], b"1")
        await asyncio.sleep(20)  # heartbeats are refused meanwhile
        return answer(b"", 202)

    async with node(source(**{"async": True}), handle=early) as n:
        task = n.service.schedule()
        await n.until(lambda: counts(n)[0] == 1)
        assert (task.reports, n.lease.deferred, n.lease.admitted) == (["1"], {}, [300])
        assert not n.worker.exchanges[0].cancelled


@in_virtual_time
async def test_an_answer_while_the_slot_is_being_deferred_frees_it() -> None:
    async with node(source(**{"async": True}), handle=promise) as n:
        task = n.service.schedule()
        n.lease.before_defer = lambda: n.later.succeed(task.token, b"1")
        await n.until(lambda: task.over)
        await n.until(lambda: counts(n) == (1, 0, 0, 0))
        assert n.lease.deferred == {}


@in_virtual_time
async def test_a_task_that_was_over_when_its_promise_came_blocks_nothing() -> None:
    """Answered by its token, past this node."""
    async with node(source(**{"async": True, "heartbeatseconds": 100}), handle=promise) as n:
        task = n.service.schedule()
        n.lease.before_defer = lambda: n.service.succeed(task.token, "1")
        await n.until(lambda: n.service.calls["heartbeat"])
        await n.until(lambda: not n.lease.deferred)
        assert counts(n) == (0, 0, 0, 0)


@in_virtual_time
async def test_a_slot_that_cannot_wait_fails_the_task() -> None:
    async with node(source(**{"async": True}), handle=promise) as n:
        task = n.service.schedule()
        n.lease.before_defer = n.lease.lose
        await n.until(lambda: task.over)
        assert isinstance(task.reports[0], TaskFailure)
        assert task.reports[0].error == "Maelstrom.LeaseLost"


@in_virtual_time
async def test_an_answer_to_a_task_of_another_node_frees_its_row() -> None:
    async with node(source(**{"async": True}), handle=promise) as n:
        task = n.service.schedule()
        await n.until(lambda: n.lease.deferred)
        successor = LaterAnswers(
            n.desk, lambda: [FakeStepFunctions(), n.service], clock=n.clock, spawn=n.tasks.spawn, random=lambda: 0.5
        )
        await successor.succeed(task.token, b"[]")
        assert task.reports == ["[]"]
        await n.until(lambda: not n.lease.deferred)


@in_virtual_time
async def test_a_database_that_is_away_keeps_the_slot_only_until_it_is_back() -> None:
    async with node(source(**{"async": True}), handle=promise) as n:
        task = n.service.schedule()
        await n.until(lambda: n.lease.deferred)
        n.desk.away = True
        await n.later.succeed(task.token, b"1")
        await asyncio.sleep(30)
        assert n.lease.deferred
        n.desk.away = False
        await n.until(lambda: not n.lease.deferred)


@pytest.mark.parametrize(
    ("body", "refusal"),
    [(b"", OutputRefused), (b"no", OutputRefused), (b"\xff", OutputRefused), (b"1" * (OUTPUT_BYTES + 1), BodyTooLarge)],
)
@in_virtual_time
async def test_output_that_step_functions_would_not_take_is_refused_and_the_task_goes_on(
    body: bytes, refusal: type[MaelstromError]
) -> None:
    async with node(source(**{"async": True}), handle=promise) as n:
        task = n.service.schedule()
        await n.until(lambda: n.lease.deferred)
        with pytest.raises(refusal):
            await n.later.succeed(task.token, body)
        assert not task.over
        await n.later.succeed(task.token, b"null")
        assert task.reports == ["null"]


@pytest.mark.parametrize("token", ["", "x" * 2049, "nobody's"])
@in_virtual_time
async def test_a_token_that_nobody_knows_is_refused(token: str) -> None:
    async with node(source(**{"async": True})) as n:
        for call in (n.later.heartbeat(token), n.later.succeed(token, b"1"), n.later.fail(token, TaskFailure("", ""))):
            with pytest.raises(InvalidTaskToken):
                await call


@in_virtual_time
async def test_a_service_that_is_away_refuses_for_now_and_nothing_is_lost() -> None:
    async with node(source(**{"async": True}), handle=promise) as n:
        task = n.service.schedule()
        await n.until(lambda: n.lease.deferred)
        n.service.fail_next("succeed", AwsUnavailable("away"))
        with pytest.raises(Unavailable):
            await n.later.succeed(task.token, b"1")
        assert n.lease.deferred
        await n.later.succeed(task.token, b"1")
        assert task.reports == ["1"]


def test_answers_are_tried_at_every_place_that_tasks_come_from() -> None:
    far = source(region="eu-north-1", rolearn="arn:aws:iam::123456789012:role/x")
    assert places([source(), far, far]) == [HERE, Place("eu-north-1", "", "arn:aws:iam::123456789012:role/x")]


def test_a_token_is_never_shown() -> None:
    assert "secret" not in hashed("secret")
    assert len(hashed("\ud800" + "x" * 2048)) == 64
