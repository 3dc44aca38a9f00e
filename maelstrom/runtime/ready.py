"""Whether a container answers: the wait for its first good answer, and the look at one that runs.

A good answer is a 200 to GET of the health path, redirects within the same address followed. It must not know of the
engine: that a container has ended is told by an event, for its address may be another's a moment later (F121).
"""

from __future__ import annotations

import asyncio
import time

from maelstrom.model.instance import Address
from maelstrom.runtime.health_request import BadAnswer, NotOpen, get

TRY_SECONDS = 15.0  # one answer; then another connection may be luckier
FIRST_PAUSE = 0.001
SHARE_OF_WAIT = 0.02  # a pause is at most this share of the time already waited: what polling costs is bounded by it
LEAST_CAP = 0.004
MOST_CAP = 0.05
LONG_SECONDS = 0.2  # a try that is given up so late was waiting for an answer
BAD_ANSWER_CAP = 0.25  # the application is up and says that it is not ready yet


class ReadyTimeout(Exception):
    """No good answer came. `last_probe`: what was seen last. `ended`: the container ended, so none will come."""

    def __init__(self, message: str, *, last_probe: str, ended: bool = False) -> None:
        super().__init__(message)
        self.last_probe = last_probe
        self.ended = ended


async def wait_ready(
    address: Address, path: str, *, seconds: float, ended: asyncio.Event | None = None
) -> dict[str, float]:
    """How long it took, in ms: `port_open` until somebody listened, `first_ok` from then to the first good answer.

    Raises ReadyTimeout after `seconds`, or at once when `ended` is set.
    """
    wait = _Wait(address, path)
    try:
        async with asyncio.timeout(seconds):
            if ended is None:
                return await wait.run()
            return await _unless(ended, wait)
    except TimeoutError:
        raise ReadyTimeout(f"no good answer within {seconds:g} s", last_probe=wait.last) from None


async def probe(address: Address, path: str, seconds: float = TRY_SECONDS) -> str:
    """What is wrong with a container that runs; empty if it gave a good answer within `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            answer = await get(address, path)
    except TimeoutError:
        return f"no answer within {seconds:g} s"
    except (NotOpen, BadAnswer) as error:
        return str(error)
    return "" if answer.status == 200 else answer.text


async def _unless(ended: asyncio.Event, wait: _Wait) -> dict[str, float]:
    async with asyncio.TaskGroup() as group:
        run = group.create_task(wait.run(), name="wait for the first good answer")
        end = group.create_task(ended.wait(), name="wait for the end of a container")
        await asyncio.wait((run, end), return_when=asyncio.FIRST_COMPLETED)
        run.cancel()
        end.cancel()
    if run.cancelled() or ended.is_set():
        raise ReadyTimeout("exited before it gave a good answer", last_probe=wait.last, ended=True)
    return run.result()


class _Wait:
    """One wait: `last` is what was seen last, in words."""

    def __init__(self, address: Address, path: str) -> None:
        self.last = ""
        self._address = address
        self._path = path
        self._began = time.monotonic()
        self._opened: float | None = None

    async def run(self) -> dict[str, float]:
        pause = FIRST_PAUSE
        while True:
            tried = time.monotonic()
            good, cap = await self._try()
            now = time.monotonic()
            if good:
                opened = tried if self._opened is None else self._opened
                return {"port_open": _ms(opened - self._began), "first_ok": _ms(now - opened)}
            cap = cap or min(MOST_CAP, max(LEAST_CAP, (now - self._began) * SHARE_OF_WAIT))
            await asyncio.sleep(min(pause, cap))
            pause *= 2

    async def _try(self) -> tuple[bool, float]:
        """Whether it was good, and the longest pause before the next try (0: by the time waited)."""
        tried = time.monotonic()
        try:
            async with asyncio.timeout(TRY_SECONDS):
                answer = await get(self._address, self._path)
        except asyncio.CancelledError:  # the time for all tries is over: what was seen before is not what is wrong
            waited = time.monotonic() - tried
            if waited > LONG_SECONDS:
                self.last = f"no answer within {waited:.1f} s"
            raise
        except NotOpen as error:
            self._opened = None
            self.last = str(error)
            return False, 0.0
        except (BadAnswer, TimeoutError) as error:
            self.last = str(error) or f"no answer within {TRY_SECONDS:g} s"
        else:
            self.last = answer.text
            if answer.status == 200:
                return True, 0.0
        if self._opened is None:
            self._opened = tried
        return False, BAD_ANSWER_CAP


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
