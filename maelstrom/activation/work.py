"""Work that a source hands to a component: one request with its whole body, one answer. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from maelstrom.model.component import ComponentKey


@dataclass(frozen=True, slots=True)
class WorkRequest:
    """`headers` are added to those that every request gets (Maelstrom-Component, -Deadline, X-Request-Id).

    `repeatable`: what it is about may come twice anyway, so it may share connections, and is sent again where such a
    one is closed before any answer.
    """

    method: str
    path: str  # as sent, with its query
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    repeatable: bool = False


@dataclass(frozen=True, slots=True)
class WorkAnswer:
    """`code` is empty if the component answered; else the gateway's own code (`deadline`, `upstream_broken`, …).

    `body` is cut at `WORK_BODY_LIMIT`, then `truncated`; the rest was read and thrown away up to the deadline.
    """

    status: int
    headers: dict[str, str]  # names in lower case; of repeated ones the first
    body: bytes
    truncated: bool = False
    code: str = ""
    message: str = ""


WORK_BODY_LIMIT = 1_048_576


class Worker(Protocol):
    """Does one piece of work: activates, queues, exchanges. Raises nothing but cancellation, which ends the request."""

    async def work(self, component: ComponentKey, request: WorkRequest, *, seconds: float) -> WorkAnswer:
        """`seconds`: time for all of it, waiting included; then the answer is 504 `deadline`."""
        ...
