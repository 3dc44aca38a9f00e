"""The few calls to the Docker engine that the project's own commands need, over its socket.

Standard library only: cleaning up must work even where the Python environment is broken. The product has its own, full
client in maelstrom/runtime.
"""

from __future__ import annotations

import http.client
import io
import json
import os
import socket
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

_API = "/v1.41"


class EngineRefused(Exception):
    """The engine answered, but not with what was asked for; the text is the engine's own."""


def address() -> str:
    """Where the engine is, as DOCKER_HOST or the usual socket say."""
    given = os.environ.get("DOCKER_HOST", "")
    if given:
        return given
    own = Path.home() / ".docker" / "run" / "docker.sock"  # Docker Desktop
    usual = Path("/var/run/docker.sock")
    return f"unix://{own if own.exists() and not usual.exists() else usual}"


def version() -> dict[str, Any]:
    """What the engine says of itself. Raises OSError if it cannot be reached."""
    found: dict[str, Any] = json.loads(_call("GET", "/version", timeout=5))
    return found


def containers(*labels: str) -> list[dict[str, Any]]:
    """The containers with all of the labels (`name=value`, or a name), running or not."""
    filters = json.dumps({"label": labels})
    found: list[dict[str, Any]] = json.loads(
        _call("GET", f"{_API}/containers/json?{urlencode({'all': 1, 'filters': filters})}")
    )
    return found


def remove_containers(label: str) -> int:
    """Kills and removes every container with the label (`name=value`); how many there were."""
    found = containers(label)
    for container in found:
        _call("DELETE", f"{_API}/containers/{container['Id']}?force=1&v=1", missing_is_fine=True)
    return len(found)


def image_label(reference: str, label: str) -> str | None:
    """The value of an image's label; None if there is no such image."""
    text = _call("GET", f"{_API}/images/{quote(reference, safe='')}/json", missing_is_fine=True)
    if not text:
        return None
    labels = json.loads(text)["Config"].get("Labels") or {}
    return str(labels.get(label, ""))


def image_id(reference: str) -> str:
    """The id of the image that has the name now; empty if none has."""
    text = _call("GET", f"{_API}/images/{quote(reference, safe='')}/json", missing_is_fine=True)
    return str(json.loads(text)["Id"]) if text else ""


def remove_image(reference: str) -> None:
    """Removes the tag, and the image if nothing else holds it; nothing if there is none or the name is empty."""
    if not reference:
        return
    try:
        _call("DELETE", f"{_API}/images/{quote(reference, safe='')}", missing_is_fine=True)
    except EngineRefused as refused:
        if "conflict" not in str(refused):  # a container of somebody else uses it
            raise


def build(folder: Path, tag: str, arguments: Mapping[str, str], labels: Mapping[str, str]) -> None:
    """Builds a folder's Dockerfile with the classic builder, which needs no registry for its own parts."""
    options = {"t": tag, "rm": 1, "forcerm": 1, "buildargs": json.dumps(arguments), "labels": json.dumps(labels)}
    headers = {"Content-Type": "application/x-tar"}
    answer = _call("POST", f"{_API}/build?{urlencode(options)}", body=_tar(folder), headers=headers, timeout=300)
    for line in filter(None, answer.splitlines()):
        error = json.loads(line).get("error")
        if error:
            raise EngineRefused(str(error))


def import_image(archive: bytes, tag: str, changes: Iterable[str]) -> None:
    """Makes an image of one layer from a tar archive of a file system; `changes` are lines of a Dockerfile."""
    options = [("fromSrc", "-"), ("repo", tag), *(("changes", change) for change in changes)]
    headers = {"Content-Type": "application/x-tar"}
    answer = _call("POST", f"{_API}/images/create?{urlencode(options)}", body=archive, headers=headers, timeout=300)
    for line in filter(None, answer.splitlines()):
        error = json.loads(line).get("error")
        if error:
            raise EngineRefused(str(error))


def _tar(folder: Path) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            archive.add(path, arcname=str(path.relative_to(folder)), recursive=False)
    return out.getvalue()


def _call(
    method: str,
    path: str,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = 60,
    missing_is_fine: bool = False,
) -> str:
    connection = _Connection(address(), timeout)
    try:
        connection.request(method, path, body, dict(headers or {}))
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
    finally:
        connection.close()
    if answer.status == 404 and missing_is_fine:
        return ""
    if answer.status >= 400:
        raise EngineRefused(_message(text))
    return text


def _message(text: str) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text[:200]


class _Connection(http.client.HTTPConnection):
    """HTTP to the engine, over its socket or plain TCP."""

    def __init__(self, engine: str, timeout: float) -> None:
        self._parts = urlsplit(engine)
        super().__init__(self._parts.hostname or "localhost", self._parts.port or 2375, timeout=timeout)

    def connect(self) -> None:
        if self._parts.scheme != "unix":
            super().connect()
            return
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._parts.path)
