"""One piece of work done by a component: activate, wait, exchange, by the same pools and limits as the gateway.

Used by sources. An exchange has a connection of its own, unless its request may be sent twice: a POST must never be so
because a kept-alive connection was closed just then. It must not know where the work came from.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Coroutine
from math import inf
from typing import Any, TypeVar

from maelstrom.activation.instance import Instance
from maelstrom.activation.link import KeptLinks, Reader, WorkLink
from maelstrom.activation.pool import Pool
from maelstrom.activation.work import WORK_BODY_LIMIT, WorkAnswer, WorkRequest
from maelstrom.model.component import ComponentKey
from maelstrom.model.errors import Deadline, MaelstromError, NoRoute, UpstreamBroken
from maelstrom.runtime.http2_request import Broken, NotConnected, ask

T = TypeVar("T")

Read = Callable[[str, int], Reader]
"""What reads the answer to a request of that method, and keeps at most so many bytes of its body."""

_SOURCES = b"\0sources"  # their share of a fair queue: no client and no header is called so
_WITH_BODY = ("POST", "PUT", "PATCH")

# the statuses of the gateway's own answers, as a source sees them
STATUSES = {
    "no_route": 404,
    "disabled": 404,
    "queue_full": 503,
    "start_failed": 503,
    "no_capacity": 503,
    "draining": 503,
    "deadline": 504,
    "upstream_broken": 502,
}


class Transport:
    """Implements `work.Worker`."""

    def __init__(self, pool: Callable[[ComponentKey], Pool | None], read: Read) -> None:
        self._pool = pool
        self._read = read
        self._kept = KeptLinks()

    async def stop(self) -> None:
        self._kept.close()

    async def work(self, component: ComponentKey, request: WorkRequest, *, seconds: float) -> WorkAnswer:
        deadline = time.monotonic() + seconds
        try:
            async with asyncio.timeout(seconds):
                return await self._work(component, request, deadline)
        except TimeoutError:
            return _answer(Deadline(f"{component.full_name} did not answer within {seconds:g} s"))
        except MaelstromError as error:
            return _answer(error)

    async def _work(self, key: ComponentKey, request: WorkRequest, deadline: float) -> WorkAnswer:
        pool = self._pool(key)
        if pool is None:
            raise NoRoute(f"there is no component {key.full_name}")
        try:
            return await self._claim_and_exchange(pool, key, request, deadline)
        except NotConnected:
            # nothing was sent: the one retry, on whichever instance is free then
            return await self._claim_and_exchange(pool, key, request, deadline, last=True)

    async def _claim_and_exchange(
        self, pool: Pool, key: ComponentKey, request: WorkRequest, deadline: float, *, last: bool = False
    ) -> WorkAnswer:
        instance = await claim(pool)
        instance.deadlines.append(deadline)
        try:
            return await self._exchange(key, instance, request, deadline)
        except OSError as error:
            pool.suspect(instance)
            if isinstance(error, NotConnected) and not last:
                raise
            raise UpstreamBroken(f"{key.full_name} broke the connection: {error}") from error
        finally:
            instance.deadlines.remove(deadline)
            pool.release(instance, time.monotonic())

    async def _exchange(
        self, key: ComponentKey, instance: Instance, request: WorkRequest, deadline: float
    ) -> WorkAnswer:
        headers = [
            ("Host", f"{instance.address.host}:{instance.address.port}"),
            ("Maelstrom-Component", key.full_name),
            ("Maelstrom-Deadline", f"{max(0.0, deadline - time.monotonic()):.3f}"),
            ("X-Request-Id", uuid.uuid4().hex),
            *request.headers,
        ]
        if instance.address.http2:
            return await _unless_gone(instance, _exchange_http2(instance, request, headers))
        reader = self._read(request.method, WORK_BODY_LIMIT)
        link = await self._asked(instance, _message(request, headers), reader, repeatable=request.repeatable)
        if request.repeatable and reader.keep:
            self._kept.keep(link)
        else:
            link.close()
        return WorkAnswer(reader.status, reader.headers, reader.body, reader.size > WORK_BODY_LIMIT)

    async def _asked(self, instance: Instance, message: bytes, reader: Reader, *, repeatable: bool) -> WorkLink:
        """The connection on which the answer has come."""
        if repeatable and (kept := self._kept.take(instance)) is not None:
            try:
                await kept.ask(message, reader)
                return kept
            except Broken:
                if not kept.untouched:
                    raise
            except BaseException:
                kept.close()
                raise
        link = WorkLink(instance)
        try:
            await _unless_gone(instance, link.connect())
            await link.ask(message, reader)
        except BaseException:
            link.close()  # also where it was connected in the moment of a cancellation
            raise
        return link


def _message(request: WorkRequest, headers: list[tuple[str, str]]) -> bytes:
    """Raises ValueError where a header would be read as several."""
    lines = [f"{request.method} {request.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    if request.body or request.method in _WITH_BODY:
        lines.append(f"Content-Length: {len(request.body)}")
    if not request.repeatable:
        lines.append("Connection: close")
    text = "\r\n".join(lines)
    if text.count("\r") != len(lines) - 1 or text.count("\n") != len(lines) - 1 or "\0" in text:
        raise ValueError("a header with a line end")
    return b"%b\r\n\r\n%b" % (text.encode(), request.body)


async def _unless_gone(instance: Instance, work: Coroutine[Any, Any, T]) -> T:
    """Raises UpstreamBroken at the moment when the engine says that the instance is gone."""
    task = asyncio.ensure_future(work)
    link = _Link(task)
    instance.links.add(link)
    try:
        return await task
    except asyncio.CancelledError:
        if not link.cut:
            task.cancel()
            raise
        raise UpstreamBroken(f"{instance.component.full_name} ended while it worked") from None
    finally:
        instance.links.discard(link)


async def _exchange_http2(instance: Instance, request: WorkRequest, headers: list[tuple[str, str]]) -> WorkAnswer:
    address = instance.address
    authority = f"{address.host}:{address.port}"
    answer = await ask(
        address, request.method, request.path, headers, request.body, authority=authority, keep=WORK_BODY_LIMIT
    )
    names = {name: value for name, value in answer.headers.items() if not name.startswith(":")}
    return WorkAnswer(answer.status, names, answer.body, answer.size > WORK_BODY_LIMIT)


async def claim(pool: Pool) -> Instance:
    """A slot of an instance, to be released; waits in the pool's queue. Raises what the pool refuses with."""
    waiter = _FutureWaiter()
    instance = pool.claim(waiter)
    if instance is not None:
        return instance
    try:
        return await waiter.future
    except asyncio.CancelledError:
        if not pool.withdraw(waiter) and waiter.instance is not None:
            pool.release(waiter.instance, time.monotonic())  # granted in the moment of the cancellation
        raise


class _FutureWaiter:
    patient = True  # what a source delivers

    def __init__(self) -> None:
        self.future: asyncio.Future[Instance] = asyncio.get_running_loop().create_future()
        self.instance: Instance | None = None

    def granted(self, instance: Instance) -> None:
        self.instance = instance
        if not self.future.done():
            self.future.set_result(instance)

    def refused(self, error: MaelstromError) -> None:
        if not self.future.done():
            self.future.set_exception(error)

    def seconds_left(self) -> float:
        return inf  # a source's work may wait to its end: it is worth more late than refused

    def fairness_key(self, by: str) -> bytes:
        return _SOURCES


class _Link:
    """Cuts what waits for the instance."""

    def __init__(self, task: asyncio.Future[Any]) -> None:
        self._task = task
        self.cut = False

    def lost(self) -> None:
        self.cut = True
        self._task.cancel()


def _answer(error: MaelstromError) -> WorkAnswer:
    return WorkAnswer(STATUSES.get(error.code, 500), {}, b"", code=error.code, message=error.message)
