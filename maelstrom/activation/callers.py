"""Whose container an address is. Implements `gateway.doorkeeper.Callers`.

Nothing is kept: it is looked up among the instances that there are, which lose their address at the moment when the
engine says that their container has ended; and a process that was seen to end says so earlier than the engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from maelstrom.activation.deployment import Deployment
from maelstrom.model.component import ComponentKey
from maelstrom.runtime.process import has_ended


class ContainerAddresses:
    """Of this node."""

    def __init__(self, deployments: Mapping[ComponentKey, Deployment], listed: asyncio.Event) -> None:
        """`listed`: what a former process has left is known."""
        self._deployments = deployments
        self._listed = listed

    def find(self, address: str) -> ComponentKey | None:
        """The component whose container has it, while the engine says so (F121)."""
        for deployment in self._deployments.values():
            for instance in deployment.pool.instances:
                if instance.address.host == address and not any(map(has_ended, instance.processes)):
                    return instance.component
        return None

    @property
    def settled(self) -> bool:
        """Not while a container may run whose address the engine has not told yet."""
        return self._listed.is_set() and not any(
            instance.state == "starting" and instance.container and not instance.address.host
            for deployment in self._deployments.values()
            for instance in deployment.pool.instances
        )
