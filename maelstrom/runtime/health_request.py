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

HEAD_LIMIT = 65536  # bytes; as much as the gateway reads of a head
REDIRECTS = 10
SHOWN_BODY = 300  # bytes of a bad answer's body that are worth keeping
BODY_SECONDS = 0.05  # servers often send the body apart from the head; longer is not waited for it
REDIRECT_STATUSES = (301, 302, 303, 307, 308)

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
        answer = await _ask(address, f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}")
        if answer.status not in REDIRECT_STATUSES or not answer.location:
            return answer
        try:
            url = urljoin(url, answer.location)
            target = urlsplit(url)
        except ValueError as error:
            raise BadAnswer(f"redirects to what is no address: {answer.location[:80]}") from error
        if target.scheme != "http" or target.netloc != authority(address):
            return Answer(answer.status, f"{answer.text} (redirects away, to {url[:200]})")
    raise BadAnswer(f"more than {REDIRECTS} redirects")


def authority(address: Address) -> str:
    return f"[{address.host}]:{address.port}" if ":" in address.host else f"{address.host}:{address.port}"


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
