"""What a component gets for an SQS message, and what its answer says about time: pure.

Attributes travel as `Maelstrom-Attribute-<name>`: under names of their own they could pass for headers of ours, or
frame the request. A value that is not printable ASCII is percent-encoded (UTF-8), binary data is Base64.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import quote

from maelstrom.activation.work import WorkAnswer, WorkRequest
from maelstrom.model.source import EventSource
from maelstrom.sources.ports import QueueMessage

MOST_ATTRIBUTES = 10  # SQS allows no more either
ATTRIBUTE_BYTES, ATTRIBUTES_BYTES = 4_096, 16_384  # as sent: of one value, of all; a larger one is left out, and named
SNIFFED_CHARACTERS = 65_536  # a longer body is judged by its ends: it is not worth the time of everybody else
MOST_PAUSE_SECONDS = 900.0

_PRINTABLE = re.compile(r"[!-~]([ -~]*[!-~])?|")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}")
_MEDIA_TYPE = re.compile(r"[!-~]+/[!-~]+( *;[ -~]*)?")
_SECONDS = re.compile(r"[0-9]{1,9}")
_CONTENT_TYPE = ("content-type", "contenttype", "content_type")


def work_request(
    source: EventSource, path: str, message: QueueMessage, epoch: int, tasktoken: bool | str = False
) -> WorkRequest:
    headers = [
        ("Content-Type", content_type(message)),
        ("Maelstrom-Event-Source", source.key.full_name),
        ("Maelstrom-Lease-Epoch", str(epoch)),
        ("Maelstrom-Message-Id", message.id),
        ("Maelstrom-Receive-Count", str(message.receives)),
        ("Maelstrom-Queue", queue_name(message.queue)),
    ]
    if message.group:
        headers.append(("Maelstrom-Group-Id", header_value(message.group)))
    if message.sent_at:
        headers.append(("Maelstrom-Sent-At", instant(message.sent_at)))
    if (token := task_token(message.body, tasktoken)) is not None:
        headers.append(("Maelstrom-Task-Token", header_value(token)))
    headers += attribute_headers(message.attributes)
    return WorkRequest("POST", path, tuple(headers), message.body.encode(errors="replace"), repeatable=True)


def attribute_headers(attributes: Mapping[str, str | bytes]) -> list[tuple[str, str]]:
    """In the order of their names; those that are too large are named in `Maelstrom-Attributes-Omitted`."""
    headers: list[tuple[str, str]] = []
    omitted: list[str] = []
    left = ATTRIBUTES_BYTES
    for name in sorted(attributes):
        value = header_value(attributes[name])
        size = len(name) + len(value)
        fits = len(headers) < MOST_ATTRIBUTES and len(value) <= ATTRIBUTE_BYTES and size <= left
        if fits and _HEADER_NAME.fullmatch(name):
            headers.append((f"Maelstrom-Attribute-{name}", value))
            left -= size
        else:
            omitted.append(name)
    if omitted:
        names = ",".join(quote(name) for name in omitted[:MOST_ATTRIBUTES])
        headers.append(("Maelstrom-Attributes-Omitted", names[:ATTRIBUTE_BYTES]))
    return headers


def header_value(value: str | bytes) -> str:
    """One line of printable ASCII, whatever the value."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value if _PRINTABLE.fullmatch(value) else quote(value, safe="", errors="replace")


def content_type(message: QueueMessage) -> str:
    """The attribute of that name, if it is a media type; else by a look at the body."""
    for name, value in message.attributes.items():
        if name.lower() in _CONTENT_TYPE and isinstance(value, str) and _MEDIA_TYPE.fullmatch(value):
            return value
    return "application/json" if is_json(message.body) else "text/plain; charset=utf-8"


def is_json(body: str) -> bool:
    """An object or an array: a bare word or number is JSON as well, but most often it is none."""
    text = body.strip()
    if text[:1] + text[-1:] not in ("{}", "[]"):
        return False
    if len(text) > SNIFFED_CHARACTERS:
        return True
    try:
        json.loads(text, parse_int=_seen, parse_float=_seen)
    except (ValueError, RecursionError):
        return False
    return True


def task_token(body: str, where: bool | str) -> str | None:
    """The Step Functions task token in a body: its `TaskToken`, or what the JSON pointer leads to (RFC 6901)."""
    if where is False:
        return None
    try:
        found = json.loads(body)
        for step in ("/TaskToken" if where is True else str(where)).split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            found = found[int(step)] if isinstance(found, list) and _SECONDS.fullmatch(step) else found[step]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return found if isinstance(found, str) and found else None


def series(messages: Iterable[QueueMessage]) -> list[tuple[QueueMessage, ...]]:
    """Messages of one group of a FIFO queue belong together, in the order in which they came; others to nobody."""
    groups: dict[str, list[QueueMessage]] = {}
    found: list[list[QueueMessage]] = []
    for message in messages:
        if message.group and message.queue.endswith(".fifo"):
            if message.group not in groups:
                groups[message.group] = []
                found.append(groups[message.group])
            groups[message.group].append(message)
        else:
            found.append([message])
    return [tuple(one) for one in found]


def asked_pause(answer: WorkAnswer, now: float) -> float:
    """Seconds for which the component wants no more messages; 0: it did not say so. `now`: since 1970."""
    asked = answer.headers.get("pause-seconds", "").strip()
    seconds = float(asked) if _SECONDS.fullmatch(asked) else 0.0
    if answer.status in (429, 503):
        seconds = max(seconds, retry_after(answer, now) or 0.0)
    return min(seconds, MOST_PAUSE_SECONDS)


def retry_after(answer: WorkAnswer, now: float) -> float | None:
    """Seconds of the answer's Retry-After, which may be a date; None: it has none that makes sense."""
    text = answer.headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, date.timestamp() - now)


def queue_name(url: str) -> str:
    return url.rstrip("/").rpartition("/")[2]


def queue_names(urls: Sequence[str]) -> list[str]:
    return [queue_name(url) for url in urls]


def instant(seconds: float) -> str:
    """Seconds since 1970 as RFC 3339, in UTC, with milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _seen(number: str) -> None:
    """Numbers are not converted: a million digits are valid JSON and would take minutes."""
