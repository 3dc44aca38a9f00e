"""An instance: one container of one component on this node, as the pool counts it and as people see it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from maelstrom.model.component import ComponentKey

InstanceState = Literal["starting", "ready", "frozen", "draining", "stopping", "failed"]


@dataclass(frozen=True, slots=True)
class Address:
    """Where an instance's HTTP port answers. Only trusted while the engine says that this very container runs."""

    host: str
    port: int
    http2: bool = False  # it speaks HTTP/2 there, by prior knowledge


@dataclass(slots=True)
class Receipt:
    """How long each phase of a start took, in ms, in order: queue, pull, create, start, port_open, first_ok.

    Of one that was frozen, of its last wake: wake (the engine's part), port_open, first_ok.
    """

    phases: dict[str, float] = field(default_factory=dict)

    @property
    def total_ms(self) -> float:
        return sum(self.phases.values())


@dataclass(frozen=True, slots=True)
class BlackBox:
    """What is known of a container that failed: kept for `maelctl ps` and for the callers who waited."""

    reason: str
    exit_code: int | None = None
    oom_killed: bool = False
    log_tail: tuple[str, ...] = ()
    last_probe: str = ""  # last answer or error of the readiness probe
    at: float = 0.0  # seconds since 1970

    def as_json(self) -> dict[str, Any]:
        return {
            "reason": self.reason,
            "exit_code": self.exit_code,
            "oom_killed": self.oom_killed,
            "log_tail": list(self.log_tail),
            "last_probe": self.last_probe,
            "at": self.at,
        }


@dataclass(frozen=True, slots=True)
class InstanceStatus:
    """One row of `maelctl ps`."""

    component: ComponentKey
    version: int
    state: InstanceState
    node: str
    container: str
    inflight: int
    started_at: float | None  # seconds since 1970
    last_request_at: float | None
    receipt: dict[str, float] = field(default_factory=dict)
    black_box: BlackBox | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "project": self.component.project,
            "component": self.component.name,
            "version": self.version,
            "state": self.state,
            "node": self.node,
            "container": self.container,
            "inflight": self.inflight,
            "started_at": self.started_at,
            "last_request_at": self.last_request_at,
            "receipt_ms": self.receipt,
            "black_box": None if self.black_box is None else self.black_box.as_json(),
        }
