"""SQS in memory, in the loop's own time: what is hidden comes back, groups of FIFO queues keep their order.

It passes the contract of the real client (tests/contract/sources).
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from maelstrom.model.errors import MaelstromError, MessageGone, QueueMissing
from maelstrom.sources.ports import Place, QueueMessage, Told

PREFIX = "https://sqs.test/1/"


@dataclass(eq=False, slots=True)
class Sent:
    """One message and what became of it. `visible_at` in the loop's time."""

    id: str
    body: str
    group: str
    visible_at: float
    receipt: str = ""
    receives: int = 0
    deleted: bool = False
    hidden: list[int] = field(default_factory=list)  # seconds of each change of its visibility


class FakeSqs:
    """`troubles[method]`: errors of the next calls; `calls`: how often each was called; `asked`: queue and wait."""

    def __init__(self, *queues: str) -> None:
        self.queues: dict[str, list[Sent]] = {name: [] for name in queues}
        self.calls: Counter[str] = Counter()
        self.asked: list[tuple[str, int, int]] = []
        self.troubles: dict[str, deque[MaelstromError]] = {}
        self._news = asyncio.Event()

    # by tests

    def make(self, name: str) -> None:
        self.queues.setdefault(name, [])

    def remove(self, name: str) -> None:
        del self.queues[name]
        self._tell()

    def send(self, name: str, body: str = "{}", *, group: str = "") -> Sent:
        sent = Sent(f"m-{sum(map(len, self.queues.values()))}", body, group, 0.0)
        self.queues[name].append(sent)
        self._tell()
        return sent

    def steal(self, sent: Sent) -> None:
        """Another one receives the message."""
        sent.receipt = "somebody else's"

    def fail_next(self, method: str, *errors: MaelstromError) -> None:
        self.troubles.setdefault(method, deque()).extend(errors)

    # by the source

    def at(self, place: Place) -> FakeSqs:
        return self

    async def find(self, name: str) -> str:
        self._count("find")
        self._queue(PREFIX + name)
        return PREFIX + name

    async def find_all(self, prefix: str) -> list[str]:
        self._count("find_all")
        return [PREFIX + name for name in self.queues if name.startswith(prefix)]

    async def receive(self, queue: str, *, most: int, wait: int, visibility: int) -> Sequence[QueueMessage]:
        self._count("receive")
        self.asked.append((queue.removeprefix(PREFIX), wait, most))
        loop = asyncio.get_running_loop()
        until = loop.time() + wait
        while True:
            await asyncio.sleep(0.01)  # on its way
            if taken := self._take(queue, most, visibility):
                return taken
            if loop.time() >= until:
                return []
            later = [sent.visible_at for sent in self._queue(queue) if not sent.deleted]
            soon = min([until, *(at for at in later if at > loop.time())])
            news = self._news
            try:
                async with asyncio.timeout_at(soon):
                    await news.wait()
            except TimeoutError:
                continue

    async def delete(self, queue: str, receipts: Sequence[str]) -> Told:
        self._count("delete")
        assert len(receipts) <= 10
        told: list[MaelstromError | None] = []
        for receipt in receipts:
            sent = self._held(queue, receipt)
            expired = queue.endswith(".fifo") and sent is not None and sent.visible_at <= self._now()
            told.append(MessageGone("the receipt handle has expired") if expired else None)
            if sent is not None and not expired:
                sent.deleted = True
        self._tell()
        return told

    async def hide(self, queue: str, receipts: Sequence[tuple[str, int]]) -> Told:
        self._count("hide")
        assert len(receipts) <= 10
        told: list[MaelstromError | None] = []
        for receipt, seconds in receipts:
            sent = self._held(queue, receipt)
            if sent is None or sent.visible_at <= self._now():
                told.append(MessageGone("it is not in flight"))
                continue
            sent.visible_at = self._now() + seconds
            sent.hidden.append(seconds)
            told.append(None)
        self._tell()
        return told

    def _take(self, queue: str, most: int, visibility: int) -> list[QueueMessage]:
        now, blocked, taken = self._now(), set[str](), list[Sent]()
        for sent in self._queue(queue):
            if sent.deleted or (sent.group in blocked and queue.endswith(".fifo")):
                continue
            if sent.visible_at > now:
                blocked.add(sent.group)
            elif len(taken) < most:
                taken.append(sent)
        for sent in taken:
            sent.receives += 1
            sent.receipt = f"{sent.id}/{sent.receives}"
            sent.visible_at = now + visibility
        return [QueueMessage(queue, sent.id, sent.receipt, sent.body, sent.receives, 1.0, sent.group) for sent in taken]

    def _held(self, queue: str, receipt: str) -> Sent | None:
        return next((sent for sent in self._queue(queue) if sent.receipt == receipt and not sent.deleted), None)

    def _queue(self, url: str) -> list[Sent]:
        name = url.removeprefix(PREFIX)
        if name not in self.queues:
            raise QueueMissing(f"{name}: the specified queue does not exist")
        return self.queues[name]

    def _count(self, method: str) -> None:
        self.calls[method] += 1
        if troubles := self.troubles.get(method):
            raise troubles.popleft()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
