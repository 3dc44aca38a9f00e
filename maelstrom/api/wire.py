"""How the admin API speaks: JSON in and out, and the one table from error codes to HTTP statuses.

Pure. It knows neither the operations nor the server; the client reads the table the other way round.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

from maelstrom.model.errors import BadRequest, MaelstromError

MAX_BODY = 8 * 1024 * 1024  # bytes
MAX_DEPTH = 64  # a definition needs 8
MAX_INTEGER = 2**53 - 1  # what every JSON reader keeps exactly, and every database stores
MASK = "********"  # stands for a secret in every answer
JSON = "application/json"
LINES = "application/x-ndjson"

STATUS: dict[str, int] = {
    "bad_request": 400,
    "ambiguous_name": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "no_route": 404,
    "disabled": 404,
    "method_not_allowed": 405,
    "request_timeout": 408,
    "conflict": 409,
    "state_in_use": 409,
    "body_too_large": 413,
    "unsupported_media_type": 415,
    "invalid_input": 422,
    "invalid_settings": 422,
    "head_too_large": 431,
    "internal": 500,
    "runtime_failed": 502,
    "pull_failed": 502,
    "upstream_broken": 502,
    "queue_missing": 404,
    "aws_refused": 502,
    "aws_not_configured": 502,
    "aws_throttled": 503,
    "aws_unavailable": 503,
    "unavailable": 503,
    "engine_unavailable": 503,
    "schema_mismatch": 503,
    "queue_full": 503,
    "start_failed": 503,
    "no_capacity": 503,
    "draining": 503,
    "deadline": 504,
    "wait_timeout": 504,
}


def status_of(error: MaelstromError) -> int:
    return STATUS.get(error.code, 500)


def to_json(value: Any) -> bytes:
    """UTF-8. What is no Unicode text (half a surrogate pair in a log line) becomes `?`: it can always be read."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "replace")


def sendable(value: Any) -> Any:
    """The same as plain JSON values, every text fit to be sent and stored."""
    return json.loads(to_json(value))


def from_json(body: bytes) -> Any:
    """The value in a request's body; BadRequest for whatever is no JSON that everybody understands in one way.

    Refused as well: repeated keys, NaN and Infinity, numbers that would lose digits, NUL and halves of surrogate pairs
    in texts (PostgreSQL stores neither), and nesting that costs a stack.
    """
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_constant,
        )
    except UnicodeDecodeError as error:
        raise _malformed(f"the body is not UTF-8 (byte {error.start})") from error
    except RecursionError as error:
        raise _malformed("the body is nested too deep") from error
    except json.JSONDecodeError as error:
        raise _malformed(f"the body is not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from error
    _check(value)
    return value


def _malformed(message: str) -> BadRequest:
    return BadRequest(message, hint="send one JSON document (RFC 8259)")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _malformed(f"the key {key[:100]!a} stands twice in one object")
            seen.add(key)
    return found


def _integer(text: str) -> int:
    if len(text) > 17 or abs(number := int(text)) > MAX_INTEGER:
        raise _malformed(f"the number {text[:40]} is too large")
    return number


def _number(text: str) -> float | int:
    """`1.0` and `1` are one number in JSON Schema; whatever wants a float takes an int, too."""
    number = float(text)
    if number.is_integer() and abs(number) <= MAX_INTEGER:
        return int(number)
    if not math.isfinite(number):
        raise _malformed(f"the number {text[:40]} is too large")
    return number


def _constant(text: str) -> Any:
    raise _malformed(f"{text} is no JSON")


def _check(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        deeper: list[Any] = []
        for item in level:
            if isinstance(item, str):
                check_text(item, _malformed)
            elif isinstance(item, list):
                deeper += item
            elif isinstance(item, dict):
                deeper += item.keys()
                deeper += item.values()
        if not deeper:
            return
        level = deeper
    raise _malformed("the body is nested too deep")


def check_text(text: str, error: Callable[[str], MaelstromError]) -> None:
    """Raises `error(message)` for a text that no database stores."""
    if "\0" in text:
        raise error("a text contains the character NUL")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as cause:
        raise error("a text contains half of a surrogate pair") from cause
