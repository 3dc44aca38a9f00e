"""Puts the parts together: MiniStack's application with some of its calls replaced.

Imported only after the environment is set: MiniStack reads it while it is imported.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ministack import app as ministack
from ministack.services import stepfunctions as engine

from tools.aws_standin import rules
from tools.aws_standin.activities import Activities, Members, caller
from tools.aws_standin.faults import App, Faults, Message, Receive, Send
from tools.aws_standin.queues import Queues
from tools.aws_standin.rules import ApiError
from tools.aws_standin.states import States
from tools.aws_standin.tasks import TaskBook

Answer = Any  # (status, headers, body), as MiniStack hands them on
WORKER_THREADS = 64


class Service:
    def __init__(self, *, poll_seconds: float, wait_seconds: float, page_limit: int) -> None:
        self._book = TaskBook()
        States(self._book).install()
        Queues(page_limit=page_limit, wait_seconds=wait_seconds).install()
        activities = Activities(self._book, poll_seconds=poll_seconds, page_limit=page_limit)
        engine._create_activity = _call(activities.create)
        engine._list_activities = _call(activities.list)
        engine._delete_activity = _call(activities.delete)
        engine._send_task_success = _call(activities.succeed)
        engine._send_task_failure = _call(activities.fail)
        engine._send_task_heartbeat = _call(activities.beat)
        engine._get_activity_task = _long_call(activities.get_task)
        engine._create_state_machine = self._checked(engine._create_state_machine)
        engine._update_state_machine = self._checked(engine._update_state_machine)
        engine._start_execution = self._start(engine._start_execution)
        engine._stop_execution = self._stop(engine._stop_execution)
        self._http: App = Faults(_serve)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await self._http(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        """In place of MiniStack's own life, which looks for Docker, opens further ports and runs scripts."""
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(WORKER_THREADS))
        ministack._MAIN_LOOP = loop
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})

    def _checked(self, real: Callable[[Members], Answer]) -> Callable[[Members], Answer]:
        def create_or_update(call: Members) -> Answer:
            try:
                if "name" in call:
                    rules.check_name(call["name"])
                if "definition" in call:
                    rules.check_definition(call["definition"])
            except ApiError as error:
                return _refusal(error)
            return real(call)

        return create_or_update

    def _start(self, real: Callable[[Members], Answer]) -> Callable[[Members], Answer]:
        def start(call: Members) -> Answer:
            text = call.get("input") or "{}"
            try:
                json.loads(text)
            except ValueError as error:
                return _refusal(ApiError("InvalidExecutionInput", f"Invalid State Machine Execution Input: '{error}'"))
            if len(text.encode("utf-8", "surrogatepass")) > rules.PAYLOAD_BYTES:
                return _refusal(ApiError("InvalidExecutionInput", "Invalid State Machine Execution Input: too long"))
            return _same_execution(call, text) or real({**call, "input": text})

        return start

    def _stop(self, real: Callable[[Members], Answer]) -> Callable[[Members], Answer]:
        def stop(call: Members) -> Answer:
            answer = real(call)
            self._book.look_again()
            return answer

        return stop


async def _serve(scope: Message, receive: Receive, send: Send) -> None:
    caller.set(receive)
    await ministack.app(scope, receive, send)


def _same_execution(call: Members, text: str) -> Answer | None:
    """StartExecution is idempotent while an execution of that name and input runs."""
    if not (name := call.get("name")):
        return None
    arn = f"{call.get('stateMachineArn', '').replace(':stateMachine:', ':execution:')}:{name}"
    old = engine._executions.get(arn)
    if not old or old["status"] != "RUNNING" or old["input"] != text:
        return None
    return engine.json_response({"executionArn": arn, "startDate": old["startDate"]})


def _call(method: Callable[[Members], Members]) -> Callable[[Members], Answer]:
    def answer(call: Members) -> Answer:
        try:
            return engine.json_response(method(call))
        except ApiError as error:
            return _refusal(error)

    return answer


def _long_call(method: Callable[[Members], Awaitable[Members]]) -> Callable[[Members], Awaitable[Answer]]:
    async def answer(call: Members) -> Answer:
        try:
            return engine.json_response(await method(call))
        except ApiError as error:
            return _refusal(error)

    return answer


def _refusal(error: ApiError) -> Answer:
    return engine.error_response_json(error.code, error.message, 400)
