"""One GET to a container, as small as it can be: connect, ask, read the head and the beginning of the body.

No proxies, no cookies, no connection kept: a probe must not look like a client. It must not know what the answer is
for.
"""

from __future__ import annotations

import asyncio
import os
import re
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from maelstrom.model.instance import Address
from maelstrom.runtime.http2_request import Broken, NotConnected, ask

HEAD_LIMIT = 65536  # bytes; as much as the gateway reads of a head
REDIRECTS = 10
SHOWN_BODY = 300  # bytes of a bad answer's body that are worth keeping
BODY_SECONDS = 0.05  # servers often send the body apart from the head; longer is not waited for it
REDIRECT_STATUSES = (301, 302, 303, 307, 308)
GRPC_HEALTH = "/grpc.health.v1.Health/Check"  # this path is a call, which only gRPC's own health service answers

_GRPC = (("content-type", "application/grpc"), ("te", "trailers"))
_NO_MESSAGE = bytes(5)  # a message of no bytes: the server as a whole
_SERVING = b"\x00\x00\x00\x00\x02\x08\x01"

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-9]\d\d)(?: ([^\r\n]*))?\r?\n")
_LOCATION = re.compile(rb"\nlocation:[ \t]*([^\r\n]*)", re.IGNORECASE)


class NotOpen(Exception):
    """Nobody listens: refused, or closed without a byte (a published port is accepted by the engine's own proxy)."""


class BadAnswer(Exception):
    """Something answered, but not in HTTP, or it broke off."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    text: str  # status line and the beginning of the body, for people
    location: str = ""


async def get(address: Address, path: str) -> Answer:
    """Follows redirects within the address. Raises NotOpen or BadAnswer; the caller limits the time."""
    url = f"http://{authority(address)}{path}"
    for _ in range(REDIRECTS):
        parts = urlsplit(url)
        target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        answer = await (_ask_http2 if address.http2 else _ask)(address, target)
        if answer.status not in REDIRECT_STATUSES or not answer.location:
            return answer
        try:
            url = urljoin(url, answer.location)
            leads_to = urlsplit(url)
        except ValueError as error:
            raise BadAnswer(f"redirects to what is no address: {answer.location[:80]}") from error
        if leads_to.scheme != "http" or leads_to.netloc != authority(address):
            return Answer(answer.status, f"{answer.text} (redirects away, to {url[:200]})")
    raise BadAnswer(f"more than {REDIRECTS} redirects")


def authority(address: Address) -> str:
    return f"[{address.host}]:{address.port}" if ":" in address.host else f"{address.host}:{address.port}"


async def _ask_http2(address: Address, target: str) -> Answer:
    """GET, or for gRPC's own health service its call: a good answer to that is one that says SERVING."""
    grpc = target == GRPC_HEALTH
    headers = (("user-agent", "maelstrom-health"), *(_GRPC if grpc else (("accept", "*/*"),)))
    method, body = ("POST", _NO_MESSAGE) if grpc else ("GET", b"")
    try:
        answer = await ask(address, method, target, headers, body, authority=authority(address), keep=SHOWN_BODY)
    except NotConnected as error:
        raise NotOpen(str(error)) from error
    except Broken as error:
        raise BadAnswer(str(error)) from error
    if grpc:
        told = {**answer.headers, **answer.trailers}
        if answer.body == _SERVING and told.get("grpc-status") == "0":
            return Answer(200, "SERVING")
        said = f"grpc-status {told.get('grpc-status', 'none')} {told.get('grpc-message', '')}".strip()
        return Answer(503, f"{answer.status}, not SERVING: {said}")
    text = f"{answer.status}"
    if answer.status != 200 and answer.body:
        text = f"{text}: {' '.join(answer.body.decode('utf-8', 'replace').split())}"
    return Answer(answer.status, text, answer.headers.get("location", ""))


async def _ask(address: Address, target: str) -> Answer:
    try:
        reader, writer = await asyncio.open_connection(address.host, address.port, limit=HEAD_LIMIT)
    except OSError as error:
        raise NotOpen(_words(error)) from error
    try:
        writer.write(
            f"GET {target} HTTP/1.1\r\nHost: {authority(address)}\r\nUser-Agent: maelstrom-health\r\n"
            "Accept: */*\r\nConnection: close\r\n\r\n".encode("latin-1", "replace")
        )
        return await _answer(reader)
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader) -> Answer:
    while True:
        try:
            head = await reader.readuntil(b"\n\r\n")
        except asyncio.IncompleteReadError as error:
            if not error.partial:
                raise NotOpen("closed without an answer") from error
            raise BadAnswer(f"broke off after {len(error.partial)} bytes") from error
        except asyncio.LimitOverrunError as error:
            raise BadAnswer(f"a head of more than {HEAD_LIMIT} bytes") from error
        except OSError as error:
            raise NotOpen(_words(error)) from error
        line = _STATUS_LINE.match(head)
        if line is None:
            raise BadAnswer(f"no HTTP: {head[:80]!r}")
        status = int(line[1])
        if status >= 200:  # interim answers may come first
            break
    text = f"{status} {(line[2] or b'').decode('latin-1')}".strip()
    if status != 200:
        text = f"{text}: {await _shown_body(reader)}".removesuffix(": ")
    location = _LOCATION.search(head)
    return Answer(status, text, location[1].decode("latin-1").strip() if location else "")


async def _shown_body(reader: asyncio.StreamReader) -> str:
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await reader.read(SHOWN_BODY)
    except (TimeoutError, OSError):
        return ""
    return " ".join(body.decode("utf-8", "replace").split())


def _words(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)
