"""One node from start to stop: the services in their order, each with the reason for its place.

Start: what remembers (registry), who may (leases), what runs (engine, activation), then the doors; ready.json last.
Stop is the reverse within one budget: doors first, so that what came in is worked; then what they stood on.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable

import maelstrom
from maelstrom.api.server import AdminServer, AdminSettings
from maelstrom.daemon.handover import Former
from maelstrom.daemon.listeners import Listeners
from maelstrom.daemon.parts import Parts, build
from maelstrom.daemon.report import keep_report
from maelstrom.daemon.sockets import Sockets
from maelstrom.daemon.state import StateDirectory
from maelstrom.daemon.status import Status
from maelstrom.daemon.supervisor import Supervisor
from maelstrom.daemon.upgrade import Inheritance, Successor
from maelstrom.model.errors import MaelstromError
from maelstrom.model.settings import Settings
from maelstrom.model.stored import Snapshot
from maelstrom.plan.backoff import Backoff
from maelstrom.registry.registry import Registry
from maelstrom.runtime.reach import Reach

log = logging.getLogger("maelstrom.daemon")

ENGINE_BACKOFF = Backoff(first=0.5, cap=5.0)
SWEEP_SECONDS = 10.0  # for the removal of what nobody uses
LAST_SECONDS = 2.0  # for the database's last words, when the budget has run out


class Node:
    """Made from its settings; `start`, then `stop`, whatever became of the start."""

    def __init__(self, settings: Settings, sockets: Sockets, inheritance: Inheritance | None = None) -> None:
        """`inheritance`: of a process of this node that is still there and waits to be followed."""
        self.settings = settings
        self._sockets = sockets
        self._inheritance = inheritance
        self._supervisor = Supervisor()
        self._state: StateDirectory | None = None
        self._registry: Registry | None = None
        self._parts: Parts | None = None
        self._status: Status | None = None
        self._admin: AdminServer | None = None
        self._leaving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Raises what keeps the node from starting; an engine that is away does not, it is waited for."""
        settings = self.settings
        # before all: nobody else works in this directory, and a former process of it is gone
        inheritance = self._inheritance
        self._state = _state_directory(settings, inheritance)
        token = self._state.admin_token(settings.admin_token)
        self._registry = await Registry.open(settings.database_url, listen_url=settings.database_listen_url)
        parts = self._parts = build(settings, self._supervisor, self._registry, self._state)
        status = self._status = Status(parts)
        listeners = Listeners(settings, self._sockets, self._state, status)
        if inheritance is not None:
            await self._follow_on(parts, inheritance, self._state, listeners)
        # a session before anything is done in this node's name
        await parts.keeper.start()
        self._supervisor.keep("leases", parts.keeper.run)
        # a first copy before anything acts by it
        await parts.view.refresh()
        self._follow(parts.view.snapshot)
        parts.view.subscribe(self._follow)
        self._supervisor.keep("view", parts.view.run)
        # people may ask from now on, also why the node is not ready
        self._admin = AdminServer(
            settings=AdminSettings.of(settings), token=token, registry=self._registry, node=status
        )
        await listeners.admin(self._admin)
        # the public address is taken early, so that one that is not free ends the start at once
        if parts.crew is None or inheritance is None:
            await self._listen(parts, listeners)
        else:
            parts.crew.may_begin.set()
        reach = await self._engine(parts)
        # containers are told where to call before the first is made
        await listeners.internal(parts.gateway, parts.runtime, reach)
        # what a former process left running is adopted before anything new is started
        self._supervisor.keep("engine events", parts.activation.watch.run)
        await parts.activation.watch.listed.wait()
        self._supervisor.keep("converge", parts.activation.converger.run)
        self._supervisor.keep("health", parts.activation.health.run)
        self._supervisor.keep("sandboxes", parts.runtime.keep_sandboxes)
        # work is pulled only when there is somebody to do it
        parts.owner.start()
        parts.cron.start()
        self._supervisor.keep("cron", parts.cron.run)
        if parts.crew is not None:
            await parts.crew.ready()
        self._serves(self._state, self._registry, status)

    async def _follow_on(
        self, parts: Parts, inheritance: Inheritance, state: StateDirectory, listeners: Listeners
    ) -> None:
        """Does all that can fail or takes time while the process before still serves; then it gives the node up."""
        await listeners.reserve()
        await parts.view.refresh()
        await parts.runtime.reach()
        if parts.crew is not None:
            parts.crew.may_begin.clear()
            await self._listen(parts, listeners)
            await parts.crew.there()
        await inheritance.switched()
        self._follow(parts.view.snapshot)
        state.take_over()
        inheritance.inherit(parts.activation.find)
        parts.activation.watch.former = inheritance

    async def _listen(self, parts: Parts, listeners: Listeners) -> None:
        """Opens the public listeners."""
        secure = parts.secure
        await listeners.public(parts.gateway, parts.crew, secure.front)
        if self.settings.public_tls_listen:
            await secure.load()
            self._supervisor.keep("certificates", secure.certificates.run)
            await listeners.public_tls(parts.gateway, parts.crew, secure.tls)
        if secure.issuer is not None:
            self._supervisor.keep("automatic certificates", secure.issuer.run)
        if parts.crew is not None:
            parts.crew.start()

    def _serves(self, state: StateDirectory, registry: Registry, status: Status) -> None:
        """Says so to whom it may concern."""
        status.serving = True
        self._supervisor.keep("report", lambda: keep_report(registry, status, self.settings.beat_seconds))
        self._sockets.close_unused()
        known = {"pid": os.getpid(), "node": self.settings.node_name, "version": maelstrom.__version__}
        state.write_ready({**known, **status.addresses, "public_all": status.public_all})
        if self._inheritance is not None:
            self._inheritance.serves()
        log.info("ready", extra=status.addresses)

    def _follow(self, snapshot: Snapshot) -> None:
        """Each change of the registry: first the pools, then the routes that lead to them."""
        parts = self._parts
        assert parts is not None, "built"
        parts.activation.follow(snapshot.components)
        parts.gateway.set_routes(parts.routing.table(snapshot))
        if parts.crew is not None:
            parts.crew.follow(snapshot.components, parts.routing.rules, snapshot.answers)

    async def _engine(self, parts: Parts) -> Reach:
        """Waits for the engine; says once why, and goes on trying."""
        failures = 0
        while True:
            try:
                return await parts.runtime.reach()
            except MaelstromError as error:
                failures += 1
                parts.activation.watch.lost = error.message
                if failures == 1:
                    log.error("waiting for the container engine: %s; %s", error.message, error.hint)
                await asyncio.sleep(ENGINE_BACKOFF.delay(failures, 0.0))

    # another process follows

    async def be_followed(self, successor: Successor, lifeline: int) -> None:
        """Returns when the new process has the node. Raises UpgradeFailed: then nothing has changed."""
        assert self._parts is not None, "started"
        assert self._state is not None, "opened first"
        await successor.start(self.settings, self._sockets.open, self._state.lock, lifeline)
        log.info("a new process is ready to follow", extra={"pid": successor.pid})
        try:
            await self._give_up(self._parts, successor)
        except BaseException:
            await successor.end()
            raise

    async def _give_up(self, parts: Parts, successor: Successor) -> None:
        """Ends what there must be one of, in the order in which it is missed least."""
        grace = self.settings.shutdown_grace_seconds
        self._supervisor.ending = True
        # work that is pulled ends here while requests are still served: polls are not cut, that may take a while
        parts.keeper.leave()
        await asyncio.gather(_step("sources", parts.owner.stop(grace)), _step("cron", parts.cron.stop(grace)))
        # nothing is started or stopped any more, deaths are still seen
        await self._supervisor.end_loops("converge", "health", "sandboxes", "report")
        await _step("activation", _within(grace, parts.activation.stop(stop_containers=False)))
        await _step("transport", parts.transport.stop())
        if successor.gone:
            raise MaelstromError(
                "the new process has ended while this one gave up its work", hint="start the node again"
            )
        # from here on connections wait in the system's queue until the new process accepts them
        self._leaving = self._supervisor.spawn(self._drain(parts, grace), "drain")
        await asyncio.sleep(0)
        await _step("leases", _within(LAST_SECONDS, parts.keeper.stop()))
        await self._supervisor.end_loops(*(name for name in self._supervisor.loops if not name.startswith("gateway ")))
        if self._admin is not None:
            self._admin.close()
        successor.switch(Former((d.pool for d in parts.activation.deployments.values()), successor.send))

    async def _drain(self, parts: Parts, grace: float) -> None:
        crew = [] if parts.crew is None else [_step("gateway workers", parts.crew.drain(grace, followed=True))]
        await asyncio.gather(_step("gateway", parts.gateway.drain(grace, followed=True)), *crew)

    def tell_upgrade(self, error: str) -> None:
        """That it has failed, and why."""
        log.error("the upgrade was given up, this process goes on: %s", error)
        if self._state is not None:
            self._state.write_upgrade({"error": error})

    async def leave(self, successor: Successor) -> None:
        """What this process still has open is worked; then it has nothing of the node any more."""
        parts = self._parts
        assert parts is not None, "started"
        looking = self._supervisor.spawn(successor.look(), "slots")
        assert self._leaving is not None, "followed"
        await self._leaving
        looking.cancel()
        await successor.leave()
        if self._admin is not None:
            await _step("admin API", self._admin.stop(LAST_SECONDS))
        await self._close(SWEEP_SECONDS, followed=True)

    # stop

    async def stop(self) -> None:
        """All of it within the shutdown grace; each step goes on where the one before has failed."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.settings.shutdown_grace_seconds

        def left() -> float:
            return max(0.0, deadline - loop.time())

        if self._status is not None:
            self._status.stopping = True
        parts = self._parts
        if parts is not None:
            self._supervisor.ending = True
            # tell the others first: they take over while this node drains
            parts.keeper.leave()
            await asyncio.gather(
                _step("gateway", parts.gateway.drain(left())),
                *([] if parts.crew is None else [_step("gateway workers", parts.crew.drain(left()))]),
                _step("sources", parts.owner.stop(left())),
                _step("cron", parts.cron.stop(left())),
            )
            parts.activation.drain()
            stop_containers = self.settings.stop_containers
            await _step("activation", _within(left(), parts.activation.stop(stop_containers=stop_containers)))
            await _step("transport", parts.transport.stop())
            await _step("leases", _within(max(LAST_SECONDS, left()), parts.keeper.stop()))
            await _step("report", _within(LAST_SECONDS, parts.registry.remove_report(self.settings.node_name)))
        if self._admin is not None:
            await _step("admin API", self._admin.stop(min(LAST_SECONDS, left())))
        await self._close(max(LAST_SECONDS, min(left(), SWEEP_SECONDS)))

    async def _close(self, seconds: float, *, followed: bool = False) -> None:
        """Ends what everything else stood on."""
        await self._supervisor.end()
        parts = self._parts
        if parts is not None:
            parts.aws.close()
            parts.sqs.close()
            await _step("engine", parts.runtime.close(seconds, followed=followed))
        if self._registry is not None:
            await _step("database", _within(LAST_SECONDS, self._registry.close()))
        if self._state is not None:
            self._state.close(handed_on=followed)


def _state_directory(settings: Settings, inheritance: Inheritance | None) -> StateDirectory:
    if inheritance is None:
        return StateDirectory.open(settings.state_dir)
    inheritance.check(settings)
    return StateDirectory.inherit(settings.state_dir, inheritance.lock)


async def _step(what: str, work: Awaitable[object]) -> None:
    try:
        await work
    except TimeoutError:
        log.warning("stopping: %s was cut, the grace has run out", what)
    except MaelstromError as error:
        log.warning("stopping: %s: %s", what, error.message)
    except Exception:
        log.exception("stopping: %s failed", what)


async def _within(seconds: float, work: Awaitable[object]) -> None:
    async with asyncio.timeout(seconds):
        await work
