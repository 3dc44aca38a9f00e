"""Clients, workers and the main process in virtual time, from a seed: messages take theirs, workers and clients come
and go. What it looks at, at each request that begins:

- no container has more than its limit, whatever has become of the process that the request came by;
- in one worker who came first is first;
- between workers: a request that came more than QUIET_SECONDS after a waiting one may be begun before it elsewhere, but
  each worker does so for no longer than a stint, the requests that have its slots then, and messages on their way or
  not yet said.

At the end everybody has been served and every slot is home. `make simulate-workers` plays many seeds.
"""

from __future__ import annotations

import heapq
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import count

from maelstrom.workers.lent import STINT_SECONDS
from maelstrom.workers.wants import LOOKS, QUIET_SECONDS
from tests.unit.workers.fleet import Caller, FakeWorker, Fleet

LATENCY = 0.0005  # s, of a message at most
LOOK_SECONDS = 0.1
THINK = 0.001  # s, of a client between two requests at most
SECONDS = 0.3  # of load


class Violation(AssertionError):
    """What was promised was not held."""


class Request(Caller):
    """One of a client's."""

    def __init__(self, came: float, worker: FakeWorker, over: Callable[[], None]) -> None:
        """`over`: what its client does when it is answered."""
        super().__init__()
        self.came = came
        self.worker = worker
        self.over = over
        self.overtaken: dict[FakeWorker, float] = {}  # since when, by whom


@dataclass
class Load:
    """What is drawn from the seed."""

    workers: int
    limits: list[int]
    clients: int
    seconds: float  # of a request, at most
    deaths: int = 0

    @classmethod
    def of(cls, dice: random.Random) -> Load:
        return cls(
            workers=dice.choice((2, 2, 3)),
            limits=[dice.choice((1, 2, 8)) for _ in range(dice.choice((1, 1, 2)))],
            clients=dice.choice((4, 16, 64)),
            seconds=dice.choice((0.0005, 0.003, 0.02, 0.1)),
            deaths=dice.choice((0, 0, 1, 2)),
        )


