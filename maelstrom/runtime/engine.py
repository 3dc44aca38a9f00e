"""The one place where the Docker SDK is called: in threads, with time-outs, its errors turned into ours.

Lanes keep kinds of calls apart, so that sixty stops that wait for their grace never hold up a look at a container. It
must not know what the calls are for.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Literal, TypeVar

import docker.errors
import requests
import urllib3

from maelstrom.model.errors import EngineUnavailable, ImageMissing, MaelstromError, RuntimeFailed
from maelstrom.runtime.client import EngineClient, find_endpoint, negotiate
from maelstrom.runtime.streams import ByteStream
from maelstrom.runtime.threads import Workers

log = logging.getLogger("maelstrom.runtime")

T = TypeVar("T")
Lane = Literal["look", "make", "end"]


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """`seconds`: until the engine answers one call; a stop adds its grace to it."""

    threads: int
    seconds: int


LANES: dict[Lane, LaneLimits] = {"look": LaneLimits(8, 30), "make": LaneLimits(16, 120), "end": LaneLimits(64, 120)}
FOREIGN = (requests.RequestException, docker.errors.DockerException, urllib3.exceptions.HTTPError, OSError)
TURNS = 2  # a call waits at most for one before it, then for itself
STREAMS_LIMIT = 512  # each open stream holds a thread


class Engine:
    """Connects when first used, and again after a failure; the API version is negotiated each time."""

    def __init__(self, environ: Mapping[str, str], lanes: Mapping[Lane, LaneLimits] | None = None) -> None:
        self._environ = dict(environ)
        self._limits = dict(lanes or LANES)
        self._lanes = {lane: Workers(f"docker-{lane}", limits.threads) for lane, limits in self._limits.items()}
        self._clients: dict[Lane, EngineClient] = {}
        self._connecting = threading.Lock()
        self._streams: set[ByteStream] = set()
        self._closed = False

    @property
    def endpoint(self) -> str:
        """Where the engine is looked for, as DOCKER_HOST would say it. Raises EngineUnavailable."""
        return str(self._translated(lambda: find_endpoint(self._environ))["base_url"])

    async def call(self, lane: Lane, work: Callable[[EngineClient], T]) -> T:
        """Raises EngineUnavailable, ImageMissing or RuntimeFailed. Cancelled, it does not wait for the engine."""
        return await self.result(lane, self.submit(lane, work))

    def submit(self, lane: Lane, work: Callable[[EngineClient], T]) -> Future[T]:
        """The first half of `call`, for callers who need the result also when they are cancelled."""
        self._check_open()
        return self._lanes[lane].submit(lambda: self._translated(lambda: work(self._client(lane))))

    async def result(self, lane: Lane, submitted: Future[T]) -> T:
        """The second half. Behind a frozen engine's calls nobody waits for ever, either."""
        waited_for = asyncio.wrap_future(submitted)
        if lane == "end":
            return await waited_for  # as long as the graces of those before it
        try:
            async with asyncio.timeout(TURNS * self._limits[lane].seconds):
                return await waited_for
        except TimeoutError:
            raise EngineUnavailable("the Docker engine does not answer in time") from None

    async def stream(
        self, name: str, work: Callable[[EngineClient], requests.Response], *, patient: bool
    ) -> ByteStream:
        """An opened stream; whoever asked closes it. `patient`: the thread waits while the reader is slow."""
        self._check_open()
        if len(self._streams) >= STREAMS_LIMIT:
            raise RuntimeFailed(f"{STREAMS_LIMIT} streams of the engine are open", hint="follow fewer logs at a time")
        stream = ByteStream(name, lambda: work(self._client("look")), patient=patient, translate=translate)
        self._streams.add(stream)
        stream.on_close = lambda: self._streams.discard(stream)
        try:
            await stream.opened()
        except BaseException:
            stream.close()
            raise
        return stream

    def close(self) -> None:
        self._closed = True
        for stream in list(self._streams):
            stream.close()
        for lane in self._lanes.values():
            lane.close(_closed())
        self._forget()

    def _check_open(self) -> None:
        if self._closed:
            raise _closed()

    def _client(self, lane: Lane) -> EngineClient:
        client = self._clients.get(lane)
        if client is not None:
            return client
        with self._connecting:
            if lane not in self._clients:
                endpoint = find_endpoint(self._environ)
                known = next(iter(self._clients.values()), None)
                version = known.api_version if known else negotiate(endpoint, read_seconds=self._limits["look"].seconds)
                self._clients[lane] = EngineClient(endpoint, version=version, read_seconds=self._limits[lane].seconds)
            return self._clients[lane]

    def _forget(self) -> None:
        """Whatever listens next at that address may be another version of the engine."""
        with self._connecting:
            clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()

    def _translated(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except FOREIGN as error:
            ours = translate(error)
            if isinstance(ours, EngineUnavailable) and not isinstance(error, requests.Timeout):
                self._forget()
            raise ours from error


def _closed() -> EngineUnavailable:
    return EngineUnavailable("the runtime is closed", hint="the daemon is stopping")


def translate(error: Exception) -> MaelstromError:
    """Our error for one of the SDK or of the layers below it."""
    if isinstance(error, docker.errors.APIError):
        return _refused(error)
    text = _reason(error)
    if isinstance(error, requests.Timeout):
        return EngineUnavailable("the Docker engine does not answer in time", reason=text)
    hint = None
    if "Permission denied" in text:
        hint = "let this user talk to Docker (group docker), or run as root"
    elif "paramiko" in text:
        hint = "DOCKER_HOST=ssh:// needs `pip install docker[ssh]`"
    return EngineUnavailable(f"the Docker engine cannot be reached: {text}", hint=hint)


def _refused(error: docker.errors.APIError) -> MaelstromError:
    status = error.status_code or 0
    said = " ".join(str(error.explanation or error).split())[:2000]
    if "client version" in said and "API version" in said:
        return EngineUnavailable(f"the engine's API version has changed: {said}")
    if status == 503:
        return EngineUnavailable(f"the Docker engine is not ready: {said}")
    if status == 404 and any(words in said.lower() for words in ("no such image", "image not known")):
        return ImageMissing(said)
    return RuntimeFailed(said, hint=_hint(said), status=status)


def _hint(said: str) -> str | None:
    lower = said.lower()
    hints = {
        "executable file not found": "correct command or entrypoint: the image has no such program",
        "no such file or directory": "check command, entrypoint and the sources of volumes",
        "permission denied": "the program of command or entrypoint must be executable for the container's user",
        "port is already allocated": "another container has that host port: change ports, or maxinstancespernode: 1",
        "address already in use": "something on the host has that port: change ports",
        "bind source path does not exist": "create the directory on the host, or correct volumes",
        "log opt": "check logdriveroptions",
        "logging": "check logdriver and logdriveroptions",
        "network": "create the network with `docker network create`, or correct networkname",
    }
    return next((hint for words, hint in hints.items() if words in lower), None)


def _reason(error: BaseException) -> str:
    """The system's own words where it has any: the layers above only repeat them in theirs."""
    chain = [error]
    while (inner := chain[-1].__cause__ or chain[-1].__context__) is not None and inner not in chain:
        chain.append(inner)
    for link in reversed(chain):
        if isinstance(link, OSError) and link.errno:
            return f"{link.strerror}{f': {link.filename}' if link.filename else ''}"
    if isinstance(error, requests.exceptions.ChunkedEncodingError | urllib3.exceptions.ProtocolError):
        return "the connection broke off"
    return " ".join(str(chain[-1]).split())[:500] or type(error).__name__
