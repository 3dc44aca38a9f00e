"""How much memory the containers of this node reserve, and which frozen ones go where it is needed for others."""

from __future__ import annotations

from collections.abc import Mapping

from maelstrom.activation.deployment import Deployment
from maelstrom.activation.instance import Instance
from maelstrom.model.component import ComponentDefinition, ComponentKey


class Memory:
    """MiB. Whatever has not ended yet still has what it reserves."""

    def __init__(self, mib: int, deployments: Mapping[ComponentKey, Deployment]) -> None:
        self.mib = mib
        self._deployments = deployments
        self._leaving: set[Instance] = set()  # they are stopped to make room
        self._waiting: set[Deployment] = set()  # for that room

    @property
    def reserved(self) -> int:
        return sum(_share(d) * len(d.pool.instances) for d in self._deployments.values())

    def fits(self, definition: ComponentDefinition) -> bool:
        return self.reserved + definition.reservememory <= self.mib

    def make_room(self, deployment: Deployment) -> list[tuple[Deployment, Instance]] | None:
        """The frozen ones that must be stopped now so that one more fits, the longest frozen first.

        None where that is not enough: then they stay. Who waits for room is told of by `gone`.
        """
        missing = self.reserved + deployment.component.definition.reservememory - self.mib
        rows = [(d, i) for d in self._deployments.values() for i in d.pool.instances]
        missing -= sum(_share(d) for d, i in rows if i in self._leaving)
        chosen = []
        for row in sorted((row for row in rows if row[1].state == "frozen"), key=lambda row: row[1].frozen_at):
            if missing <= 0:
                break
            chosen.append(row)
            missing -= _share(row[0])
        if missing > 0:
            return None
        self._leaving.update(instance for _, instance in chosen)
        self._waiting.add(deployment)
        return chosen

    def gone(self, instance: Instance) -> set[Deployment]:
        """An instance has ended; who waits for room may look again."""
        self._leaving.discard(instance)
        waiting, self._waiting = self._waiting, set()
        return waiting


def _share(deployment: Deployment) -> int:
    return deployment.component.definition.reservememory