@dataclass
class Simulation:
    seed: int
    load: Load | None = None
    served: int = 0
    messages: int = 0
    waiting: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.load = load = self.load or Load.of(self.dice)
        self.fleet = Fleet(load.workers, load.limits)
        self.end = self.fleet.now + SECONDS
        self._numbers = count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._on_the_way: dict[tuple[FakeWorker, bool], float] = {}  # when the last message of a line arrives

    def run(self) -> Simulation:
        load = self.load
        assert load is not None
        for worker in self.fleet.workers:
            self._look(worker)
        for n in range(load.clients):
            self._after(self.dice.random() * 0.01, self._asking(n))
        for _ in range(load.deaths):
            self._after(self.dice.random() * SECONDS, self._kill)
        while self._events:
            self.fleet.now, _, act = heapq.heappop(self._events)
            act()
            self._flow()
            self._notice()
        self._check_end()
        return self

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.fleet.now + seconds, next(self._numbers), act))

    # what happens

    def _ask(self, client: int) -> None:
        if self.fleet.now > self.end:
            return
        worker = self.fleet.workers[client % len(self.fleet.workers)]
        request = Request(self.fleet.now, worker, lambda: self._after(self.dice.random() * THINK, self._asking(client)))
        self.waiting.append(request)
        worker.ask(request)

    def _asking(self, client: int) -> Callable[[], None]:
        return lambda: self._ask(client)

    def _answer(self, request: Request) -> None:
        if request in request.worker.open and request.worker in self.fleet.workers:
            request.worker.end(request)
            self.served += 1
            request.over()

    def _look(self, worker: FakeWorker) -> None:
        if worker in self.fleet.workers and self.fleet.now < self.end + 4.0:
            worker.borrower.look()
            self._after(LOOK_SECONDS, partial(self._look, worker))

    def _kill(self) -> None:
        """A worker dies, and what it had not sent with it; another takes its place, and clients come to it."""
        worker = self.dice.choice(self.fleet.workers)
        self.fleet.crash(worker, len(worker.outbox))
        for request in [one for one in self.waiting if one.worker is worker]:
            self.waiting.remove(request)
        for request in [one for one in worker.open if isinstance(one, Request)]:
            request.over()
        another = FakeWorker(self.fleet, self.fleet.component)
        self.fleet.workers.append(another)
        self._look(another)
        for client in range(4):
            self._after(0.0, self._asking(client))
        self._after(0.01, partial(self._bury, worker))

    def _bury(self, worker: FakeWorker) -> None:
        """Containers end what it had open, one at a time."""
        (uses,) = [uses for dead, uses in self.fleet.dead if dead is worker]
        if uses:
            uses[self.dice.choice(sorted(uses.elements()))] -= 1
            uses += type(uses)()
        if self.fleet.reap(worker, uses) and not uses:
            self.fleet.dead = [pair for pair in self.fleet.dead if pair[0] is not worker]
        else:
            self._after(0.01, partial(self._bury, worker))

    def _flow(self) -> None:
        """What was sent arrives later, in its order; what is due by the clock is planned."""
        for worker in self.fleet.workers:
            for box, inward in ((worker.outbox, False), (worker.inbox, True)):
                arrives = max(
                    self._on_the_way.get((worker, inward), 0.0), self.fleet.now + self.dice.random() * LATENCY
                )
                for _ in range(len(box) - worker.planned[inward]):
                    self.messages += 1
                    worker.planned[inward] += 1
                    self._after(arrives - self.fleet.now, partial(self._arrive, worker, inward))
                    self._on_the_way[worker, inward] = arrives
            for at, callback in worker.timers:
                self._after(at - self.fleet.now, callback)
            worker.timers.clear()

    def _arrive(self, worker: FakeWorker, inward: bool) -> None:
        if worker not in self.fleet.workers:
            return
        worker.planned[inward] -= 1
        if inward:
            worker.read()
        else:
            self.fleet.hear(worker)

    # what is looked at

    def _notice(self) -> None:
        """Requests that have begun in this step, and who is quiet."""
        for worker in self.fleet.workers:
            for came in list(worker.pool.quiet.values())[:1]:
                if self.fleet.now - came > QUIET_SECONDS + 1e-9:
                    raise Violation(f"quiet for {self.fleet.now - came:.4f} s")
        begun = [one for one in self.waiting if one.instance is not None]
        if not begun:
            return
        self.waiting = [one for one in self.waiting if one.instance is None]
        uses = self.fleet.uses()
        for instance in self.fleet.made:
            if uses[instance.id] > instance.limit:
                raise Violation(f"{instance.id} has {uses[instance.id]} requests, its limit is {instance.limit}")
        for request in begun:
            self._check_order(request)
            assert self.load is not None
            self._after(self.dice.random() * self.load.seconds, partial(self._answer, request))

    def _check_order(self, begun: Request) -> None:
        assert self.load is not None
        most = STINT_SECONDS + QUIET_SECONDS / LOOKS + self.load.seconds + 6 * LATENCY
        for other in self.waiting:
            if other.worker is begun.worker:
                if other.came < begun.came:
                    raise Violation("overtaken in its own worker")
            elif begun.came - other.came > QUIET_SECONDS:
                since = other.overtaken.setdefault(begun.worker, self.fleet.now)
                if self.fleet.now - since > most:
                    raise Violation(f"overtaken for {self.fleet.now - since:.4f} s by another worker")

    def _check_end(self) -> None:
        if self.waiting:
            raise Violation(f"{len(self.waiting)} wait for ever")
        held = [instance.in_flight for instance in self.fleet.made]
        if any(held) or self.fleet.pool.in_flight:
            raise Violation(f"slots were lost: {held}")


def main(first: int, seeds: int) -> int:
    """How many of them have failed."""
    failed = 0
    for seed in range(first, first + seeds):
        try:
            Simulation(seed).run()
        except Violation as violation:
            failed += 1
            sys.stdout.write(f"seed {seed}: {violation}\n")
    sys.stdout.write(f"{seeds} seeds from {first}: {failed} failed\n")
    return failed


if __name__ == "__main__":
    sys.exit(min(1, main(*map(int, sys.argv[1:]))))
