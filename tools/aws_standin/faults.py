"""Faults that a test asks for, and a count of the calls: what happens on the way to a service that itself is well.

    POST /_standin/faults   [{"action": "SendTaskSuccess", "code": "ThrottlingException", "times": 2}, …]
    GET  /_standin/calls    {"GetActivityTask": 12, …}

Fields: `action`; `code` of the error answered; `status` (400); `times` (1); `after` (false): whether the service has
done the call before its answer is lost; `seconds` (0): how long the answer takes. A POST replaces all former faults.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


@dataclass
class Fault:
    action: str
    code: str = "InternalFailure"
    status: int = 400
    times: int = 1
    after: bool = False
    seconds: float = 0.0


class Faults:
    """Stands before an ASGI application."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._faults: list[Fault] = []
        self._calls: Counter[str] = Counter()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["path"] == "/_standin/faults":
            self._faults = [Fault(**fault) for fault in json.loads(await _body(receive))]
            return await _answer(send, 200, {})
        if scope["path"] == "/_standin/calls":
            return await _answer(send, 200, dict(self._calls))
        action = _action(scope)
        self._calls[action] += 1
        fault = self._take(action)
        if fault is None:
            return await self._app(scope, receive, send)
        await asyncio.sleep(fault.seconds)
        if fault.after:
            await self._app(scope, receive, _nowhere)
        return await _answer(send, fault.status, {"__type": fault.code, "message": "a fault that a test asked for"})

    def _take(self, action: str) -> Fault | None:
        for fault in self._faults:
            if fault.action == action and fault.times > 0:
                fault.times -= 1
                return fault
        return None


def _action(scope: Message) -> str:
    for name, value in scope["headers"]:
        if name.lower() == b"x-amz-target":
            return str(value.decode("latin-1").rpartition(".")[2])
    return ""


async def _body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return body


async def _answer(send: Send, status: int, content: dict[str, Any]) -> None:
    headers = [(b"content-type", b"application/x-amz-json-1.0")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(content).encode()})


async def _nowhere(message: Message) -> None:
    """Where the answer goes that the client shall not see."""
