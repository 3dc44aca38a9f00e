"""One start of one container, from its image to its first good answer, with a receipt or a black box.

Raises what went wrong; whatever happens, a container that did not become ready is removed. It must not know of pools,
queues or plans.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from maelstrom.activation.governor import Governor
from maelstrom.activation.images import Images
from maelstrom.activation.instance import Instance
from maelstrom.activation.urgency import Urgency
from maelstrom.model.component import Component
from maelstrom.model.errors import EngineUnavailable, MaelstromError, StartFailed
from maelstrom.model.instance import Address, BlackBox, Receipt
from maelstrom.runtime.port import Observed, Runtime
from maelstrom.runtime.process import has_ended, own_process
from maelstrom.runtime.ready import ReadyTimeout, wait_ready

log = logging.getLogger("maelstrom.activation")

LOG_TAIL_LINES = 20
WAKE_SECONDS = 15.0  # for the first good answer of one that was frozen: as for any check of one that runs


class Starter:
    """Starts containers through the runtime, a few at a time."""

    def __init__(
        self,
        runtime: Runtime,
        images: Images,
        governor: Governor,
        monotonic: Callable[[], float],
        runs: Callable[[Component, str, float], None],
    ) -> None:
        """`runs` is told of each container as soon as it runs, with the time since which its log is new."""
        self._runtime = runtime
        self._images = images
        self._governor = governor
        self._monotonic = monotonic
        self._runs = runs
        self._starting: dict[str, asyncio.Event] = {}  # container -> set when the engine says that it ended

    def died(self, container: str) -> bool:
        """The engine says that the container ended; True if it was being started."""
        event = self._starting.get(container)
        if event is None:
            return False
        event.set()
        return True

    def look(self) -> None:
        """Somebody waits who did not before: his start may be the next."""
        self._governor.look()

    async def start(self, component: Component, instance: Instance, urgency: Callable[[], Urgency]) -> None:
        """Makes `instance` run; fills in its container, address and receipt. Raises what went wrong."""
        mark = _Stopwatch(self._monotonic, instance.receipt.phases)
        async with self._governor.turn(urgency):
            mark("queue")
            try:
                await self._create_and_start(component, instance, urgency, mark)
            except BaseException:
                # also when cancelled: nothing may be left that nobody knows of
                if instance.container:
                    await asyncio.shield(self._discard(instance.container))
                raise
            finally:
                self._starting.pop(instance.container, None)

    async def adopt(self, component: Component, instance: Instance) -> None:
        """The same end for a container that runs already: ready only after a good answer."""
        mark = _Stopwatch(self._monotonic, instance.receipt.phases)
        ended = self._starting[instance.container] = asyncio.Event()
        self._runs(component, instance.container, time.time())
        try:
            await self._until_ready(component, instance, ended, mark)
            instance.started_at = time.time()
        except BaseException:
            await asyncio.shield(self._discard(instance.container))
            raise
        finally:
            self._starting.pop(instance.container, None)

    def adopted(self, component: Component, instance: Instance) -> None:
        """It is frozen, and needs no answer before it is woken."""
        self._runs(component, instance.container, time.time())

    async def wake(self, component: Component, instance: Instance) -> None:
        """The same end for one that is frozen, with a receipt of its own. Raises what went wrong; it is left as it is.

        The time for its first answer begins when it is awake.
        """
        instance.receipt = Receipt()
        mark = _Stopwatch(self._monotonic, instance.receipt.phases)
        ended = self._starting[instance.container] = asyncio.Event()
        try:
            if not await self._runtime.thaw(instance.container):
                raise StartFailed(f"{instance.component.full_name} has ended while it was frozen")
            mark("wake")
            await self._until_ready(component, instance, ended, mark, most=WAKE_SECONDS)
        finally:
            self._starting.pop(instance.container, None)

    async def _create_and_start(
        self, component: Component, instance: Instance, urgency: Callable[[], Urgency], mark: _Stopwatch
    ) -> None:
        instance.container = await self._images.create(component, instance.id, mark, urgency)
        mark("create")
        ended = self._starting[instance.container] = asyncio.Event()
        observed = await self._runtime.start(instance.container)
        mark("start")
        self._runs(component, instance.container, 0.0)
        if not observed.running:
            raise await self._failed(instance, f"{_how(observed)} at start", observed, "")
        take_observed(instance, observed)
        await self._until_ready(component, instance, ended, mark)
        instance.started_at = time.time()

    async def _until_ready(
        self,
        component: Component,
        instance: Instance,
        ended: asyncio.Event,
        mark: _Stopwatch,
        most: float = float("inf"),
    ) -> None:
        seconds = min(most, component.definition.httpstarthealthcheckseconds)
        if seconds >= 0:
            try:
                phases = await wait_ready(
                    instance.address, component.definition.httphealthcheckpath, seconds=seconds, ended=ended
                )
            except ReadyTimeout as error:
                observed = await self._runtime.inspect(instance.container)
                why = str(error)
                if observed is not None and not observed.running:
                    why = f"{_how(observed)} before it gave a good answer"
                raise await self._failed(instance, why, observed, error.last_probe) from None
            instance.receipt.phases.update(phases)
            mark.restart()
        # the address is trusted only if the answer came from this very run
        if instance.processes and all(instance.processes) and not any(map(has_ended, instance.processes)):
            return  # its processes are seen: while they are there, the engine gives the address to nobody else
        observed = await self._runtime.inspect(instance.container)
        if observed is None or not same_run(instance, observed):
            raise await self._failed(instance, f"{_how(observed)} while it started", observed, "")

    async def _failed(self, instance: Instance, why: str, observed: Observed | None, last_probe: str) -> StartFailed:
        oom = observed is not None and observed.oom_killed
        if oom:
            why = f"{why} (out of memory)"
        if observed is not None and observed.error:
            why = f"{why}: {observed.error}"
        try:
            tail = await self._runtime.log_tail(instance.container, LOG_TAIL_LINES)
        except MaelstromError as error:
            tail = (f"(no log: {error.message})",)
        instance.black_box = BlackBox(
            reason=why,
            exit_code=observed.exit_code if observed is not None else None,
            oom_killed=oom,
            log_tail=tail,
            last_probe=last_probe,
            at=time.time(),
        )
        said = f"; last log line: {tail[-1][:200]}" if tail else ""
        return StartFailed(f"{instance.component.full_name} did not start: {why}{said}")

    async def _discard(self, container: str) -> None:
        try:
            await self._runtime.remove(container)
        except EngineUnavailable:
            return  # the next full list finds and removes it


def _how(observed: Observed | None) -> str:
    """How a container ended that should run."""
    if observed is None or observed.exit_code is None:
        return "is gone" if observed is None else "was cut off"
    return f"exited with code {observed.exit_code}"


class _Stopwatch:
    """Writes the ms since the last mark into a receipt."""

    def __init__(self, monotonic: Callable[[], float], phases: dict[str, float]) -> None:
        self._monotonic = monotonic
        self._phases = phases
        self._last = monotonic()

    def __call__(self, phase: str) -> None:
        now = self._monotonic()
        self._phases[phase] = round(self._phases.get(phase, 0.0) + (now - self._last) * 1000, 3)
        self._last = now

    def restart(self) -> None:
        self._last = self._monotonic()


def take_observed(instance: Instance, observed: Observed) -> None:
    """What the engine says of a running container, into the instance."""
    instance.container = observed.container
    instance.run = observed.started_at
    instance.image_id = observed.image_id
    lenders = [own_process(observed.sandbox_pid, observed.sandbox)] if observed.sandbox else []
    instance.processes = (own_process(observed.pid, observed.container), *lenders)
    instance.address = observed.address or Address("", 0)
    if observed.address is None:
        raise StartFailed(
            f"{instance.component.full_name} has no network address that the daemon reaches",
            hint="networkname must be a network that gives the container an address",
        )


def same_run(instance: Instance, observed: Observed) -> bool:
    """Whether this is still the very container, run and address that the instance stands for (F121)."""
    return (
        observed.running
        and observed.container == instance.container
        and observed.started_at == instance.run
        and observed.address == instance.address
    )


def as_start_failed(instance: Instance, error: Exception) -> StartFailed:
    """What the callers who waited are told; a fault of our own is logged with all its details."""
    if isinstance(error, StartFailed):
        return error
    name = instance.component.full_name
    if isinstance(error, MaelstromError):
        return StartFailed(f"{name} did not start: {error.message}", hint=error.hint, cause=error.code)
    log.error("%s: internal error while it started", name, exc_info=error)
    return StartFailed(f"{name} did not start: internal error", cause="internal")
