"""The end of a container: stopped on purpose, buried after it died, or looked at again because an exchange broke.

It must not know of pools or plans.
"""

from __future__ import annotations

import asyncio
import logging
import time

from maelstrom.activation.instance import Instance
from maelstrom.activation.starts import LOG_TAIL_LINES, same_run
from maelstrom.model.component import ComponentDefinition
from maelstrom.model.errors import MaelstromError
from maelstrom.model.instance import BlackBox
from maelstrom.runtime.port import Runtime
from maelstrom.runtime.process import is_over

log = logging.getLogger("maelstrom.activation")

FAILED_COMMAND_SECONDS = 60.0
FAILED_COMMAND_PAUSE_SECONDS = 2.0


class Stopper:
    """Ends containers through the runtime."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._verifying: set[str] = set()

    async def stop(self, definition: ComponentDefinition, instance: Instance) -> None:
        """Stops with the component's grace and removes. Raises what the runtime raises."""
        if instance.health_failures >= definition.httphealthcheckmaxfailures and definition.healthcheckfailedcommand:
            await self._run_failed_command(definition.healthcheckfailedcommand, instance)
        await self._runtime.stop(instance.container, definition.stopgraceseconds)

    async def _run_failed_command(self, command: tuple[str, ...], instance: Instance) -> None:
        try:
            code = await self._runtime.exec(instance.container, command, FAILED_COMMAND_SECONDS)
        except MaelstromError as error:
            log.warning("%s: healthcheckfailedcommand: %s", instance.component.full_name, error.message)
        else:
            log.info("%s: healthcheckfailedcommand ended with %d", instance.component.full_name, code)
        # what the command set off (a dump, a last word) has a moment before the stop
        await asyncio.sleep(FAILED_COMMAND_PAUSE_SECONDS)

    async def same(self, instance: Instance) -> bool | None:
        """Whether the engine says that this very container still runs where it did; None: it cannot say now.

        It says so of a container, too, whose end it has not heard of yet.
        """
        self._verifying.add(instance.id)
        try:
            observed = await self._runtime.inspect(instance.container)
        except MaelstromError as error:
            log.warning("%s: cannot be looked at: %s", instance.component.full_name, error.message)
            return None
        finally:
            self._verifying.discard(instance.id)
        if observed is None or not same_run(instance, observed):
            return False
        return None if any(map(is_over, instance.processes)) else True

    def verifying(self, instance: Instance) -> bool:
        return instance.id in self._verifying

    async def bury(self, instance: Instance, why: str) -> None:
        """Keeps what is known of a container that died, and removes it."""
        code: int | None = None
        oom = False
        tail: tuple[str, ...] = ()
        try:
            observed = await self._runtime.inspect(instance.container)
            if observed is not None:
                code, oom = observed.exit_code, observed.oom_killed
                tail = await self._runtime.log_tail(instance.container, LOG_TAIL_LINES)
            await self._runtime.remove(instance.container)
        except MaelstromError as error:
            log.warning("%s: the dead container: %s", instance.component.full_name, error.message)
        reason = "out of memory" if oom else why if code is None else f"exited with code {code}"
        instance.black_box = BlackBox(reason, code, oom, tail, "", time.time())
