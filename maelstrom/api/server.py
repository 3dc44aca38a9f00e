"""The admin listener: who may ask, which operation is meant, how its outcome is sent.

The operations know nothing of HTTP. Order of the checks, for every request: the token (401, whatever else may be
wrong), `Host` and `Origin` (403), length (413), path (404), method (405), parameters (400, 404), body (415, 408, 413,
400, 422).
No input leads to a 5xx: those are for faults of ours, or of what we need.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from aiohttp import web
from pydantic import BaseModel

from maelstrom.api.access import Access
from maelstrom.api.http import (
    Connection,
    Listener,
    check_length,
    error_response,
    json_response,
    read_json,
    text_response,
)
from maelstrom.api.openapi import document
from maelstrom.api.operations import OPERATIONS, Operation
from maelstrom.api.ports import NodePort, Ports, RegistryPort
from maelstrom.api.replies import Lines, Reply, Text
from maelstrom.api.requests import Body, Nothing
from maelstrom.api.routes import Found, Routes, read_body, read_parameters
from maelstrom.api.streams import send_lines
from maelstrom.api.wire import LINES
from maelstrom.model.errors import MaelstromError, MethodNotAllowed, NotFound, Unavailable
from maelstrom.model.settings import Settings

OPERATION_SECONDS = 60.0  # the last resort: whatever an operation waits for has a shorter limit of its own

log = logging.getLogger("maelstrom.api")


@dataclass(frozen=True, slots=True)
class AdminSettings:
    """What the listener needs of the settings."""

    hosts: tuple[str, ...] = ()  # further Host names
    metrics_token: bool = False
    head_seconds: float = 30.0  # for a head, and between two requests of a connection
    body_seconds: float = 60.0  # for a whole body

    @classmethod
    def of(cls, settings: Settings) -> AdminSettings:
        return cls(
            hosts=settings.admin_hosts,
            metrics_token=settings.metrics_token,
            head_seconds=settings.head_timeout_seconds,
            body_seconds=settings.body_timeout_seconds,
        )


async def _describe(_: Ports, __: Nothing, ___: None) -> dict[str, Any]:
    return _document()


@cache
def _document() -> dict[str, Any]:
    return document(OPERATIONS)


DOCUMENT = Operation("openapi", "GET", "/openapi.json", "This document", _describe, dict[str, Any])


class AdminServer:
    """The admin API on a listener of its own. Every task in it belongs to a connection and ends with it."""

    def __init__(self, *, settings: AdminSettings, token: str, registry: RegistryPort, node: NodePort) -> None:
        self._settings = settings
        self._access = Access(token, settings.hosts)
        self._ports = Ports(registry, node)
        self._routes = Routes((*OPERATIONS, DOCUMENT))
        self._listener: Listener | None = None
        self._servers: list[asyncio.Server] = []

    async def start(self, sockets: Iterable[socket.socket]) -> None:
        """Serves on these, which listen already."""
        self._listener = Listener(self._handle, self._access, self._settings.head_seconds)
        loop = asyncio.get_running_loop()
        for bound in sockets:
            self._servers.append(await loop.create_server(self._listener, sock=bound, backlog=128))

    def close(self) -> None:
        """No new connections."""
        for server in self._servers:
            server.close()
        self._servers.clear()

    async def stop(self, grace: float) -> None:
        """No new connections; streams end at once, requests within the grace (s), what is left then is cut."""
        self.close()
        if self._listener is not None:
            listener, self._listener = self._listener, None
            for connection in listener.connections:
                if isinstance(connection, Connection):
                    connection.ended.set()
            listener.pre_shutdown()
            await listener.shutdown(grace)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._answer(request)
        except MaelstromError as error:
            response = error_response(error)
            if response.status >= 500:
                log.warning(
                    "the admin API could not do what was asked",
                    extra={"method": request.method, "path": request.path, "code": error.code, "why": error.message},
                    exc_info=error if response.status == 500 else None,
                )
            return response
        except Exception:
            log.exception(
                "an operation of the admin API failed", extra={"method": request.method, "path": request.path}
            )
            return error_response(MaelstromError("internal error"))

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        assert isinstance(connection, Connection)
        connection.next_request()
        path, _, query = request.raw_path.partition("?")
        found = self._routes.find(path)
        self._admit(request, found)
        check_length(request)
        operation, values = _operation(request, path, found)
        parameters = read_parameters(operation, values, query)
        body = None
        if operation.body is not None:
            body = read_body(operation.body, await read_json(request, self._settings.body_seconds))
        return await self._reply(request, connection, await self._run(operation, parameters, body))

    def _admit(self, request: web.BaseRequest, found: Found | None) -> None:
        if not self._is_open(request.method, found):
            self._access.check_token(request.headers.getall("Authorization", ()))
        hosts = request.headers.getall("Host", ())
        self._access.check_host(hosts)
        self._access.check_origin(request.headers.getall("Origin", ()), hosts)

    def _is_open(self, method: str, found: Found | None) -> bool:
        operation = found.operations.get("GET" if method == "HEAD" else method) if found else None
        if operation is None or not operation.open:
            return False
        return operation.id != "metrics" or not self._settings.metrics_token

    async def _run(self, operation: Operation, parameters: object, body: Body | None) -> Any:
        try:
            async with asyncio.timeout(OPERATION_SECONDS):
                return await operation.handler(self._ports, parameters, body)
        except TimeoutError as error:
            raise Unavailable(f"{operation.id} took more than {OPERATION_SECONDS:g} s") from error

    async def _reply(self, request: web.BaseRequest, connection: Connection, outcome: Any) -> web.StreamResponse:
        match outcome:
            case Lines():
                return await send_lines(request, connection, outcome)
            case Text():
                return text_response(outcome.text, outcome.content_type)
            case Reply():
                response = json_response(_plain(outcome.value), outcome.status)
                response.headers.update(outcome.headers)
                return response
            case _:
                return json_response(_plain(outcome))


def _operation(request: web.BaseRequest, path: str, found: Found | None) -> tuple[Operation, Any]:
    if found is None:
        raise NotFound(f"there is nothing at {path[:200]!a}", hint="see /openapi.json for the operations there are")
    operation = found.operations.get(request.method)
    if operation is None and request.method == "HEAD":
        get = found.operations.get("GET")
        operation = get if get is not None and get.content_type != LINES else None
    if operation is None:
        allowed = sorted(found.operations)
        raise MethodNotAllowed(f"{path[:200]} knows {', '.join(allowed)} only", allow=allowed)
    return operation, found.values


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
