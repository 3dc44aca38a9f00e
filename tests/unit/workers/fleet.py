"""A main pool, its lender and some workers, with the messages between them in the hands of the test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from maelstrom.activation.instance import Instance
from maelstrom.activation.pool import Pool
from maelstrom.model.component import Component, ComponentDefinition, ComponentKey
from maelstrom.model.errors import MaelstromError
from maelstrom.model.instance import Address
from maelstrom.workers.borrower import Borrower
from maelstrom.workers.branch import Branch
from maelstrom.workers.lender import Lender
from maelstrom.workers.lent import LentPool
from maelstrom.workers.messages import Decoder, Message, encode

KEY = ComponentKey("shop", "web")
NAME = KEY.full_name


def component(**fields: Any) -> Component:
    return Component(KEY, 1, 1, ComponentDefinition.model_validate({"image": "web:1", **fields}))


class Caller:
    """A request: waits, is granted or refused once, and ends."""

    patient = False

    def __init__(self, left: float = 300.0, key: bytes = b"") -> None:
        self.instance: Instance | None = None
        self.error: MaelstromError | None = None
        self.told = 0
        self.left = left
        self.key = key

    def granted(self, instance: Instance) -> None:
        self.told += 1
        self.instance = instance

    def refused(self, error: MaelstromError) -> None:
        self.told += 1
        self.error = error

    def seconds_left(self) -> float:
        return self.left

    def fairness_key(self, by: str) -> bytes:
        return self.key


class FakeWorker:
    """One worker process: what it was sent and has not read yet, what it sent and nobody has read yet."""

    def __init__(self, fleet: Fleet, definition: Component) -> None:
        self.fleet = fleet
        self.inbox: list[Message] = []
        self.outbox: list[Message] = []
        self.planned = {False: 0, True: 0}  # how many of each box are on their way (for whoever plans it)
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.borrower = Borrower(self.outbox.append, lambda: fleet.now, self.later)
        self.borrower.follow([definition], [])
        self.branch: Branch = fleet.lender.join(self.sent)
        self.waiting: list[Caller] = []
        self.open: list[Caller] = []
        self.doubted: Counter[str] = Counter()  # how often it has called an instance suspect
        self.cleared: Counter[str] = Counter()  # how many of these had been heard when the engine confirmed it

    def sent(self, message: Message) -> None:
        """By the main process."""
        self.fleet.sent += 1
        self.inbox.append(through_the_wire(message))

    @property
    def pool(self) -> LentPool:
        return self.borrower.pools[NAME]

    def later(self, seconds: float, callback: Callable[[], None]) -> None:
        self.timers.append((self.fleet.now + seconds, callback))

    def time_passes(self) -> None:
        """What is due now is done."""
        due = [callback for at, callback in self.timers if at <= self.fleet.now]
        self.timers = [(at, callback) for at, callback in self.timers if at > self.fleet.now]
        for callback in due:
            callback()

    def ask(self, caller: Caller) -> None:
        """A request comes."""
        try:
            instance = self.pool.claim(caller)
        except MaelstromError as error:
            caller.refused(error)
            return
        if instance is not None:
            caller.granted(instance)
        self.waiting.append(caller)
        self.sort()

    def end(self, caller: Caller) -> None:
        """It has been answered."""
        self.open.remove(caller)
        assert caller.instance is not None
        self.pool.release(caller.instance, self.fleet.now)
        self.sort()

    def leave(self, caller: Caller) -> None:
        """It goes away before its turn has come."""
        self.waiting.remove(caller)
        self.pool.withdraw(caller)

    def doubt(self, caller: Caller) -> None:
        """The exchange of this caller breaks off."""
        instance = caller.instance
        assert instance is not None
        if instance.state == "ready" and not instance.suspect:
            self.doubted[instance.id] += 1
        self.pool.suspect(instance)

    def sort(self) -> None:
        begun = [caller.instance for caller in self.waiting if caller.instance is not None]
        for instance in begun:
            assert self.cleared[instance.id] >= self.doubted[instance.id], "begun on an instance that is suspect"
        self.open += [caller for caller in self.waiting if caller.instance is not None]
        self.waiting = [caller for caller in self.waiting if not caller.told]

    def read(self) -> None:
        """One message of the main process."""
        kind, *rest = self.inbox.pop(0)
        {
            "instance": self.borrower.introduce,
            "grant": self.borrower.grant,
            "refuse": self.borrower.refuse,
            "press": self.borrower.press,
            "idle": self.borrower.idle,
            "recall": self.borrower.recall,
            "gone": self.borrower.gone,
        }[kind](*rest)
        self.sort()

    def uses(self) -> Counter[str]:
        return Counter(caller.instance.id for caller in self.open if caller.instance is not None)


class Fleet:
    """`workers` processes beside the main one, and the containers, which know how many requests they really have."""

    def __init__(self, workers: int, limits: list[int], **fields: Any) -> None:
        self.now = 100.0
        self.sent = 0  # messages, both ways
        self.component = component(**fields)
        self.pool = Pool(self.component, lambda _: None, lambda _: None)
        self.lender = Lender(lambda name: self.pool if name == NAME else None, lambda: self.now)
        self.workers = [FakeWorker(self, self.component) for _ in range(workers)]
        self.dead: list[tuple[FakeWorker, Counter[str]]] = []  # with what containers still hold of them
        self.own: list[Caller] = []
        self.own_waiting: list[Caller] = []
        self.made: list[Instance] = []
        self.heard: list[tuple[FakeWorker, str]] = []  # who called which instance suspect, since it was last confirmed
        for limit in limits:
            self.start(limit)

    def start(self, limit: int) -> Instance:
        instance = Instance(f"i{len(self.made)}", KEY, 1, "f", limit)
        instance.address = Address("10.0.0.1", 8000 + len(self.made))
        instance.state = "ready"
        self.made.append(instance)
        self.pool.instances.append(instance)
        self.pool.grant()
        self.sort()
        return instance

    def hear(self, worker: FakeWorker) -> None:
        """The main process reads one message of that worker."""
        self.sent += 1
        kind, *rest = through_the_wire(worker.outbox.pop(0))
        if kind == "suspect":
            self.heard.append((worker, rest[0]))
        {
            "want": self.lender.want,
            "unwant": self.lender.unwant,
            "more": self.lender.more,
            "back": self.lender.back,
            "suspect": self.lender.suspect,
            "told": self.lender.told,
            "quiet": self.lender.quiet,
        }[kind](worker.branch, *rest)
        self.sort()

    def ask(self, caller: Caller) -> None:
        """A source's request, in the main process itself."""
        instance = self.pool.claim(caller)
        if instance is not None:
            caller.granted(instance)
        self.own_waiting.append(caller)
        self.sort()

    def end(self, caller: Caller) -> None:
        self.own.remove(caller)
        assert caller.instance is not None
        self.pool.release(caller.instance, self.now)
        self.sort()

    def sort(self) -> None:
        self.own += [caller for caller in self.own_waiting if caller.instance is not None]
        self.own_waiting = [caller for caller in self.own_waiting if not caller.told]

    def crash(self, worker: FakeWorker, unsent: int) -> None:
        """The last `unsent` messages were never written; what it had open, containers still work on."""
        self.workers.remove(worker)
        for _ in range(len(worker.outbox) - unsent):
            self.hear(worker)
        self.lender.silent(worker.branch)
        self.dead.append((worker, worker.uses()))
        self.sort()

    def reap(self, worker: FakeWorker, uses: Counter[str]) -> bool:
        """Its process has been waited for; whether all of its slots are back."""
        held = {(i.address.host, i.address.port): uses[i.id] for i in self.made if uses[i.id]}
        left = self.lender.settle(worker.branch, held)
        self.sort()
        return not left

    def settle(self) -> None:
        """All messages arrive."""
        while any(w.inbox or w.outbox for w in self.workers):
            for worker in self.workers:
                while worker.inbox:
                    worker.read()
                while worker.outbox:
                    self.hear(worker)

    def wait(self, seconds: float) -> None:
        """That time passes, and all messages arrive."""
        self.now += seconds
        for worker in self.workers:
            worker.time_passes()
        self.settle()

    def confirm(self) -> None:
        """The engine says that all instances run where they did."""
        for worker, id in self.heard:
            worker.cleared[id] += 1
        self.heard.clear()
        for instance in self.pool.instances:
            instance.suspect = False
        self.pool.grant()
        self.sort()

    def uses(self) -> Counter[str]:
        """What every container really has to work on."""
        total = Counter(caller.instance.id for caller in self.own if caller.instance is not None)
        for worker in self.workers:
            total += worker.uses()
        for _, uses in self.dead:
            total += uses
        return total


def through_the_wire(message: Message) -> Message:
    (received,) = Decoder().feed(encode([message]))
    return received
