"""One piece of work done by a component: activate, wait, exchange, by the same pools and limits as the gateway.

Used by sources. Each exchange has a connection of its own: a POST must never be sent twice because a kept-alive
connection was closed just then. It must not know where the work came from.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from math import inf

import aiohttp
from yarl import URL

from maelstrom.activation.instance import Instance
from maelstrom.activation.pool import Pool
from maelstrom.activation.work import WORK_BODY_LIMIT, WorkAnswer, WorkRequest
from maelstrom.model.component import ComponentKey
from maelstrom.model.errors import Deadline, MaelstromError, NoRoute, UpstreamBroken
from maelstrom.runtime.http2_request import NotConnected, ask

HEAD_LIMIT = 65_536
CONNECT_SECONDS = 15.0
NOT_CONNECTED = (aiohttp.ClientConnectorError, NotConnected)  # nothing was sent
_SOURCES = b"\0sources"  # their share of a fair queue: no client and no header is called so

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

    def __init__(self, pool: Callable[[ComponentKey], Pool | None]) -> None:
        self._pool = pool
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
            auto_decompress=False,
            trust_env=False,
            max_line_size=HEAD_LIMIT,
            max_field_size=HEAD_LIMIT,
            skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
        )

    async def stop(self) -> None:
        if self._session is not None:
            await self._session.close()

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
        except NOT_CONNECTED:
            # nothing was sent: the one retry, on whichever instance is free then
            return await self._claim_and_exchange(pool, key, request, deadline, last=True)

    async def _claim_and_exchange(
        self, pool: Pool, key: ComponentKey, request: WorkRequest, deadline: float, *, last: bool = False
    ) -> WorkAnswer:
        async with claimed(pool) as instance:
            exchange = asyncio.ensure_future(self._exchange(key, instance, request, deadline))
            link = _Link(exchange)
            instance.links.add(link)
            try:
                return await exchange
            except asyncio.CancelledError:
                if not link.cut:
                    exchange.cancel()
                    raise
                raise UpstreamBroken(f"{key.full_name} ended while it worked") from None
            except (aiohttp.ClientError, OSError) as error:
                pool.suspect(instance)
                if isinstance(error, NOT_CONNECTED) and not last:
                    raise
                raise UpstreamBroken(f"{key.full_name} broke the connection: {error}") from error
            finally:
                instance.links.discard(link)

    async def _exchange(
        self, key: ComponentKey, instance: Instance, request: WorkRequest, deadline: float
    ) -> WorkAnswer:
        assert self._session is not None, "started"
        headers = [
            ("Host", f"{instance.address.host}:{instance.address.port}"),
            ("Maelstrom-Component", key.full_name),
            ("Maelstrom-Deadline", f"{max(0.0, deadline - time.monotonic()):.3f}"),
            ("X-Request-Id", uuid.uuid4().hex),
            *request.headers,
        ]
        if instance.address.http2:
            return await _exchange_http2(instance, request, headers)
        url = URL(f"http://{instance.address.host}:{instance.address.port}{request.path}", encoded=True)
        async with self._session.request(
            request.method, url, headers=headers, data=request.body, allow_redirects=False
        ) as response:
            body, truncated = await _read(response)
            names: dict[str, str] = {}
            for name, value in response.headers.items():
                names.setdefault(name.lower(), value)
            return WorkAnswer(response.status, names, body, truncated)


async def _exchange_http2(instance: Instance, request: WorkRequest, headers: list[tuple[str, str]]) -> WorkAnswer:
    address = instance.address
    authority = f"{address.host}:{address.port}"
    answer = await ask(
        address, request.method, request.path, headers, request.body, authority=authority, keep=WORK_BODY_LIMIT
    )
    names = {name: value for name, value in answer.headers.items() if not name.startswith(":")}
    return WorkAnswer(answer.status, names, answer.body, answer.size > WORK_BODY_LIMIT)


@asynccontextmanager
async def claimed(pool: Pool) -> AsyncIterator[Instance]:
    """An instance of the pool for the time of the block; waits in its queue. Raises what the pool refuses with."""
    waiter = _FutureWaiter()
    instance = pool.claim(waiter)
    if instance is None:
        try:
            instance = await waiter.future
        except asyncio.CancelledError:
            if not pool.withdraw(waiter) and waiter.instance is not None:
                pool.release(waiter.instance, time.monotonic())  # granted in the moment of the cancellation
            raise
    try:
        yield instance
    finally:
        pool.release(instance, time.monotonic())


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
    """Cuts the exchange when the engine says that the instance is gone."""

    def __init__(self, exchange: asyncio.Future[WorkAnswer]) -> None:
        self._exchange = exchange
        self.cut = False

    def lost(self) -> None:
        self.cut = True
        self._exchange.cancel()


async def _read(response: aiohttp.ClientResponse) -> tuple[bytes, bool]:
    """The body up to the limit; what is more is read and thrown away, so that a success is a whole answer."""
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_chunked(65_536):
        if size < WORK_BODY_LIMIT:
            parts.append(part)
        size += len(part)
    return b"".join(parts)[:WORK_BODY_LIMIT], size > WORK_BODY_LIMIT


def _answer(error: MaelstromError) -> WorkAnswer:
    return WorkAnswer(STATUSES.get(error.code, 500), {}, b"", code=error.code, message=error.message)
