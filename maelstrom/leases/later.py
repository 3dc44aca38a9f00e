"""Work that is answered later, as its node knows it: tasks that wait for their row, and those that have one.

A row is made by a statement of the session, out of the lease's capacity; it then needs no holder. While this process
lives it writes rows again that a database lost with its last commits. Pure, time is handed in; it must not know of the
database, nor what a task is.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass
from uuid import uuid4

from maelstrom.leases.rows import Defer, Deferred
from maelstrom.leases.term import NEVER, Term, busy_milliseconds

AGAIN_SECONDS = 0.1  # before a task is told again whose source was locked


def name_of(task: str) -> str:
    """What the database knows of a task's token."""
    return hashlib.sha256(task.encode()).hexdigest()


@dataclass(slots=True, eq=False)
class Task:
    """One task. `moved` is called with whether its row is there; then its slot needs no capacity any more."""

    name: str
    term: Term
    row: str  # id of its row
    until: float  # its time is up then
    moved: Callable[[bool], None]
    era: str = ""  # in which its row was last known to be there
    told: float = NEVER  # when the statement was sent that says so
    again: float = NEVER  # when to tell it again
    answered: bool = False
    giver: str | None = None  # the lease that was told to give a unit for it
    number: int = 0  # of that unit

    def ask(self, sent: float, numbers: Iterator[int], *, new: bool) -> Defer:
        """A row that is written again takes nothing of the lease, which gave its part when it was new.

        What the lease gives is given from the sending on, whatever becomes of the statement. Told again, it is the
        same unit: the row that it went to may have been made, and be gone by now.
        """
        lease, number = self.row, 0
        if new and self.term.row is not None:
            if self.giver != self.term.row:
                self.giver, self.number = self.term.row, next(numbers)
            lease, number = self.term.give(), self.number
        return Defer(self.name, self.term.source, lease, self.row, busy_milliseconds(self.until - sent), number)


class Later:
    """All of this node's."""

    def __init__(self) -> None:
        self._waiting: dict[str, Task] = {}
        self._written: dict[str, Task] = {}
        self._numbers = itertools.count(1)
        self.over: set[str] = set()  # whose rows, if there are any, are to be deleted

    @property
    def names(self) -> list[str]:
        """Tasks that have a row as far as is known."""
        return list(self._written)

    def add(self, task: str, term: Term, *, until: float, moved: Callable[[bool], None]) -> None:
        name = name_of(task)
        self.withdraw(task)
        self.over.discard(name)
        self._waiting[name] = Task(name, term, uuid4().hex, until, moved)

    def withdraw(self, task: str) -> None:
        """It gets no row any more if it has none; one that may have been made is to be deleted."""
        if (waiting := self._waiting.pop(name_of(task), None)) is not None:
            self.over.add(waiting.name)
            waiting.moved(False)

    def answer(self, task: str) -> str:
        """Its name in the database. A row that is just being made is to be deleted."""
        name = name_of(task)
        self._written.pop(name, None)
        if name in self._waiting:
            self._waiting[name].answered = True
        return name

    def due(self, now: float, era: str) -> list[tuple[Task, Defer]]:
        """Rows to be written, in the order of their numbers; to be asked for right before the statement is sent."""
        for task in list(self._written.values()):
            if task.until <= now:
                del self._written[task.name]
        missing = [task for task in self._missing(era) if task.again <= now]
        asked = [(task, task.ask(now, self._numbers, new=task.name in self._waiting)) for task in missing]
        return sorted(asked, key=lambda pair: pair[1].number)

    def givers(self) -> list[Term]:
        """Leases of which tasks that have no row yet are to get theirs."""
        return [task.term for task in self._waiting.values()]

    def soonest(self, era: str) -> float:
        """When the first of them is due."""
        return min((task.again for task in self._missing(era)), default=math.inf)

    def told(self, sent: float, era: str, asked: Iterable[tuple[Task, Defer]], said: Iterable[Deferred]) -> None:
        """The statement took effect: those not in its answer are to be told again."""
        there = {item.task: item for item in said}
        for task, item in asked:
            found = there.get(item.task)
            if item.lease != item.row:
                task.term.gave(item.lease, None if found is None else found.capacity)
            if found is None:
                task.again, task.giver = sent + AGAIN_SECONDS, None
                continue
            task.era, task.told = era, sent
            if self._waiting.get(task.name) is task:
                self._settle(task)

    def seen(self, sent: float, era: str, asked: Set[str], there: Set[str]) -> None:
        """One look at the rows, sent at `sent`: tasks without one were answered elsewhere, or their time was up."""
        for name in asked - there:
            task = self._written.get(name)
            if task is not None and task.era == era and task.told < sent:
                del self._written[name]

    def _settle(self, task: Task) -> None:
        del self._waiting[task.name]
        task.moved(True)
        if task.answered:
            self.over.add(task.name)
        else:
            self._written[task.name] = task

    def _missing(self, era: str) -> list[Task]:
        return [*self._waiting.values(), *(task for task in self._written.values() if task.era != era)]
