"""The way from a simulated node to the database in memory: slow, lossy, cut; statements come late, or twice."""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from maelstrom.model.errors import Unavailable

if TYPE_CHECKING:
    from tests.unit.leases.simulation import World

READS = frozenset({"ground", "own", "view", "sessions", "audit", "in_flight"})


class Network:
    """A node's `Statements`. What is on its way goes on whatever becomes of the node."""

    def __init__(self, world: World, timeout: float, dice: random.Random) -> None:
        self.cut = False  # nothing gets through
        self.read_only = False  # only what changes nothing gets through
        self._world = world
        self._timeout = timeout
        self._dice = dice

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return functools.partial(self._send, name)

    async def _send(self, name: str, *values: Any, **named: Any) -> Any:
        loop = self._world.loop
        answer = loop.create_future()
        gives_up = loop.call_later(self._timeout, _fail, answer, "no answer")
        self._depart(name, values, named, answer)
        try:
            return await answer
        finally:
            gives_up.cancel()

    def _depart(self, name: str, values: tuple[Any, ...], named: dict[str, Any], answer: asyncio.Future[Any]) -> None:
        world, draw = self._world, self._dice.random
        world.step()
        loss = world.loss
        if self.cut or draw() < loss:
            return
        execute = (self._execute, name, values, named, answer)
        if draw() < loss / 2:  # given up by then, and executed all the same
            world.after(self._timeout * (0.5 + 7.5 * draw()), *execute)
            return
        if draw() < loss / 4:
            world.after(self._timeout * 8 * draw(), *execute)
        world.after(self._delay(), *execute)

    def _execute(self, name: str, values: tuple[Any, ...], named: dict[str, Any], answer: asyncio.Future[Any]) -> None:
        world = self._world
        if world.stalled_until > world.now:  # the server is frozen: whoever waits for it may have gone by then
            world.after(world.stalled_until - world.now + self._delay(), self._execute, name, values, named, answer)
            return
        if self.read_only and name not in READS:
            world.after(self._delay(), _fail, answer, "read-only transaction")
            return
        result = world.execute(name, values, named)
        if not self.cut and self._dice.random() >= world.loss:
            world.after(self._delay(), _arrive, answer, result)

    def _delay(self) -> float:
        draw = self._dice.random()
        if draw < 0.5:
            return 0.002 * draw
        return 0.01 if draw < 0.8 else self._timeout * 0.5 * self._dice.random()


def _arrive(answer: asyncio.Future[Any], result: Any) -> None:
    if not answer.done():
        answer.set_result(result)


def _fail(answer: asyncio.Future[Any], reason: str) -> None:
    if not answer.done():
        answer.set_exception(Unavailable(reason))
