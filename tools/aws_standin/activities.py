"""The API calls on activities and task tokens, by AWS's rules. Each takes the call's members, returns the answer's.

The activities themselves stay in MiniStack's own table, so that its other calls (tags, Describe) go on working.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextvars import ContextVar
from typing import Any

from ministack.services import stepfunctions as engine

from tools.aws_standin import rules
from tools.aws_standin.faults import Receive
from tools.aws_standin.rules import ApiError
from tools.aws_standin.tasks import Failed, Succeeded, TaskBook

Members = dict[str, Any]

caller: ContextVar[Receive] = ContextVar(
    "caller"
)  # ASGI's receive of the call being served: tells when the client goes


class Activities:
    def __init__(self, book: TaskBook, *, poll_seconds: float, page_limit: int) -> None:
        """`page_limit`: AWS may answer fewer than were asked for, a test wants to see that."""
        self._book = book
        self._poll_seconds = poll_seconds
        self._page_limit = page_limit

    def create(self, call: Members) -> Members:
        """Idempotent by name, as AWS says."""
        name = rules.check_name(call.get("name"))
        arn = f"arn:aws:states:{engine.get_region()}:{engine.get_account_id()}:activity:{name}"
        if arn not in engine._activities:
            engine._activities[arn] = {"activityArn": arn, "name": name, "creationDate": engine.now_iso()}
            engine._tags[arn] = list(call.get("tags") or ())
        return {"activityArn": arn, "creationDate": engine._activities[arn]["creationDate"]}

    def list(self, call: Members) -> Members:
        size = int(call.get("maxResults") or rules.PAGE_SIZE)
        if size > rules.LARGEST_PAGE:
            raise ApiError("ValidationException", "1 validation error detected: Value at 'maxResults' is over 1000")
        size = min(size, self._page_limit)
        start = call.get("nextToken") or "0"
        if not start.isdigit():
            raise ApiError("InvalidToken", "Invalid Token: 'Invalid token'")
        every = [dict(activity) for activity in engine._activities.values()]
        page: Members = {"activities": every[int(start) : int(start) + size]}
        if int(start) + size < len(every):
            page["nextToken"] = str(int(start) + size)
        return page

    def delete(self, call: Members) -> Members:
        arn = rules.check_activity_arn(call.get("activityArn"))
        engine._activities.pop(arn, None)  # AWS does not complain of an unknown one
        engine._tags.pop(arn, None)
        self._book.wake_pollers(arn)
        return {}

    async def get_task(self, call: Members) -> Members:
        """The long poll: answered at once by a task, empty after its time, given up when the client has gone."""
        arn = rules.check_activity_arn(call.get("activityArn"))
        worker = call.get("workerName")
        if worker is not None:
            rules.check_length("workerName", worker, rules.NAME_CHARACTERS, least=1)
        if self._book.pollers(arn) >= rules.POLLERS:
            raise ApiError("ActivityWorkerLimitExceeded", f"Activity Worker Limit Exceeded: '{arn}'")
        loop, queued = asyncio.get_running_loop(), asyncio.Event()
        client_gone = loop.create_task(client_goes(caller.get()))
        until = loop.time() + self._poll_seconds

        def wake() -> None:
            loop.call_soon_threadsafe(queued.set)

        with self._book.watching(arn, wake):
            try:
                while loop.time() < until and not client_gone.done():
                    if arn not in engine._activities:
                        raise ApiError("ActivityDoesNotExist", f"Activity Does Not Exist: '{arn}'")
                    queued.clear()
                    if task := self._book.hand_out(arn, worker or ""):
                        return {"taskToken": task.token, "input": task.input}
                    await first_of(queued.wait(), client_gone, seconds=until - loop.time())
                return {}
            finally:
                client_gone.cancel()

    def succeed(self, call: Members) -> Members:
        self._book.open_task(call.get("taskToken"))
        self._book.end(call.get("taskToken"), Succeeded(rules.check_output(call.get("output"))))
        return {}

    def fail(self, call: Members) -> Members:
        error, cause = call.get("error"), call.get("cause")
        rules.check_length("error", error, rules.ERROR_CHARACTERS)
        rules.check_length("cause", cause, rules.CAUSE_CHARACTERS)
        self._book.end(call.get("taskToken"), Failed(error or "", cause or ""))
        return {}

    def beat(self, call: Members) -> Members:
        self._book.beat(call.get("taskToken"))
        return {}


async def client_goes(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def first_of(ready: Awaitable[object], gone: asyncio.Task[None], *, seconds: float) -> None:
    waiting = asyncio.ensure_future(ready)
    try:
        await asyncio.wait({waiting, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
