"""One worker: the gateway's own code over pools of lent slots, and what it tells the main process.

Everything that there must be one of is in the main process; if that is gone there is nothing left to do here.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import socket
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

from maelstrom.gateway import AccessLog, Additions, Front, Gateway, Limits, Policy, Route, Tls
from maelstrom.gateway.arrival.handshake import protocols
from maelstrom.model.settings import Settings
from maelstrom.plan.routes import RouteEntry, RouteTable
from maelstrom.workers import counts
from maelstrom.workers.borrower import Borrower
from maelstrom.workers.briefing import answers_of, certificates_of, components_of, rules_of, settings_of
from maelstrom.workers.headcount import Headcount
from maelstrom.workers.line import Door, Line
from maelstrom.workers.messages import Message

log = logging.getLogger("maelstrom.workers")

LOOK_SECONDS: Final = 0.1  # how late counters are, and what is shown as in flight
ALIVE_SECONDS: Final = 1.0  # something is said at least so often

Spawn = Callable[[Coroutine[Any, Any, Any], str], "asyncio.Task[Any]"]


class Worker:
    """From the first message to the end of the drain."""

    def __init__(
        self, doors: Sequence[Door], headcount: Headcount, spawn: Spawn, begin: Callable[[Settings], None]
    ) -> None:
        """`doors` listen already; `begin` is called with the settings before anything is done by them."""
        self._doors = doors
        self._headcount = headcount
        self._tls = Tls(())
        self._default_host = ""
        self._front = Front(self._certified)
        self._spawn = spawn
        self._begin = begin
        self._line: Line | None = None
        self._borrower = Borrower(self._send, time.monotonic, asyncio.get_running_loop().call_later)
        self._gateway: Gateway | None = None
        self._routes: dict[str, Route] = {}
        self._told: dict[str, int] = {}  # requests in flight by rule
        self._said_at = 0.0
        self._draining = False
        self._handlers: dict[str, Callable[..., None]] = {
            "settings": self._settings,
            "certificates": self._certificates,
            "challenges": self._challenges,
            "components": self._components,
            "routes": self._set_routes,
            "shed": self._shed,
            "drain": self._drain,
            "instance": self._borrower.introduce,
            "grant": self._borrower.grant,
            "refuse": self._borrower.refuse,
            "press": self._borrower.press,
            "idle": self._borrower.idle,
            "recall": self._borrower.recall,
            "gone": self._borrower.gone,
        }

    async def run(self, control: socket.socket) -> None:
        """Until it has drained; ends the process if the main one is gone before."""
        self._line = await Line.connect(control, self._heard, self._alone)
        self._send(["there"])
        await self._line.lost.wait()

    def _send(self, message: Message) -> None:
        assert self._line is not None, "connected"
        self._line.send(message)

    def _heard(self, message: Message) -> None:
        self._handlers[message[0]](*message[1:])

    def _alone(self) -> None:
        if not self._draining:
            os._exit(1)  # nobody counts any more what is open here

    # what the main process says

    def _settings(self, given: dict[str, Any]) -> None:
        settings = settings_of(given)
        self._begin(settings)
        self._tls = Tls(protocols(http2=settings.http2))
        self._default_host = settings.tls_default_host
        self._front = Front(self._certified, redirect_port=settings.https_redirect_port)
        self._gateway = Gateway(
            find=self._borrower.pools.get,
            spawn=self._spawn,
            limits=Limits.of(settings),
            access=AccessLog.of(settings.access_log),
            monotonic=time.monotonic,
            others=self._headcount,
        )
        self._spawn(self._serve(self._gateway, Policy.public(settings)), "serve")

    async def _serve(self, gateway: Gateway, policy: Policy) -> None:
        for door in self._doors:
            if door.tls:
                await gateway.listen(door.socket, policy, tls=self._tls)
            else:
                await gateway.listen(door.socket, policy, front=self._front)
        gc.collect()
        gc.freeze()  # what lives as long as the process is never walked again
        self._send(["ready"])
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self._look(gateway)

    def _certificates(self, rows: list[list[Any]]) -> None:
        self._tls.set(certificates_of(rows), self._default_host)
        self._look_again()

    def _challenges(self, answers: dict[str, str]) -> None:
        self._front.challenges = {token.encode(): answer.encode() for token, answer in answers.items()}
        self._look_again()

    def _look_again(self) -> None:
        assert self._gateway is not None, "the settings come first"
        self._gateway.look_again()

    def _certified(self, name: str) -> bool:
        return self._tls.find(name) is not None

    def _components(self, rows: list[list[Any]], removed: list[str]) -> None:
        self._borrower.follow(components_of(rows), removed)

    def _set_routes(self, rows: list[list[Any]], answers: dict[str, str]) -> None:
        assert self._gateway is not None, "the settings come first"
        routes: dict[str, Route] = {}
        entries = []
        additions = {project: Additions(said) for project, said in answers_of(answers).items()}
        for rule in rules_of(rows):
            pool = self._borrower.pools.get(rule.component)
            if pool is None:
                continue
            route = self._routes.get(rule.tag)
            if route is None or route.pool is not pool:
                route = Route(pool)
            route.additions = additions.get(pool.component.project)
            routes[rule.tag] = route
            entries.append(RouteEntry(rule.hostname, rule.pathprefix, rule.stripprefix, route, rule.enabled))
        self._routes = routes
        self._gateway.set_routes(RouteTable.build(entries))

    def _shed(self, connections: int) -> None:
        if self._gateway is not None and not self._draining:
            for listener in self._gateway.listeners:
                listener.shed(connections * listener.connections // max(1, self._gateway.stats.connections))

    def _drain(self, grace: float, followed: bool) -> None:
        self._draining = True
        self._borrower.leave()
        self._spawn(self._end(grace, followed), "drain")

    async def _end(self, grace: float, followed: bool) -> None:
        cut = 0
        if self._gateway is not None:
            cut = await self._gateway.drain(grace, followed=followed)
            self._look(self._gateway)
        self._send(["drained", cut])
        assert self._line is not None, "it said to drain"
        self._line.close()

    # what is told

    def _look(self, gateway: Gateway) -> None:
        self._borrower.look()
        counted = counts.take(gateway.stats)
        routes = {tag: route.in_flight for tag, route in self._routes.items() if route.in_flight}
        now = time.monotonic()
        if len(counted) > 1 or routes != self._told or now - self._said_at >= ALIVE_SECONDS:
            self._told = routes
            self._said_at = now
            self._send(["counted", counted, routes])
