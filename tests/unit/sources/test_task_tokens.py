"""Messages with a task token, in virtual time: one answer to Step Functions, then the message is deleted."""

from __future__ import annotations

import json
import random

from maelstrom.model.errors import AwsUnavailable
from maelstrom.sources.ports import TaskFailure
from maelstrom.sources.sqs.task_tokens import MessageTasks
from tests.fakes.sources import FakeStepFunctions, FakeTask, after, answer
from tests.support.virtual_time import LoopClock, in_virtual_time
from tests.unit.sources.test_sqs import Node, node, source


def made() -> tuple[FakeStepFunctions, MessageTasks]:
    service = FakeStepFunctions()
    return service, MessageTasks(service, clock=LoopClock(), random=random.Random(1).random)


def ask(n: Node, service: FakeStepFunctions) -> FakeTask:
    task = service.schedule()
    n.sqs.send("work", json.dumps({"TaskToken": task.token, "n": 1}))
    return task


async def empty(n: Node) -> None:
    await n.until(lambda: all(sent.deleted for sent in n.sqs.queues["work"]))


@in_virtual_time
async def test_200_is_the_tasks_output() -> None:
    service, tokens = made()
    async with node(source(tasktoken=True), handle=lambda r: answer(b'{"sum": 6}'), tokens=tokens) as n:
        task = ask(n, service)
        await empty(n)
        assert task.reports == ['{"sum": 6}']
        assert n.worker.exchanges[0].headers["Maelstrom-Task-Token"] == task.token
        assert (n.status.counts.succeeded, n.status.counts.failed) == (1, 0)


@in_virtual_time
async def test_another_answer_fails_the_task_as_its_headers_say_and_the_message_does_not_come_again() -> None:
    service, tokens = made()
    reply = answer(status=422, step_func_error="Bad.Input", step_func_cause="no numbers")
    async with node(source(tasktoken=True), handle=lambda r: reply, tokens=tokens) as n:
        task = ask(n, service)
        await empty(n)
        assert task.reports == [TaskFailure("Bad.Input", "no numbers")]
        assert len(n.worker.exchanges) == 1


@in_virtual_time
async def test_heartbeats_keep_the_task_while_it_is_worked() -> None:
    service, tokens = made()
    async with node(source(tasktoken=True), handle=after(60), tokens=tokens) as n:
        task = ask(n, service)
        await empty(n)
        assert 15 <= len(task.beats) <= 22
        assert task.reports == ["{}"]


@in_virtual_time
async def test_a_task_that_is_over_ends_its_request_and_its_message() -> None:
    service, tokens = made()
    async with node(source(tasktoken=True), handle=after(3600), tokens=tokens) as n:
        task = ask(n, service)
        await n.until(lambda: n.worker.open == 1)
        task.gone = True
        await n.until(lambda: n.worker.exchanges[0].cancelled, within=5)
        await empty(n)
        assert (len(n.worker.exchanges), n.status.counts.gone) == (1, 1)


@in_virtual_time
async def test_the_first_heartbeat_is_sent_at_once() -> None:
    """The message may have waited for long: the rest of its task's HeartbeatSeconds may be short, or it may be over."""
    service, tokens = made()
    async with node(source(tasktoken=True), handle=after(3600), tokens=tokens) as n:
        task = ask(n, service)
        await n.until(lambda: n.worker.open == 1)
        await n.until(lambda: task.beats, within=0.1)
        over = ask(n, service)
        over.gone = True
        await n.until(lambda: n.sqs.queues["work"][1].deleted, within=1)
        assert all(exchange.cancelled for exchange in n.worker.exchanges[1:])


@in_virtual_time
async def test_the_message_stays_until_step_functions_has_the_answer() -> None:
    service, tokens = made()
    async with node(source(tasktoken=True), tokens=tokens) as n:
        service.fail_next("succeed", *[AwsUnavailable("away")] * 8)
        task = ask(n, service)
        await n.until(lambda: service.calls["succeed"] == 5)
        assert not n.sqs.queues["work"][0].deleted
        await empty(n)
        assert task.reports == ["{}"]


@in_virtual_time
async def test_a_message_without_a_token_or_with_an_unknown_one_is_like_any_other() -> None:
    service, tokens = made()
    statuses = iter([500, 200, 500, 200])
    async with node(
        source(tasktoken="/token", visibilitytimeout=10),
        handle=lambda r: answer(status=next(statuses)),
        tokens=tokens,
    ) as n:
        for body in ('{"a": 1}', '{"token": "unknown"}'):
            sent = n.sqs.send("work", body)
            await n.until(lambda sent=sent: sent.deleted)
            assert sent.receives == 2, n.worked
        assert service.calls["heartbeat"] == 2  # no more once it is known that AWS does not know the token


@in_virtual_time
async def test_a_stop_leaves_task_and_message_to_others() -> None:
    service, tokens = made()
    async with node(source(tasktoken=True), handle=after(3600), tokens=tokens) as n:
        task = ask(n, service)
        await n.until(lambda: n.worker.open == 1)
        await n.owner.stop(1)
        assert task.reports == []
        (sent,) = n.sqs.queues["work"]
        assert sent.hidden[-1] == 0
