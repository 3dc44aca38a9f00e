"""What the holder of the role does: follows the sources, fires what is due, and gives up what the dead had open.

    the role ─ begins at once ─ what is due? ─ ledger: whose is it? ─ run           until the role is lost
                                    └── next time, change of the view, end of the role: whatever comes first

What it believes never fires anything twice: the ledger takes each planned time once, and only of the newest holder of
the role. It must not know how a run is worked.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from maelstrom.model.cron import Followed, Tick
from maelstrom.model.errors import MaelstromError
from maelstrom.model.source import EventSource
from maelstrom.model.stored import Snapshot
from maelstrom.plan.backoff import Backoff
from maelstrom.plan.cron import Agenda, Timetable, Waits
from maelstrom.sources.cron.clock import ClusterClock
from maelstrom.sources.cron.ports import Ledger, Role, Tell
from maelstrom.sources.cron.request import definition, schedule
from maelstrom.sources.cron.runs import Runs, new_tick
from maelstrom.sources.delivery import Means
from maelstrom.sources.ports import Random, View

log = logging.getLogger("maelstrom.sources")

LONGEST_PAUSE = 10.0  # s between two looks at the clock and at others' open runs
SHORTEST_PAUSE = 0.001
IDLE_SECONDS, NEVER = 1.0, float("-inf")
MOST_REMEMBERED = 10_000
AGAIN = Backoff(first=0.2, cap=5.0)
TICKS_AT_ONCE = 200  # in one transaction
ENTERED_AT_ONCE = 50  # sources, then others may run
PRUNE_FIRINGS = 25  # of one source, then what is too much of its history goes
PRUNE_SECONDS = 3600.0  # then that of all


@dataclass(slots=True)
class Entry:
    """One source as it is planned. `cursor`: up to there all times were decided."""

    source: EventSource
    table: Timetable
    cursor: float
    fired: int = 0


class Planner:
    """`run` until the end; `wake` when anything may have changed."""

    def __init__(
        self,
        ledger: Ledger,
        role: Role,
        clock: ClusterClock,
        runs: Runs,
        tell: Tell,
        *,
        view: View,
        means: Means,
        random: Random,
        zone: ZoneInfo,
    ) -> None:
        self._ledger = ledger
        self._role = role
        self._clock = clock
        self._runs = runs
        self._tell = tell
        self._view = view
        self._means = means
        self._random = random
        self._zone = zone
        self._epoch = -1  # by which all below was planned
        self._entries: dict[int, Entry] = {}
        self._agenda: Agenda[int] = Agenda()
        self._waits = Waits()
        self._unsent: list[Tick] = []  # due, and the ledger's answer is not known
        self._fired: dict[tuple[int, int], None] = {}  # by this process, the oldest first
        self._planned: Snapshot | None = None
        self._looked = self._pruned = NEVER
        self.last_pass = 0.0  # steady clock
        self._wake = asyncio.Event()
        self._stopping = False

    def wake(self) -> None:
        self._wake.set()

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Until stopped. No failure of the database ends it; what else is raised is a defect."""
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(self._watch_role(), name="cron role")
            failures = 0
            while not self._stopping:
                try:
                    await (self._lead(self._role.epoch) if self._role.held else self._idle())
                    failures = 0
                except MaelstromError as error:
                    failures += 1
                    if failures == 1:
                        log.warning("cron cannot plan", extra={"reason": error.message, "hint": error.hint})
                    await self._means.clock.sleep(AGAIN.delay(failures, self._random()))
            watching.cancel()

    async def _watch_role(self) -> None:
        while True:
            await self._role.changed()
            self._wake.set()

    async def _idle(self) -> None:
        """A role that was only doubted for a while may be held again without a word."""
        await self._pause(IDLE_SECONDS)
        self._wake.clear()

    async def _lead(self, epoch: int) -> None:
        """As long as the role is held. Raises what the ledger raises, and then goes on where it was."""
        if epoch != self._epoch:
            await self._ledger.lead(epoch)
            log.info("this node plans cron", extra={"epoch": epoch})
            self._forget()
            self._waits = Waits()
            self._looked = NEVER
            self._epoch = epoch
            self._tell.judge(await self._ledger.failing())
        elif self._unsent:
            self._drop_overdue(await self._clock.now())
        try:
            await self._plan()
        finally:
            if not self.leads:
                log.info("this node plans cron no more", extra={"epoch": epoch})
                self._tell.judge(None)
                self._planned = None  # what cannot be planned is said anew

    async def _plan(self) -> None:
        while self.leads:
            self._wake.clear()
            await self._follow()
            await self._look_at_others()
            now = await self._clock.now()
            if self._clock.stepped_back:
                log.warning("the clock was set back: all is planned anew, and what was fired is not fired again")
                self._clock.stepped_back = False
                self._forget()
                continue
            self._unsent += self._due(now)
            if self._unsent:
                await self._fire()
            else:
                await self._pause(self._next(now))

    @property
    def leads(self) -> bool:
        """Whether it is this node that plans."""
        return self._role.held and self._role.epoch == self._epoch and not self._stopping

    def _forget(self) -> None:
        self._entries.clear()
        self._agenda.clear()
        self._unsent.clear()
        self._planned = None

    # what is planned

    async def _follow(self) -> None:
        """What is new or changed is planned from now on; nothing else is touched."""
        snapshot = self._view.snapshot
        if snapshot is self._planned:
            return
        sources = {one.id: one for one in snapshot.sources.values() if one.type == "cron"}
        enabled = {id: one for id, one in sources.items() if one.enabled}
        gone = self._entries.keys() - enabled.keys()
        if not self._entries:
            gone = sources.keys() - enabled.keys()  # at the beginning: they may have been disabled unseen
        if gone:
            await self._ledger.rest(gone, self._epoch)
            for id in gone & self._entries.keys():
                del self._entries[id]
                self._agenda.drop(id)
            self._unsent = [tick for tick in self._unsent if tick.source not in gone]
        known = self._entries
        if changed := [one for id, one in enabled.items() if id not in known or known[id].source != one]:
            now = await self._clock.now()
            followed = [Followed(one.id, one.version, schedule(one)) for one in changed]
            anchors = await self._ledger.follow(followed, int(now), self._epoch)
            for number, one in enumerate(changed, 1):
                with self._sparing_others(one):
                    self._enter(one, Timetable.of(definition(one), anchors[one.id], self._zone), now)
                    self._tell.planned(one, "")
                if number % ENTERED_AT_ONCE == 0:
                    await asyncio.sleep(0)
        self._planned = snapshot

    def _enter(self, source: EventSource, table: Timetable, now: float) -> None:
        """A time that may have been missed is looked at at once."""
        known = self._entries.get(source.id)
        same = known is not None and known.table.anchor == table.anchor
        cursor = known.cursor if known is not None and same else float(table.anchor.since)
        self._entries[source.id] = Entry(source, table, cursor)
        self._agenda.set(source.id, now if table.due(cursor, now) else table.next_after(now))

    @contextlib.contextmanager
    def _sparing_others(self, source: EventSource) -> Iterator[None]:
        """A schedule was found good when it was put: what is wrong now is this machine's or the code's defect."""
        try:
            yield
        except Exception as error:
            log.exception("a cron source cannot be planned", extra={"source": source.key.full_name})
            self._entries.pop(source.id, None)
            self._agenda.drop(source.id)
            self._tell.planned(source, f"{type(error).__name__}: {error}")

    def _due(self, now: float) -> list[Tick]:
        ticks = []
        for id in self._agenda.pop_due(now):
            entry = self._entries[id]
            with self._sparing_others(entry.source):
                times = [time for time in entry.table.due(entry.cursor, now) if (id, time) not in self._fired]
                self._agenda.set(id, entry.table.next_after(now))
                ticks += [new_tick(self._means, entry.source, planned) for planned in times]
                entry.cursor = now
        return ticks

    def _drop_overdue(self, now: float) -> None:
        """After an outage: what was due before it is fired only where that is still to be made up for."""
        rules = self._entries
        self._unsent = [
            tick
            for tick in self._unsent
            if tick.source in rules and tick.planned in rules[tick.source].table.due(tick.planned - 1, now)
        ]

    def _next(self, now: float) -> float:
        """Seconds until there is something to do."""
        pauses = [LONGEST_PAUSE]
        if (at := self._agenda.next_at) is not None:
            pauses.append(at - now)
        if (soonest := self._waits.soonest()) is not None:
            pauses.append(soonest - self._means.clock.monotonic())
        return max(SHORTEST_PAUSE, min(pauses))

    async def _pause(self, seconds: float) -> None:
        self.last_pass = self._means.clock.monotonic()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    # what is done

    async def _fire(self) -> None:
        """A tick is sent until its answer is known, by the same id: so none is taken for somebody else's."""
        crowded: set[int] = set()
        while self._unsent and self.leads:
            few = self._unsent[:TICKS_AT_ONCE]
            promised_at = self._means.clock.monotonic()
            opened = await self._ledger.open(few, self._epoch, self._clock.guess())
            del self._unsent[: len(few)]
            for one in opened:
                self._remember(one.tick)
                entry = self._entries[one.tick.source]
                entry.fired += 1
                if entry.fired % PRUNE_FIRINGS == 0:
                    crowded.add(one.tick.source)
                self._tell.begin(entry.source, one, promised_at)
        if crowded:
            await self._ledger.prune(self._clock.guess(), crowded)

    def _remember(self, tick: Tick) -> None:
        """A database that has lost its last commits does not know of it any more."""
        self._fired[tick.source, tick.planned] = None
        if len(self._fired) > MOST_REMEMBERED:
            del self._fired[next(iter(self._fired))]

    async def _look_at_others(self) -> None:
        """Now and then: the runs of processes that are gone are over when they have stood still for their promise."""
        now = self._means.clock.monotonic()
        soonest = self._waits.soonest()
        if now - self._looked < LONGEST_PAUSE and (soonest is None or now < soonest):
            return
        rows = await self._ledger.open_runs()
        self._looked = now
        unsent = {tick.id for tick in self._unsent}
        others = [row for row in rows if row.id not in self._runs and row.id not in unsent]
        self._waits.see(others, self._means.clock.monotonic())
        if over := self._waits.over(self._means.clock.monotonic()):
            log.warning("runs that nobody ends are given up", extra={"runs": [run.id for run in over]})
            await self._ledger.give_up(over, self._clock.guess())
        if now - self._pruned >= PRUNE_SECONDS:
            self._pruned = now
            await self._ledger.prune(self._clock.guess())
