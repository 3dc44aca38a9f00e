"""HTTP below the operations: connections whose every answer is ours, and bodies read within limits of size and time.

It must not know what is asked for; `server` decides that.
"""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Any

from aiohttp import web

from maelstrom.api.access import Access
from maelstrom.api.wire import JSON, MAX_BODY, from_json, status_of, to_json
from maelstrom.model.errors import (
    BadRequest,
    BodyTooLarge,
    MaelstromError,
    MethodNotAllowed,
    RequestTimeout,
    Unauthorized,
    UnsupportedMedia,
)

_HEAD_KEPT = 65536  # bytes
_AUTHORIZATION = re.compile(rb"^authorization:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_REQUEST_LINE = re.compile(rb"^[!#$%&'*+.^_`|~0-9A-Za-z-]+ [^ \r\n]+ HTTP/1\.[01]\r?\n")

log = logging.getLogger("maelstrom.api")


class Connection(web.RequestHandler):
    """One client connection. What aiohttp's parser refuses is answered like everything else: 401 without the token."""

    def __init__(
        self, server: web.Server, access: Access, head_seconds: float, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=head_seconds,
            access_log=None,  # type: ignore[arg-type]
            auto_decompress=False,  # a small body must not become a large one
        )
        self.ended = asyncio.Event()  # the client is gone, or the server stops: for what streams on it
        self._access = access
        self._head = b""

    def data_received(self, data: bytes) -> None:
        if len(self._head) < _HEAD_KEPT:
            self._head = (self._head + data)[:_HEAD_KEPT]
        super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.ended.set()
        super().connection_lost(exc)

    def next_request(self) -> None:
        """The head before was understood."""
        self._head = b""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to a request that the parser refused: it hands nothing on, so the head is looked at here."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer had begun, there is no room for another one")
        if status >= 500:
            log.error("the admin API failed below its operations", exc_info=exc)
        found = [field.decode("latin-1") for field in _AUTHORIZATION.findall(self._head)]
        error: MaelstromError
        try:
            self._access.check_token(found)
            if status >= 500:
                error = MaelstromError("the request could not be answered")
            elif message and "method" in message and _REQUEST_LINE.match(self._head):
                error = MethodNotAllowed("no operation has this method")
            else:
                error = BadRequest("the request is not valid HTTP/1.1")
        except Unauthorized as refused:
            error = refused
        response = error_response(error)
        response.force_close()
        return response


class Listener(web.Server):
    """Makes the connections. `head_seconds`: for a connection's first head to come, and between two requests."""

    def __init__(self, handler: Any, access: Access, head_seconds: float) -> None:
        super().__init__(handler)
        self._access = access
        self._head_seconds = head_seconds
        self._running = asyncio.get_running_loop()

    def __call__(self) -> Connection:
        return Connection(self, self._access, self._head_seconds, self._running)


def json_response(value: Any, status: int = 200) -> web.Response:
    return _response(to_json(value) + b"\n", status, JSON)


def text_response(text: str, content_type: str) -> web.Response:
    return _response(text.encode(), 200, content_type)


def error_response(error: MaelstromError) -> web.Response:
    response = _response(to_json(error.as_json()) + b"\n", status_of(error), JSON)
    if response.status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="maelstrom"'
    if response.status == 503:
        response.headers["Retry-After"] = "1"
    if response.status == 405:
        response.headers["Allow"] = ", ".join(error.fields.get("allow", ()))
    return response


def _response(body: bytes, status: int, content_type: str) -> web.Response:
    response = web.Response(body=body, status=status, headers={"Content-Type": content_type})
    protect(response)
    return response


def protect(response: web.StreamResponse) -> None:
    """Fields that keep browsers and caches from making anything of an answer."""
    response.headers["Server"] = "maelstrom"
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"


def check_length(request: web.BaseRequest) -> None:
    """BodyTooLarge before a byte is read, whatever the operation."""
    length = request.headers.get("Content-Length", "")
    if length.isascii() and length.isdigit() and int(length) > MAX_BODY:
        raise _too_large()


async def read_json(request: web.BaseRequest, seconds: float) -> Any:
    """The value in the body, which has to be there in time. Raises UnsupportedMedia, BodyTooLarge, RequestTimeout or
    BadRequest."""
    if request.content_type != JSON or (request.charset or "utf-8").lower() not in ("utf-8", "utf8"):
        raise UnsupportedMedia("the body has to be application/json in UTF-8")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMedia("the body has to be sent without compression")
    try:
        async with asyncio.timeout(seconds):
            return from_json(await _read(request))
    except TimeoutError as error:
        raise RequestTimeout(f"the body was not there within {seconds:g} s") from error


async def _read(request: web.BaseRequest) -> bytes:
    body = bytearray()
    try:
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0  # what counts is whether the answer itself has begun
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > MAX_BODY:
                raise _too_large()
    except (web.RequestPayloadError, ConnectionError) as error:
        raise BadRequest("the body broke off") from error
    return bytes(body)


def _too_large() -> BodyTooLarge:
    return BodyTooLarge(f"the body has more than {MAX_BODY} bytes")
