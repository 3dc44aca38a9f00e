"""The session of this process: opened, believed in, lost, followed by another; its statements one at a time.

Each statement that takes effect is a beat. While one is not answered its outcome is unknown, and the next thing to do
is to read the own rows again: they are the truth. A session found dead is followed by a new one, which takes over the
rows of the former where they still are. It must not know what leases are used for.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar
from uuid import uuid4

from maelstrom.leases.history import History
from maelstrom.leases.statements import Ground, Me, NewSession, OwnLease, Statements
from maelstrom.leases.term import NEVER
from maelstrom.leases.trust import Trust
from maelstrom.model.clock import Clock
from maelstrom.model.errors import StateInUse, Unavailable

log = logging.getLogger("maelstrom.leases")

T = TypeVar("T")

REMEMBER_SECONDS = 3600.0  # a session of mine that is gone within this time was not forgotten, but lost with commits


@dataclass(frozen=True, slots=True)
class Identity:
    """Who opens sessions: `state_dir` is the id of the state directory that this process has alone."""

    node: str
    state_dir: str
    boot: str
    version: str


class Rows(Protocol):
    """Who keeps the leases of the session."""

    def are(self, rows: Sequence[OwnLease]) -> None:
        """These are all own rows; none has been confirmed or extended since."""
        ...

    def lost(self) -> None:
        """None is ours any more; they stay, and promise what they promised."""
        ...

    def promises(self, now: float) -> dict[int, int]:
        """For each source with requests in flight the `busy_ms` that covers them."""
        ...


class OwnSession:
    """Not safe for two callers at once: its owner sends one thing after the other."""

    def __init__(
        self,
        statements: Statements,
        identity: Identity,
        rows: Rows,
        history: History,
        *,
        clock: Clock,
        ttl_seconds: float,
    ) -> None:
        self.history = history
        self.trust = Trust(ttl_seconds)
        self.me: Me | None = None
        self.leaving = False
        self.lossless = False  # a failover loses no commits: a new era then waits for the ttl only
        self.unsure = False  # a statement was sent and its outcome is not known
        self.doubted = False  # somebody saw the database go back in time
        self._server = ""
        self._statements = statements
        self._identity = identity
        self._rows = rows
        self._clock = clock
        self._ttl_ms = round(ttl_seconds * 1000)
        self._formers: set[str] = set()  # own sessions that are over and may have left rows
        self.last_success = NEVER  # when the last statement that took effect was sent

    async def recover(self) -> bool:
        """One step towards a living session whose rows are known; False if there is one.

        Raises what the registry raises, and StateInUse if another live node has the name.
        """
        if self.me is None:
            await self._open()
        elif self.doubted:
            await self._believed_ground()
        elif self.unsure:
            await self._reread(self.me)
        elif self._formers:
            await self._adopt()
        else:
            return False
        return True

    def looked(self, era: str, flushed: int, before: int) -> None:
        """What an observer read of the database's history; `before`: how far it was known when that was sent."""
        if self.me is None or era != self.me.era:
            return
        seen = Ground(era, current=True, durable=True, writable=True, server=self._server, flushed=flushed)
        if self.history.contradicts(seen, before):
            self.doubted = True
            self.trust.end()
        else:
            self.history.heard(self._clock.monotonic(), seen)

    async def send(self, call: Callable[[Me], Awaitable[T | None]]) -> tuple[float, T] | None:
        """One guarded statement: when it was sent, and its answer. None if it was void.

        After None or an error `recover` finds out what is true.
        """
        assert self.me is not None
        sent = self._clock.monotonic()
        self.unsure = True
        answer = await call(self.me)
        if answer is None:
            return None
        self.unsure = False
        self.me = replace(self.me, beat=self.me.beat + 1)
        self._succeeded(sent)
        return sent, answer

    async def end(self, rows: Sequence[str]) -> None:
        """Releases these rows and ends the session, so that nobody has to wait for it; then there is none."""
        if await self.send(lambda me: self._statements.release(me, rows, end=True)) is not None:
            self._lose()

    def _succeeded(self, sent: float) -> None:
        self.last_success = sent
        self.trust.answered(sent)

    async def _open(self) -> None:
        ground = await self._believed_ground()
        if ground is None:
            return
        identity = self._identity
        new = NewSession(uuid4().hex, identity.node, identity.state_dir, identity.boot, identity.version, self._ttl_ms)
        sent = self._clock.monotonic()
        if await self._statements.open_session(new, ground.era):
            self.me, self.unsure = Me(new.id, 0, ground.era), False
            self._succeeded(sent)
            log.info("session opened", extra={"session": new.id, "node": identity.node})
            return
        for row in await self._statements.sessions():
            if row.alive and row.node == identity.node and row.state_dir != identity.state_dir:
                raise StateInUse(f"another live node of the cluster has the name {identity.node}")

    def _lose(self) -> None:
        assert self.me is not None
        self._formers.add(self.me.session)
        self.me, self.unsure = None, False
        self.trust.end()
        self._rows.lost()

    async def _reread(self, me: Me) -> None:
        """The truth after an unknown outcome: read, then beat so that late statements are void, then read again."""
        own = await self._statements.own(me.session)
        if own is None or own.beat < me.beat:
            if self._clock.monotonic() - self.last_success < REMEMBER_SECONDS:
                await self._raise_era(me.era, "the own session is gone or behind: commits were lost")
            self._lose()
            return
        if not own.alive:
            log.warning("the session was taken for dead, a new one begins", extra={"session": me.session})
            self._lose()
            return
        self.me = replace(me, beat=own.beat)
        if await self.send(lambda now: self._statements.beat(now, leaving=self.leaving)) is not None:
            await self._settle()
            return
        await self._believed_ground()

    async def _believed_ground(self) -> Ground | None:
        """What the server says of itself; None after it began a new era, as another one or one that went back."""
        flushed = self.history.flushed
        ground = await self._statements.ground()
        _refuse_unsafe(ground)
        self.doubted = False
        reason = "" if ground.current else "the database's server or timeline is another one"
        if reason := reason or self.history.contradicts(ground, flushed):
            await self._raise_era(ground.era, reason)
            return None
        self.history.heard(self._clock.monotonic(), ground)
        self._server = ground.server
        return ground

    async def _settle(self) -> None:
        """Right after a statement that took effect, when all earlier ones are void: the own rows as they now stay."""
        assert self.me is not None
        self.unsure = True
        own = await self._statements.own(self.me.session)
        if own is not None and own.alive and own.beat == self.me.beat:
            self.unsure = False
            self._rows.are(own.leases)

    async def _adopt(self) -> None:
        """An adoption's answer may be lost, too: each session stays a former one until it is confirmed."""
        promises = self._rows.promises(self._clock.monotonic())
        formers = sorted(self._formers)
        if await self.send(lambda me: self._statements.adopt(me, formers, promises)) is not None:
            self._formers.difference_update(formers)
            await self._settle()

    async def _raise_era(self, seen: str, reason: str) -> None:
        log.error("the database went back in time: waiting until what it may have lost is over", extra={"why": reason})
        await self._statements.raise_era(seen, self._ttl_ms, lost=not self.lossless)


def _refuse_unsafe(ground: Ground) -> None:
    if not ground.writable:
        raise Unavailable("the database only reads now", hint="name all hosts of the cluster in MAEL_DATABASE_URL")
    if not ground.durable:
        raise Unavailable(
            "the database confirms commits that a crash would lose, so no limit can be kept",
            hint="set synchronous_commit to on in PostgreSQL",
        )


def boot_id() -> str:
    """Which boot of the machine this is; empty where the system does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
