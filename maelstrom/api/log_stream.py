"""Rows that the admin API sends as they come, read by its client."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

from maelstrom.api.refusals import error_from, strange
from maelstrom.model.errors import Unavailable

_BLOCK = 1 << 16  # bytes
FAILURES = (OSError, http.client.HTTPException, UnicodeError)  # the last: a host's name that cannot be one

Json = dict[str, Any]


class LogStream:
    """Rows, as they come. Ends where the server says that it is the end; anything else is an error."""

    def __init__(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> None:
        self._connection = connection
        self._response = response
        missing = response.getheader("Maelstrom-Missing-Nodes") or ""
        self.missing_nodes = [name.strip() for name in missing.split(",") if name.strip()]

    def __enter__(self) -> LogStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def __iter__(self) -> Iterator[Json]:
        rest = b""
        try:
            # Not `readline`: it takes a connection that was cut for the end.
            while block := self._response.read1(_BLOCK):
                *lines, rest = (rest + block).split(b"\n")
                for line in lines:
                    if line.strip():
                        yield _row(line)
        except FAILURES as error:
            raise Unavailable("the stream broke off", hint="the daemon or the network stopped; try again") from error
        finally:
            self.close()


def _row(line: bytes) -> Json:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise Unavailable("the stream broke off in the middle of a line", hint="try again") from error
    if not isinstance(row, dict):
        raise strange("a line of the stream is no object")
    if isinstance(row.get("error"), dict):
        raise error_from(0, row["error"])
    return row
