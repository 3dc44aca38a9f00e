"""The same calls from the other end: what `maelctl` and other Python programs use.

Synchronous, and of the standard library only: a command is over before an HTTP framework would have been loaded. Every
call raises only errors of `model/errors`: what the server said (by its code), or Unavailable where it could not be
asked. The token is never part of an error.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from maelstrom.api.log_stream import FAILURES, LogStream
from maelstrom.api.refusals import error_from, strange
from maelstrom.model.errors import BadRequest, MaelstromError, Unauthorized, Unavailable

REQUEST_SECONDS = 30.0
CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 45.0  # a stream says something every 10 s
_LONGEST_REFUSAL = 1 << 20

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """Which daemon. `url`: `http://host:port`; `seconds`: for one request."""

    url: str
    token: str = ""
    seconds: float = REQUEST_SECONDS


class Client:
    """One daemon's admin API. No state but the target: each call is a connection of its own."""

    def __init__(self, target: Target) -> None:
        self._target = target
        parts = urlsplit(target.url)
        try:
            self._port = parts.port
        except ValueError:
            self._port = -1
        if parts.scheme not in ("http", "https") or not parts.hostname or self._port == -1:
            raise BadRequest(f"{target.url} is no URL of a daemon", hint="write it as http://127.0.0.1:8374")
        if not target.token.isascii() or not target.token.isprintable():
            raise BadRequest("the token has characters that no token has", hint=Unauthorized.default_hint)
        self.missing: list[str] = []  # what answers so far lacked
        self._tls = parts.scheme == "https"
        self._host = parts.hostname
        self._base = parts.path.rstrip("/")

    # projects

    def put_project(
        self, definition: Json, *, diff_only: bool = False, expected_revision: int | None = None, author: str = ""
    ) -> Json:
        body = {
            "definition": definition,
            "diff_only": diff_only,
            "expected_revision": expected_revision,
            "author": author,
        }
        return self._object("PUT", _path("projects", str(definition["name"])), body=body)

    def projects(self, prefix: str | None = None) -> list[Json]:
        return self._list(_path("projects"), {"prefix": prefix})

    def project(self, name: str, revision: int | None = None) -> Json:
        at = () if revision is None else ("revisions", str(revision))
        return self._object("GET", _path("projects", name, *at))

    def remove_project(self, name: str, author: str = "") -> Json:
        return self._object("DELETE", _path("projects", name), {"author": author or None})

    def history(self, name: str) -> list[Json]:
        return self._list(_path("projects", name, "revisions"))

    def roll_back(self, name: str, revision: int, *, diff_only: bool = False, author: str = "") -> Json:
        body = {"revision": revision, "diff_only": diff_only, "author": author}
        return self._object("POST", _path("projects", name, "rollback"), body=body)

    def readiness(self, name: str) -> Json:
        return self._object("GET", _path("projects", name, "readiness"))

    # what runs

    def version(self) -> Json:
        return self._object("GET", _path("version"))

    def certificates(self) -> list[Json]:
        return self._list(_path("certificates"))

    def nodes(self) -> list[Json]:
        return self._list(_path("nodes"))

    def instances(self, *, project: str | None = None, component: str | None = None) -> list[Json]:
        return self._list(_path("instances"), {"project": project, "component": component})

    def components(self, *, project: str | None = None, prefix: str | None = None) -> list[Json]:
        return self._list(_path("components"), {"project": project, "prefix": prefix})

    def restart(self, name: str, *, project: str | None = None) -> Json:
        return self._object("POST", _path("components", name, "restart"), {"project": project})

    def logs(
        self, components: Iterable[str], *, project: str | None = None, since: float = 0, follow: bool = False
    ) -> LogStream:
        """Close the stream when done with it."""
        query = {"component": list(components), "project": project, "since": since, "follow": follow}
        return self._stream("GET", _path("logs"), query)

    # event sources; filters: project, component, type, prefix, name (several)

    def eventsources(self, **filters: str | Iterable[str] | None) -> list[Json]:
        return self._list(_path("eventsources"), filters)

    def toggle(self, enabled: bool, **filters: str | Iterable[str] | None) -> Json:
        body: Json = {key: value for key, value in filters.items() if value}
        if names := body.pop("name", None):
            body["names"] = list(names)
        return self._object("POST", _path("eventsources", "enable" if enabled else "disable"), body=body)

    def drained(self, revision: int, **filters: str | Iterable[str] | None) -> Json:
        return self._object("GET", _path("eventsources", "drained"), {"revision": revision, **filters})

    def audit(self, name: str, *, project: str | None = None) -> Json:
        return self._object("GET", _path("eventsources", name, "audit"), {"project": project})

    # dead letters

    def dead_letter_queues(self, name: str, *, project: str | None = None) -> list[Json]:
        return self._list(_path("eventsources", name, "dlq"), {"project": project})

    def dead_letters(
        self, name: str, *, project: str | None = None, id: str | None = None, limit: int = 10
    ) -> list[Json]:
        path = _path("eventsources", name, "dlq", "messages")
        return self._list(path, {"project": project, "id": id, "limit": limit})

    def redrive(
        self, name: str, *, project: str | None = None, most: int | None = None, to: str | None = None
    ) -> LogStream:
        """Rows of progress. Closed early, the move stops."""
        path = _path("eventsources", name, "dlq", "redrive")
        return self._stream("POST", path, {"project": project}, {"max": most, "to": to})

    # cron

    def cron_runs(self, name: str | None = None, *, project: str | None = None, limit: int = 20) -> list[Json]:
        return self._list(_path("cron", "runs"), {"name": name, "project": project, "limit": limit})

    def cron_run(self, id: str) -> Json:
        return self._object("GET", _path("cron", "runs", id))

    def run_cron(self, name: str, *, project: str | None = None) -> Json:
        return self._object("POST", _path("eventsources", name, "run"), {"project": project})

    # below: one request

    def _stream(self, method: str, path: str, query: Json, body: Json | None = None) -> LogStream:
        connection, response = self._send(method, path, query, body)
        if connection.sock is not None:
            connection.sock.settimeout(SILENCE_SECONDS)
        return LogStream(connection, response)

    def _list(self, path: str, query: Mapping[str, Any] | None = None) -> list[Json]:
        found = self._call("GET", path, query)
        if not isinstance(found, list):
            raise strange("the answer is no list")
        return found

    def _object(
        self, method: str, path: str, query: Mapping[str, Any] | None = None, *, body: Json | None = None
    ) -> Json:
        found = self._call(method, path, query, body)
        if not isinstance(found, dict):
            raise strange("the answer is no object")
        return found

    def _call(self, method: str, path: str, query: Mapping[str, Any] | None = None, body: Json | None = None) -> Any:
        connection, response = self._send(method, path, query, body)
        if missing := response.getheader("Maelstrom-Partial"):
            self.missing.append(missing)
        try:
            return json.loads(response.read())
        except ValueError as error:
            raise strange("the answer is not JSON") from error
        except FAILURES as error:
            raise self._unreachable(error) from error
        finally:
            connection.close()

    def _send(
        self, method: str, path: str, query: Mapping[str, Any] | None, body: Json | None
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """A success whose body is still to be read; whoever gets it closes the connection."""
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        headers = {"Accept": "application/json", "User-Agent": "maelctl"}
        if self._target.token:
            headers["Authorization"] = f"Bearer {self._target.token}"
        if data is not None:
            headers["Content-Type"] = "application/json"
        connection = self._connection()
        try:
            connection.connect()
            if connection.sock is not None:
                connection.sock.settimeout(self._target.seconds)
            connection.request(method, self._base + path + _query(query), body=data, headers=headers)
            response = connection.getresponse()
            if not 200 <= response.status < 300:
                raise _refusal(response.status, response.read(_LONGEST_REFUSAL))
        except FAILURES as error:
            connection.close()
            raise self._unreachable(error) from error
        except BaseException:
            connection.close()
            raise
        return connection, response

    def _connection(self) -> http.client.HTTPConnection:
        seconds = min(CONNECT_SECONDS, self._target.seconds)
        if self._tls:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(self._host, self._port, timeout=seconds, context=context)
        return http.client.HTTPConnection(self._host, self._port, timeout=seconds)

    def _unreachable(self, error: Exception) -> Unavailable:
        if isinstance(error, TimeoutError):
            why = "no answer in time"
        elif isinstance(error, socket.gaierror):
            why = "the host's name is unknown"
        else:
            why = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
        return Unavailable(
            f"{self._target.url} cannot be reached: {why}",
            hint="check that maelstromd runs there; say where it is with --url, MAELSTROM_URL or --state-dir",
        )


def _refusal(status: int, body: bytes) -> MaelstromError:
    try:
        return error_from(status, json.loads(body))
    except ValueError:
        return error_from(status, None)


def _path(*segments: str) -> str:
    # A dot is quoted by hand: `..` in a path would be resolved on the way.
    return "/v1/" + "/".join(quote(segment, safe="").replace(".", "%2E") for segment in segments)


def _query(query: Mapping[str, Any] | None) -> str:
    pairs: list[tuple[str, str]] = []
    for key, value in (query or {}).items():
        if value is None or value is False:
            continue
        items = [value] if isinstance(value, (str, int, float)) else value
        pairs += [(key, "true" if item is True else str(item)) for item in items]
    return "?" + urlencode(pairs) if pairs else ""
