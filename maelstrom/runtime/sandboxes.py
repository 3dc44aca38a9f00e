"""A few ready network sandboxes: tiny sleeping containers, each there to lend its network to one container.

About half of what an engine does at a start is to set up the container's network. Where that has been done before, a
start takes half as long. A sandbox serves one container, once: it is removed with it, never handed on, and all that the
two share is the network namespace and the three files about it (/etc/hosts, /etc/hostname, /etc/resolv.conf).

The pool is an aid: what goes wrong here is logged, and containers are started the plain way. It must not know of
components, nor of how a container is started.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

import docker.errors

from maelstrom.model.errors import EngineUnavailable, MaelstromError, RuntimeFailed
from maelstrom.plan.backoff import Backoff
from maelstrom.runtime.client import EngineClient
from maelstrom.runtime.discards import Discards
from maelstrom.runtime.engine import Engine
from maelstrom.runtime.sandbox_image import MACHINES, archive, image_name
from maelstrom.runtime.spec import LABEL_INSTANCE, LABEL_SANDBOX, Identity, Publication, lender, sandbox_body

log = logging.getLogger("maelstrom.runtime")

CALM_SECONDS = 0.5  # without a start, before the next sandbox is made: it would slow down the one that is waited for
IMPATIENT_SECONDS = 5.0  # then one is made although starts go on
RETRY = Backoff(first=1.0, cap=60.0)


class Sandboxes:
    """The sandboxes of one node: `most` that are ready, and those that are lent. Owned by the event loop's thread."""

    def __init__(self, engine: Engine, identity: Identity, discards: Discards, *, most: int) -> None:
        self.most = most
        self.network = ""  # of the engine, that they are on; empty: its default one
        self._engine = engine
        self._identity = identity
        self._discards = discards
        self._architecture = ""
        self._ready: dict[str, None] = {}  # the oldest first
        self._making: set[str] = set()  # names
        self._lent: dict[str, str] = {}  # sandbox -> container; empty: it is being made
        self._wanted = asyncio.Event()
        self._busy_until = 0.0  # monotonic

    @property
    def ready(self) -> int:
        return len(self._ready)

    @property
    def lent(self) -> int:
        return len(self._lent)

    @property
    def making(self) -> int:
        return len(self._making)

    def settle(self, publication: Publication) -> None:
        """How containers are reached is known. A sandbox cannot publish ports for a container that is not known yet."""
        self.network = publication.network
        if publication.publish:
            self.most = 0

    async def keep(self) -> None:
        """Endless: fills the pool, and again after each use."""
        failures = 0
        self._look_whether_wanted()
        while True:
            await self._wanted.wait()
            await self._calm()
            try:
                await self.fill()
                failures = 0
            except MaelstromError as error:
                failures += 1
                level = logging.WARNING if failures == 1 else logging.DEBUG
                log.log(level, "no network sandbox can be made, starts take the plain way: %s", error.message)
                await asyncio.sleep(RETRY.delay(failures, 0.0))

    async def fill(self) -> None:
        """Makes as many as are missing, one after another. Raises what the engine says."""
        while len(self._ready) < self.most:
            sandbox = await self._make()
            if len(self._ready) < self.most:
                self._ready[sandbox] = None
            else:
                self._discards.remove(sandbox)
        self._wanted.clear()

    def take(self) -> str:
        """A sandbox for the caller alone, who looks whether it still `runs`; empty if there is none."""
        self.note_start()
        if not self._ready:
            return ""
        sandbox = next(iter(self._ready))
        del self._ready[sandbox]
        self._lent[sandbox] = ""
        self._wanted.set()
        return sandbox

    async def runs(self, sandbox: str) -> bool:
        """True also where none was taken. Raises EngineUnavailable."""
        if not sandbox:
            return True
        try:
            body = await self._engine.call("look", lambda client: client.container_if_any(sandbox))
        except RuntimeFailed:
            return False
        return body is not None and bool(body["State"]["Running"])

    def lend(self, sandbox: str, container: str) -> None:
        if sandbox:
            self._lent[sandbox] = container

    def give_back(self, sandbox: str) -> None:
        """It was taken for a container that was never made."""
        self._lent.pop(sandbox, None)
        if sandbox and len(self._ready) < self.most:
            self._ready[sandbox] = None
        else:
            self._discards.remove(sandbox)

    def lent_to(self, container: str) -> str:
        return next((sandbox for sandbox, user in self._lent.items() if user == container), "")

    def ended(self, sandbox: str) -> None:
        """Its removal was tried; where it failed the next full list finds it."""
        self._lent.pop(sandbox, None)

    def died(self, sandbox: str) -> str:
        """The engine says that a sandbox ended; the container that has lost its network by that, if any."""
        if sandbox in self._ready:
            del self._ready[sandbox]
            self._discards.remove(sandbox)
            self._wanted.set()
        return self._lent.get(sandbox, "")

    def sort(self, listed: Iterable[Mapping[str, Any]]) -> list[str]:
        """Ids of all containers listed but sandboxes, which are taken over if they are of use, else removed."""
        listed = list(listed)
        users = {lender(item): str(item["Id"]) for item in listed}
        others: list[str] = []
        for item in listed:
            id, labels = str(item["Id"]), item.get("Labels") or {}
            if LABEL_SANDBOX not in labels:
                others.append(id)
            elif id in self._lent or labels.get(LABEL_INSTANCE) in self._making:
                continue
            elif id in users:
                self._lent[id] = users[id]
            elif item.get("State") != "running":
                self._ready.pop(id, None)
                self._discards.remove(id)
            elif id not in self._ready:
                self._adopt(id, labels[LABEL_SANDBOX])
        self._look_whether_wanted()
        return others

    def close(self, *, followed: bool = False) -> None:
        """Those that are lent stay with their containers; the others are removed, or left to the next process."""
        self.most = 0
        for sandbox in self._ready if not followed else ():
            self._discards.remove(sandbox)
        self._ready.clear()

    def note_start(self) -> None:
        """Somebody waits for the engine just now."""
        self._busy_until = asyncio.get_running_loop().time() + CALM_SECONDS

    def _adopt(self, sandbox: str, made_as: str) -> None:
        """One that a former process has made."""
        if made_as in self._layouts() and len(self._ready) < self.most:
            self._ready[sandbox] = None
        else:
            self._discards.remove(sandbox)

    def _layouts(self) -> set[str]:
        bodies = (sandbox_body(self._identity, image_name(machine), self.network, "") for machine in MACHINES)
        return {body["Labels"][LABEL_SANDBOX] for body in bodies}

    def _look_whether_wanted(self) -> None:
        if len(self._ready) < self.most:
            self._wanted.set()

    async def _calm(self) -> None:
        clock = asyncio.get_running_loop().time
        patient_until = clock() + IMPATIENT_SECONDS
        while True:
            seconds = min(self._busy_until, patient_until) - clock()
            if seconds <= 0:
                return
            await asyncio.sleep(seconds)

    async def _make(self) -> str:
        name = f"maelstrom-sandbox-{uuid.uuid4().hex[:12]}"
        self._making.add(name)
        try:
            future = self._engine.submit("make", lambda client: self._made(client, name))
            try:
                return await self._engine.result("make", future)
            except (asyncio.CancelledError, EngineUnavailable):
                self._discards.remove_made(future)
                raise
        finally:
            self._making.discard(name)

    def _made(self, client: EngineClient, name: str) -> str:
        """In a thread."""
        self._architecture = self._architecture or str(client.version()["Arch"])
        if self._architecture not in MACHINES:
            raise MaelstromError(f"there is no sandbox program for {self._architecture}")
        image = image_name(self._architecture)
        body = sandbox_body(self._identity, image, self.network, name)
        try:
            sandbox = client.make(body, name)
        except docker.errors.ImageNotFound:
            client.import_image_from_data(archive(self._architecture), *image.split(":"))
            sandbox = client.make(body, name)
        try:
            client.start(sandbox)
        except BaseException:
            client.remove(sandbox)
            raise
        return sandbox
