"""One container of a component as the pool counts it. Plain state: no I/O, no clock.

Whoever keeps a connection to it adds a `Link`, so that all are cut at the moment when the container is known to be
gone: the engine gives its address to the next container at once.
"""

from __future__ import annotations

from typing import Any, Protocol

from maelstrom.model.component import ComponentKey
from maelstrom.model.instance import Address, BlackBox, InstanceState, InstanceStatus, Receipt


class Link(Protocol):
    """A connection to an instance, idle or in use."""

    def lost(self) -> None:
        """The instance is gone or being stopped: close now, a request in flight on it has failed."""
        ...


class Instance:
    """Mutable, owned by its pool; doors read `address`, add links, and keep their idle connections in `idle`."""

    __slots__ = (
        "address",
        "black_box",
        "component",
        "container",
        "deadlines",
        "fingerprint",
        "frozen_at",
        "health_failures",
        "id",
        "idle",
        "image_id",
        "in_flight",
        "last_used",
        "limit",
        "links",
        "processes",
        "ready_at",
        "receipt",
        "run",
        "spare",
        "started_at",
        "state",
        "suspect",
        "version",
        "woken",
    )

    def __init__(self, id: str, component: ComponentKey, version: int, fingerprint: str, limit: int) -> None:
        self.id = id
        self.component = component
        self.version = version
        self.fingerprint = fingerprint
        self.limit = limit  # requests at a time; a very large number with softconcurrencylimit
        self.state: InstanceState = "starting"
        self.suspect = False  # an exchange broke: no grants until the engine has confirmed this very run
        self.container = ""
        self.run = ""  # the engine's start time: with `container` the identity of one run
        self.image_id = ""
        self.processes: tuple[int, ...] = ()  # that this run lives by, 0 for one not seen from here (runtime/process)
        self.address = Address("", 0)
        self.in_flight = 0  # slots that are taken
        self.spare = 0  # so many of them are lent to another process that does not use them, as far as it has told
        self.last_used = float("-inf")  # monotonic; when it became ready, or its last request ended
        self.ready_at = 0.0  # monotonic
        self.started_at: float | None = None  # seconds since 1970, for people
        self.frozen_at = 0.0  # monotonic, where it is frozen
        self.woken = False  # it was frozen before it became ready
        self.health_failures = 0
        self.receipt = Receipt()
        self.black_box: BlackBox | None = None
        self.idle: list[Any] = []  # the gateway's kept-alive connections, most recently used last
        self.links: set[Link] = set()
        self.deadlines: list[float] = []  # monotonic: of open work of sources, which may have longer ones than requests

    @property
    def accepts(self) -> bool:
        return self.state == "ready" and not self.suspect and self.in_flight < self.limit

    def status(self, node: str, epoch: float) -> InstanceStatus:
        """`epoch`: seconds since 1970 at which the monotonic clock was 0, to tell people times."""
        return InstanceStatus(
            component=self.component,
            version=self.version,
            state=self.state,
            node=node,
            container=self.container,
            inflight=self.in_flight - self.spare,
            started_at=self.started_at,
            last_request_at=epoch + self.last_used if self.last_used > self.ready_at else None,
            receipt=dict(self.receipt.phases),
            black_box=self.black_box,
        )

    def cut(self) -> None:
        """Tells every connection that the instance is gone."""
        links, self.links = self.links, set()
        self.idle = []
        for link in links:
            link.lost()
