"""Answers that the gateway makes itself: one table of codes, one form. Pure: an error in, bytes out.

Each has `Maelstrom-Error: <code>` and a short body: JSON if the client accepts nothing else, otherwise text. Whether
the reason is shown is the listener's policy. It must not know of sockets or of where the error came from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from maelstrom.gateway.wire.first_lines import F_HEAD, F_OLD
from maelstrom.gateway.wire.heads import RequestHead
from maelstrom.model.errors import MaelstromError

if TYPE_CHECKING:
    from maelstrom.gateway.additions import Additions

STATUSES: Final = {
    "bad_request": 400,
    "no_route": 404,
    "disabled": 404,
    "request_timeout": 408,
    "body_too_large": 413,
    "head_too_large": 431,
    "upstream_broken": 502,
    "queue_full": 503,
    "start_failed": 503,
    "no_capacity": 503,
    "draining": 503,
    "deadline": 504,
}
# Of the internal listener only: callers of components (see doorkeeper.py), requests to the node itself (see inside.py).
INSIDE_STATUSES: Final = {
    "output_refused": 400,
    "forbidden": 403,
    "invalid_task_token": 404,
    "method_not_allowed": 405,
    "task_gone": 410,
    "aws_refused": 502,
    "aws_not_configured": 503,
    "aws_throttled": 503,
    "aws_unavailable": 503,
    "unavailable": 503,
}
_ALL: Final = {**STATUSES, **INSIDE_STATUSES}
_OTHER: Final = "start_failed"  # what else can keep a component from running (a pull, the engine)

REASONS: Final = {
    200: b"OK",
    204: b"No Content",
    308: b"Permanent Redirect",
    400: b"Bad Request",
    403: b"Forbidden",
    404: b"Not Found",
    405: b"Method Not Allowed",
    408: b"Request Timeout",
    410: b"Gone",
    413: b"Content Too Large",
    431: b"Request Header Fields Too Large",
    502: b"Bad Gateway",
    503: b"Service Unavailable",
    504: b"Gateway Timeout",
}
_ACCEPT: Final = re.compile(rb"^accept:(.*?)\r?$", re.IGNORECASE | re.MULTILINE)
_RETRY_AFTER_SECONDS: Final = 1
NO_RECEIPT: Final[Mapping[str, float]] = {}


def code_of(error: MaelstromError) -> str:
    """The code that a client of the gateway sees."""
    return error.code if error.code in _ALL else _OTHER


def status_of(error: MaelstromError) -> int:
    """The status that goes with it."""
    return _ALL[code_of(error)]


def answer(
    error: MaelstromError,
    head: RequestHead | None,
    *,
    request_id: bytes = b"",
    reason: bool,
    keep: bool,
    additions: Additions | None = None,
) -> bytes:
    """The whole answer. `head`: what was asked, if that could be read; `reason`: message and hint are shown;
    `additions`: of the project whose request it was."""
    code = code_of(error)
    status = _ALL[code]
    page = None if additions is None else additions.pages.get(status)
    json_only = head is not None and accepts_only_json(head.lines)
    if page is not None and (not json_only or page[0] == b"application/json"):
        kind, body = page
    elif json_only:
        kind = b"application/json"
        shown = {**error.as_json(), "code": code} if reason else {"code": code}
        body = json.dumps(shown, default=str).encode() + b"\n"
    else:
        kind = b"text/plain; charset=utf-8"
        body = _text(code, error if reason else None).encode()
    extra = b"Maelstrom-Error: %b\r\n" % code.encode()
    shown_id = request_id or (head.request_id if head is not None else b"")
    if shown_id:
        extra += b"X-Request-Id: %b\r\n" % shown_id
    if status == 503:
        seconds = error.fields.get("retry_after", _RETRY_AFTER_SECONDS)
        extra += b"Retry-After: %d\r\n" % max(1, round(seconds) if isinstance(seconds, int | float) else 1)
    if status == 405:
        extra += b"Allow: POST\r\n"
    data = plain(status, kind, body, head, extra=extra, keep=keep)
    if additions is None:
        return data
    lines, end, body = data.partition(b"\r\n\r\n")
    return additions.headed(lines + b"\r\n") + end[2:] + body


def done(head: RequestHead, *, keep: bool) -> bytes:
    """The answer to what was done and has nothing to tell."""
    return b"HTTP/1.1 204 No Content\r\nCache-Control: no-store\r\n%b\r\n" % connection_line(head, keep=keep)


def plain(status: int, kind: bytes, body: bytes, head: RequestHead | None, *, extra: bytes = b"", keep: bool) -> bytes:
    """Any small answer of the gateway's own."""
    return b"HTTP/1.1 %d %b\r\nContent-Type: %b\r\nContent-Length: %d\r\nCache-Control: no-store\r\n%b%b\r\n%b" % (
        status,
        REASONS[status],
        kind,
        len(body),
        extra,
        connection_line(head, keep=keep),
        b"" if head is not None and head.flags & F_HEAD else body,
    )


def connection_line(head: RequestHead | None, *, keep: bool) -> bytes:
    """What an answer says of the connection; nothing where HTTP/1.1 means it without saying."""
    if not keep:
        return b"Connection: close\r\n"
    return b"Connection: keep-alive\r\n" if head is not None and head.flags & F_OLD else b""


def server_timing(
    queue: float, start: float, upstream: float, receipt: Mapping[str, float] = NO_RECEIPT, *, woken: bool = False
) -> bytes:
    """Seconds spent waiting for a free instance, for one to start or to be woken, and for the answer's head.

    `receipt`: the phases of a start that was waited for, in ms.
    """
    what = "wake" if woken else "cold_start"
    phases = "".join(f", {what}.{phase};dur={ms:.2f}" for phase, ms in receipt.items())
    parts = f"queue;dur={queue * 1000:.2f}, {what};dur={start * 1000:.2f}{phases}, upstream;dur={upstream * 1000:.2f}"
    return f"Server-Timing: {parts}\r\n".encode()


def accepts_only_json(lines: bytes) -> bool:
    """Whether every media range of the Accept headers is JSON."""
    ranges = [part for found in _ACCEPT.findall(lines) for part in found.split(b",")]
    types = [part.partition(b";")[0].strip().lower() for part in ranges]
    return bool(types) and all(kind == b"application/json" or kind.endswith(b"+json") for kind in types)


def _text(code: str, error: MaelstromError | None) -> str:
    if error is None:
        return f"{code}\n"
    hint = f"\n{error.hint}" if error.hint else ""
    return f"{code}: {error.message}{hint}\n"
